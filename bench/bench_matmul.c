/* Matrix kernels beside the machine's limits.
 *
 *     build/bench/bench_matmul [threads [isa [type]]]
 *
 * For each format a matrix larger than the caches is multiplied with 1, 2, 4, 8, 32, 128
 * and 512 tokens.  Printed: GB/s of weights read for 1 token and its share of the measured
 * read stream; GMAC/s for the others. */
#include "backend/native/cpu/matmul.h"
#include "base/status.h"
#include "tests/random_weight.h"

#include <stdio.h>
#include <time.h>

typedef struct {
    const mn_matmul_table *table;
    mn_pool *pool;
    mn_pack pack;
    mn_job job;
    const float *x;
    int repeat;
    void *scratch[64];
    const uint8_t *stream;
    size_t stream_bytes;
    uint64_t sum[64];
} work;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply(void *ctx, int thread, int n_threads)
{
    work *k = ctx;
    mn_team team = { k->pool, thread, n_threads, k->scratch[thread] };
    for (int i = 0; i < k->repeat; i++) {
        if (thread == 0)
            mn_pack_set(&k->pack, k->x, k->job.w->cols, k->job.n_tokens, k->job.w->cols);
        mn_matmul(k->table, &team, &k->pack, &k->job, 1);
    }
}

static void read_stream(void *ctx, int thread, int n_threads)
{
    work *k = ctx;
    size_t each = k->stream_bytes / (size_t)n_threads;
    const uint64_t *p = (const uint64_t *)(k->stream + (size_t)thread * each);
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t n = each / 64 / 4 * 8;       /* 64-bit words of one of four runs */
    for (size_t i = 0; i < n; i += 8) {
        a += p[i];
        b += p[n + i];
        c += p[2 * n + i];
        d += p[3 * n + i];
    }
    k->sum[thread] = a + b + c + d;
}

static double best_seconds(work *k, mn_pool_fn *fn, int repeat, int runs)
{
    double best = 1e30;
    k->repeat = repeat;
    for (int i = 0; i < runs; i++) {
        double t = now();
        mn_pool_run(k->pool, fn, k);
        t = (now() - t) / repeat;
        if (t < best) best = t;
    }
    return best;
}

static void *aligned(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes)) exit(1);
    return p;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        mn_wtype type;
        int bits, group;
    } formats[] = {
        { "Q4_0", MN_Q4_0, 0, 0 }, { "Q8_0", MN_Q8_0, 0, 0 }, { "Q4_K", MN_Q4_K, 0, 0 },
        { "Q5_K", MN_Q5_K, 0, 0 }, { "Q6_K", MN_Q6_K, 0, 0 },
        { "affine4", MN_MLX_AFFINE, 4, 64 }, { "affine8", MN_MLX_AFFINE, 8, 64 },
        { "F16", MN_F16, 0, 0 }, { "BF16", MN_BF16, 0, 0 }, { "F32", MN_F32, 0, 0 },
        { "Q4_1", MN_Q4_1, 0, 0 }, { "Q5_0", MN_Q5_0, 0, 0 }, { "Q5_1", MN_Q5_1, 0, 0 },
        { "Q2_K", MN_Q2_K, 0, 0 }, { "Q3_K", MN_Q3_K, 0, 0 }, { "IQ4_NL", MN_IQ4_NL, 0, 0 },
        { "IQ4_XS", MN_IQ4_XS, 0, 0 }, { "MXFP4", MN_MXFP4, 0, 0 },
        { "IQ1_S", MN_IQ1_S, 0, 0 }, { "IQ1_M", MN_IQ1_M, 0, 0 },
        { "IQ2_XXS", MN_IQ2_XXS, 0, 0 }, { "IQ2_XS", MN_IQ2_XS, 0, 0 },
        { "IQ2_S", MN_IQ2_S, 0, 0 }, { "IQ3_XXS", MN_IQ3_XXS, 0, 0 },
        { "IQ3_S", MN_IQ3_S, 0, 0 }, { "TQ1_0", MN_TQ1_0, 0, 0 }, { "TQ2_0", MN_TQ2_0, 0, 0 },
        { "affine2", MN_MLX_AFFINE, 2, 64 }, { "affine3", MN_MLX_AFFINE, 3, 64 },
        { "affine5", MN_MLX_AFFINE, 5, 64 }, { "affine6", MN_MLX_AFFINE, 6, 64 },
        { "mxfp4", MN_MLX_MXFP4, 0, 32 }, { "mxfp8", MN_MLX_MXFP8, 0, 32 },
        { "nvfp4", MN_MLX_NVFP4, 0, 16 }, { "f8_e4m3", MN_F8_E4M3, 0, 0 },
    };
    static const int tokens[] = { 1, 2, 4, 8, 16, 32, 128, 512 };
    int n_threads = argc > 1 ? atoi(argv[1]) : 0;
    minerva_error err = { 0 };
    mn_cpu cpu;
    work k = { 0 };
    if (mn_cpu_init(&cpu, argc > 2 ? argv[2] : NULL, false, &err) ||
        mn_pool_create(&k.pool, n_threads, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    n_threads = mn_pool_size(k.pool);
    mn_matmul_table table;
    mn_matmul_init(&table, &cpu);
    k.table = &table;
    enum { COLS = 2048, MAX_TOKENS = 512 };
    for (int i = 0; i < n_threads && i < 64; i++) k.scratch[i] = aligned(mn_matmul_scratch_bytes());
    size_t pack_bytes = mn_pack_bytes(MAX_TOKENS, COLS);
    mn_pack_init(&k.pack, aligned(pack_bytes), pack_bytes);
    rng r = { 1 };
    float *x = aligned(sizeof(float) * COLS * MAX_TOKENS);
    for (int i = 0; i < COLS * MAX_TOKENS; i++) x[i] = rng_normal(&r);
    k.x = x;
    k.stream_bytes = (size_t)600 << 20;
    uint8_t *stream = aligned(k.stream_bytes);
    memset(stream, 1, k.stream_bytes);
    k.stream = stream;
    double gbs = (double)k.stream_bytes / best_seconds(&k, read_stream, 1, 5) / 1e9;
    printf("%s, %s, %d threads; read stream %.1f GB/s\n", cpu.model, mn_isa_name(cpu.isa),
           n_threads, gbs);
    printf("%-8s %7s %6s |", "", "GB/s", "share");
    for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) printf(" %7d", tokens[t]);
    printf("  GMAC/s by tokens\n");
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        if (argc > 3 && strcmp(argv[3], formats[f].name)) continue;
        int64_t rows = (int64_t)200 << 20;
        rows = (int64_t)((double)rows / (double)mn_wtype_row_bytes(formats[f].type,
                                                                   formats[f].bits, COLS));
        rows = rows / 64 * 64;
        /* A small random matrix repeated: filling all of it takes longer than measuring. */
        mn_weight w = random_weight(formats[f].type, formats[f].bits, formats[f].group, MN_BF16,
                                    64, COLS, 0, &r);
        mn_weight big = w;
        big.rows = rows;
        uint8_t *data = aligned((size_t)rows * w.row_bytes), *scales = NULL, *biases = NULL;
        for (int64_t i = 0; i < rows; i += 64)
            memcpy(data + (size_t)i * w.row_bytes, w.data, 64 * w.row_bytes);
        big.data = data;
        if (w.scales) {
            scales = aligned((size_t)rows * w.scale_row_bytes);
            for (int64_t i = 0; i < rows; i += 64)
                memcpy(scales + (size_t)i * w.scale_row_bytes, w.scales, 64 * w.scale_row_bytes);
            big.scales = scales;
        }
        if (w.biases) {
            biases = aligned((size_t)rows * w.scale_row_bytes);
            for (int64_t i = 0; i < rows; i += 64)
                memcpy(biases + (size_t)i * w.scale_row_bytes, w.biases, 64 * w.scale_row_bytes);
            big.biases = biases;
        }
        float *y = aligned(sizeof(float) * (size_t)rows * 512 / 16);
        double size = (double)mn_weight_size_bytes(&big);
        for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
            mn_weight some = tokens[t] > 8 ? mn_weight_rows(&big, 0, 8192) : big;
            if (some.rows > big.rows) some.rows = big.rows;
            if (tokens[t] > 8) some.rows = rows / 32 / 64 * 64 < 8192 ? rows / 32 / 64 * 64 : 8192;
            if (some.rows < 1024) some.rows = 1024;
            k.job = (mn_job){ .w = &some, .n_tokens = tokens[t], .y = y, .y_stride = some.rows };
            best_seconds(&k, multiply, 1, 1);
            double s = best_seconds(&k, multiply, 1, 3);
            if (tokens[t] == 1)
                printf("%-8s %7.1f %5.0f%% |", formats[f].name, size / s / 1e9,
                       100 * size / s / 1e9 / gbs);
            printf(" %7.1f", (double)some.rows * COLS * tokens[t] / s / 1e9);
            fflush(stdout);
        }
        printf("\n");
        free(y);
        free(data);
        free(scales);
        free(biases);
        random_weight_free(&w);
    }
    mn_pool_free(k.pool);
    return 0;
}
