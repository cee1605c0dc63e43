/* Operators: arithmetic, comparison, slices, sorting; Python's semantics.
 *
 * Integers have 64 bits; what would leave them is refused with an error, never wrapped.
 */
#include "text/jinja_run.h"

#include <math.h>
#include <string.h>

static const char *const op_text[] = { "+", "-", "*", "/", "//", "%", "**" };

static bool bad_operands(mn_jrun *r, mn_jbinary_op op, mn_jvalue a, mn_jvalue b)
{
    if (a.type == J_UNDEFINED) return mn_j_fail_undefined(r, a);
    if (b.type == J_UNDEFINED) return mn_j_fail_undefined(r, b);
    if (op == OP_ADD && (a.type == J_STR || a.type == J_LIST || a.type == J_TUPLE)) {
        const char *type = mn_j_type_name(a);
        return mn_j_fail(r, MINERVA_INVALID, "can only concatenate %s (not \"%s\") to %s",
                         type, mn_j_type_name(b), type);
    }
    return mn_j_fail(r, MINERVA_INVALID,
                     "unsupported operand type(s) for %s: '%s' and '%s'", op_text[op],
                     mn_j_type_name(a), mn_j_type_name(b));
}

static bool too_large(mn_jrun *r)
{
    return mn_j_fail(r, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
}

/* ---- numbers ----------------------------------------------------------------------- */

static bool power(mn_jrun *r, int64_t base, int64_t exponent, mn_jvalue *out)
{
    if (exponent < 0) {
        if (!base)
            return mn_j_fail(r, MINERVA_INVALID,
                             "0.0 cannot be raised to a negative power");
        *out = mn_j_float(pow((double)base, (double)exponent));
        return true;
    }
    int64_t result = 1;
    for (bool last = false; exponent; exponent >>= 1) {
        if (last) return too_large(r);      /* base overflowed and is needed again */
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result))
            return too_large(r);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) last = true;
    }
    *out = mn_j_int(result);
    return true;
}

static bool int_op(mn_jrun *r, mn_jbinary_op op, int64_t a, int64_t b, mn_jvalue *out)
{
    int64_t v;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return mn_j_fail(r, MINERVA_INVALID, op == OP_DIV ? "division by zero"
                         : "integer division or modulo by zero");
    switch (op) {
    case OP_ADD: if (__builtin_add_overflow(a, b, &v)) return too_large(r); break;
    case OP_SUB: if (__builtin_sub_overflow(a, b, &v)) return too_large(r); break;
    case OP_MUL: if (__builtin_mul_overflow(a, b, &v)) return too_large(r); break;
    case OP_DIV:
        *out = mn_j_float((double)((long double)a / (long double)b));
        return true;
    case OP_FLOORDIV:
        if (b == -1) return a == INT64_MIN ? too_large(r) : (*out = mn_j_int(-a), true);
        v = a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case OP_MOD:
        v = b == -1 ? 0 : a % b;
        if (v && (v < 0) != (b < 0)) v += b;
        break;
    default: return power(r, a, b, out);
    }
    *out = mn_j_int(v);
    return true;
}

/* Quotient and remainder as Python's divmod of floats. */
static void float_divmod(double a, double b, double *quotient, double *remainder)
{
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        }
    } else {
        mod = copysign(0, b);
    }
    if (div != 0) {
        double whole = floor(div);
        if (div - whole > 0.5) whole += 1;
        div = whole;
    } else {
        div = copysign(0, a / b);
    }
    *quotient = div;
    *remainder = mod;
}

static bool float_op(mn_jrun *r, mn_jbinary_op op, double a, double b, mn_jvalue *out)
{
    double q, m, v;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return mn_j_fail(r, MINERVA_INVALID,
                         op == OP_DIV   ? "float division by zero"
                         : op == OP_MOD ? "float modulo"
                                        : "float floor division by zero");
    switch (op) {
    case OP_ADD: v = a + b; break;
    case OP_SUB: v = a - b; break;
    case OP_MUL: v = a * b; break;
    case OP_DIV: v = a / b; break;
    case OP_FLOORDIV:
        float_divmod(a, b, &q, &m);
        v = q;
        break;
    case OP_MOD:
        float_divmod(a, b, &q, &m);
        v = m;
        break;
    default:
        if (a == 0 && b < 0)
            return mn_j_fail(r, MINERVA_INVALID,
                             "0.0 cannot be raised to a negative power");
        if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
            return mn_j_fail(r, MINERVA_UNSUPPORTED, "complex numbers");
        v = pow(a, b);
        if (isinf(v) && isfinite(a) && isfinite(b))
            return mn_j_fail(r, MINERVA_INVALID, "numerical result out of range");
        break;
    }
    *out = mn_j_float(v);
    return true;
}

/* ---- sequences --------------------------------------------------------------------- */

static bool repeat(mn_jrun *r, mn_jvalue v, int64_t times, mn_jvalue *out)
{
    size_t item = v.type == J_STR ? 1 : sizeof(mn_jvalue);
    *out = v;
    if (v.type == J_TUPLE) out->flags = 0;
    if (times <= 0) out->len = 0;
    if (times <= 1 || !v.len) return true;
    uint64_t len;
    if (__builtin_mul_overflow((uint64_t)v.len, (uint64_t)times, &len)
        || len > UINT32_MAX)
        return mn_j_room(r, SIZE_MAX / 4);
    if (!mn_j_room(r, len * item)) return false;
    char *s = mn_j_alloc(r, len, item);
    if (!s) return false;
    size_t size = v.len * item;
    for (int64_t i = 0; i < times; i++) memcpy(s + (size_t)i * size, v.s, size);
    out->s = s;
    out->len = (uint32_t)len;
    return true;
}

static bool concatenate(mn_jrun *r, mn_jvalue a, mn_jvalue b, mn_jvalue *out)
{
    if (a.type == J_STR) {
        bool markup = (a.flags | b.flags) & J_MARKUP;
        if (markup && (!mn_j_escape(r, a, &a) || !mn_j_escape(r, b, &b))) return false;
        return mn_j_append(r, a, b, 1, out);
    }
    a.flags = b.flags = 0;
    return mn_j_append(r, a, b, sizeof(mn_jvalue), out);
}

static bool is_sequence(mn_jvalue v)
{
    return v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE;
}

bool mn_j_binary(mn_jrun *r, mn_jbinary_op op, mn_jvalue a, mn_jvalue b, mn_jvalue *out)
{
    if (mn_j_is_number(a) && mn_j_is_number(b)) {
        if (a.type != J_FLOAT && b.type != J_FLOAT)
            return int_op(r, op, mn_j_index_of(a), mn_j_index_of(b), out);
        return float_op(r, op, mn_j_number_of(a), mn_j_number_of(b), out);
    }
    if (op == OP_ADD && is_sequence(a) && a.type == b.type)
        return concatenate(r, a, b, out);
    if (op == OP_MUL && is_sequence(a) && mn_j_is_index(b))
        return repeat(r, a, mn_j_index_of(b), out);
    if (op == OP_MUL && is_sequence(b) && mn_j_is_index(a))
        return repeat(r, b, mn_j_index_of(a), out);
    if (op == OP_MOD && a.type == J_STR) return mn_j_percent_format(r, a, b, out);
    return bad_operands(r, op, a, b);
}

bool mn_j_negate(mn_jrun *r, mn_jvalue v, bool minus, mn_jvalue *out)
{
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (v.type == J_FLOAT) {
        *out = mn_j_float(minus ? -v.f : v.f);
        return true;
    }
    if (!mn_j_is_index(v))
        return mn_j_fail(r, MINERVA_INVALID, "bad operand type for unary %c: '%s'",
                         minus ? '-' : '+', mn_j_type_name(v));
    int64_t i = mn_j_index_of(v);
    if (minus && i == INT64_MIN) return too_large(r);
    *out = mn_j_int(minus ? -i : i);
    return true;
}

bool mn_j_compare(mn_jrun *r, mn_jcompare_op op, mn_jvalue a, mn_jvalue b, bool *out)
{
    bool ok;
    switch (op) {
    case CMP_EQ: return mn_j_equal(r, a, b, out);
    case CMP_NE:
        ok = mn_j_equal(r, a, b, out);
        *out = !*out;
        return ok;
    case CMP_LT: return mn_j_less(r, a, b, "<", false, out);
    case CMP_LE: return mn_j_less(r, a, b, "<=", true, out);
    case CMP_GT: return mn_j_less(r, b, a, ">", false, out);
    case CMP_GE: return mn_j_less(r, b, a, ">=", true, out);
    case CMP_IN: return mn_j_contains(r, b, a, out);
    default:
        ok = mn_j_contains(r, b, a, out);
        *out = !*out;
        return ok;
    }
}

/* ---- slices ------------------------------------------------------------------------ */

/* Bounds as Python's slice.indices() gives them, and how many elements they select. */
static bool slice_bounds(mn_jrun *r, mn_jvalue from, mn_jvalue to, mn_jvalue by,
                         int64_t n, int64_t *start, int64_t *step, int64_t *count)
{
    mn_jvalue given[3] = { from, to, by };
    for (int i = 0; i < 3; i++)
        if (given[i].type != J_NONE && !mn_j_is_index(given[i])) {
            if (given[i].type == J_UNDEFINED) return mn_j_fail_undefined(r, given[i]);
            return mn_j_fail(r, MINERVA_INVALID,
                             "slice indices must be integers or None");
        }
    *step = by.type == J_NONE ? 1 : mn_j_index_of(by);
    if (*step == 0) return mn_j_fail(r, MINERVA_INVALID, "slice step cannot be zero");
    if (*step < -INT64_MAX) *step = -INT64_MAX;
    bool back = *step < 0;
    int64_t low = back ? -1 : 0, high = back ? n - 1 : n, bound[2];
    for (int i = 0; i < 2; i++) {
        if (given[i].type == J_NONE) {
            bound[i] = (i == 0) == back ? high : low;
            continue;
        }
        int64_t v = mn_j_index_of(given[i]);
        if (v < 0) v += n;
        bound[i] = v < low ? low : v > high ? high : v;
    }
    int64_t length = back ? bound[0] - bound[1] : bound[1] - bound[0];
    int64_t size = back ? -*step : *step;
    *start = bound[0];
    *count = length > 0 ? (length - 1) / size + 1 : 0;
    return true;
}

/* Every step-th character from `start` on. */
static bool slice_text(mn_jrun *r, mn_jvalue s, int64_t start, int64_t step,
                       int64_t count, mn_jvalue *out)
{
    if (step == 1) {
        size_t from = mn_j_offset_of(s.s, s.len, start);
        out->s = s.s + from;
        out->len = (uint32_t)mn_j_offset_of(out->s, s.len - from, count);
        return true;
    }
    size_t mark = mn_j_mark(r), at = mn_j_offset_of(s.s, s.len, start);
    while (count > 0) {
        size_t end = at + 1;
        while (end < s.len && (s.s[end] & 0xC0) == 0x80) end++;
        mn_buffer_append(&r->scratch, s.s + at, end - at);
        if (--count == 0) break;
        for (int64_t i = 0; i < step; i++) {
            at++;
            while (at < s.len && (s.s[at] & 0xC0) == 0x80) at++;
        }
        for (int64_t i = 0; i > step; i--) {
            do at--; while (at > 0 && (s.s[at] & 0xC0) == 0x80);
        }
    }
    return mn_j_take(r, mark, out);
}

static bool slice_range(mn_jrun *r, const mn_jrange *g, int64_t start, int64_t step,
                        int64_t count, mn_jvalue *out)
{
    mn_jrange *part = mn_j_alloc(r, 1, sizeof *part);
    if (!part) return false;
    /* A range has at most J_MAX_RANGE numbers; a step past that selects one. */
    if (count <= 1) step = step < 0 ? -1 : 1;
    if (__builtin_mul_overflow(g->step, step, &part->step)
        || __builtin_mul_overflow(g->step, start, &part->start)
        || __builtin_add_overflow(part->start, g->start, &part->start)
        || __builtin_mul_overflow(part->step, count, &part->stop)
        || __builtin_add_overflow(part->stop, part->start, &part->stop))
        return too_large(r);
    part->n = count;
    *out = (mn_jvalue){ .type = J_RANGE, .range = part };
    return true;
}

bool mn_j_slice(mn_jrun *r, mn_jvalue v, mn_jvalue from, mn_jvalue to, mn_jvalue by,
                mn_jvalue *out)
{
    int64_t n, start = 0, step = 1, count = 0;
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (!is_sequence(v) && v.type != J_RANGE)
        return mn_j_fail(r, MINERVA_INVALID, v.type == J_DICT ? "unhashable type: 'slice'"
                         : "'%s' object is not subscriptable", mn_j_type_name(v));
    if (!mn_j_length(r, v, &n)) return false;
    if (!slice_bounds(r, from, to, by, n, &start, &step, &count)) return false;
    *out = v;
    if (v.type == J_RANGE) return slice_range(r, v.range, start, step, count, out);
    if (v.type == J_STR) {
        if (count <= 0) {
            out->len = 0;
            return true;
        }
        bool ok = mn_j_spend_bytes(r, v.len) && slice_text(r, v, start, step, count, out);
        out->flags = v.flags;
        return ok;
    }
    out->flags = 0;
    out->len = (uint32_t)count;
    if (step == 1) {
        out->items = v.items ? v.items + start : NULL;
        return true;
    }
    mn_jvalue *items = mn_j_alloc(r, (size_t)count, sizeof *items);
    if (!items || !mn_j_spend(r, count)) return false;
    for (int64_t i = 0; i < count; i++) items[i] = v.items[start + i * step];
    out->items = items;
    return true;
}

/* ---- sorting ----------------------------------------------------------------------- */

/* Bottom-up merge sort.  Equal keys keep their order, also in reverse. */
bool mn_j_sort(mn_jrun *r, const mn_jvalue *keys, uint32_t n, bool reverse,
               uint32_t *order)
{
    uint32_t *other = mn_j_alloc(r, n, sizeof *other), *from = order, *to = other;
    if (!other) return false;
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t low = 0; low < n; low += 2 * width) {
            uint64_t mid = low + width < n ? low + width : n;
            uint64_t high = mid + width < n ? mid + width : n;
            uint64_t a = low, b = mid;
            for (uint64_t k = low; k < high; k++) {
                bool right = a == mid;
                if (!right && b < high) {
                    mn_jvalue x = keys[from[a]], y = keys[from[b]];
                    if (!mn_j_less(r, reverse ? x : y, reverse ? y : x, "<", false,
                                   &right))
                        return false;
                }
                to[k] = right ? from[b++] : from[a++];
            }
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, n * sizeof *order);
    return true;
}
