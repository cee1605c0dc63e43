/* A trained model, small enough to keep: the same story from its GGUF file and from its
 * HuggingFace directory, exact and fast, on every instruction set and thread count.
 * (stories260K of the llama2.c project by Andrej Karpathy, MIT; trained on TinyStories.) */
#include "backend/native/native.h"
#include "base/mapfile.h"
#include "tests/golden.h"
#include "text/tokenizer.h"

static const char prompt[] = "Once upon a time";
static const char story[] = ", there was a little girl named Lily. She loved to play outside in "
                            "the park. One day, she saw a big, red ball.";

static mn_tokenizer *open_tokenizer(void)
{
    mn_tokenizer *t = NULL;
    char *json = NULL, *config = NULL;
    size_t n, m;
    assert_ok(mn_read_file(data("models/stories260k-hf/tokenizer.json"), 1 << 20, &json, &n,
                           err));
    assert_ok(mn_read_file(data("models/stories260k-hf/tokenizer_config.json"), 1 << 20, &config,
                           &m, err));
    assert_ok(mn_tokenizer_from_json(&t, json, n, config, m, err));
    free(json);
    free(config);
    return t;
}

static void expect_story(const char *model, mn_load_options options)
{
    golden_engine g;
    mn_tokenizer *t = open_tokenizer();
    mn_ids ids = { 0 };
    mn_buffer text = { 0 };
    options.context = 256;
    assert_ok(golden_load(&g, model, &options, err));
    if (options.n_threads > 1) g.engine->shared_from_ns = 0;
    assert_ok(mn_tokenizer_encode(t, prompt, strlen(prompt), NULL, &ids, err));
    mn_seq *s = golden_seq(&g);
    int32_t tokens[256], n = (int32_t)ids.n;
    memcpy(tokens, ids.ids, ids.n * sizeof *tokens);
    size_t want = strlen(prompt) + strlen(story);
    for (int32_t fed = 0; n < 200 && text.len < want; n++) {
        mn_span span = { s, 0, n - fed };
        mn_batch batch = { .tokens = tokens + fed, .n_tokens = n - fed, .spans = &span,
                           .n_spans = 1 };
        mn_output out;
        assert_ok(g.backend->forward(g.engine, &batch, &out, err));
        fed = n;
        tokens[n] = golden_best(out.logits, g.backend->vocab(g.engine));
        mn_buffer_reset(&text);
        assert_ok(mn_tokenizer_decode(t, tokens, (size_t)n + 1, true, &text, err));
    }
    if (strncmp(text.data, prompt, strlen(prompt)) ||
        strncmp(text.data + strlen(prompt), story, strlen(story)))
        fail_msg("%s, %s: \"%s\"", model, options.isa ? options.isa : "best", text.data);
    g.backend->seq_free(g.engine, s);
    golden_unload(&g);
    mn_tokenizer_free(t);
    mn_ids_clear(&ids);
    mn_buffer_clear(&text);
}

static void both_files_tell_the_story(void **state)
{
    expect_story(data("models/stories260k.gguf"), (mn_load_options){ .precise = true });
    expect_story(data("models/stories260k-hf"), (mn_load_options){ .precise = true });
    expect_story(data("models/stories260k.gguf"), (mn_load_options){ 0 });
    expect_story(data("models/stories260k-hf"), (mn_load_options){ 0 });
}

static void instruction_sets_and_threads_do_not_matter(void **state)
{
    static const char *const sets[] = { "ref", "avx2", "avx512", "neon" };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        mn_cpu cpu;
        if (mn_cpu_init(&cpu, sets[i], false, NULL)) continue;
        for (int threads = 1; threads <= 3; threads += 2)
            expect_story(data("models/stories260k.gguf"),
                         (mn_load_options){ .isa = sets[i], .n_threads = threads });
    }
}

static void small_caches_keep_the_story(void **state)
{
    expect_story(data("models/stories260k.gguf"), (mn_load_options){ .kv_type = MN_KV_Q8_0 });
    expect_story(data("models/stories260k.gguf"), (mn_load_options){ .kv_type = MN_KV_F32 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_files_tell_the_story),
        cmocka_unit_test(instruction_sets_and_threads_do_not_matter),
        cmocka_unit_test(small_caches_keep_the_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
