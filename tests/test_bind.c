/* Binding: from stored tensors of every form to weights that decode to the right numbers. */
#include "model/build.h"
#include "tests/check.h"
#include "tests/make_safetensors.h"

/* Tensors of a file under construction. */
typedef struct {
    mn_buffer header, data;
} st_maker;

static void st_add(st_maker *m, const char *name, const char *type, const char *shape,
                   const void *bytes, size_t n)
{
    mn_buffer_append_fmt(&m->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
                         "\"data_offsets\":[%zu,%zu]}", m->header.len ? "," : "{", name, type,
                         shape, m->data.len, m->data.len + n);
    mn_buffer_append(&m->data, bytes, n);
}

typedef struct {
    mn_buffer file;
    mn_safetensors *weights;
    mn_plan plan;
    minerva_error err;
    mn_build b;
} binding;

static void binding_open(binding *t, st_maker *m)
{
    *t = (binding){ 0 };
    mn_buffer_append_str(&m->header, "}");
    t->file = safetensors_bytes(m->header.data, m->header.len, m->data.data, m->data.len);
    mn_buffer_clear(&m->header);
    mn_buffer_clear(&m->data);
    assert_ok(mn_safetensors_open_memory(&t->weights, t->file.data, t->file.len, err));
    t->b = (mn_build){ .weights = t->weights, .plan = &t->plan, .err = &t->err, .root = "", .top = "",
                       .layers_name = "layers", .layer = -1 };
    mn_bind_index(&t->b);
    assert_int_equal(t->b.status, MINERVA_OK);
}

static void binding_close(binding *t)
{
    mn_map_clear(&t->b.names);
    mn_arena_clear(&t->plan.arena);
    mn_safetensors_close(t->weights);
    mn_buffer_clear(&t->file);
}

static float element(const mn_weight *w, int64_t e, int64_t r, int64_t c)
{
    float row[512];
    mn_weight one = mn_weight_experts(w, e, 1);
    mn_weight_decode(&one, 0, r, 0, w->cols, row);
    return row[c];
}

static void fp8_scales_are_taken_per_tensor_row_or_block(void **state)
{
    enum { ROWS = 130, COLS = 256 };
    static uint8_t codes[ROWS * COLS];
    static float rows[ROWS];
    const float whole = 0.5f, blocks[4] = { 1, 2, 3, 4 };
    for (int i = 0; i < ROWS * COLS; i++) codes[i] = (uint8_t)(i % 120);
    for (int i = 0; i < ROWS; i++) rows[i] = (float)(i + 1);
    st_maker m = { 0 };
    binding t;
    st_add(&m, "a.weight", "F8_E4M3", "130,256", codes, sizeof codes);
    st_add(&m, "a.weight_scale", "F32", "", &whole, sizeof whole);
    st_add(&m, "b.weight", "F8_E4M3", "130,256", codes, sizeof codes);
    st_add(&m, "b.weight_scale", "F32", "130,1", rows, sizeof rows);
    st_add(&m, "c.weight", "F8_E4M3", "130,256", codes, sizeof codes);
    st_add(&m, "c.weight_scale_inv", "F32", "2,2", blocks, sizeof blocks);
    binding_open(&t, &m);
    mn_linear a = { 0 }, b = { 0 }, c = { 0 };
    mn_bind_linear(&t.b, &a, NULL, "a", ROWS, COLS);
    mn_bind_linear(&t.b, &b, NULL, "b", ROWS, COLS);
    mn_bind_linear(&t.b, &c, NULL, "c", ROWS, COLS);
    assert_int_equal(t.b.status, MINERVA_OK);
    for (int r = 0; r < ROWS; r += 43)
        for (int col = 0; col < COLS; col += 51) {
            float plain = mn_e4m3_to_f32(codes[r * COLS + col]);
            assert_true(element(&a.w, 0, r, col) == plain * whole);
            assert_true(element(&b.w, 0, r, col) == plain * rows[r]);
            assert_true(element(&c.w, 0, r, col) == plain * blocks[r / 128 * 2 + col / 128]);
        }
    for (int64_t i = 0; i < t.b.n_tensors; i++) assert_true(t.b.used[i]);
    binding_close(&t);
}

static void openai_s_blocks_are_mxfp4_rows(void **state)
{
    enum { EXPERTS = 2, ROWS = 4, COLS = 64 };
    uint8_t blocks[EXPERTS * ROWS * COLS / 2], scales[EXPERTS * ROWS * COLS / 32];
    for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (uint8_t)(i * 37);
    for (size_t i = 0; i < sizeof scales; i++) scales[i] = (uint8_t)(120 + i);
    st_maker m = { 0 };
    binding t;
    st_add(&m, "x_blocks", "U8", "2,4,2,16", blocks, sizeof blocks);
    st_add(&m, "x_scales", "U8", "2,4,2", scales, sizeof scales);
    binding_open(&t, &m);
    mn_weight w = { 0 };
    mn_bind_mxfp4_blocks(&t.b, &w, "x", EXPERTS, ROWS, COLS);
    assert_int_equal(t.b.status, MINERVA_OK);
    for (int e = 0; e < EXPERTS; e++)
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) {
                int row = e * ROWS + r;
                uint8_t byte = blocks[row * COLS / 2 + c / 2];
                float want = mn_e2m1_to_f32(c % 2 ? byte >> 4 : byte & 15) *
                             mn_e8m0_to_f32(scales[row * 2 + c / 32]);
                assert_true(element(&w, e, r, c) == want);
            }
    mn_bind_mxfp4_blocks(&t.b, &w, "y", EXPERTS, ROWS, COLS);
    assert_non_null(strstr(t.err.message, "tensor y_blocks: shape [2, 4, 2, 16] expected"));
    binding_close(&t);
}

static void experts_are_one_stack_or_a_table(void **state)
{
    enum { N = 12, ROWS = 2, COLS = 3 };
    float values[N * ROWS * COLS];
    for (int i = 0; i < N * ROWS * COLS; i++) values[i] = (float)i;
    st_maker m = { 0 };
    binding t;
    st_add(&m, "stack.up", "F32", "12,2,3", values, sizeof values);
    for (int e = N - 1; e >= 0; e--) {      /* in any order */
        char name[32];
        snprintf(name, sizeof name, "each.%d.up.weight", e);
        st_add(&m, name, "F32", "2,3", values + e * ROWS * COLS, ROWS * COLS * sizeof *values);
    }
    binding_open(&t, &m);
    mn_weight stack = { 0 }, each = { 0 };
    mn_bind_experts(&t.b, &stack, NULL, "x_exps", "stack.up", "none.%d.up", N, ROWS, COLS);
    mn_bind_experts(&t.b, &each, NULL, "x_exps", "none.up", "none.%d.w3|each.%d.up", N, ROWS, COLS);
    assert_int_equal(t.b.status, MINERVA_OK);
    assert_null(stack.parts);
    assert_non_null(each.parts);
    for (int e = 0; e < N; e++)
        for (int i = 0; i < ROWS * COLS; i++) {
            assert_true(element(&stack, e, i / COLS, i % COLS) == values[e * ROWS * COLS + i]);
            assert_true(element(&each, e, i / COLS, i % COLS) == values[e * ROWS * COLS + i]);
        }
    mn_bind_experts(&t.b, &each, NULL, "x_exps", "none.up", "each.%d.up", N + 1, ROWS, COLS);
    assert_non_null(strstr(t.err.message, "tensor each.12.up.weight: shape [2, 3] expected, but"));
    binding_close(&t);
}

static void matrices_stored_the_other_way_round_are_turned(void **state)
{
    const float values[6] = { 0, 1, 2, 3, 4, 5 };       /* [2 in, 3 out] */
    st_maker m = { 0 };
    binding t;
    st_add(&m, "w", "F32", "2,3", values, sizeof values);
    binding_open(&t, &m);
    mn_weight w = { 0 };
    mn_bind_transposed(&t.b, &w, "w", 0, 3, 2);
    assert_int_equal(t.b.status, MINERVA_OK);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 2; c++) assert_true(element(&w, 0, r, c) == values[c * 3 + r]);
    binding_close(&t);
}

static void gathered_rows_keep_their_bias(void **state)
{
    const float values[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, bias[4] = { 10, 11, 12, 13 };
    st_maker m = { 0 };
    binding t;
    st_add(&m, "w.weight", "F32", "4,2", values, sizeof values);
    st_add(&m, "w.bias", "F32", "4", bias, sizeof bias);
    binding_open(&t, &m);
    mn_linear all = { 0 }, some = { 0 };
    mn_bind_linear(&t.b, &all, NULL, "w", 4, 2);
    mn_bind_gather(&t.b, &some, &all, (const int32_t[]){ 3, 1 }, 2);
    assert_int_equal(t.b.status, MINERVA_OK);
    assert_true(element(&some.w, 0, 0, 1) == 7 && element(&some.w, 0, 1, 0) == 2);
    assert_true(some.bias[0] == 13 && some.bias[1] == 11);
    mn_linear tail = mn_linear_rows(&all, 2, 2);
    assert_true(element(&tail.w, 0, 0, 0) == 4 && tail.bias[1] == 13);
    binding_close(&t);
}

/* 4 bits in groups of 32 on 64 columns: 8 words, 2 scales a row. */
static void mlx_modules_must_agree_with_the_config(void **state)
{
    static const uint32_t words[2 * 8];
    static const uint16_t scales[2 * 2];
    static const struct { const char *config, *says; } cases[] = {
        { "{\"bits\":4,\"group_size\":32}", NULL },
        { "{\"bits\":8,\"group_size\":64,\"m\":{\"bits\":4,\"group_size\":32}}", NULL },
        { "{\"bits\":4,\"group_size\":64}", "says affine, 4 bits, groups of 64; its shapes say "
                                            "affine, 4 bits, groups of 32" },
        { "{\"bits\":4,\"group_size\":32,\"mode\":\"mxfp4\"}", "says mxfp4" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        st_maker m = { 0 };
        binding t;
        st_add(&m, "m.weight", "U32", "2,8", words, sizeof words);
        st_add(&m, "m.scales", "BF16", "2,2", scales, sizeof scales);
        st_add(&m, "m.biases", "BF16", "2,2", scales, sizeof scales);
        binding_open(&t, &m);
        json_t *quant = json_loads(cases[i].config, 0, NULL);
        mn_linear l = { 0 };
        t.b.quant = quant;
        mn_bind_linear(&t.b, &l, NULL, "m", 2, 64);
        if (cases[i].says && !strstr(t.err.message, cases[i].says)) fail_msg("%s", t.err.message);
        if (!cases[i].says) assert_true(l.w.type == MN_MLX_AFFINE && l.w.group == 32);
        json_decref(quant);
        binding_close(&t);
    }
}

static void leading_ones_are_forgiven_and_other_shapes_named(void **state)
{
    const float values[6] = { 0, 1, 2, 3, 4, 5 };
    st_maker m = { 0 };
    binding t;
    st_add(&m, "flat.weight", "F32", "6", values, sizeof values);
    st_add(&m, "conv.weight", "F32", "3,1,2", values, sizeof values);
    st_add(&m, "int.weight", "I32", "2,3", values, sizeof values);
    binding_open(&t, &m);
    mn_linear l = { 0 };
    mn_bind_linear(&t.b, &l, NULL, "flat", 1, 6);
    const float *conv = mn_bind_vector(&t.b, NULL, "conv.weight", 6, 0);
    assert_int_equal(t.b.status, MINERVA_OK);
    assert_true(conv[5] == 5);
    mn_bind_linear(&t.b, &l, NULL, "int", 2, 3);
    assert_non_null(strstr(t.err.message, "tensor int.weight: floats or a known quantised type "
                                          "expected, I32 found"));
    t.b.status = MINERVA_OK;
    t.err = (minerva_error){ 0 };
    mn_bind_linear(&t.b, &l, NULL, "flat", 2, 3);
    assert_non_null(strstr(t.err.message, "shape [2, 3] expected, [6] found"));
    binding_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp8_scales_are_taken_per_tensor_row_or_block),
        cmocka_unit_test(openai_s_blocks_are_mxfp4_rows),
        cmocka_unit_test(experts_are_one_stack_or_a_table),
        cmocka_unit_test(matrices_stored_the_other_way_round_are_turned),
        cmocka_unit_test(gathered_rows_keep_their_bias),
        cmocka_unit_test(mlx_modules_must_agree_with_the_config),
        cmocka_unit_test(leading_ones_are_forgiven_and_other_shapes_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
