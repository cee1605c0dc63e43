/* Pre-tokenising: text is cut into the words that the model sees.
 *
 * The steps of a tokenizer run depth first: what the first step cuts off goes through all
 * others at once, and the last one hands it to the model.  So nothing is collected, and
 * a text of any length needs no more memory than its longest piece that a step rewrites.
 * (1) A step sees each piece alone, as HuggingFace's do: patterns do not look beyond it.
 * (2) Empty pieces are dropped.
 * (3) c->pre[k] holds what step k rewrote; deeper steps only read it.
 */
#include "text/tok_internal.h"

#include <string.h>

/* ASCII's general categories, control characters and White_Space. */
#define C TOK_CAT(CC)
#define W (TOK_CAT(CC) | TOK_WS)
#define P TOK_CAT(PO)
#define A TOK_LL
#define B TOK_LU
#define D TOK_CAT(ND)
const uint32_t tok_ascii_bits[128] = {
    C, C, C, C, C, C, C, C, C, W, W, W, W, W, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
    C, C, TOK_CAT(ZS) | TOK_WS, P, P, P, TOK_CAT(SC), P, P, P, TOK_CAT(PS), TOK_CAT(PE), P,
    TOK_CAT(SM), P, TOK_CAT(PD), P, P, D, D, D, D, D, D, D, D, D, D, P, P, TOK_CAT(SM),
    TOK_CAT(SM), TOK_CAT(SM), P, P, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
    B, B, B, B, B, B, B, TOK_CAT(PS), P, TOK_CAT(PE), TOK_CAT(SK), TOK_CAT(PC), TOK_CAT(SK),
    A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    TOK_CAT(PS), TOK_CAT(SM), TOK_CAT(PE), TOK_CAT(SM), C,
};
#undef C
#undef W
#undef P
#undef A
#undef B
#undef D

static tok_text slice(tok_text in, size_t start, size_t end)
{
    return (tok_text){ in.s + start, end - start, in.n_zero > start ? in.n_zero - start : 0 };
}

/* ---- splitting ------------------------------------------------------------------------------- */

/* Pieces as they come, matches and what lies between, joined as the behaviour says. */
typedef struct {
    tok_call *call;
    int next_step;
    tok_text in;
    tok_behavior behavior;
    size_t start, end;          /* the piece held back; start == SIZE_MAX: none */
    bool last_matched;
} splitter;

static void flush(splitter *sp)
{
    if (sp->start == SIZE_MAX) return;
    tok_pretokenize(sp->call, sp->next_step, slice(sp->in, sp->start, sp->end));
    sp->start = SIZE_MAX;
}

static void piece(splitter *sp, size_t start, size_t end, bool matched)
{
    bool join = false;
    switch (sp->behavior) {
    case TOK_REMOVED:
        if (!matched) tok_pretokenize(sp->call, sp->next_step, slice(sp->in, start, end));
        return;
    case TOK_ISOLATED:
        tok_pretokenize(sp->call, sp->next_step, slice(sp->in, start, end));
        return;
    case TOK_CONTIGUOUS: join = matched == sp->last_matched; break;
    case TOK_MERGED_WITH_PREVIOUS: join = matched && !sp->last_matched; break;
    case TOK_MERGED_WITH_NEXT: join = !matched && sp->last_matched; break;
    }
    sp->last_matched = matched;
    if (join && sp->start != SIZE_MAX) {
        sp->end = end;
        return;
    }
    flush(sp);
    sp->start = start;
    sp->end = end;
}

/* The last step where all pieces are words: straight to the model. */
static void split_words(tok_call *c, tok_text in, const tok_pattern *pattern)
{
    tok_scan scan = { 0 };
    size_t start, end, done = 0;
    while (!c->failed && tok_pattern_next(pattern, c, in.s, in.len, &scan, &start, &end)) {
        if (done < start) tok_model_word(c, in.s + done, start - done);
        if (start < end) tok_model_word(c, in.s + start, end - start);
        done = end;
    }
    if (done < in.len) tok_model_word(c, in.s + done, in.len - done);
}

static void split(tok_call *c, int step, tok_text in, const tok_pattern *pattern,
                  tok_behavior behavior, bool invert)
{
    if (behavior == TOK_ISOLATED && step + 1 == c->t->n_pres) {
        split_words(c, in, pattern);
        return;
    }
    splitter sp = { c, step + 1, in, behavior, SIZE_MAX, 0, false };
    tok_scan scan = { 0 };
    size_t start, end, done = 0;
    while (!c->failed && tok_pattern_next(pattern, c, in.s, in.len, &scan, &start, &end)) {
        if (done < start) piece(&sp, done, start, invert);
        piece(&sp, start, end, !invert);
        done = end;
    }
    if (done < in.len) piece(&sp, done, in.len, invert);
    flush(&sp);
}

/* ---- steps that rewrite ------------------------------------------------------------------------ */

static bool starts_with(tok_text in, mn_str s)
{
    return in.len >= s.len && !memcmp(in.s, s.data, s.len);
}

static void prepend(tok_call *c, int step, tok_text in, mn_str s)
{
    mn_buffer *b = &c->pre[step];
    mn_buffer_reset(b);
    mn_buffer_append(b, s.data, s.len);
    mn_buffer_append(b, in.s, in.len);
    if (b->failed) {
        c->failed = true;
        return;
    }
    tok_pretokenize(c, step + 1,
                    (tok_text){ b->data, b->len, in.n_zero ? in.n_zero + s.len : 0 });
}

static void byte_map(tok_call *c, int step, tok_text in)
{
    mn_buffer *b = &c->pre[step];
    size_t n_zero = 0;
    mn_buffer_reset(b);
    for (size_t i = 0; i < in.len; i++) {
        mn_buffer_append_codepoint(b, tok_alphabet_of_byte((unsigned char)in.s[i]));
        if (i < in.n_zero) n_zero = b->len;
    }
    if (b->failed) c->failed = true;
    else tok_pretokenize(c, step + 1, (tok_text){ b->data, b->len, n_zero });
}

static void metaspace(tok_call *c, int step, const tok_pre *p, tok_text in)
{
    mn_buffer *b = &c->pre[step];
    size_t n_zero = in.n_zero;
    mn_buffer_reset(b);
    bool first_is_mark = starts_with(in, p->replacement) || in.s[0] == ' ';
    if (!first_is_mark && (p->prepend == TOK_PREPEND_ALWAYS
                           || (p->prepend == TOK_PREPEND_FIRST && in.n_zero))) {
        mn_buffer_append(b, p->replacement.data, p->replacement.len);
        if (n_zero) n_zero += p->replacement.len;
    }
    for (size_t i = 0; i < in.len;) {
        const char *space = memchr(in.s + i, ' ', in.len - i);
        size_t end = space ? (size_t)(space - in.s) : in.len;
        mn_buffer_append(b, in.s + i, end - i);
        if (space) mn_buffer_append(b, p->replacement.data, p->replacement.len);
        if (space && end < in.n_zero) n_zero += p->replacement.len - 1;
        i = end + (space != NULL);
    }
    if (b->failed) {
        c->failed = true;
        return;
    }
    tok_text out = { b->data, b->len, n_zero };
    tok_pattern mark = { .kind = TOK_PAT_LITERAL, .literal = p->replacement };
    if (p->split) split(c, step, out, &mark, TOK_MERGED_WITH_NEXT, false);
    else tok_pretokenize(c, step + 1, out);
}

/* ---- other steps -------------------------------------------------------------------------------- */

/* Runs of one script; spaces belong to any, kana and the prolonged sound mark to Han. */
static void split_scripts(tok_call *c, int step, tok_text in)
{
    enum { ANY = -1, NONE = -2 };
    int last = NONE;
    size_t start = SIZE_MAX;
    for (size_t i = 0; i < in.len;) {
        uint32_t cp;
        size_t k = (size_t)tok_decode(in.s + i, in.len - i, &cp);
        int script = cp == ' ' ? ANY : tok_script(cp);
        if (script != ANY && script != last && last != ANY) {
            if (start != SIZE_MAX) tok_pretokenize(c, step + 1, slice(in, start, i));
            start = i;
        }
        if (script != ANY) last = script;
        i += k;
    }
    /* Text before the first character of a script is lost, as in the reference. */
    if (start != SIZE_MAX) tok_pretokenize(c, step + 1, slice(in, start, in.len));
}

static void split_lengths(tok_call *c, int step, tok_text in, size_t length)
{
    size_t start = 0, n = 0;
    for (size_t i = 0; i < in.len;) {
        uint32_t cp;
        i += (size_t)tok_decode(in.s + i, in.len - i, &cp);
        if (++n < length && i < in.len) continue;
        tok_pretokenize(c, step + 1, slice(in, start, i));
        start = i;
        n = 0;
    }
}

void tok_pretokenize(tok_call *c, int step, tok_text in)
{
    if (!in.len || c->failed) return;
    if (step == c->t->n_pres) {
        tok_model_word(c, in.s, in.len);
        return;
    }
    const tok_pre *p = &c->t->pres[step];
    switch (p->kind) {
    case TOK_PRE_SPLIT: split(c, step, in, &p->pattern, p->behavior, p->invert); break;
    case TOK_PRE_PREFIX_SPACE:
        if (in.s[0] == ' ') tok_pretokenize(c, step + 1, in);
        else prepend(c, step, in, TOK_STR(" "));
        break;
    case TOK_PRE_BYTE_MAP: byte_map(c, step, in); break;
    case TOK_PRE_METASPACE: metaspace(c, step, p, in); break;
    case TOK_PRE_SCRIPTS: split_scripts(c, step, in); break;
    case TOK_PRE_FIXED_LENGTH: split_lengths(c, step, in, p->length); break;
    }
}
