/* Request heads and chunked bodies on bytes alone: what is taken, what is refused, and that
 * it does not matter how the bytes are cut into pieces. */
#include "server/http_parse.h"
#include "tests/check.h"

static int parse(const char *head, mn_http_request *r, mn_http_framing *f)
{
    const char *why = NULL;
    *r = (mn_http_request){ 0 };
    int status = mn_http_parse_head(r, head, strlen(head), f, &why);
    if (status) assert_non_null(why);
    return status;
}

static void expect_status(int status, const char *head)
{
    mn_http_request r;
    mn_http_framing f;
    int got = parse(head, &r, &f);
    if (got != status) fail_msg("%d expected, %d found: %s", status, got, head);
    free(r.head);
}

static void a_request_comes_apart_into_its_parts(void **state)
{
    mn_http_request r;
    mn_http_framing f;
    assert_int_equal(0, parse("POST /v1/x?a=b&c HTTP/1.1\r\nHost: here:80\r\nX-Thing: \t a b \t\r\n"
                              "Empty:\r\nContent-Length: 12\r\n\r\n", &r, &f));
    assert_string_equal("POST", r.method);
    assert_string_equal("/v1/x", r.path);
    assert_string_equal("a=b&c", r.query);
    assert_string_equal("here:80", mn_http_header_get(&r, "host"));
    assert_string_equal("a b", mn_http_header_get(&r, "x-thing"));
    assert_string_equal("", mn_http_header_get(&r, "empty"));
    assert_null(mn_http_header_get(&r, "absent"));
    assert_true(f.keep_alive && f.has_length && !f.chunked && f.content_length == 12);
    free(r.head);
}

static void connection_words_decide_what_stays_open(void **state)
{
    static const struct { const char *head; bool open; } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mn_http_request r;
        mn_http_framing f;
        assert_int_equal(0, parse(cases[i].head, &r, &f));
        assert_int_equal(cases[i].open, f.keep_alive);
        free(r.head);
    }
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\n\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) expect_status(400, heads[i]);
    expect_status(501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    expect_status(501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n");
    expect_status(501, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_status(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    expect_status(505, "GET / HTTP/1.1x\r\nHost: a\r\n\r\n");
    expect_status(417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n");
}

static void zero_bytes_and_too_many_headers_are_refused(void **state)
{
    static const char zero[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    mn_http_request r = { 0 };
    mn_http_framing f;
    const char *why;
    assert_int_equal(400, mn_http_parse_head(&r, zero, sizeof zero - 1, &f, &why));
    free(r.head);
    char many[2000] = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < MN_HTTP_MAX_HEADERS; i++) strcat(many, "X: y\r\n");
    strcat(many, "\r\n");
    expect_status(431, many);
}

static int feed(const char *bytes, size_t len, size_t piece, mn_buffer *body, size_t *used,
                bool *done)
{
    mn_http_chunks c = { 0 };
    const char *why = NULL;
    *used = 0;
    while (*used < len && !c.done) {
        size_t n = len - *used < piece ? len - *used : piece, took = 0;
        int status = mn_http_feed_chunks(&c, bytes + *used, n, body, 100, &took, &why);
        if (status) return status;
        *used += took;
    }
    *done = c.done;
    return 0;
}

static void chunks_are_the_same_however_they_are_cut(void **state)
{
    static const char body[] = "5\r\nhello\r\n1;name=\"value\"\r\n \r\n0005\r\nworld\r\n0\r\n"
                               "Trailer: x\r\n\r\nGET /next";
    for (size_t piece = 1; piece <= sizeof body; piece++) {
        mn_buffer got = { 0 };
        size_t used;
        bool done = false;
        assert_int_equal(0, feed(body, sizeof body - 1, piece, &got, &used, &done));
        assert_true(done);
        assert_int_equal(11, got.len);
        assert_memory_equal("hello world", got.data, 11);
        assert_string_equal("GET /next", body + used);
        mn_buffer_clear(&got);
    }
}

static void broken_chunks_are_refused(void **state)
{
    static const struct { const char *text; int status; } cases[] = {
        { "x\r\n", 400 }, { "\r\n", 400 }, { "-1\r\n", 400 }, { "0x5\r\n", 400 },
        { "5\nhello\r\n", 400 }, { "5\r\nhelloX\r\n", 400 }, { "5\r\nhello\n", 400 },
        { " 5\r\nhello\r\n", 400 }, { "5 \r\nhello\r\n", 400 }, { "5\rhello", 400 },
        { "ffffffffffffffff\r\n", 400 }, { "65\r\n0", 413 }, { "fffffffffffffff\r\nx", 413 },
        { "5;a\nb\r\nhello", 400 }, { "0\r\nA: b\n\r\n", 400 }, { "0\r\n\rX", 400 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 8; piece++) {
            mn_buffer got = { 0 };
            size_t used;
            bool done = false;
            char big[300] = "";
            strcat(big, cases[i].text);
            if (cases[i].status == 413) memset(big + strlen(big), 'a', 150);
            int status = feed(big, strlen(big), piece, &got, &used, &done);
            if (status != cases[i].status || got.len > 100)
                fail_msg("%d expected, %d found: %s", cases[i].status, status, cases[i].text);
            mn_buffer_clear(&got);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_apart_into_its_parts),
        cmocka_unit_test(connection_words_decide_what_stays_open),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(zero_bytes_and_too_many_headers_are_refused),
        cmocka_unit_test(chunks_are_the_same_however_they_are_cut),
        cmocka_unit_test(broken_chunks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
