/* The web page: web/dist/index.html, compressed, is part of the program.
 *
 * The policy that it may run nothing but itself is made with it (web/vite.config.ts) and is
 * sent as a header too, with what only a header can say. */
#include "server/server.h"
#include "server/web_policy.h"

#include <string.h>

__asm__(".section .rodata\n"
        ".global mn_web_page\n"
        ".global mn_web_page_end\n"
        ".hidden mn_web_page\n"
        ".hidden mn_web_page_end\n"
        "mn_web_page:\n"
        ".incbin \"" MN_WEB_PAGE "\"\n"
        "mn_web_page_end:\n"
        ".byte 0\n"
        ".text\n");
extern const char mn_web_page[], mn_web_page_end[];

void mn_api_web_page(mn_call *c)
{
    static const char headers[] =
        "Content-Encoding: gzip\r\n"
        "Content-Security-Policy: " MN_WEB_POLICY "; frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Cross-Origin-Opener-Policy: same-origin\r\n"
        "Cache-Control: no-cache\r\n"
        "ETag: \"" MN_WEB_STAMP "\"\r\n";
    const char *accepted = mn_http_header_get(c->http, "accept-encoding");
    const char *known = mn_http_header_get(c->http, "if-none-match");
    if (known && strstr(known, MN_WEB_STAMP)) {
        mn_http_respond(c->http, 304, NULL, "ETag: \"" MN_WEB_STAMP "\"\r\n", "", 0);
        mn_http_request_free(c->http);
        return;
    }
    if (!accepted || !strstr(accepted, "gzip")) {
        mn_answer_error(c->http, 406, NULL, "Accept-Encoding: gzip expected (curl --compressed): "
                        "the page is kept compressed");
        return;
    }
    mn_http_respond(c->http, 200, "text/html; charset=utf-8", headers, mn_web_page,
                    (size_t)(mn_web_page_end - mn_web_page));
    mn_http_request_free(c->http);
}
