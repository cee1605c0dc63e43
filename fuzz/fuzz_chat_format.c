/* Fuzzing the parser of chat output: the first byte chooses the family, the second how
 * the rest is cut; the events' texts must not depend on the cuts, and calls must nest. */
#include "text/chat_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct { mn_buffer text; int begun, ended; } log_of_events;

static void collect(void *ctx, const mn_chat_event *e)
{
    static const char tags[] = "cr<a>";
    log_of_events *l = ctx;
    if (e->kind == MN_CHAT_CALL_BEGIN && (l->begun++ != l->ended || e->call != l->ended))
        abort();
    if (e->kind == MN_CHAT_CALL_ARGUMENTS && e->call != l->ended) abort();
    if (e->kind == MN_CHAT_CALL_END && l->ended++ != e->call) abort();
    /* One letter before every byte makes runs of one kind compare equal. */
    for (size_t i = 0; i < e->text_len; i++) {
        mn_buffer_append_byte(&l->text, tags[e->kind]);
        mn_buffer_append_byte(&l->text, e->text[i]);
    }
    if (e->kind == MN_CHAT_CALL_BEGIN || e->kind == MN_CHAT_CALL_END) {
        mn_buffer_append_byte(&l->text, tags[e->kind]);
        mn_buffer_append(&l->text, e->name, e->name_len);
        mn_buffer_append_byte(&l->text, e->is_complete ? '!' : '?');
    }
}

static log_of_events parse(const char *family, const char *s, size_t len, size_t step,
                           const json_t *tools)
{
    log_of_events l = { 0 };
    mn_chat_format format;
    mn_chat_parser *p = NULL;
    if (!mn_chat_format_find(&format, family)
        || mn_chat_parser_create(&p, &format, tools, NULL, 0, collect, &l, NULL)) abort();
    for (size_t at = 0; at < len; at += step)
        mn_chat_parser_feed(p, s + at, len - at < step ? len - at : step, NULL);
    mn_chat_parser_finish(p, NULL);
    mn_chat_parser_free(p);
    if (l.begun != l.ended) abort();
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mn_chat_format format;
    if (size < 2) return 0;
    size_t n = 0, step = data[1] % 7 + 1;
    while (mn_chat_format_name(n)) n++;
    const char *family = mn_chat_format_name(data[0] % n), *s = (const char *)data + 2;
    json_t *tools =
        json_loads("[{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":"
                   "\"string\"},\"b\":{\"type\":\"integer\"}}}}]",
                   0, NULL);
    log_of_events whole = parse(family, s, size - 2, size, data[1] & 128 ? tools : NULL);
    log_of_events cut = parse(family, s, size - 2, step, data[1] & 128 ? tools : NULL);
    if (whole.text.len != cut.text.len
        || (cut.text.len && memcmp(whole.text.data, cut.text.data, cut.text.len)))
        abort();
    mn_buffer_clear(&whole.text);
    mn_buffer_clear(&cut.text);
    json_decref(tools);
    mn_chat_format_detect(&format, s, size - 2);
    return 0;
}
