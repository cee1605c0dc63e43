/* Quantisers: the bytes that llama.cpp and MLX make, or errors no larger than theirs. */
#include "tensor/quant.h"
#include "tensor/quantize.h"
#include "tests/check.h"
#include "tests/golden_llama.h"

static const mn_wtype gguf_types[] = {
    MN_F32, MN_F16, MN_BF16, MN_Q4_0, MN_Q4_1, MN_Q5_0, MN_Q5_1, MN_Q8_0,
    MN_Q4_K, MN_Q5_K, MN_Q6_K, MN_IQ4_NL, MN_MXFP4,
};
enum { N_GGUF_TYPES = sizeof gguf_types / sizeof *gguf_types };

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* Roughly normal: the sum of 12 uniform numbers. */
static float next_normal(uint64_t *s)
{
    float sum = -6;
    for (int i = 0; i < 12; i++) sum += (float)(next_random(s) >> 40) * 0x1p-24f;
    return sum;
}

/* Encode and decode one row; the NMSE. */
static double round_trip(const mn_weight *format, const float *x, float *y)
{
    static uint8_t codes[8192], scales[1024], biases[1024];
    mn_quantize_row(format, x, codes, scales, biases);
    mn_weight w = *format;
    w.rows = w.n_experts = 1;
    w.data = codes;
    w.scales = w.type >= MN_MLX_AFFINE ? scales : NULL;
    w.biases = w.type == MN_MLX_AFFINE ? biases : NULL;
    mn_weight_decode(&w, 0, 0, 0, w.cols, y);
    double error = 0, power = 0;
    for (int64_t i = 0; i < w.cols; i++) {
        error += ((double)y[i] - x[i]) * ((double)y[i] - x[i]);
        power += (double)x[i] * x[i];
    }
    return power > 0 ? error / power : error;
}

static mn_weight mlx_format(int bits, int group, mn_wtype scale_type)
{
    return (mn_weight){ .type = MN_MLX_AFFINE, .bits = (uint8_t)bits, .group = (int16_t)group,
                        .scale_type = (uint8_t)scale_type, .cols = 512 };
}

static void normal_weights_come_back_within_the_formats_rounding(void **state)
{
    static const double limit[N_GGUF_TYPES] = { 0, 1e-7, 4e-6, 8.5e-3, 7e-3, 2.1e-3, 1.7e-3, 4e-5,
                                                5.6e-3, 1.45e-3, 3.6e-4, 6.5e-3, 1.5e-2 };
    float x[512], y[512];
    uint64_t seed = 42;
    double error[N_GGUF_TYPES] = { 0 };
    for (int row = 0; row < 100; row++) {
        for (int i = 0; i < 512; i++) x[i] = 0.02f * next_normal(&seed);
        for (int t = 0; t < N_GGUF_TYPES; t++) {
            mn_weight f = { .type = gguf_types[t], .cols = 512 };
            error[t] += round_trip(&f, x, y) / 100;
        }
        for (int bits = 2; bits <= 8; bits++) {
            if (bits == 7) continue;
            mn_weight f = mlx_format(bits, 64, MN_F32);
            double e = round_trip(&f, x, y), step = 6.0 / ((1 << bits) - 1);
            assert_true(e < step * step / 12 * 1.3);
        }
    }
    for (int t = 0; t < N_GGUF_TYPES; t++)
        if (error[t] > limit[t] || (limit[t] && error[t] < limit[t] / 10))
            fail_msg("%s: NMSE %g, at most %g expected",
                     mn_wtype_get(gguf_types[t])->name, error[t], limit[t]);
}

/* Rows that divide by zero, overflow or cancel in a careless quantiser. */
static void odd_rows_have_valid_codes(void **state)
{
    static const float fills[] = { 0, -0.0f, 1, -1, 1e-30f, 1e-42f, -1e-42f, 60000, 1e38f, NAN,
                                   INFINITY, -INFINITY };
    enum { N_FILLS = sizeof fills / sizeof *fills, N_FORMATS = N_GGUF_TYPES + 9 };
    float x[512], y[512];
    uint64_t seed = 3;
    mn_weight formats[N_FORMATS];
    for (int t = 0; t < N_GGUF_TYPES; t++)
        formats[t] = (mn_weight){ .type = gguf_types[t], .cols = 512 };
    for (int i = 0; i < 6; i++)
        formats[N_GGUF_TYPES + i] = mlx_format(i < 5 ? 2 + i : 8, 32 << i % 3, MN_BF16);
    for (int i = 0; i < 3; i++)
        formats[N_GGUF_TYPES + 6 + i] = (mn_weight){
            .type = MN_MLX_MXFP4 + (mn_wtype)i, .group = i == 2 ? 16 : 32, .cols = 512 };
    for (int f = 0; f < N_FORMATS; f++) {
        assert_true(mn_can_quantize(formats[f].type));
        for (int k = 0; k < 2 * N_FILLS; k++) {
            for (int i = 0; i < 512; i++) x[i] = fills[k / 2];
            if (k % 2)      /* a few others among them */
                for (int i = 0; i < 512; i += 9) x[i] = next_normal(&seed);
            round_trip(&formats[f], x, y);
            bool exact = k < 4 && k % 2 == 0;
            for (int i = 0; i < 512 && exact; i++) assert_true(y[i] == 0);
            if (k / 2 == 2 && k % 2 == 0)
                for (int i = 0; i < 512; i++) assert_true(fabsf(y[i] - 1) < 0.34f);
        }
    }
    assert_false(mn_can_quantize(MN_IQ1_S));
    assert_false(mn_can_quantize(MN_F8_E4M3));
}

static void the_worked_mlx_example_comes_out(void **state)
{
    float x[32], scale, bias;
    uint8_t codes[16];
    static const uint8_t expected[4] = { 0xdf, 0x9b, 0x46, 0x02 };  /* 15 13 11 9 6 4 2 0 */
    for (int i = 0; i < 32; i++) x[i] = (float)(i % 8);
    mn_weight f = mlx_format(4, 32, MN_F32);
    f.cols = 32;
    mn_quantize_row(&f, x, codes, (uint8_t *)&scale, (uint8_t *)&bias);
    assert_true(fabsf(scale + 0.46667f) < 1e-5f);
    assert_true(bias == 7);
    for (int i = 0; i < 16; i++) assert_int_equal(codes[i], expected[i % 4]);
}

static void the_small_float_formats_round_to_nearest(void **state)
{
    for (int b = 0; b < 256; b++) {
        float f = mn_e4m3_to_f32((uint8_t)b);
        if (isnan(f)) continue;
        assert_int_equal(mn_f32_to_e4m3(f), b);
        if ((b & 127) < 126) {
            float next = mn_e4m3_to_f32((uint8_t)(b + 1)), mid = (f + next) / 2;
            assert_int_equal(mn_f32_to_e4m3(mid), b + (b & 1));
            assert_int_equal(mn_f32_to_e4m3(nextafterf(mid, f)), b);
            assert_int_equal(mn_f32_to_e4m3(nextafterf(mid, next)), b + 1);
        }
    }
    assert_int_equal(mn_f32_to_e4m3(1e9f), 0x7e);
    assert_int_equal(mn_f32_to_e4m3(-INFINITY), 0xfe);
    for (int b = 0; b < 7; b++) {
        float f = mn_e2m1_to_f32((uint8_t)b), next = mn_e2m1_to_f32((uint8_t)(b + 1));
        assert_int_equal(mn_f32_to_e2m1(f), b);
        assert_int_equal(mn_f32_to_e2m1((f + next) / 2), b + (b & 1));
        assert_int_equal(mn_f32_to_e2m1(-next), b + 9);
    }
    for (int b = 0; b < 255; b++)
        assert_int_equal(mn_f32_to_e8m0(mn_e8m0_to_f32((uint8_t)b)), b);
    assert_int_equal(mn_f32_to_e8m0(1.41f), 127);
    assert_int_equal(mn_f32_to_e8m0(1.42f), 128);
    assert_int_equal(mn_f32_to_e8m0(0), 0);
    assert_int_equal(mn_f32_to_e8m0(INFINITY), 254);
}

/* ---- golden files ----------------------------------------------------------------- */

static const char *const matrices[][2] = {
    { "blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight" },
    { "blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight" },
    { "blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight" },
    { "blk.1.ffn_down.weight", "model.layers.1.mlp.down_proj.weight" },
};

static double row_error(const float *x, const float *y, int64_t n)
{
    double error = 0;
    for (int64_t i = 0; i < n; i++)
        error += ((double)y[i] - x[i]) * ((double)y[i] - x[i]);
    return error;
}

static void gguf_bytes_are_llama_cpps_or_no_worse(void **state)
{
    NEED_SHARED();
    static const struct { const char *file; mn_wtype type; bool same; } cases[] = {
        { "BF16", MN_BF16, true }, { "F16", MN_F16, true }, { "Q4_0", MN_Q4_0, true },
        { "Q4_1", MN_Q4_1, true }, { "Q5_0", MN_Q5_0, true }, { "Q5_1", MN_Q5_1, true },
        { "Q8_0", MN_Q8_0, true }, { "MXFP4", MN_MXFP4, true }, { "Q4_K_S", MN_Q4_K, false },
        { "Q5_K_M", MN_Q5_K, false }, { "Q6_K", MN_Q6_K, false },
        { "IQ4_NL", MN_IQ4_NL, false },
    };
    mn_model_source *hf, *gguf;
    assert_ok(mn_source_open(&hf, shared("golden/models/llama/hf"), NULL, err));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char path[100];
        double ours = 0, theirs = 0;
        snprintf(path, sizeof path, "golden/models/llama/gguf/llama-%s.gguf",
                 cases[c].file);
        assert_ok(mn_source_open(&gguf, shared(path), NULL, err));
        for (size_t m = 0; m < sizeof matrices / sizeof *matrices; m++) {
            mn_weight a = weight_of_tensor(mn_source_tensor(gguf, matrices[m][0]));
            mn_weight b = weight_of_tensor(mn_source_tensor(hf, matrices[m][1]));
            if (a.type != cases[c].type) continue;
            float x[512], y[512];
            uint8_t codes[2048];
            for (int64_t r = 0; r < a.rows; r++) {
                mn_weight_decode(&b, 0, r, 0, a.cols, x);
                mn_weight_decode(&a, 0, r, 0, a.cols, y);
                theirs += row_error(x, y, a.cols);
                mn_quantize_row(&a, x, codes, NULL, NULL);
                if (cases[c].same)
                    assert_memory_equal(codes, a.data + (size_t)r * a.row_bytes,
                                        a.row_bytes);
                mn_weight own = a;
                own.data = codes;
                mn_weight_decode(&own, 0, 0, 0, a.cols, y);
                ours += row_error(x, y, a.cols);
            }
        }
        assert_true(cases[c].same || ours > 0);
        if (ours > theirs * 1.002)
            fail_msg("%s: error %g, llama.cpp's %g", cases[c].file, ours, theirs);
        mn_source_close(gguf);
    }
    mn_source_close(hf);
}

/* The golden files round E2M1 ties toward zero, and drop the sign of a zero; MLX, and so
 * we, round them to even and keep it.  Either way each weight is as near as the other's.
 * */
static bool equally_near(const mn_weight *w, int64_t row, const float *x,
                         const uint8_t *codes)
{
    float ours[512], theirs[512];
    mn_weight own = mn_weight_rows(w, row, 1);
    mn_weight_decode(&own, 0, 0, 0, w->cols, theirs);
    own.data = codes;
    mn_weight_decode(&own, 0, 0, 0, w->cols, ours);
    for (int64_t i = 0; i < w->cols; i++)
        if (fabs((double)ours[i] - x[i]) != fabs((double)theirs[i] - x[i])) return false;
    return true;
}

static void mlx_planes_are_mlx_s_to_the_bit(void **state)
{
    NEED_SHARED();
    static const char *const modules[] = { "model.layers.0.self_attn.q_proj",
                                           "model.layers.1.mlp.down_proj",
                                           "model.embed_tokens" };
    mn_model_source *hf, *mlx;
    assert_ok(mn_source_open(&hf, shared("golden/models/llama/hf"), NULL, err));
    for (size_t i = 0; i < N_GOLDEN_MLX; i++) {
        char path[100], name[100];
        snprintf(path, sizeof path, "golden/mlx/%s", golden_mlx[i].dir);
        assert_ok(mn_source_open(&mlx, shared(path), NULL, err));
        for (int m = 0; m < 3; m++) {
            snprintf(name, sizeof name, "%s.weight", modules[m]);
            mn_weight original = weight_of_tensor(mn_source_tensor(hf, name));
            mn_weight w = weight_of_module(mlx, modules[m], golden_mlx[i].type,
                                           golden_mlx[i].group);
            float x[512];
            uint8_t codes[512], scales[64], biases[64];
            for (int64_t r = 0; r < w.rows; r++) {
                size_t at = (size_t)r * w.scale_row_bytes;
                mn_weight_decode(&original, 0, r, 0, w.cols, x);
                mn_quantize_row(&w, x, codes, scales, w.biases ? biases : NULL);
                bool e2m1 = w.type == MN_MLX_MXFP4 || w.type == MN_MLX_NVFP4;
                bool same =
                    e2m1 ? equally_near(&w, r, x, codes)
                         : !memcmp(codes, w.data + (size_t)r * w.row_bytes, w.row_bytes);
                if (!same || memcmp(scales, w.scales + at, w.scale_row_bytes)
                    || (w.biases && memcmp(biases, w.biases + at, w.scale_row_bytes)))
                    fail_msg("%s %s row %d differs", path, modules[m], (int)r);
            }
        }
        mn_source_close(mlx);
    }
    mn_source_close(hf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_weights_come_back_within_the_formats_rounding),
        cmocka_unit_test(odd_rows_have_valid_codes),
        cmocka_unit_test(the_worked_mlx_example_comes_out),
        cmocka_unit_test(the_small_float_formats_round_to_nearest),
        cmocka_unit_test(gguf_bytes_are_llama_cpps_or_no_worse),
        cmocka_unit_test(mlx_planes_are_mlx_s_to_the_bit),
    };
    return cmocka_run_group_tests_name("quantize", tests, NULL, NULL);
}
