/* Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): one engine for rank BPE
 * (merge lists: GPT-2 and its heirs, HuggingFace's conversions of SentencePiece) and for
 * score BPE (SentencePiece: any two neighbours whose joined text is a piece may merge,
 * best score first).
 *
 * A word becomes a row of symbols; each neighbouring pair has a rank, and the pair of the
 * lowest rank, leftmost among equals, merges, until none is left.
 * (1) Up to SHORT symbols the lowest rank is found by scanning; longer words use a heap of
 *     (rank, position), so that a word of n symbols costs O(n log n) whatever it holds.
 * (2) Heap entries are not removed when their pair changes: an entry counts if its
 *     position still starts a pair of that rank.
 * (3) Rank BPE knows symbols by id (tok_pair: left, right -> rank, joined id); score BPE by
 *     the bytes they cover.  Score BPE's symbols may be -1: a character that is no piece.
 */
#include "text/tok_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 40 };
#define NO_RANK UINT32_MAX

typedef struct {
    uint32_t start;             /* in the word; its end is where the next one starts */
    int32_t id;
    uint32_t rank;              /* of the pair (this, next) */
    int32_t joined;             /* what that pair becomes */
} symbol;

/* ---- the pair table ---------------------------------------------------------------------- */

static inline uint32_t pair_slot(uint32_t mask, uint32_t left, uint32_t right)
{
    uint64_t key = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(key >> 32) & mask;
}

static inline const tok_pair *find_pair(const tok_model *m, uint32_t left, uint32_t right)
{
    for (uint32_t i = pair_slot(m->pairs_mask, left, right);; i = (i + 1) & m->pairs_mask) {
        const tok_pair *p = &m->pairs[i];
        if (p->id < 0) return NULL;
        if (p->left == left && p->right == right) return p;
    }
}

minerva_status tok_bpe_reserve_pairs(tok_model *m, size_t n, minerva_error *err)
{
    if (n > (1u << 28))
        return mn_fail(err, MINERVA_UNSUPPORTED, "merges: at most %u expected, %zu found",
                       1u << 28, n);
    size_t capacity = 16;
    while (capacity * 3 < n * 5) capacity *= 2;
    m->pairs = malloc(capacity * sizeof *m->pairs);
    if (!m->pairs) return mn_fail_memory(err, capacity * sizeof *m->pairs);
    memset(m->pairs, 0xff, capacity * sizeof *m->pairs);
    m->pairs_mask = (uint32_t)(capacity - 1);
    return MINERVA_OK;
}

bool tok_bpe_put_pair(tok_model *m, uint32_t left, uint32_t right, uint32_t rank, int32_t id,
                      bool replace)
{
    if (m->n_pairs >= m->pairs_mask) return false;
    uint32_t i = pair_slot(m->pairs_mask, left, right);
    for (; m->pairs[i].id >= 0; i = (i + 1) & m->pairs_mask) {
        if (m->pairs[i].left != left || m->pairs[i].right != right) continue;
        if (replace) m->pairs[i] = (tok_pair){ left, right, rank, id };
        return true;
    }
    m->pairs[i] = (tok_pair){ left, right, rank, id };
    m->n_pairs++;
    return true;
}

void tok_bpe_prefetch_pair(const tok_model *m, uint32_t left, uint32_t right)
{
    __builtin_prefetch(&m->pairs[pair_slot(m->pairs_mask, left, right)], 1);
}

/* ---- merging ------------------------------------------------------------------------------ */

/* Rank of the pair (a, b), b ending at `end`, into a. */
static inline void look_up(const tok_model *m, bool by_score, const char *s, symbol *a,
                           const symbol *b, uint32_t end)
{
    a->rank = NO_RANK;
    if (by_score) {
        size_t len = end - a->start;
        if (len > m->max_key_len) return;
        int32_t id = tok_map_find(&m->map, m->keys, s + a->start, len);
        if (id < 0) return;
        a->rank = m->score_key[id];
        a->joined = id;
    } else {
        const tok_pair *p = find_pair(m, (uint32_t)a->id, (uint32_t)b->id);
        if (!p) return;
        a->rank = p->rank;
        a->joined = p->id;
    }
}

/* Returns the number of symbols left; y[n].start is the word's end throughout. */
static inline size_t merge_short(const tok_model *m, bool by_score, const char *s, symbol *y,
                                 size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        look_up(m, by_score, s, &y[i], &y[i + 1], y[i + 2].start);
    while (n > 1) {
        size_t best = 0;
        uint32_t rank = y[0].rank;
        for (size_t i = 1; i + 1 < n; i++) {
            if (y[i].rank < rank) {
                rank = y[i].rank;
                best = i;
            }
        }
        if (rank == NO_RANK) break;
        y[best].id = y[best].joined;
        memmove(&y[best + 1], &y[best + 2], (n - best - 1) * sizeof *y);
        n--;
        if (best + 1 < n)
            look_up(m, by_score, s, &y[best], &y[best + 1], y[best + 2].start);
        if (best > 0) look_up(m, by_score, s, &y[best - 1], &y[best], y[best + 1].start);
    }
    return n;
}

/* A binary heap of rank << 32 | position. */
typedef struct {
    uint64_t *entries;
    size_t n;
} heap;

static void heap_push(heap *h, uint64_t value)
{
    size_t i = h->n++;
    for (; i > 0 && h->entries[(i - 1) / 2] > value; i = (i - 1) / 2)
        h->entries[i] = h->entries[(i - 1) / 2];
    h->entries[i] = value;
}

static void sift_down(heap *h, size_t i, uint64_t value)
{
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->entries[child + 1] < h->entries[child]) child++;
        if (h->entries[child] >= value) break;
        h->entries[i] = h->entries[child];
    }
    h->entries[i] = value;
}

static uint64_t heap_pop(heap *h)
{
    uint64_t top = h->entries[0];
    uint64_t last = h->entries[--h->n];
    if (h->n) sift_down(h, 0, last);
    return top;
}

typedef struct {
    uint32_t prev, next;        /* neighbours; the row's end is index n */
} link;

static inline size_t merge_long(const tok_model *m, bool by_score, const char *s, symbol *y,
                                size_t n, link *links, uint64_t *entries)
{
    heap h = { entries, 0 };
    for (size_t i = 0; i < n; i++) {
        links[i] = (link){ (uint32_t)i - 1, (uint32_t)i + 1 };
        y[i].rank = NO_RANK;
        if (i + 1 < n) look_up(m, by_score, s, &y[i], &y[i + 1], y[i + 2].start);
        if (y[i].rank != NO_RANK) h.entries[h.n++] = (uint64_t)y[i].rank << 32 | i;
    }
    for (size_t i = h.n / 2; i-- > 0;) sift_down(&h, i, h.entries[i]);
    while (h.n) {
        uint64_t top = heap_pop(&h);
        uint32_t i = (uint32_t)top, rank = (uint32_t)(top >> 32);
        if (y[i].rank != rank) continue;
        uint32_t j = links[i].next, k = links[j].next;
        y[i].id = y[i].joined;
        y[i].rank = NO_RANK;
        y[j].rank = NO_RANK;
        links[i].next = k;
        if (k < n) {
            links[k].prev = i;
            look_up(m, by_score, s, &y[i], &y[k], y[links[k].next].start);
            if (y[i].rank != NO_RANK) heap_push(&h, (uint64_t)y[i].rank << 32 | i);
        }
        if (i > 0) {
            uint32_t p = links[i].prev;
            look_up(m, by_score, s, &y[p], &y[i], y[k].start);
            if (y[p].rank != NO_RANK) heap_push(&h, (uint64_t)y[p].rank << 32 | p);
        }
    }
    size_t left = 0;
    for (uint32_t i = 0; i < n; i = links[i].next) y[left++] = y[i];
    y[left].start = y[n].start;
    return left;
}

/* ---- symbols of a word ---------------------------------------------------------------------- */

static size_t start_bytes(const tok_model *m, const char *s, size_t len, symbol *y)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int32_t id = m->byte_symbol[(unsigned char)s[i]];
        if (id < 0) continue;                   /* HuggingFace drops what it does not know */
        y[n++] = (symbol){ .start = (uint32_t)i, .id = id };
    }
    y[n].start = (uint32_t)len;
    return n;
}

/* Symbol of one character, with the affixes of BPE models that mark word borders. */
static int32_t symbol_of(const tok_model *m, const char *s, size_t len, bool first, bool last)
{
    bool prefixed = !first && m->prefix.len, suffixed = last && m->suffix.len;
    if (!prefixed && !suffixed) {
        if (len == 1 && (unsigned char)s[0] < 0x80) return m->ascii_symbol[(unsigned char)s[0]];
        return tok_map_find(&m->map, m->keys, s, len);
    }
    char joined[256];
    size_t n = 0;
    if (m->prefix.len + m->suffix.len + len > sizeof joined) return -1;
    if (prefixed) {
        memcpy(joined, m->prefix.data, m->prefix.len);
        n = m->prefix.len;
    }
    memcpy(joined + n, s, len);
    n += len;
    if (suffixed) {
        memcpy(joined + n, m->suffix.data, m->suffix.len);
        n += m->suffix.len;
    }
    return tok_map_find(&m->map, m->keys, joined, n);
}

static bool all_bytes_known(const tok_model *m, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (m->byte_id[(unsigned char)s[i]] < 0) return false;
    return true;
}

/* Characters to symbols as HuggingFace does it: unknown ones become byte tokens if all of
 * their bytes have one, else one `unk` each (or one for a run, fuse_unk), which is written
 * when the next known character comes, after any byte tokens between. */
static size_t start_chars(const tok_model *m, const char *s, size_t len, symbol *y)
{
    size_t n = 0, unk_start = 0;
    bool unk = false;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t k = (size_t)tok_decode(s + i, len - i, &cp);
        int32_t id = symbol_of(m, s + i, k, i == 0, i + k == len);
        if (id >= 0) {
            if (unk) y[n++] = (symbol){ .start = (uint32_t)unk_start, .id = m->unk };
            unk = false;
            y[n++] = (symbol){ .start = (uint32_t)i, .id = id };
        } else if (m->byte_fallback && all_bytes_known(m, s + i, k)) {
            for (size_t b = 0; b < k; b++)
                y[n++] = (symbol){ .start = (uint32_t)(i + b),
                                   .id = m->byte_id[(unsigned char)s[i + b]] };
        } else if (m->unk >= 0) {
            if (unk && !m->fuse_unk)
                y[n++] = (symbol){ .start = (uint32_t)unk_start, .id = m->unk };
            if (!unk || !m->fuse_unk) unk_start = i;
            unk = true;
        }
        i += k;
    }
    if (unk) y[n++] = (symbol){ .start = (uint32_t)unk_start, .id = m->unk };
    y[n].start = (uint32_t)len;
    return n;
}

/* The same where unknown characters stay symbols and become bytes only at the end. */
static size_t start_late(const tok_model *m, const char *s, size_t len, symbol *y)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t k = (size_t)tok_decode(s + i, len - i, &cp);
        int32_t id = k == 1 && cp < 0x80 ? m->ascii_symbol[cp]
                                         : tok_map_find(&m->map, m->keys, s + i, k);
        y[n++] = (symbol){ .start = (uint32_t)i, .id = id };
        i += k;
    }
    y[n].start = (uint32_t)len;
    return n;
}

static void push_late(tok_call *c, const char *s, const symbol *y, size_t n)
{
    const tok_model *m = &c->t->model;
    for (size_t i = 0; i < n; i++) {
        if (y[i].id >= 0 && y[i].id < c->t->n_tokens) {
            tok_call_push(c, y[i].id);
            continue;
        }
        uint32_t from = y[i].start, to = y[i + 1].start;
        bool bytes = m->byte_fallback && all_bytes_known(m, s + from, to - from);
        if (!bytes && m->late_unk) {
            if (m->unk >= 0) tok_call_push(c, m->unk);
            continue;
        }
        for (uint32_t k = from; k < to; k++) {
            int32_t id = m->byte_id[(unsigned char)s[k]];
            if (id >= 0) tok_call_push(c, id);
        }
    }
}

static inline size_t merge(tok_call *c, bool by_score, const char *s, symbol *y, size_t n)
{
    if (n <= SHORT) return merge_short(&c->t->model, by_score, s, y, n);
    char *extra = (char *)(y + n + 1);
    uint64_t *entries = (uint64_t *)(void *)extra;
    link *links = (link *)(void *)(entries + 3 * n);
    return merge_long(&c->t->model, by_score, s, y, n, links, entries);
}

void tok_bpe_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    symbol few[SHORT + 1], *y = few;
    if (len > SHORT) {
        size_t per_symbol = sizeof *y + 3 * sizeof(uint64_t) + sizeof(link);
        y = tok_call_work(c, (len + 2) * per_symbol);
        if (!y) return;
    }
    size_t n = m->bytewise ? start_bytes(m, s, len, y)
               : m->late_bytes ? start_late(m, s, len, y)
                               : start_chars(m, s, len, y);
    n = m->kind == TOK_SCORE_BPE ? merge(c, true, s, y, n) : merge(c, false, s, y, n);
    if (m->late_bytes) {
        push_late(c, s, y, n);
        return;
    }
    for (size_t i = 0; i < n; i++) tok_call_push(c, y[i].id);
}

/* ---- after loading --------------------------------------------------------------------------- */

/* Higher scores first, as unsigned numbers in rising order. */
uint32_t tok_score_key(float score)
{
    uint32_t bits;
    if (isnan(score)) score = -INFINITY;
    if (score == 0) score = 0;          /* -0 is 0 */
    memcpy(&bits, &score, 4);
    uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~rising == UINT32_MAX ? UINT32_MAX - 1 : ~rising;
}

/* U+2581 after something else than U+2581. */
static bool joins_across_space(mn_str key)
{
    for (size_t i = 3; i + 3 <= key.len; i++)
        if (!memcmp(key.data + i, "\xe2\x96\x81", 3)
            && memcmp(key.data + i - 3, "\xe2\x96\x81", 3))
            return true;
    return false;
}

static bool can_cut_at_space(const mn_tokenizer *t)
{
    const tok_model *m = &t->model;
    if (m->bytewise || m->prefix.len || m->suffix.len) return false;
    if (tok_map_find(&m->map, m->keys, "\xe2\x96\x81", 3) < 0) return false;
    if (m->kind == TOK_SCORE_BPE) {
        for (int32_t i = 0; i < m->n_keys; i++)
            if (joins_across_space(m->keys[i])) return false;
        return true;
    }
    for (uint32_t i = 0; m->pairs && i <= m->pairs_mask; i++)
        if (m->pairs[i].id >= 0 && joins_across_space(m->keys[m->pairs[i].id])) return false;
    return true;
}

void tok_bpe_finish(mn_tokenizer *t)
{
    tok_model *m = &t->model;
    for (int i = 0; i < 128; i++) {
        char c = (char)i;
        m->ascii_symbol[i] = tok_map_find(&m->map, m->keys, &c, 1);
    }
    m->max_key_len = 0;
    for (int32_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].len > m->max_key_len) m->max_key_len = m->keys[i].len;
    m->cut_at_space = can_cut_at_space(t);
}
