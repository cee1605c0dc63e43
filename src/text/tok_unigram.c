/* Unigram segmentation (Kudo 2018, arXiv:1804.10959): of all ways to write a word as
 * pieces, the one of the highest sum of scores, by Viterbi over byte positions.
 *
 * For each position where a character starts, the trie gives all pieces that start there,
 * and the best way to reach each of their ends is kept; then the path is read backwards.
 * (1) Linear in the word; a step looks no further than the longest piece.
 * (2) The first way that reaches a position wins over later ones of the same score.
 * (3) HuggingFace and llama.cpp add scores in double, SentencePiece in float, which
 *     decides ties: `float_sums`.
 *
 * The greedy longest-match model (llama.cpp's RWKV) walks the same trie, and so does
 * PLaMo-2's, which is the same search from the text's end in whole numbers.
 */
#include "text/tok_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct {
    double score;
    uint32_t from;              /* where the last piece of the best path starts */
    int32_t id;                 /* that piece; NO_PATH: nothing ends here */
} node;

enum { NO_PATH = -2 };

static inline double rounded(const tok_model *m, double score)
{
    return m->float_sums ? (double)(float)score : score;
}

static inline void offer(const tok_model *m, node *n, double score, size_t from, int32_t id)
{
    if (n->id == NO_PATH || score > n->score) *n = (node){ rounded(m, score), (uint32_t)from, id };
}

static inline size_t char_length(const tok_model *m, const char *s, size_t len)
{
    static const uint8_t by_lead[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4 };
    uint32_t cp;
    if (!m->lead_lengths) return (size_t)tok_decode(s, len, &cp);
    size_t k = by_lead[(unsigned char)s[0] >> 4];
    return k < len ? k : len;
}

static void find_paths(const tok_model *m, const char *s, size_t len, node *nodes)
{
    for (size_t i = 0; i <= len; i++) nodes[i].id = NO_PATH;
    nodes[0] = (node){ 0, 0, 0 };
    for (size_t i = 0; i < len;) {
        uint32_t at = 0;
        size_t k = char_length(m, s + i, len - i);
        bool whole_char = false;
        double score = nodes[i].score;
        for (size_t j = i; j < len; j++) {
            at = tok_trie_child(&m->trie, at, (unsigned char)s[j]);
            if (!at) break;
            int32_t id = m->trie.values[at];
            if (id < 0) continue;
            offer(m, &nodes[j + 1], score + m->scores[id], i, id);
            if (j + 1 - i == k) whole_char = true;
        }
        if (!whole_char) offer(m, &nodes[i + k], rounded(m, score + m->unk_score), i, m->unk);
        i += k;
    }
}

static bool push_bytes(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    for (size_t i = 0; i < len; i++)
        if (m->byte_id[(unsigned char)s[i]] < 0) return false;
    for (size_t i = 0; i < len; i++) tok_call_push(c, m->byte_id[(unsigned char)s[i]]);
    return true;
}

/* Runs of unknown characters are one unknown piece, which becomes a token of that spelling
 * if there is one (a control token), byte tokens if they are wanted, or `unk`. */
static void push_unknown(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    int32_t id = m->map.slots ? tok_map_find(&m->map, m->keys, s, len) : -1;
    if (id >= 0) tok_call_push(c, id);
    else if ((!m->byte_fallback || !push_bytes(c, s, len)) && m->unk >= 0)
        tok_call_push(c, m->unk);
}

void tok_unigram_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    node few[65], *nodes = few;
    if (len > 64 && !(nodes = tok_call_work(c, (len + 1) * sizeof *nodes))) return;
    find_paths(m, s, len, nodes);
    /* Turn the backward links around: nodes[start].from becomes the piece's end. */
    size_t end = len, next = len;
    while (end > 0) {
        size_t start = nodes[end].from;
        int32_t id = nodes[end].id;
        nodes[end].from = (uint32_t)next;
        next = end;
        nodes[end].score = id;
        end = start;
    }
    for (size_t start = 0; start < len;) {
        int32_t id = (int32_t)nodes[next].score;
        size_t stop = next;
        next = nodes[next].from;
        if (id == m->unk) {
            while (stop < len && (int32_t)nodes[next].score == m->unk) {
                stop = next;
                next = nodes[next].from;
            }
            push_unknown(c, s + start, stop - start);
        } else {
            tok_call_push(c, id);
        }
        start = stop;
    }
}

void tok_greedy_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    for (size_t i = 0; i < len;) {
        int32_t id;
        size_t k = tok_trie_longest(&m->trie, s + i, len - i, &id);
        if (k) tok_call_push(c, id);
        else if (m->unk >= 0) tok_call_push(c, m->unk);
        i += k ? k : 1;
    }
}

/* ---- PLaMo-2 -------------------------------------------------------------------------------------
 * Costs are scores in ten-thousandths; at equal cost the longest piece wins.  A character
 * that is no piece costs 10,000,000 and becomes byte tokens. */

enum { PLAMO2_UNKNOWN = 10000000 };

typedef struct {
    int64_t cost;               /* of the rest of the text from here */
    uint32_t len;               /* of the first piece of the cheapest way */
    int32_t id;                 /* that piece; -1: an unknown character */
} step;

static void cheapest_from(const tok_model *m, const char *s, size_t len, size_t i, step *steps)
{
    uint32_t cp, at = 0;
    size_t k = (size_t)tok_decode(s + i, len - i, &cp);
    steps[i] = (step){ steps[i + k].cost + PLAMO2_UNKNOWN, (uint32_t)k, -1 };
    for (size_t j = i; j < len; j++) {
        at = tok_trie_child(&m->trie, at, (unsigned char)s[j]);
        if (!at) break;
        int32_t id = m->trie.values[at];
        if (id < 0) continue;
        int64_t cost = steps[j + 1].cost - (int64_t)m->scores[id];
        if (cost <= steps[i].cost) steps[i] = (step){ cost, (uint32_t)(j + 1 - i), id };
    }
}

void tok_plamo2_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)) s += 3, len -= 3;   /* byte order mark */
    step *steps = tok_call_work(c, (len + 1) * sizeof *steps);
    if (!steps) return;
    steps[len] = (step){ 0, 0, -1 };
    for (size_t i = len; i-- > 0;)
        if (((unsigned char)s[i] & 0xC0) != 0x80) cheapest_from(m, s, len, i, steps);
    for (size_t i = 0; i < len; i += steps[i].len) {
        if (steps[i].id >= 0) tok_call_push(c, steps[i].id);
        else push_bytes(c, s + i, steps[i].len);
    }
}
