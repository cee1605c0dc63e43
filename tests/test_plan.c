/* Plans: every model binds completely, small ones give the reference's numbers, and whatever
 * is wrong with a config or its tensors becomes a message that names it.
 *
 * tests/data/models holds one tiny model of each kind of network with reference logits
 * (tests/reference says how they are made). */
#include "model/build.h"
#include "model/rope.h"
#include "tests/golden.h"
#include "tests/make_gguf.h"

/* ---- small models ----------------------------------------------------------------------- */

typedef struct {
    json_t *config;
    mn_safetensors *weights;
} fixture;

/* "tests/data/models/NAME", in one of a few buffers. */
static const char *fixture_path(const char *name)
{
    char relative[300];
    snprintf(relative, sizeof relative, "models/%s", name);
    return data(relative);
}

static fixture open_at(const char *folder)
{
    fixture f = { 0 };
    char path[1100];
    snprintf(path, sizeof path, "%s/config.json", folder);
    f.config = json_load_file(path, 0, NULL);
    assert_non_null(f.config);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    const char *one = path;
    assert_ok(mn_safetensors_open(&f.weights, &one, 1, err));
    return f;
}

static fixture fixture_open(const char *name) { return open_at(fixture_path(name)); }

static void fixture_close(fixture *f)
{
    mn_safetensors_close(f->weights);
    json_decref(f->config);
}

/* Calls fn for the models that have reference logits. */
static void each_fixture(void (*fn)(const char *name))
{
    struct dirent **dirs;
    int n = scandir(data("models"), &dirs, golden_not_hidden, alphasort), n_called = 0;
    for (int i = 0; i < n; i++) {
        char reference[1200];
        snprintf(reference, sizeof reference, "%s/golden.safetensors",
                 fixture_path(dirs[i]->d_name));
        if (!access(reference, R_OK)) {
            fn(dirs[i]->d_name);
            n_called++;
        }
        free(dirs[i]);
    }
    if (n >= 0) free(dirs);
    assert_true(n_called > 0);
}

static mn_plan *plan_of(const json_t *config, const fixture *f)
{
    mn_plan *p = NULL;
    mn_plan_input in = { .config = config, .weights = f->weights };
    assert_ok(mn_plan_build(&p, &in, err));
    return p;
}

/* The message of a config that must be refused. */
static const char *refusal(const json_t *config, const fixture *f)
{
    static minerva_error err;
    mn_plan *p = NULL;
    mn_plan_input in = { .config = config, .weights = f->weights };
    err = (minerva_error){ 0 };
    if (mn_plan_build(&p, &in, &err) == MINERVA_OK) fail_msg("a plan came out");
    assert_null(p);
    return err.message;
}

static void assert_says(const char *message, const char *part)
{
    if (!strstr(message, part)) fail_msg("\"%s\" expected in: %s", part, message);
}

static void compare_one(const char *name)
{
    const char *path = fixture_path(name);
    char reference[500];
    golden_engine g;
    golden_data golden;
    mn_load_options options = { .precise = true, .context = 96, .n_threads = 1,
                                .kv_type = MN_KV_F32 };
    snprintf(reference, sizeof reference, "%s/golden.safetensors", path);
    assert_ok(golden_load(&g, path, &options, err));
    golden_open(&golden, reference);
    int64_t vocab = g.backend->vocab(g.engine);
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) {
        const golden_sequence *q = &golden.seq[i];
        float *logits = malloc((size_t)(q->n * vocab) * sizeof *logits);
        mn_seq *s = golden_seq(&g);
        golden_feed(&g, s, q->tokens, q->n, 0, logits);
        double nmse = golden_nmse(logits, q->logits, q->n * vocab);
        if (!(nmse < 1e-9)) fail_msg("%s, %d tokens: NMSE %g", name, q->n, nmse);
        g.backend->seq_free(g.engine, s);
        free(logits);
    }
    golden_close(&golden);
    golden_unload(&g);
}

static void small_models_give_the_reference_s_numbers(void **state)
{
    each_fixture(compare_one);
}

/* ---- every tensor has a slot --------------------------------------------------------------- */

/* Tensors that may lie unused: tables that a plan folds in, and heads for speculation. */
static bool may_be_unused(const char *name)
{
    return strstr(name, "rotary_emb.inv_freq") || strstr(name, ".nextn.");
}

static int n_bound, n_unbound;

static void bind_one(void *ctx, const char *model, const char *golden, const char *name)
{
    minerva_error err = { 0 };
    mn_model_source *s = NULL;
    mn_plan *p = NULL;
    n_bound++;
    if (strstr(name, "Q1_0") || strstr(name, "Q2_0")) return;   /* types that we do not read */
    if (mn_source_open(&s, model, NULL, &err) || mn_plan_create(&p, s, &err)) {
        print_error("%s: %s\n", name, err.message);
        n_unbound++;
        mn_source_close(s);
        return;
    }
    for (int32_t i = 0; i < p->n_unused; i++) {
        if (may_be_unused(p->unused[i])) continue;
        print_error("%s: %s is bound by nobody\n", name, p->unused[i]);
        n_unbound++;
    }
    assert_true(mn_plan_n_parameters(p) > 0 && mn_plan_bytes_per_token(p) > 0);
    mn_plan_free(p);
    mn_source_close(s);
}

static void every_golden_model_binds_all_its_tensors(void **state)
{
    NEED_SHARED();
    n_bound = n_unbound = 0;
    golden_each(bind_one, NULL);
    if (n_unbound) fail_msg("%d faults in %d models", n_unbound, n_bound);
}

static void bind_fixture(const char *name)
{
    bind_one(NULL, fixture_path(name), NULL, name);
}

static void every_small_model_binds_all_its_tensors(void **state)
{
    n_bound = n_unbound = 0;
    each_fixture(bind_fixture);
    assert_int_equal(n_unbound, 0);
}

static void costs_are_those_of_the_matrices(void **state)
{
    fixture f = fixture_open("llama");
    mn_plan *p = plan_of(f.config, &f);
    int64_t hidden = 32, vocab = 64, ffn = 48, q = 32, kv = 16, layer = 0;
    layer = hidden * q + 2 * hidden * kv + q * hidden + 3 * hidden * ffn;
    assert_int_equal(mn_plan_macs_per_token(p), 2 * layer);
    assert_int_equal(mn_plan_n_parameters(p), 2 * layer + 2 * vocab * hidden);
    assert_int_equal(mn_plan_bytes_per_token(p), 2 * (2 * layer + vocab * hidden + hidden));
    assert_int_equal(mn_plan_kv_bytes_per_position(p), 2 * 2 * 2 * kv);
    mn_plan_free(p);
    fixture_close(&f);
}

/* ---- what is wrong is named ------------------------------------------------------------------- */

static void unknown_families_are_refused_with_the_known_ones(void **state)
{
    fixture f = fixture_open("llama");
    json_object_set_new(f.config, "model_type", json_string("frobnicator"));
    const char *says = refusal(f.config, &f);
    assert_says(says, "\"frobnicator\" is not known");
    assert_says(says, "llama, mistral");
    json_object_del(f.config, "model_type");
    assert_says(refusal(f.config, &f), "model_type");
    fixture_close(&f);
}

static void shapes_that_disagree_are_named_with_both(void **state)
{
    fixture f = fixture_open("llama");
    json_object_set_new(f.config, "intermediate_size", json_integer(47));
    assert_says(refusal(f.config, &f), "tensor model.layers.0.mlp.gate_proj.weight: shape "
                                       "[47, 32] expected, [48, 32] found");
    json_object_set_new(f.config, "intermediate_size", json_integer(48));
    json_object_set_new(f.config, "num_hidden_layers", json_integer(3));
    assert_says(refusal(f.config, &f), "tensor model.layers.2.input_layernorm.weight");
    fixture_close(&f);
}

static void fields_of_a_wrong_kind_are_named(void **state)
{
    fixture f = fixture_open("llama");
    json_object_set_new(f.config, "num_attention_heads", json_string("two"));
    assert_says(refusal(f.config, &f),
                "config.json: num_attention_heads: an integer expected, a string found");
    json_object_set_new(f.config, "num_attention_heads", json_integer(-2));
    assert_says(refusal(f.config, &f), "num_attention_heads: an integer from 1 to");
    json_object_set_new(f.config, "num_attention_heads", json_integer(3));
    assert_says(refusal(f.config, &f), "found");
    fixture_close(&f);
}

static void options_that_change_the_maths_are_refused_by_name(void **state)
{
    static const struct { const char *fixture, *field; const char *value, *says; } cases[] = {
        { "llama", "hidden_act", "\"mish\"", "hidden_act: activation \"mish\"" },
        { "llama", "rope_scaling", "{\"rope_type\":\"spiral\"}", "type \"spiral\"" },
        { "llama", "rope_scaling", "{\"rope_type\":\"linear\"}", "rope_scaling.factor" },
        { "llama", "rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":\"x\"}", "rope_scaling.factor" },
        { "llama", "quantization_config", "{\"quant_method\":\"awq\"}", "\"awq\"" },
        { "llama", "quantization_config", "{\"quant_method\":\"bitsandbytes\"}", "bitsandbytes" },
        { "gemma3_text", "layer_types", "[\"full_attention\",\"ring_attention\"]", "ring_attention" },
        { "gemma3_text", "use_bidirectional_attention", "true", "use_bidirectional_attention" },
        { "gemma4_text", "use_bidirectional_attention", "\"all\"", "use_bidirectional_attention" },
        { "falcon_h1", "mlp_multipliers", "[1.0]", "mlp_multipliers: 2 numbers" },
        { "granitemoehybrid", "time_step_limit", "[0.5, 0.1]", "time_step_limit" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f = fixture_open(cases[i].fixture);
        json_object_del(f.config, "rope_parameters");
        json_object_set_new(f.config, cases[i].field, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_says(refusal(f.config, &f), cases[i].says);
        fixture_close(&f);
    }
}

static int n_refused, n_accepted;

/* Whatever stands in a field: a plan or a message, never a crash.  Run with sanitizers. */
static void spoil_every_field(const char *folder)
{
    static const char *const values[] = {
        "null", "0", "-1", "1", "7", "1e30", "-0.5", "9223372036854775807", "true", "\"x\"", "\"\"",
        "[]", "[1]", "[-1, 1e30, \"x\"]", "{}", "{\"rope_type\":\"yarn\",\"factor\":1e300}",
        "{\"__float__\":\"NaN\"}", "[\"full_attention\"]"
    };
    fixture f = open_at(folder);
    const char *key;
    json_t *old;
    json_t *copy = json_deep_copy(f.config);
    json_object_foreach(copy, key, old) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            minerva_error err = { 0 };
            mn_plan *p = NULL;
            json_object_set_new(f.config, key, json_loads(values[i], JSON_DECODE_ANY, NULL));
            mn_plan_input in = { .config = f.config, .weights = f.weights };
            if (mn_plan_build(&p, &in, &err) == MINERVA_OK) {
                n_accepted++;
            } else {
                n_refused++;
                if (!err.message[0]) fail_msg("%s: %s = %s: no message", folder, key,
                                                  values[i]);
            }
            mn_plan_free(p);
        }
        json_object_set(f.config, key, old);
    }
    json_decref(copy);
    fixture_close(&f);
}

static void spoil_fixture(const char *name) { spoil_every_field(fixture_path(name)); }

static void any_value_in_any_field_gives_a_plan_or_a_message(void **state)
{
    n_refused = n_accepted = 0;
    each_fixture(spoil_fixture);
    assert_true(n_refused > 1000 && n_accepted > 1000);
}

static void spoil_golden(void *ctx, const char *model, const char *golden, const char *name)
{
    if (!strstr(name, "gguf")) spoil_every_field(model);
}

static void any_value_in_any_field_of_golden_models_too(void **state)
{
    NEED_SHARED();
    golden_each(spoil_golden, NULL);
}

/* A head beside a tied embedding: transformers uses it, mlx-lm (quantised files) drops it. */
static void a_head_beside_a_tied_embedding_follows_the_writer(void **state)
{
    fixture f = fixture_open("llama");
    json_object_set_new(f.config, "tie_word_embeddings", json_true());
    mn_plan *p = plan_of(f.config, &f);
    assert_ptr_not_equal(p->head.w.data, p->embed.data);
    mn_plan_free(p);
    json_object_set_new(f.config, "quantization", json_pack("{s:i, s:i}", "bits", 4, "group_size", 64));
    p = plan_of(f.config, &f);
    assert_ptr_equal(p->head.w.data, p->embed.data);
    assert_int_equal(p->n_unused, 0);
    mn_plan_free(p);
    fixture_close(&f);
}

/* A language model inside a multimodal config. */
static void a_text_config_is_found_inside_another(void **state)
{
    fixture f = fixture_open("llama");
    json_t *outer = json_pack("{s:s, s:O}", "model_type", "llava", "text_config", f.config);
    mn_plan *p = plan_of(outer, &f);
    assert_string_equal(p->family, "llama");
    mn_plan_free(p);
    json_decref(outer);
    fixture_close(&f);
}

/* ---- GGUF ---------------------------------------------------------------------------------------- */

enum { GG_HIDDEN = 8, GG_VOCAB = 5, GG_FFN = 12 };

static void gguf_matrix(gguf_maker *m, const char *name, uint64_t rows, uint64_t cols)
{
    static const float zeros[GG_FFN * GG_FFN];
    gm_tensor(m, name, 0, cols ? 2 : 1, (uint64_t[]){ cols ? cols : rows, rows }, zeros,
              (size_t)(rows * (cols ? cols : 1)) * sizeof *zeros);
}

/* A llama of one layer; `spoil`, if not NULL, gets `value` instead of what belongs there. */
static mn_buffer gguf_llama(const char *spoil, int64_t value)
{
    static const struct { const char *key; int64_t value; } fields[] = {
        { "llama.embedding_length", GG_HIDDEN }, { "llama.block_count", 1 },
        { "llama.attention.head_count", 2 }, { "llama.attention.head_count_kv", 1 },
        { "llama.feed_forward_length", GG_FFN }, { "llama.context_length", 64 },
        { "llama.rope.dimension_count", 4 }, { "llama.attention.key_length", 4 },
        { "llama.attention.value_length", 4 }, { "llama.vocab_size", GG_VOCAB },
    };
    gguf_maker m = { 0 };
    gm_str(&m, "general.architecture", "llama");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        gm_int(&m, fields[i].key, MN_GGUF_I64,
               spoil && !strcmp(spoil, fields[i].key) ? value : fields[i].value);
    gguf_matrix(&m, "token_embd.weight", GG_VOCAB, GG_HIDDEN);
    gguf_matrix(&m, "output_norm.weight", GG_HIDDEN, 0);
    gguf_matrix(&m, "blk.0.attn_norm.weight", GG_HIDDEN, 0);
    gguf_matrix(&m, "blk.0.attn_q.weight", 8, GG_HIDDEN);
    gguf_matrix(&m, "blk.0.attn_k.weight", 4, GG_HIDDEN);
    gguf_matrix(&m, "blk.0.attn_v.weight", 4, GG_HIDDEN);
    gguf_matrix(&m, "blk.0.attn_output.weight", GG_HIDDEN, 8);
    gguf_matrix(&m, "blk.0.ffn_norm.weight", GG_HIDDEN, 0);
    gguf_matrix(&m, "blk.0.ffn_gate.weight", GG_FFN, GG_HIDDEN);
    gguf_matrix(&m, "blk.0.ffn_up.weight", GG_FFN, GG_HIDDEN);
    gguf_matrix(&m, "blk.0.ffn_down.weight", GG_HIDDEN, GG_FFN);
    return gm_finish(&m);
}

static minerva_status plan_gguf(const char *spoil, int64_t value, minerva_error *err)
{
    mn_buffer file = gguf_llama(spoil, value);
    mn_gguf *g = NULL;
    mn_plan *p = NULL;
    minerva_status st = mn_gguf_open_memory(&g, file.data, file.len, err);
    mn_plan_input in = { .gguf = g };
    if (!st) st = mn_plan_build(&p, &in, err);
    if (!st) {
        assert_true(p->layers[0].mixer.u.attention.rope.interleaved);
        assert_ptr_equal(p->head.w.data, p->embed.data);
    }
    mn_plan_free(p);
    mn_gguf_close(g);
    mn_buffer_clear(&file);
    return st;
}

static void gguf_fields_out_of_range_are_named(void **state)
{
    static const char *const keys[] = {
        "embedding_length", "block_count", "attention.head_count", "attention.head_count_kv",
        "feed_forward_length", "attention.key_length", "attention.value_length"
    };
    static const int64_t bad[] = { -1, 0, 3, 1000000, INT64_MAX, INT64_MIN };
    assert_ok(plan_gguf(NULL, 0, err));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            minerva_error err = { 0 };
            char key[64];
            snprintf(key, sizeof key, "llama.%s", keys[i]);
            assert_int_not_equal(plan_gguf(key, bad[k], &err), MINERVA_OK);
            assert_true(err.message[0]);
        }
}

/* ---- rope ------------------------------------------------------------------------------------------ */

static mn_rope rope_of(mn_plan *plan, const char *config, const mn_rope_request *rq)
{
    minerva_error err = { 0 };
    json_t *json = json_loads(config, 0, NULL);
    mn_build b = { .config = json, .config_top = json, .plan = plan, .err = &err, .layer = -1 };
    mn_rope rope = { 0 };
    assert_non_null(json);
    mn_rope_build(&b, &rope, rq);
    if (b.status) fail_msg("%s: %s", config, err.message);
    json_decref(json);
    return rope;
}

static void assert_frequencies(const float *have, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (fabs(have[i] - want[i]) > 1e-6 * want[i])
            fail_msg("pair %d: %.9g expected, %.9g found", i, want[i], have[i]);
}

/* Expected values computed by hand from the formulas' definitions. */
static void rope_rules_give_the_published_frequencies(void **state)
{
    static const double plain[4] = { 1, 0.1, 0.01, 0.001 };
    static const double llama3[8] = { 1, 0.193922745, 0.0376060309, 0.00729266474, 0.000524846161,
                                      3.4281022e-05, 6.64786987e-06, 1.28917317e-06 };
    static const double yarn[8] = { 1, 0.225418, 0.0508132748, 0.00775546606, 0.000914454401,
                                    1.81883367e-05, 4.09997848e-06, 9.2420895e-07 };
    static const double exact[8] = { 1, 0.225418, 0.0508132748, 0.00679495949, 0.000456483919,
                                     1.81883367e-05, 4.09997848e-06, 9.2420895e-07 };
    static const double alpha[8] = { 1, 0.117876863, 0.0138949549, 0.00163789371, 0.000193069773,
                                     2.27584593e-05, 2.6826958e-06, 3.16227766e-07 };
    mn_plan plan = { 0 };
    mn_rope r = rope_of(&plan, "{}", &(mn_rope_request){ .head_dim = 8 });
    assert_int_equal(r.n_dims, 8);
    assert_frequencies(r.inv_freq, plain, 4);
    r = rope_of(&plan, "{\"rope_parameters\":{\"rope_theta\":1e4,\"partial_rotary_factor\":0.5},"
                       "\"partial_rotary_factor\":0.25}", &(mn_rope_request){ .head_dim = 16 });
    assert_int_equal(r.n_dims, 8);
    assert_frequencies(r.inv_freq, plain, 4);
    r = rope_of(&plan, "{\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":\"llama3\","
                       "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                       "\"original_max_position_embeddings\":8192}}",
                &(mn_rope_request){ .head_dim = 16 });
    assert_frequencies(r.inv_freq, llama3, 8);
    r = rope_of(&plan, "{\"rope_theta\":150000,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":32.0,"
                       "\"original_max_position_embeddings\":4096}}",
                &(mn_rope_request){ .head_dim = 16 });
    assert_frequencies(r.inv_freq, yarn, 8);
    assert_true(fabs(r.magnitude - 1.34657359) < 1e-6);
    r = rope_of(&plan, "{\"rope_parameters\":{\"rope_theta\":150000,\"rope_type\":\"yarn\","
                       "\"factor\":32.0,\"original_max_position_embeddings\":4096,"
                       "\"truncate\":false,\"mscale\":1.0,\"mscale_all_dim\":1.0}}",
                &(mn_rope_request){ .head_dim = 16 });
    assert_frequencies(r.inv_freq, exact, 8);
    assert_true(fabs(r.magnitude - 1) < 1e-6);
    r = rope_of(&plan, "{\"rope_scaling\":{\"type\":\"dynamic\",\"alpha\":1000.0,\"factor\":1.0}}",
                &(mn_rope_request){ .head_dim = 16 });
    assert_frequencies(r.inv_freq, alpha, 8);
    mn_arena_clear(&plan.arena);
}

static void longrope_has_two_tables_and_a_switch(void **state)
{
    static const double brief[4] = { 1, 0.05, 0.01, 0.001 };
    static const double extended[4] = { 1, 0.1, 0.01 / 4, 0.001 / 8 };
    mn_plan plan = { 0 };
    mn_rope r = rope_of(&plan, "{\"max_position_embeddings\":131072,"
                               "\"original_max_position_embeddings\":4096,\"rope_scaling\":"
                               "{\"type\":\"su\",\"short_factor\":[1,2,1,1],\"long_factor\":[1,1,4,8]}}",
                        &(mn_rope_request){ .head_dim = 8, .su_is_longrope = true });
    assert_frequencies(r.inv_freq, brief, 4);
    assert_frequencies(r.inv_freq_long, extended, 4);
    assert_int_equal(r.switch_at, 4096);
    assert_false(r.long_by_context);
    assert_true(fabs(r.magnitude - 1.19023807) < 1e-6);
    mn_arena_clear(&plan.arena);
}

static void proportional_rope_leaves_the_rest_of_the_head_still(void **state)
{
    mn_plan plan = { 0 };
    mn_rope r = rope_of(&plan, "{\"rope_parameters\":{\"full_attention\":{\"rope_type\":"
                               "\"proportional\",\"partial_rotary_factor\":0.25,\"rope_theta\":1e6},"
                               "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":1e4}}}",
                        &(mn_rope_request){ .head_dim = 16, .layer_type = "full_attention" });
    assert_int_equal(r.n_dims, 16);
    assert_true(fabs(r.inv_freq[1] - 0.177827941) < 1e-7);
    for (int i = 2; i < 8; i++) assert_true(r.inv_freq[i] == 0);
    mn_arena_clear(&plan.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_model_binds_all_its_tensors),
        cmocka_unit_test(small_models_give_the_reference_s_numbers),
        cmocka_unit_test(every_golden_model_binds_all_its_tensors),
        cmocka_unit_test(costs_are_those_of_the_matrices),
        cmocka_unit_test(unknown_families_are_refused_with_the_known_ones),
        cmocka_unit_test(shapes_that_disagree_are_named_with_both),
        cmocka_unit_test(fields_of_a_wrong_kind_are_named),
        cmocka_unit_test(options_that_change_the_maths_are_refused_by_name),
        cmocka_unit_test(any_value_in_any_field_gives_a_plan_or_a_message),
        cmocka_unit_test(any_value_in_any_field_of_golden_models_too),
        cmocka_unit_test(a_head_beside_a_tied_embedding_follows_the_writer),
        cmocka_unit_test(a_text_config_is_found_inside_another),
        cmocka_unit_test(gguf_fields_out_of_range_are_named),
        cmocka_unit_test(rope_rules_give_the_published_frequencies),
        cmocka_unit_test(longrope_has_two_tables_and_a_switch),
        cmocka_unit_test(proportional_rope_leaves_the_rest_of_the_head_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
