/* Decimal numbers, exactly: sign, digits, power of ten.
 *
 *   value = sign * 0.d1 d2 d3 ... dn * 10^top        d1 != 0, dn != 0; zero has n == 0
 *
 * Bounds of a schema and numbers of an instance are compared digit by digit; no double
 * ever stands between them.  Digits are borrowed.
 */
#ifndef MN_CONSTRAIN_DECIMAL_H
#define MN_CONSTRAIN_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "constrain/cx.h"

typedef struct {
    const char *digits;     /* ASCII */
    uint32_t n;
    int32_t top;
    bool negative;          /* never for zero */
} mn_dec;

/* A JSON number as it is written; the context keeps the digits if they had a point
 * between them.  Powers beyond +-1,000,000 raise MINERVA_LIMIT. */
mn_dec mn_dec_parse(mn_cx *cx, const char *text, size_t len);
int mn_dec_cmp(const mn_dec *a, const mn_dec *b);
/* Of the absolute values. */
int mn_dec_cmp_abs(const mn_dec *a, const mn_dec *b);
bool mn_dec_is_integer(const mn_dec *a);
/* value as an integer if it is one and fits; false otherwise */
bool mn_dec_to_i64(const mn_dec *a, int64_t *out);
/* |value| = m * 10^-s with the smallest s >= 0; false if m does not fit 62 bits. */
bool mn_dec_to_scaled(const mn_dec *a, uint64_t *m, uint32_t *s);
static inline char mn_dec_digit(const mn_dec *a, int64_t i)
{
    return i >= 0 && i < a->n ? a->digits[i] : '0';
}
uint64_t mn_dec_hash(const mn_dec *a);

#endif
