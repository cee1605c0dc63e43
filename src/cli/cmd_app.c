/* minerva app: the web page in a window of its own.
 *
 * The window is another program, minerva-app (src/app), so that this one is not linked
 * against WebKitGTK and runs where there is none.  It lies beside us in the build folder and
 * in libexec/minerva of the installation; where it was not built, only this verb is missing.
 * We find it and become it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_MODELS = 32, N_BEFORE = 4 };

/* The path of this program and of the window's; false if the latter is not there. */
static bool find_window(char self[PATH_MAX], char window[PATH_MAX + 32])
{
    static const char *const places[] = { "minerva-app", "../libexec/minerva/minerva-app" };
    ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);
    if (n <= 0) return false;
    self[n] = 0;
    const char *slash = strrchr(self, '/');
    if (!slash) return false;
    for (int i = 0; i < 2; i++) {
        snprintf(window, PATH_MAX + 32, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(window, X_OK) == 0) return true;
    }
    return false;
}

int cli_app(int argc, char **argv)
{
    int32_t port = 11434;
    char self[PATH_MAX], window[PATH_MAX + 32], number[16];
    char *args[N_BEFORE + MAX_MODELS + 1] = { window, number, (char *)cli_home(), self };
    const cli_option options[] = {
        { "--port", "-p", CLI_INT, &port, "N", "the server's port (11434)", 0 },
        { 0 },
    };
    static cli_command c = {
        .verb = "app", .usage = "app [MODEL...] [options]", .max_args = MAX_MODELS,
        .about = "Opens the web page in a window.  If no server runs at the port, one is started\n"
                 "with these models, as \"minerva serve\" would, and ends with the window.  There\n"
                 "is one window: called again, this raises it.",
    };
    c.options = options;
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (port < 1 || port > 65535) return cli_usage("--port: 1 to 65535 expected, %d found", (int)port);
    if (!find_window(self, window))
        return cli_fail_with("this installation has no window: it was built without WebKitGTK "
                             "(webkit2gtk-4.1); \"minerva serve\" serves the same page to a browser");
    snprintf(number, sizeof number, "%d", (int)port);
    for (int i = 0; i < c.n_args; i++) args[N_BEFORE + i] = (char *)c.args[i];
    execv(window, args);
    return cli_fail_with("%s: %s", window, strerror(errno));
}
