/* The attention core against a plain double-precision loop: every kind of mask, cache type,
 * instruction set, and the cutting of long sequences into parts. */
#include "backend/native/native.h"
#include "tests/check.h"
#include "tests/tiny_plan.h"

enum { HEADS = 4, KV = 2, MAX = 700 };

typedef struct {
    const char *name;
    int32_t before, n;          /* positions in the cache, tokens of the run */
    int32_t k_dim, v_dim;
    int32_t window, chunk;
    bool bidirectional, sinks, alibi;
    float softcap;
} setup;

static const setup setups[] = {
    { "first token", 0, 1, 6, 6, .window = 0 },
    { "prefill", 0, 100, 6, 10, .window = 0 },
    { "continued", 37, 50, 32, 32, .window = 0 },
    { "decode", 300, 1, 64, 64, .window = 0 },
    { "long", 640, 3, 17, 33, .window = 0 },
    { "window", 90, 40, 8, 8, .window = 20 },
    { "narrow window", 640, 2, 8, 8, .window = 1 },
    { "chunk", 90, 60, 8, 8, .chunk = 48 },
    { "both ways", 0, 70, 8, 8, .bidirectional = true },
    { "both ways, window", 0, 70, 8, 8, .window = 9, .bidirectional = true },
    { "sinks", 200, 5, 8, 8, .sinks = true },
    { "sinks, window", 400, 1, 8, 8, .window = 260, .sinks = true },
    { "alibi", 100, 30, 8, 8, .alibi = true },
    { "softcap", 100, 30, 8, 8, .softcap = 2.0f },
};

typedef struct {
    mn_engine *e;
    mn_plan *plan;
    mn_seq *seq;
    mn_batch batch;
    mn_span span;
    mn_attend attend;
    float *q, *k, *v, *out, *want;
    float sinks[HEADS], slopes[HEADS];
} fixture;

static void make(fixture *f, const setup *s, mn_load_options options)
{
    memset(f, 0, sizeof *f);
    f->plan = tiny_plan("a");
    mn_attention *a = &f->plan->layers[0].mixer.u.attention;
    a->head_dim = s->k_dim, a->v_head_dim = s->v_dim;
    a->window = s->window, a->chunk = s->chunk, a->bidirectional = s->bidirectional;
    options.context = 1024;
    assert_ok(mn_engine_create(&f->e, f->plan, false, &options, err));
    assert_ok(mn_seq_new(f->e, &f->seq, err));
    tiny t = { f->plan, 99 };
    int32_t all = s->before + s->n;
    f->q = tiny_vector(&t, (int64_t)s->n * HEADS * s->k_dim, 0, 2);
    f->k = tiny_vector(&t, (int64_t)all * KV * s->k_dim, 0, 1);
    f->v = tiny_vector(&t, (int64_t)all * KV * s->v_dim, 0, 1);
    f->out = tiny_vector(&t, (int64_t)s->n * HEADS * s->v_dim, 0, 0);
    f->want = tiny_vector(&t, (int64_t)s->n * HEADS * s->v_dim, 0, 0);
    for (int h = 0; h < HEADS; h++) f->sinks[h] = (float)h - 1, f->slopes[h] = 0.1f * (float)(h + 1);
    f->attend = (mn_attend){
        .q = f->q, .q_stride = HEADS * s->k_dim, .q_head_stride = s->k_dim, .out = f->out,
        .n_heads = HEADS, .scale = 1.3f / sqrtf((float)s->k_dim), .softcap = s->softcap,
        .window = s->window, .chunk = s->chunk, .bidirectional = s->bidirectional,
        .sinks = s->sinks ? f->sinks : NULL, .alibi = s->alibi ? f->slopes : NULL,
    };
}

static void drop(fixture *f)
{
    mn_seq_delete(f->e, f->seq);
    mn_engine_free(f->e);
    tiny_free(f->plan);
}

static bool sees(const setup *s, int32_t from, int32_t to)
{
    int32_t distance = from > to ? from - to : to - from;
    if (!s->bidirectional && to > from) return false;
    if (s->window && distance >= s->window) return false;
    return !s->chunk || to / s->chunk == from / s->chunk;
}

static void expect_head(const fixture *f, const setup *s, int32_t t, int32_t h, float *out)
{
    double weight[MAX], sum = 0, top = s->sinks ? f->sinks[h] : -1e30;
    int32_t pos = s->before + t, all = s->before + s->n, kv = h / (HEADS / KV);
    for (int32_t j = 0; j < all; j++) {
        double dot = 0;
        for (int32_t d = 0; d < s->k_dim; d++)
            dot += (double)f->q[(t * HEADS + h) * s->k_dim + d] * f->k[(j * KV + kv) * s->k_dim + d];
        dot *= f->attend.scale;
        if (s->softcap != 0) dot = s->softcap * tanh(dot / s->softcap);
        if (s->alibi) dot -= f->slopes[h] * abs(pos - j);
        weight[j] = sees(s, pos, j) ? dot : -INFINITY;
        if (weight[j] > top) top = weight[j];
    }
    for (int32_t j = 0; j < all; j++) sum += weight[j] = exp(weight[j] - top);
    if (s->sinks) sum += exp(f->sinks[h] - top);
    for (int32_t d = 0; d < s->v_dim; d++) {
        double value = 0;
        for (int32_t j = 0; j < all; j++)
            value += weight[j] * f->v[(j * KV + kv) * s->v_dim + d];
        out[(t * HEADS + h) * s->v_dim + d] = (float)(value / sum);
    }
}

static void attend_thread(void *ctx, int thread, int n_threads)
{
    fixture *f = ctx;
    mn_engine *e = f->e;
    size_t matmul = (mn_matmul_scratch_bytes() + MN_ALIGN - 1) / MN_ALIGN * MN_ALIGN;
    mn_run r = { .e = e, .batch = &f->batch, .n_tokens = f->batch.n_tokens,
                 .scratch = { .base = e->memory }, .team = { e->pool, thread, n_threads, NULL },
                 .thread_memory = e->thread_memory + e->thread_bytes * (size_t)thread + matmul };
    mn_attend_run(&r, &f->attend, &e->kv.layers[0]);
}

/* Writes all keys and values, then attends with the last n tokens. */
static void run(fixture *f, const setup *s)
{
    const mn_kv_layer *layer = &f->e->kv.layers[0];
    assert_ok(mn_seq_reserve(f->e, f->seq, s->before + s->n, err));
    for (int32_t p = 0; p < s->before + s->n; p++)
        for (int32_t h = 0; h < KV; h++)
            mn_kv_write(&f->e->kv, layer, f->seq->tables[0][p / MN_KV_PAGE], h, p % MN_KV_PAGE,
                        f->k + (p * KV + h) * s->k_dim, f->v + (p * KV + h) * s->v_dim);
    f->seq->length = s->before;
    f->span = (mn_span){ f->seq, 0, s->n };
    f->batch = (mn_batch){ .n_tokens = s->n, .spans = &f->span, .n_spans = 1 };
    for (int32_t t = 0; t < s->n; t++) f->e->pos[t] = s->before + t, f->e->span_of[t] = 0;
    mn_pool_run(f->e->pool, attend_thread, f);
    for (int32_t t = 0; t < s->n; t++)
        for (int32_t h = 0; h < HEADS; h++) expect_head(f, s, t, h, f->want);
}

static double error_of(const fixture *f, const setup *s)
{
    double off = 0, all = 0;
    for (int32_t i = 0; i < s->n * HEADS * s->v_dim; i++) {
        double d = (double)f->out[i] - f->want[i];
        off += d * d;
        all += (double)f->want[i] * f->want[i];
    }
    return off == off ? off / all : INFINITY;
}

static void check_all(mn_load_options options, bool bf16, double limit)
{
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        fixture f;
        make(&f, &setups[i], options);
        f.attend.bf16 = bf16;
        run(&f, &setups[i]);
        double error = error_of(&f, &setups[i]);
        if (!(error <= limit))
            fail_msg("%s, %s, %d threads: NMSE %.2e", setups[i].name,
                     options.isa ? options.isa : "best", options.n_threads, error);
        drop(&f);
    }
}

static const char *const sets[] = { "ref", "avx2", "avx512", "amx", "neon" };
enum { N_SETS = sizeof sets / sizeof *sets };

static void every_mask_on_every_instruction_set(void **state)
{
    for (int i = 0; i < N_SETS; i++) {
        mn_cpu cpu;
        if (mn_cpu_init(&cpu, sets[i], false, NULL)) continue;
        check_all((mn_load_options){ .isa = sets[i], .n_threads = 2, .kv_type = MN_KV_F32 }, false,
                  1e-12);
    }
}

static void long_sequences_in_parts(void **state)
{
    for (int threads = 3; threads <= 9; threads += 2)
        check_all((mn_load_options){ .n_threads = threads, .precise = true }, false, 1e-12);
}

static void small_cache_types(void **state)
{
    check_all((mn_load_options){ .n_threads = 1, .kv_type = MN_KV_F16 }, false, 1e-6);
    check_all((mn_load_options){ .n_threads = 1, .kv_type = MN_KV_Q8_0 }, false, 3e-4);
}

static void bf16_stays_close(void **state)
{
    for (int i = 0; i < N_SETS; i++) {
        mn_cpu cpu;
        if (mn_cpu_init(&cpu, sets[i], false, NULL)) continue;
        check_all((mn_load_options){ .isa = sets[i], .n_threads = 2 }, true, 1e-4);
        check_all((mn_load_options){ .isa = sets[i], .n_threads = 7, .kv_type = MN_KV_Q8_0 }, true,
                  5e-4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mask_on_every_instruction_set),
        cmocka_unit_test(long_sequences_in_parts),
        cmocka_unit_test(small_cache_types),
        cmocka_unit_test(bf16_stays_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
