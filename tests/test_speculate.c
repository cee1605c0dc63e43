/* Guessing tokens ahead changes nothing but time: answers with and without are the same,
 * however they are drawn, and four tokens at once give bit for bit what one by one gives. */
#include "backend/backend.h"
#include "backend/native/cpu/cpu.h"
#include "runtime/speculate.h"
#include "tests/check.h"

static const char nano[] = "models/minerva-nano.gguf";

#define NEED_NANO() \
    do { \
        if (access(nano, R_OK)) { \
            printf("skipped: %s: the bundled model is not there\n", __func__); \
            skip(); \
        } \
    } while (0)

typedef struct {
    char text[8192];
    size_t len;
} answer;

static bool on_piece(void *ctx, const minerva_piece *piece)
{
    answer *a = ctx;
    if (a->len + piece->len < sizeof a->text) {
        memcpy(a->text + a->len, piece->text, piece->len);
        a->len += piece->len;
    }
    return true;
}

/* The answer and the tokens that the session holds after it. */
static void generate(minerva_model *m, const char *prompt, minerva_generate_options o, answer *a,
                     int32_t *tokens, size_t *n_tokens)
{
    minerva_session *s;
    int32_t *ids;
    size_t n;
    a->len = 0;
    o.on_piece = on_piece;
    o.ctx = a;
    assert_ok(minerva_tokenize(m, prompt, strlen(prompt), NULL, &ids, &n, err));
    assert_ok(minerva_session_create(&s, m, err));
    assert_ok(minerva_generate(s, ids, n, &o, NULL, err));
    *n_tokens = minerva_session_length(s);
    assert_true(*n_tokens <= 2048);
    memcpy(tokens, minerva_session_tokens(s), *n_tokens * sizeof *tokens);
    minerva_session_free(s);
    minerva_free(ids);
}

static const char repeating[] =
    "The fox was gentle, and the fox was old. The fox was gentle, and the fox was old. The fox "
    "was gentle, and the fox was old. The fox";

static void compare(minerva_model *m, minerva_generate_options o)
{
    static answer plain, guessed;
    static int32_t a[2048], b[2048];
    size_t n_a, n_b;
    o.no_guessing = true;
    generate(m, repeating, o, &plain, a, &n_a);
    o.no_guessing = false;
    generate(m, repeating, o, &guessed, b, &n_b);
    assert_true(plain.len > 0);
    assert_int_equal(plain.len, guessed.len);
    assert_memory_equal(plain.text, guessed.text, plain.len);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a * sizeof *a);
}

static void answers_are_the_same(void **state)
{
    NEED_NANO();
    minerva_model *m, *other;
    minerva_session *draft;
    minerva_sampling warm = { .temperature = 0.8f, .top_p = 0.9f, .repeat_penalty = 1.1f };
    minerva_constraint digits = { .kind = MINERVA_REGEX, .source = "( fox| was| old|\\.)+",
                                  .len = 20 };
    const char *stop = "gentle";
    assert_ok(minerva_model_open(&m, nano, NULL, err));
    assert_ok(minerva_model_open(&other, nano, NULL, err));
    assert_ok(minerva_session_create(&draft, other, err));
    compare(m, (minerva_generate_options){ .max_tokens = 60, .ignore_end = true });
    for (uint64_t seed = 1; seed < 4; seed++) {
        warm.seed = seed;
        compare(m, (minerva_generate_options){ .sampling = &warm, .max_tokens = 50 });
    }
    compare(m, (minerva_generate_options){ .max_tokens = 40, .constraint = &digits });
    compare(m, (minerva_generate_options){ .max_tokens = 60, .stop = &stop, .n_stop = 1 });
    compare(m, (minerva_generate_options){ .max_tokens = 60, .draft = draft });
    compare(m, (minerva_generate_options){ .sampling = &warm, .max_tokens = 60, .draft = draft });
    minerva_session_free(draft);
    minerva_model_close(other);
    minerva_model_close(m);
}

/* On every instruction set, after a prompt that is no multiple of anything. */
static void four_tokens_are_bit_for_bit_one_by_one(void **state)
{
    NEED_NANO();
    enum { PROMPT = 77, RUN = 1 + MN_MAX_GUESSES };
    int32_t ids[PROMPT + RUN];
    for (int i = 0; i < PROMPT + RUN; i++) ids[i] = 300 + i * 37 % 4000;
    for (int isa = 0; isa < MN_N_ISAS; isa++) {
        mn_cpu cpu;
        const char *name = mn_isa_name((mn_isa)isa);
        if (mn_cpu_init(&cpu, name, false, NULL)) continue;
        const mn_backend *b = mn_backend_find("native");
        mn_load_options options = { .isa = name, .context = 128, .n_threads = 2 };
        mn_model_source *source;
        mn_engine *e;
        mn_seq *one, *many;
        mn_output out;
        assert_ok(mn_source_open(&source, nano, NULL, err));
        assert_ok(b->load(source, &options, &e, err));
        assert_ok(b->seq_create(e, &one, err));
        size_t row = (size_t)b->vocab(e) * sizeof(float);
        float *logits = malloc(RUN * row);
        mn_span span = { one, 0, PROMPT };
        mn_batch batch = { .tokens = ids, .n_tokens = PROMPT, .spans = &span, .n_spans = 1 };
        assert_ok(b->forward(e, &batch, &out, err));
        assert_ok(b->seq_fork(e, one, &many, err));
        for (int i = 0; i < RUN; i++) {
            span = (mn_span){ one, 0, 1 };
            batch = (mn_batch){ .tokens = ids + PROMPT + i, .n_tokens = 1, .spans = &span,
                                .n_spans = 1 };
            assert_ok(b->forward(e, &batch, &out, err));
            memcpy((uint8_t *)logits + (size_t)i * row, out.logits, row);
        }
        const uint8_t want[RUN] = { 1, 1, 1, 1 };
        span = (mn_span){ many, 0, RUN };
        batch = (mn_batch){ .tokens = ids + PROMPT, .n_tokens = RUN, .spans = &span, .n_spans = 1,
                            .want = want };
        assert_ok(b->forward(e, &batch, &out, err));
        if (memcmp(logits, out.logits, RUN * row)) fail_msg("%s: logits differ", name);
        free(logits);
        b->seq_free(e, one);
        b->seq_free(e, many);
        b->unload(e);
        mn_source_close(source);
    }
}

static void guesses_stop_where_they_lose_and_come_back(void **state)
{
    NEED_NANO();
    minerva_model *m;
    mn_guesser *g;
    int32_t ids[MN_MAX_GUESSES], n, text[] = { 5, 6, 7, 8, 9, 10, 1, 2, 5, 6, 7 };
    assert_ok(minerva_model_open(&m, nano, NULL, err));
    assert_ok(mn_guesser_create(&g, m, NULL, err));
    assert_ok(mn_guesser_feed(g, text, sizeof text / sizeof *text, err));
    assert_ok(mn_guesser_guess(g, ids, &n, err));
    assert_int_equal(n, 0);             /* what a pass takes is not known yet */
    mn_guesser_learn(g, 0, 0, 1.0);
    assert_ok(mn_guesser_guess(g, ids, &n, err));
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 8);
    assert_int_equal(ids[2], 10);
    int tries = 0;
    while (n) {                         /* twice the time, never right */
        mn_guesser_learn(g, n, 0, 2.0);
        assert_ok(mn_guesser_guess(g, ids, &n, err));
        assert_true(++tries < 6);
    }
    int pause = 0;
    for (; !n && pause < 1000; pause++) assert_ok(mn_guesser_guess(g, ids, &n, err));
    assert_int_equal(n, 3);
    assert_true(pause > 10 && pause < 100);
    mn_guesser_learn(g, 3, 3, 2.0);     /* and it pays again */
    assert_ok(mn_guesser_guess(g, ids, &n, err));
    assert_int_equal(n, 3);
    mn_guesser_free(g);
    minerva_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same),
        cmocka_unit_test(four_tokens_are_bit_for_bit_one_by_one),
        cmocka_unit_test(guesses_stop_where_they_lose_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
