/* Strict UTF-8; see utf8.h. */
#include "base/utf8.h"

/* Length of the sequence a lead byte opens, 0 if it opens none, and the range that the
 * second byte must lie in (this alone rules out overlongs, surrogates and > U+10FFFF). */
static int lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80;
    *hi = 0xBF;
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) return 2;
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0) *lo = 0xA0;
        if (c == 0xED) *hi = 0x9F;
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0) *lo = 0x90;
        if (c == 0xF4) *hi = 0x8F;
        return 4;
    }
    return 0;
}

/* Bytes of s that belong to one sequence; *whole says whether it is complete. */
static int sequence(const char *str, size_t len, bool *whole)
{
    const unsigned char *s = (const unsigned char *)str;
    unsigned char lo, hi;
    int need = lead(s[0], &lo, &hi);
    *whole = need == 1;
    if (need <= 1) return 1;
    int have = 1;
    while (have < need && (size_t)have < len && s[have] >= lo && s[have] <= hi) {
        lo = 0x80;
        hi = 0xBF;
        have++;
    }
    *whole = have == need;
    return have;
}

int mn_utf8_decode_strict(const char *str, size_t len, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)str;
    bool whole;
    int n = sequence(str, len, &whole);
    if (!whole) {
        *cp = MN_UTF8_REPLACEMENT;
        return -n;
    }
    switch (n) {
    case 1: *cp = s[0]; break;
    case 2: *cp = (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F); break;
    case 3: *cp = (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6
                | (s[2] & 0x3F); break;
    default: *cp = (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12
                 | (uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F); break;
    }
    return n;
}

int mn_utf8_decode(const char *s, size_t len, uint32_t *cp)
{
    int n = mn_utf8_decode_strict(s, len, cp);
    return n < 0 ? -n : n;
}

int mn_utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) cp = MN_UTF8_REPLACEMENT;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool mn_utf8_valid(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        bool whole;
        i += (size_t)sequence(s + i, len - i, &whole);
        if (!whole) return false;
    }
    return true;
}

size_t mn_utf8_count(const char *s, size_t len)
{
    size_t n = 0;
    uint32_t cp;
    for (size_t i = 0; i < len; n++) i += (size_t)mn_utf8_decode(s + i, len - i, &cp);
    return n;
}

size_t mn_utf8_complete_prefix(const char *s, size_t len)
{
    size_t back = len < 3 ? len : 3;
    for (size_t k = 1; k <= back; k++) {
        unsigned char c = (unsigned char)s[len - k], lo, hi;
        if ((c & 0xC0) == 0x80) continue;
        int need = lead(c, &lo, &hi);
        if (need <= (int)k) return len;
        bool whole;
        return sequence(s + len - k, k, &whole) == (int)k ? len - k : len;
    }
    return len;
}
