/* The window: one web view that shows the server's page and nothing else.
 *
 * The way of a start: the lock (another window is raised instead), the display, the filter
 * of requests, the server (asked every 100 ms until it answers), the page.  A link that
 * leads elsewhere, if it was clicked, goes to the user's own browser.
 */
#include "app/app.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <gtk/gtk.h>
#include <webkit2/webkit2.h>
#ifdef GDK_WINDOWING_X11
#include <gdk/gdkx.h>
#endif

enum { ASK_MS = 100, WIDTH = 1100, HEIGHT = 760 };

typedef struct {
    GtkWidget *window;
    WebKitWebView *view;
    WebKitUserContentManager *content;
    const char *program;        /* minerva */
    char *const *models;
    char origin[64];            /* "http://127.0.0.1:11434/" */
    int port;
    pid_t server;               /* ours, or 0 */
    bool shown;                 /* the page was asked for */
    int code;
} app;

static const char starting[] =
    "<meta name=color-scheme content='light dark'><title>Minerva is starting</title>"
    "<body style='font:16px sans-serif;display:grid;place-items:center;height:90vh'>"
    "<p role=status>Minerva is starting";
static const char ended[] =
    "<meta name=color-scheme content='light dark'><title>Minerva</title>"
    "<body style='font:16px sans-serif;display:grid;place-items:center;height:90vh'>"
    "<p role=alert>The server has ended. Close this window and open it again.";

static void give_up(app *a, const char *why)
{
    fprintf(stderr, "minerva: %s\n", why);
    a->code = 1;
    gtk_main_quit();
}

/* ---- what may be loaded ------------------------------------------------------------ */

static bool is_ours(const app *a, const char *uri)
{
    return uri && (!strncmp(uri, a->origin, strlen(a->origin)) || !strcmp(uri, "about:blank"));
}

/* A file that the page made itself, for saving. */
static bool is_own_blob(const app *a, const char *uri)
{
    return uri && !strncmp(uri, "blob:", 5) && is_ours(a, uri + 5);
}

static void open_elsewhere(const app *a, WebKitNavigationAction *action, const char *uri)
{
    bool web = uri && (!strncmp(uri, "http://", 7) || !strncmp(uri, "https://", 8));
    if (web && webkit_navigation_action_is_user_gesture(action))
        gtk_show_uri_on_window(GTK_WINDOW(a->window), uri, GDK_CURRENT_TIME, NULL);
}

static gboolean on_policy(WebKitWebView *view, WebKitPolicyDecision *decision,
                          WebKitPolicyDecisionType type, gpointer ctx)
{
    const app *a = ctx;
    if (type == WEBKIT_POLICY_DECISION_TYPE_RESPONSE) return FALSE;
    WebKitNavigationAction *action = webkit_navigation_policy_decision_get_navigation_action(
        WEBKIT_NAVIGATION_POLICY_DECISION(decision));
    const char *uri = webkit_uri_request_get_uri(webkit_navigation_action_get_request(action));
    bool new_window = type == WEBKIT_POLICY_DECISION_TYPE_NEW_WINDOW_ACTION;
    if (!new_window && (is_ours(a, uri) || is_own_blob(a, uri))) return FALSE;
    open_elsewhere(a, action, uri);
    webkit_policy_decision_ignore(decision);
    return TRUE;
}

/* For WebKitUserContentFilterStore: all is blocked but our origin and what pages make. */
static GBytes *filter_rules(const app *a)
{
    char *text = g_strdup_printf(
        "[{\"trigger\":{\"url-filter\":\".*\"},\"action\":{\"type\":\"block\"}},"
        "{\"trigger\":{\"url-filter\":\"^http://127\\\\.0\\\\.0\\\\.1:%d/\"},\"action\":{\"type\":\"ignore-previous-rules\"}},"
        "{\"trigger\":{\"url-filter\":\"^blob:\"},\"action\":{\"type\":\"ignore-previous-rules\"}},"
        "{\"trigger\":{\"url-filter\":\"^data:\"},\"action\":{\"type\":\"ignore-previous-rules\"}},"
        "{\"trigger\":{\"url-filter\":\"^about:\"},\"action\":{\"type\":\"ignore-previous-rules\"}}]",
        a->port);
    return g_bytes_new_take(text, strlen(text));
}

/* ---- the server -------------------------------------------------------------------- */

static void on_server_end(GPid pid, gint status, gpointer ctx)
{
    app *a = ctx;
    a->server = 0;
    if (!a->shown) give_up(a, "the server did not start");
    else webkit_web_view_load_html(a->view, ended, NULL);
}

static gboolean on_ask(gpointer ctx)
{
    app *a = ctx;
    mn_app_answer answer = mn_app_server_ask(a->port);
    if (answer == MN_APP_STRANGER) {
        char why[160];
        snprintf(why, sizeof why, "port %d: a server of Minerva's was expected, another program "
                 "answers there; --port names another port", a->port);
        give_up(a, why);
        return G_SOURCE_REMOVE;
    }
    if (answer == MN_APP_NOBODY && a->server) return G_SOURCE_CONTINUE;
    if (answer == MN_APP_NOBODY) {
        a->server = mn_app_server_start(a->program, a->port, a->models);
        if (a->server < 0) {
            a->server = 0;
            give_up(a, strerror(errno));
            return G_SOURCE_REMOVE;
        }
        g_child_watch_add(a->server, on_server_end, a);
        return G_SOURCE_CONTINUE;
    }
    if (!a->server && *a->models)
        fprintf(stderr, "minerva: a server runs at port %d; it keeps its own models\n", a->port);
    a->shown = true;
    webkit_web_view_load_uri(a->view, a->origin);
    return G_SOURCE_REMOVE;
}

static void on_filter(GObject *store, GAsyncResult *result, gpointer ctx)
{
    app *a = ctx;
    GError *err = NULL;
    WebKitUserContentFilter *filter = webkit_user_content_filter_store_save_finish(
        WEBKIT_USER_CONTENT_FILTER_STORE(store), result, &err);
    if (!filter) {
        give_up(a, err->message);
        g_error_free(err);
        return;
    }
    webkit_user_content_manager_add_filter(a->content, filter);
    webkit_user_content_filter_unref(filter);
    if (on_ask(a)) g_timeout_add(ASK_MS, on_ask, a);
}

/* What the server has to finish, it finishes; a new window may come meanwhile. */
static void end_server(app *a)
{
    if (!a->server) return;
    kill(a->server, SIGTERM);
    while (waitpid(a->server, NULL, 0) < 0 && errno == EINTR) { }
}

/* ---- the window -------------------------------------------------------------------- */

static gboolean on_raise(gpointer ctx)
{
    const app *a = ctx;
    guint32 now = GDK_CURRENT_TIME;
#ifdef GDK_WINDOWING_X11
    /* Window managers keep windows from stealing the focus; the user's wish is of now. */
    GdkWindow *window = gtk_widget_get_window(a->window);
    if (window && GDK_IS_X11_WINDOW(window)) now = gdk_x11_get_server_time(window);
#endif
    gtk_window_present_with_time(GTK_WINDOW(a->window), now);
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer ctx)
{
    gtk_main_quit();
    return G_SOURCE_CONTINUE;
}

static void on_title(WebKitWebView *view, GParamSpec *spec, gpointer ctx)
{
    const app *a = ctx;
    const char *title = webkit_web_view_get_title(view);
    gtk_window_set_title(GTK_WINDOW(a->window), title && *title ? title : "Minerva");
}

static WebKitWebView *make_view(app *a, const char *dir)
{
    WebKitWebsiteDataManager *data = webkit_website_data_manager_new(
        "base-data-directory", dir, "base-cache-directory", dir, NULL);
    WebKitWebContext *context = webkit_web_context_new_with_website_data_manager(data);
    a->content = webkit_user_content_manager_new();
    /* One page that is never left: nothing is kept for going back. */
    webkit_web_context_set_cache_model(context, WEBKIT_CACHE_MODEL_DOCUMENT_VIEWER);
    WebKitWebView *view = WEBKIT_WEB_VIEW(g_object_new(WEBKIT_TYPE_WEB_VIEW,
        "web-context", context, "user-content-manager", a->content, NULL));
    WebKitSettings *settings = webkit_web_view_get_settings(view);
    webkit_settings_set_hardware_acceleration_policy(settings,
        WEBKIT_HARDWARE_ACCELERATION_POLICY_NEVER);
    webkit_settings_set_enable_page_cache(settings, FALSE);
    webkit_settings_set_enable_webgl(settings, FALSE);
    webkit_settings_set_enable_media(settings, FALSE);
    webkit_settings_set_javascript_can_access_clipboard(settings, TRUE);   /* "copy" */
    g_signal_connect(view, "decide-policy", G_CALLBACK(on_policy), a);
    g_signal_connect(view, "notify::title", G_CALLBACK(on_title), a);
    g_object_unref(context);
    g_object_unref(data);
    return view;
}

static void open_window(app *a, const char *dir)
{
    a->window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_window_set_title(GTK_WINDOW(a->window), "Minerva is starting");
    gtk_window_set_default_size(GTK_WINDOW(a->window), WIDTH, HEIGHT);
    a->view = make_view(a, dir);
    gtk_container_add(GTK_CONTAINER(a->window), GTK_WIDGET(a->view));
    g_signal_connect(a->window, "destroy", G_CALLBACK(gtk_main_quit), NULL);
    g_unix_signal_add(SIGUSR2, on_raise, a);
    g_unix_signal_add(SIGTERM, on_signal, a);
    g_unix_signal_add(SIGINT, on_signal, a);
    webkit_web_view_load_html(a->view, starting, NULL);
    gtk_widget_show_all(a->window);

    char *filters = g_build_filename(dir, "filters", NULL);
    WebKitUserContentFilterStore *store = webkit_user_content_filter_store_new(filters);
    GBytes *rules = filter_rules(a);
    webkit_user_content_filter_store_save(store, "origin", rules, NULL, on_filter, a);
    g_bytes_unref(rules);
    g_object_unref(store);
    g_free(filters);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "minerva-app: \"minerva app\" starts this program\n");
        return 2;
    }
    app a = { .port = atoi(argv[1]), .program = argv[3], .models = argv + 4 };
    const char *home = argv[2];
    int single = mn_app_single_acquire(home);
    if (single < 0) {
        fprintf(stderr, "minerva: %s/app.lock: %s\n", home, strerror(errno));
        return 1;
    }
    if (single == 0) return 0;
    g_set_prgname("minerva");
    if (!gtk_init_check(NULL, NULL)) {
        fprintf(stderr, "minerva: a display expected for the window, none found (DISPLAY, "
                "WAYLAND_DISPLAY)\n");
        return 1;
    }
    snprintf(a.origin, sizeof a.origin, "http://127.0.0.1:%d/", a.port);
    char *dir = g_build_filename(home, "app", NULL);
    open_window(&a, dir);
    g_free(dir);
    gtk_main();
    mn_app_single_release();
    end_server(&a);
    return a.code;
}
