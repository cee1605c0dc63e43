/* Normalising text before it is split.
 *
 * Each normaliser reads one text and writes another; two buffers of the call take turns.
 * (1) Linear in the text, whatever it holds: canonical ordering sorts long runs of
 *     combining marks by counting, where utf8proc's own would take quadratic time.
 * (2) Bytes that are no UTF-8 (they reach here only for byte-level models) are copied.
 * (3) n_zero is carried along as HuggingFace's alignments have it: a character keeps the
 *     origin of what it replaces, an inserted one has that of the character before it.
 *
 * Left to others: the table that SentencePiece models bring (tok_charsmap.c), regular
 * expressions (tok_regex.c).
 */
#include "text/tok_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing with origins ---------------------------------------------------------------------- */

typedef struct {
    mn_buffer *out;
    tok_text in;
    size_t at;                  /* in `in`: what the next character replaces */
    size_t n_zero;
    bool tracing;               /* all output so far stems from offset 0 */
} writer;

static void put_traced(writer *w, const char *s, size_t len, bool zero)
{
    if (w->tracing && !zero) w->tracing = false;
    if (w->tracing) w->n_zero += len;
    mn_buffer_append(w->out, s, len);
}

static void skip_chars(writer *w, int n)
{
    uint32_t cp;
    while (n-- > 0 && w->at < w->in.len)
        w->at += (size_t)tok_decode(w->in.s + w->at, w->in.len - w->at, &cp);
}

/* The change as HuggingFace counts it: 0 replaces the next character, 1 is new, -n
 * replaces the next one and removes n after it. */
static void put(writer *w, const char *s, size_t len, int change)
{
    if (!w->tracing) {
        mn_buffer_append(w->out, s, len);
        return;
    }
    size_t origin = change <= 0 ? w->at : w->at ? w->at - 1 : 0;
    put_traced(w, s, len, origin < w->in.n_zero);
    if (change <= 0 && w->tracing) skip_chars(w, 1 - change);
}

static void put_cp(writer *w, uint32_t cp, int change)
{
    char utf8[4];
    put(w, utf8, (size_t)mn_utf8_encode(cp, utf8), change);
}

/* Bytes [start, end) of the input as they are. */
static void copy(writer *w, size_t start, size_t end)
{
    if (w->tracing && start < w->in.n_zero) {
        size_t zero = end < w->in.n_zero ? end : w->in.n_zero;
        w->n_zero += zero - start;
        if (zero < end) w->tracing = false;
    } else if (end > start) {
        w->tracing = false;
    }
    mn_buffer_append(w->out, w->in.s + start, end - start);
    w->at = end;
}

/* One character of the input at i; `broken`: bytes that are none. */
static size_t next_cp(tok_text in, size_t i, uint32_t *cp, bool *broken)
{
    int n = mn_utf8_decode_strict(in.s + i, in.len - i, cp);
    *broken = n < 0;
    return (size_t)(n < 0 ? -n : n);
}

/* ---- Unicode normalisation forms ------------------------------------------------------------------ */

typedef struct {
    int32_t *cps;
    size_t n, capacity;
} code_points;

static bool add_decomposed(code_points *l, uint32_t cp, int options)
{
    if (l->capacity - l->n < 32) {
        size_t capacity = l->capacity * 2 + 64;
        int32_t *cps = realloc(l->cps, capacity * sizeof *cps);
        if (!cps) return false;
        l->cps = cps;
        l->capacity = capacity;
    }
    int last_class = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, l->cps + l->n, 32,
                                                 (utf8proc_option_t)options, &last_class);
    if (n < 1 || n > 32) {
        l->cps[l->n] = (int32_t)cp;
        n = 1;
    }
    l->n += (size_t)n;
    return true;
}

static unsigned combining_class(int32_t cp)
{
    return (unsigned)utf8proc_get_property(cp)->combining_class;
}

/* Stable sort of a run of marks by combining class. */
static bool sort_run(int32_t *cps, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            int32_t cp = cps[i];
            unsigned class = combining_class(cp);
            size_t k = i;
            for (; k > 0 && combining_class(cps[k - 1]) > class; k--) cps[k] = cps[k - 1];
            cps[k] = cp;
        }
        return true;
    }
    size_t starts[257] = { 0 };
    int32_t *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return false;
    for (size_t i = 0; i < n; i++) starts[combining_class(cps[i]) + 1]++;
    for (int i = 0; i < 256; i++) starts[i + 1] += starts[i];
    for (size_t i = 0; i < n; i++) sorted[starts[combining_class(cps[i])]++] = cps[i];
    memcpy(cps, sorted, n * sizeof *sorted);
    free(sorted);
    return true;
}

static bool canonical_order(code_points *l)
{
    for (size_t i = 0; i < l->n;) {
        if (!combining_class(l->cps[i])) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < l->n && combining_class(l->cps[end])) end++;
        if (!sort_run(l->cps + i, end - i)) return false;
        i = end;
    }
    return true;
}

/* Young characters are just themselves to the reference. */
static bool is_young(uint32_t cp)
{
    return tok_in_ranges(tok_young_marks, tok_n_young_marks, cp)
           || tok_in_ranges(tok_young_decompositions, tok_n_young_decompositions, cp);
}

/* True if decomposing and composing the character gives it back. */
static bool recomposes(uint32_t cp, int options)
{
    int32_t parts[64];
    int last_class = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, parts, 32,
                                                 (utf8proc_option_t)options, &last_class);
    if (n < 1 || n > 32) return true;
    n = utf8proc_normalize_utf32(parts, n, (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    return n == 1 && parts[0] == (int32_t)cp;
}

/* True if the character stays itself in the form wherever it stands, unless one follows
 * for which this is false. */
static bool is_inert(uint32_t cp, bool compat, bool compose)
{
    if (cp < 0x80 || (compose && !compat && cp < 0x300)) return true;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    bool mark = p->category == UTF8PROC_CATEGORY_MN || p->category == UTF8PROC_CATEGORY_MC;
    bool jamo = (cp >= 0x1161 && cp <= 0x1175) || (cp >= 0x11A8 && cp <= 0x11C2);
    bool decomposes = p->decomp_seqindex != UINT16_MAX && (!p->decomp_type || compat);
    if (!compose && cp >= 0xAC00 && cp <= 0xD7A3) return false;
    if (!p->combining_class && !decomposes && !(compose && (mark || jamo))) return true;
    if (is_young(cp)) return true;
    if (p->combining_class || !compose || mark || jamo) return false;
    return recomposes(cp, UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0));
}

/* Normalises in[start, end), a run of characters that are not inert (and, for composition,
 * the one before them). */
static bool normalize_run(writer *w, size_t start, size_t end, int options, code_points *l)
{
    bool compose = options & UTF8PROC_COMPOSE, broken;
    size_t n_first = 0;
    l->n = 0;
    for (size_t i = start; i < end;) {
        uint32_t cp;
        i += next_cp(w->in, i, &cp, &broken);
        if (!add_decomposed(l, cp, (options & ~UTF8PROC_COMPOSE) | UTF8PROC_DECOMPOSE)) return false;
        if (!n_first) n_first = l->n;
    }
    if (!canonical_order(l)) return false;
    size_t n = l->n;
    if (compose) {
        utf8proc_ssize_t composed =
            utf8proc_normalize_utf32(l->cps, (utf8proc_ssize_t)n,
                                     (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
        if (composed >= 0) n = (size_t)composed;
        n_first = 1;
    }
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        int k = mn_utf8_encode((uint32_t)l->cps[i], utf8);
        put_traced(w, utf8, (size_t)k, i < n_first && start < w->in.n_zero);
    }
    w->at = end;
    return true;
}

static bool normalize_form(writer *w, bool compat, bool compose)
{
    int options = (compat ? UTF8PROC_COMPAT : 0) | (compose ? UTF8PROC_COMPOSE : 0);
    code_points l = { 0 };
    bool ok = true, broken;
    size_t done = 0, previous = 0;      /* `previous`: where the last character starts */
    for (size_t i = 0; i < w->in.len && ok;) {
        if ((unsigned char)w->in.s[i] < 0x80) {
            previous = i++;
            continue;
        }
        uint32_t cp;
        size_t k = next_cp(w->in, i, &cp, &broken);
        if (broken || is_inert(cp, compat, compose)) {
            previous = broken ? i + k : i;
            i += k;
            continue;
        }
        size_t start = compose && previous >= done && previous < i ? previous : i;
        copy(w, done, start);
        while (i < w->in.len) {
            k = next_cp(w->in, i, &cp, &broken);
            if (broken || is_inert(cp, compat, compose)) break;
            i += k;
        }
        ok = normalize_run(w, start, i, options, &l);
        done = previous = i;
    }
    if (ok) copy(w, done, w->in.len);
    free(l.cps);
    return ok;
}

/* ---- character by character --------------------------------------------------------------------------- */

static void put_lower(writer *w, uint32_t cp)
{
    if (cp == 0x130) {                          /* the only one that becomes two */
        put_cp(w, 'i', 0);
        put_cp(w, 0x307, 1);
        return;
    }
    put_cp(w, tok_lower(cp), 0);
}

/* Length of the run of ASCII at i that may be copied byte by byte: none while origins are
 * traced. */
static size_t ascii_run(const writer *w, size_t i)
{
    size_t end = i;
    if (w->tracing) return 0;
    while (end < w->in.len && (unsigned char)w->in.s[end] < 0x80) end++;
    return end - i;
}

/* Room for n bytes at the end of the output, which the caller writes; NULL: no memory. */
static char *room(writer *w, size_t n)
{
    return mn_buffer_reserve(w->out, n) ? w->out->data + w->out->len : NULL;
}

static void lowercase(writer *w)
{
    bool broken;
    for (size_t i = 0; i < w->in.len;) {
        size_t n = ascii_run(w, i);
        char *out = n ? room(w, n) : NULL;
        for (size_t k = 0; out && k < n; k++) {
            char c = w->in.s[i + k];
            out[k] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
        if (out) w->out->len += n;
        if (n) {
            i += n;
            continue;
        }
        uint32_t cp;
        size_t k = next_cp(w->in, i, &cp, &broken);
        if (broken) put(w, w->in.s + i, k, 0);
        else put_lower(w, cp);
        i += k;
    }
}

/* Keeps what `keep` says and maps it; removed characters do not move origins. */
static void filter(writer *w, bool (*keep)(uint32_t), uint32_t (*map)(uint32_t))
{
    bool broken;
    int8_t ascii[128];          /* what ASCII characters become; -1: nothing */
    for (uint32_t c = 0; c < 128 && w->in.len > 64; c++)
        ascii[c] = (int8_t)(!keep(c) ? -1 : map ? (int)map(c) : (int)c);
    for (size_t i = 0; i < w->in.len;) {
        size_t n = w->in.len > 64 ? ascii_run(w, i) : 0;
        char *out = n ? room(w, n) : NULL;
        for (size_t k = 0; out && k < n; k++) {
            int8_t c = ascii[(unsigned char)w->in.s[i + k]];
            if (c >= 0) w->out->data[w->out->len++] = (char)c;
        }
        if (n) {
            i += n;
            continue;
        }
        uint32_t cp;
        size_t k = next_cp(w->in, i, &cp, &broken);
        w->at = i;
        if (broken) put(w, w->in.s + i, k, 0);
        else if (keep(cp)) put_cp(w, map ? map(cp) : cp, 0);
        i += k;
    }
}

/* Marks as the reference's tables have them. */
static bool no_mark(uint32_t cp)
{
    if (cp < 0x300) return true;
    if (cp == 0x1CF2 || cp == 0x1CF3) return false;
    return !(tok_bits(cp) & TOK_M) || tok_in_ranges(tok_young_marks, tok_n_young_marks, cp);
}

static bool no_nonspacing_mark(uint32_t cp)
{
    if (cp < 0x300) return true;
    if (cp == 0x1734 || cp == 0x1171E) return false;
    return !(tok_bits(cp) & TOK_CAT(MN))
           || tok_in_ranges(tok_young_bert_marks, tok_n_young_bert_marks, cp);
}

static bool nmt_keeps(uint32_t cp)
{
    return !((cp >= 1 && cp <= 8) || cp == 0x0B || (cp >= 0x0E && cp <= 0x1F) || cp == 0x7F
             || cp == 0x8F || cp == 0x9F);
}

static uint32_t nmt_map(uint32_t cp)
{
    bool space = cp == 9 || cp == 0x0A || cp == 0x0C || cp == 0x0D || cp == 0x1680
                 || (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029
                 || cp == 0x2581 || cp == 0xFEFF || cp == 0xFFFD;
    return space ? ' ' : cp;
}

/* Control, format (but for those younger than the reference's table) and private use. */
static bool bert_keeps(uint32_t cp)
{
    static const tok_range young[] = { { 0x890, 0x891 }, { 0x8E2, 0x8E2 }, { 0x110CD, 0x110CD },
                                       { 0x13430, 0x1343F } };
    if (cp == 0 || cp == 0xFFFD) return false;
    if (cp == '\t' || cp == '\n' || cp == '\r') return true;
    return !(tok_bits(cp) & (TOK_CAT(CC) | TOK_CAT(CF) | TOK_CAT(CO)))
           || (cp >= 0x80 && tok_in_ranges(young, 4, cp));
}

static uint32_t bert_map(uint32_t cp) { return tok_is_space(cp) ? ' ' : cp; }

/* llama.cpp's: spaces stay as they are. */
static bool llama_bert_keeps(uint32_t cp)
{
    if (cp == 0 || cp == 0xFFFD) return false;
    uint32_t control = TOK_CAT(CC) | TOK_CAT(CF) | TOK_CAT(CO) | TOK_CAT(CS);
    return tok_is_space(cp) || !(tok_bits(cp) & control);
}

/* The first character of the canonical decomposition stands for all of it. */
static uint32_t first_of_nfd(uint32_t cp)
{
    int32_t parts[32];
    int last_class = 0;
    if (cp < 0xC0) return cp;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, parts, 32,
                                                 UTF8PROC_DECOMPOSE, &last_class);
    return n > 0 ? (uint32_t)parts[0] : cp;
}

static bool llama_no_mark(uint32_t cp) { return !(tok_bits(cp) & TOK_M); }
static bool all(uint32_t cp) { return true; }

static bool is_chinese(uint32_t cp)
{
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF)
           || (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2B73F)
           || (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF)
           || (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

static void space_out_chinese(writer *w)
{
    bool broken;
    for (size_t i = 0; i < w->in.len;) {
        size_t n = ascii_run(w, i);
        if (n) {
            copy(w, i, i + n);
            i += n;
            continue;
        }
        uint32_t cp;
        size_t k = next_cp(w->in, i, &cp, &broken);
        if (!broken && is_chinese(cp)) {
            put_cp(w, ' ', 0);
            put(w, w->in.s + i, k, 1);
            put_cp(w, ' ', 1);
        } else {
            put(w, w->in.s + i, k, 0);
        }
        i += k;
    }
}

static void byte_level(writer *w)
{
    for (size_t i = 0; i < w->in.len;) {
        uint32_t cp;
        size_t k = (size_t)tok_decode(w->in.s + i, w->in.len - i, &cp);
        for (size_t b = 0; b < k; b++)
            put_cp(w, tok_alphabet_of_byte((unsigned char)w->in.s[i + b]), b > 0);
        i += k;
    }
}

/* ---- strings ---------------------------------------------------------------------------------------------- */

static void strip(writer *w, bool left, bool right)
{
    size_t start = 0, end = w->in.len;
    uint32_t cp;
    while (left && start < end) {
        size_t k = (size_t)tok_decode(w->in.s + start, end - start, &cp);
        if (!tok_is_space(cp)) break;
        start += k;
    }
    while (right && end > start) {
        size_t k = tok_back(w->in.s, end);
        tok_decode(w->in.s + k, end - k, &cp);
        if (!tok_is_space(cp)) break;
        end = k;
    }
    copy(w, start, end);
}

/* Like a match's replacement: it has the origin of the last byte that it replaces. */
static void put_replacement(writer *w, mn_str content, size_t match_end)
{
    put_traced(w, content.data, content.len,
               match_end ? match_end - 1 < w->in.n_zero : w->in.n_zero > 0);
    w->at = match_end;
}

static void replace(writer *w, mn_str pattern, mn_str content)
{
    size_t i = 0;
    while (pattern.len) {
        const char *found = pattern.len == 1
            ? memchr(w->in.s + i, pattern.data[0], w->in.len - i)
            : memmem(w->in.s + i, w->in.len - i, pattern.data, pattern.len);
        if (!found) break;
        size_t start = (size_t)(found - w->in.s);
        copy(w, i, start);
        i = start + pattern.len;
        put_replacement(w, content, i);
    }
    copy(w, i, w->in.len);
}

static void replace_regex(tok_call *c, writer *w, const tok_regex *regex, mn_str content)
{
    tok_scan scan = { 0 };
    size_t done = 0, start, end;
    while (!c->failed && tok_regex_find(regex, c, w->in.s, w->in.len, &scan, &start, &end)) {
        copy(w, done, start);
        put_replacement(w, content, end);
        done = end;
    }
    copy(w, done, w->in.len);
}

static void prepend(writer *w, mn_str content)
{
    if (!w->in.len) return;
    put_traced(w, content.data, content.len, w->in.n_zero > 0);
    copy(w, 0, w->in.len);
}

static void append(writer *w, mn_str content)
{
    copy(w, 0, w->in.len);
    put(w, content.data, content.len, 1);
}

/* ---- the charsmap as HuggingFace applies it ------------------------------------------------------------------ */

static size_t count_chars(const char *s, size_t len) { return mn_utf8_count(s, len); }

/* `new` for in[at, at + len): the first characters replace, further ones are new, and
 * missing ones are removed with the last. */
static void put_mapped(writer *w, size_t len, size_t start, mn_str new)
{
    int n_old = (int)count_chars(w->in.s + start, len), i = 0;
    int n_new = (int)count_chars(new.data, new.len);
    for (size_t k = 0; k < new.len; i++) {
        uint32_t cp;
        size_t bytes = (size_t)tok_decode(new.data + k, new.len - k, &cp);
        int change = i >= n_old ? 1 : i == n_new - 1 && n_new < n_old ? n_new - n_old : 0;
        put(w, new.data + k, bytes, change);
        k += bytes;
    }
}

static void map_char(writer *w, const tok_charsmap *m, size_t i, size_t k)
{
    mn_str new;
    if (tok_charsmap_match(m, w->in.s + i, k, true, &new)) put_mapped(w, k, i, new);
    else put(w, w->in.s + i, k, 0);
}

/* ASCII at i that the map leaves alone and no mark follows; CR may be half of a cluster. */
static size_t plain_run(const writer *w, const tok_charsmap *m, size_t i)
{
    size_t end = i;
    if (w->tracing) return 0;
    for (; end < w->in.len; end++) {
        unsigned char c = (unsigned char)w->in.s[end];
        if (c >= 0x80 && end > i) return end - i - 1;
        if (c >= 0x80 || !m->plain[c] || c == '\r') break;
    }
    return end - i;
}

/* Grapheme clusters of less than six bytes are looked up whole, where the shortest prefix
 * in the map decides for all of it; others character by character. */
static void charsmap(writer *w, const tok_charsmap *m)
{
    for (size_t i = 0; i < w->in.len;) {
        size_t n = plain_run(w, m, i);
        if (n) {
            copy(w, i, i + n);
            i += n;
            continue;
        }
        uint32_t cp, next;
        utf8proc_int32_t state = 0;
        size_t end = i + (size_t)tok_decode(w->in.s + i, w->in.len - i, &cp);
        for (uint32_t before = cp; end < w->in.len; before = next) {
            size_t k = (size_t)tok_decode(w->in.s + end, w->in.len - end, &next);
            if (before < 0x80 && next < 0x80 && (before != '\r' || next != '\n')) break;
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                 (utf8proc_int32_t)next, &state))
                break;
            end += k;
        }
        mn_str new;
        if (end - i < 6 && tok_charsmap_match(m, w->in.s + i, end - i, true, &new)) {
            put_mapped(w, end - i, i, new);
            i = end;
            continue;
        }
        while (i < end) {
            size_t k = (size_t)tok_decode(w->in.s + i, end - i, &cp);
            map_char(w, m, i, k);
            i += k;
        }
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static bool apply(tok_call *c, const tok_norm *n, writer *w)
{
    switch (n->kind) {
    case TOK_NORM_NFC: return normalize_form(w, false, true);
    case TOK_NORM_NFD: return normalize_form(w, false, false);
    case TOK_NORM_NFKC: return normalize_form(w, true, true);
    case TOK_NORM_NFKD: return normalize_form(w, true, false);
    case TOK_NORM_LOWERCASE: lowercase(w); break;
    case TOK_NORM_STRIP: strip(w, n->left, n->right); break;
    case TOK_NORM_STRIP_ACCENTS: filter(w, no_mark, NULL); break;
    case TOK_NORM_STRIP_NONSPACING: filter(w, no_nonspacing_mark, NULL); break;
    case TOK_NORM_REPLACE: replace(w, n->pattern, n->content); break;
    case TOK_NORM_REPLACE_REGEX: replace_regex(c, w, n->regex, n->content); break;
    case TOK_NORM_PREPEND: prepend(w, n->content); break;
    case TOK_NORM_APPEND: append(w, n->content); break;
    case TOK_NORM_NMT: filter(w, nmt_keeps, nmt_map); break;
    case TOK_NORM_CHARSMAP: charsmap(w, &n->charsmap); break;
    case TOK_NORM_BERT_CLEAN: filter(w, bert_keeps, bert_map); break;
    case TOK_NORM_BERT_CHINESE: space_out_chinese(w); break;
    case TOK_NORM_BYTE_LEVEL: byte_level(w); break;
    case TOK_NORM_SENTENCEPIECE: tok_sentencepiece_normalize(n, w->in, w->out); break;
    case TOK_NORM_LLAMA_BERT: filter(w, llama_bert_keeps, NULL); break;
    case TOK_NORM_NFD_FIRST: filter(w, all, first_of_nfd); break;
    case TOK_NORM_LLAMA_MARKS: filter(w, llama_no_mark, NULL); break;
    case TOK_NORM_LLAMA_LOWER: filter(w, all, tok_lower); break;
    case TOK_NORM_LLAMA_UGM: tok_llama_ugm_normalize(n, w->in, w->out); break;
    }
    return true;
}

tok_text tok_normalize(tok_call *c, const tok_norm *norms, int n, tok_text in)
{
    for (int i = 0; i < n && !c->failed; i++) {
        mn_buffer *out = &c->norm[i & 1];
        mn_buffer_reset(out);
        writer w = { .out = out, .in = in, .tracing = in.n_zero > 0 };
        if (!apply(c, &norms[i], &w) || out->failed) c->failed = true;
        in = (tok_text){ out->data ? out->data : "", out->len, w.n_zero };
    }
    return in;
}
