/* Every instruction set's vector operations against the scalar reference, on odd widths. */
#include "backend/native/cpu/ops.h"
#include "tests/check.h"

enum { BIG = 80000 };

typedef struct {
    mn_cpu_ops ref, ops;
    const char *isa;
    uint64_t random;
} fixture;

typedef void check_fn(fixture *f);

static float random_float(fixture *f)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (float)((int64_t)(f->random >> 33) - (1 << 30)) / (float)(1 << 28);
}

static void fill(fixture *f, float *x, int32_t n)
{
    for (int32_t i = 0; i < n; i++) x[i] = random_float(f);
}

static void expect_close(const fixture *f, const char *what, const float *x, const float *ref,
                         int32_t n)
{
    float top = 1e-30f;
    for (int32_t i = 0; i < n; i++) top = fmaxf(top, fabsf(ref[i]));
    for (int32_t i = 0; i < n; i++)
        if (!(fabsf(x[i] - ref[i]) <= 2e-6f * top))
            fail_msg("%s, %s: [%d of %d] is %.9g, not %.9g", f->isa, what, i, n, x[i], ref[i]);
}

static void for_each_isa(check_fn *check)
{
    static const char *const names[] = { "avx2", "avx512", "amx", "neon", NULL };
    for (int i = 0; names[i]; i++) {
        fixture f = { .isa = names[i], .random = 7 };
        mn_cpu cpu;
        if (mn_cpu_init(&cpu, "ref", true, NULL)) fail();
        mn_cpu_ops_init(&f.ref, &cpu);
        if (mn_cpu_init(&cpu, names[i], false, NULL)) continue;
        mn_cpu_ops_init(&f.ops, &cpu);
        check(&f);
    }
}

static const int32_t widths[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 100, 1000 };
enum { N_WIDTHS = sizeof widths / sizeof *widths };

static float a[BIG], b[BIG], c[BIG], d[BIG], x[BIG], y[BIG];

static void check_norms(fixture *f)
{
    for (int i = 0; i < N_WIDTHS; i++) {
        int32_t n = widths[i];
        fill(f, a, n), fill(f, b, n), fill(f, c, n);
        for (int w = 0; w < 2; w++) {
            f->ref.rms_norm(x, a, w ? b : NULL, n, 1e-5f);
            f->ops.rms_norm(y, a, w ? b : NULL, n, 1e-5f);
            expect_close(f, "rms_norm", y, x, n);
            f->ref.layer_norm(x, a, w ? b : NULL, w ? c : NULL, n, 1e-2f);
            f->ops.layer_norm(y, a, w ? b : NULL, w ? c : NULL, n, 1e-2f);
            expect_close(f, "layer_norm", y, x, n);
        }
        memcpy(x, a, sizeof x), memcpy(y, a, sizeof y);
        f->ref.add_scaled(x, b, 0.7f, n);
        f->ops.add_scaled(y, b, 0.7f, n);
        expect_close(f, "add_scaled", y, x, n + 1);
        f->ref.scaled(x, b, 0.7f, n);
        f->ops.scaled(y, b, 0.7f, n);
        expect_close(f, "scaled", y, x, n + 1);
    }
}

static void check_activations(fixture *f)
{
    for (int act = MN_ACT_SILU; act <= MN_ACT_SWIGLU_OAI; act++) {
        for (int i = 0; i < N_WIDTHS; i++) {
            int32_t n = widths[i];
            fill(f, a, n), fill(f, b, n);
            for (int32_t k = 0; k < n; k += 5) a[k] *= 12;
            y[n] = x[n] = 5;
            f->ref.gated_act(x, a, b, n, (mn_act)act);
            f->ops.gated_act(y, a, b, n, (mn_act)act);
            expect_close(f, "gated_act", y, x, n + 1);
            f->ref.act(x, a, n, (mn_act)act);
            f->ops.act(y, a, n, (mn_act)act);
            expect_close(f, "act", y, x, n + 1);
            memcpy(x, b, sizeof x), memcpy(y, b, sizeof y);
            f->ref.gate(x, a, n);
            f->ops.gate(y, a, n);
            expect_close(f, "gate", y, x, n + 1);
            memcpy(x, a, sizeof x), memcpy(y, a, sizeof y);
            f->ref.softcap(x, n, 0.5f, 3.0f);
            f->ops.softcap(y, n, 0.5f, 3.0f);
            expect_close(f, "softcap", y, x, n + 1);
        }
    }
}

static void check_rotation(fixture *f)
{
    for (int i = 0; i < N_WIDTHS; i++) {
        int32_t half = widths[i];
        fill(f, a, 2 * half + 1), fill(f, b, 2 * half);
        for (int pairs = 0; pairs < 2; pairs++) {
            memcpy(x, a, sizeof x), memcpy(y, a, sizeof y);
            f->ref.rotate(x, b, half, pairs);
            f->ops.rotate(y, b, half, pairs);
            expect_close(f, pairs ? "rotate pairs" : "rotate halves", y, x, 2 * half + 1);
        }
    }
}

static void check_product(fixture *f)
{
    static const int32_t rows[] = { 1, 3, 4, 5, 11, 12, 13, 32 }, inner[] = { 1, 2, 31, 80 };
    for (int r = 0; r < 8; r++) {
        for (int k = 0; k < 4; k++) {
            for (int w = 0; w < 14; w++) {
                int32_t n = widths[w], ldc = n + 3;
                fill(f, a, rows[r] * (inner[k] + 1)), fill(f, b, inner[k] * (n + 2));
                fill(f, c, rows[r] * ldc), fill(f, d, rows[r]);
                for (int keep = 0; keep < 2; keep++) {
                    memcpy(x, c, sizeof x), memcpy(y, c, sizeof y);
                    f->ref.product(x, ldc, keep ? d : NULL, a, inner[k] + 1, b, n + 2, rows[r],
                                   inner[k], n);
                    f->ops.product(y, ldc, keep ? d : NULL, a, inner[k] + 1, b, n + 2, rows[r],
                                   inner[k], n);
                    expect_close(f, "product", y, x, rows[r] * ldc);
                }
            }
        }
    }
}

/* bf16 pairs against the same values rounded and multiplied in f32. */
static void check_bf16(fixture *f)
{
    static const int32_t rows[] = { 1, 3, 4, 12, 17, 48 }, inner[] = { 1, 2, 31, 80 };
    static uint32_t pa[BIG], pb[BIG], other[BIG];
    static uint16_t half[BIG];
    if (!f->ops.product_bf16) return;
    for (int r = 0; r < 6; r++) {
        for (int k = 0; k < 4; k++) {
            for (int w = 0; w < 14; w++) {
                int32_t n = widths[w], pairs = (inner[k] + 1) / 2, lda = 2 * pairs;
                fill(f, a, rows[r] * lda), fill(f, b, inner[k] * n);
                fill(f, c, rows[r] * n), fill(f, d, rows[r]);
                f->ref.to_f16(half, b, inner[k] * n);
                f->ref.from_f16(b, half, inner[k] * n);
                f->ops.to_bf16((uint16_t *)pa, a, rows[r] * lda);
                f->ops.pair_rows(pb, b, inner[k], n);
                f->ops.pair_rows_f16(other, half, inner[k], n);
                assert_memory_equal(pb, other, (size_t)(pairs * n) * 4);
                for (int32_t i = 0; i < rows[r] * lda; i++)
                    a[i] = mn_bf16_to_f32(((uint16_t *)pa)[i]);
                for (int32_t i = 0; i < inner[k] * n; i++)
                    b[i] = mn_bf16_to_f32((uint16_t)(pb[i / n / 2 * n + i % n] >> (i / n % 2 * 16)));
                for (int keep = 0; keep < 2; keep++) {
                    memcpy(x, c, sizeof x), memcpy(y, c, sizeof y);
                    f->ref.product(x, n, keep ? d : NULL, a, lda, b, n, rows[r], inner[k], n);
                    f->ops.product_bf16(y, n, keep ? d : NULL, pa, pairs, pb, n, rows[r], pairs, n);
                    expect_close(f, "product_bf16", y, x, rows[r] * n);
                }
            }
        }
    }
}

static void check_softmax(fixture *f)
{
    for (int i = 0; i < N_WIDTHS; i++) {
        fill(f, x, widths[i]);
        memcpy(y, x, sizeof y);
        f->ref.softmax(x, widths[i]);
        f->ops.softmax(y, widths[i]);
        expect_close(f, "softmax", y, x, widths[i] + 1);
    }
    enum { R = 5 };
    static const int32_t from[R] = { 0, 3, 0, 32, 17 }, to[R] = { 32, 20, 1, 32, 32 };
    float top[2][R], sum[2][R], keep[2][R];
    for (int round = 0; round < 4; round++) {
        fill(f, a, R * MN_TILE);
        for (int i = 0; i < R; i++) {
            top[0][i] = top[1][i] = round == 0 ? -INFINITY : random_float(f);
            sum[0][i] = sum[1][i] = round == 0 ? 0 : 1.5f;
        }
        memcpy(x, a, sizeof x), memcpy(y, a, sizeof y);
        f->ref.soften(x, R, from, to, top[0], sum[0], keep[0]);
        f->ops.soften(y, R, from, to, top[1], sum[1], keep[1]);
        expect_close(f, "soften", y, x, R * MN_TILE);
        for (int i = 0; i < R; i++) {
            if (top[0][i] != top[1][i]) fail();
            if (top[0][i] == -INFINITY) continue;       /* saw nothing yet: keep is idle */
            expect_close(f, "sum", &sum[1][i], &sum[0][i], 1);
            expect_close(f, "keep", &keep[1][i], &keep[0][i], 1);
        }
    }
}

static void check_conversions(fixture *f)
{
    uint16_t half[2][1100];
    int8_t codes[3200];
    for (int i = 0; i < N_WIDTHS; i++) {
        int32_t n = widths[i];
        fill(f, a, n);
        if (n > 4) a[1] = 1e-6f, a[2] = 70000.0f, a[3] = -0.0f, a[4] = 6e-8f;
        f->ref.to_f16(half[0], a, n);
        f->ops.to_f16(half[1], a, n);
        assert_memory_equal(half[0], half[1], (size_t)n * 2);
        f->ref.from_f16(x, half[0], n);
        f->ops.from_f16(y, half[0], n);
        assert_memory_equal(x, y, (size_t)n * 4);
    }
    fill(f, a, 1100);
    f->ref.to_f16(half[0], a, 1100);
    for (int i = 0; i < 3200; i++) codes[i] = (int8_t)(i * 37);
    static const int32_t rows[] = { 1, 31, 32, 33, 80, 100 };
    for (int i = 0; i < 6; i++) {
        f->ref.from_q8_columns(x, codes, half[0], rows[i]);
        f->ops.from_q8_columns(y, codes, half[0], rows[i]);
        assert_memory_equal(x, y, (size_t)rows[i] * MN_TILE * 4);
        f->ref.from_q8_row(x, codes, half[0], rows[i]);
        f->ops.from_q8_row(y, codes, half[0], rows[i]);
        assert_memory_equal(x, y, (size_t)rows[i] * 4);
    }
}

static void check_recurrences(fixture *f)
{
    static const int32_t columns[] = { 1, 7, 8, 16, 17, 31, 32 };
    for (int i = 0; i < 7; i++) {
        fill(f, a, 40 * 50), fill(f, b, 200), fill(f, x, 40 * 50);
        memcpy(y, x, sizeof y);
        mn_delta_step s = { .from = a, .to = x, .stride = 50, .key_dim = 39, .n = columns[i],
                            .q = b, .k = b + 50, .v = b + 100, .beta = 0.7f, .decay = 0.9f,
                            .o = x + 39 * 50 };
        for (int k = 0; k < 40 * 2; k++) b[k] *= 0.1f;
        f->ref.delta_step(&s);
        s.to = y, s.o = y + 39 * 50;
        f->ops.delta_step(&s);
        expect_close(f, "delta_step", y, x, 40 * 50);
    }
    for (int i = 0; i < 14; i++) {
        int32_t n = widths[i];
        fill(f, a, 7 * n), fill(f, b, 2 * n), fill(f, c, 7);
        mn_mamba_step s = { .from = a, .to = x, .head_dim = 7, .state_dim = n, .x = c, .b = b,
                            .c = b + n, .dt = 0.4f, .decay = 0.8f, .skip = 1.1f, .y = x + 7 * n };
        f->ref.mamba_step(&s);
        s.to = y, s.y = y + 7 * n;
        f->ops.mamba_step(&s);
        expect_close(f, "mamba_step", y, x, 7 * n + 7);
    }
    for (int i = 0; i < N_WIDTHS; i++) {
        int32_t n = widths[i];
        fill(f, a, 4 * n), fill(f, b, 4 * n), fill(f, c, n);
        const float *rows[4] = { a, a + n, a + 2 * n, a + 3 * n };
        y[n] = x[n] = 1;
        for (int bias = 0; bias < 2; bias++) {
            f->ref.convolve(x, rows, b, n, bias ? c : NULL, 4, n);
            f->ops.convolve(y, rows, b, n, bias ? c : NULL, 4, n);
            expect_close(f, "convolve", y, x, n + 1);
        }
    }
}

static void norms_match_the_reference(void **state) { for_each_isa(check_norms); }
static void activations_match_the_reference(void **state) { for_each_isa(check_activations); }
static void rotations_match_the_reference(void **state) { for_each_isa(check_rotation); }
static void products_match_the_reference(void **state) { for_each_isa(check_product); }
static void bf16_products_match_the_reference(void **state) { for_each_isa(check_bf16); }
static void softmax_matches_the_reference(void **state) { for_each_isa(check_softmax); }
static void conversions_are_exact(void **state) { for_each_isa(check_conversions); }
static void recurrences_match_the_reference(void **state) { for_each_isa(check_recurrences); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_match_the_reference),
        cmocka_unit_test(activations_match_the_reference),
        cmocka_unit_test(rotations_match_the_reference),
        cmocka_unit_test(products_match_the_reference),
        cmocka_unit_test(bf16_products_match_the_reference),
        cmocka_unit_test(softmax_matches_the_reference),
        cmocka_unit_test(conversions_are_exact),
        cmocka_unit_test(recurrences_match_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
