/* The test hub; see hub_server.h.  A thread per connection, HTTP/1.1 with keep-alive. */
#include "tests/hub_server.h"
#include "base/buffer.h"
#include "hub/digest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    const char *path;
    int64_t size;               /* of made-up files */
    const char *real;           /* or where the bytes are */
    bool large;                 /* a Git LFS file */
    char digest[MN_DIGEST_HEX];
} file;

typedef struct {
    const char *id, *tags;
    file *files;
    int n;
} model;

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

#define DATA "tests/data/models/"
static file tiny[] = {
    { "Tiny-Q4_K_M.gguf", 3000017, NULL, true, "" }, { "Tiny-Q8_0.gguf", 5300001, NULL, true, "" },
    { "Tiny-F16.gguf", 9000000, NULL, true, "" }, { "mmproj-Tiny-F16.gguf", 70000, NULL, true, "" },
    { "README.md", 500, NULL, false, "" }, { "run.py", 100, NULL, false, "" },
    { "pytorch_model.bin", 100000, NULL, true, "" }, { "../escape.gguf", 10, NULL, true, "" },
    { "/etc/absolute.gguf", 10, NULL, true, "" }, { "a/../../b.gguf", 10, NULL, true, "" },
    { "line\nbreak.gguf", 10, NULL, true, "" }, { ".hidden.gguf", 10, NULL, true, "" },
};
static file split[] = {
    { "Q4_0/Big-Q4_0-00001-of-00003.gguf", 400000, NULL, true, "" },
    { "Q4_0/Big-Q4_0-00002-of-00003.gguf", 400000, NULL, true, "" },
    { "Q4_0/Big-Q4_0-00003-of-00003.gguf", 123456, NULL, true, "" },
    { "Q8_0/Big-Q8_0-00001-of-00002.gguf", 400000, NULL, true, "" },    /* part 2 lacks */
};
static file mlx[] = {
    { "config.json", 0, DATA "stories260k-hf/config.json", false, "" },
    { "model.safetensors", 0, DATA "stories260k-hf/model.safetensors", true, "" },
    { "tokenizer.json", 0, DATA "stories260k-hf/tokenizer.json", false, "" },
    { "modeling_tiny.py", 300, NULL, false, "" }, { "optimizer.pt", 3000, NULL, true, "" },
    { "README.md", 200, NULL, false, "" }, { "original/consolidated.safetensors", 99, NULL, true, "" },
};
static file nano[] = { { "stories-F32.gguf", 0, DATA "stories260k.gguf", true, "" } };
static file pickled[] = {
    { "config.json", 100, NULL, false, "" }, { "pytorch_model.bin", 1000, NULL, true, "" },
};
static file empty[] = { { "README.md", 10, NULL, false, "" } };
static file locked[] = { { "Locked-Q4_0.gguf", 50000, NULL, true, "" } };
static file huge[] = { { "Huge-Q8_0.gguf", (int64_t)1 << 45, NULL, true, "" } };
static file many[2500];

static model models[] = {
    { "acme/tiny-GGUF", "\"gguf\",\"license:apache-2.0\"", tiny, sizeof tiny / sizeof *tiny },
    { "acme/split-GGUF", "\"gguf\",\"license:mit\"", split, sizeof split / sizeof *split },
    { "acme/tiny-mlx", "\"mlx\",\"safetensors\",\"license:mit\"", mlx, sizeof mlx / sizeof *mlx },
    { "acme/nano-GGUF", "\"gguf\",\"license:mit\"", nano, 1 },
    { "acme/pickled", "\"pytorch\"", pickled, 2 },
    { "acme/empty", "", empty, 1 },
    { "acme/gated", "\"gguf\"", locked, 1 },
    { "acme/private", "\"gguf\"", locked, 1 },
    { "acme/huge-GGUF", "\"gguf\"", huge, 1 },
    { "acme/many", "", many, 2500 },
};
enum { N_MODELS = sizeof models / sizeof *models, N_LISTED = 45 };

static hub_control *control;

/* ---- contents ---------------------------------------------------------------------- */

void hub_file_bytes(const char *path, int version, int64_t offset, uint8_t *out, size_t n)
{
    uint64_t seed = 1469598103934665603u + (uint64_t)version;
    for (; *path; path++) seed = (seed ^ (uint8_t)*path) * 1099511628211u;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)offset + i, x = seed + (at >> 3) * 0x9e3779b97f4a7c15u;
        x ^= x >> 31;
        x *= 0xbf58476d1ce4e5b9u;
        x ^= x >> 29;
        out[i] = (uint8_t)(x >> 8 * (at & 7));
    }
}

static void file_bytes(const file *f, int version, int64_t offset, uint8_t *out, size_t n)
{
    if (!f->real) {
        hub_file_bytes(f->path, version, offset, out, n);
        return;
    }
    FILE *in = fopen(f->real, "rb");
    if (!in || fseek(in, offset, SEEK_SET) || fread(out, 1, n, in) != n) memset(out, 0, n);
    if (in) fclose(in);
}

static void prepare(file *f)
{
    mn_digest *d;
    uint8_t block[65536];
    struct stat st;
    if (f->real) f->size = stat(f->real, &st) ? 0 : st.st_size;
    if (f->size > 1 << 28) {
        memset(f->digest, 'a', 64);
        return;
    }
    if (mn_digest_create(&d, f->large ? MN_DIGEST_SHA256 : MN_DIGEST_GIT, f->size, NULL)) return;
    for (int64_t at = 0; at < f->size;) {
        size_t n = f->size - at < (int64_t)sizeof block ? (size_t)(f->size - at) : sizeof block;
        file_bytes(f, 0, at, block, n);
        mn_digest_add(d, block, n);
        at += (int64_t)n;
    }
    mn_digest_finish(d, f->digest);
    mn_digest_free(d);
}

/* ---- answers ----------------------------------------------------------------------- */

typedef struct {
    int fd;
    bool store;                 /* which of the two origins */
    char method[8], path[2048], query[2048], token[100];
    int64_t first, last;        /* Range; -1: none */
    bool close;
} request;

static bool send_all(int fd, const void *bytes, size_t n)
{
    for (const char *at = bytes; n;) {
        ssize_t w = send(fd, at, n, MSG_NOSIGNAL);
        if (w <= 0) return false;
        at += w;
        n -= (size_t)w;
    }
    return true;
}

static bool answer(request *r, int status, const char *headers, const char *body)
{
    mn_buffer b = { 0 };
    size_t n = strlen(body);
    mn_buffer_append_fmt(&b, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status, n, headers);
    mn_buffer_append(&b, body, n);
    bool sent = !b.failed && send_all(r->fd, b.data, b.len);
    mn_buffer_clear(&b);
    return sent;
}

/* One of the ordered faults, used up; HUB_GOOD if none is due. */
static hub_fault take_fault(atomic_int *which)
{
    hub_fault f = atomic_load(which);
    if (f == HUB_GOOD) return f;
    if (f == HUB_CHAOS) {
        unsigned x = (unsigned)rand();
        return x % 3 ? HUB_GOOD : (hub_fault)(1 + x / 3 % 6);
    }
    int n = atomic_load(&control->n_faults);
    while (n > 0 && !atomic_compare_exchange_weak(&control->n_faults, &n, n - 1)) { }
    return n == 0 ? HUB_GOOD : f;
}

static bool refuse(request *r, hub_fault fault)
{
    char headers[100];
    if (fault == HUB_DOWN) return answer(r, 503, "", "busy");
    snprintf(headers, sizeof headers, "Retry-After: %d\r\n", atomic_load(&control->retry_after));
    return answer(r, 429, headers, "slower, please");
}

static bool send_content(request *r, const file *f, hub_fault fault)
{
    int version = fault == HUB_CHANGED;
    int64_t size = f->size - (fault == HUB_SHORT ? 1000 : 0), first = 0, last = size - 1;
    bool part = r->first >= 0 && fault != HUB_NO_RANGES;
    if (part) {
        first = r->first;
        last = r->last >= 0 && r->last < size ? r->last : size - 1;
    }
    if (part && fault == HUB_WRONG_RANGE) first = first ? first - 1 : 1;
    if (first > last && size) return answer(r, 416, "", "");
    mn_buffer head = { 0 };
    mn_buffer_append_fmt(&head, "HTTP/1.1 %d X\r\nContent-Length: %lld\r\nETag: \"%.20s-%d\"\r\n",
                         part ? 206 : 200, (long long)(last - first + 1), f->digest, version);
    if (part) mn_buffer_append_fmt(&head, "Content-Range: bytes %lld-%lld/%lld\r\n",
                                   (long long)first, (long long)last, (long long)size);
    mn_buffer_append_str(&head, "\r\n");
    bool sent = send_all(r->fd, head.data, head.len);
    mn_buffer_clear(&head);
    uint8_t block[16384];
    int64_t done = 0, after = atomic_load(&control->after);
    while (sent && first <= last) {
        size_t n = last - first + 1 < (int64_t)sizeof block ? (size_t)(last - first + 1)
                                                             : sizeof block;
        if (fault == HUB_DROP || fault == HUB_STALL || fault == HUB_LYING_RANGE) {
            if (done >= after) break;
            if ((int64_t)n > after - done) n = (size_t)(after - done);
        }
        file_bytes(f, version, first, block, n);
        if (fault == HUB_CORRUPT) block[n / 2] ^= 0x40;
        sent = send_all(r->fd, block, n);
        first += (int64_t)n;
        done += (int64_t)n;
        atomic_fetch_add(&control->bytes_sent, (long)n);
        int slow = atomic_load(&control->slow_us);
        if (slow) usleep((useconds_t)slow);
    }
    if (sent && fault == HUB_STALL && first <= last) {
        char c;
        recv(r->fd, &c, 1, 0);          /* until the other side gives up */
    }
    return sent && first > last;
}

static const model *model_of(const char *id, size_t len)
{
    for (int i = 0; i < N_MODELS; i++)
        if (strlen(models[i].id) == len && !strncmp(models[i].id, id, len)) return &models[i];
    return NULL;
}

static const file *file_of(const model *m, const char *path)
{
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->files[i].path, path)) return &m->files[i];
    return NULL;
}

/* Gated and private models: false if an answer went out (*sent). */
static bool allowed(request *r, const char *id, bool *sent)
{
    bool known = !strcmp(r->token, HUB_TOKEN);
    bool gated = !strcmp(id, "acme/gated"), private = !strcmp(id, "acme/private");
    if (known || !(gated || private)) return true;
    if (gated)
        *sent = answer(r, r->token[0] ? 403 : 401, "X-Error-Code: GatedRepo\r\nX-Error-Message: "
                       "Access to this model is restricted\r\n", "{\"error\":\"gated\"}");
    else
        *sent = answer(r, 401, "X-Error-Code: RepoNotFound\r\n", "{\"error\":\"no\"}");
    return false;
}

static bool send_info(request *r, const model *m)
{
    mn_buffer b = { 0 };
    mn_buffer_append_fmt(&b, "{\"id\":\"%s\",\"sha\":\"%s\",\"gated\":%s,\"tags\":[%s],\"gguf\":"
                         "{\"total\":1000000,\"context_length\":4096}}", m->id, commit,
                         !strcmp(m->id, "acme/gated") ? "\"manual\"" : "false", m->tags);
    bool sent = answer(r, 200, "", b.data);
    mn_buffer_clear(&b);
    return sent;
}

static long query_number(const char *query, const char *name, long fallback)
{
    const char *p = strstr(query, name);
    return p ? atol(p + strlen(name)) : fallback;
}

static bool send_tree(request *r, const model *m)
{
    mn_buffer b = { 0 };
    char headers[2200] = "";
    long at = query_number(r->query, "cursor=", 0), end = at + 1000 < m->n ? at + 1000 : m->n;
    mn_buffer_append_byte(&b, '[');
    for (long i = at; i < end; i++) {
        const file *f = &m->files[i];
        mn_buffer_append_fmt(&b, "%s{\"type\":\"file\",\"size\":%lld,\"path\":", i > at ? "," : "",
                             (long long)f->size);
        mn_buffer_append_json(&b, f->path, strlen(f->path));
        if (f->large)
            mn_buffer_append_fmt(&b, ",\"oid\":\"%.40s\",\"lfs\":{\"oid\":\"%s\",\"size\":%lld,"
                                 "\"pointerSize\":130}}", commit, f->digest, (long long)f->size);
        else
            mn_buffer_append_fmt(&b, ",\"oid\":\"%s\"}", f->digest);
    }
    mn_buffer_append_str(&b, "]");
    if (end < m->n)
        snprintf(headers, sizeof headers, "Link: <http://127.0.0.1:%d%s?recursive=true&cursor=%ld>;"
                 " rel=\"next\"\r\n", control->hub_port, r->path, end);
    bool sent = answer(r, 200, headers, b.data);
    mn_buffer_clear(&b);
    return sent;
}

static bool send_search(request *r)
{
    mn_buffer b = { 0 };
    char headers[300] = "", format[20] = "";
    const char *filter = strstr(r->query, "filter=");
    if (filter) sscanf(filter, "filter=%19[a-z]", format);
    long at = query_number(r->query, "cursor=", 0), limit = query_number(r->query, "limit=", 20);
    long end = at + limit < N_LISTED ? at + limit : N_LISTED;
    bool some = false, nothing = strstr(r->query, "search=nothing") != NULL;
    mn_buffer_append_byte(&b, '[');
    for (long i = at; i < end && !nothing; i++) {
        const char *tags = i < N_MODELS ? models[i].tags : "\"gguf\",\"license:mit\"";
        if (*format && !strstr(tags, format)) continue;
        char id[60];
        snprintf(id, sizeof id, "acme/model-%02ld-GGUF", i);
        mn_buffer_append_fmt(&b, "%s{\"id\":\"%s\",\"downloads\":%ld,\"likes\":3,\"gated\":%s,"
            "\"tags\":[%s],\"usedStorage\":%ld,\"lastModified\":\"2026-01-01T00:00:00.000Z\","
            "\"gguf\":{\"total\":%ld}}", some ? "," : "", i < N_MODELS ? models[i].id : id,
            100000 - 1000 * i, i == 6 ? "\"manual\"" : "false", tags, 5000000 + i, 1000000 * (i + 1));
        some = true;
    }
    mn_buffer_append_byte(&b, ']');
    if (end < N_LISTED && !nothing)
        snprintf(headers, sizeof headers, "Link: <http://127.0.0.1:%d/api/models?search=x&limit=%ld"
                 "%s%s&cursor=%ld>; rel=\"next\"\r\n", control->hub_port, limit,
                 *format ? "&filter=" : "", format, end);
    bool sent = answer(r, 200, headers, b.data);
    mn_buffer_clear(&b);
    return sent;
}

static bool serve_api(request *r)
{
    const char *p = r->path + strlen("/api/models");
    bool sent = true;
    atomic_fetch_add(&control->n_api, 1);
    hub_fault fault = take_fault(&control->api_fault);
    if (fault) return refuse(r, fault);
    if (!*p) return send_search(r);
    const char *slash = strchr(++p, '/'), *rest = slash ? strchr(slash + 1, '/') : NULL;
    size_t len = rest ? (size_t)(rest - p) : strlen(p);
    const model *m = model_of(p, len);
    if (!m) return answer(r, 404, "X-Error-Code: RepoNotFound\r\n", "{\"error\":\"none\"}");
    if (!allowed(r, m->id, &sent)) return sent;
    if (!rest || !strncmp(rest, "/revision/", 10)) {
        if (rest && strcmp(rest + 10, "main") && strcmp(rest + 10, commit))
            return answer(r, 404, "X-Error-Code: RevisionNotFound\r\nX-Error-Message: Invalid rev "
                          "id\r\n", "");
        return send_info(r, m);
    }
    if (!strncmp(rest, "/tree/", 6)) return send_tree(r, m);
    return answer(r, 404, "", "");
}

/* /ID/resolve/REV/PATH at the hub; /blob/ID/PATH at the store. */
static bool serve_file(request *r)
{
    char *at = r->path + 1, *mark = strstr(at, r->store ? "\x01" : "/resolve/");
    bool sent = true;
    if (r->store) {
        if (strncmp(at, "blob/", 5)) return answer(r, 404, "", "");
        at += 5;
        mark = strchr(at, '/');
        mark = mark ? strchr(mark + 1, '/') : NULL;
    }
    if (!mark) return answer(r, 404, "", "");
    const model *m = model_of(at, (size_t)(mark - at));
    const char *path = r->store ? mark + 1 : strchr(mark + 9, '/') + 1;
    const file *f = m ? file_of(m, path) : NULL;
    if (!f) return answer(r, 404, "X-Error-Code: EntryNotFound\r\n", "");
    if (!r->store && !allowed(r, m->id, &sent)) return sent;
    hub_fault fault = atomic_load(&control->fault);
    if (!r->store && f->large) {        /* to the store, with a signature */
        char headers[3000];
        if (fault == HUB_FORBIDDEN) return answer(r, 403, "", "");
        snprintf(headers, sizeof headers, "Location: http://127.0.0.1:%d/blob/%s/%s?sig=%d\r\n"
                 "X-Linked-Size: %lld\r\nX-Linked-ETag: \"%s\"\r\n", control->store_port, m->id,
                 path, atomic_load(&control->n_files), (long long)f->size, f->digest);
        return answer(r, 302, headers, "Found. Redirecting");
    }
    int n = atomic_fetch_add(&control->n_files, 1);
    if (r->store) {
        int k = atomic_fetch_add(&control->n_ranges, 1) % HUB_MAX_RANGES;
        control->ranges[k].first = r->first >= 0 ? r->first : 0;
        control->ranges[k].end = r->last >= 0 ? r->last + 1 : f->size;
    }
    if (fault == HUB_EXPIRED && r->store && query_number(r->query, "sig=", 0) + 4 < n)
        return answer(r, 403, "", "<Error>expired</Error>");
    fault = take_fault(&control->fault);
    if (fault == HUB_TOO_MANY || fault == HUB_DOWN) return refuse(r, fault);
    return send_content(r, f, fault);
}

/* ---- connections ------------------------------------------------------------------- */

static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        unsigned x;
        if (*s == '%' && sscanf(s + 1, "%2x", &x) == 1) {
            *to++ = (char)x;
            s += 2;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

static bool read_request(request *r, char *head, size_t size)
{
    size_t n = 0;
    head[0] = 0;
    while (!strstr(head, "\r\n\r\n")) {
        if (n + 1 >= size) return false;
        ssize_t got = recv(r->fd, head + n, 1, 0);
        if (got <= 0) return false;
        head[++n] = 0;
    }
    char target[2048];
    if (sscanf(head, "%7s %2047s", r->method, target) != 2) return false;
    char *question = strchr(target, '?');
    r->query[0] = r->token[0] = 0;
    if (question) {
        snprintf(r->query, sizeof r->query, "%s", question + 1);
        *question = 0;
    }
    snprintf(r->path, sizeof r->path, "%s", target);
    unescape(r->path);
    r->first = r->last = -1;
    const char *range = strcasestr(head, "\r\nRange: bytes=");
    long long a, b;
    if (range && sscanf(range + 15, "%lld-%lld", &a, &b) == 2) {
        r->first = a;
        r->last = b;
    }
    const char *auth = strcasestr(head, "\r\nAuthorization: Bearer ");
    if (auth) sscanf(auth + 24, "%99[^\r\n]", r->token);
    if (auth) atomic_fetch_add(r->store ? &control->token_at_store : &control->token_at_hub, 1);
    return true;
}

static void *serve(void *arg)
{
    request *r = arg;
    static const int yes = 1;
    char head[16384];
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    atomic_fetch_add(&control->n_connections, 1);
    while (read_request(r, head, sizeof head)) {
        bool api = !strncmp(r->path, "/api/models", 11) && !r->store;
        if (!(api ? serve_api(r) : serve_file(r))) break;
    }
    close(r->fd);
    free(r);
    return NULL;
}

static int listen_on(int port, int *got)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 64)
        || getsockname(fd, (struct sockaddr *)&a, &len)) {
        perror("hub_server");
        exit(1);
    }
    *got = ntohs(a.sin_port);
    return fd;
}

typedef struct {
    int fd;
    bool store;
} listener;

static void *accept_all(void *arg)
{
    const listener *l = arg;
    for (;;) {
        int fd = accept(l->fd, NULL, NULL);
        if (fd < 0) continue;
        request *r = calloc(1, sizeof *r);
        pthread_t t;
        r->fd = fd;
        r->store = l->store;
        if (pthread_create(&t, NULL, serve, r)) {
            close(fd);
            free(r);
        } else {
            pthread_detach(t);
        }
    }
    return NULL;
}

static void run(listener *hub, listener *store)
{
    pthread_t t;
    signal(SIGPIPE, SIG_IGN);
    pthread_create(&t, NULL, accept_all, store);
    accept_all(hub);
}

static void set_up(listener *hub, listener *store, int port)
{
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                   0);
    if (control == MAP_FAILED) exit(1);
    for (int i = 0; i < 2500; i++) {
        char *path = malloc(32);
        snprintf(path, 32, "part-%04d.json", i);
        many[i] = (file){ path, 20, NULL, false, "" };
    }
    for (int i = 0; i < N_MODELS; i++)
        for (int k = 0; k < models[i].n; k++) prepare(&models[i].files[k]);
    hub->fd = listen_on(port, &control->hub_port);
    store->fd = listen_on(0, &control->store_port);
    store->store = true;
    atomic_store(&control->n_faults, -1);
}

bool hub_server_start(hub_server *s, int port)
{
    listener hub = { 0 }, store = { 0 };
    set_up(&hub, &store, port);
    s->c = control;
    snprintf(s->endpoint, sizeof s->endpoint, "http://127.0.0.1:%d", control->hub_port);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(&hub, &store);
    }
    close(hub.fd);
    close(store.fd);
    return s->pid > 0;
}

void hub_server_stop(hub_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    munmap(s->c, sizeof *s->c);
    for (int i = 0; i < 2500; i++) free((char *)many[i].path);
}

void hub_server_run(int port)
{
    listener hub = { 0 }, store = { 0 };
    set_up(&hub, &store, port);
    printf("http://127.0.0.1:%d\n", control->hub_port);
    fflush(stdout);
    run(&hub, &store);
}
