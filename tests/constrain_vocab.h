/* Small vocabularies for tests of constraints: every byte, pieces cut from a text at
 * random, special tokens, and end tokens; and what every test of masks asks of them. */
#ifndef TESTS_CONSTRAIN_VOCAB_H
#define TESTS_CONSTRAIN_VOCAB_H

#include "check.h"
#include "constrain/constraint.h"

typedef struct {
    mn_vocab_token *tokens;
    char **owned;
    int32_t n, cap, eog;
    mn_vocab_trie *trie;
    uint64_t random;
} test_vocab;

static inline uint32_t test_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static inline int32_t test_vocab_add(test_vocab *v, const char *s, size_t len, bool special)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 512;
        v->tokens = realloc(v->tokens, (size_t)v->cap * sizeof *v->tokens);
        v->owned = realloc(v->owned, (size_t)v->cap * sizeof *v->owned);
    }
    v->owned[v->n] = malloc(len + 1);
    memcpy(v->owned[v->n], s, len);
    v->owned[v->n][len] = 0;
    v->tokens[v->n] = (mn_vocab_token){ v->owned[v->n], (uint32_t)len, special };
    return v->n++;
}

/* n_pieces of up to `longest` bytes of `text`; specials may be NULL. */
static inline void test_vocab_make(test_vocab *v, const char *text, size_t len, int n_pieces,
                                   int longest, const char *const *specials, uint64_t seed)
{
    *v = (test_vocab){ .random = seed };
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        test_vocab_add(v, &c, 1, false);
    }
    for (int i = 0; i < n_pieces && len > 1; i++) {
        size_t at = test_random(&v->random) % len;
        size_t n = 2 + test_random(&v->random) % (uint32_t)(longest - 1);
        if (n > len - at) n = len - at;
        test_vocab_add(v, text + at, n, false);
    }
    for (int i = 0; specials && specials[i]; i++)
        test_vocab_add(v, specials[i], strlen(specials[i]), true);
    test_vocab_add(v, "", 0, false);
    v->eog = test_vocab_add(v, "</s>", 4, true);
    assert_ok(mn_vocab_trie_create(&v->trie, v->tokens, v->n, &v->eog, 1, err));
}

static inline void test_vocab_clear(test_vocab *v)
{
    mn_vocab_trie_free(v->trie);
    for (int32_t i = 0; i < v->n; i++) free(v->owned[i]);
    free(v->owned);
    free(v->tokens);
}

static inline bool test_mask_has(const uint32_t *mask, int32_t token)
{
    return mask[token / 32] >> token % 32 & 1;
}

/* The mask against every token tried one by one; returns how many are allowed. */
static inline int test_mask_oracle(const test_vocab *v, mn_matcher *m, const char *where)
{
    const uint32_t *mask;
    int allowed = 0;
    assert_ok(mn_matcher_mask(m, &mask, err));
    size_t words = mn_vocab_trie_mask_words(v->trie);
    uint32_t *copy = malloc(words * sizeof *copy);
    memcpy(copy, mask, words * sizeof *copy);
    for (int32_t t = 0; t < v->n; t++) {
        bool can = mn_matcher_accept(m, t, NULL) == MINERVA_OK;
        if (can) assert_ok(mn_matcher_rollback(m, 1, err));
        if (can != test_mask_has(copy, t))
            fail_msg("%s: token %d \"%.*s\"%s: mask %d, one by one %d", where, t, (int)v->tokens[t].len,
                     v->tokens[t].bytes, v->tokens[t].special ? " (special)" : "", !can, can);
        allowed += can;
    }
    free(copy);
    return allowed;
}

/* One of the mask's tokens, at random; -1: it is empty. */
static inline int32_t test_mask_choose(test_vocab *v, const uint32_t *mask)
{
    int32_t n = 0, chosen = -1;
    for (int32_t t = 0; t < v->n; t++)
        if (test_mask_has(mask, t) && test_random(&v->random) % (uint32_t)++n == 0) chosen = t;
    return chosen;
}

#endif
