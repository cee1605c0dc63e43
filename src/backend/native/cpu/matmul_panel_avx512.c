/* Many tokens: 8-bit matrix products with AVX-512 VNNI.
 *
 * Lanes are tokens.  A piece of 48 rows is expanded to unsigned bytes in the thread's own
 * cache, as rows; each group of 4 columns of a row is broadcast and multiplied with 16
 * tokens at a time (vpdpbusd), whose 8-bit activations were packed once per matmul:
 *
 *     tile of 16 tokens   q      [padded / 4][16 tokens][4]
 *                         scale  [groups of 32][16]
 *                         sum    [groups of 32][16], sum16 [groups of 16][16]
 *                         count  the same sums in integers, without the scale
 *
 * Six rows times 32 tokens (or twelve times 16) are summed in registers over a group;
 * then comes one conversion and one multiply-add with weight scale times activation scale.
 * Zero points cost nothing: sums start at -zero * (sum of q).  Minima are one more
 * multiply-add per group.
 *
 * Max error: as matmul_rows_avx512.c.
 */
#include "backend/native/cpu/tiles_avx512.h"
#include "backend/native/cpu/unpack_avx512.h"

enum { PIECE = 48, CHUNK = 4096, TOKENS = 512, ROWS = 6 };

typedef struct {
    uint8_t codes[PIECE][CHUNK];
    float scale[PIECE][CHUNK / 16 + 16], min[PIECE][CHUNK / 16 + 16];
    float sums[PIECE][TOKENS];
    float stage[2][16][16];
    float planes[];
} scratch_layout;

/* ---- tokens ------------------------------------------------------------------------- */

/* Scale of 32 columns of 16 tokens, lane = token; columns are rows of `x`. */
static void make_tile_group(const __m512 x[32], int8_t *q, float *scale, float *sum,
                            float *sum16, int32_t *count, int32_t *count16)
{
    __m512 max = _mm512_setzero_ps();
    for (int c = 0; c < 32; c++) max = _mm512_max_ps(max, _mm512_abs_ps(x[c]));
    __mmask16 some = _mm512_cmp_ps_mask(max, _mm512_setzero_ps(), _CMP_GT_OQ);
    __m512 step = _mm512_mul_ps(max, _mm512_set1_ps(1.0f / 127));
    __m512 inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(127), max);
    _mm512_storeu_ps(scale, step);
    __m512i total[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    for (int c = 0; c < 32; c += 4, q += 64) {
        __m512i packed = _mm512_setzero_si512();
        for (int k = 0; k < 4; k++) {
            __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(x[c + k], inverse));
            total[c / 16] = _mm512_add_epi32(total[c / 16], v);
            v = _mm512_and_si512(v, _mm512_set1_epi32(255));
            packed = _mm512_or_si512(packed, _mm512_slli_epi32(v, (unsigned)(8 * k)));
        }
        _mm512_storeu_si512(q, packed);
    }
    __m512i both = _mm512_add_epi32(total[0], total[1]);
    _mm512_storeu_si512(count16, total[0]);
    _mm512_storeu_si512(count16 + 16, total[1]);
    _mm512_storeu_si512(count, both);
    _mm512_storeu_ps(sum16, _mm512_mul_ps(_mm512_cvtepi32_ps(total[0]), step));
    _mm512_storeu_ps(sum16 + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(total[1]), step));
    _mm512_storeu_ps(sum, _mm512_mul_ps(_mm512_cvtepi32_ps(both), step));
}

static void make_tiles(const mn_pack *pack, const int32_t *tokens, int n, int64_t at)
{
    mn_pack_tiles form = mn_pack_tiles_of(pack);
    mn_tile tile = mn_tile_of(&form, at);
    for (int64_t g = 0; g < form.n_groups; g++) {
        __m512 x[32];
        for (int half = 0; half < 2; half++) {
            __m512i r[16];
            int64_t c = 32 * g + 16 * half, left = pack->cols - c;
            __mmask16 k = left >= 16 ? 0xffff : left > 0 ? (__mmask16)((1u << left) - 1) : 0;
            for (int i = 0; i < 16; i++)
                r[i] = _mm512_maskz_loadu_epi32(
                    i < n ? k : 0, pack->x + tokens[i < n ? i : 0] * pack->stride + c);
            mn_transpose_16(r);
            for (int i = 0; i < 16; i++) x[16 * half + i] = _mm512_castsi512_ps(r[i]);
        }
        make_tile_group(x, tile.q + g * 512, tile.scale + g * 16, tile.sum + g * 16,
                        tile.sum16 + g * 32, tile.count + g * 16, tile.count16 + g * 32);
    }
}

/* ---- rows to bytes ------------------------------------------------------------------ */

MN_INLINE void expand_row(int kind, const mn_weight *w, int64_t row, int64_t col, int64_t n_cols,
                          scratch_layout *s, int at)
{
    const int bytes = mn_step_bytes(kind), groups = MN_STEP / mn_group(kind);
    const uint8_t *p = w->data + row * (int64_t)w->row_bytes + col / MN_STEP * bytes;
    uint8_t *codes = s->codes[at];
    float *scale = s->scale[at], *min = s->min[at];
    float *plane_s = s->planes, *plane_m = plane_s + w->cols / mn_group(kind) + 80;
    if (mn_has_planes(kind)) mn_row_planes(kind, w, row, plane_s, plane_m);
    const float *at_s = plane_s + col / mn_group(kind), *at_m = plane_m + col / mn_group(kind);
    uint8_t last[MN_STEP_BYTES_MAX] = { 0 };
    for (int64_t c = 0; c < n_cols; c += MN_STEP) {
        if (n_cols - c < MN_STEP) {
            memcpy(last, p, (size_t)((n_cols - c) * bytes / MN_STEP));
            p = last;
        }
        mn_scales w256 = mn_next_scales(kind, p, &at_s, &at_m);
        _mm512_storeu_ps(scale, w256.s);        /* 8 of 16 are overwritten by the next step */
        if (mn_has_min(kind)) _mm512_storeu_ps(min, w256.m);
        _mm512_storeu_si512(codes, mn_codes(kind, p, 0));
        _mm512_storeu_si512(codes + 64, mn_codes(kind, p, 1));
        _mm512_storeu_si512(codes + 128, mn_codes(kind, p, 2));
        _mm512_storeu_si512(codes + 192, mn_codes(kind, p, 3));
        p += bytes;
        codes += MN_STEP;
        scale += groups;
        min += groups;
    }
}

/* ---- the kernel --------------------------------------------------------------------- */

/* acc[rows][tiles] += products of n_groups groups; w, s, m: rows CHUNK and SCALES apart.
 * rows * tiles is 12. */
enum { SCALES = CHUNK / 16 + 16 };

MN_INLINE void multiply_groups(int kind, int rows, int tiles, const uint8_t *w, const float *s,
                               const float *m, const mn_tile *x, int64_t group, int64_t n_groups,
                               __m512 *acc)
{
    const int width = mn_group(kind), zero = mn_zero(kind);
    for (int64_t g = 0; g < n_groups; g++) {
        __m512i dot[12];
        int64_t at = (group + g) * 16;
#pragma GCC unroll 2
        for (int t = 0; t < tiles; t++) {
            __m512i start = _mm512_setzero_si512();
            if (zero) {
                start = _mm512_loadu_si512((width == 16 ? x[t].count16 : x[t].count) + at);
                start = _mm512_mullo_epi32(start, _mm512_set1_epi32(-zero));
            }
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) dot[r * tiles + t] = start;
        }
#pragma GCC unroll 8
        for (int k = 0; k < width / 4; k++) {
            __m512i q[2];
#pragma GCC unroll 2
            for (int t = 0; t < tiles; t++)
                q[t] = _mm512_loadu_si512(x[t].q + (group + g) * width * 16 + 64 * k);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, w + r * CHUNK + g * width + 4 * k, 4);
                __m512i codes = _mm512_set1_epi32(four);
#pragma GCC unroll 2
                for (int t = 0; t < tiles; t++)
                    dot[r * tiles + t] = _mm512_dpbusd_epi32(dot[r * tiles + t], codes, q[t]);
            }
        }
#pragma GCC unroll 2
        for (int t = 0; t < tiles; t++) {
            __m512 scale = _mm512_loadu_ps(x[t].scale + (width == 16 ? (group + g) / 2 * 16 : at));
            __m512 sum = _mm512_loadu_ps((width == 16 ? x[t].sum16 : x[t].sum) + at);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                __m512 f = _mm512_cvtepi32_ps(dot[r * tiles + t]);
                __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(s[r * SCALES + g]));
                __m512 a = _mm512_fmadd_ps(f, both, acc[r * tiles + t]);
                if (mn_has_min(kind))
                    a = _mm512_fmadd_ps(sum, _mm512_set1_ps(m[r * SCALES + g]), a);
                acc[r * tiles + t] = a;
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

/* `rows` rows from row `at` of the panel, one or two tiles from token tile j of the block. */
MN_INLINE void multiply_tiles(int kind, int rows, int tiles, const block *b, int at, int j)
{
    mn_tile x[2];
    __m512 acc[12];
    int64_t first = (b->job->first_token + b->token) / 16 + j;
    for (int t = 0; t < tiles; t++) x[t] = mn_tile_of(b->form, first + t);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int t = 0; t < tiles; t++)
            acc[r * tiles + t] = b->col ? _mm512_loadu_ps(&b->s->sums[at + r][16 * (j + t)])
                                        : _mm512_setzero_ps();
    multiply_groups(kind, rows, tiles, b->s->codes[at], b->s->scale[at], b->s->min[at], x,
                    b->col / mn_group(kind), (b->n_cols + mn_group(kind) - 1) / mn_group(kind),
                    acc);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int t = 0; t < tiles; t++)
            _mm512_storeu_ps(&b->s->sums[at + r][16 * (j + t)], acc[r * tiles + t]);
}

MN_INLINE void multiply_block(int kind, const block *b)
{
    int n_tiles = (b->n_tokens + 15) / 16, j = 0;
    for (; j + 2 <= n_tiles; j += 2)
        for (int at = 0; at < b->n_rows; at += ROWS) multiply_tiles(kind, ROWS, 2, b, at, j);
    if (j < n_tiles)
        for (int at = 0; at < b->n_rows; at += 2 * ROWS)
            multiply_tiles(kind, 2 * ROWS, 1, b, at, j);
}

static void put_block(const block *b)
{
    for (int t = 0; t < b->n_tokens; t += 16)
        for (int r = 0; r < b->n_rows; r += 16) {
            float (*stage)[16] = b->s->stage[0];
            int n_rows = b->n_rows - r < 16 ? b->n_rows - r : 16;
            int n_tokens = b->n_tokens - t < 16 ? b->n_tokens - t : 16;
            for (int i = 0; i < 16; i++)
                _mm512_storeu_ps(stage[i], _mm512_loadu_ps(&b->s->sums[r + (i < n_rows ? i : 0)][t]));
            mn_put_tile(b->job, stage[0], b->row + r, n_rows, b->token + t, n_tokens);
        }
}

MN_INLINE void run(int kind, const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                   void *scratch)
{
    mn_pack_tiles form = mn_pack_tiles_of(pack);
    scratch_layout *s = scratch;
    const mn_weight *w = job->w;
    for (int32_t t = 0; t < job->n_tokens; t += TOKENS) {
        block b = { .form = &form, .job = job, .row = row, .n_rows = n_rows, .token = t, .s = s };
        b.n_tokens = job->n_tokens - t < TOKENS ? job->n_tokens - t : TOKENS;
        for (b.col = 0; b.col < w->cols; b.col += CHUNK) {
            b.n_cols = w->cols - b.col < CHUNK ? w->cols - b.col : CHUNK;
            for (int r = 0; r < n_rows; r++) expand_row(kind, w, row + r, b.col, b.n_cols, s, r);
            multiply_block(kind, &b);
        }
        put_block(&b);
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

void mn_matmul_init_panel_avx512(mn_matmul_table *t)
{
    t->make_tiles = make_tiles;
    MN_INT8_KINDS(ENTER)
}
