/* JSON by spans; see json_span.h. */
#include "server/json_span.h"

#include <string.h>

static json_span rest(json_span s, size_t n) { return (json_span){ s.text + n, s.len - n }; }

static json_span skip_blanks(json_span s)
{
    size_t n = 0;
    while (n < s.len && strchr(" \t\r\n", s.text[n])) n++;
    return rest(s, n);
}

/* Length of the string that begins at s, quotes included. */
static size_t string_length(json_span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.text[i] == '\\') i++;
        else if (s.text[i] == '"') return i + 1;
    }
    return 0;
}

json_span json_span_value(json_span s)
{
    s = skip_blanks(s);
    if (!s.len) return s;
    if (s.text[0] == '"') return (json_span){ s.text, string_length(s) };
    if (s.text[0] != '{' && s.text[0] != '[') {
        size_t n = 0;
        while (n < s.len && !strchr(",]} \t\r\n", s.text[n])) n++;
        return (json_span){ s.text, n };
    }
    size_t depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.text[i];
        if (c == '"') {
            size_t n = string_length(rest(s, i));
            if (!n) break;
            i += n - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return (json_span){ s.text, i + 1 };
        }
    }
    return (json_span){ s.text, 0 };
}

bool json_span_next(json_span *at, json_span *key, json_span *value)
{
    json_span s = skip_blanks(*at);
    *key = (json_span){ 0 };
    if (!s.len || s.text[0] == '}' || s.text[0] == ']') return false;
    bool first = s.text[0] == '{' || s.text[0] == '[';
    /* Behind '{' or before a quote that is followed by ':' stands a member. */
    if (first || s.text[0] == ',') s = skip_blanks(rest(s, 1));
    if (!s.len || s.text[0] == '}' || s.text[0] == ']') return false;
    json_span item = json_span_value(s);
    if (!item.len) return false;
    s = skip_blanks(rest(s, item.len));
    if (s.len && s.text[0] == ':') {
        *key = item;
        s = skip_blanks(rest(s, 1));
        item = json_span_value(s);
        if (!item.len) return false;
        s = rest(s, item.len);
    }
    *value = item;
    *at = s;
    return true;
}

json_span json_span_get(json_span object, const char *name)
{
    json_span key, value;
    size_t n = strlen(name);
    while (json_span_next(&object, &key, &value))
        if (key.len == n + 2 && !memcmp(key.text + 1, name, n)) return value;
    return (json_span){ 0 };
}
