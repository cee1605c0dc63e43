/* Bytes from the network: a request head, then what follows as a chunked body, cut in two.
 * Checked besides the sanitizers: the strings lie within the head, and how a body is cut
 * does not change it. */
#include "server/http_parse.c"

static int feed(const char *data, size_t len, size_t cut, mn_buffer *body)
{
    mn_http_chunks c = { 0 };
    const char *why;
    size_t used = 0;
    int status = mn_http_feed_chunks(&c, data, cut, body, 4096, &used, &why);
    if (status || c.done) return status;
    return mn_http_feed_chunks(&c, data + cut, len - cut, body, 4096, &used, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *data = (const char *)bytes, *why = "";
    const char *end = len ? memmem(data, len, "\r\n\r\n", 4) : NULL;
    size_t head = end ? (size_t)(end - data) + 4 : len;
    mn_http_request r = { 0 };
    mn_http_framing f;
    if (mn_http_parse_head(&r, data, head, &f, &why) == 0) {
        for (int i = 0; i < r.n_headers; i++)
            if (r.headers[i].name < r.head || r.headers[i].value > r.head + head) __builtin_trap();
        if (r.path[0] != '/' || (f.chunked && f.has_length)) __builtin_trap();
    }
    free(r.head);
    mn_buffer whole = { 0 }, parts = { 0 };
    size_t n = len - head;
    int a = feed(data + head, n, n, &whole), b = feed(data + head, n, n / 2, &parts);
    if (a != b || (!a && whole.len != parts.len)
        || (!a && whole.len && memcmp(whole.data, parts.data, whole.len))) __builtin_trap();
    mn_buffer_clear(&whole);
    mn_buffer_clear(&parts);
    return 0;
}
