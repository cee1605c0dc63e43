/* Code points and their classes, for scanning text.
 *
 * The general categories come from utf8proc (and, for what it is too old to know, from
 * tok_unicode_ages.c); a class is a set of them in one word, with White_Space (which is no
 * category) as one more bit.  ASCII has a table of its own.
 */
#ifndef MN_TEXT_TOK_UNICODE_H
#define MN_TEXT_TOK_UNICODE_H

#include "base/utf8.h"

#include <utf8proc.h>

#define TOK_CAT(x) (1u << UTF8PROC_CATEGORY_##x)
#define TOK_WS (1u << 30)
#define TOK_LU TOK_CAT(LU)
#define TOK_LL TOK_CAT(LL)
#define TOK_LT TOK_CAT(LT)
#define TOK_LM TOK_CAT(LM)
#define TOK_LO TOK_CAT(LO)
#define TOK_L (TOK_LU | TOK_LL | TOK_LT | TOK_LM | TOK_LO)
#define TOK_M (TOK_CAT(MN) | TOK_CAT(MC) | TOK_CAT(ME))
#define TOK_N (TOK_CAT(ND) | TOK_CAT(NL) | TOK_CAT(NO))
#define TOK_P (TOK_CAT(PC) | TOK_CAT(PD) | TOK_CAT(PS) | TOK_CAT(PE) | TOK_CAT(PI) \
               | TOK_CAT(PF) | TOK_CAT(PO))
#define TOK_S (TOK_CAT(SM) | TOK_CAT(SC) | TOK_CAT(SK) | TOK_CAT(SO))

typedef struct {
    uint32_t from, to;
} tok_range;
bool tok_in_ranges(const tok_range *ranges, int n, uint32_t cp);    /* rising ranges */

/* tok_unicode_ages.c */
typedef struct {
    uint32_t from, to;
    uint8_t category;
} tok_late;
extern const tok_late tok_late_characters[];
extern const int tok_n_late_characters;
extern const tok_range tok_young_marks[], tok_young_bert_marks[], tok_young_punctuation[],
    tok_young_decompositions[];
extern const int tok_n_young_marks, tok_n_young_bert_marks, tok_n_young_punctuation,
    tok_n_young_decompositions;
uint32_t tok_late_bits(uint32_t cp);    /* of a character that utf8proc does not know */
uint32_t tok_lower(uint32_t cp);

extern const uint32_t tok_ascii_bits[128];
bool tok_is_word(uint32_t cp);          /* \w of Rust's regular expressions */
int tok_script(uint32_t cp);            /* tok_scripts.c */

static inline bool tok_is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A)
           || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static inline uint32_t tok_bits(uint32_t cp)
{
    if (cp < 0x80) return tok_ascii_bits[cp];
    uint32_t bits = 1u << utf8proc_category((utf8proc_int32_t)cp);
    if (bits == TOK_CAT(CN)) return tok_late_bits(cp);
    return bits | (tok_is_space(cp) ? TOK_WS : 0);
}

/* One code point of s[0..len), len > 0; the bytes it takes.  Broken UTF-8 is U+FFFD. */
static inline int tok_decode(const char *s, size_t len, uint32_t *cp)
{
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    return mn_utf8_decode(s, len, cp);
}

/* Where the code point that ends at s[end) starts, end > 0. */
static inline size_t tok_back(const char *s, size_t end)
{
    size_t i = end - 1;
    while (i > 0 && end - i < 4 && ((unsigned char)s[i] & 0xC0) == 0x80) i--;
    uint32_t cp;
    return mn_utf8_decode_strict(s + i, end - i, &cp) == (int)(end - i) ? i : end - 1;
}

#endif
