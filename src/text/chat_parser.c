/* Generated text -> content, reasoning and tool calls; see chat_format.h.
 *
 * This file owns the input, the search for markers, plain text, events, and the message
 * headers of gpt-oss and the recipients of functionary; chat_calls.c the calls' bodies.
 * A piece of text costs time in proportion to its length, however finely it is cut.
 */
#include "text/chat_parser.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* ---- input ------------------------------------------------------------------------- */

void mn_chat_take(mn_chat_parser *p, size_t n)
{
    p->at += n;
    p->scanned = 0;
}

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

void mn_chat_skip_space(mn_chat_parser *p)
{
    while (mn_chat_left(p) && is_space(*mn_chat_rest(p))) mn_chat_take(p, 1);
}

int mn_chat_begins(const mn_chat_parser *p, const char *s)
{
    size_t len = strlen(s), left = mn_chat_left(p), n = left < len ? left : len;
    if (n && memcmp(mn_chat_rest(p), s, n)) return 0;
    if (left >= len) return 1;
    return p->is_final ? 0 : -1;
}

mn_chat_match mn_chat_find(const mn_chat_parser *p, const char *const *markers, int n)
{
    const char *s = mn_chat_rest(p);
    size_t left = mn_chat_left(p);
    mn_chat_match m = { .safe = left, .which = -1 };
    for (size_t i = p->scanned; i < left; i++) {
        bool undecided = false;
        for (int k = 0; k < n; k++) {
            if (s[i] != markers[k][0]) continue;
            size_t len = strlen(markers[k]), have = left - i < len ? left - i : len;
            if (memcmp(s + i, markers[k], have)) continue;
            if (have < len) undecided |= !p->is_final;
            else if (m.which < 0 || len > m.len)
                m = (mn_chat_match){ .at = i, .len = len, .safe = i, .which = k };
        }
        if (undecided) m.which = -1;
        if (undecided || m.which >= 0) {
            m.safe = i;
            return m;
        }
    }
    return m;
}

bool mn_chat_take_until(mn_chat_parser *p, const char *marker, mn_buffer *before)
{
    mn_chat_match m = mn_chat_find(p, &marker, 1);
    if (m.which < 0) {
        p->scanned = m.safe;
        return false;
    }
    mn_buffer_append(before, mn_chat_rest(p), m.at);
    mn_chat_take(p, m.at + m.len);
    return true;
}

/* ---- events ------------------------------------------------------------------------ */

static void emit_text(mn_chat_parser *p, const char *s, size_t len)
{
    if (!len) return;
    if (!p->in_reasoning) p->has_content = true;
    p->sink(p->ctx, &(mn_chat_event){
        .kind = p->in_reasoning ? MN_CHAT_REASONING : MN_CHAT_CONTENT,
        .text = s, .text_len = len });
}

/* Text of the current kind; white space waits, as a marker may follow it. */
static void text(mn_chat_parser *p, const char *s, size_t len)
{
    size_t from = 0, to = len;
    if (p->drops_space)
        while (from < len && is_space(s[from])) from++;
    if (from == len) return;
    p->drops_space = false;
    while (to > from && is_space(s[to - 1])) to--;
    if (to > from) {
        emit_text(p, p->space.data, p->space.len);
        mn_buffer_reset(&p->space);
        emit_text(p, s + from, to - from);
    }
    mn_buffer_append(&p->space, s + to, len - to);
}

static const json_t *find_properties(const mn_chat_parser *p)
{
    for (size_t i = 0; i < json_array_size(p->tools); i++) {
        const json_t *tool = json_array_get(p->tools, i);
        const json_t *f = json_object_get(tool, "function");
        if (!f) f = tool;
        const json_t *name = json_object_get(f, "name");
        if (!json_is_string(name) || json_string_length(name) != p->name.len
            || memcmp(json_string_value(name), p->name.data, p->name.len)) continue;
        const json_t *schema = json_object_get(f, "parameters");
        if (!schema) schema = json_object_get(f, "input_schema");
        return json_object_get(schema, "properties");
    }
    return NULL;
}

static void trim(mn_buffer *b)
{
    size_t from = 0;
    while (b->len && is_space(b->data[b->len - 1])) b->len--;
    while (from < b->len && is_space(b->data[from])) from++;
    if (from) memmove(b->data, b->data + from, b->len - from);
    b->len -= from;
    if (b->data) b->data[b->len] = 0;
}

void mn_chat_begin_call(mn_chat_parser *p)
{
    trim(&p->name);
    trim(&p->id);
    p->is_open = true;
    p->has_args = false;
    p->n_params = 0;
    p->properties = p->name.len ? find_properties(p) : NULL;
    p->sink(p->ctx, &(mn_chat_event){
        .kind = MN_CHAT_CALL_BEGIN, .call = p->n_calls,
        .name = p->name.data ? p->name.data : "", .name_len = p->name.len,
        .id = p->id.data ? p->id.data : "", .id_len = p->id.len });
}

void mn_chat_flush_args(mn_chat_parser *p)
{
    if (!p->is_open || !p->args.len) return;
    p->has_args = true;
    p->sink(p->ctx, &(mn_chat_event){ .kind = MN_CHAT_CALL_ARGUMENTS, .call = p->n_calls,
                                      .text = p->args.data, .text_len = p->args.len });
    mn_buffer_reset(&p->args);
}

void mn_chat_end_call(mn_chat_parser *p, bool is_complete)
{
    if (!p->is_open) return;
    if (!p->has_args && !p->args.len && is_complete) mn_buffer_append_str(&p->args, "{}");
    mn_chat_flush_args(p);
    p->sink(p->ctx, &(mn_chat_event){
        .kind = MN_CHAT_CALL_END, .call = p->n_calls, .is_complete = is_complete,
        .id = p->id.data ? p->id.data : "", .id_len = p->id.len });
    p->is_open = false;
    p->n_calls++;
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    mn_buffer_reset(&p->args);
}

/* ---- plain text -------------------------------------------------------------------- */

void mn_chat_to_text(mn_chat_parser *p)
{
    p->state = CHAT_TEXT;
    p->drops_space = true;
    mn_buffer_reset(&p->space);
}

void mn_chat_abandon(mn_chat_parser *p)
{
    mn_buffer_reset(&p->name);
    mn_buffer_reset(&p->id);
    mn_buffer_reset(&p->args);
    p->is_tentative = false;
    p->state = CHAT_TEXT;
    p->has_content = true;
    text(p, p->tentative.data, p->tentative.len);
    mn_buffer_reset(&p->tentative);
}

static int add_marker(const char **list, int n, const char *marker)
{
    if (marker && marker[0]) list[n++] = marker;
    return n;
}

/* Special tokens mean calls even where reasoning was not closed; plain tags do not. */
static bool is_special(const char *marker)
{
    return marker[0] == '[' || strstr(marker, "|") || strstr(marker, "\xef\xbd\x9c");
}

/* Everything that means something in text. */
static int text_markers(const mn_chat_parser *p, const char **list)
{
    const mn_call_style *c = p->format.calls;
    int n = add_marker(list, 0, p->format.reasoning_open);
    n = add_marker(list, n, p->format.reasoning_close);
    if (!c || (p->in_reasoning && !c->has_headers && !(c->open && is_special(c->open))))
        return n;
    if (!p->format.ignores_calls || c->has_headers) n = add_marker(list, n, c->open);
    for (size_t i = 0; i < sizeof c->dropped / sizeof *c->dropped; i++)
        n = add_marker(list, n, c->dropped[i]);
    if (!p->format.ignores_calls || c->has_headers) n = add_marker(list, n, c->close);
    if (c->has_headers) {
        n = add_marker(list, n, "<|channel|>");
        n = add_marker(list, n, "<|start|>");
    }
    return c->has_recipients ? add_marker(list, n, "\n>>>") : n;
}

/* The answer's first characters may be those of a call without any marker. */
static int bare_call(mn_chat_parser *p)
{
    const mn_call_style *c = p->format.calls;
    if (!c || p->in_reasoning || p->has_content || p->format.ignores_calls
        || !(c->takes_bare_json || c->takes_bare_python))
        return 0;
    size_t i = 0, left = mn_chat_left(p);
    const char *s = mn_chat_rest(p);
    while (i < left && is_space(s[i])) i++;
    if (i == left) return p->is_final ? 0 : -1;
    if (s[i] != '{' && s[i] != '[') return 0;
    p->is_tentative = true;
    mn_buffer_reset(&p->tentative);
    if (c->takes_bare_python && s[i] == '[') p->state = CHAT_PYTHON;
    else if (c->takes_bare_json) mn_chat_start_json(p);
    else return 0;
    return 1;
}

static bool same(const char *a, const char *b) { return a && b && !strcmp(a, b); }

static void meet_marker(mn_chat_parser *p, const char *marker)
{
    const mn_call_style *c = p->format.calls;
    bool opens = same(marker, p->format.reasoning_open);
    mn_chat_to_text(p);
    if (opens || same(marker, p->format.reasoning_close)) {
        p->in_reasoning = opens;
    } else if (same(marker, c->open)) {
        p->in_reasoning = false;
        mn_chat_start_block(p);
    } else if (same(marker, "\n>>>")) {
        p->state = CHAT_RECIPIENT;
    } else if (c->has_headers) {        /* <|channel|>, <|start|>, or a message's end */
        p->in_reasoning = false;
        if (!same(marker, "<|channel|>") && !same(marker, "<|start|>")) return;
        mn_buffer_reset(&p->header);
        mn_buffer_append_str(&p->header, marker);
        p->state = CHAT_HEADER;
    }
}

static bool step_text(mn_chat_parser *p)
{
    const char *markers[CHAT_MARKERS];
    if (!mn_chat_left(p)) return false;
    int bare = bare_call(p);
    if (bare) return bare > 0;
    int n = text_markers(p, markers);
    mn_chat_match m = mn_chat_find(p, markers, n);
    size_t before = m.which >= 0 ? m.at : m.safe;
    text(p, mn_chat_rest(p), before);
    mn_chat_take(p, before + (m.which >= 0 ? m.len : 0));
    if (m.which < 0) return false;
    meet_marker(p, markers[m.which]);
    return true;
}

/* ---- gpt-oss: <|start|>assistant<|channel|>commentary to=functions.f <|message|> --- */

/* The word behind `label` in the header, into out. */
static bool header_word(const mn_chat_parser *p, const char *label, mn_buffer *out)
{
    const char *s = p->header.data ? strstr(p->header.data, label) : NULL;
    mn_buffer_reset(out);
    if (!s) return false;
    s += strlen(label);
    size_t n = strcspn(s, " <\n");
    mn_buffer_append(out, s, n);
    return n > 0;
}

static bool is(const mn_buffer *b, const char *s)
{
    return b->len == strlen(s) && (!b->len || !memcmp(b->data, s, b->len));
}

static void open_message(mn_chat_parser *p)
{
    bool has_recipient = header_word(p, "to=", &p->name);
    header_word(p, "<|channel|>", &p->value);
    p->in_reasoning = is(&p->value, "analysis") || is(&p->name, "self");
    bool is_text = !has_recipient || is(&p->name, "self") || is(&p->name, "user")
                || is(&p->name, "all") || p->format.calls->open;
    mn_buffer_reset(&p->value);
    if (is_text) {
        mn_buffer_reset(&p->name);
        mn_chat_to_text(p);
        return;
    }
    static const char prefix[] = "functions.";
    size_t n = sizeof prefix - 1;
    if (p->name.len > n && !memcmp(p->name.data, prefix, n)) {
        memmove(p->name.data, p->name.data + n, p->name.len - n);
        p->name.len -= n;
    }
    p->in_reasoning = false;
    p->is_wrapped = false;
    mn_chat_begin_call(p);
    p->state = CHAT_WHOLE;
}

static bool step_header(mn_chat_parser *p)
{
    /* Behind the prompt's <|start|>assistant a model may also just write. */
    if (p->is_first_header) {
        int channel = mn_chat_begins(p, "<|"), recipient = mn_chat_begins(p, " to=");
        if (channel < 0 || recipient < 0) return false;
        p->is_first_header = false;
        if (!channel && !recipient) p->state = CHAT_TEXT;
        if (!channel && !recipient) return true;
    }
    if (mn_chat_take_until(p, "<|message|>", &p->header)) {
        open_message(p);
        return true;
    }
    if (!p->is_final) return false;
    mn_chat_take(p, mn_chat_left(p));       /* a header without a message says nothing */
    mn_chat_to_text(p);
    return false;
}

/* Arguments up to the message's end; what does not look like JSON is wrapped. */
static bool step_whole(mn_chat_parser *p)
{
    static const char *const ends[] = { "<|call|>", "<|end|>", "<|return|>", "<|start|>",
                                        "<|eom_id|>", "<|eot_id|>", "\n>>>" };
    int n = p->format.calls->has_recipients ? 7 : 6;
    if (!p->has_args && !p->args.len) {
        mn_chat_skip_space(p);
        if (!mn_chat_left(p) && !p->is_final) return false;
        p->is_wrapped = mn_chat_left(p) && !strchr("{<", *mn_chat_rest(p));
        if (p->is_wrapped) mn_buffer_append_str(&p->args, "{\"code\": \"");
    }
    mn_chat_match m = mn_chat_find(p, ends, n);
    const char *s = mn_chat_rest(p);
    size_t len = m.which >= 0 ? m.at : m.safe;
    size_t kept = len;              /* white space at the end may precede the marker */
    while (kept && is_space(s[kept - 1])) kept--;
    if (p->is_wrapped) mn_chat_write_escaped(&p->args, s, kept);
    else mn_buffer_append(&p->args, s, kept);
    bool ends_here = m.which >= 0 || p->is_final;
    if (!ends_here) {
        mn_chat_take(p, kept);
        return false;
    }
    /* <|start|> and >>> begin the next message, so they stay. */
    bool stays = m.which == 3 || m.which == 6;
    mn_chat_take(p, len + (m.which < 0 || stays ? 0 : m.len));
    if (p->is_wrapped) mn_buffer_append_str(&p->args, "\"}");
    mn_chat_end_call(p, m.which >= 0 || p->is_wrapped || p->format.calls->has_recipients);
    mn_chat_to_text(p);
    return true;
}

/* ---- functionary v3.2: >>>all\ntext, >>>name\n{arguments} -------------------------- */

static bool step_recipient(mn_chat_parser *p)
{
    mn_buffer_reset(&p->name);
    if (!mn_chat_take_until(p, "\n", &p->name)) {
        if (p->is_final) mn_chat_take(p, mn_chat_left(p));
        return false;
    }
    trim(&p->name);
    if (is(&p->name, "all")) {
        mn_buffer_reset(&p->name);
        mn_chat_to_text(p);
        return true;
    }
    p->is_wrapped = false;
    mn_chat_begin_call(p);
    p->state = CHAT_WHOLE;
    return true;
}

/* ---- the loop ---------------------------------------------------------------------- */

static bool step(mn_chat_parser *p)
{
    if (p->state != p->last_state) p->scanned = 0;
    p->last_state = p->state;
    switch (p->state) {
    case CHAT_TEXT: return step_text(p);
    case CHAT_HEADER: return step_header(p);
    case CHAT_WHOLE: return step_whole(p);
    case CHAT_RECIPIENT: return step_recipient(p);
    default: return mn_chat_step_call(p);
    }
}

static minerva_status run(mn_chat_parser *p, minerva_error *err)
{
    while (step(p)) { }
    mn_chat_flush_args(p);
    if (p->at == p->in.len) {
        mn_buffer_reset(&p->in);
        p->at = 0;
    } else if (p->at > p->in.len / 2) {
        memmove(p->in.data, p->in.data + p->at, p->in.len - p->at);
        p->in.len -= p->at;
        p->at = 0;
    }
    const mn_buffer *buffers[] = { &p->in,   &p->space, &p->tentative, &p->name,  &p->id,
                                   &p->args, &p->key,   &p->value,     &p->header };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers && !p->status; i++) {
        if (buffers[i]->failed) p->status = mn_fail_memory(err, buffers[i]->len);
        else if (buffers[i]->len > CHAT_MOST_HELD)
            p->status = mn_fail(err, MINERVA_LIMIT,
                                "chat output: a tool call of more than %d "
                                "bytes",
                                CHAT_MOST_HELD);
    }
    return p->status;
}

minerva_status mn_chat_parser_feed(mn_chat_parser *p, const char *s, size_t len,
                                   minerva_error *err)
{
    if (p->status) return mn_fail(err, p->status, "chat output: the parser has failed");
    mn_buffer_append(&p->in, s, len);
    return run(p, err);
}

minerva_status mn_chat_parser_finish(mn_chat_parser *p, minerva_error *err)
{
    if (p->status) return mn_fail(err, p->status, "chat output: the parser has failed");
    if (p->is_final) return MINERVA_OK;
    p->is_final = true;
    p->scanned = 0;
    if (run(p, err)) return p->status;
    if (p->is_tentative) {
        mn_buffer_append(&p->tentative, mn_chat_rest(p), mn_chat_left(p));
        mn_chat_abandon(p);
    }
    mn_chat_end_call(p, false);
    if (p->state == CHAT_TEXT && !p->in_reasoning)
        emit_text(p, p->space.data, p->space.len);
    mn_buffer_reset(&p->space);
    return p->status;
}

/* ---- making ------------------------------------------------------------------------ */

/* Where the prompt leaves off: inside of reasoning, of a message, or behind >>>. */
static void read_prompt(mn_chat_parser *p, const char *s, size_t len)
{
    const char *open = p->format.reasoning_open;
    const mn_call_style *c = p->format.calls;
    while (len && is_space(s[len - 1])) len--;
    size_t n = open ? strlen(open) : 0;
    if (n && len >= n && !memcmp(s + len - n, open, n))
        p->in_reasoning = p->drops_space = true;
    if (c && c->has_recipients && (!s || (len >= 3 && !memcmp(s + len - 3, ">>>", 3))))
        p->state = CHAT_RECIPIENT;
    if (!c || !c->has_headers || !len) return;
    static const char message[] = "<|message|>", start[] = "<|start|>";
    size_t from = len;      /* the last header of the prompt */
    while (from > 0 && (len - from < 9 || memcmp(s + from, start, 9))) from--;
    mn_buffer_append(&p->header, s + from, len - from);
    bool is_open = len - from >= 11 && !memcmp(s + len - 11, message, 11);
    if (is_open) open_message(p);
    else if (memmem(s + from, len - from, message, 11)) mn_buffer_reset(&p->header);
    else if (p->header.len > 9) p->state = CHAT_HEADER;
    p->is_first_header = p->state == CHAT_HEADER;
}

minerva_status mn_chat_parser_create(mn_chat_parser **out, const mn_chat_format *format,
                                     const json_t *tools, const char *prompt,
                                     size_t prompt_len, mn_chat_sink *sink, void *ctx,
                                     minerva_error *err)
{
    mn_chat_parser *p = calloc(1, sizeof *p);
    if (!p) return mn_fail_memory(err, sizeof *p);
    *p = (mn_chat_parser){ .format = *format, .sink = sink, .ctx = ctx, .tools = tools };
    mn_buffer_append(&p->in, "", 0);
    if (p->in.failed) {
        mn_chat_parser_free(p);
        return mn_fail_memory(err, 64);
    }
    read_prompt(p, prompt, prompt ? prompt_len : 0);
    *out = p;
    return MINERVA_OK;
}

bool mn_chat_parser_in_reasoning(const mn_chat_parser *p) { return p->in_reasoning; }

void mn_chat_parser_free(mn_chat_parser *p)
{
    if (!p) return;
    mn_buffer *buffers[] = { &p->in, &p->space, &p->tentative, &p->name, &p->id, &p->args,
                             &p->key, &p->value, &p->header };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        mn_buffer_clear(buffers[i]);
    free(p);
}
