/* Tool calls in JSON: {"name": "f", "arguments": {...}}, the keys in any order, nested in
 * a "function" object or in an array, arguments as an object or as a string of JSON.
 *
 * A state machine takes it byte by byte, because arguments go out while they come in.  A
 * model's JSON is passed on as it is, but for what JSON forbids inside of strings.
 */
#include "text/chat_parser.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static bool is(const mn_buffer *b, const char *s)
{
    return b->len == strlen(s) && (!b->len || !memcmp(b->data, s, b->len));
}

static bool is_any(const mn_buffer *b, const char *const *words)
{
    for (; *words; words++)
        if (is(b, *words)) return true;
    return false;
}

static const mn_call_style *style(const mn_chat_parser *p) { return p->format.calls; }

enum { J_TOP, J_KEY, J_STRING, J_COLON, J_VALUE, J_RAW };
enum { INNER_UNKNOWN, INNER_JSON, INNER_TEXT };
enum { ROLE_KEY, ROLE_NAME, ROLE_ID, ROLE_ARGS, ROLE_FUNCTION, ROLE_OTHER };

static uint8_t role_of(const mn_chat_parser *p)
{
    static const char *const names[] = { "name", "tool_name", "function_name", NULL };
    static const char *const ids[] = { "id", "tool_call_id", "call_id", NULL };
    static const char *const args[] = { "arguments", "parameters", "args", "input",
                                        NULL };
    static const char *const functions[] = { "function", NULL };
    if (style(p)->is_keyed) return ROLE_ARGS;
    if (is_any(&p->key, names)) return ROLE_NAME;
    if (is_any(&p->key, ids)) return ROLE_ID;
    if (is_any(&p->key, args)) return ROLE_ARGS;
    return is_any(&p->key, functions) ? ROLE_FUNCTION : ROLE_OTHER;
}

void mn_chat_start_json(mn_chat_parser *p)
{
    p->json = (mn_json_calls){ .state = J_TOP };
    p->state = CHAT_JSON;
}

/* A call begins when its name is known; a tentative one also needs its arguments' key. */
static void begin_if_known(mn_chat_parser *p)
{
    if (p->is_open || !p->name.len || (p->is_tentative && !p->json.has_args_key)) return;
    p->is_tentative = false;
    mn_buffer_reset(&p->tentative);
    mn_chat_begin_call(p);
}

static mn_buffer *string_target(mn_chat_parser *p)
{
    switch (p->json.role) {
    case ROLE_KEY: return &p->key;
    case ROLE_NAME: return &p->name;
    case ROLE_ID: return &p->id;
    default: return &p->args;
    }
}

/* A character of arguments that are a JSON text in a string; what is no object or list is
 * kept as a string. */
static void inner_byte(mn_chat_parser *p, char c)
{
    mn_json_calls *j = &p->json;
    if (j->inner == INNER_UNKNOWN && is_space(c)) return;
    if (j->inner == INNER_UNKNOWN) {
        j->inner = c == '{' || c == '[' ? INNER_JSON : INNER_TEXT;
        if (j->inner == INNER_TEXT) mn_buffer_append_byte(&p->args, '"');
    }
    bool is_control = (unsigned char)c < 0x20;
    if (j->inner == INNER_TEXT
        || (j->inner_in_string && is_control && !j->inner_is_escaped)) {
        mn_chat_write_escaped(&p->args, &c, 1);
        return;
    }
    mn_buffer_append_byte(&p->args, c);
    if (c == '"' && !j->inner_is_escaped) j->inner_in_string = !j->inner_in_string;
    j->inner_is_escaped = j->inner_in_string && !j->inner_is_escaped && c == '\\';
}

static void string_codepoint(mn_chat_parser *p, uint32_t cp)
{
    if (p->json.role == ROLE_ARGS && cp < 0x80) inner_byte(p, (char)cp);
    else mn_buffer_append_codepoint(string_target(p), cp);
}

static void end_string(mn_chat_parser *p)
{
    mn_json_calls *j = &p->json;
    j->state = j->role == ROLE_KEY ? J_COLON : J_KEY;
    if (j->role == ROLE_NAME) begin_if_known(p);
    if (j->role == ROLE_ARGS && j->inner == INNER_TEXT)
        mn_buffer_append_byte(&p->args, '"');
}

static void hex_digit(mn_chat_parser *p, char c)
{
    mn_json_calls *j = &p->json;
    unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0')
               : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10) : 0;
    j->unit = j->unit << 4 | d;
    if (--j->n_hex) return;
    bool pairs = j->high && j->unit >= 0xDC00 && j->unit < 0xE000;
    uint32_t cp =
        pairs ? 0x10000 + ((j->high - 0xD800) << 10) + (j->unit - 0xDC00) : j->unit;
    bool is_high = j->unit >= 0xD800 && j->unit < 0xDC00;
    j->high = is_high ? j->unit : 0;
    if (!is_high) string_codepoint(p, cp);
}

/* One byte of a string that is decoded: a key, a name, an id, or arguments. */
static void string_byte(mn_chat_parser *p, char c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    mn_json_calls *j = &p->json;
    bool is_inner = j->role == ROLE_ARGS;
    if (j->n_hex) {
        hex_digit(p, c);
    } else if (j->is_escaped) {
        j->is_escaped = false;
        const char *known = c ? strchr(from, c) : NULL;
        char meant = known ? to[known - from] : c;
        if (c == 'u') {
            j->n_hex = 4;
            j->unit = 0;
        } else if (is_inner) {
            inner_byte(p, meant);
        } else {
            mn_buffer_append_byte(string_target(p), meant);
        }
    } else if (c == '\\') {
        j->is_escaped = true;
    } else if (c == '"') {
        end_string(p);
    } else if (is_inner) {
        inner_byte(p, c);
    } else {
        mn_buffer_append_byte(string_target(p), c);
    }
}

/* One byte inside of a JSON value that is copied; control characters in strings, which
 * JSON forbids and models write, are escaped.  True when the value is over; a scalar is
 * over before the byte, which *taken says. */
static bool raw_byte(mn_json_calls *j, char c, mn_buffer *out, bool *taken)
{
    *taken = true;
    if (j->in_string) {
        if (!j->is_escaped && (unsigned char)c < 0x20) mn_chat_write_escaped(out, &c, 1);
        else mn_buffer_append_byte(out, c);
        if (!j->is_escaped && c == '"') j->in_string = false;
        j->is_escaped = !j->is_escaped && c == '\\';
        return !j->in_string && !j->depth;
    }
    bool ends_scalar = is_space(c) || c == ',' || c == '}' || c == ']';
    if (!j->depth && j->is_scalar && ends_scalar) {
        *taken = false;
        return true;
    }
    mn_buffer_append_byte(out, c);
    if (c == '"') j->in_string = true;
    else if (c == '{' || c == '[') j->depth++;
    else if ((c == '}' || c == ']') && j->depth) return --j->depth == 0;
    else if (!j->depth) j->is_scalar = true;
    return false;
}

static void start_value(mn_chat_parser *p, char c)
{
    mn_json_calls *j = &p->json;
    j->is_scalar = j->in_string = j->is_escaped = false;
    j->depth = 0;
    j->state = J_RAW;
    mn_buffer_reset(&p->value);
    if (j->role == ROLE_FUNCTION && c == '{') {
        j->level = 2;
        j->state = J_KEY;
    } else if (c == '"' && j->role != ROLE_OTHER) {
        if (j->role == ROLE_FUNCTION) j->role = ROLE_NAME;
        mn_buffer_reset(string_target(p));
        j->high = 0;
        j->inner = INNER_UNKNOWN;
        j->inner_in_string = j->inner_is_escaped = false;
        j->state = J_STRING;
    }
}

/* A copied value is over: arguments go out, ids may be numbers. */
static void end_value(mn_chat_parser *p)
{
    mn_json_calls *j = &p->json;
    j->state = J_KEY;
    if (j->role == ROLE_ID) mn_buffer_append(&p->id, p->value.data, p->value.len);
    if (j->role == ROLE_ARGS && j->is_scalar && !is(&p->value, "null"))
        mn_chat_write_value(&p->args, VALUE_JSON, p->value.data, p->value.len);
    mn_buffer_reset(&p->value);
}

/* Is the key that just ended one that an object which is no call would not have first? */
static bool contradicts(const mn_chat_parser *p)
{
    static const char *const known[] = { "name", "type", "function", "id", "tool_name",
                                         "parameters", "arguments", NULL };
    return p->is_tentative && !is_any(&p->key, known);
}

typedef enum { BYTE_TAKEN, BYTE_AGAIN, BYTE_FOREIGN } byte_result;

static byte_result top_byte(mn_chat_parser *p, char c)
{
    if (is_space(c) || c == '[' || c == ']' || c == ',' || c == ';') return BYTE_TAKEN;
    if (c != '{') return BYTE_FOREIGN;
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    mn_buffer_reset(&p->args);
    p->json = (mn_json_calls){ .state = J_KEY, .level = 1 };
    return BYTE_TAKEN;
}

static byte_result key_byte(mn_chat_parser *p, char c)
{
    mn_json_calls *j = &p->json;
    if (is_space(c) || c == ',') return BYTE_TAKEN;
    if (c == '"') {
        mn_buffer_reset(&p->key);
        j->role = ROLE_KEY;
        j->high = 0;
        j->state = J_STRING;
        return BYTE_TAKEN;
    }
    if (c != '}') return BYTE_FOREIGN;
    if (j->level == 2) {
        j->level = 1;
        return BYTE_TAKEN;
    }
    if (p->is_tentative) return BYTE_FOREIGN;   /* an object without name and arguments */
    mn_chat_end_call(p, true);
    j->state = J_TOP;
    return BYTE_TAKEN;
}

static byte_result json_byte(mn_chat_parser *p, char c)
{
    mn_json_calls *j = &p->json;
    bool taken, over;
    switch (j->state) {
    case J_TOP: return top_byte(p, c);
    case J_KEY: return key_byte(p, c);
    case J_STRING: string_byte(p, c); return BYTE_TAKEN;
    case J_COLON:
        if (is_space(c)) return BYTE_TAKEN;
        if (c != ':' || contradicts(p)) return BYTE_FOREIGN;
        j->role = role_of(p);
        if (p->is_open && (j->role == ROLE_NAME || j->has_args_key) && j->role != ROLE_ID)
            j->role = ROLE_OTHER;       /* said already */
        if (style(p)->is_keyed && j->role == ROLE_ARGS)
            mn_buffer_append(&p->name, p->key.data, p->key.len);
        j->state = J_VALUE;
        return BYTE_TAKEN;
    case J_VALUE:
        if (is_space(c)) return BYTE_TAKEN;
        if (p->is_tentative && j->role == ROLE_NAME && c != '"') return BYTE_FOREIGN;
        j->has_args_key |= j->role == ROLE_ARGS;
        if (j->role == ROLE_ARGS) begin_if_known(p);
        start_value(p, c);
        return j->state == J_RAW ? BYTE_AGAIN : BYTE_TAKEN;
    default:
        over = raw_byte(j, c, j->role == ROLE_ARGS && (j->depth || c == '{' || c == '[')
                                      && !j->is_scalar ? &p->args : &p->value, &taken);
        if (over) end_value(p);
        return taken ? BYTE_TAKEN : BYTE_AGAIN;
    }
}

bool mn_chat_step_json(mn_chat_parser *p)
{
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p), i = 0;
    byte_result result = BYTE_TAKEN;
    while (i < left && result != BYTE_FOREIGN) {
        bool was_tentative = p->is_tentative;
        result = json_byte(p, s[i]);
        if (result != BYTE_TAKEN) continue;
        if (was_tentative && p->is_tentative) mn_buffer_append(&p->tentative, s + i, 1);
        i++;
    }
    mn_chat_take(p, i);
    if (result != BYTE_FOREIGN) return false;
    if (p->is_tentative) mn_chat_abandon(p);
    else if (p->json.state == J_TOP) p->state = CHAT_AFTER;
    else {
        mn_chat_end_call(p, false);
        p->state = CHAT_SKIP;
    }
    return true;
}

/* Arguments as they are, up to the end of the JSON value. */
bool mn_chat_step_raw_json(mn_chat_parser *p)
{
    bool taken = true, over = false;
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p), i = 0;
    if (!p->json.depth && !p->has_args && !p->args.len) {
        mn_chat_skip_space(p);
        s = mn_chat_rest(p);
        left = mn_chat_left(p);
        if (left && *s != '{' && *s != '[') {       /* no arguments at all */
            mn_chat_end_call(p, true);
            p->state = CHAT_AFTER;
            return true;
        }
    }
    for (; i < left && !over; i += taken)
        over = raw_byte(&p->json, s[i], &p->args, &taken);
    mn_chat_take(p, i);
    if (!over) return false;
    mn_chat_end_call(p, true);
    p->state = CHAT_AFTER;
    return true;
}
