/* Many tokens: bf16 matrix products on AMX tiles.
 *
 * A piece of up to 256 rows is decoded to bf16 a chunk of 2048 columns at a time (1 MiB,
 * which stays in the second-level cache) and multiplied with all tokens:
 *
 *     C[16 rows, 16 tokens] += A[16 rows, 32 columns] . B[32 columns, 16 tokens]
 *
 * Rows as they are decoded are A tiles; tokens are packed into B tiles once per matmul
 * (pairs of columns side by side, as the instruction wants them).  Four C tiles, two by
 * two, live in registers over a whole chunk: 4 tile loads for 4 multiplications.
 *
 *     panel   [rows / 16][chunk / 32][16][32] bf16
 *     tokens  [n_tokens / 16][padded / 32][16][16][2] bf16
 *     sums    [rows / 16][n_tokens / 16][16 rows][16 tokens] f32, where columns exceed a
 *             chunk
 *
 * (1) Error: weights and activations rounded to bf16, relative 2^-9 each; sums are f32.
 *     NMSE about 4e-6, a thirtieth of what 8-bit activations cost.
 * (2) The tile configuration is set and released inside each call.
 * (3) Tokens past the end are zero in the pack; rows past the end are not stored.
 */
#include "backend/native/cpu/decode_bf16_avx512.h"
#include "backend/native/cpu/tiles_avx512.h"
#include "backend/native/cpu/tiles_amx.h"

enum { PIECE = 256, CHUNK = 2048, TOKENS = 512, TILE_BYTES = 1024 };

typedef struct {
    uint8_t panel[PIECE * CHUNK * 2];
    float sums[PIECE * TOKENS];
    float stage[4][256];
    float planes[];
} scratch_layout;

/* ---- tokens ------------------------------------------------------------------------- */

MN_INLINE __m512i bf16_line(const float *x, int64_t n)
{
    __mmask16 low = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    __mmask16 high = n >= 32 ? 0xffff : n > 16 ? (__mmask16)((1u << (n - 16)) - 1) : 0;
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + 16),
                                        _mm512_maskz_loadu_ps(low, x));
}

static void make_bf16(const mn_pack *pack, const int32_t *tokens, int n, int64_t tile)
{
    mn_pack_bf16 form = mn_pack_bf16_of(pack);
    uint8_t *out = (uint8_t *)form.tiles + tile * form.padded * 32;
    const float *x[16];
    for (int i = 0; i < 16; i++) x[i] = pack->x + tokens[i < n ? i : 0] * pack->stride;
    for (int64_t c = 0; c < form.padded; c += 32, out += TILE_BYTES) {
        __m512i r[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) r[i] = bf16_line(x[i] + c, i < n ? pack->cols - c : 0);
        mn_transpose_16(r);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + 64 * i, r[i]);
    }
}

/* ---- tiles -------------------------------------------------------------------------- */

typedef struct {
    float *c[2][2];                     /* [row tile][token tile], 1 KiB each */
    bool add;                           /* to what is there */
} sums_2x2;

/* a0, a1 and b0, b1: runs of n_steps tiles.  `next` is brought nearer meanwhile. */
static void multiply_2x2(const uint8_t *a0, const uint8_t *a1, const uint8_t *b0,
                         const uint8_t *b1, int64_t n_steps, const uint8_t *next, sums_2x2 s)
{
    if (s.add) {
        _tile_loadd(0, s.c[0][0], 64);
        _tile_loadd(1, s.c[0][1], 64);
        _tile_loadd(2, s.c[1][0], 64);
        _tile_loadd(3, s.c[1][1], 64);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t i = 0; i < n_steps; i++) {
        int64_t at = i * TILE_BYTES;
        _tile_loadd(4, a0 + at, 64);
        _tile_loadd(6, b0 + at, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b1 + at, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a1 + at, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        for (int k = 0; k < 4; k++) _mm_prefetch((const char *)next + 256 * i + 64 * k, _MM_HINT_T1);
    }
    _tile_stored(0, s.c[0][0], 64);
    _tile_stored(1, s.c[0][1], 64);
    _tile_stored(2, s.c[1][0], 64);
    _tile_stored(3, s.c[1][1], 64);
}

/* ---- a piece of rows ---------------------------------------------------------------- */

typedef struct {
    const mn_pack_bf16 *form;
    const mn_job *job;
    int64_t row, col;
    int n_rows;
    int32_t token, n_tokens;            /* of this block of TOKENS */
    int64_t n_steps, n_panel_steps;     /* tiles in this chunk; between rows of the panel */
    scratch_layout *s;
} block;

static void multiply_block(const block *b)
{
    int row_tiles = (b->n_rows + 15) / 16, token_tiles = (b->n_tokens + 15) / 16;
    int64_t tile_run = b->form->padded * 32, panel_run = b->n_panel_steps * TILE_BYTES;
    bool first = b->col == 0, last = b->col + CHUNK >= b->job->w->cols;
    const uint8_t *tokens = (const uint8_t *)b->form->tiles +
                            (b->job->first_token + b->token) / 16 * tile_run +
                            b->col * 32;
    for (int j = 0; j < token_tiles; j += 2) {
        int j1 = j + 1 < token_tiles ? j + 1 : j;
        const uint8_t *b0 = tokens + j * tile_run, *b1 = tokens + j1 * tile_run;
        const uint8_t *next = j + 2 < token_tiles ? b0 + 2 * tile_run : b0;
        for (int i = 0; i < row_tiles; i += 2) {
            int i1 = i + 1 < row_tiles ? i + 1 : i;
            float *sums = b->s->sums + (i * token_tiles + j) * 256;
            sums_2x2 c = { { { b->s->stage[0], b->s->stage[1] },
                             { b->s->stage[2], b->s->stage[3] } }, !first };
            if (!first || !last) {
                c.c[0][0] = sums;
                c.c[0][1] = j1 > j ? sums + 256 : b->s->stage[1];
                c.c[1][0] = i1 > i ? sums + token_tiles * 256 : b->s->stage[2];
                c.c[1][1] = j1 > j && i1 > i ? sums + token_tiles * 256 + 256 : b->s->stage[3];
            }
            multiply_2x2(b->s->panel + i * panel_run, b->s->panel + i1 * panel_run, b0, b1,
                         b->n_steps, next + (int64_t)i * 8192, c);
            if (!last) continue;
            for (int k = 0; k < 4; k++) {
                int ri = i + k / 2, tj = j + k % 2;
                int rows_left = b->n_rows - 16 * ri, tokens_left = b->n_tokens - 16 * tj;
                if (rows_left <= 0 || tokens_left <= 0) continue;
                mn_put_tile(b->job, c.c[k / 2][k % 2], b->row + 16 * ri,
                         rows_left < 16 ? rows_left : 16, b->token + 16 * tj,
                         tokens_left < 16 ? tokens_left : 16);
            }
        }
    }
}

MN_INLINE bool is_float(int kind)
{
    return kind == MN_BF16 || kind == MN_F8_E4M3 || kind == MN_MLX_MXFP8;
}

MN_INLINE void run(int kind, const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                   void *scratch)
{
    mn_pack_bf16 form = mn_pack_bf16_of(pack);
    scratch_layout *s = scratch;
    const mn_weight *w = job->w;
    mn_tile_load_full();
    for (int32_t t = 0; t < job->n_tokens; t += TOKENS) {
        block b = { .form = &form, .job = job, .row = row, .n_rows = n_rows, .token = t, .s = s };
        b.n_tokens = job->n_tokens - t < TOKENS ? job->n_tokens - t : TOKENS;
        for (b.col = 0; b.col < w->cols; b.col += CHUNK) {
            int64_t n_cols = w->cols - b.col < CHUNK ? w->cols - b.col : CHUNK;
            b.n_steps = (n_cols + 31) / 32;
            b.n_panel_steps = (n_cols + MN_STEP - 1) / MN_STEP * 8;
            for (int r = 0; r < n_rows; r++) {
                uint8_t *out = s->panel + (int64_t)(r / 16) * b.n_panel_steps * TILE_BYTES +
                               r % 16 * 64;
                if (is_float(kind))
                    mn_float_row_bf16(kind, w, row + r, b.col, n_cols, out, TILE_BYTES);
                else
                    mn_row_bf16(kind, w, row + r, b.col, n_cols, s->planes, out, TILE_BYTES);
            }
            multiply_block(&b);
        }
    }
    _tile_release();
}

/* ---- the table ---------------------------------------------------------------------- */

/* F16 is not here: three bits of its mantissa would be lost in bf16. */
#define KINDS(X) MN_INT8_KINDS(X) X(MN_BF16) X(MN_F8_E4M3) X(MN_MLX_MXFP8)

#define DEFINE(kind) \
    static void many_##kind(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows, \
                            void *scratch) \
    { run(kind, pack, job, row, n_rows, scratch); }
KINDS(DEFINE)

#define ENTER(kind) \
    t->many[kind] = (mn_kernel){ many_##kind, MN_FORM_BF16, PIECE, 1 }; \
    t->many_from[kind] = 6;

void mn_matmul_init_amx(mn_matmul_table *t)
{
    t->make_bf16 = make_bf16;
    KINDS(ENTER)
}
