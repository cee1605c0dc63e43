/* Exact decimals; see decimal.h. */
#include "constrain/decimal.h"

mn_dec mn_dec_parse(mn_cx *cx, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    mn_dec d = { .digits = "" };
    bool negative = p < end && *p == '-';
    p += negative;
    const char *mantissa = p;
    int64_t int_digits = -1;
    uint32_t n = 0;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') int_digits = n;
        else n++;
    }
    const char *mantissa_end = p;
    bool has_point = int_digits >= 0;
    if (!has_point) int_digits = n;
    int64_t power = 0;
    if (p < end) {
        p++;
        bool minus = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        for (; p < end && power < 100000000; p++) power = power * 10 + (*p - '0');
        if (minus) power = -power;
    }
    char *copy = NULL;
    if (has_point) {
        copy = mn_cx_alloc(cx, n + 1, 1);
        uint32_t k = 0;
        for (const char *q = mantissa; q < mantissa_end; q++)
            if (*q != '.') copy[k++] = *q;
    }
    const char *digits = copy ? copy : mantissa;
    uint32_t skip = 0;
    while (skip < n && digits[skip] == '0') skip++;
    while (n > skip && digits[n - 1] == '0') n--;
    if (n == skip) return d;
    int64_t top = int_digits - skip + power;
    if (top > 1000000 || top < -1000000)
        mn_cx_raise(cx, MINERVA_LIMIT, "number %.40s: a power of ten within 1,000,000 expected",
                    text);
    return (mn_dec){ digits + skip, n - skip, (int32_t)top, negative };
}

int mn_dec_cmp_abs(const mn_dec *a, const mn_dec *b)
{
    if (!a->n || !b->n) return (a->n != 0) - (b->n != 0);
    if (a->top != b->top) return a->top < b->top ? -1 : 1;
    uint32_t n = a->n < b->n ? a->n : b->n;
    int c = memcmp(a->digits, b->digits, n);
    if (c) return c < 0 ? -1 : 1;
    return (a->n > n) - (b->n > n);
}

int mn_dec_cmp(const mn_dec *a, const mn_dec *b)
{
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    int c = mn_dec_cmp_abs(a, b);
    return a->negative ? -c : c;
}

bool mn_dec_is_integer(const mn_dec *a) { return !a->n || a->top >= (int64_t)a->n; }

bool mn_dec_to_i64(const mn_dec *a, int64_t *out)
{
    if (!mn_dec_is_integer(a) || a->top > 18) return false;
    int64_t v = 0;
    for (int32_t i = 0; i < a->top; i++) v = v * 10 + (mn_dec_digit(a, i) - '0');
    *out = a->negative ? -v : v;
    return true;
}

bool mn_dec_to_scaled(const mn_dec *a, uint64_t *m, uint32_t *s)
{
    int64_t frac = (int64_t)a->n - a->top;      /* digits behind the point */
    if (frac < 0) frac = 0;
    int64_t total = a->top + frac;              /* digits of m */
    if (total > 18 || frac > 1000) return false;
    uint64_t v = 0;
    for (int64_t i = 0; i < total; i++) v = v * 10 + (uint64_t)(mn_dec_digit(a, i) - '0');
    *m = v;
    *s = (uint32_t)frac;
    return true;
}

uint64_t mn_dec_hash(const mn_dec *a)
{
    return mn_hash64(a->digits, a->n, mn_mix((uint64_t)(uint32_t)a->top, a->negative));
}
