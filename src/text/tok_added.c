/* Added tokens: strings that are cut out of the text before anything else looks at it.
 *
 * HuggingFace's rules: the leftmost match counts, of those the longest; a match that is
 * turned down (inside a word, or special where the text is to be plain) is passed over
 * whole; lstrip and rstrip tokens take the white space beside them.
 */
#include "text/tok_internal.h"

static bool word_before(const char *s, size_t i)
{
    if (!i) return false;
    uint32_t cp;
    size_t k = tok_back(s, i);
    tok_decode(s + k, i - k, &cp);
    return tok_is_word(cp);
}

static bool word_at(const char *s, size_t len, size_t i)
{
    if (i == len) return false;
    uint32_t cp;
    tok_decode(s + i, len - i, &cp);
    return tok_is_word(cp);
}

static bool is_space(const mn_tokenizer *t, uint32_t cp)
{
    return tok_is_space(cp) && (cp < 0x80 || !t->ascii_spaces);
}

static size_t spaces_before(const mn_tokenizer *t, const char *s, size_t i, size_t floor)
{
    while (i > floor) {
        uint32_t cp;
        size_t k = tok_back(s, i);
        tok_decode(s + k, i - k, &cp);
        if (!is_space(t, cp)) break;
        i = k;
    }
    return i;
}

static size_t spaces_after(const mn_tokenizer *t, const char *s, size_t len, size_t i)
{
    while (i < len) {
        uint32_t cp;
        size_t k = (size_t)tok_decode(s + i, len - i, &cp);
        if (!is_space(t, cp)) break;
        i += k;
    }
    return i;
}

static bool turned_down(const tok_call *c, const char *s, size_t len, size_t start, size_t end,
                        uint16_t flags)
{
    if (c->plain && (flags & TOK_SPECIAL)) return true;
    return (flags & TOK_SINGLE_WORD) && (word_before(s, start) || word_at(s, len, end));
}

bool tok_added_next(tok_call *c, const tok_trie *trie, const char *s, size_t len,
                    tok_added_scan *scan, size_t *start, size_t *end, int32_t *id)
{
    for (size_t i = scan->scan; i < len;) {
        size_t n = trie->first[(unsigned char)s[i]]
                       ? tok_trie_longest(trie, s + i, len - i, id) : 0;
        if (!n) {
            i++;
            continue;
        }
        uint16_t flags = c->t->flags[*id];
        if (turned_down(c, s, len, i, i + n, flags)) {
            i += n;
            continue;
        }
        *start = i;
        *end = i + n;
        if (flags & TOK_LSTRIP)
            *start = i > scan->done ? spaces_before(c->t, s, i, scan->done) : scan->done;
        /* What an earlier token took as white space need not be looked at again. */
        if (flags & TOK_RSTRIP)
            *end = spaces_after(c->t, s, len, *end > scan->done ? *end : scan->done);
        scan->scan = i = i + n;
        scan->done = *end;
        if (*start < *end) return true;         /* else an earlier one took all of it */
    }
    scan->scan = len;
    return false;
}
