/* Quantisation labels in names; see quant_label.h.
 *
 * A label is a word between '-', '.', '_' (before it), '/' or the name's ends:
 *     F32 F16 FP16 BF16 | [I]Q<1-8>[_...] | TQ<1-2>_0 | MXFP4[_MOE] | NVFP4 | <n>BIT | UD-...
 * Words after Q4 joined by '_' belong to it as long as they are K, M, S, L, XL, XS, XXS, NL
 * or a digit.
 */
#include "hub/quant_label.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool mn_ends_with(const char *s, const char *ending)
{
    size_t n = strlen(s), m = strlen(ending);
    return n >= m && !strcasecmp(s + n - m, ending);
}

bool mn_is_projector(const char *name)
{
    if (!mn_ends_with(name, ".gguf")) return false;
    for (const char *p = name; *p; p++)
        if (!strncasecmp(p, "mmproj", 6)) return true;
    return false;
}

bool mn_split_name(const char *name, size_t *stem_len, int *part, int *n_parts)
{
    size_t n = strlen(name);
    if (mn_ends_with(name, ".gguf")) n -= 5;
    *stem_len = n;
    *part = *n_parts = 1;
    if (n < 16) return true;
    const char *s = name + n - 15;      /* -00002-of-00005 */
    if (s[0] != '-' || strncmp(s + 6, "-of-", 4)) return true;
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)s[1 + i]) || !isdigit((unsigned char)s[10 + i])) return true;
    *part = atoi(s + 1);
    *n_parts = atoi(s + 10);
    *stem_len = n - 15;
    return *part >= 1 && *n_parts >= 1 && *part <= *n_parts;
}

static bool is_between(char c) { return c == '-' || c == '.' || c == '/' || c == 0; }

/* Length of a tail like _K_M, _0, _K_XL, _NL. */
static size_t tail(const char *s)
{
    static const char *const words[] = { "XXS", "XXL", "XL", "XS", "NL", "MOE", "K", "M", "S",
                                         "L", "0", "1", "2", "4", "8" };
    size_t used = 0;
    while (s[used] == '_') {
        size_t n = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words && !n; i++) {
            size_t len = strlen(words[i]);
            char after = s[used + 1 + (strncasecmp(s + used + 1, words[i], len) ? 0 : len)];
            if (!strncasecmp(s + used + 1, words[i], len) && (is_between(after) || after == '_'))
                n = len + 1;
        }
        if (!n) break;
        used += n;
    }
    return used;
}

/* A label at `s`: its length and bits; 0 if there is none. */
static size_t label_at(const char *s, int *bits)
{
    static const struct { const char *word; int bits; } plain[] = {
        { "BF16", 16 }, { "FP16", 16 }, { "F16", 16 }, { "F32", 32 }, { "FP32", 32 },
        { "MXFP4", 4 }, { "NVFP4", 4 }, { "MXFP8", 8 },
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        size_t n = strlen(plain[i].word);
        if (strncasecmp(s, plain[i].word, n)) continue;
        *bits = plain[i].bits;
        return n + tail(s + n);
    }
    size_t n = 0;
    if (!strncasecmp(s, "IQ", 2) || !strncasecmp(s, "TQ", 2)) n = 2;
    else if (*s == 'Q' || *s == 'q') n = 1;
    if (n && s[n] >= '1' && s[n] <= '8') {
        *bits = s[n] - '0';
        size_t more = tail(s + n + 1);
        return more || is_between(s[n + 1]) ? n + 1 + more : 0;
    }
    if (*s >= '2' && *s <= '8' && !strncasecmp(s + 1, "bit", 3)) {
        *bits = *s - '0';
        return 4;
    }
    return 0;
}

mn_quant_label mn_quant_label_of(const char *name)
{
    mn_quant_label found = { "", 0 };
    size_t end = strlen(name), part;
    int a, b;
    if (mn_ends_with(name, ".gguf")) mn_split_name(name, &end, &a, &b);
    for (size_t i = 0; i < end; i += part) {
        int bits = 0;
        part = 1;
        bool starts = i == 0 || strchr("-._/", name[i - 1]);
        size_t n = starts ? label_at(name + i, &bits) : 0;
        if (!n || i + n > end || !is_between(i + n == end ? 0 : name[i + n])
            || n >= sizeof found.text - 4)
            continue;
        bool ud = i >= 3 && !strncasecmp(name + i - 3, "UD-", 3);
        snprintf(found.text, sizeof found.text, "%s%.*s", ud ? "UD-" : "", (int)n, name + i);
        for (char *p = found.text; *p; p++) *p = (char)toupper((unsigned char)*p);
        found.bits = bits;
        part = n;
    }
    return found;
}
