/* HTTP over libcurl; see transport.h.
 *
 * One multi handle with its connection cache; each fetch owns an easy handle for as long as
 * it lives, redirects included.  Header lines are parsed into mn_answer as they come; a new
 * status line starts it afresh (1xx answers, proxies' CONNECT answers).
 */
#include "hub/transport.h"
#include "base/buffer.h"
#include "base/status.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    CURLcode (*global_init)(long);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    const char *(*easy_strerror)(CURLcode);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *);
    CURLMcode (*multi_add)(CURLM *, CURL *);
    CURLMcode (*multi_remove)(CURLM *, CURL *);
    CURLMcode (*multi_perform)(CURLM *, int *);
    CURLMcode (*multi_poll)(CURLM *, struct curl_waitfd *, unsigned, int, int *);
    CURLMsg *(*multi_info_read)(CURLM *, int *);
    CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free)(struct curl_slist *);
    CURLU *(*url)(void);
    void (*url_cleanup)(CURLU *);
    CURLUcode (*url_get)(const CURLU *, CURLUPart, char **, unsigned);
    CURLUcode (*url_set)(CURLU *, CURLUPart, const char *, unsigned);
    void (*free)(void *);
    time_t (*getdate)(const char *, const time_t *);
} curl_api;

struct mn_transport {
    curl_api curl;
    CURLM *multi;
    char *endpoint, *token, *proxy, *no_proxy, *ca_file, *origin;
    int connect_timeout_ms, stall_ms;
    mn_fetch *first;
};

struct mn_fetch {
    mn_transport *t;
    mn_fetch *next;
    CURL *easy;
    struct curl_slist *headers;
    mn_fetch_options o;
    char *url;
    char range[64], error[CURL_ERROR_SIZE], why[400], body[512];
    size_t body_len;
    mn_answer answer;
    mn_fetch_state state;
    bool running;               /* it is in to the multi handle */
    bool head_told, stopped, left_home;
    bool handed_out;            /* its end was returned by mn_transport_step() */
    int hops;
    int64_t last_byte_ms;
};

int64_t mn_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void mn_transport_pause(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

/* ---- the library ------------------------------------------------------------------- */

static minerva_status load_curl(curl_api *c, minerva_error *err)
{
    /* Never closed: libcurl's own libraries do not expect to be unloaded. */
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!lib)
        return mn_fail(err, MINERVA_UNSUPPORTED, "the hub needs libcurl (package libcurl4), "
                       "which is not installed");
    const struct { const char *name; void *to; } names[] = {
        { "curl_global_init", &c->global_init }, { "curl_easy_init", &c->easy_init },
        { "curl_easy_cleanup", &c->easy_cleanup }, { "curl_easy_setopt", &c->easy_setopt },
        { "curl_easy_getinfo", &c->easy_getinfo }, { "curl_easy_strerror", &c->easy_strerror },
        { "curl_multi_init", &c->multi_init }, { "curl_multi_cleanup", &c->multi_cleanup },
        { "curl_multi_add_handle", &c->multi_add },
        { "curl_multi_remove_handle", &c->multi_remove },
        { "curl_multi_perform", &c->multi_perform }, { "curl_multi_poll", &c->multi_poll },
        { "curl_multi_info_read", &c->multi_info_read },
        { "curl_multi_setopt", &c->multi_setopt }, { "curl_slist_append", &c->slist_append },
        { "curl_slist_free_all", &c->slist_free }, { "curl_url", &c->url },
        { "curl_url_cleanup", &c->url_cleanup }, { "curl_url_get", &c->url_get },
        { "curl_url_set", &c->url_set }, { "curl_free", &c->free },
        { "curl_getdate", &c->getdate },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *f = dlsym(lib, names[i].name);
        if (!f)
            return mn_fail(err, MINERVA_UNSUPPORTED, "libcurl: a newer version expected, "
                           "this one has no %s", names[i].name);
        memcpy(names[i].to, &f, sizeof f);
    }
    if (c->global_init(CURL_GLOBAL_DEFAULT))
        return mn_fail(err, MINERVA_IO, "libcurl cannot be initialised");
    return MINERVA_OK;
}

/* ---- URLs -------------------------------------------------------------------------- */

/* "https://host:443" of a URL, malloc()ed; NULL if it is none for us. */
static char *origin_of(const curl_api *c, const char *url)
{
    CURLU *u = c->url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    mn_buffer b = { 0 };
    if (u && !c->url_set(u, CURLUPART_URL, url, 0)
        && !c->url_get(u, CURLUPART_SCHEME, &scheme, 0)
        && !c->url_get(u, CURLUPART_HOST, &host, 0)
        && !c->url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)
        && (!strcasecmp(scheme, "https") || !strcasecmp(scheme, "http"))) {
        mn_buffer_append_fmt(&b, "%s://%s:%s", scheme, host, port);
        for (char *p = b.data; p && *p; p++)
            if (*p >= 'A' && *p <= 'Z') *p += 'a' - 'A';
    }
    c->free(scheme);
    c->free(host);
    c->free(port);
    c->url_cleanup(u);
    return mn_buffer_take(&b, NULL);
}

/* `location` as seen from `base`, malloc()ed. */
static char *resolve(const curl_api *c, const char *base, const char *location)
{
    CURLU *u = c->url();
    char *full = NULL, *copy = NULL;
    if (u && !c->url_set(u, CURLUPART_URL, base, 0)
        && !c->url_set(u, CURLUPART_URL, location, 0)
        && !c->url_get(u, CURLUPART_URL, &full, 0))
        copy = strdup(full);
    c->free(full);
    c->url_cleanup(u);
    return copy;
}

/* ---- transport --------------------------------------------------------------------- */

static char *copy_of(const char *s) { return s && *s ? strdup(s) : NULL; }

minerva_status mn_transport_create(mn_transport **out, const mn_transport_options *o,
                                   minerva_error *err)
{
    mn_transport *t = calloc(1, sizeof *t);
    if (!t) return mn_fail_memory(err, sizeof *t);
    minerva_status st = load_curl(&t->curl, err);
    if (st != MINERVA_OK) goto fail;
    t->endpoint = strdup(o->endpoint);
    t->token = copy_of(o->token);
    t->proxy = copy_of(o->proxy);
    t->no_proxy = copy_of(o->no_proxy);
    t->ca_file = copy_of(o->ca_file);
    t->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 15000;
    t->stall_ms = o->stall_ms ? o->stall_ms : 30000;
    if (!(t->origin = origin_of(&t->curl, o->endpoint))) {
        st = mn_fail(err, MINERVA_INVALID, "the hub's address: http(s)://... expected, "
                     "\"%.200s\" found", o->endpoint);
        goto fail;
    }
    for (const char *p = t->token; p && *p; p++)
        if (*p <= ' ' || *p > '~') {
            st = mn_fail(err, MINERVA_INVALID, "the hub's token: one word of plain ASCII "
                         "expected");
            goto fail;
        }
    if (!(t->multi = t->curl.multi_init())) {
        st = mn_fail_memory(err, 1);
        goto fail;
    }
    *out = t;
    return MINERVA_OK;
fail:
    mn_transport_free(t);
    return st;
}

void mn_transport_free(mn_transport *t)
{
    if (!t) return;
    if (t->multi) t->curl.multi_cleanup(t->multi);
    free(t->endpoint);
    free(t->token);
    free(t->proxy);
    free(t->no_proxy);
    free(t->ca_file);
    free(t->origin);
    free(t);
}

/* ---- heads ------------------------------------------------------------------------- */

static void answer_clear(mn_answer *a)
{
    memset(a, 0, sizeof *a);
    a->length = a->first = a->last = a->total = a->retry_after_s = -1;
}

static bool is_header(const char *line, size_t n, const char *name, const char **value,
                      size_t *len)
{
    size_t k = strlen(name);
    if (n <= k || line[k] != ':' || strncasecmp(line, name, k)) return false;
    const char *p = line + k + 1, *end = line + n;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\r' || end[-1] == '\n')) end--;
    *value = p;
    *len = (size_t)(end - p);
    return true;
}

static void keep(char *to, size_t room, const char *value, size_t len)
{
    if (len >= room) len = 0;           /* what is too long is worth nothing cut */
    memcpy(to, value, len);
    to[len] = 0;
    for (char *p = to; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
}

static int64_t whole_number(const char *s)
{
    char *end;
    if (*s < '0' || *s > '9') return -1;
    long long v = strtoll(s, &end, 10);
    return *end || v < 0 || v == INT64_MAX ? -1 : v;
}

/* "bytes 0-99/1000", "bytes 0-99/" and a star, "bytes " star "/1000". */
static void content_range(mn_answer *a, const char *s)
{
    long long first, last, total;
    if (sscanf(s, "bytes %lld-%lld/%lld", &first, &last, &total) == 3) a->total = total;
    else if (sscanf(s, "bytes */%lld", &total) == 1) { a->total = total; return; }
    else if (sscanf(s, "bytes %lld-%lld/*", &first, &last) != 2) return;
    a->first = first;
    a->last = last;
}

/* The target marked rel="next" in a Link header. */
static void link_next(mn_answer *a, const char *s)
{
    while ((s = strchr(s, '<'))) {
        const char *end = strchr(s, '>');
        if (!end) return;
        const char *comma = strchr(end, ',');
        const char *rel = strstr(end, "rel=\"next\"");
        if (rel && (!comma || rel < comma)) {
            keep(a->next, sizeof a->next, s + 1, (size_t)(end - s - 1));
            return;
        }
        s = end;
    }
}

static void retry_after(const curl_api *c, mn_answer *a, const char *s)
{
    a->retry_after_s = whole_number(s);
    if (a->retry_after_s >= 0) return;
    time_t at = c->getdate(s, NULL), now = time(NULL);
    if (at >= 0) a->retry_after_s = at > now ? at - now : 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
    mn_fetch *f = ctx;
    mn_answer *a = &f->answer;
    const char *v;
    size_t len;
    char text[4096];
    f->last_byte_ms = mn_now_ms();
    if (n > 5 && !strncmp(line, "HTTP/", 5)) {
        const char *space = memchr(line, ' ', n);
        answer_clear(a);
        a->status = space ? atoi(space) : 0;
        f->head_told = false;
        return n;
    }
#define HEADER(name) (is_header(line, n, name, &v, &len) \
                      && (keep(text, sizeof text, v, len), true))
    if (HEADER("content-length")) a->length = whole_number(text);
    else if (HEADER("content-range")) content_range(a, text);
    else if (HEADER("retry-after")) retry_after(&f->t->curl, a, text);
    else if (HEADER("link")) link_next(a, text);
    else if (HEADER("etag")) keep(a->etag, sizeof a->etag, v, len);
    else if (HEADER("location")) keep(a->location, sizeof a->location, v, len);
    else if (HEADER("x-error-code")) keep(a->error_code, sizeof a->error_code, v, len);
    else if (HEADER("x-error-message"))
        keep(a->error_message, sizeof a->error_message, v, len);
#undef HEADER
    return n;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool tell_head(mn_fetch *f)
{
    if (f->head_told) return true;
    f->head_told = true;
    if (f->o.on_head && !f->o.on_head(f->o.ctx, &f->answer)) f->stopped = true;
    return !f->stopped;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    mn_fetch *f = ctx;
    int status = f->answer.status;
    f->last_byte_ms = mn_now_ms();
    if (is_redirect(status)) return n;
    if (status != 200 && status != 206) {
        size_t room = sizeof f->body - 1 - f->body_len, take = n < room ? n : room;
        memcpy(f->body + f->body_len, bytes, take);
        f->body_len += take;
        return n;
    }
    if (!tell_head(f)) return 0;
    if (f->o.on_bytes && !f->o.on_bytes(f->o.ctx, bytes, n)) f->stopped = true;
    return f->stopped ? 0 : n;
}

/* ---- a fetch ----------------------------------------------------------------------- */

static minerva_status prepare(mn_fetch *f, minerva_error *err)
{
    mn_transport *t = f->t;
    const curl_api *c = &t->curl;
    CURL *e = f->easy;
    char *origin = origin_of(c, f->url), line[2048];
    if (!origin)
        return mn_fail(err, MINERVA_INVALID, "an http(s) address expected, \"%.200s\" found",
                       f->url);
    bool home = !strcmp(origin, t->origin);
    free(origin);
    f->left_home |= !home;
    c->slist_free(f->headers);
    f->headers = NULL;
    if (home && t->token) {
        int n = snprintf(line, sizeof line, "Authorization: Bearer %s", t->token);
        if (n > 0 && n < (int)sizeof line) f->headers = c->slist_append(NULL, line);
    }
    answer_clear(&f->answer);
    f->head_told = false;
    f->body_len = 0;
    f->error[0] = 0;
    f->last_byte_ms = mn_now_ms();
    CURLcode bad = c->easy_setopt(e, CURLOPT_URL, f->url);
    bad |= c->easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
    if (f->o.end > 0) {
        snprintf(f->range, sizeof f->range, "%lld-%lld", (long long)f->o.first,
                 (long long)f->o.end - 1);
        bad |= c->easy_setopt(e, CURLOPT_RANGE, f->range);
    }
    bad |= c->easy_setopt(e, CURLOPT_PROXY, t->proxy ? t->proxy : "");
    bad |= c->easy_setopt(e, CURLOPT_NOPROXY, t->no_proxy ? t->no_proxy : "");
    if (t->ca_file) bad |= c->easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
    if (f->o.compressed) bad |= c->easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
    bad |= c->easy_setopt(e, CURLOPT_USERAGENT, "minerva/" MINERVA_VERSION);
    bad |= c->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= c->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= c->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)t->connect_timeout_ms);
    bad |= c->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= c->easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= c->easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    bad |= c->easy_setopt(e, CURLOPT_BUFFERSIZE, 256L << 10);
    bad |= c->easy_setopt(e, CURLOPT_ERRORBUFFER, f->error);
    bad |= c->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    bad |= c->easy_setopt(e, CURLOPT_HEADERDATA, f);
    bad |= c->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    bad |= c->easy_setopt(e, CURLOPT_WRITEDATA, f);
    bad |= c->easy_setopt(e, CURLOPT_PRIVATE, f);
    if (bad) return mn_fail(err, MINERVA_UNSUPPORTED, "libcurl: 7.85 or later expected");
    if (c->multi_add(t->multi, e)) return mn_fail_memory(err, 1);
    f->running = true;
    return MINERVA_OK;
}

minerva_status mn_fetch_start(mn_transport *t, const mn_fetch_options *o, mn_fetch **out,
                              minerva_error *err)
{
    mn_fetch *f = calloc(1, sizeof *f);
    if (!f) return mn_fail_memory(err, sizeof *f);
    f->t = t;
    f->o = *o;
    f->url = strdup(o->url);
    f->easy = t->curl.easy_init();
    f->next = t->first;
    t->first = f;
    minerva_status st = f->url && f->easy ? prepare(f, err) : mn_fail_memory(err, 1);
    if (st != MINERVA_OK) {
        mn_fetch_free(f);
        return st;
    }
    *out = f;
    return MINERVA_OK;
}

void mn_fetch_free(mn_fetch *f)
{
    if (!f) return;
    mn_transport *t = f->t;
    for (mn_fetch **p = &t->first; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            break;
        }
    if (f->running) t->curl.multi_remove(t->multi, f->easy);
    if (f->easy) t->curl.easy_cleanup(f->easy);
    t->curl.slist_free(f->headers);
    free(f->url);
    free(f);
}

static void end(mn_fetch *f, mn_fetch_state state, const char *why)
{
    if (f->running) f->t->curl.multi_remove(f->t->multi, f->easy);
    f->running = false;
    f->state = state;
    f->body[f->body_len] = 0;
    snprintf(f->why, sizeof f->why, "%s", why);
}

/* Follows a redirect: true if the fetch goes on. */
static bool hop(mn_fetch *f)
{
    const curl_api *c = &f->t->curl;
    minerva_error err = { 0 };
    char *to = f->answer.location[0] ? resolve(c, f->url, f->answer.location) : NULL;
    c->multi_remove(f->t->multi, f->easy);
    f->running = false;
    if (!to) {
        end(f, MN_FETCH_REFUSED, "a redirect without a usable address");
    } else if (++f->hops > MN_MAX_HOPS) {
        end(f, MN_FETCH_REFUSED, "more than 8 redirects");
    } else if (!strncasecmp(f->url, "https:", 6) && strncasecmp(to, "https:", 6)) {
        end(f, MN_FETCH_REFUSED, "a redirect from https to something less safe");
    } else {
        free(f->url);
        f->url = to;
        if (prepare(f, &err) == MINERVA_OK) return true;
        end(f, MN_FETCH_REFUSED, err.message);
        return false;
    }
    free(to);
    return false;
}

static void finished(mn_fetch *f, CURLcode result)
{
    int status = f->answer.status;
    if (f->stopped) {
        end(f, MN_FETCH_STOPPED, "");
    } else if (result) {
        const char *why = f->error[0] ? f->error : f->t->curl.easy_strerror(result);
        end(f, MN_FETCH_BROKEN, why);
    } else if (is_redirect(status)) {
        hop(f);
    } else {
        if ((status == 200 || status == 206) && !tell_head(f)) end(f, MN_FETCH_STOPPED, "");
        else end(f, MN_FETCH_DONE, "");
    }
}

static mn_fetch *find_ended(mn_transport *t)
{
    for (mn_fetch *f = t->first; f; f = f->next)
        if (f->state != MN_FETCH_RUNNING && !f->handed_out) {
            f->handed_out = true;
            return f;
        }
    return NULL;
}

mn_fetch *mn_transport_step(mn_transport *t, int wait_ms)
{
    int n_running, left;
    mn_fetch *f = find_ended(t);
    if (f) return f;
    t->curl.multi_perform(t->multi, &n_running);
    if (n_running) t->curl.multi_poll(t->multi, NULL, 0, wait_ms, NULL);
    t->curl.multi_perform(t->multi, &n_running);
    for (CURLMsg *m; (m = t->curl.multi_info_read(t->multi, &left));) {
        char *private = NULL;
        CURLcode result = m->data.result;
        t->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        finished((mn_fetch *)private, result);
    }
    int64_t now = mn_now_ms();
    for (f = t->first; f; f = f->next)
        if (f->running && now - f->last_byte_ms > t->stall_ms
            && now - f->last_byte_ms > (f->answer.status ? 0 : t->connect_timeout_ms)) {
            char why[80];
            snprintf(why, sizeof why, "no byte came for %lld seconds",
                     (long long)(now - f->last_byte_ms) / 1000);
            end(f, MN_FETCH_BROKEN, why);
        }
    return find_ended(t);
}

mn_fetch_state mn_fetch_how(const mn_fetch *f) { return f->state; }
void *mn_fetch_ctx(const mn_fetch *f) { return f->o.ctx; }
const mn_answer *mn_fetch_answer(const mn_fetch *f) { return &f->answer; }
const char *mn_fetch_why(const mn_fetch *f) { return f->why; }
const char *mn_fetch_url(const mn_fetch *f) { return f->url; }
bool mn_fetch_left_home(const mn_fetch *f) { return f->left_home; }
const char *mn_fetch_error_body(const mn_fetch *f) { return f->body; }
