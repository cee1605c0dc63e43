/* Parsing the JSON files of model directories; see json_text.h. */
#include "format/json_text.h"
#include "base/status.h"
#include "format/quoted.h"

#include <string.h>

/* Infinity outside of strings becomes a number of the same length. */
static void replace_infinities(char *text, size_t len)
{
    static const char infinity[] = "Infinity", number[] = "1e308   ";
    bool in_string = false;
    if (!memmem(text, len, infinity, 8)) return;
    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && len - i >= 8 && !memcmp(text + i, infinity, 8))
            memcpy(text + i, number, 8);
    }
}

minerva_status mn_json_parse(json_t **out, char *text, size_t len, const char *name,
                             minerva_error *err)
{
    json_error_t e;
    size_t bom = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    *out = NULL;
    replace_infinities(text, len);
    json_t *json =
        json_loadb(text + bom, len - bom, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!json) {
        if (json_error_code(&e) == json_error_out_of_memory)
            return mn_fail_memory(err, len);
        return mn_fail_at(err, MINERVA_INVALID, e.position,
                          "%s: no valid JSON: %s (line %d)", name,
                          mn_quoted_name(e.text).text, e.line);
    }
    *out = json;
    return MINERVA_OK;
}
