/* One token or a few with 256-bit vectors: the body of matmul_rows_avx2.c and
 * matmul_rows_avxvnni.c, which differ in how 32 bytes are multiplied:
 *
 *   MN_USE_VNNI 1   vpdpbusd: unsigned codes times signed activations, exact
 *   MN_USE_VNNI 0   vpmaddubsw, whose 16-bit sums of two hold for codes below 128; formats
 *                   with codes of 8 bits give it magnitudes, and the activations their sign
 *
 * The scheme is that of matmul_rows_avx512.c with two differences that 16 registers ask for:
 * rows take turns with their accumulators in memory, and zero points are minima (m - zero *
 * s, times the sum of a group's activations).
 *
 * Max error: as matmul_rows_avx512.c.
 */
#include "backend/native/cpu/unpack_avx2.h"

enum { PIECE_ROWS = 28, FEW_PIECES = 3, MAX_TOKENS = 4, PREFETCH_BYTES = 768 };

/* ---- activations -------------------------------------------------------------------- */

MN_INLINE float horizontal_max(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

MN_INLINE float horizontal_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

MN_INLINE int horizontal_sum_int(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void quantise_32(const float *x, int8_t *q, float *scale, float *sum16)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 v[4], max = _mm256_setzero_ps();
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        max = _mm256_max_ps(max, _mm256_and_ps(v[i], magnitude));
    }
    float most = horizontal_max(max), step = most / 127.0f;
    __m256 inverse = _mm256_set1_ps(most > 0 ? 127.0f / most : 0);
    __m256i i32[4];
    for (int i = 0; i < 4; i++) i32[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
    __m256i a = _mm256_packs_epi32(i32[0], i32[1]), b = _mm256_packs_epi32(i32[2], i32[3]);
    __m256i bytes = _mm256_packs_epi16(a, b);
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)q, bytes);
    *scale = step;
    sum16[0] = step * (float)horizontal_sum_int(_mm256_add_epi32(i32[0], i32[1]));
    sum16[1] = step * (float)horizontal_sum_int(_mm256_add_epi32(i32[2], i32[3]));
}

static void make_int8(const mn_pack *pack, int32_t first, int32_t n)
{
    mn_pack_int8 form = mn_pack_int8_of(pack);
    for (int32_t t = first; t < first + n; t++) {
        const float *x = pack->x + t * pack->stride;
        int8_t *q = form.q + t * form.padded;
        float *scale = form.scale + t * form.n_groups, *sum = form.sum + t * form.n_groups;
        float *sum16 = form.sum16 + t * 2 * form.n_groups;
        for (int64_t g = 0; g < form.n_groups; g++) {
            int64_t c = g * 32, left = pack->cols - c;
            float part[32] = { 0 };
            if (left > 0 && left < 32) memcpy(part, x + c, (size_t)left * sizeof *x);
            quantise_32(left < 32 ? part : x + c, q + c, scale + g, sum16 + 2 * g);
            sum[g] = sum16[2 * g] + sum16[2 * g + 1];
        }
    }
}

/* ---- one pass: four rows, up to four tokens ------------------------------------------- */

typedef struct {
    const uint8_t *p;                   /* a row's codes, */
    const float *s, *m;                 /* and scale planes, at the current step */
} stream;

MN_INLINE void prefetch(const stream t[4], int64_t bytes)
{
    for (int r = 0; r < 4; r++)
        for (int64_t at = 0; at < bytes; at += 64)
            _mm_prefetch((const char *)t[r].p + PREFETCH_BYTES + at, _MM_HINT_T0);
}

/* Last steps are read from copies: they may be short, and streams read a little too much. */
typedef uint8_t last_step[MN_STEP_BYTES_MAX + 8];

static void copy_last(stream t[4], last_step copy[4], int64_t bytes)
{
    for (int r = 0; r < 4; r++) {
        memcpy(copy[r], t[r].p, (size_t)bytes);
        t[r].p = copy[r];
    }
}

typedef struct {                        /* a token's activations at the current step */
    const int8_t *q;
    const float *scale, *sum;           /* sum: per group of the weight */
} operand;

/* Codes that are given to the multiplication as signed numbers, less 128. */
MN_INLINE bool is_signed(int kind)
{
    return !MN_USE_VNNI && mn_zero(kind) == 128;
}

MN_INLINE int zero_of(int kind) { return mn_zero(kind) - (is_signed(kind) ? 128 : 0); }
MN_INLINE bool has_min(int kind) { return mn_has_min(kind) || zero_of(kind) != 0; }

/* Sums of 4 neighbouring products. */
MN_INLINE __m256i dot_32(int kind, __m256i codes, __m256i x)
{
#if MN_USE_VNNI
    return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), codes, x);
#else
    if (is_signed(kind)) {
        __m256i v = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
        codes = _mm256_abs_epi8(v);
        x = _mm256_sign_epi8(x, v);
    }
    return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x), _mm256_set1_epi16(1));
#endif
}

MN_INLINE mn_scales stream_scales(int kind, const stream *t)
{
    const float *at_s = t->s, *at_m = t->m;
    mn_scales w = mn_next_scales(kind, t->p, &at_s, &at_m);
    if (zero_of(kind)) {
        const __m256 zero = _mm256_set1_ps((float)zero_of(kind));
        w.m[0] = _mm256_fnmadd_ps(w.s[0], zero, w.m[0]);
        if (mn_group(kind) == 16) w.m[1] = _mm256_fnmadd_ps(w.s[1], zero, w.m[1]);
    }
    return w;
}

/* Weight scales times activation scales of one step. */
MN_INLINE void products(int kind, const mn_scales *w, const float *x_scale, float out[16])
{
    __m256 x = _mm256_loadu_ps(x_scale);
    if (mn_group(kind) == 32) {
        _mm256_store_ps(out, _mm256_mul_ps(w->s[0], x));
        return;
    }
    __m256 low = _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
    __m256 high = _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7));
    _mm256_store_ps(out, _mm256_mul_ps(w->s[0], low));
    _mm256_store_ps(out + 8, _mm256_mul_ps(w->s[1], high));
}

/* The scales of part i, over its 8 lanes. */
MN_INLINE __m256 part_scale(int kind, const float *s, int i)
{
    if (mn_group(kind) == 32) return _mm256_broadcast_ss(s + i);
    const __m256i halves = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    __m256d two = _mm256_broadcast_sd((const double *)(const void *)(s + 2 * i));
    return _mm256_permutevar_ps(_mm256_castpd_ps(two), halves);
}

/* What a row's step of 256 columns needs before its products, for up to MAX_TOKENS tokens. */
typedef struct {
    _Alignas(32) float s[MAX_TOKENS][16];       /* scales by group, weight times activation */
    __m256 min[MAX_TOKENS];                     /* what minima and zero points add */
} step_scales;

MN_INLINE void row_scales(int kind, int n, const stream *t, const operand *x, step_scales *out)
{
    mn_scales w = stream_scales(kind, t);
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
        products(kind, &w, x[k].scale, out->s[k]);
        if (!has_min(kind)) continue;
        out->min[k] = _mm256_mul_ps(w.m[0], _mm256_loadu_ps(x[k].sum));
        if (mn_group(kind) == 16)
            out->min[k] = _mm256_fmadd_ps(w.m[1], _mm256_loadu_ps(x[k].sum + 8), out->min[k]);
    }
}

/* One row, one step of 256 columns, n tokens.  Even and odd parts have sums of their own: one
 * chain of eight multiply-adds would take longer than all the rest. */
MN_INLINE void row_step(int kind, int n, const stream *t, const step_scales *s, const operand *x,
                        __m256 *acc)
{
    __m256 sum[MAX_TOKENS][2];
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
        sum[k][0] = acc[k];
        sum[k][1] = has_min(kind) ? s->min[k] : _mm256_setzero_ps();
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i codes = mn_codes(kind, t->p, i);
#pragma GCC unroll 4
        for (int k = 0; k < n; k++) {
            __m256i q = _mm256_loadu_si256((const __m256i *)(x[k].q + 32 * i));
            __m256 dot = _mm256_cvtepi32_ps(dot_32(kind, codes, q));
            sum[k][i % 2] = _mm256_fmadd_ps(dot, part_scale(kind, s->s[k], i), sum[k][i % 2]);
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) acc[k] = _mm256_add_ps(sum[k][0], sum[k][1]);
}

/* y[4][n] = four rows times n tokens. */
MN_INLINE void pass(int kind, int n, int64_t cols, const stream *rows, const operand *tokens,
                    float *y)
{
    const int bytes = mn_step_bytes(kind), groups = MN_STEP / mn_group(kind);
    stream t[4] = { rows[0], rows[1], rows[2], rows[3] };
    operand x[MAX_TOKENS];
    __m256 acc[4 * MAX_TOKENS];
    last_step last[4];
    if (cols % MN_STEP) memset(last, 0, sizeof last);
    for (int i = 0; i < n; i++) x[i] = tokens[i];
    for (int i = 0; i < 4 * n; i++) acc[i] = _mm256_setzero_ps();
    for (int64_t c = 0; c < cols; c += MN_STEP) {
        if (cols - c <= MN_STEP) copy_last(t, last, (cols - c) * bytes / MN_STEP);
        else prefetch(t, bytes);
        step_scales s[4];               /* of all rows first: they take long, but overlap */
        for (int r = 0; r < 4; r++) row_scales(kind, n, &t[r], x, &s[r]);
        for (int r = 0; r < 4; r++) {
            row_step(kind, n, &t[r], &s[r], x, acc + r * n);
            t[r].p += bytes;
            t[r].s += groups;
            t[r].m += groups;
        }
        for (int i = 0; i < n; i++) {
            x[i].q += MN_STEP;
            x[i].scale += MN_STEP / 32;
            x[i].sum += groups;
        }
    }
    for (int i = 0; i < 4 * n; i++) y[i] = horizontal_sum(acc[i]);
}

/* ---- a piece of rows ---------------------------------------------------------------- */

/* n tokens from `first` on.  A piece is read as four streams of neighbouring rows: more
 * lines are under way at a time than from one. */
MN_INLINE void run(int kind, int n, const mn_pack *pack, const mn_job *job, int32_t first,
                   int64_t row, int n_rows, void *scratch)
{
    mn_pack_int8 form = mn_pack_int8_of(pack);
    const mn_weight *w = job->w;
    int64_t n_planes = form.padded / mn_group(kind) + 32;
    float *planes = scratch;
    operand x[MAX_TOKENS];
    int left = job->n_tokens - first, each = (n_rows + 3) / 4;
    for (int i = 0; i < n; i++) {
        int64_t token = mn_job_token(job, i < left ? first + i : job->n_tokens - 1);
        x[i] = (operand){ form.q + token * form.padded, form.scale + token * form.n_groups,
                          mn_group(kind) == 16 ? form.sum16 + token * 2 * form.n_groups
                                               : form.sum + token * form.n_groups };
    }
    for (int at = 0; at < each; at++) {
        int64_t rows[4];
        stream t[4];
        float y[4 * MAX_TOKENS];
        for (int r = 0; r < 4; r++) {
            int i = at + r * each;
            rows[r] = row + (i < n_rows ? i : n_rows - 1);
            float *s = planes + 2 * r * n_planes, *m = s + n_planes;
            if (mn_has_planes(kind)) mn_row_planes(kind, w, rows[r], 0, w->cols, s, m);
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
        for (; n - t > 1; t += 4) run(kind, 4, pack, job, t, row, n_rows, scratch); \
        if (n - t == 1) one_##kind(pack, job, row, n_rows, scratch); \
    }
MN_INT8_KINDS(DEFINE)

#define ENTER(kind) \
    t->one[kind] = (mn_kernel){ one_##kind, MN_FORM_INT8, PIECE_ROWS, MN_MOST_PIECES }; \
    t->few[kind] = t->many[kind] = \
        (mn_kernel){ few_##kind, MN_FORM_INT8, PIECE_ROWS, FEW_PIECES };

static void enter_all(mn_matmul_table *t)
{
    t->make_int8 = make_int8;
    MN_INT8_KINDS(ENTER)
}
