/* What the files of matrix kernels share: the table's init functions and small helpers.
 * Everything with a body is static inline (no copy built for a newer processor may be
 * linked into code for an older one). */
#ifndef MN_BACKEND_NATIVE_CPU_MATMUL_KERNELS_H
#define MN_BACKEND_NATIVE_CPU_MATMUL_KERNELS_H

#include "backend/native/cpu/matmul.h"

/* Each overwrites the entries that it does better. */
void mn_matmul_init_ref(mn_matmul_table *t);
void mn_matmul_init_float_avx2(mn_matmul_table *t);
void mn_matmul_init_avx2(mn_matmul_table *t);
void mn_matmul_init_panel_avx2(mn_matmul_table *t);
void mn_matmul_init_avxvnni(mn_matmul_table *t);
void mn_matmul_init_panel_avxvnni(mn_matmul_table *t);
void mn_matmul_init_float_avx512(mn_matmul_table *t);
void mn_matmul_init_avx512(mn_matmul_table *t);
void mn_matmul_init_panel_avx512(mn_matmul_table *t);
void mn_matmul_init_amx(mn_matmul_table *t);

/* The exact kernel, for any type. */
mn_matmul_fn mn_matmul_ref;

enum { MN_SCRATCH_BYTES = 2 << 20 };

/* Row of the pack that holds the i-th token of a job. */
static inline int64_t mn_job_token(const mn_job *job, int32_t i)
{
    return job->tokens ? job->tokens[i] : job->first_token + i;
}

static inline float mn_job_finish(const mn_job *job, int64_t row, float sum)
{
    float y = job->scale != 0 ? sum * job->scale : sum;
    if (job->row_scale) y *= job->row_scale[row];
    return job->bias ? y + job->bias[row] : y;
}

static inline const uint8_t *mn_job_row(const mn_job *job, int64_t row)
{
    return job->w->data + row * job->w->row_bytes;
}

/* The 8-bit form, row by row: x = scale[group] * q, groups of 32 columns. */
typedef struct {
    int64_t padded, n_groups;   /* columns rounded up to 256; groups in those */
    int8_t *q;                  /* [n_tokens, padded]; -127 .. 127, 0 past the end */
    float *scale, *sum;         /* [n_tokens, n_groups]; sum = scale * (sum of q) */
    float *sum16;               /* [n_tokens, 2 * n_groups], the same per 16 columns */
} mn_pack_int8;

static inline mn_pack_int8 mn_pack_int8_of(const mn_pack *p)
{
    mn_pack_int8 f = { .padded = (p->cols + 255) / 256 * 256 };
    f.n_groups = f.padded / 32;
    f.q = (int8_t *)p->memory;
    f.scale = (float *)(p->memory + p->n_tokens * f.padded);
    f.sum = f.scale + p->n_tokens * f.n_groups;
    f.sum16 = f.sum + p->n_tokens * f.n_groups;
    return f;
}

/* Where the tiled forms begin, behind the 8-bit one: bytes from the start of the memory. */
static inline size_t mn_pack_tiles_at(const mn_pack *p)
{
    size_t padded = (size_t)((p->cols + 255) / 256 * 256), groups = padded / 32;
    size_t before = (size_t)p->n_tokens * (padded + 4 * groups * sizeof(float));
    return (before + 63) / 64 * 64;
}

static inline size_t mn_tile_bytes_bf16(const mn_pack *p)
{
    return 32 * (size_t)((p->cols + 31) / 32 * 32);
}

static inline size_t mn_tile_bytes_int8(const mn_pack *p)
{
    size_t padded = (size_t)((p->cols + 255) / 256 * 256), groups = padded / 32;
    return padded * 16 + groups * 16 * 4 * 7;
}

/* The bf16 form (it and the tiles below exclude each other): tiles of 32 columns x 16
 * tokens, [16 column pairs][16 tokens][2]; those of 16 tokens follow one another, zeros past
 * the ends. */
typedef struct {
    int64_t padded;             /* columns rounded up to 32 */
    uint16_t *tiles;            /* [n_tokens / 16][padded / 32][16][16][2] */
} mn_pack_bf16;

static inline mn_pack_bf16 mn_pack_bf16_of(const mn_pack *p)
{
    return (mn_pack_bf16){ .padded = (p->cols + 31) / 32 * 32,
                           .tiles = (uint16_t *)(p->memory + mn_pack_tiles_at(p)) };
}

/* The 8-bit form in tiles of 16 tokens; lane = token.  Zeros past the ends. */
typedef struct {
    int64_t padded, n_groups;   /* columns rounded up to 256; groups of 32 in those */
    size_t tile_bytes;
    uint8_t *tiles;
} mn_pack_tiles;

typedef struct {
    int8_t *q;                  /* [padded / 4][16][4] */
    float *scale;               /* [n_groups][16] */
    int32_t *count, *count16;   /* [n_groups][16], [2 * n_groups][16]: sums of q */
    float *sum, *sum16;         /* the same times scale */
} mn_tile;

static inline mn_pack_tiles mn_pack_tiles_of(const mn_pack *p)
{
    mn_pack_tiles f = { .padded = (p->cols + 255) / 256 * 256 };
    f.n_groups = f.padded / 32;
    f.tile_bytes = mn_tile_bytes_int8(p);
    f.tiles = p->memory + mn_pack_tiles_at(p);
    return f;
}

static inline mn_tile mn_tile_of(const mn_pack_tiles *f, int64_t i)
{
    mn_tile t = { .q = (int8_t *)(f->tiles + (size_t)i * f->tile_bytes) };
    t.scale = (float *)(t.q + f->padded * 16);
    t.count = (int32_t *)(t.scale + f->n_groups * 16);
    t.count16 = t.count + f->n_groups * 16;
    t.sum = (float *)(t.count16 + 2 * f->n_groups * 16);
    t.sum16 = t.sum + f->n_groups * 16;
    return t;
}

#endif
