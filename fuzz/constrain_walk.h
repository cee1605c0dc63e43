/* What the fuzzers of constraints share: a vocabulary of all bytes and a few pieces, and a
 * walk through the masks that holds them to what accept() says. */
#ifndef FUZZ_CONSTRAIN_WALK_H
#define FUZZ_CONSTRAIN_WALK_H

#include "constrain/constraint.h"

#include <stdlib.h>
#include <string.h>

static inline const mn_vocab_trie *walk_vocab(int32_t *n)
{
    static const char *const pieces[] = { "ab", "aa", "{\"", "\": ", "<a>", "</a>", " x", "12", "\xc3\xa9", "\xe2\x82", "<s>", "</s>" };
    enum { PIECES = sizeof pieces / sizeof *pieces };
    static mn_vocab_trie *trie;
    *n = 256 + PIECES;
    if (trie) return trie;
    static char bytes[256];
    static mn_vocab_token tokens[256 + PIECES];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (mn_vocab_token){ &bytes[i], 1, false };
    }
    for (int i = 0; i < PIECES; i++)
        tokens[256 + i] = (mn_vocab_token){ pieces[i], (uint32_t)strlen(pieces[i]), i + 2 >= PIECES };
    int32_t eog = 256 + PIECES - 1;
    if (mn_vocab_trie_create(&trie, tokens, *n, &eog, 1, NULL)) abort();
    return trie;
}

/* Each byte chooses a token: taken if and only if it is in the mask. */
static inline void walk(mn_constraint *c, const uint8_t *choices, size_t n_choices)
{
    int32_t n_tokens;
    walk_vocab(&n_tokens);
    mn_matcher *m;
    if (mn_matcher_create(&m, c, NULL)) return;
    mn_buffer forced = { 0 };
    if (n_choices > 200) n_choices = 200;
    for (size_t i = 0; i < n_choices && !mn_matcher_is_finished(m); i++) {
        const uint32_t *mask;
        if (mn_matcher_mask(m, &mask, NULL)) break;
        int32_t t = choices[i] < 200 ? choices[i] : 256 + choices[i] % (n_tokens - 256);
        bool allowed = mask[t / 32] >> t % 32 & 1;
        minerva_status st = mn_matcher_accept(m, t, NULL);
        if (st == MINERVA_LIMIT || st == MINERVA_MEMORY) break;
        if (allowed != (st == MINERVA_OK)) abort();
        if (st == MINERVA_OK && i % 16 == 7) {
            if (mn_matcher_rollback(m, 1, NULL) || mn_matcher_accept(m, t, NULL)) abort();
            if (mn_matcher_is_finished(m)) break;
            forced.len = 0;
            if (mn_matcher_forced(m, &forced, 64, NULL)) break;
            st = mn_matcher_accept_bytes(m, forced.data ? forced.data : "", forced.len, NULL, NULL);
            if (st == MINERVA_INVALID) abort();
        }
    }
    mn_buffer_clear(&forced);
    mn_matcher_free(m);
}

#endif
