/* Matrix kernels of every instruction set that this machine has, against float64.
 *
 * Two kinds of activations.  "Exact" ones are small integers times a power of two, with
 * the largest possible in every group of 16 columns: 8-bit quantisation and bf16 represent
 * them without error, so that what remains is the kernel's own.  Normal ones measure the
 * error that a user sees. */
#include "backend/native/cpu/matmul.h"
#include "base/status.h"
#include "tests/check.h"
#include "tests/random_weight.h"

typedef struct {
    const char *name;
    mn_wtype type;
    int bits, group;
    mn_wtype scale_type;
    int block;                  /* columns must be a multiple of this */
} format;

static const format formats[] = {
    { "F32", MN_F32, 0, 0, 0, 1 }, { "F16", MN_F16, 0, 0, 0, 1 }, { "BF16", MN_BF16, 0, 0, 0, 1 },
    { "Q4_0", MN_Q4_0, 0, 0, 0, 32 }, { "Q4_1", MN_Q4_1, 0, 0, 0, 32 },
    { "Q5_0", MN_Q5_0, 0, 0, 0, 32 }, { "Q5_1", MN_Q5_1, 0, 0, 0, 32 },
    { "Q8_0", MN_Q8_0, 0, 0, 0, 32 }, { "Q2_K", MN_Q2_K, 0, 0, 0, 256 },
    { "Q3_K", MN_Q3_K, 0, 0, 0, 256 }, { "Q4_K", MN_Q4_K, 0, 0, 0, 256 },
    { "Q5_K", MN_Q5_K, 0, 0, 0, 256 }, { "Q6_K", MN_Q6_K, 0, 0, 0, 256 },
    { "IQ1_S", MN_IQ1_S, 0, 0, 0, 256 }, { "IQ1_M", MN_IQ1_M, 0, 0, 0, 256 },
    { "IQ2_XXS", MN_IQ2_XXS, 0, 0, 0, 256 }, { "IQ2_XS", MN_IQ2_XS, 0, 0, 0, 256 },
    { "IQ2_S", MN_IQ2_S, 0, 0, 0, 256 }, { "IQ3_XXS", MN_IQ3_XXS, 0, 0, 0, 256 },
    { "IQ3_S", MN_IQ3_S, 0, 0, 0, 256 }, { "IQ4_NL", MN_IQ4_NL, 0, 0, 0, 32 },
    { "IQ4_XS", MN_IQ4_XS, 0, 0, 0, 256 }, { "TQ1_0", MN_TQ1_0, 0, 0, 0, 256 },
    { "TQ2_0", MN_TQ2_0, 0, 0, 0, 256 }, { "MXFP4", MN_MXFP4, 0, 0, 0, 32 },
    { "affine 2/64 bf16", MN_MLX_AFFINE, 2, 64, MN_BF16, 64 },
    { "affine 3/32 f16", MN_MLX_AFFINE, 3, 32, MN_F16, 32 },
    { "affine 4/32 f32", MN_MLX_AFFINE, 4, 32, MN_F32, 32 },
    { "affine 4/64 bf16", MN_MLX_AFFINE, 4, 64, MN_BF16, 64 },
    { "affine 4/128 f16", MN_MLX_AFFINE, 4, 128, MN_F16, 128 },
    { "affine 5/64 bf16", MN_MLX_AFFINE, 5, 64, MN_BF16, 64 },
    { "affine 6/128 bf16", MN_MLX_AFFINE, 6, 128, MN_BF16, 128 },
    { "affine 8/64 bf16", MN_MLX_AFFINE, 8, 64, MN_BF16, 64 },
    { "mxfp4", MN_MLX_MXFP4, 0, 32, 0, 32 }, { "mxfp8", MN_MLX_MXFP8, 0, 32, 0, 32 },
    { "nvfp4", MN_MLX_NVFP4, 0, 16, 0, 16 }, { "f8", MN_F8_E4M3, 0, 0, 0, 1 },
    { "f8/128", MN_F8_E4M3, 0, 128, MN_F32, 128 },
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static mn_weight make(const format *f, int64_t rows, int64_t cols, size_t pad, rng *r)
{
    return random_weight(f->type, f->bits, f->group, f->scale_type, rows, cols, pad, r);
}

/* Integers -127 .. 127 over 64, +-127 at the start of each 16 columns. */
static float *exact_activations(int64_t n, int64_t cols, rng *r)
{
    float *x = malloc((size_t)(n * cols) * sizeof *x);
    for (int64_t t = 0; t < n; t++)
        for (int64_t c = 0; c < cols; c++) {
            int q = (int)(rng_next(r) % 255) - 127;
            if (c % 16 == 0) q = q < 0 ? -127 : 127;
            x[t * cols + c] = (float)q / 64.0f;
        }
    return x;
}

static float *normal_activations(int64_t n, int64_t cols, rng *r)
{
    float *x = malloc((size_t)(n * cols) * sizeof *x);
    for (int64_t i = 0; i < n * cols; i++) x[i] = rng_normal(r);
    return x;
}

typedef struct {
    mn_pool *pool;
    mn_matmul_table table;
    void *scratch[8];
    mn_pack pack;
    const float *x;
    int64_t stride, cols;
    int32_t n_tokens;
    const mn_job *jobs;
    int n_jobs;
} bench;

static void run_jobs(void *ctx, int thread, int n_threads)
{
    bench *b = ctx;
    mn_team team = { b->pool, thread, n_threads, b->scratch[thread] };
    if (thread == 0) mn_pack_set(&b->pack, b->x, b->stride, b->n_tokens, b->cols);
    mn_matmul(&b->table, &team, &b->pack, b->jobs, b->n_jobs);
}

static void *aligned(size_t bytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, MN_ALIGN, bytes ? bytes : 1), 0);
    return p;
}

/* All jobs with the table of `isa`, on n_threads threads. */
static void multiply(const mn_cpu *cpu, int n_threads, const float *x, int64_t stride,
                     int32_t n_tokens, int64_t cols, const mn_job *jobs, int n_jobs)
{
    bench b = { .x = x, .stride = stride, .cols = cols, .n_tokens = n_tokens, .jobs = jobs,
                .n_jobs = n_jobs };
    mn_matmul_init(&b.table, cpu);
    assert_ok(mn_pool_create(&b.pool, n_threads, err));
    int32_t n_list_tokens = 0;
    for (int j = 0; j < n_jobs; j++) n_list_tokens += jobs[j].n_tokens;
    size_t bytes = mn_pack_bytes_lists(n_tokens, cols, n_list_tokens, n_jobs);
    void *memory = aligned(bytes);
    mn_pack_init(&b.pack, memory, bytes);
    for (int i = 0; i < n_threads; i++) b.scratch[i] = aligned(mn_matmul_scratch_bytes());
    mn_pool_run(b.pool, run_jobs, &b);
    for (int i = 0; i < n_threads; i++) free(b.scratch[i]);
    free(memory);
    mn_pool_free(b.pool);
}

/* Largest error of one job's y, in units of sqrt(sum of squares of the products). */
static double job_error(const mn_job *job, const float *x, int64_t stride)
{
    const mn_weight *w = job->w;
    float *row = malloc((size_t)w->cols * sizeof *row);
    double worst = 0;
    for (int64_t r = 0; r < w->rows; r++) {
        mn_weight_decode(w, job->expert, r, 0, w->cols, row);
        for (int32_t i = 0; i < job->n_tokens; i++) {
            int64_t t = job->tokens ? job->tokens[i] : job->first_token + i;
            double sum = 0, squares = 0;
            for (int64_t c = 0; c < w->cols; c++) {
                double p = (double)row[c] * x[t * stride + c];
                sum += p;
                squares += p * p;
            }
            double factor = (job->scale != 0 ? job->scale : 1) *
                            (job->row_scale ? job->row_scale[r] : 1);
            double want = sum * factor + (job->bias ? job->bias[r] : 0);
            double got = job->y[i * job->y_stride + r];
            double unit = sqrt(squares) * fabs(factor) + 1e-20;
            double error = fabs(got - want) / unit;
            if (!(error <= worst)) worst = error;
        }
    }
    free(row);
    return worst;
}

/* Squared error over the sum of squares of all products: what NMSE is for activations of
 * zero mean, without the luck of a small sum. */
static double noise(const mn_job *job, const float *x, int64_t stride)
{
    const mn_weight *w = job->w;
    float *row = malloc((size_t)w->cols * sizeof *row);
    double error = 0, power = 0;
    for (int64_t r = 0; r < w->rows; r++) {
        mn_weight_decode(w, 0, r, 0, w->cols, row);
        for (int32_t i = 0; i < job->n_tokens; i++) {
            double sum = 0;
            for (int64_t c = 0; c < w->cols; c++) {
                double p = (double)row[c] * x[i * stride + c];
                sum += p;
                power += p * p;
            }
            double d = job->y[i * job->y_stride + r] - sum;
            error += d * d;
        }
    }
    free(row);
    return error / power;
}

/* Largest allowed error of a kernel with exact activations: f32 sums, or weights rounded
 * to bf16. */
enum { SUMS, ROUNDED_WEIGHTS };
static const double limits[] = { [SUMS] = 2e-5, [ROUNDED_WEIGHTS] = 1.6e-2 };

static double limit_of(const mn_cpu *cpu, const mn_job *job)
{
    mn_matmul_table table;
    mn_matmul_init(&table, cpu);
    const mn_kernel *k = mn_matmul_choose(&table, job);
    return limits[k->form == MN_FORM_BF16 ? ROUNDED_WEIGHTS : SUMS];
}

static void check(const mn_cpu *cpu, const char *what, const mn_job *job, const float *x,
                  int64_t stride, double *worst)
{
    double error = job_error(job, x, stride), limit = limit_of(cpu, job);
    if (!(error <= limit))
        fail_msg("%s, %s, %d x %d, %d tokens: error %.3g, at most %.3g expected",
                 mn_isa_name(cpu->isa), what, (int)job->w->rows, (int)job->w->cols,
                 job->n_tokens, error, limit);
    if (limit == limits[SUMS] && error > *worst) *worst = error;
}

/* Calls `test` once for each instruction set that this machine has. */
static void for_each_isa(void (*test)(const mn_cpu *cpu))
{
    for (int isa = 0; isa < MN_N_ISAS; isa++) {
        mn_cpu cpu;
        minerva_error err = { 0 };
        if (mn_cpu_init(&cpu, mn_isa_name((mn_isa)isa), false, &err) == MINERVA_OK) test(&cpu);
        else assert_int_equal(err.code, MINERVA_UNSUPPORTED);
    }
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static void check_shapes(const mn_cpu *cpu)
{
    static const struct { int64_t rows, cols; size_t pad; int32_t tokens; } shapes[] = {
        { 1, 1, 0, 1 }, { 3, 40, 0, 2 }, { 5, 250, 3, 3 }, { 33, 300, 0, 1 }, { 7, 513, 2, 4 },
        { 31, 1030, 0, 5 }, { 70, 2100, 1, 1 }, { 16, 100, 0, 16 }, { 17, 700, 0, 17 },
        { 66, 290, 5, 9 }, { 20, 2060, 0, 37 }, { 130, 515, 0, 67 }, { 49, 4100, 0, 24 },
    };
    rng r = { 11 };
    double worst = 0;
    for (int f = 0; f < N_FORMATS; f++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            int64_t rows = shapes[s].rows, cols = round_up(shapes[s].cols, formats[f].block);
            int32_t n = shapes[s].tokens;
            if (cpu->isa == MN_ISA_REF && rows * cols * n > 500000) continue;
            mn_weight w = make(&formats[f], rows, cols, shapes[s].pad, &r);
            float *x = exact_activations(n, cols, &r);
            float *y = malloc((size_t)(n * rows) * sizeof *y);
            mn_job job = { .w = &w, .n_tokens = n, .y = y, .y_stride = rows };
            multiply(cpu, 1 + (int)(s % 3), x, cols, n, cols, &job, 1);
            check(cpu, formats[f].name, &job, x, cols, &worst);
            free(y);
            free(x);
            random_weight_free(&w);
        }
    }
    printf("  %-8s max error %.2g of the products' norm\n", mn_isa_name(cpu->isa), worst);
}

static void every_format_and_shape_agrees_with_float64(void **state)
{
    for_each_isa(check_shapes);
}

static void check_normal(const mn_cpu *cpu)
{
    rng r = { 5 };
    for (int f = 0; f < N_FORMATS; f++) {
        for (int32_t n = 8; n <= 40; n += 32) {
            enum { ROWS = 40, COLS = 1024 };
            mn_weight w = make(&formats[f], ROWS, COLS, 0, &r);
            float *x = normal_activations(n, COLS, &r), y[40 * ROWS];
            mn_job job = { .w = &w, .n_tokens = n, .y = y, .y_stride = ROWS };
            multiply(cpu, 2, x, COLS, n, COLS, &job, 1);
            double e = noise(&job, x, COLS), limit = cpu->isa == MN_ISA_REF ? 1e-12 : 1e-4;
            if (!(e <= limit))
                fail_msg("%s, %s, %d tokens: noise %.3g", mn_isa_name(cpu->isa),
                         formats[f].name, n, e);
            free(x);
            random_weight_free(&w);
        }
    }
}

static void normal_activations_cost_at_most_1e_4(void **state)
{
    for_each_isa(check_normal);
}

static void precise_is_exact_on_the_best_set(void **state)
{
    mn_cpu cpu;
    assert_ok(mn_cpu_init(&cpu, NULL, true, err));
    rng r = { 9 };
    for (int f = 0; f < N_FORMATS; f++) {
        enum { ROWS = 9, COLS = 2304, N = 3 };
        mn_weight w = make(&formats[f], ROWS, COLS, 0, &r);
        float *x = normal_activations(N, COLS, &r), y[N * ROWS];
        mn_job job = { .w = &w, .n_tokens = N, .y = y, .y_stride = ROWS };
        multiply(&cpu, 1, x, COLS, N, COLS, &job, 1);
        assert_true(noise(&job, x, COLS) <= 1e-12);
        free(x);
        random_weight_free(&w);
    }
}

static void check_jobs(const mn_cpu *cpu)
{
    enum { COLS = 512, N = 44, STRIDE = 530 };
    static const int32_t list[] = { 20, 3, 3, 7, 0, 19 };
    rng r = { 21 };
    double worst = 0;
    mn_weight a = make(&formats[3], 40, COLS, 0, &r), b = make(&formats[12], 19, COLS, 0, &r);
    mn_weight c = make(&formats[28], 70, COLS, 8, &r), d = make(&formats[0], 11, COLS, 0, &r);
    mn_weight odd = mn_weight_rows_strided(&a, 1, 2), some = mn_weight_rows(&c, 13, 37);
    float *x = exact_activations(N, STRIDE, &r);
    for (int t = 0; t < N; t++)         /* the stride breaks the rhythm of 16 */
        for (int i = 0; i < COLS; i += 16) x[t * STRIDE + i] = 127.0f / 64;
    float bias[70], row_scale[70];
    for (int i = 0; i < 70; i++) {
        bias[i] = rng_normal(&r);
        row_scale[i] = 1 + 0.1f * rng_normal(&r);
    }
    mn_job jobs[] = {
        { .w = &a, .n_tokens = N, .bias = bias }, { .w = &b, .n_tokens = N, .scale = 0.5f },
        { .w = &c, .n_tokens = 6, .tokens = list, .row_scale = row_scale },
        { .w = &d, .n_tokens = 0 }, { .w = &d, .n_tokens = 6, .tokens = list, .bias = bias },
        { .w = &odd, .n_tokens = 1, .first_token = 17, .row_scale = row_scale, .scale = 3 },
        { .w = &some, .n_tokens = 18, .first_token = 3, .bias = bias, .row_scale = row_scale },
        { .w = &b, .n_tokens = 1, .tokens = list + 1 },
        { .w = &c, .n_tokens = 21, .first_token = 16 },
    };
    enum { N_JOBS = sizeof jobs / sizeof *jobs };
    for (int j = 0; j < N_JOBS; j++) {
        jobs[j].y_stride = jobs[j].w->rows + 5;
        jobs[j].y = malloc((size_t)((jobs[j].n_tokens + 1) * jobs[j].y_stride) * sizeof(float));
        for (int64_t i = 0; i < (jobs[j].n_tokens + 1) * jobs[j].y_stride; i++)
            jobs[j].y[i] = -77;
    }
    multiply(cpu, 3, x, STRIDE, N, COLS, jobs, N_JOBS);
    for (int j = 0; j < N_JOBS; j++) {
        check(cpu, "one of several jobs", &jobs[j], x, STRIDE, &worst);
        for (int i = 0; i < jobs[j].n_tokens; i++)
            for (int k = 0; k < 5; k++)
                assert_true(jobs[j].y[i * jobs[j].y_stride + jobs[j].w->rows + k] == -77);
        assert_true(jobs[j].y[jobs[j].n_tokens * jobs[j].y_stride] == -77);
        free(jobs[j].y);
    }
    free(x);
    random_weight_free(&a);
    random_weight_free(&b);
    random_weight_free(&c);
    random_weight_free(&d);
}

static void one_call_serves_jobs_of_many_kinds(void **state)
{
    for_each_isa(check_jobs);
}

static void check_experts(const mn_cpu *cpu)
{
    enum { EXPERTS = 5, ROWS = 24, COLS = 256, N = 40 };
    rng r = { 31 };
    double worst = 0;
    mn_weight all = make(&formats[7], EXPERTS * ROWS, COLS, 0, &r), stack = all;
    stack.rows = ROWS;
    stack.n_experts = EXPERTS;
    stack.expert_bytes = ROWS * stack.row_bytes;
    const uint8_t *parts[EXPERTS];
    for (int e = 0; e < EXPERTS; e++) parts[e] = all.data + (size_t)e * stack.expert_bytes;
    mn_weight loose = stack;
    loose.parts = parts;
    float *x = exact_activations(N, COLS, &r);
    int32_t tokens[EXPERTS][N];
    int32_t counts[EXPERTS] = { 1, 0, 3, 30, 17 };
    mn_job jobs[2 * EXPERTS];
    for (int e = 0; e < EXPERTS; e++) {
        for (int i = 0; i < counts[e]; i++) tokens[e][i] = (int32_t)(rng_next(&r) % N);
        float *y = malloc((size_t)(counts[e] * ROWS) * sizeof *y + 1);
        jobs[e] = mn_job_expert(&stack, e, NULL, tokens[e], counts[e], y, ROWS);
        y = malloc((size_t)(counts[e] * ROWS) * sizeof *y + 1);
        jobs[EXPERTS + e] = mn_job_expert(&loose, e, NULL, tokens[e], counts[e], y, ROWS);
    }
    multiply(cpu, 2, x, COLS, N, COLS, jobs, 2 * EXPERTS);
    for (int j = 0; j < 2 * EXPERTS; j++) {
        check(cpu, "expert", &jobs[j], x, COLS, &worst);
        free(jobs[j].y);
    }
    free(x);
    random_weight_free(&all);
}

static void experts_read_their_own_tokens(void **state)
{
    for_each_isa(check_experts);
}

static void check_zeros(const mn_cpu *cpu)
{
    enum { ROWS = 8, COLS = 512 };
    rng r = { 3 };
    for (int f = 0; f < N_FORMATS; f++) {
        for (int32_t n = 1; n <= 32; n += 31) {
            mn_weight w = make(&formats[f], ROWS, COLS, 0, &r);
            float *x = calloc((size_t)n * COLS, sizeof *x), y[32 * ROWS];
            mn_job job = { .w = &w, .n_tokens = n, .y = y, .y_stride = ROWS };
            multiply(cpu, 1, x, COLS, n, COLS, &job, 1);
            for (int i = 0; i < n * ROWS; i++) assert_true(y[i] == 0);
            free(x);
            random_weight_free(&w);
        }
    }
}

static void zero_activations_give_zero(void **state)
{
    for_each_isa(check_zeros);
}

static void unknown_instruction_sets_are_refused(void **state)
{
    mn_cpu cpu;
    minerva_error why = { 0 };
    assert_int_equal(mn_cpu_init(&cpu, "mmx", false, &why), MINERVA_INVALID);
    assert_non_null(strstr(why.message, "mmx"));
    assert_ok(mn_cpu_init(&cpu, "", false, err));
    assert_true(mn_cpu_uses(&cpu, cpu.isa) && mn_cpu_uses(&cpu, MN_ISA_REF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_and_shape_agrees_with_float64),
        cmocka_unit_test(normal_activations_cost_at_most_1e_4),
        cmocka_unit_test(precise_is_exact_on_the_best_set),
        cmocka_unit_test(one_call_serves_jobs_of_many_kinds),
        cmocka_unit_test(experts_read_their_own_tokens),
        cmocka_unit_test(zero_activations_give_zero),
        cmocka_unit_test(unknown_instruction_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
