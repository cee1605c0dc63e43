/* One token or a few: dot products on the rows as they lie in memory, AVX-512 VNNI.
 *
 * Four rows are walked together, 256 columns at a time.  Codes are expanded to 64 unsigned
 * bytes in natural order, multiplied with the 8-bit activations (vpdpbusd: each 32-bit lane
 * sums 4 neighbouring columns), converted, and added up in f32 times the product of weight
 * and activation scale.  All lanes of a row are summed once at its end.
 *
 * (1) Codes are unsigned; the zero point z costs nothing per row: accumulators start at
 *     -z * (sum of the 4 activations), which depends on the activations only.
 * (2) Affine minima: sum over groups of min * (sum of activations), one small dot product
 *     per row and token.
 * (3) The limit for one token is memory, so the next four rows are prefetched.
 * (4) Nothing is read past the end of a row's codes: a last step of fewer than 256 columns
 *     works on a zero-padded copy.
 *
 * Max error against the products of the 8-bit activations with exactly decoded weights:
 * 2e-6 of the sum of magnitudes (tests/test_kernels.c).
 */
#include "backend/native/cpu/unpack_avx512.h"

enum { PIECE_ROWS = 28, FEW_PIECES = 3, MAX_TOKENS = 4 };

/* ---- activations -------------------------------------------------------------------- */

static void quantise_32(const float *x, int64_t n, int8_t *q, float *scale, float *sum16)
{
    __mmask16 k0 = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    __mmask16 k1 = n >= 32 ? 0xffff : n > 16 ? (__mmask16)((1u << (n - 16)) - 1) : 0;
    __m512 a = _mm512_maskz_loadu_ps(k0, x), b = _mm512_maskz_loadu_ps(k1, x + 16);
    float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    float step = max / 127.0f;
    __m512 inverse = _mm512_set1_ps(max > 0 ? 127.0f / max : 0);
    __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
    __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
    _mm_storeu_si128((__m128i *)q, _mm512_cvtsepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(q + 16), _mm512_cvtsepi32_epi8(qb));
    *scale = step;
    sum16[0] = step * (float)_mm512_reduce_add_epi32(qa);
    sum16[1] = step * (float)_mm512_reduce_add_epi32(qb);
}

static void make_int8(const mn_pack *pack, int32_t first, int32_t n)
{
    mn_pack_int8 form = mn_pack_int8_of(pack);
    for (int32_t t = first; t < first + n; t++) {
        const float *x = pack->x + t * pack->stride;
        int8_t *q = form.q + t * form.padded;
        float *scale = form.scale + t * form.n_groups, *sum16 = form.sum16 + t * 2 * form.n_groups;
        float *sum = form.sum + t * form.n_groups;
        for (int64_t g = 0; g < form.n_groups; g++) {
            int64_t c = g * 32, left = pack->cols - c;
            quantise_32(x + c, left < 0 ? 0 : left, q + c, scale + g, sum16 + 2 * g);
            sum[g] = sum16[2 * g] + sum16[2 * g + 1];
        }
    }
}

/* ---- one pass: four rows, up to four tokens ------------------------------------------- */

/* Far enough for DRAM, near enough that the lines are still there: measured. */
enum { PREFETCH_BYTES = 768 };

MN_INLINE void prefetch(const uint8_t *p, int64_t bytes)
{
    for (int64_t at = 0; at < bytes; at += 64)
        _mm_prefetch((const char *)p + PREFETCH_BYTES + at, _MM_HINT_T0);
}

MN_INLINE void prefetch_planes(int kind, const mn_weight *w, int64_t row)
{
    int64_t at = row * (int64_t)w->scale_row_bytes, bytes = (int64_t)w->scale_row_bytes;
    prefetch(w->scales + at, bytes);
    if (mn_has_min(kind)) prefetch(w->biases + at, bytes);
}

typedef struct {
    const uint8_t *p;                   /* a row's codes, */
    const float *s, *m;                 /* and scale planes, at the current step */
} stream;

typedef struct {                        /* a token's activations at the current step */
    const int8_t *q;
    const int32_t *start;               /* -zero * (sum of 4 neighbouring q) */
    const float *scale, *sum;           /* sum: per group of the weight */
} operand;

/* Spreads scales 2 i, 2 i + 1 (groups of 32) or 4 i .. 4 i + 3 (of 16) over the lanes of
 * the 64-column part i. */
MN_INLINE __m512 spread(int kind, __m512 s, int i)
{
    const __m512i of32 = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i of16 = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    if (mn_group(kind) == 16)
        return _mm512_permutexvar_ps(_mm512_add_epi32(of16, _mm512_set1_epi32(4 * i)), s);
    return _mm512_permutexvar_ps(_mm512_add_epi32(of32, _mm512_set1_epi32(2 * i)), s);
}

/* Weight scales times activation scales, per group of the weight. */
MN_INLINE __m512 products(int kind, __m512 s, const float *x_scale)
{
    if (mn_group(kind) == 32)
        return mn_8(_mm256_mul_ps(_mm512_castps512_ps256(s), _mm256_loadu_ps(x_scale)));
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    __m512 x = mn_8(_mm256_loadu_ps(x_scale));
    return _mm512_mul_ps(s, _mm512_permutexvar_ps(twice, x));
}

MN_INLINE __m512 part(int kind, int i, __m512i codes, const operand *x, __m512 s, __m512 acc)
{
    __m512i dot = mn_zero(kind) ? _mm512_loadu_si512(x->start + 16 * i) : _mm512_setzero_si512();
    dot = _mm512_dpbusd_epi32(dot, codes, _mm512_loadu_si512(x->q + 64 * i));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), spread(kind, s, i), acc);
}

MN_INLINE mn_scales stream_scales(int kind, const stream *t)
{
    if (!mn_has_planes(kind)) return mn_step_scales(kind, t->p);
    mn_scales w = { .m = _mm512_setzero_ps() };
    w.s = mn_group(kind) == 16 ? _mm512_loadu_ps(t->s) : mn_8(_mm256_loadu_ps(t->s));
    if (mn_has_min(kind)) w.m = mn_8(_mm256_loadu_ps(t->m));
    return w;
}

/* One row, one step of 256 columns, n tokens. */
MN_INLINE void row_step(int kind, int n, const stream *t, const operand *x, __m512 *acc)
{
    mn_scales w = stream_scales(kind, t);
    __m512i c0 = mn_codes(kind, t->p, 0), c1 = mn_codes(kind, t->p, 1);
    __m512i c2 = mn_codes(kind, t->p, 2), c3 = mn_codes(kind, t->p, 3);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 s = products(kind, w.s, x[i].scale), sum = acc[i];
        sum = part(kind, 0, c0, &x[i], s, sum);
        sum = part(kind, 1, c1, &x[i], s, sum);
        sum = part(kind, 2, c2, &x[i], s, sum);
        sum = part(kind, 3, c3, &x[i], s, sum);
        if (mn_has_min(kind) && mn_group(kind) == 16)
            sum = _mm512_fmadd_ps(w.m, _mm512_loadu_ps(x[i].sum), sum);
        else if (mn_has_min(kind))
            sum = _mm512_mask3_fmadd_ps(w.m, mn_8(_mm256_loadu_ps(x[i].sum)), sum, 0xff);
        acc[i] = sum;
    }
}

MN_INLINE void step(int kind, int n, const stream *t, const operand *x, __m512 *acc)
{
    row_step(kind, n, &t[0], x, acc);
    row_step(kind, n, &t[1], x, acc + n);
    row_step(kind, n, &t[2], x, acc + 2 * n);
    row_step(kind, n, &t[3], x, acc + 3 * n);
}

/* y[4][n] = four rows times n tokens. */
MN_INLINE void pass(int kind, int n, int64_t cols, const stream *rows, const operand *tokens,
                    float *y)
{
    int bytes = mn_step_bytes(kind), groups = MN_STEP / mn_group(kind);
    stream t[4] = { rows[0], rows[1], rows[2], rows[3] };
    operand x[MAX_TOKENS];
    __m512 acc[4 * MAX_TOKENS];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) x[i] = tokens[i];
#pragma GCC unroll 16
    for (int i = 0; i < 4 * n; i++) acc[i] = _mm512_setzero_ps();
    uint8_t last[4][MN_STEP_BYTES_MAX] = { 0 };
    for (int64_t c = 0; c < cols; c += MN_STEP) {
        if (cols - c < MN_STEP) {
            for (int r = 0; r < 4; r++) {
                memcpy(last[r], t[r].p, (size_t)((cols - c) * bytes / MN_STEP));
                t[r].p = last[r];
            }
        }
        step(kind, n, t, x, acc);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            prefetch(t[r].p, bytes);
            t[r].p += bytes;
            t[r].s += groups;
            t[r].m += groups;
        }
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            x[i].q += MN_STEP;
            x[i].start += MN_STEP / 4;
            x[i].scale += MN_STEP / 32;
            x[i].sum += groups;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4 * n; i++) y[i] = _mm512_reduce_add_ps(acc[i]);
}

/* ---- a piece of rows ---------------------------------------------------------------- */

/* The start values of one token for this kind's zero point. */
MN_INLINE void make_start(int kind, const int8_t *q, int64_t padded, int32_t *out)
{
    const __m512i zero = _mm512_set1_epi8((char)mn_zero(kind));
    for (int64_t c = 0; c < padded; c += 64) {
        __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), zero,
                                          _mm512_loadu_si512(q + c));
        _mm512_storeu_si512(out + c / 4, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
    }
}

/* A piece is read as four streams of neighbouring rows: more lines are under way at a time
 * than from one stream, and each is long enough for the hardware's prefetcher. */
MN_INLINE void run(int kind, int n, const mn_pack *pack, const mn_job *job, int32_t first,
                   int64_t row, int n_rows, void *scratch)
{
    mn_pack_int8 form = mn_pack_int8_of(pack);
    const mn_weight *w = job->w;
    int64_t n_planes = form.padded / mn_group(kind) + 64;
    float *planes = scratch;
    int32_t *start = (int32_t *)(planes + 8 * n_planes);
    operand x[MAX_TOKENS];
    int left = job->n_tokens - first;
    for (int i = 0; i < n; i++, start += form.padded / 4) {
        int64_t token = mn_job_token(job, i < left ? first + i : job->n_tokens - 1);
        const float *sum = mn_group(kind) == 16 ? form.sum16 + token * 2 * form.n_groups
                                                : form.sum + token * form.n_groups;
        x[i] = (operand){ form.q + token * form.padded, start,
                          form.scale + token * form.n_groups, sum };
        if (mn_zero(kind)) make_start(kind, x[i].q, form.padded, start);
    }
    int each = (n_rows + 3) / 4;
    for (int at = 0; at < each; at++) {
        int64_t rows[4];
        stream t[4];
        float y[4 * MAX_TOKENS];
        for (int r = 0; r < 4; r++) {
            int i = at + r * each;
            rows[r] = row + (i < n_rows ? i : n_rows - 1);
            float *s = planes + 2 * r * n_planes, *m = s + n_planes;
            if (mn_has_planes(kind)) mn_row_planes(kind, w, rows[r], s, m);
            if (mn_has_planes(kind)) prefetch_planes(kind, w, rows[r]);
            t[r] = (stream){ w->data + rows[r] * (int64_t)w->row_bytes, s, m };
        }
        pass(kind, n, w->cols, t, x, y);
        for (int r = 0; r < 4; r++)
            for (int i = 0; i < n && i < left; i++)
                job->y[(first + i) * job->y_stride + rows[r]] =
                    mn_job_finish(job, rows[r], y[r * n + i]);
    }
}

/* ---- the table ---------------------------------------------------------------------- */

#define DEFINE(kind) \
    static void one_##kind(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows, \
                           void *scratch) \
    { run(kind, 1, pack, job, job->n_tokens - 1, row, n_rows, scratch); } \
    static void few_##kind(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows, \
                           void *scratch) \
    { \
        int32_t t = 0, n = job->n_tokens; \
        for (; n - t > 2; t += 4) run(kind, 4, pack, job, t, row, n_rows, scratch); \
        if (n - t == 2) run(kind, 2, pack, job, t, row, n_rows, scratch); \
        else if (n - t == 1) one_##kind(pack, job, row, n_rows, scratch); \
    }
MN_INT8_KINDS(DEFINE)

#define ENTER(kind) \
    t->one[kind] = (mn_kernel){ one_##kind, MN_FORM_INT8, PIECE_ROWS, MN_MOST_PIECES }; \
    t->few[kind] = t->many[kind] = \
        (mn_kernel){ few_##kind, MN_FORM_INT8, PIECE_ROWS, FEW_PIECES };

void mn_matmul_init_avx512(mn_matmul_table *t)
{
    t->make_int8 = make_int8;
    MN_INT8_KINDS(ENTER)
}
