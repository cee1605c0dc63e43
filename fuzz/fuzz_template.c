/* Fuzzing chat templates: parse the bytes and render them with small budgets.
 *
 * What stands behind the first 0 byte, if it is a JSON object, are the variables; else a
 * fixed conversation is used.  Rendered twice, the text must be the same. */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conversation[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},"
    "{\"role\":\"user\",\"content\":\"h\\u00e9llo \\ud83d\\ude00 <b>\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":[1,2.5,null],\"b\":\"x\\ny\"}}}]},"
    "{\"role\":\"tool\",\"content\":\"<think>t</"
    "think>r\"}],\"tools\":[{\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"a\":"
    "{\"type\":\"array\"}},\"required\":[\"a\"]}}}],\"bos_token\":\"<s>\",\"x\":\"X\","
    "\"i\":7,"
    "\"add_generation_prompt\":true,\"items\":[3,1,2],\"d\":{\"a\":1,\"b\":\"two\"},"
    "\"n\":null}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t len = zero ? (size_t)(zero - data) : size;
    json_t *variables = zero ? json_loadb((const char *)zero + 1, size - len - 1,
                                          JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL)
                             : NULL;
    if (!json_is_object(variables)) {
        json_decref(variables);
        variables = json_loads(conversation, 0, NULL);
    }
    struct tm now = { .tm_year = 126, .tm_mday = 15, .tm_wday = 4, .tm_yday = 14 };
    mn_render_options options = { .max_steps = 20000, .max_depth = 60, .now = &now,
                                  .max_output_bytes = 1 << 18,
                                  .max_memory_bytes = 4 << 20 };
    mn_template *t = NULL;
    minerva_error err = { 0 };
    if (mn_template_parse(&t, (const char *)data, len, &err) == MINERVA_OK) {
        mn_buffer once = { 0 }, again = { 0 }, spans = { 0 };
        minerva_status a =
            mn_template_render(t, variables, &options, &once, &spans, &err);
        minerva_status b = mn_template_render(t, variables, &options, &again, NULL, NULL);
        if (a != b || once.len != again.len
            || (once.len && memcmp(once.data, again.data, once.len))) abort();
        if (a && !err.message[0] && !memmem(data, len, "raise", 5)) abort();
        mn_buffer_clear(&once);
        mn_buffer_clear(&again);
        mn_buffer_clear(&spans);
    } else if (!err.message[0]) {
        abort();
    }
    mn_template_free(t);
    json_decref(variables);
    return 0;
}
