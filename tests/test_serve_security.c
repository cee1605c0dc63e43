/* Every route, with every kind of key, from every kind of place: who gets in.
 *
 * The list below is compared with /openapi.json, which is made from the server's own table,
 * so that a new route fails here until somebody has thought about it. */
#include "tests/http_client.h"

typedef struct {
    const char *method, *path;
    bool open;                  /* no key needed */
    const char *body;           /* one that is right; NULL: none */
    int right;                  /* the status with a right key; 0: any but 401, 403, 421 */
} route;

#define NANO "\"model\":\"minerva-nano\""
#define HELLO "[{\"role\":\"user\",\"content\":\"Hi\"}]"
static const route routes[] = {
    { "GET", "/health", true, NULL, 200 },
    { "GET", "/ready", true, NULL, 200 },
    { "GET", "/metrics", false, NULL, 200 },
    { "GET", "/openapi.json", false, NULL, 200 },
    { "GET", "/v1/models", false, NULL, 200 },
    { "GET", "/v1/models/{id}", false, NULL, 404 },
    { "POST", "/v1/chat/completions", false, "{\"messages\":" HELLO ",\"max_tokens\":1}", 200 },
    { "POST", "/v1/completions", false, "{\"prompt\":\"a\",\"max_tokens\":1}", 200 },
    { "POST", "/v1/responses", false, "{\"input\":\"a\",\"max_output_tokens\":16}", 200 },
    { "GET", "/v1/responses/{id}", false, NULL, 404 },
    { "DELETE", "/v1/responses/{id}", false, NULL, 404 },
    { "GET", "/v1/responses/{id}/input_items", false, NULL, 404 },
    { "POST", "/v1/messages", false, "{" NANO ",\"messages\":" HELLO ",\"max_tokens\":1}", 200 },
    { "POST", "/v1/messages/count_tokens", false, "{" NANO ",\"messages\":" HELLO "}", 200 },
    { "POST", "/v1/embeddings", false, "{\"input\":\"a\"}", 200 },
    { "POST", "/v1/rerank", false, "{\"query\":\"a\",\"documents\":[\"a\"]}", 200 },
    { "POST", "/rerank", false, "{\"query\":\"a\",\"documents\":[\"a\"]}", 200 },
    { "POST", "/v1/rerank", false, "{\"query\":\"a\",\"documents\":[\"a\"]}", 0 },
    { "POST", "/tokenize", false, "{\"content\":\"a\"}", 200 },
    { "POST", "/detokenize", false, "{\"tokens\":[1]}", 200 },
    { "POST", "/apply-template", false, "{\"messages\":" HELLO "}", 200 },
    { "GET", "/api/models", false, NULL, 200 },
    { "POST", "/api/models/load", false, "{" NANO "}", 200 },
    { "POST", "/api/models/unload", false, "{\"model\":\"none\"}", 404 },
    { "POST", "/api/models/fit", false, "{" NANO "}", 200 },
    { "POST", "/api/schema/check", false, "{\"schema\":{}}", 0 },
    { "POST", "/api/chat", false, "{" NANO ",\"messages\":" HELLO ",\"stream\":false}", 0 },
    { "POST", "/api/generate", false, "{" NANO ",\"prompt\":\"a\",\"stream\":false}", 0 },
    { "GET", "/api/tags", false, NULL, 0 },
    { "GET", "/api/ps", false, NULL, 0 },
    { "GET", "/api/version", false, NULL, 0 },
    { "POST", "/api/show", false, "{" NANO "}", 0 },
    { "POST", "/api/embed", false, "{" NANO ",\"input\":\"a\"}", 0 },
    { "POST", "/api/embeddings", false, "{" NANO ",\"prompt\":\"a\"}", 0 },
    { "POST", "/api/pull", false, "{\"model\":\"a\"}", 0 },
    { "POST", "/api/push", false, "{\"model\":\"a\"}", 0 },
    { "POST", "/api/create", false, "{\"model\":\"a\"}", 0 },
    { "POST", "/api/copy", false, "{\"model\":\"a\"}", 0 },
    { "DELETE", "/api/delete", false, NULL, 0 },
    { "GET", "/", true, NULL, 0 },
    { "GET", "/api/chats", false, NULL, 0 },
    { "POST", "/api/chats", false, "{}", 0 },
    { "GET", "/api/chats/export", false, NULL, 0 },
    { "POST", "/api/chats/import", false, "{}", 0 },
    { "GET", "/api/chats/{id}", false, NULL, 0 },
    { "POST", "/api/chats/{id}", false, "{}", 0 },
    { "DELETE", "/api/chats/{id}", false, NULL, 0 },
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static const struct { const char *header, *tenant; } keys[] = {
    { "", NULL }, { "Authorization: Bearer wrong-secret\r\n", NULL },
    { "Authorization: Bearer \r\n", NULL }, { "X-Api-Key: alice\r\n", NULL },
    { "Authorization: Bearer alice:alices-secret\r\n", NULL },
    { "Authorization: Basic YWxpY2U6YWxpY2VzLXNlY3JldA==\r\n", NULL },
    { "Authorization: Bearer alices-secret\r\n", "alice" }, { "X-Api-Key: bobs-secret\r\n", "bob" },
};
static const struct { const char *headers; int refused; } places[] = {
    { "Host: localhost\r\n", 0 }, { "Host: 127.0.0.1:1\r\n", 0 },
    { "Host: localhost\r\nOrigin: http://localhost\r\n", 0 },
    { "Host: localhost\r\nOrigin: https://page.example\r\n", 0 },
    { "Host: evil.example\r\n", 421 }, { "Host: localhost.evil.example\r\n", 421 },
    { "Host: localhost:1:2\r\n", 421 }, { "Host: \r\n", 421 }, { "Host: 127.1\r\n", 421 },
    { "Host: evil.example\r\nOrigin: http://evil.example\r\n", 421 },
    { "Host: localhost\r\nOrigin: null\r\n", 403 },
    { "Host: localhost\r\nOrigin: http://localhost:99\r\n", 403 },
    { "Host: localhost\r\nOrigin: https://localhost\r\n", 403 },
    { "Host: localhost\r\nOrigin: https://page.example.evil.example\r\n", 403 },
    { "Host: localhost\r\nOrigin: https://page.example, null\r\n", 403 },
};
enum { N_KEYS = sizeof keys / sizeof *keys, N_PLACES = sizeof places / sizeof *places };

static test_server s;

static int start(void **state)
{
    static const char *const args[] = { "models/minerva-nano.gguf", "--key", "alice:alices-secret",
        "--key", "bob:bobs-secret", "--allow-origin", "https://page.example", NULL };
    server_start(&s, args);
    return 0;
}

static int stop(void **state) { return server_stop(&s, SIGTERM, 60); }

static const route *listed(const char *method, const char *path)
{
    for (size_t i = 0; i < N_ROUTES; i++)
        if (!strcasecmp(method, routes[i].method) && !strcmp(path, routes[i].path)) return &routes[i];
    return NULL;
}

static json_t *paths_of_server(void)
{
    return json_of(ask_with(s.port, "GET", "/openapi.json", keys[6].header, NULL), 200);
}

static void every_route_of_the_server_is_listed_here(void **state)
{
    json_t *doc = paths_of_server(), *item, *operation;
    const char *path, *method;
    int n = 0;
    json_object_foreach(at(doc, "paths"), path, item)
        json_object_foreach(item, method, operation) {
            const route *r = listed(method, path);
            if (!r) fail_msg("%s %s is new: say in this test who may use it", method, path);
            bool open = json_array_size(json_object_get(operation, "security")) == 0;
            if (open != r->open) fail_msg("%s %s: %s key is needed", method, path, open ? "no" : "a");
            n++;
        }
    assert_true(n >= 15);
    json_decref(doc);
}

static void try_all(const route *r)
{
    char headers[400], path[200];
    const char *brace = strchr(r->path, '{');
    size_t n = brace ? (size_t)(brace - r->path) : strlen(r->path);
    const char *behind = brace ? strchr(brace, '}') : NULL;
    snprintf(path, sizeof path, "%.*s%s%s", (int)n, r->path, brace ? "none" : "",
             behind ? behind + 1 : "");
    for (size_t k = 0; k < N_KEYS; k++)
        for (size_t p = 0; p < N_PLACES; p++) {
            snprintf(headers, sizeof headers, "%s%s", places[p].headers, keys[k].header);
            bool welcome = !places[p].refused && (keys[k].tenant || r->open);
            /* What a right key from a right place gets, is asked for once. */
            if (welcome && p && r->body) continue;
            reply a = ask_with(s.port, r->method, path, headers, r->body);
            int want = places[p].refused ? places[p].refused : welcome ? r->right : 401;
            bool granted = a.status != 401 && a.status != 403 && a.status != 421;
            if (want ? a.status != want : !granted)
                fail_msg("%s %s with %s: %d expected, %d found: %s", r->method, path, headers, want,
                         a.status, a.body);
            if (places[p].refused) assert_null(strcasestr(a.head, "access-control"));
            assert_non_null(strstr(a.head, "X-Content-Type-Options: nosniff"));
            reply_clear(&a);
        }
}

static void nobody_gets_in_who_should_not(void **state)
{
    json_t *doc = paths_of_server();
    for (size_t i = 0; i < N_ROUTES; i++) {
        char method[8] = { 0 };
        for (size_t k = 0; routes[i].method[k]; k++) method[k] = (char)(routes[i].method[k] | 0x20);
        if (json_object_get(json_object_get(at(doc, "paths"), routes[i].path), method))
            try_all(&routes[i]);
    }
    json_decref(doc);
}

static void what_one_tenant_stored_no_other_finds(void **state)
{
    json_t *v = json_of(ask_with(s.port, "POST", "/v1/responses", keys[6].header,
                                 "{\"input\":\"a\",\"max_output_tokens\":16}"), 200);
    char path[200], body[300];
    const char *id = text_at(v, "id");
    if (!id) return;            /* text_at() has failed the test */
    snprintf(path, sizeof path, "/v1/responses/%s", id);
    snprintf(body, sizeof body, "{\"input\":\"b\",\"max_output_tokens\":16,"
             "\"previous_response_id\":\"%s\"}", id);
    json_decref(v);
    static const struct { int key, status; } tries[] = { { 7, 404 }, { 0, 401 }, { 6, 200 } };
    for (int i = 0; i < 3; i++) {
        const char *key = keys[tries[i].key].header;
        reply a = ask_with(s.port, "GET", path, key, NULL);
        assert_int_equal(tries[i].status, a.status);
        reply_clear(&a);
        a = ask_with(s.port, "POST", "/v1/responses", key, body);
        assert_int_equal(tries[i].status == 404 ? 400 : tries[i].status,
                         a.status == 404 ? 400 : a.status);
        reply_clear(&a);
        if (tries[i].key == 6) continue;
        a = ask_with(s.port, "DELETE", path, key, NULL);
        assert_int_equal(tries[i].status, a.status);
        reply_clear(&a);
    }
}

static void expect_raw(int status, const char *bytes, size_t n)
{
    reply r = send_raw(s.port, bytes, n);
    if (r.status != status) fail_msg("%d expected, %d found: %s", status, r.status, bytes);
    if (status >= 400) assert_non_null(strstr(r.head, "Connection: close"));
    reply_clear(&r);
}

/* Each of these is read in two ways by some pair of programs. */
static void nothing_can_be_smuggled(void **state)
{
#define P "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
#define BAD(status, text) expect_raw(status, text, sizeof text - 1)
    BAD(400, P "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /admin");
    BAD(400, P "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    BAD(501, P "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n");
    BAD(501, P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    BAD(400, P "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n");
    BAD(400, P "Content-Length: +4\r\n\r\nabcd");
    BAD(400, P "Content-Length: 4, 4\r\n\r\nabcd");
    BAD(400, P "Content-Length: 0x4\r\n\r\nabcd");
    BAD(400, P "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd");
    BAD(400, P "Content-Length: 99999999999999999999\r\n\r\n");
    BAD(400, P "Host: localhost\r\n\r\n");
    BAD(400, P "X: a\r\n folded\r\n\r\n");
    BAD(400, P "X: a\rContent-Length: 4\r\n\r\nabcd");
    BAD(400, P "X: a\nContent-Length: 4\r\n\r\nabcd");
    BAD(400, P "X: a\0b\r\n\r\n");
    BAD(400, P "X\0: a\r\n\r\n");
    BAD(400, P "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n");
    BAD(400, P "Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n");
    BAD(400, P "Transfer-Encoding: chunked\r\n\r\n-1\r\n");
    BAD(400, "GET /health  HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BAD(400, "GET\t/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BAD(400, " GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
#undef BAD
#undef P
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_of_the_server_is_listed_here),
        cmocka_unit_test(nobody_gets_in_who_should_not),
        cmocka_unit_test(what_one_tenant_stored_no_other_finds),
        cmocka_unit_test(nothing_can_be_smuggled),
    };
    if (access("models/minerva-nano.gguf", R_OK)) {
        printf("skipped: test_serve_security: the model is not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
