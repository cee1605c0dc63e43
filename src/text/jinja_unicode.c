/* Python's view of characters: case, classes, and code point positions in UTF-8.
 *
 * General categories and simple case mappings come from utf8proc.  What Python adds to
 * them - full upper and title case (ß -> SS), the final sigma, Other_Lowercase and
 * Other_Uppercase, digits and numerics outside of category Nd - is in the tables here,
 * laid out from the Unicode Character Database, version 14.
 */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <string.h>
#include <utf8proc.h>

/* Lowercase, but not of category Ll. */
static const uint32_t other_lower[][2] = {
    { 0xAA, 0xAA }, { 0xBA, 0xBA }, { 0x2B0, 0x2B8 }, { 0x2C0, 0x2C1 }, { 0x2E0, 0x2E4 },
    { 0x345, 0x345 }, { 0x37A, 0x37A }, { 0x1D2C, 0x1D6A }, { 0x1D78, 0x1D78 },
    { 0x1D9B, 0x1DBF }, { 0x2071, 0x2071 }, { 0x207F, 0x207F }, { 0x2090, 0x209C },
    { 0x2170, 0x217F }, { 0x24D0, 0x24E9 }, { 0x2C7C, 0x2C7D }, { 0xA69C, 0xA69D },
    { 0xA770, 0xA770 }, { 0xA7F8, 0xA7F9 }, { 0xAB5C, 0xAB5F }, { 0x10780, 0x10780 },
    { 0x10783, 0x10785 }, { 0x10787, 0x107B0 }, { 0x107B2, 0x107BA }
};

/* Uppercase, but not of category Lu. */
static const uint32_t other_upper[][2] = {
    { 0x2160, 0x216F }, { 0x24B6, 0x24CF }, { 0x1F130, 0x1F149 }, { 0x1F150, 0x1F169 },
    { 0x1F170, 0x1F189 }
};

/* Numeric_Type=Digit, but not of category Nd. */
static const uint32_t other_digit[][2] = {
    { 0xB2, 0xB3 }, { 0xB9, 0xB9 }, { 0x1369, 0x1371 }, { 0x19DA, 0x19DA },
    { 0x2070, 0x2070 }, { 0x2074, 0x2079 }, { 0x2080, 0x2089 }, { 0x2460, 0x2468 },
    { 0x2474, 0x247C }, { 0x2488, 0x2490 }, { 0x24EA, 0x24EA }, { 0x24F5, 0x24FD },
    { 0x24FF, 0x24FF }, { 0x2776, 0x277E }, { 0x2780, 0x2788 }, { 0x278A, 0x2792 },
    { 0x10A40, 0x10A43 }, { 0x10E60, 0x10E68 }, { 0x11052, 0x1105A }, { 0x1F100, 0x1F10A }
};

/* Numeric ideographs. */
static const uint32_t other_numeric[][2] = {
    { 0x3405, 0x3405 },   { 0x3483, 0x3483 },   { 0x382A, 0x382A },
    { 0x3B4D, 0x3B4D },   { 0x4E00, 0x4E00 },   { 0x4E03, 0x4E03 },
    { 0x4E07, 0x4E07 },   { 0x4E09, 0x4E09 },   { 0x4E5D, 0x4E5D },
    { 0x4E8C, 0x4E8C },   { 0x4E94, 0x4E94 },   { 0x4E96, 0x4E96 },
    { 0x4EBF, 0x4EC0 },   { 0x4EDF, 0x4EDF },   { 0x4EE8, 0x4EE8 },
    { 0x4F0D, 0x4F0D },   { 0x4F70, 0x4F70 },   { 0x5104, 0x5104 },
    { 0x5146, 0x5146 },   { 0x5169, 0x5169 },   { 0x516B, 0x516B },
    { 0x516D, 0x516D },   { 0x5341, 0x5341 },   { 0x5343, 0x5345 },
    { 0x534C, 0x534C },   { 0x53C1, 0x53C4 },   { 0x56DB, 0x56DB },
    { 0x58F1, 0x58F1 },   { 0x58F9, 0x58F9 },   { 0x5E7A, 0x5E7A },
    { 0x5EFE, 0x5EFF },   { 0x5F0C, 0x5F0E },   { 0x5F10, 0x5F10 },
    { 0x62FE, 0x62FE },   { 0x634C, 0x634C },   { 0x67D2, 0x67D2 },
    { 0x6F06, 0x6F06 },   { 0x7396, 0x7396 },   { 0x767E, 0x767E },
    { 0x8086, 0x8086 },   { 0x842C, 0x842C },   { 0x8CAE, 0x8CAE },
    { 0x8CB3, 0x8CB3 },   { 0x8D30, 0x8D30 },   { 0x9621, 0x9621 },
    { 0x9646, 0x9646 },   { 0x964C, 0x964C },   { 0x9678, 0x9678 },
    { 0x96F6, 0x96F6 },   { 0xF96B, 0xF96B },   { 0xF973, 0xF973 },
    { 0xF978, 0xF978 },   { 0xF9B2, 0xF9B2 },   { 0xF9D1, 0xF9D1 },
    { 0xF9D3, 0xF9D3 },   { 0xF9FD, 0xF9FD },   { 0x20001, 0x20001 },
    { 0x20064, 0x20064 }, { 0x200E2, 0x200E2 }, { 0x20121, 0x20121 },
    { 0x2092A, 0x2092A }, { 0x20983, 0x20983 }, { 0x2098C, 0x2098C },
    { 0x2099C, 0x2099C }, { 0x20AEA, 0x20AEA }, { 0x20AFD, 0x20AFD },
    { 0x20B19, 0x20B19 }, { 0x22390, 0x22390 }, { 0x22998, 0x22998 },
    { 0x23B1B, 0x23B1B }, { 0x2626D, 0x2626D }, { 0x2F890, 0x2F890 }
};

/* Code points whose upper or title case is not one code point (SpecialCasing.txt). */
static const struct { uint16_t cp, upper[3], title[3];
} special_case[] = { { 0xDF, { 0x53, 0x53 }, { 0x53, 0x73 } },
                     { 0x149, { 0x2BC, 0x4E }, { 0x2BC, 0x4E } },
                     { 0x1F0, { 0x4A, 0x30C }, { 0x4A, 0x30C } },
                     { 0x390, { 0x399, 0x308, 0x301 }, { 0x399, 0x308, 0x301 } },
                     { 0x3B0, { 0x3A5, 0x308, 0x301 }, { 0x3A5, 0x308, 0x301 } },
                     { 0x587, { 0x535, 0x552 }, { 0x535, 0x582 } },
                     { 0x1E96, { 0x48, 0x331 }, { 0x48, 0x331 } },
                     { 0x1E97, { 0x54, 0x308 }, { 0x54, 0x308 } },
                     { 0x1E98, { 0x57, 0x30A }, { 0x57, 0x30A } },
                     { 0x1E99, { 0x59, 0x30A }, { 0x59, 0x30A } },
                     { 0x1E9A, { 0x41, 0x2BE }, { 0x41, 0x2BE } },
                     { 0x1F50, { 0x3A5, 0x313 }, { 0x3A5, 0x313 } },
                     { 0x1F52, { 0x3A5, 0x313, 0x300 }, { 0x3A5, 0x313, 0x300 } },
                     { 0x1F54, { 0x3A5, 0x313, 0x301 }, { 0x3A5, 0x313, 0x301 } },
                     { 0x1F56, { 0x3A5, 0x313, 0x342 }, { 0x3A5, 0x313, 0x342 } },
                     { 0x1F80, { 0x1F08, 0x399 }, { 0x1F88 } },
                     { 0x1F81, { 0x1F09, 0x399 }, { 0x1F89 } },
                     { 0x1F82, { 0x1F0A, 0x399 }, { 0x1F8A } },
                     { 0x1F83, { 0x1F0B, 0x399 }, { 0x1F8B } },
                     { 0x1F84, { 0x1F0C, 0x399 }, { 0x1F8C } },
                     { 0x1F85, { 0x1F0D, 0x399 }, { 0x1F8D } },
                     { 0x1F86, { 0x1F0E, 0x399 }, { 0x1F8E } },
                     { 0x1F87, { 0x1F0F, 0x399 }, { 0x1F8F } },
                     { 0x1F88, { 0x1F08, 0x399 }, { 0x1F88 } },
                     { 0x1F89, { 0x1F09, 0x399 }, { 0x1F89 } },
                     { 0x1F8A, { 0x1F0A, 0x399 }, { 0x1F8A } },
                     { 0x1F8B, { 0x1F0B, 0x399 }, { 0x1F8B } },
                     { 0x1F8C, { 0x1F0C, 0x399 }, { 0x1F8C } },
                     { 0x1F8D, { 0x1F0D, 0x399 }, { 0x1F8D } },
                     { 0x1F8E, { 0x1F0E, 0x399 }, { 0x1F8E } },
                     { 0x1F8F, { 0x1F0F, 0x399 }, { 0x1F8F } },
                     { 0x1F90, { 0x1F28, 0x399 }, { 0x1F98 } },
                     { 0x1F91, { 0x1F29, 0x399 }, { 0x1F99 } },
                     { 0x1F92, { 0x1F2A, 0x399 }, { 0x1F9A } },
                     { 0x1F93, { 0x1F2B, 0x399 }, { 0x1F9B } },
                     { 0x1F94, { 0x1F2C, 0x399 }, { 0x1F9C } },
                     { 0x1F95, { 0x1F2D, 0x399 }, { 0x1F9D } },
                     { 0x1F96, { 0x1F2E, 0x399 }, { 0x1F9E } },
                     { 0x1F97, { 0x1F2F, 0x399 }, { 0x1F9F } },
                     { 0x1F98, { 0x1F28, 0x399 }, { 0x1F98 } },
                     { 0x1F99, { 0x1F29, 0x399 }, { 0x1F99 } },
                     { 0x1F9A, { 0x1F2A, 0x399 }, { 0x1F9A } },
                     { 0x1F9B, { 0x1F2B, 0x399 }, { 0x1F9B } },
                     { 0x1F9C, { 0x1F2C, 0x399 }, { 0x1F9C } },
                     { 0x1F9D, { 0x1F2D, 0x399 }, { 0x1F9D } },
                     { 0x1F9E, { 0x1F2E, 0x399 }, { 0x1F9E } },
                     { 0x1F9F, { 0x1F2F, 0x399 }, { 0x1F9F } },
                     { 0x1FA0, { 0x1F68, 0x399 }, { 0x1FA8 } },
                     { 0x1FA1, { 0x1F69, 0x399 }, { 0x1FA9 } },
                     { 0x1FA2, { 0x1F6A, 0x399 }, { 0x1FAA } },
                     { 0x1FA3, { 0x1F6B, 0x399 }, { 0x1FAB } },
                     { 0x1FA4, { 0x1F6C, 0x399 }, { 0x1FAC } },
                     { 0x1FA5, { 0x1F6D, 0x399 }, { 0x1FAD } },
                     { 0x1FA6, { 0x1F6E, 0x399 }, { 0x1FAE } },
                     { 0x1FA7, { 0x1F6F, 0x399 }, { 0x1FAF } },
                     { 0x1FA8, { 0x1F68, 0x399 }, { 0x1FA8 } },
                     { 0x1FA9, { 0x1F69, 0x399 }, { 0x1FA9 } },
                     { 0x1FAA, { 0x1F6A, 0x399 }, { 0x1FAA } },
                     { 0x1FAB, { 0x1F6B, 0x399 }, { 0x1FAB } },
                     { 0x1FAC, { 0x1F6C, 0x399 }, { 0x1FAC } },
                     { 0x1FAD, { 0x1F6D, 0x399 }, { 0x1FAD } },
                     { 0x1FAE, { 0x1F6E, 0x399 }, { 0x1FAE } },
                     { 0x1FAF, { 0x1F6F, 0x399 }, { 0x1FAF } },
                     { 0x1FB2, { 0x1FBA, 0x399 }, { 0x1FBA, 0x345 } },
                     { 0x1FB3, { 0x391, 0x399 }, { 0x1FBC } },
                     { 0x1FB4, { 0x386, 0x399 }, { 0x386, 0x345 } },
                     { 0x1FB6, { 0x391, 0x342 }, { 0x391, 0x342 } },
                     { 0x1FB7, { 0x391, 0x342, 0x399 }, { 0x391, 0x342, 0x345 } },
                     { 0x1FBC, { 0x391, 0x399 }, { 0x1FBC } },
                     { 0x1FC2, { 0x1FCA, 0x399 }, { 0x1FCA, 0x345 } },
                     { 0x1FC3, { 0x397, 0x399 }, { 0x1FCC } },
                     { 0x1FC4, { 0x389, 0x399 }, { 0x389, 0x345 } },
                     { 0x1FC6, { 0x397, 0x342 }, { 0x397, 0x342 } },
                     { 0x1FC7, { 0x397, 0x342, 0x399 }, { 0x397, 0x342, 0x345 } },
                     { 0x1FCC, { 0x397, 0x399 }, { 0x1FCC } },
                     { 0x1FD2, { 0x399, 0x308, 0x300 }, { 0x399, 0x308, 0x300 } },
                     { 0x1FD3, { 0x399, 0x308, 0x301 }, { 0x399, 0x308, 0x301 } },
                     { 0x1FD6, { 0x399, 0x342 }, { 0x399, 0x342 } },
                     { 0x1FD7, { 0x399, 0x308, 0x342 }, { 0x399, 0x308, 0x342 } },
                     { 0x1FE2, { 0x3A5, 0x308, 0x300 }, { 0x3A5, 0x308, 0x300 } },
                     { 0x1FE3, { 0x3A5, 0x308, 0x301 }, { 0x3A5, 0x308, 0x301 } },
                     { 0x1FE4, { 0x3A1, 0x313 }, { 0x3A1, 0x313 } },
                     { 0x1FE6, { 0x3A5, 0x342 }, { 0x3A5, 0x342 } },
                     { 0x1FE7, { 0x3A5, 0x308, 0x342 }, { 0x3A5, 0x308, 0x342 } },
                     { 0x1FF2, { 0x1FFA, 0x399 }, { 0x1FFA, 0x345 } },
                     { 0x1FF3, { 0x3A9, 0x399 }, { 0x1FFC } },
                     { 0x1FF4, { 0x38F, 0x399 }, { 0x38F, 0x345 } },
                     { 0x1FF6, { 0x3A9, 0x342 }, { 0x3A9, 0x342 } },
                     { 0x1FF7, { 0x3A9, 0x342, 0x399 }, { 0x3A9, 0x342, 0x345 } },
                     { 0x1FFC, { 0x3A9, 0x399 }, { 0x1FFC } },
                     { 0xFB00, { 0x46, 0x46 }, { 0x46, 0x66 } },
                     { 0xFB01, { 0x46, 0x49 }, { 0x46, 0x69 } },
                     { 0xFB02, { 0x46, 0x4C }, { 0x46, 0x6C } },
                     { 0xFB03, { 0x46, 0x46, 0x49 }, { 0x46, 0x66, 0x69 } },
                     { 0xFB04, { 0x46, 0x46, 0x4C }, { 0x46, 0x66, 0x6C } },
                     { 0xFB05, { 0x53, 0x54 }, { 0x53, 0x74 } },
                     { 0xFB06, { 0x53, 0x54 }, { 0x53, 0x74 } },
                     { 0xFB13, { 0x544, 0x546 }, { 0x544, 0x576 } },
                     { 0xFB14, { 0x544, 0x535 }, { 0x544, 0x565 } },
                     { 0xFB15, { 0x544, 0x53B }, { 0x544, 0x56B } },
                     { 0xFB16, { 0x54E, 0x546 }, { 0x54E, 0x576 } },
                     { 0xFB17, { 0x544, 0x53D }, { 0x544, 0x56D } } };

#define IN_TABLE(table, cp) in_ranges(table, sizeof table / sizeof *table, cp)

static bool in_ranges(const uint32_t (*ranges)[2], size_t n, uint32_t cp)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > ranges[mid][1]) low = mid + 1;
        else high = mid;
    }
    return low < n && cp >= ranges[low][0];
}

static utf8proc_category_t category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

/* ---- classes ----------------------------------------------------------------------- */

bool mn_j_is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13) || (cp >= 28 && cp <= 31);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A)
        || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool mn_j_is_printable(uint32_t cp)
{
    if (cp < 0x7F) return cp >= ' ';
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: case UTF8PROC_CATEGORY_CN: case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

bool mn_j_is_alpha(uint32_t cp)
{
    if (cp < 0x80) return (cp | 32) >= 'a' && (cp | 32) <= 'z';
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
        return true;
    default:
        return false;
    }
}

bool mn_j_is_decimal(uint32_t cp)
{
    if (cp < 0x80) return cp >= '0' && cp <= '9';
    return category(cp) == UTF8PROC_CATEGORY_ND;
}

bool mn_j_is_digit(uint32_t cp)
{
    return mn_j_is_decimal(cp) || IN_TABLE(other_digit, cp);
}

bool mn_j_is_numeric(uint32_t cp)
{
    if (mn_j_is_digit(cp)) return true;
    utf8proc_category_t c = category(cp);
    return c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO
        || IN_TABLE(other_numeric, cp);
}

bool mn_j_is_upper(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z';
    return category(cp) == UTF8PROC_CATEGORY_LU || IN_TABLE(other_upper, cp);
}

bool mn_j_is_lower(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'a' && cp <= 'z';
    return category(cp) == UTF8PROC_CATEGORY_LL || IN_TABLE(other_lower, cp);
}

bool mn_j_is_title(uint32_t cp) { return category(cp) == UTF8PROC_CATEGORY_LT; }

static bool is_cased(uint32_t cp)
{
    return mn_j_is_upper(cp) || mn_j_is_lower(cp) || mn_j_is_title(cp);
}

bool mn_j_is_word(uint32_t cp)
{
    return cp == '_' || mn_j_is_alpha(cp) || mn_j_is_numeric(cp);
}

bool mn_j_is_name_start(uint32_t cp)
{
    if (cp < 0x80) return cp == '_' || mn_j_is_alpha(cp);
    return mn_j_is_alpha(cp) || category(cp) == UTF8PROC_CATEGORY_NL;
}

bool mn_j_is_name_part(uint32_t cp)
{
    if (mn_j_is_name_start(cp) || mn_j_is_decimal(cp)) return true;
    if (cp < 0x80) return false;
    utf8proc_category_t c = category(cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC
        || c == UTF8PROC_CATEGORY_PC;
}

/* ---- case -------------------------------------------------------------------------- */

static int copy_codepoints(const uint16_t from[3], uint32_t out[4])
{
    int n = 0;
    while (n < 3 && from[n]) {
        out[n] = from[n];
        n++;
    }
    return n;
}

static int find_special_case(uint32_t cp)
{
    int low = 0, high = (int)(sizeof special_case / sizeof *special_case);
    while (low < high) {
        int mid = (low + high) / 2;
        if (special_case[mid].cp < cp) low = mid + 1;
        else high = mid;
    }
    return low < (int)(sizeof special_case / sizeof *special_case)
        && special_case[low].cp == cp ? low : -1;
}

int mn_j_map_case(uint32_t cp, int how, uint32_t out[4])
{
    if (how == J_SWAP)
        how = mn_j_is_upper(cp) ? J_LOWER : mn_j_is_lower(cp) ? J_UPPER : -1;
    out[0] = cp;
    if (how < 0) return 1;
    if (cp < 0x80) {
        bool upper = how == J_UPPER || how == J_TITLE;
        if (upper ? cp >= 'a' && cp <= 'z' : cp >= 'A' && cp <= 'Z') out[0] = cp ^ 32;
        return 1;
    }
    if (how == J_CASEFOLD) {
        utf8proc_int32_t folded[8];
        int boundary = 0;
        utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, folded, 8,
                                                     UTF8PROC_CASEFOLD, &boundary);
        if (n < 1 || n > 4) return 1;
        for (int i = 0; i < (int)n; i++) out[i] = (uint32_t)folded[i];
        return (int)n;
    }
    if (how == J_LOWER) {
        if (cp == 0x130) {
            out[0] = 'i';
            out[1] = 0x307;
            return 2;
        }
        out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
        return 1;
    }
    int special = find_special_case(cp);
    if (special >= 0)
        return copy_codepoints(how == J_UPPER ? special_case[special].upper
                                              : special_case[special].title, out);
    out[0] = (uint32_t)(how == J_UPPER ? utf8proc_toupper((utf8proc_int32_t)cp)
                                       : utf8proc_totitle((utf8proc_int32_t)cp));
    return 1;
}

/* Case_Ignorable, as far as it stands inside words. */
static bool is_case_ignorable(uint32_t cp)
{
    static const uint16_t marks[] = { '\'',   '.',    ':',    0xB7,   0x387,  0x55F,
                                      0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                      0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i] == cp) return true;
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_ME: case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

/* Is the capital sigma at s[at] the last letter of a word? */
static bool is_final_sigma(const char *s, size_t len, size_t at)
{
    uint32_t cp;
    bool after_cased = false;
    for (size_t i = at; i > 0;) {
        do i--; while (i > 0 && (s[i] & 0xC0) == 0x80);
        mn_utf8_decode(s + i, len - i, &cp);
        if (is_case_ignorable(cp)) continue;
        after_cased = is_cased(cp);
        break;
    }
    if (!after_cased) return false;
    for (size_t i = at + 2; i < len;) {
        i += (size_t)mn_utf8_decode(s + i, len - i, &cp);
        if (is_case_ignorable(cp)) continue;
        return !is_cased(cp);
    }
    return true;
}

/* J_TITLE makes each word's first letter title case and the others lower case. */
bool mn_j_change_case(mn_jrun *r, mn_jvalue s, int how, mn_jvalue *out)
{
    if (!mn_j_spend_bytes(r, s.len)) return false;
    size_t mark = mn_j_mark(r);
    bool in_word = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t cp, mapped[4];
        size_t at = i;
        i += (size_t)mn_utf8_decode(s.s + i, s.len - i, &cp);
        int mode = how == J_TITLE && in_word ? J_LOWER : how, n;
        if (how == J_TITLE) in_word = is_cased(cp);
        bool lowers = mode == J_LOWER || (mode == J_SWAP && cp == 0x3A3);
        if (cp == 0x3A3 && lowers) {
            if (!mn_j_spend(r, 1)) return false;
            mapped[0] = is_final_sigma(s.s, s.len, at) ? 0x3C2 : 0x3C3;
            n = 1;
        } else {
            n = mn_j_map_case(cp, mode, mapped);
        }
        for (int k = 0; k < n; k++) {
            if (mapped[k] < 0x80) mn_buffer_append_byte(&r->scratch, (char)mapped[k]);
            else mn_buffer_append_codepoint(&r->scratch, mapped[k]);
        }
    }
    return mn_j_take(r, mark, out);
}

bool mn_j_ignore_case(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    *out = v;
    return v.type != J_STR || mn_j_change_case(r, v, J_LOWER, out);
}

/* ---- positions --------------------------------------------------------------------- */

int64_t mn_j_count(mn_jvalue s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += (s.s[i] & 0xC0) != 0x80;
    return n;
}

size_t mn_j_offset_of(const char *s, size_t len, int64_t codepoint)
{
    size_t i = 0;
    for (; codepoint > 0 && i < len; codepoint--) {
        i++;
        while (i < len && (s[i] & 0xC0) == 0x80) i++;
    }
    return i;
}

static bool is_stripped(uint32_t cp, const mn_jvalue *chars)
{
    if (!chars) return mn_j_is_space(cp);
    char utf8[4];
    size_t n = (size_t)mn_utf8_encode(cp, utf8);
    return memmem(chars->s, chars->len, utf8, n) != NULL;
}

mn_jvalue mn_j_strip(mn_jvalue s, const mn_jvalue *chars, bool left, bool right)
{
    size_t from = 0, to = s.len;
    uint32_t cp;
    while (left && from < to) {
        size_t n = (size_t)mn_utf8_decode(s.s + from, to - from, &cp);
        if (!is_stripped(cp, chars)) break;
        from += n;
    }
    while (right && to > from) {
        size_t at = to - 1;
        while (at > from && (s.s[at] & 0xC0) == 0x80) at--;
        mn_utf8_decode(s.s + at, to - at, &cp);
        if (!is_stripped(cp, chars)) break;
        to = at;
    }
    s.s += from;
    s.len = (uint32_t)(to - from);
    return s;
}
