/* Ids to text, all at once or one by one: the same machine either way.
 *
 * A decoder is a chain of stages; each receives pieces and hands pieces on, and what
 * leaves the last is text.  Some stages join all pieces into one (Fuse, ByteLevel); behind
 * them the one piece arrives in parts, and stages that must see a piece whole (regular
 * expressions, say) gather it until the end.
 *
 *   piece -> stage 0 -> stage 1 -> ... -> sink: whole characters only, broken ones U+FFFD
 *
 * (1) What feed() and finish() emit together is what decoding everything gives, because
 *     decoding everything is feed() and finish().
 * (2) A stage holds back only what later pieces can still change: a run of byte tokens
 *     (which is text only if all of it is), a possible start of a pattern, an unfinished
 *     character.
 * (3) Parts end at character borders, except those into the byte stages and the sink.
 */
#include "text/tok_internal.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    bool in_parts;              /* the input is one piece, in parts */
    bool gathers;               /* and this stage must see it whole */
    int64_t n_pieces;           /* received so far */
    mn_buffer held;
    bool has_held;              /* BPE, CTC: `held` is a piece (maybe empty) */
    size_t n_dropped, n_held;   /* strip */
    bool text_seen, mark_seen;  /* sentencepiece */
} stage;

struct mn_detokenizer {
    const mn_tokenizer *t;
    bool skip_special, failed;
    tok_call call;              /* for regular expressions */
    int32_t id;                 /* of the piece under way */
    mn_buffer *out;
    mn_buffer unfinished;       /* the sink's: a character without its end */
    stage stages[];
};

static void pass(mn_detokenizer *d, int k, const char *s, size_t len);

/* ---- bytes to characters ------------------------------------------------------------------------ */

/* Appends s to `pending` and hands on all characters that are complete; U+FFFD for each
 * maximal broken part. */
static void put_lossy(mn_buffer *pending, const char *s, size_t len, bool at_end, mn_buffer *out)
{
    mn_buffer_append(pending, s, len);
    size_t end = at_end ? pending->len
                        : mn_utf8_complete_prefix(pending->data ? pending->data : "", pending->len);
    for (size_t i = 0; i < end;) {
        uint32_t cp;
        int n = mn_utf8_decode_strict(pending->data + i, pending->len - i, &cp);
        if (n < 0) mn_buffer_append(out, "\xef\xbf\xbd", 3);
        else mn_buffer_append(out, pending->data + i, (size_t)n);
        i += (size_t)(n < 0 ? -n : n);
    }
    if (end) memmove(pending->data, pending->data + end, pending->len - end);
    pending->len -= end;
}

static void sink(mn_detokenizer *d, const char *s, size_t len, bool at_end)
{
    if (!d->unfinished.len && !at_end && mn_utf8_valid(s, len)) mn_buffer_append(d->out, s, len);
    else put_lossy(&d->unfinished, s, len, at_end, d->out);
}

/* A stage's byte stream: complete characters go on as a part. */
static void pass_lossy(mn_detokenizer *d, int k, const char *s, size_t len, bool at_end)
{
    if (!d->stages[k].held.len && mn_utf8_valid(s, len)) {
        if (len) pass(d, k + 1, s, len);
        return;
    }
    mn_buffer text = { 0 };
    put_lossy(&d->stages[k].held, s, len, at_end, &text);
    if (text.failed) d->failed = true;
    else if (text.len) pass(d, k + 1, text.data, text.len);
    mn_buffer_clear(&text);
}

static void byte_level(mn_detokenizer *d, int k, const char *s, size_t len)
{
    char few[128], *raw = len <= sizeof few ? few : malloc(len);
    if (!raw) {
        d->failed = true;
        return;
    }
    long n = tok_alphabet_decode(s, len, raw);
    if (n < 0) pass_lossy(d, k, s, len, false);
    else pass_lossy(d, k, raw, (size_t)n, false);
    if (raw != few) free(raw);
}

static void bytes(mn_detokenizer *d, int k, const char *s, size_t len)
{
    stage *st = &d->stages[k];
    size_t drop = st->n_pieces == 1 ? d->t->decs[k].start : 0;
    while (drop-- && len && *s == ' ') s++, len--;
    pass_lossy(d, k, s, len, false);
}

/* A run of byte tokens is text if all of it is UTF-8, else one U+FFFD per byte. */
static void end_byte_run(mn_detokenizer *d, int k)
{
    mn_buffer run = d->stages[k].held;
    if (!run.len) return;
    d->stages[k].held = (mn_buffer){ 0 };
    if (mn_utf8_valid(run.data, run.len)) pass(d, k + 1, run.data, run.len);
    else for (size_t i = 0; i < run.len; i++) pass(d, k + 1, "\xef\xbf\xbd", 3);
    mn_buffer_clear(&run);
}

static void byte_fallback(mn_detokenizer *d, int k, const char *s, size_t len)
{
    unsigned char byte;
    if (tok_byte_token((mn_str){ s, len }, &byte)) {
        mn_buffer_append_byte(&d->stages[k].held, (char)byte);
        if (d->stages[k].held.failed) d->failed = true;
        return;
    }
    end_byte_run(d, k);
    pass(d, k + 1, s, len);
}

/* ---- replacing ------------------------------------------------------------------------------------ */

static void replace_all(mn_buffer *out, const char *s, size_t len, mn_str old, mn_str new)
{
    while (old.len) {
        const char *found = memmem(s, len, old.data, old.len);
        if (!found) break;
        mn_buffer_append(out, s, (size_t)(found - s));
        mn_buffer_append(out, new.data, new.len);
        len -= (size_t)(found - s) + old.len;
        s = found + old.len;
    }
    mn_buffer_append(out, s, len);
}

static void pass_buffer(mn_detokenizer *d, int k, mn_buffer *b)
{
    if (b->failed) d->failed = true;
    else pass(d, k, b->data ? b->data : "", b->len);
    mn_buffer_clear(b);
}

/* The longest end of s that a following part could complete to `old`. */
static size_t open_end(const char *s, size_t len, mn_str old)
{
    size_t n = old.len ? old.len - 1 : 0;
    if (n > len) n = len;
    while (n && memcmp(s + len - n, old.data, n)) n--;
    return n;
}

static void replace_in_parts(mn_detokenizer *d, int k, const char *s, size_t len, bool at_end)
{
    const tok_dec *dec = &d->t->decs[k];
    mn_buffer *held = &d->stages[k].held, out = { 0 };
    mn_buffer_append(held, s, len);
    size_t i = 0;
    while (dec->a.len && i < held->len) {
        const char *found = memmem(held->data + i, held->len - i, dec->a.data, dec->a.len);
        if (!found) break;
        size_t at = (size_t)(found - held->data);
        mn_buffer_append(&out, held->data + i, at - i);
        mn_buffer_append(&out, dec->b.data, dec->b.len);
        i = at + dec->a.len;
    }
    size_t keep = at_end || !held->len ? 0 : open_end(held->data + i, held->len - i, dec->a);
    if (held->len) {
        mn_buffer_append(&out, held->data + i, held->len - i - keep);
        memmove(held->data, held->data + held->len - keep, keep);
        held->len = keep;
    }
    if (held->failed) d->failed = true;
    if (out.len) pass_buffer(d, k + 1, &out);
    mn_buffer_clear(&out);
}

static void replace(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    if (d->stages[k].in_parts) {
        replace_in_parts(d, k, s, len, false);
        return;
    }
    if (!dec->a.len || !memmem(s, len, dec->a.data, dec->a.len)) {
        pass(d, k + 1, s, len);
        return;
    }
    mn_buffer out = { 0 };
    replace_all(&out, s, len, dec->a, dec->b);
    pass_buffer(d, k + 1, &out);
}

static void replace_regex(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    mn_buffer out = { 0 };
    tok_scan scan = { 0 };
    size_t done = 0, start, end;
    while (len && tok_regex_find(dec->regex, &d->call, s, len, &scan, &start, &end)) {
        mn_buffer_append(&out, s + done, start - done);
        mn_buffer_append(&out, dec->b.data, dec->b.len);
        done = end;
    }
    mn_buffer_append(&out, s + done, len - done);
    pass_buffer(d, k + 1, &out);
}

static void metaspace(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    bool first = d->stages[k].n_pieces == 1 && dec->drop_first;
    mn_buffer out = { 0 };
    replace_all(&out, s, len, dec->a, first ? (mn_str){ "", 0 } : (mn_str){ " ", 1 });
    pass_buffer(d, k + 1, &out);
}

/* ---- words ------------------------------------------------------------------------------------------- */

/* English spacing as BERT's tokenisers clean it up, replacement by replacement. */
static void clean_up(mn_buffer *text)
{
    static const char *const rules[][2] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" },
        { " n't", "n't" }, { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" },
        { " 've", "'ve" }, { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules && text->len; i++) {
        mn_str old = { rules[i][0], strlen(rules[i][0]) }, new = { rules[i][1], strlen(rules[i][1]) };
        if (!memmem(text->data, text->len, old.data, old.len)) continue;
        mn_buffer cleaned = { 0 };
        replace_all(&cleaned, text->data, text->len, old, new);
        if (cleaned.failed) text->failed = true;
        mn_buffer_reset(text);
        mn_buffer_append(text, cleaned.data, cleaned.len);
        mn_buffer_clear(&cleaned);
    }
}

static void wordpiece(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    mn_buffer out = { 0 };
    if (d->stages[k].n_pieces > 1) {
        if (len >= dec->a.len && !memcmp(s, dec->a.data, dec->a.len)) s += dec->a.len, len -= dec->a.len;
        else mn_buffer_append_byte(&out, ' ');
    }
    mn_buffer_append(&out, s, len);
    if (dec->cleanup) clean_up(&out);
    pass_buffer(d, k + 1, &out);
}

static void ctc(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    stage *st = &d->stages[k];
    if (st->has_held && st->held.len == len && !(len && memcmp(st->held.data, s, len))) return;
    mn_buffer_reset(&st->held);
    mn_buffer_append(&st->held, s, len);
    st->has_held = true;
    mn_buffer out = { 0 };
    replace_all(&out, s, len, dec->a, (mn_str){ "", 0 });
    if (dec->cleanup) {
        mn_buffer spaced = { 0 };
        clean_up(&out);
        replace_all(&spaced, out.data ? out.data : "", out.len, dec->b, (mn_str){ " ", 1 });
        mn_buffer_clear(&out);
        out = spaced;
    }
    if (out.len || out.failed) pass_buffer(d, k + 1, &out);
    mn_buffer_clear(&out);
}

/* The suffix of a word's last piece is a space, but none behind the last word. */
static void pass_held_word(mn_detokenizer *d, int k, bool last)
{
    stage *st = &d->stages[k];
    if (!st->has_held) return;
    mn_buffer out = { 0 };
    replace_all(&out, st->held.data ? st->held.data : "", st->held.len, d->t->decs[k].a,
                last ? (mn_str){ "", 0 } : (mn_str){ " ", 1 });
    st->has_held = false;
    pass_buffer(d, k + 1, &out);
}

static void bpe_suffix(mn_detokenizer *d, int k, const char *s, size_t len)
{
    stage *st = &d->stages[k];
    pass_held_word(d, k, false);
    mn_buffer_reset(&st->held);
    mn_buffer_append(&st->held, s, len);
    if (st->held.failed) d->failed = true;
    st->has_held = true;
}

static void join_spaces(mn_detokenizer *d, int k, const char *s, size_t len)
{
    if (d->stages[k].n_pieces > 1) pass(d, k + 1, " ", 1);
    pass(d, k + 1, s, len);
}

/* ---- strip --------------------------------------------------------------------------------------------- */

static size_t count_prefix(const char *s, size_t len, mn_str c, size_t most)
{
    size_t n = 0;
    while (n < most && len >= c.len && !memcmp(s, c.data, c.len)) n++, s += c.len, len -= c.len;
    return n;
}

static size_t count_suffix(const char *s, size_t len, mn_str c, size_t most)
{
    size_t n = 0;
    while (n < most && len >= c.len && !memcmp(s + len - c.len, c.data, c.len)) n++, len -= c.len;
    return n;
}

/* In parts, the characters at the end that may have to go are only counted. */
static void strip(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    stage *st = &d->stages[k];
    if (!dec->a.len) {
        pass(d, k + 1, s, len);
        return;
    }
    if (!st->in_parts) {
        size_t n = count_prefix(s, len, dec->a, dec->start) * dec->a.len;
        s += n;
        len -= n;
        len -= count_suffix(s, len, dec->a, dec->stop) * dec->a.len;
        pass(d, k + 1, s, len);
        return;
    }
    if (!st->text_seen) {
        size_t n = count_prefix(s, len, dec->a, dec->start - st->n_dropped);
        st->n_dropped += n;
        s += n * dec->a.len;
        len -= n * dec->a.len;
        if (!len) return;
        st->text_seen = true;
    }
    size_t n = count_suffix(s, len, dec->a, SIZE_MAX), all = st->n_held + n;
    bool whole = n * dec->a.len == len;
    size_t hold = whole ? all : n;
    if (hold > dec->stop) hold = dec->stop;
    size_t before = whole ? all - hold : st->n_held;
    while (before--) pass(d, k + 1, dec->a.data, dec->a.len);
    if (!whole) pass(d, k + 1, s, len - hold * dec->a.len);
    st->n_held = hold;
}

/* ---- SentencePiece ---------------------------------------------------------------------------------------- */

/* Byte tokens: characters as they complete, else one U+FFFD per byte. */
static void sentencepiece_bytes(mn_detokenizer *d, int k, bool at_end)
{
    mn_buffer *held = &d->stages[k].held;
    size_t end = at_end ? held->len : mn_utf8_complete_prefix(held->data ? held->data : "", held->len);
    for (size_t i = 0; i < end;) {
        uint32_t cp;
        int n = mn_utf8_decode_strict(held->data + i, held->len - i, &cp);
        if (n < 0) pass(d, k + 1, "\xef\xbf\xbd", 3);
        else pass(d, k + 1, held->data + i, (size_t)n);
        i += n < 0 ? 1 : (size_t)n;
        d->stages[k].text_seen = true;
    }
    if (end > held->len) end = held->len;
    if (end) memmove(held->data, held->data + end, held->len - end);
    held->len -= end;
}

static void sentencepiece(mn_detokenizer *d, int k, const char *s, size_t len)
{
    const tok_dec *dec = &d->t->decs[k];
    stage *st = &d->stages[k];
    uint16_t flags = d->t->flags[d->id];
    unsigned char byte;
    if ((flags & TOK_BYTE) && tok_byte_token((mn_str){ s, len }, &byte)) {
        mn_buffer_append_byte(&st->held, (char)byte);
        if (st->held.failed) d->failed = true;
        sentencepiece_bytes(d, k, false);
        return;
    }
    sentencepiece_bytes(d, k, true);
    if (st->mark_seen) st->text_seen = true;
    bool at_start = !st->text_seen;
    st->mark_seen = false;
    if (flags & TOK_CONTROL) return;
    if (flags & TOK_UNKNOWN) {
        s = dec->b.data;
        len = dec->b.len;
    } else if (at_start && dec->drop_first && len >= 3 && !memcmp(s, "\xe2\x96\x81", 3)) {
        s += 3;
        len -= 3;
        st->mark_seen = !dec->drop_all;
    }
    if (!len) return;
    mn_buffer out = { 0 };
    replace_all(&out, s, len, (mn_str){ "\xe2\x96\x81", 3 }, (mn_str){ " ", 1 });
    st->text_seen = true;
    pass_buffer(d, k + 1, &out);
}

/* ---- the chain ----------------------------------------------------------------------------------------------- */

static void run_stage(mn_detokenizer *d, int k, const char *s, size_t len)
{
    switch (d->t->decs[k].kind) {
    case TOK_DEC_BYTE_LEVEL: byte_level(d, k, s, len); break;
    case TOK_DEC_BYTES: bytes(d, k, s, len); break;
    case TOK_DEC_BYTE_FALLBACK: byte_fallback(d, k, s, len); break;
    case TOK_DEC_METASPACE: metaspace(d, k, s, len); break;
    case TOK_DEC_WORDPIECE: wordpiece(d, k, s, len); break;
    case TOK_DEC_REPLACE: replace(d, k, s, len); break;
    case TOK_DEC_REPLACE_REGEX: replace_regex(d, k, s, len); break;
    case TOK_DEC_FUSE: pass(d, k + 1, s, len); break;
    case TOK_DEC_STRIP: strip(d, k, s, len); break;
    case TOK_DEC_CTC: ctc(d, k, s, len); break;
    case TOK_DEC_BPE: bpe_suffix(d, k, s, len); break;
    case TOK_DEC_JOIN_SPACES: join_spaces(d, k, s, len); break;
    case TOK_DEC_SENTENCEPIECE: sentencepiece(d, k, s, len); break;
    }
}

/* A piece (or a part) into stage k. */
static void pass(mn_detokenizer *d, int k, const char *s, size_t len)
{
    if (d->failed) return;
    if (k == d->t->n_decs) {
        sink(d, s, len, false);
        return;
    }
    stage *st = &d->stages[k];
    if (st->gathers) {
        mn_buffer_append(&st->held, s, len);
        if (st->held.failed) d->failed = true;
        return;
    }
    if (!st->in_parts || !st->n_pieces) st->n_pieces++;
    run_stage(d, k, s, len);
}

/* The end of the text for stage k: whatever it held goes on. */
static void end_stage(mn_detokenizer *d, int k)
{
    stage *st = &d->stages[k];
    if (st->gathers) {
        mn_buffer whole = st->held;
        st->held = (mn_buffer){ 0 };
        st->gathers = st->in_parts = false;
        pass(d, k, whole.data ? whole.data : "", whole.len);
        mn_buffer_clear(&whole);
    }
    switch (d->t->decs[k].kind) {
    case TOK_DEC_BYTE_LEVEL:
    case TOK_DEC_BYTES: pass_lossy(d, k, "", 0, true); break;
    case TOK_DEC_BYTE_FALLBACK: end_byte_run(d, k); break;
    case TOK_DEC_BPE: pass_held_word(d, k, true); break;
    case TOK_DEC_REPLACE: if (st->in_parts) replace_in_parts(d, k, "", 0, true); break;
    case TOK_DEC_SENTENCEPIECE: sentencepiece_bytes(d, k, true); break;
    default: break;
    }
}

static bool joins(tok_dec_kind kind)
{
    return kind == TOK_DEC_FUSE || kind == TOK_DEC_BYTE_LEVEL || kind == TOK_DEC_BYTES;
}

static bool works_in_parts(tok_dec_kind kind)
{
    return kind == TOK_DEC_FUSE || kind == TOK_DEC_METASPACE || kind == TOK_DEC_REPLACE
           || kind == TOK_DEC_STRIP || kind == TOK_DEC_JOIN_SPACES;
}

void mn_detokenizer_reset(mn_detokenizer *d)
{
    bool in_parts = false;
    for (int k = 0; k < d->t->n_decs; k++) {
        tok_dec_kind kind = d->t->decs[k].kind;
        stage *st = &d->stages[k];
        mn_buffer_clear(&st->held);
        *st = (stage){ .in_parts = in_parts, .gathers = in_parts && !works_in_parts(kind) };
        if (joins(kind)) in_parts = true;
    }
    mn_buffer_reset(&d->unfinished);
    d->failed = false;
}

minerva_status mn_detokenizer_create(mn_detokenizer **out, const mn_tokenizer *t,
                                     bool skip_special, minerva_error *err)
{
    size_t size = sizeof(mn_detokenizer) + (size_t)t->n_decs * sizeof(stage);
    mn_detokenizer *d = calloc(1, size);
    if (!d) return mn_fail_memory(err, size);
    d->t = t;
    d->skip_special = skip_special;
    d->call.t = t;
    mn_detokenizer_reset(d);
    *out = d;
    return MINERVA_OK;
}

void mn_detokenizer_free(mn_detokenizer *d)
{
    if (!d) return;
    for (int k = 0; k < d->t->n_decs; k++) mn_buffer_clear(&d->stages[k].held);
    mn_buffer_clear(&d->unfinished);
    tok_regex_call_end(&d->call);
    free(d);
}

static minerva_status outcome(const mn_detokenizer *d, const mn_buffer *out, minerva_error *err)
{
    if (d->failed || d->call.failed || out->failed || d->unfinished.failed)
        return mn_fail_memory(err, out->len);
    return MINERVA_OK;
}

minerva_status mn_detokenizer_feed(mn_detokenizer *d, int32_t id, mn_buffer *out,
                                   minerva_error *err)
{
    const mn_tokenizer *t = d->t;
    if (id < 0 || id >= t->n_tokens || !t->text[id].data) return MINERVA_OK;
    bool skipped = (t->flags[id] & TOK_SPECIAL) && !(t->flags[id] & TOK_KEPT);
    if (d->skip_special && skipped) return MINERVA_OK;
    d->out = out;
    d->id = id;
    pass(d, 0, t->pieces[id].data, t->pieces[id].len);
    return outcome(d, out, err);
}

minerva_status mn_detokenizer_finish(mn_detokenizer *d, mn_buffer *out, minerva_error *err)
{
    d->out = out;
    for (int k = 0; k < d->t->n_decs; k++) end_stage(d, k);
    sink(d, "", 0, true);
    minerva_status st = outcome(d, out, err);
    mn_detokenizer_reset(d);
    return st;
}

minerva_status mn_tokenizer_decode(const mn_tokenizer *t, const int32_t *ids, size_t n,
                                   bool skip_special, mn_buffer *out, minerva_error *err)
{
    mn_detokenizer *d = NULL;
    minerva_status st = mn_detokenizer_create(&d, t, skip_special, err);
    if (st) return st;
    for (size_t i = 0; i < n && !st; i++) st = mn_detokenizer_feed(d, ids[i], out, err);
    if (!st) st = mn_detokenizer_finish(d, out, err);
    mn_detokenizer_free(d);
    return st;
}
