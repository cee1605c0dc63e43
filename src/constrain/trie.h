/* The vocabulary as tries, and what of a mask is the same for every schema.
 *
 * A trie is an array in depth-first order, 8 bytes a node: byte, token that ends here,
 * size of the subtree.  Walking it, a byte that is not taken skips its subtree.  There are
 * several, so that what is alike can be answered at once:
 *
 *   PLAIN   tokens without a '"'
 *   OPEN    tokens with one '"' behind which everything can stand in a JSON string: where
 *           any string may begin, such a subtree is taken whole
 *   MIXED   all other tokens with a '"'
 *
 * For the inside of an unconstrained JSON string (most of what a model writes in JSON) the
 * mask is made when the vocabulary is loaded: `inside` for texts of at most k code points.
 * Tokens that close it are grouped by what follows the closing quote (`after`), another
 * trie, of which only those few nodes are walked that the schema allows.
 */
#ifndef MN_CONSTRAIN_TRIE_H
#define MN_CONSTRAIN_TRIE_H

#include "constrain/constraint.h"
#include "constrain/cx.h"
#include "constrain/regex.h"

typedef struct { uint32_t byte_token, skip; } mn_trie_node;     /* byte | (token + 1) << 8 */
typedef struct {
    MN_VEC(mn_trie_node) nodes;     /* no root */
    MN_VEC(uint8_t) below;          /* by node: the groups (bits) that hold all bytes below it */
    uint32_t root[256];             /* first-level node of a byte, or UINT32_MAX */
} mn_trie;
static inline uint8_t mn_trie_byte(mn_trie_node n) { return (uint8_t)n.byte_token; }
static inline int32_t mn_trie_token(mn_trie_node n) { return (int32_t)(n.byte_token >> 8) - 1; }

/* The narrowest group of characters that all of a node's subtree but itself is made of;
 * MN_GROUPS: none. */
static inline int mn_trie_below(const mn_trie *t, uint32_t node)
{
    return t->below.at[node] ? __builtin_ctz(t->below.at[node]) : 8;
}

/* A token that closes a string: where it goes on in `after`, and what it puts before. */
typedef struct { uint32_t token, after, prefix, chars; } mn_closing;
typedef struct { uint32_t off, len; } mn_prefix;    /* decoded; in prefix_bytes */

/* Groups of plain tokens: each of the characters of mn_group_ranges(), and of no smaller
 * group's; the last: everything else (line ends, backslashes, pieces of UTF-8). */
enum { MN_GROUPS = 8, MN_TRIES = MN_GROUPS + 2 };
const mn_range *mn_group_ranges(int group, uint32_t *n);

/* Printable text: the tokens of all groups but the last, of at most MN_TEXT_CHARS code
 * points; which of them hold a character of ASCII, one beyond it, or one of the spaces and
 * line ends there, which patterns treat apart from the rest. */
enum { MN_TEXT_CHARS = 24, MN_TEXT_SETS = 97, MN_TEXT_BEYOND = 95, MN_TEXT_SPACE = 96 };
static inline bool mn_is_far_space(uint32_t cp)
{
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp < 0x2070) || cp == 0x3000 || cp == 0xFEFF;
}

enum { MN_INSIDE = 32 };
struct mn_vocab_trie {
    mn_cx cx;
    int32_t n_tokens;
    size_t words;
    uint32_t longest;               /* bytes of a token */
    mn_trie plain[MN_GROUPS], open, mixed, after;
    mn_trie special;                /* special tokens that do not end a generation */
    uint32_t *group_mask[MN_GROUPS];
    uint32_t group_chars[MN_GROUPS];    /* code points of the longest token */
    uint32_t *text, *text_with[MN_TEXT_SETS];
    mn_u32s long_text;              /* longer ones */
    /* By node of open and mixed: where a token that ends there goes on in `after` behind
     * its first closing quote: node + 1, 0: nothing stands behind it. */
    mn_u32s open_after, mixed_after;
    mn_u32s token_off;              /* [n_tokens + 1] into bytes */
    MN_VEC(char) bytes;
    MN_VEC(uint8_t) usable;         /* 1: ordinary token with bytes; 2: special one */
    MN_VEC(int32_t) eog;
    /* Tokens with the bytes of another: pairs (in a trie, not in a trie). */
    mn_u32s twins;
    uint32_t *inside[MN_INSIDE + 2];    /* [k]: at most k code points; last: any number */
    MN_VEC(mn_closing) long_inside;     /* token, chars: more than MN_INSIDE, by chars */
    MN_VEC(mn_closing) closing;
    MN_VEC(mn_prefix) prefixes;
    mn_u32s prefix_first;           /* closing tokens by prefix: [n + 1] into prefix_tokens */
    mn_u32s prefix_tokens;
    MN_VEC(char) prefix_bytes;
    mn_intern prefix_set;
};

static inline const char *mn_token_bytes(const mn_vocab_trie *t, int32_t token, uint32_t *len)
{
    *len = t->token_off.at[token + 1] - t->token_off.at[token];
    return t->bytes.at + t->token_off.at[token];
}
/* Closing tokens whose decoded part before the quote is exactly this; *n of them. */
const uint32_t *mn_trie_closing_with(const mn_vocab_trie *t, const char *prefix, uint32_t len, uint32_t *n);

/* A token of the mask is longer than these bytes and begins with them. */
bool mn_trie_extends(const mn_vocab_trie *t, const uint32_t *mask, const char *bytes, size_t len);

static inline void mn_bit_set(uint32_t *mask, uint32_t i) { mask[i / 32] |= 1u << i % 32; }
static inline bool mn_bit_get(const uint32_t *mask, uint32_t i) { return mask[i / 32] >> i % 32 & 1; }

#endif
