/* The bodies of tool calls but for JSON: names with JSON, XML, Python calls, Gemma's.
 *
 * Names and arguments come out as soon as they are sure.  What is broken ends the call or
 * is skipped up to the block's end; it never becomes content, unless the block had no
 * marker and so may have been content all along (is_tentative).
 */
#include "text/chat_parser.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_'
        || c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

static const mn_call_style *style(const mn_chat_parser *p) { return p->format.calls; }

/* ---- a name, then JSON ------------------------------------------------------------- */

/* functions.get_weather:0 -> get_weather, with the whole as the id (Kimi). */
static void split_kimi_name(mn_chat_parser *p)
{
    static const char prefix[] = "functions.";
    size_t n = sizeof prefix - 1;
    if (p->name.len <= n || memcmp(p->name.data, prefix, n)) return;
    const char *colon = memrchr(p->name.data, ':', p->name.len);
    size_t end = colon ? (size_t)(colon - p->name.data) : p->name.len;
    while (p->name.len && is_space(p->name.data[p->name.len - 1])) p->name.len--;
    mn_buffer_append(&p->id, p->name.data, p->name.len);
    memmove(p->name.data, p->name.data + n, end - n);
    p->name.len = end - n;
}

static void begin_raw(mn_chat_parser *p)
{
    split_kimi_name(p);
    mn_chat_begin_call(p);
    p->json = (mn_json_calls){ 0 };
    p->state = CHAT_RAW_JSON;
}

/* Up to the marker behind the name, or to the arguments themselves. */
static bool step_named(mn_chat_parser *p)
{
    const char *markers[4];
    const mn_call_style *c = style(p);
    int n = 0;
    mn_chat_skip_space(p);
    if (mn_chat_left(p) && (*mn_chat_rest(p) == '{' || *mn_chat_rest(p) == '[')
        && mn_chat_begins(p, c->name_end[0]) == 0) {
        mn_chat_start_json(p);      /* [TOOL_CALLS][{...}] of older Mistral models */
        return true;
    }
    for (; n < 2 && c->name_end[n]; n++) markers[n] = c->name_end[n];
    int brace = n;
    markers[n++] = "{";
    if (c->close) markers[n++] = c->close;
    mn_chat_match m = mn_chat_find(p, markers, n);
    if (m.which < 0) {
        p->scanned = m.safe;
        return false;
    }
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    mn_buffer_append(&p->name, mn_chat_rest(p), m.at);
    mn_chat_take(p, m.which >= brace ? m.at : m.at + m.len);
    if (m.which > brace) p->state = CHAT_AFTER;
    else if (m.which == brace) begin_raw(p);
    else p->state = m.which == 1 ? CHAT_NAMED_ID : CHAT_NAMED_GAP;
    return true;
}

static bool step_named_id(mn_chat_parser *p)
{
    if (!mn_chat_take_until(p, style(p)->name_end[0], &p->id)) return false;
    begin_raw(p);
    return true;
}

/* Behind the marker: the arguments; or (DeepSeek R1) a line with the name, a fence. */
static bool step_named_gap(mn_chat_parser *p)
{
    mn_chat_skip_space(p);
    if (!mn_chat_left(p)) return false;
    if (*mn_chat_rest(p) != '{') {
        const char *const markers[] = { "{", "\n",
                                        style(p)->close ? style(p)->close : "{" };
        mn_chat_match m = mn_chat_find(p, markers, 3);
        if (m.which < 0) return false;
        if (m.which == 2) {
            mn_chat_begin_call(p);
            mn_chat_end_call(p, true);
            p->state = CHAT_AFTER;
            return true;
        }
        bool is_fence = m.at >= 3 && !memcmp(mn_chat_rest(p), "```", 3);
        if (!is_fence && m.at) {
            mn_buffer_reset(&p->name);
            mn_buffer_append(&p->name, mn_chat_rest(p), m.at);
        }
        mn_chat_take(p, m.which == 1 ? m.at + 1 : m.at);
        return true;
    }
    begin_raw(p);
    return true;
}

/* ---- XML --------------------------------------------------------------------------- */

static bool step_xml_func(mn_chat_parser *p)
{
    const mn_xml_style *x = p->xml;
    mn_chat_skip_space(p);
    if (!x->func) {
        p->state = CHAT_XML_NAME;
        return true;
    }
    int begins = mn_chat_begins(p, x->func);
    if (begins < 0 || (!mn_chat_left(p) && !p->is_final)) return false;
    if (begins) mn_chat_take(p, strlen(x->func));
    p->state = begins ? CHAT_XML_NAME : CHAT_AFTER;
    return mn_chat_left(p) || begins;
}

/* The name ends at its marker; GLM's at the line's end, the first key or the close. */
static bool step_xml_name(mn_chat_parser *p)
{
    const mn_xml_style *x = p->xml;
    const char *close = x->func_close ? x->func_close : style(p)->close;
    const char *markers[] = { x->name_end, x->key, close };
    mn_chat_match m = mn_chat_find(p, markers, x->func ? 1 : 3);
    if (m.which < 0) {
        p->scanned = m.safe;
        return false;
    }
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    mn_buffer_append(&p->name, mn_chat_rest(p), m.at);
    mn_chat_take(p, m.which == 0 ? m.at + m.len : m.at);
    p->state = CHAT_XML_HEAD;
    return true;
}

static bool step_xml_head(mn_chat_parser *p)
{
    mn_buffer_reset(&p->value);
    if (p->xml->body_open && !mn_chat_take_until(p, p->xml->body_open, &p->value))
        return false;
    mn_chat_begin_call(p);
    p->is_body_begun = false;
    p->state = CHAT_XML_BODY;
    return true;
}

static void end_xml_call(mn_chat_parser *p)
{
    if (p->n_params) mn_buffer_append_byte(&p->args, '}');
    mn_chat_end_call(p, true);
    p->state = CHAT_AFTER;
}

static bool step_xml_body(mn_chat_parser *p)
{
    const mn_xml_style *x = p->xml;
    const char *close = style(p)->close;
    mn_chat_skip_space(p);
    if (!mn_chat_left(p)) return false;
    if (*mn_chat_rest(p) == '{'
        && !p->is_body_begun) { /* <function=f>{"a": 1}</function> */
        p->json = (mn_json_calls){ 0 };
        p->state = CHAT_RAW_JSON;
        return true;
    }
    p->is_body_begun = true;
    const char *markers[] = { x->key, x->func_close ? x->func_close : close, close };
    mn_chat_match m = mn_chat_find(p, markers, close ? 3 : 2);
    if (m.which < 0) {
        mn_chat_take(p, m.safe);        /* what stands between parameters means nothing */
        return false;
    }
    if (m.which == 0) {
        mn_chat_take(p, m.at + m.len);
        mn_buffer_reset(&p->key);
        p->state = CHAT_XML_KEY;
        return true;
    }
    bool is_close = m.which == 2 || !x->func_close;     /* that is CHAT_AFTER's to take */
    mn_chat_take(p, m.at + (is_close ? 0 : m.len));
    end_xml_call(p);
    return true;
}

static bool step_xml_key(mn_chat_parser *p)
{
    if (!mn_chat_take_until(p, p->xml->key_end, &p->key)) return false;
    mn_buffer_reset(&p->value);
    p->state = CHAT_XML_KEY_HEAD;
    return true;
}

/* What else stands in the parameter's tag may tell the type: string="true". */
static bool step_xml_key_head(mn_chat_parser *p)
{
    if (p->xml->value_open && !mn_chat_take_until(p, p->xml->value_open, &p->value))
        return false;
    const char *head = p->value.len ? p->value.data : "";
    p->value_kind =
        mn_chat_kind_of(p->properties, p->key.data ? p->key.data : "", p->key.len);
    if (strstr(head, "string=\"true\"") || strstr(head, "type=\"string\""))
        p->value_kind = VALUE_STRING;
    else if (strstr(head, "string=\"false\"") || strstr(head, "type=\""))
        p->value_kind = VALUE_JSON;
    mn_buffer_reset(&p->value);
    mn_buffer_append_str(&p->args, p->n_params++ ? ", \"" : "{\"");
    mn_chat_write_escaped(&p->args, p->key.data ? p->key.data : "", p->key.len);
    mn_buffer_append_str(&p->args, "\": ");
    p->is_value_begun = false;
    p->state = CHAT_XML_VALUE;
    return true;
}

/* Layout around a value: one newline on each side, or <![CDATA[...]]>. */
static void unwrap(const mn_xml_style *x, const char **s, size_t *len)
{
    static const char open[] = "<![CDATA[", close[] = "]]>";
    if (x->trims_newlines && *len && **s == '\n') {
        ++*s;
        --*len;
    }
    if (x->trims_newlines && *len && (*s)[*len - 1] == '\n') --*len;
    if (x->has_cdata && *len >= 12 && !memcmp(*s, open, 9)
        && !memcmp(*s + *len - 3, close, 3)) {
        *s += 9;
        *len -= 12;
    }
}

/* Strings go out as they come; the others when they are whole. */
static bool step_xml_value(mn_chat_parser *p)
{
    const mn_xml_style *x = p->xml;
    mn_chat_match m = mn_chat_find(p, &x->value_close, 1);
    const char *s = mn_chat_rest(p);
    bool streams = p->value_kind == VALUE_STRING && !x->has_cdata;
    if (m.which >= 0) {
        size_t len = m.at;
        if (p->is_value_begun) {
            if (x->trims_newlines && len && s[len - 1] == '\n') len--;
            mn_chat_write_escaped(&p->args, s, len);
            mn_buffer_append_byte(&p->args, '"');
        } else {
            unwrap(x, &s, &len);
            mn_chat_write_value(&p->args, p->value_kind, s, len);
        }
        mn_chat_take(p, m.at + m.len);
        p->state = CHAT_XML_BODY;
        return true;
    }
    size_t len = m.safe;
    if (len && s[len - 1] == '\n') len--;       /* it may be the one before the end */
    if (!streams || !len) {
        p->scanned = m.safe;
        return false;
    }
    size_t skip = !p->is_value_begun && x->trims_newlines && *s == '\n';
    if (!p->is_value_begun) mn_buffer_append_byte(&p->args, '"');
    p->is_value_begun = true;
    mn_chat_write_escaped(&p->args, s + skip, len - skip);
    mn_chat_take(p, len);
    return false;
}

/* ---- Python: [f(a=1, b='x'), g()] -------------------------------------------------- */

/* What no parser of calls can read: code for <|python_tag|>, content if tentative. */
static bool not_python(mn_chat_parser *p)
{
    if (p->is_tentative) {
        mn_chat_abandon(p);
    } else if (style(p)->is_code) {
        mn_buffer_reset(&p->name);
        mn_buffer_append_str(&p->name, "code_interpreter");
        mn_chat_begin_call(p);
        p->state = CHAT_WHOLE;
    } else {
        p->state = CHAT_SKIP;
    }
    return true;
}

/* brave_search.call(query="x") means the tool brave_search. */
static bool ends_in_call(const char *name, size_t len)
{
    return len > 5 && !memcmp(name + len - 5, ".call", 5);
}

/* The name of the next call; the state moves on behind its parenthesis. */
static bool step_python(mn_chat_parser *p)
{
    const mn_call_style *c = style(p);
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p), i = 0;
    while (i < left && (is_space(s[i]) || s[i] == '[' || s[i] == ',' || s[i] == ';')) i++;
    if (i < left && s[i] == ']') {
        mn_chat_take(p, i + 1);
        p->state = CHAT_AFTER;
        return true;
    }
    size_t start = i;
    while (i < left && is_name_char(s[i])) i++;
    if (i == left && !p->is_final) return false;
    bool is_call = i > start && i < left && s[i] == '('
                && (!c->is_code || ends_in_call(s + start, i - start));
    if (!is_call && c->close && start < left) {
        size_t n = strlen(c->close), have = left - start < n ? left - start : n;
        if (!memcmp(s + start, c->close, have)) {
            if (have < n && !p->is_final) return false;
            mn_chat_take(p, start);
            p->state = CHAT_AFTER;
            return true;
        }
    }
    if (!is_call) return left ? not_python(p) : false;
    /* Bare lists are calls only if they look like one behind the parenthesis as well. */
    mn_buffer_reset(&p->name);
    mn_buffer_append(&p->name, s + start, i - start);
    if (p->is_tentative) mn_buffer_append(&p->tentative, s, i + 1);
    mn_chat_take(p, i + 1);
    p->state = CHAT_PYTHON_ARGS;
    return true;
}

/* Where the parenthesis closes, outside of strings and brackets; 0: not yet. */
static size_t closing(const char *s, size_t left)
{
    int depth = 0;
    char quote = 0;
    for (size_t i = 0; i < left; i++) {
        if (quote) {
            if (s[i] == '\\') i++;
            else if (s[i] == quote) quote = 0;
        } else if (s[i] == '\'' || s[i] == '"') {
            quote = s[i];
        } else if (s[i] == '(' || s[i] == '[' || s[i] == '{') {
            depth++;
        } else if (s[i] == ')' || s[i] == ']' || s[i] == '}') {
            if (!depth) return s[i] == ')' ? i + 1 : 0;
            depth--;
        }
    }
    return 0;
}

static bool step_python_args(mn_chat_parser *p)
{
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p), end;
    if (left < p->scanned) return false;
    if (!(end = closing(s, left))) {
        /* Look again only when there is twice as much, so that time stays linear. */
        p->scanned = p->is_final ? 0 : left + (left < 64 ? 1 : left / 2);
        return false;
    }
    if (ends_in_call(p->name.data, p->name.len)) p->name.len -= 5;
    mn_buffer_reset(&p->id);
    mn_buffer_reset(&p->value);
    if (p->is_tentative) {      /* does it read as a call at all? */
        if (!mn_chat_write_python(&p->value, NULL, s, end - 1)) {
            mn_chat_abandon(p);
            return true;
        }
        p->is_tentative = false;
        mn_buffer_reset(&p->tentative);
        mn_buffer_reset(&p->value);
    }
    mn_chat_begin_call(p);
    bool ok = mn_chat_write_python(&p->args, p->properties, s, end - 1);
    if (!ok) {
        mn_buffer_append_str(&p->args, "{\"arguments\": \"");
        mn_chat_write_escaped(&p->args, s, end - 1);
        mn_buffer_append_str(&p->args, "\"}");
    }
    mn_chat_take(p, end);
    mn_chat_end_call(p, true);
    p->state = style(p)->is_code ? CHAT_AFTER : CHAT_PYTHON;
    return true;
}

/* ---- Gemma: call:f{a:1} ------------------------------------------------------------ */

static bool step_gemma(mn_chat_parser *p)
{
    mn_buffer_reset(&p->value);
    if (!mn_chat_take_until(p, style(p)->close, &p->value)) return false;
    const char *s = p->value.data, *brace = memchr(s, '{', p->value.len);
    size_t from = p->value.len >= 5 && !memcmp(s, "call:", 5) ? 5 : 0;
    size_t name_end = brace ? (size_t)(brace - s) : p->value.len;
    size_t end = p->value.len;
    while (end > name_end && s[end - 1] != '}') end--;
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    if (name_end > from) mn_buffer_append(&p->name, s + from, name_end - from);
    mn_chat_begin_call(p);
    bool ok = brace && end > name_end + 1
           && mn_chat_write_gemma(&p->args, brace + 1, end - name_end - 2);
    mn_chat_end_call(p, ok || !brace);
    mn_chat_to_text(p);
    return true;
}

/* ---- blocks ------------------------------------------------------------------------ */

static const mn_xml_style qwen_xml = {
    .func = "<function=", .name_end = ">", .key = "<parameter=", .key_end = ">",
    .value_close = "</parameter>", .func_close = "</function>", .trims_newlines = true
};
static const mn_xml_style glm_xml = { .name_end = "\n",
                                      .key = "<arg_key>",
                                      .key_end = "</arg_key>",
                                      .value_open = "<arg_value>",
                                      .value_close = "</arg_value>" };

void mn_chat_start_block(mn_chat_parser *p)
{
    p->xml = style(p)->xml;
    p->state = CHAT_BLOCK;
}

/* Models that were taught Python calls still write JSON at times. */
static bool step_python_block(mn_chat_parser *p)
{
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p), i = 0;
    while (i < left && (is_space(s[i]) || s[i] == '[')) i++;
    if (i == left && !p->is_final) return false;
    if (i < left && s[i] == '{') mn_chat_start_json(p);
    else p->state = CHAT_PYTHON;
    return true;
}

static bool step_block(mn_chat_parser *p)
{
    const mn_call_style *c = style(p);
    int begins;
    switch (c->body) {
    case BODY_JSON: mn_chat_start_json(p); return true;
    case BODY_NAMED: p->state = CHAT_NAMED; return true;
    case BODY_XML: {
        bool is_func = c->xml->func && !strcmp(c->open, c->xml->func);
        p->state = is_func ? CHAT_XML_NAME : CHAT_XML_FUNC;
        return true;
    }
    case BODY_GEMMA: p->state = CHAT_GEMMA; return true;
    case BODY_PYTHON:
        return step_python_block(p);
    default: break;
    }
    mn_chat_skip_space(p);
    if (!mn_chat_left(p)) return false;
    if (*mn_chat_rest(p) == '{' || *mn_chat_rest(p) == '[') {
        mn_chat_start_json(p);
        return true;
    }
    if ((begins = mn_chat_begins(p, qwen_xml.func)) < 0) return false;
    p->xml = begins ? &qwen_xml : &glm_xml;
    p->state = CHAT_XML_FUNC;
    return true;
}

/* Behind a call: another one, the block's end, or text. */
static bool step_after(mn_chat_parser *p)
{
    const mn_call_style *c = style(p);
    const char *again = p->xml ? p->xml->func : NULL;
    mn_chat_skip_space(p);
    int closes = c->close ? mn_chat_begins(p, c->close) : 0;
    int another =
        again && c->open && strcmp(again, c->open) ? mn_chat_begins(p, again) : 0;
    int fence = c->body == BODY_NAMED ? mn_chat_begins(p, "```") : 0;
    int func_closes =
        p->xml && p->xml->func_close ? mn_chat_begins(p, p->xml->func_close) : 0;
    if (!mn_chat_left(p)) return false;
    if (closes < 0 || another < 0 || fence < 0 || func_closes < 0) return false;
    if (fence) {
        mn_chat_take(p, 3);
    } else if (func_closes) {
        mn_chat_take(p, strlen(p->xml->func_close));
    } else if (another) {
        p->state = CHAT_XML_FUNC;
    } else {
        if (closes) mn_chat_take(p, strlen(c->close));
        mn_chat_to_text(p);
    }
    return true;
}

/* A broken block: everything up to its end is dropped. */
static bool step_skip(mn_chat_parser *p)
{
    const char *close = style(p)->close;
    if (!close) {
        mn_chat_to_text(p);
        return true;
    }
    mn_buffer_reset(&p->value);
    if (!mn_chat_take_until(p, close, &p->value)) {
        if (p->is_final) mn_chat_take(p, mn_chat_left(p));
        return false;
    }
    mn_buffer_reset(&p->value);
    mn_chat_to_text(p);
    return true;
}

bool mn_chat_step_call(mn_chat_parser *p)
{
    switch (p->state) {
    case CHAT_BLOCK: return step_block(p);
    case CHAT_JSON: return mn_chat_step_json(p);
    case CHAT_NAMED: return step_named(p);
    case CHAT_NAMED_ID: return step_named_id(p);
    case CHAT_NAMED_GAP: return step_named_gap(p);
    case CHAT_RAW_JSON: return mn_chat_step_raw_json(p);
    case CHAT_XML_FUNC: return step_xml_func(p);
    case CHAT_XML_NAME: return step_xml_name(p);
    case CHAT_XML_HEAD: return step_xml_head(p);
    case CHAT_XML_BODY: return step_xml_body(p);
    case CHAT_XML_KEY: return step_xml_key(p);
    case CHAT_XML_KEY_HEAD: return step_xml_key_head(p);
    case CHAT_XML_VALUE: return step_xml_value(p);
    case CHAT_PYTHON: return step_python(p);
    case CHAT_PYTHON_ARGS: return step_python_args(p);
    case CHAT_GEMMA: return step_gemma(p);
    case CHAT_AFTER: return step_after(p);
    default: return step_skip(p);
    }
}
