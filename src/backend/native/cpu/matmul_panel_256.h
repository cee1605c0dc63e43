/* Many tokens with 256-bit vectors: the body of matmul_panel_avx2.c and
 * matmul_panel_avxvnni.c.  The scheme is that of matmul_panel_avx512.c, with the same tiles:
 * lanes are tokens, a piece of rows is expanded to bytes, four neighbouring columns of a row
 * are broadcast and multiplied with 8 tokens at a time.
 *
 *   MN_USE_VNNI 1   vpdpbusd sums four products in 32 bits
 *   MN_USE_VNNI 0   vpmaddubsw sums two in 16 bits, which have room for more: 8 such sums of
 *                   4-bit codes, 4 of 5-bit ones (depth()).  They are added up there, and
 *                   only then widened by vpmaddwd, so that a product costs little more than
 *                   one instruction and not three.  Codes of 8 bits would overflow: they
 *                   become two rows of 4 bits each, of which the upper counts 16 times.
 *
 * Four rows of codes times a tile of 16 tokens are summed in registers over a group.
 *
 * Max error: as matmul_rows_avx512.c.
 */
#include "backend/native/cpu/unpack_avx2.h"

enum {
    PIECE = 48, CHUNK = 1024, TOKENS = 512,
    LANES = 4,                          /* rows of codes that are multiplied together */
    STRIDE = CHUNK + 64,                /* of codes: not all in the same cache sets */
    SCALES = CHUNK / 16 + 16
};

typedef struct {
    uint8_t codes[2 * PIECE][STRIDE];
    float scale[PIECE][SCALES], min[PIECE][SCALES];
    float sums[PIECE][TOKENS];
    float plane_scale[SCALES + 16], plane_min[SCALES + 16];     /* of one row */
} scratch_layout;

_Static_assert(sizeof(scratch_layout) <= MN_SCRATCH_BYTES, "scratch");

/* ---- tokens ------------------------------------------------------------------------- */

MN_INLINE void transpose_8(__m256 r[8])
{
    __m256 t[8], u[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* 32 columns of 8 tokens (lane = token), which are one half of a tile's lines. */
static void make_half_group(const __m256 x[32], int8_t *q, float *scale, float *sum,
                            float *sum16, int32_t *count, int32_t *count16)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 max = _mm256_setzero_ps();
    for (int c = 0; c < 32; c++) max = _mm256_max_ps(max, _mm256_and_ps(x[c], magnitude));
    __m256 some = _mm256_cmp_ps(max, _mm256_setzero_ps(), _CMP_GT_OQ);
    __m256 step = _mm256_mul_ps(max, _mm256_set1_ps(1.0f / 127));
    __m256 inverse = _mm256_and_ps(some, _mm256_div_ps(_mm256_set1_ps(127), max));
    _mm256_storeu_ps(scale, step);
    __m256i total[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (int c = 0; c < 32; c += 4, q += 64) {
        __m256i packed = _mm256_setzero_si256();
        for (int k = 0; k < 4; k++) {
            __m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(x[c + k], inverse));
            total[c / 16] = _mm256_add_epi32(total[c / 16], v);
            v = _mm256_and_si256(v, _mm256_set1_epi32(255));
            packed = _mm256_or_si256(packed, _mm256_slli_epi32(v, 8 * k));
        }
        _mm256_storeu_si256((__m256i *)q, packed);
    }
    __m256i both = _mm256_add_epi32(total[0], total[1]);
    _mm256_storeu_si256((__m256i *)count16, total[0]);
    _mm256_storeu_si256((__m256i *)(count16 + 16), total[1]);
    _mm256_storeu_si256((__m256i *)count, both);
    _mm256_storeu_ps(sum16, _mm256_mul_ps(_mm256_cvtepi32_ps(total[0]), step));
    _mm256_storeu_ps(sum16 + 16, _mm256_mul_ps(_mm256_cvtepi32_ps(total[1]), step));
    _mm256_storeu_ps(sum, _mm256_mul_ps(_mm256_cvtepi32_ps(both), step));
}

/* Columns c .. c + 7 of up to 8 tokens; zeros past the ends. */
MN_INLINE void load_columns(const mn_pack *pack, const int32_t *tokens, int n, int64_t c,
                            __m256 x[8])
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int64_t left = pack->cols - c;
    int there = left >= 8 ? 8 : left > 0 ? (int)left : 0;
    __m256i k = _mm256_cmpgt_epi32(_mm256_set1_epi32(there), lane);
    for (int i = 0; i < 8; i++)
        x[i] = i < n && there ? _mm256_maskload_ps(pack->x + tokens[i] * pack->stride + c, k)
                              : _mm256_setzero_ps();
    transpose_8(x);
}

static void make_tiles(const mn_pack *pack, const int32_t *tokens, int n, int64_t at)
{
    mn_pack_tiles form = mn_pack_tiles_of(pack);
    mn_tile tile = mn_tile_of(&form, at);
    for (int64_t g = 0; g < form.n_groups; g++)
        for (int half = 0; half < 16; half += 8) {
            __m256 x[32];
            for (int c = 0; c < 32; c += 8)
                load_columns(pack, tokens + half, n - half, 32 * g + c, x + c);
            make_half_group(x, tile.q + g * 512 + 4 * half, tile.scale + g * 16 + half,
                            tile.sum + g * 16 + half, tile.sum16 + g * 32 + half,
                            tile.count + g * 16 + half, tile.count16 + g * 32 + half);
        }
}

/* ---- rows to bytes ------------------------------------------------------------------ */

/* Rows of codes that a row becomes. */
MN_INLINE int n_parts(int kind) { return !MN_USE_VNNI && mn_max_code(kind) > 127 ? 2 : 1; }

MN_INLINE void put_codes(int kind, __m256i codes, uint8_t *out)
{
    if (n_parts(kind) == 1) {
        _mm256_storeu_si256((__m256i *)out, codes);
        return;
    }
    _mm256_storeu_si256((__m256i *)out, mn_bits(codes, 0, 4));
    _mm256_storeu_si256((__m256i *)(out + STRIDE), mn_bits(codes, 4, 4));
}

MN_INLINE void expand_row(int kind, const mn_weight *w, int64_t row, int64_t col, int64_t n_cols,
                          scratch_layout *s, int at)
{
    const int bytes = mn_step_bytes(kind), groups = MN_STEP / mn_group(kind);
    const uint8_t *p = w->data + row * (int64_t)w->row_bytes + col / MN_STEP * bytes;
    uint8_t *codes = s->codes[at * n_parts(kind)];
    float *scale = s->scale[at], *min = s->min[at];
    if (mn_has_planes(kind))
        mn_row_planes(kind, w, row, col, n_cols, s->plane_scale, s->plane_min);
    const float *at_s = s->plane_scale, *at_m = s->plane_min;
    uint8_t last[MN_STEP_BYTES_MAX + 8] = { 0 };        /* and what streams read too many */
    for (int64_t c = 0; c < n_cols; c += MN_STEP) {
        if (n_cols - c <= MN_STEP) {
            memcpy(last, p, (size_t)((n_cols - c) * bytes / MN_STEP));
            p = last;
        }
        mn_scales w256 = mn_next_scales(kind, p, &at_s, &at_m);
        _mm256_storeu_ps(scale, w256.s[0]);
        if (groups == 16) _mm256_storeu_ps(scale + 8, w256.s[1]);
        if (mn_has_min(kind)) _mm256_storeu_ps(min, w256.m[0]);
        if (mn_has_min(kind) && groups == 16) _mm256_storeu_ps(min + 8, w256.m[1]);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) put_codes(kind, mn_codes(kind, p, i), codes + 32 * i);
        p += bytes;
        codes += MN_STEP;
        scale += groups;
        min += groups;
    }
}

/* ---- the kernel --------------------------------------------------------------------- */

/* Sums of vpmaddubsw that 16 bits hold, at most a group's. */
MN_INLINE int depth(int kind)
{
    int fit = 32767 / (2 * 127 * (n_parts(kind) == 2 ? 15 : mn_max_code(kind)));
    int all = mn_group(kind) / 4;
    fit = fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
    return fit < all ? fit : all;
}

/* Makes the compiler sum in the order given: it would rather hold all products of a group,
 * of which most then lie in memory, and add them up as a tree. */
MN_INLINE void keep(__m256i *v) { __asm__("" : "+x"(*v)); }

/* dot[LANES][halves] = LANES rows of codes times one half of a tile or both, over a group;
 * and `start` for all rows. */
MN_INLINE void multiply_group(int kind, int halves, const uint8_t *w, const int8_t *q,
                              const __m256i start[2], __m256i dot[2 * LANES])
{
    const int steps = mn_group(kind) / 4, deep = MN_USE_VNNI ? steps : depth(kind);
#if !MN_USE_VNNI
    const __m256i ones = _mm256_set1_epi16(1);
#endif
#pragma GCC unroll 8
    for (int from = 0; from < steps; from += deep) {
        __m256i sum[2 * LANES];
#pragma GCC unroll 8
        for (int k = from; k < from + deep; k++) {
            __m256i x[2];
#pragma GCC unroll 2
            for (int t = 0; t < halves; t++)
                x[t] = _mm256_load_si256((const __m256i *)(q + 64 * k + 32 * t));
#pragma GCC unroll 4
            for (int r = 0; r < LANES; r++) {
                int32_t four;
                memcpy(&four, w + r * STRIDE + 4 * k, 4);
                __m256i codes = _mm256_set1_epi32(four);
#pragma GCC unroll 2
                for (int t = 0; t < halves; t++) {
                    __m256i *s = &sum[halves * r + t];
#if MN_USE_VNNI
                    *s = _mm256_dpbusd_avx_epi32(k == from ? start[t] : *s, codes, x[t]);
#else
                    __m256i product = _mm256_maddubs_epi16(codes, x[t]);
                    *s = k == from ? product : _mm256_add_epi16(*s, product);
                    keep(s);
#endif
                }
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < halves * LANES; i++) {
#if MN_USE_VNNI
            dot[i] = sum[i];
#else
            __m256i wide = _mm256_madd_epi16(sum[i], ones);
            dot[i] = _mm256_add_epi32(from ? dot[i] : start[i % halves], wide);
#endif
        }
    }
}

/* acc[LANES / parts][halves] += products of n_groups groups. */
MN_INLINE void multiply_groups(int kind, int halves, const uint8_t *w, const float *s, const float *m,
                               const mn_tile *x, int64_t group, int64_t n_groups, __m256 *acc)
{
    const int width = mn_group(kind), zero = mn_zero(kind), parts = n_parts(kind);
    for (int64_t g = 0; g < n_groups; g++) {
        const int64_t at = (group + g) * 16, at_scale = width == 16 ? (group + g) / 2 * 16 : at;
        __m256i start[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        __m256i dot[2 * LANES];
        for (int t = 0; t < halves && zero; t++) {
            const int32_t *count = (width == 16 ? x->count16 : x->count) + at + 8 * t;
            start[t] = _mm256_mullo_epi32(_mm256_loadu_si256((const __m256i *)count),
                                          _mm256_set1_epi32(-zero));
        }
        multiply_group(kind, halves, w + g * width, x->q + (group + g) * width * 16, start, dot);
#pragma GCC unroll 2
        for (int t = 0; t < halves; t++) {
            __m256 scale = _mm256_loadu_ps(x->scale + at_scale + 8 * t);
            __m256 sum = _mm256_loadu_ps((width == 16 ? x->sum16 : x->sum) + at + 8 * t);
#pragma GCC unroll 4
            for (int r = 0; r < LANES / parts; r++) {
                __m256i d = dot[halves * parts * r + t];
                if (parts == 2) {
                    __m256i upper = _mm256_sub_epi32(dot[halves * (parts * r + 1) + t], start[t]);
                    d = _mm256_add_epi32(d, _mm256_slli_epi32(upper, 4));
                }
                __m256 both = _mm256_mul_ps(scale, _mm256_broadcast_ss(s + r * SCALES + g));
                __m256 a = _mm256_fmadd_ps(_mm256_cvtepi32_ps(d), both, acc[halves * r + t]);
                if (mn_has_min(kind))
                    a = _mm256_fmadd_ps(sum, _mm256_broadcast_ss(m + r * SCALES + g), a);
                acc[halves * r + t] = a;
            }
        }
    }
}

typedef struct {
    const mn_pack_tiles *form;
    const mn_job *job;
    int64_t row, col, n_cols;
    int n_rows;
    int32_t token, n_tokens;            /* of this block of TOKENS */
    scratch_layout *s;
} block;

/* The rows of the panel from `at` on that LANES hold, times tile j of the block. */
MN_INLINE void multiply_tile(int kind, int halves, const block *b, int at, int j)
{
    const int n = LANES / n_parts(kind) * halves;
    mn_tile x = mn_tile_of(b->form, (b->job->first_token + b->token) / 16 + j);
    float (*sums)[TOKENS] = &b->s->sums[at];
    __m256 acc[2 * LANES];
#pragma GCC unroll 8
    for (int i = 0; i < n; i++)
        acc[i] = b->col ? _mm256_loadu_ps(&sums[i / halves][16 * j + i % halves * 8])
                        : _mm256_setzero_ps();
    multiply_groups(kind, halves, b->s->codes[at * n_parts(kind)], b->s->scale[at],
                    b->s->min[at], &x, b->col / mn_group(kind),
                    (b->n_cols + mn_group(kind) - 1) / mn_group(kind), acc);
#pragma GCC unroll 8
    for (int i = 0; i < n; i++)
        _mm256_storeu_ps(&sums[i / halves][16 * j + i % halves * 8], acc[i]);
}

MN_INLINE void multiply_block(int kind, const block *b)
{
    const int rows = LANES / n_parts(kind);
    for (int j = 0; 16 * j < b->n_tokens; j++) {
        bool whole = b->n_tokens - 16 * j > 8;
        for (int at = 0; at < b->n_rows; at += rows)
            if (whole) multiply_tile(kind, 2, b, at, j);
            else multiply_tile(kind, 1, b, at, j);
    }
}

/* y of 8 rows x 8 tokens, or what there is of them, from sums[row][token]. */
static void put_sums_8(const block *b, int r, int t)
{
    const mn_job *job = b->job;
    int n_rows = b->n_rows - r < 8 ? b->n_rows - r : 8;
    int n_tokens = b->n_tokens - t < 8 ? b->n_tokens - t : 8;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i k = _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows), lane);
    __m256 scale = _mm256_set1_ps(job->scale != 0 ? job->scale : 1), bias = _mm256_setzero_ps();
    if (job->row_scale)
        scale = _mm256_mul_ps(scale, _mm256_maskload_ps(job->row_scale + b->row + r, k));
    if (job->bias) bias = _mm256_maskload_ps(job->bias + b->row + r, k);
    __m256 tile[8];
    for (int i = 0; i < 8; i++)
        tile[i] = _mm256_loadu_ps(&b->s->sums[r + (i < n_rows ? i : 0)][t]);
    transpose_8(tile);
    float *y = job->y + (b->token + t) * job->y_stride + b->row + r;
    for (int i = 0; i < n_tokens; i++, y += job->y_stride) {
        __m256 out = _mm256_fmadd_ps(tile[i], scale, bias);
        if (n_rows == 8) _mm256_storeu_ps(y, out);
        else _mm256_maskstore_ps(y, k, out);    /* slow where it is microcode */
    }
}

MN_INLINE void run(int kind, const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                   void *scratch)
{
    const int rows = LANES / n_parts(kind), n_all = (n_rows + rows - 1) / rows * rows;
    mn_pack_tiles form = mn_pack_tiles_of(pack);
    scratch_layout *s = scratch;
    const mn_weight *w = job->w;
    for (int32_t t = 0; t < job->n_tokens; t += TOKENS) {
        block b = { .form = &form, .job = job, .row = row, .n_rows = n_rows, .token = t, .s = s };
        b.n_tokens = job->n_tokens - t < TOKENS ? job->n_tokens - t : TOKENS;
        for (b.col = 0; b.col < w->cols; b.col += CHUNK) {
            b.n_cols = w->cols - b.col < CHUNK ? w->cols - b.col : CHUNK;
            for (int r = 0; r < n_all; r++)
                expand_row(kind, w, row + (r < n_rows ? r : n_rows - 1), b.col, b.n_cols, s, r);
            multiply_block(kind, &b);
        }
        for (int j = 0; j < b.n_tokens; j += 8)
            for (int r = 0; r < n_rows; r += 8) put_sums_8(&b, r, j);
    }
}

/* ---- the table ---------------------------------------------------------------------- */

#define DEFINE(kind) \
    static void many_##kind(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows, \
                            void *scratch) \
    { run(kind, pack, job, row, n_rows, scratch); }
MN_INT8_KINDS(DEFINE)

#define ENTER(kind) \
    t->many[kind] = (mn_kernel){ many_##kind, MN_FORM_TILES, PIECE, 1 }; \
    t->many_from[kind] = 6;

static void enter_all(mn_matmul_table *t)
{
    t->make_tiles = make_tiles;
    MN_INT8_KINDS(ENTER)
}
