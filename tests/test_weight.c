/* Weight formats: sizes, views, number formats and the scalar decoders. */
#include "base/hash.h"
#include "tensor/quant.h"
#include "tensor/weight.h"
#include "tests/check.h"
#include "tests/golden_llama.h"

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* ---- numbers ---------------------------------------------------------------------- */

static void every_f16_survives_the_way_to_f32_and_back(void **state)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = mn_f16_to_f32((uint16_t)h);
        if (isnan(f)) {
            assert_true((h & 0x7fff) > 0x7c00);
            assert_true(isnan(mn_f16_to_f32(mn_f32_to_f16(f))));
        } else {
            assert_int_equal(mn_f32_to_f16(f), h);
        }
    }
    assert_true(mn_f16_to_f32(0x0001) == 0x1p-24f);
    assert_true(mn_f16_to_f32(0x3c00) == 1);
    assert_true(mn_f16_to_f32(0xfbff) == -65504);
    assert_true(mn_f16_to_f32(0x7c00) == INFINITY);
}

static void f32_to_f16_rounds_to_nearest_even(void **state)
{
    static const struct { float f; uint16_t h; } cases[] = {
        { 65519.99f, 0x7bff }, { 65520, 0x7c00 }, { 1e30f, 0x7c00 }, { -INFINITY, 0xfc00 },
        { 0x1p-25f, 0 }, { 0x1.000002p-25f, 1 }, { 0x1.8p-24f, 2 }, { -0.0f, 0x8000 },
        { 0x1.ffep-15f, 0x0400 }, { 0x1.ffbp-15f, 0x03ff }, { 0x1.ffcp-15f, 0x0400 },
        { 1.00048828125f, 0x3c00 }, { 1.00146484375f, 0x3c02 }, { 1e-30f, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (mn_f32_to_f16(cases[i].f) != cases[i].h)
            fail_msg("%a: %04x expected, %04x found", (double)cases[i].f, cases[i].h,
                     mn_f32_to_f16(cases[i].f));
    /* The midpoint between each two neighbours goes to the even one. */
    for (uint16_t h = 0; h < 0x7bff; h++) {
        double mid =
            ((double)mn_f16_to_f32(h) + (double)mn_f16_to_f32((uint16_t)(h + 1))) / 2;
        assert_int_equal(mn_f32_to_f16((float)mid), h + (h & 1));
    }
}

static void f32_to_bf16_rounds_to_nearest_even(void **state)
{
    static const struct { uint32_t f; uint16_t b; } cases[] = {
        { 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 }, { 0x3f808001, 0x3f81 },
        { 0x3f818000, 0x3f82 }, { 0x7f7fffff, 0x7f80 }, { 0xff800000, 0xff80 },
        { 0x00000001, 0x0000 }, { 0x80018000, 0x8002 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(mn_f32_to_bf16(float_of(cases[i].f)), cases[i].b);
    assert_true(isnan(mn_bf16_to_f32(mn_f32_to_bf16(float_of(0x7f800001)))));
    assert_true(isnan(mn_bf16_to_f32(mn_f32_to_bf16(float_of(0xffffffff)))));
}

static void the_eight_bit_formats_have_their_standard_values(void **state)
{
    assert_true(mn_e8m0_to_f32(127) == 1);
    assert_true(mn_e8m0_to_f32(0) == 0x1p-127f);
    assert_true(mn_e8m0_to_f32(254) == 0x1p127f);
    assert_true(isnan(mn_e8m0_to_f32(255)));
    assert_true(mn_e4m3_to_f32(0x38) == 1);
    assert_true(mn_e4m3_to_f32(0x7e) == 448);
    assert_true(mn_e4m3_to_f32(0x01) == 0x1p-9f);
    assert_true(mn_e4m3_to_f32(0x88) == -0x1p-6f);
    assert_true(isnan(mn_e4m3_to_f32(0x7f)) && isnan(mn_e4m3_to_f32(0xff)));
    static const float e2m1[8] = { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6 };
    for (int i = 0; i < 8; i++) {
        assert_true(mn_e2m1_to_f32((uint8_t)i) == e2m1[i]);
        assert_true(mn_e2m1_to_f32((uint8_t)(i | 8)) == -e2m1[i]);
    }
}

/* ---- sizes and views -------------------------------------------------------------- */

static void row_sizes_follow_the_blocks(void **state)
{
    assert_int_equal(mn_wtype_row_bytes(MN_Q4_K, 0, 4096), 16 * 144);
    assert_int_equal(mn_wtype_row_bytes(MN_Q4_K, 0, 4000), 0);
    assert_int_equal(mn_wtype_row_bytes(MN_F32, 0, 3), 12);
    assert_int_equal(mn_wtype_row_bytes(MN_F32, 0, 0), 0);
    assert_int_equal(mn_wtype_row_bytes(MN_F32, 0, INT64_MAX / 2), 0);
    assert_int_equal(mn_wtype_row_bytes(MN_MLX_AFFINE, 3, 64), 24);
    assert_int_equal(mn_wtype_row_bytes(MN_MLX_AFFINE, 7, 64), 0);
    assert_int_equal(mn_wtype_row_bytes(MN_MLX_AFFINE, 4, 40), 0);
    assert_int_equal(mn_wtype_row_bytes(MN_MLX_NVFP4, 0, 48), 24);
    mn_weight w = { .type = MN_MLX_AFFINE, .bits = 4, .group = 64, .scale_type = MN_BF16,
                    .rows = 10, .cols = 128, .n_experts = 3 };
    assert_true(mn_weight_bits(&w) == 4.5);
    assert_int_equal(mn_weight_size_bytes(&w), 3 * 10 * (64 + 8));
    w = (mn_weight){ .type = MN_Q4_K, .rows = 1, .cols = 256, .n_experts = 1 };
    assert_true(mn_weight_bits(&w) == 4.5);
    w = (mn_weight){ .type = MN_MLX_NVFP4, .group = 16, .rows = 1, .cols = 64, .n_experts = 1 };
    assert_true(mn_weight_bits(&w) == 4.5);
    for (int t = 0; t < MN_N_WTYPES; t++)
        assert_non_null(mn_wtype_get((mn_wtype)t)->name);
}

/* 2 experts x 6 rows x 64 columns of MLX affine 8 bits, all planes different everywhere.
 * */
typedef struct {
    uint8_t codes[2][6][64];
    uint16_t scales[2][6][2], biases[2][6][2];
} affine_stack;

static mn_weight stack_weight(const affine_stack *s)
{
    return (mn_weight){ .type = MN_MLX_AFFINE, .bits = 8, .scale_type = MN_F16, .group = 32,
                        .rows = 6, .cols = 64, .n_experts = 2, .data = s->codes[0][0],
                        .row_bytes = 64, .expert_bytes = 6 * 64,
                        .scales = (const uint8_t *)s->scales,
                        .biases = (const uint8_t *)s->biases, .scale_row_bytes = 4,
                        .scale_expert_bytes = 24 };
}

static void fill_random(void *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(next_random(&seed) >> 24);
}

static void fill_stack(affine_stack *s)
{
    fill_random(s->codes, sizeof s->codes, 7);
    for (int e = 0; e < 2; e++)
        for (int r = 0; r < 6; r++)
            for (int g = 0; g < 2; g++) {
                s->scales[e][r][g] = mn_f32_to_f16((float)(1 + e * 100 + r * 10 + g));
                s->biases[e][r][g] = mn_f32_to_f16((float)-(2 + e * 100 + r * 10 + g));
            }
}

static void views_decode_like_the_rows_they_show(void **state)
{
    affine_stack s;
    fill_stack(&s);
    mn_weight w = stack_weight(&s);
    float whole[2][6][64], part[64];
    for (int e = 0; e < 2; e++)
        for (int r = 0; r < 6; r++) mn_weight_decode(&w, e, r, 0, 64, whole[e][r]);
    assert_true(whole[1][5][40] == 152.0f * s.codes[1][5][40] - 153.0f);
    mn_weight rows = mn_weight_rows(&w, 2, 3);
    assert_int_equal(rows.rows, 3);
    mn_weight_decode(&rows, 1, 2, 32, 32, part);
    assert_memory_equal(part, whole[1][4] + 32, 32 * 4);
    mn_weight odd = mn_weight_rows_strided(&w, 1, 2);
    assert_int_equal(odd.rows, 3);
    for (int r = 0; r < 3; r++) {
        mn_weight_decode(&odd, 1, r, 0, 64, part);
        assert_memory_equal(part, whole[1][2 * r + 1], sizeof part);
    }
    assert_int_equal(mn_weight_rows_strided(&w, 1, 4).rows, 2);
    mn_weight one = mn_weight_experts(&w, 1, 1);
    assert_int_equal(one.n_experts, 1);
    mn_weight_decode(&one, 0, 3, 0, 64, part);
    assert_memory_equal(part, whole[1][3], sizeof part);
    mn_weight both = mn_weight_experts(&odd, 1, 1);
    mn_weight_decode(&both, 0, 2, 0, 64, part);
    assert_memory_equal(part, whole[1][5], sizeof part);
}

static void experts_in_separate_tensors_decode_like_a_stack(void **state)
{
    float a[4][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } }, b[4][2], out[2];
    for (int r = 0; r < 4; r++) b[r][0] = -a[r][0], b[r][1] = -a[r][1];
    const uint8_t *const parts[3] = { (uint8_t *)b, (uint8_t *)a, (uint8_t *)b };
    mn_weight w = { .type = MN_F32, .rows = 4, .cols = 2, .n_experts = 3, .data = parts[0],
                    .row_bytes = 8, .parts = parts };
    mn_weight_decode(&w, 1, 2, 0, 2, out);
    assert_true(out[0] == 5 && out[1] == 6);
    mn_weight odd = mn_weight_rows_strided(&w, 1, 2);
    mn_weight_decode(&odd, 1, 1, 0, 2, out);
    assert_true(out[0] == 7 && out[1] == 8);
    mn_weight last = mn_weight_experts(&odd, 1, 2);
    mn_weight_decode(&last, 0, 0, 0, 2, out);
    assert_true(out[0] == 3);
    mn_weight one = mn_weight_experts(&last, 1, 1);
    assert_null(one.parts);
    mn_weight_decode(&one, 0, 1, 0, 2, out);
    assert_true(out[1] == -8);
}

/* ---- decoders --------------------------------------------------------------------- */

/* Hashes of what 64 rows of pseudo-random blocks decode to (NaN as one value, -0 as 0).
 * They were recorded when every decoder had been compared bit for bit with the
 * dequantizers of ggml 0.5 (libggml-base) on 102,400 random blocks of its type.
 * `test_weight --record` prints them. */
static const struct { mn_wtype type; uint64_t hash; } recorded[] = {
    { MN_Q4_0, 0x5d1e8f69eb090e15 },
    { MN_Q4_1, 0xef6dac6cb6ad2af5 },
    { MN_Q5_0, 0x60e5bdb33b25cd1a },
    { MN_Q5_1, 0xfea21d5ac040a3b8 },
    { MN_Q8_0, 0x03eb826a6ee0faac },
    { MN_Q2_K, 0xc29de71893a45e50 },
    { MN_Q3_K, 0x5cd1560e8574574e },
    { MN_Q4_K, 0x9fcdec41baf507f4 },
    { MN_Q5_K, 0x7409a330829d1643 },
    { MN_Q6_K, 0xb241a7629bed7bf9 },
    { MN_IQ1_S, 0x26178b8872725b43 },
    { MN_IQ1_M, 0xb7a87e4a9bcb0555 },
    { MN_IQ2_XXS, 0x88e2f9fcbd3da0cb },
    { MN_IQ2_XS, 0x77abb2c6823a2104 },
    { MN_IQ2_S, 0xa3c4b4f6fa68de66 },
    { MN_IQ3_XXS, 0xd759a2ab30579e9d },
    { MN_IQ3_S, 0x5416a968f5331cb5 },
    { MN_IQ4_NL, 0x7a5fee4ed37a08c0 },
    { MN_IQ4_XS, 0x186e87e316ba99f4 },
    { MN_TQ1_0, 0x77605dbdc01f568e },
    { MN_TQ2_0, 0xe189a15bc5de005d },
    { MN_MXFP4, 0x963a136ae35fb762 },
};

static uint64_t hash_of_decoding(mn_wtype type)
{
    const mn_wtype_info *info = mn_wtype_get(type);
    int64_t cols = (int64_t)info->block * 8;
    size_t row_bytes = mn_wtype_row_bytes(type, 0, cols);
    uint8_t *blocks = malloc(row_bytes * 64);
    float *row = malloc((size_t)cols * sizeof *row);
    uint64_t hash = 1;
    assert_non_null(blocks);
    assert_non_null(row);
    fill_random(blocks, row_bytes * 64, 12345 + (uint64_t)type);
    mn_weight w = { .type = type, .rows = 64, .cols = cols, .n_experts = 1, .data = blocks,
                    .row_bytes = row_bytes };
    for (int r = 0; r < 64; r++) {
        mn_weight_decode(&w, 0, r, 0, cols, row);
        for (int64_t i = 0; i < cols; i++) {
            if (isnan(row[i])) row[i] = 12345;
            if (row[i] == 0) row[i] = 0;
        }
        hash = mn_hash64(row, (size_t)cols * sizeof *row, hash);
    }
    free(blocks);
    free(row);
    return hash;
}

static void block_decoders_give_the_recorded_values(void **state)
{
    int n = 0;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++, n++) {
        uint64_t hash = hash_of_decoding(recorded[i].type);
        if (hash != recorded[i].hash)
            fail_msg("%s: %016llx recorded, %016llx found",
                     mn_wtype_get(recorded[i].type)->name,
                     (unsigned long long)recorded[i].hash, (unsigned long long)hash);
    }
    assert_int_equal(n, MN_MXFP4 - MN_Q4_0 + 1);
}

static void part_of_a_row_decodes_like_the_whole(void **state)
{
    for (mn_wtype type = MN_F32; type <= MN_MXFP4; type++) {
        int64_t block = mn_wtype_get(type)->block, cols = block * 4;
        uint8_t bytes[2048];
        float whole[1024], part[512];
        fill_random(bytes, sizeof bytes, 99);
        mn_weight w = { .type = type,
                        .rows = 1,
                        .cols = cols,
                        .n_experts = 1,
                        .data = bytes + 1,
                        .row_bytes = mn_wtype_row_bytes(type, 0, cols) };
        mn_weight_decode(&w, 0, 0, 0, cols, whole);
        mn_weight_decode(&w, 0, 0, block, 2 * block, part);
        assert_memory_equal(part, whole + block, (size_t)block * 2 * sizeof *part);
    }
}

/* The worked examples of the MLX bit streams. */
static void mlx_codes_are_one_bit_stream(void **state)
{
    static const struct { int bits, n; uint8_t bytes[8], codes[8]; } cases[] = {
        { 4, 8, { 0x10, 0x32, 0x54, 0x76 }, { 0, 1, 2, 3, 4, 5, 6, 7 } },
        { 3, 8, { 0x88, 0xc6, 0xfa }, { 0, 1, 2, 3, 4, 5, 6, 7 } },
        { 5, 8, { 0x41, 0x0c, 0x52, 0xcc, 0x41 }, { 1, 2, 3, 4, 5, 6, 7, 8 } },
        { 6, 4, { 0x81, 0x30, 0x10 }, { 1, 2, 3, 4 } },
        { 2, 4, { 0xe4 }, { 0, 1, 2, 3 } },
        { 8, 3, { 9, 200, 255 }, { 9, 200, 255 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t row[32] = { 0 }, one[4] = { 0, 0, 0x80, 0x3f }, zero[4] = { 0 };
        float out[32];
        memcpy(row, cases[i].bytes, 8);
        mn_weight w = { .type = MN_MLX_AFFINE,
                        .bits = (uint8_t)cases[i].bits,
                        .group = 32,
                        .scale_type = MN_F32,
                        .rows = 1,
                        .cols = 32,
                        .n_experts = 1,
                        .data = row,
                        .scales = one,
                        .biases = zero,
                        .row_bytes =
                            mn_wtype_row_bytes(MN_MLX_AFFINE, cases[i].bits, 32) };
        mn_weight_decode(&w, 0, 0, 0, 32, out);
        for (int k = 0; k < cases[i].n; k++)
            assert_true(out[k] == (float)cases[i].codes[k]);
    }
}

static void f8_weights_take_scales_per_group_row_or_none(void **state)
{
    uint8_t codes[4] = { 0x38, 0x40, 0xb8, 0x7e };      /* 1 2 -1 448 */
    float scales[2] = { 10, 100 }, out[4];
    mn_weight w = { .type = MN_F8_E4M3, .rows = 1, .cols = 4, .n_experts = 1, .data = codes,
                    .row_bytes = 4 };
    mn_weight_decode(&w, 0, 0, 1, 3, out);
    assert_true(out[0] == 2 && out[1] == -1 && out[2] == 448);
    w.scales = (uint8_t *)scales;
    mn_weight_decode(&w, 0, 0, 0, 4, out);
    assert_true(out[3] == 4480);
    w.group = 2;
    mn_weight_decode(&w, 0, 0, 1, 3, out);
    assert_true(out[0] == 20 && out[1] == -100 && out[2] == 44800);
}

/* ---- against the originals -------------------------------------------------------- */

/* Where llama's GGUF converter took row r of q and k from: it turns each head's two
 * halves into pairs. */
static int64_t unpermuted(int64_t r, int head_dim)
{
    if (!head_dim) return r;
    int64_t in_head = r % head_dim;
    return r - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
}

/* NMSE of a quantised weight against the original, over all rows.  head_dim 0: rows are
 * in the same order. */
static double decoding_error(const mn_weight *w, const mn_weight *original, int head_dim)
{
    float *a = malloc((size_t)w->cols * 2 * sizeof *a), *b = a + w->cols;
    double error = 0, power = 0;
    assert_non_null(a);
    assert_int_equal(w->rows, original->rows);
    assert_int_equal(w->cols, original->cols);
    for (int64_t r = 0; r < w->rows; r++) {
        mn_weight_decode(w, 0, r, 0, w->cols, a);
        mn_weight_decode(original, 0, unpermuted(r, head_dim), 0, w->cols, b);
        for (int64_t c = 0; c < w->cols; c++) {
            error += ((double)a[c] - b[c]) * ((double)a[c] - b[c]);
            power += (double)b[c] * b[c];
        }
    }
    free(a);
    return error / power;
}

/* The largest NMSE of normally distributed weights that each type should show, and the
 * smallest that is believable for so few bits. */
static const struct { mn_wtype type; double low, high; } expected_error[] = {
    { MN_F32, 0, 0 }, { MN_BF16, 0, 0 }, { MN_F16, 0, 1e-7 },
    { MN_Q8_0, 1e-5, 6e-5 }, { MN_Q6_K, 1e-4, 8e-4 }, { MN_Q5_K, 4e-4, 2.5e-3 },
    { MN_Q5_0, 6e-4, 3e-3 }, { MN_Q5_1, 6e-4, 3e-3 }, { MN_Q4_K, 2e-3, 9e-3 },
    { MN_Q4_0, 3e-3, 1.2e-2 }, { MN_Q4_1, 3e-3, 1e-2 }, { MN_IQ4_NL, 3e-3, 9e-3 },
    { MN_IQ4_XS, 3e-3, 1e-2 }, { MN_MXFP4, 6e-3, 2e-2 }, { MN_Q3_K, 1e-2, 4e-2 },
    { MN_IQ3_S, 1e-2, 4e-2 }, { MN_IQ3_XXS, 1.5e-2, 6e-2 }, { MN_Q2_K, 3e-2, 1.2e-1 },
    { MN_IQ2_S, 4e-2, 1.4e-1 }, { MN_IQ2_XS, 5e-2, 1.6e-1 }, { MN_IQ2_XXS, 6e-2, 2e-1 },
    { MN_IQ1_M, 1e-1, 4e-1 }, { MN_IQ1_S, 1e-1, 4e-1 }, { MN_TQ1_0, 2e-1, 8e-1 },
    { MN_TQ2_0, 2e-1, 8e-1 },
};

/* The HF name of a llama matrix of a GGUF file. */
static const char *hf_name(const char *gguf, char *out, size_t size)
{
    static const char *const parts[][2] = {
        { "attn_q", "self_attn.q_proj" }, { "attn_k", "self_attn.k_proj" },
        { "attn_v", "self_attn.v_proj" }, { "attn_output", "self_attn.o_proj" },
        { "ffn_gate", "mlp.gate_proj" }, { "ffn_up", "mlp.up_proj" },
        { "ffn_down", "mlp.down_proj" },
    };
    int layer;
    char part[40];
    if (!strcmp(gguf, "token_embd.weight")) return "model.embed_tokens.weight";
    if (sscanf(gguf, "blk.%d.%39[^.]", &layer, part) != 2) return NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(part, parts[i][0])) continue;
        snprintf(out, size, "model.layers.%d.%s.weight", layer, parts[i][1]);
        return out;
    }
    return NULL;
}

static void gguf_files_of_every_type_are_near_the_original_weights(void **state)
{
    NEED_SHARED();
    static const char *const files[] = {
        "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_S",
        "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS",
        "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4",
    };
    mn_model_source *hf, *gguf;
    int seen[MN_N_WTYPES] = { 0 };
    assert_ok(mn_source_open(&hf, shared("golden/models/llama/hf"), NULL, err));
    const json_t *config = mn_model_dir_config(hf->dir);
    int head_dim =
        (int)(json_integer_value(json_object_get(config, "hidden_size"))
              / json_integer_value(json_object_get(config, "num_attention_heads")));
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[200];
        snprintf(path, sizeof path, "golden/models/llama/gguf/llama-%s.gguf", files[f]);
        assert_ok(mn_source_open(&gguf, shared(path), NULL, err));
        for (int64_t i = 0; i < mn_gguf_n_tensors(gguf->gguf); i++) {
            const mn_tensor_ref *t = mn_gguf_tensor_at(gguf->gguf, i);
            char buffer[100];
            const char *name = hf_name(t->name, buffer, sizeof buffer);
            if (!name) continue;
            const mn_tensor_ref *original = mn_source_tensor(hf, name);
            assert_non_null(original);
            mn_weight a = weight_of_tensor(t), b = weight_of_tensor(original);
            bool permuted = strstr(name, "q_proj") || strstr(name, "k_proj");
            double error = decoding_error(&a, &b, permuted ? head_dim : 0);
            for (size_t k = 0; k < sizeof expected_error / sizeof *expected_error; k++) {
                if (expected_error[k].type != t->wtype) continue;
                seen[t->wtype]++;
                if (error < expected_error[k].low || error > expected_error[k].high)
                    fail_msg("%s %s %s: NMSE %g", path, t->name,
                             mn_tensor_ref_type_name(t), error);
            }
        }
        mn_source_close(gguf);
    }
    for (int t = 0; t <= MN_MXFP4; t++)
        if (!seen[t]) fail_msg("no tensor of type %s was checked", mn_wtype_get(t)->name);
    mn_source_close(hf);
}

static void mlx_directories_are_near_the_original_weights(void **state)
{
    NEED_SHARED();
    mn_model_source *hf, *mlx;
    assert_ok(mn_source_open(&hf, shared("golden/models/llama/hf"), NULL, err));
    for (size_t i = 0; i < N_GOLDEN_MLX; i++) {
        static const char *const modules[] = { "model.layers.0.self_attn.q_proj",
                                               "model.layers.1.mlp.down_proj" };
        char path[100], name[100];
        snprintf(path, sizeof path, "golden/mlx/%s", golden_mlx[i].dir);
        assert_ok(mn_source_open(&mlx, shared(path), NULL, err));
        for (int m = 0; m < 2; m++) {
            snprintf(name, sizeof name, "%s.weight", modules[m]);
            mn_weight original = weight_of_tensor(mn_source_tensor(hf, name));
            mn_weight w = weight_of_module(mlx, modules[m], golden_mlx[i].type,
                                           golden_mlx[i].group);
            assert_int_equal(w.bits, golden_mlx[i].bits);
            double error = decoding_error(&w, &original, 0);
            if (error < golden_mlx[i].low || error > golden_mlx[i].high)
                fail_msg("%s %s: NMSE %g", path, modules[m], error);
        }
        mn_source_close(mlx);
    }
    mn_source_close(hf);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--record")) {
        for (mn_wtype t = MN_Q4_0; t <= MN_MXFP4; t++) {
            char name[20];
            snprintf(name, sizeof name, "%s", mn_wtype_get(t)->name);
            printf("{ MN_%s, 0x%016llx },\n", name,
                   (unsigned long long)hash_of_decoding(t));
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_survives_the_way_to_f32_and_back),
        cmocka_unit_test(f32_to_f16_rounds_to_nearest_even),
        cmocka_unit_test(f32_to_bf16_rounds_to_nearest_even),
        cmocka_unit_test(the_eight_bit_formats_have_their_standard_values),
        cmocka_unit_test(row_sizes_follow_the_blocks),
        cmocka_unit_test(views_decode_like_the_rows_they_show),
        cmocka_unit_test(experts_in_separate_tensors_decode_like_a_stack),
        cmocka_unit_test(block_decoders_give_the_recorded_values),
        cmocka_unit_test(part_of_a_row_decodes_like_the_whole),
        cmocka_unit_test(mlx_codes_are_one_bit_stream),
        cmocka_unit_test(f8_weights_take_scales_per_group_row_or_none),
        cmocka_unit_test(gguf_files_of_every_type_are_near_the_original_weights),
        cmocka_unit_test(mlx_directories_are_near_the_original_weights),
    };
    return cmocka_run_group_tests_name("weight", tests, NULL, NULL);
}
