/* WordPiece (Schuster and Nakajima 2012; BERT's greedy form) and WordLevel: a word is cut
 * into the longest pieces from left to right, or is unknown as a whole.
 *
 * HuggingFace's pieces inside a word carry a prefix ("##"), so they are in a trie of their
 * own, without it.  llama.cpp's vocabularies mark word starts with U+2581 instead.
 */
#include "text/tok_internal.h"

#include <string.h>

static void unknown(tok_call *c)
{
    if (c->t->model.unk >= 0) tok_call_push(c, c->t->model.unk);
}

static void wordpiece(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    size_t before = c->out->n;
    if (len > (size_t)m->max_word_chars
        && mn_utf8_count(s, len) > (size_t)m->max_word_chars) {
        unknown(c);
        return;
    }
    for (size_t i = 0; i < len && !c->failed;) {
        int32_t id;
        size_t k = tok_trie_longest(i ? &m->trie_inner : &m->trie, s + i, len - i, &id);
        if (!k) {
            c->out->n = before;
            unknown(c);
            return;
        }
        tok_call_push(c, id);
        i += k;
    }
}

static void char_or_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    int32_t id = tok_map_find(&m->map, m->keys, s, len);
    if (id >= 0) {
        tok_call_push(c, id);
        return;
    }
    bool bytes = m->byte_fallback;
    for (size_t i = 0; bytes && i < len; i++) bytes = m->byte_id[(unsigned char)s[i]] >= 0;
    for (size_t i = 0; bytes && i < len; i++) tok_call_push(c, m->byte_id[(unsigned char)s[i]]);
    if (!bytes) unknown(c);
}

/* SentencePiece's character model: user-defined symbols are whole. */
static void characters(tok_call *c, const char *s, size_t len)
{
    for (size_t i = 0; i < len && !c->failed;) {
        int32_t id;
        uint32_t cp;
        size_t k = tok_trie_longest(&c->t->model.trie, s + i, len - i, &id);
        if (!k) k = (size_t)tok_decode(s + i, len - i, &cp);
        char_or_word(c, s + i, k);
        i += k;
    }
}

void tok_wordpiece_word(tok_call *c, const char *s, size_t len)
{
    switch (c->t->model.kind) {
    case TOK_WORDLEVEL: char_or_word(c, s, len); break;
    case TOK_CHARS: characters(c, s, len); break;
    default: wordpiece(c, s, len); break;
    }
}

/* "▁word" by longest matches, byte by byte as llama.cpp's loop does. */
void tok_llama_wordpiece_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    size_t before = c->out->n;
    char *marked = tok_call_work(c, len + 3);
    if (!marked) return;
    memcpy(marked, "\xe2\x96\x81", 3);
    memcpy(marked + 3, s, len);
    for (size_t i = 0; i < len + 3 && !c->failed;) {
        int32_t id;
        size_t k = tok_trie_longest(&m->trie, marked + i, len + 3 - i, &id);
        if (!k) {
            c->out->n = before;
            break;
        }
        tok_call_push(c, id);
        i += k;
    }
    if (c->out->n == before) unknown(c);
}
