/* Masks of JSON Schemas: exactly the tokens that a byte-by-byte reading allows, no dead
 * ends, and no document that another validator rejects.
 *
 * MINERVA_TEST_STEPS: tokens of the random walk (default 1,000,000; 20,000 under
 * sanitizers, where a step costs a hundred times as much).  With ajv and ajv-formats in
 * MINERVA_TEST_NODE_MODULES every document of the walk is judged by it. */
#include "tests/schema_suite.h"

#if defined __SANITIZE_ADDRESS__
enum { WALK_STEPS = 20000, ORACLE_PAIRS = 100 };
#else
enum { WALK_STEPS = 1000000, ORACLE_PAIRS = 1000 };
#endif

static mn_constraint *compile(const suite_vocab *v, const char *schema, mn_key_order order)
{
    mn_constraint *c = NULL;
    mn_constraint_options o = { .key_order = order };
    assert_ok(mn_constraint_compile(&c, v->trie, MN_CONSTRAINT_JSON_SCHEMA, schema, strlen(schema), &o, err));
    return c;
}

/* ---- instances --------------------------------------------------------------------- */

static bool accepts(const suite_vocab *v, mn_matcher *m, const char *schema, const char *text)
{
    static const mn_encode_options plain = { .no_special = true, .plain = true };
    mn_ids ids = { 0 };
    assert_ok(mn_tokenizer_encode(v->tokenizer, text, strlen(text), &plain, &ids, err));
    bool all = true;
    for (size_t i = 0; i < ids.n && all; i++) {
        const uint32_t *mask;
        assert_ok(mn_matcher_mask(m, &mask, err));
        all = mask_has(mask, ids.ids[i]);
        if (all != (mn_matcher_accept(m, ids.ids[i], NULL) == MINERVA_OK))
            fail_msg("%s: %s: token %zu of %zu, id %d: mask and acceptance differ", schema, text, i + 1, ids.n, ids.ids[i]);
    }
    all = all && mn_matcher_is_accepting(m);
    mn_ids_clear(&ids);
    return all;
}

static void instances_are_accepted_exactly_if_valid(void **state)
{
    (void)state;
    schema_suite s;
    suite_vocab v = { 0 };
    schema_suite_load(&s);
    suite_vocab_open(&v, "models/minerva-nano.gguf");
    for (size_t i = 0; i < s.n; i++) {
        mn_constraint *c = compile(&v, s.at[i].source, MN_KEYS_ANY_ORDER);
        json_t *test;
        size_t k;
        json_array_foreach(json_object_get(s.at[i].group, "tests"), k, test) {
            mn_matcher *m = NULL;
            char *text = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY);
            assert_ok(mn_matcher_create(&m, c, err));
            bool valid = json_is_true(json_object_get(test, "valid"));
            if (accepts(&v, m, s.at[i].source, text) != valid) fail_msg("%s: %s: %s expected", s.at[i].source, text,
                                                        valid ? "acceptance" : "rejection");
            free(text);
            mn_matcher_free(m);
        }
        mn_constraint_release(c);
    }
    suite_vocab_close(&v);
    schema_suite_free(&s);
}

static bool takes(mn_matcher *m, const char *text)
{
    size_t n = 0;
    return mn_matcher_accept_bytes(m, text, strlen(text), &n, NULL) == MINERVA_OK
           && n == strlen(text);
}

/* Keys and values may be spelled by escapes, which say nothing new. */
static void no_item_is_begun_when_all_distinct_ones_are_there(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"object\",\"properties\":"
        "{\"c\":{\"enum\":[\"x\",\"y\"]},\"d\":{\"type\":\"boolean\"}},\"required\":[\"c\",\"d\"],"
        "\"additionalProperties\":false}}";
    static const char three[] = "[{\"\\u0063\": \"x\",\"d\":true}, {\"\\u0064\":true, \"c\": \"y\"},"
                                "{\"c\": \"x\",\"\\u0064\": false}";
    static const char four[] = ", {\"d\": false, \"\\u0063\": \"y\"}";
    suite_vocab v = { 0 };
    mn_matcher *m = NULL;
    suite_vocab_open(&v, "models/minerva-nano.gguf");
    mn_constraint *c = compile(&v, schema, MN_KEYS_ANY_ORDER);
    assert_ok(mn_matcher_create(&m, c, err));
    assert_true(takes(m, three));
    assert_true(takes(m, four));
    assert_false(takes(m, ","));
    assert_true(takes(m, "]"));
    mn_matcher_free(m);
    mn_constraint_release(c);
    suite_vocab_close(&v);
}

/* What JSON wants escaped can be all that is left. */
static void an_item_that_is_left_may_need_an_escape(void **state)
{
    (void)state;
    static const char schema[] = "{\"type\":\"array\",\"uniqueItems\":true,\"items\":"
        "{\"type\":\"string\",\"pattern\":\"^[a\\\\u0001\\\"]$\"}}";
    static const char two[] = "[\"a\", \"\\\"\"";
    suite_vocab v = { 0 };
    mn_matcher *m = NULL;
    suite_vocab_open(&v, "models/minerva-nano.gguf");
    mn_constraint *c = compile(&v, schema, MN_KEYS_ANY_ORDER);
    assert_ok(mn_matcher_create(&m, c, err));
    assert_true(takes(m, two));
    assert_true(takes(m, ", \"\\u0001\""));
    assert_false(takes(m, ","));
    mn_matcher_free(m);
    mn_constraint_release(c);
    suite_vocab_close(&v);
}

/* ---- the oracle --------------------------------------------------------------------- */

static void expect_exact(const suite_vocab *v, mn_matcher *m, const char *schema, const mn_buffer *text)
{
    const uint32_t *found;
    size_t words = mn_vocab_trie_mask_words(v->trie);
    uint32_t *mask = malloc(words * sizeof *mask);
    assert_ok(mn_matcher_mask(m, &found, err));
    memcpy(mask, found, words * sizeof *mask);
    for (int32_t t = 0; t < v->n; t++) {
        bool takes = mn_matcher_accept(m, t, NULL) == MINERVA_OK;
        if (takes) assert_ok(mn_matcher_rollback(m, 1, err));
        if (takes == mask_has(mask, t)) continue;
        mn_str s = mn_tokenizer_bytes(v->tokenizer, t);
        fail_msg("%s: behind %.*s: token %d \"%.*s\" is%s in the mask", schema, (int)text->len,
                 text->data ? text->data : "", t, (int)s.len, s.data, takes ? " not" : "");
    }
    free(mask);
}

/* Random walks through the suite's schemas, and at every `every`-th place all tokens. */
static void compare_with_oracle(const suite_vocab *v, int pairs, uint32_t every)
{
    schema_suite s;
    uint64_t random = 1;
    schema_suite_load(&s);
    for (size_t i = 0; pairs > 0; i++) {
        const char *schema = s.at[i % s.n].source;
        mn_constraint *c = compile(v, schema, i / s.n % 2 ? MN_KEYS_SCHEMA_ORDER : MN_KEYS_ANY_ORDER);
        mn_matcher *m = NULL;
        mn_buffer text = { 0 };
        assert_ok(mn_matcher_create(&m, c, err));
        uint32_t length = 4 + suite_random(&random) % 90;
        for (uint32_t n = 0; n < 200 && pairs > 0 && !mn_matcher_is_finished(m); n++) {
            const uint32_t *mask;
            if (suite_random(&random) % every == 0) {
                expect_exact(v, m, schema, &text);
                pairs--;
            }
            assert_ok(mn_matcher_mask(m, &mask, err));
            int32_t token = suite_pick(v, mask, n > length, &random);
            if (token < 0) fail_msg("%s: nothing may follow %.*s", schema, (int)text.len, text.data);
            mn_str bytes = mn_tokenizer_bytes(v->tokenizer, token);
            mn_buffer_append(&text, bytes.data, bytes.len);
            assert_ok(mn_matcher_accept(m, token, err));
        }
        mn_buffer_clear(&text);
        mn_matcher_free(m);
        mn_constraint_release(c);
    }
    schema_suite_free(&s);
}

static void a_mask_is_what_trying_every_token_gives(void **state)
{
    (void)state;
    suite_vocab v = { 0 };
    suite_vocab_open(&v, "models/minerva-nano.gguf");
    compare_with_oracle(&v, ORACLE_PAIRS, 4);
    suite_vocab_close(&v);
}

static void a_mask_of_a_large_vocabulary_is_exact_too(void **state)
{
    (void)state;
    NEED_SHARED();
    suite_vocab v = { 0 };
    suite_vocab_open(&v, shared("vocab/ggml-vocab-llama-bpe.gguf"));
    compare_with_oracle(&v, ORACLE_PAIRS / 20, 16);
    suite_vocab_close(&v);
}

/* ---- the walk ------------------------------------------------------------------------- */

typedef struct { FILE *file; char path[64]; } judge;

/* The documents go to a file, one {"schema":n,"data":...} per line. */
static void judge_open(judge *j, const schema_suite *s)
{
    snprintf(j->path, sizeof j->path, "/tmp/minerva-walk-%ld", (long)getpid());
    j->file = fopen(j->path, "w");
    assert_non_null(j->file);
    fputc('[', j->file);
    for (size_t i = 0; i < s->n; i++) fprintf(j->file, "%s%s", i ? "," : "", s->at[i].source);
    fputs("]\n", j->file);
}

static void judge_close(judge *j)
{
    const char *modules = getenv("MINERVA_TEST_NODE_MODULES");
    char command[4096];
    fclose(j->file);
    if (!modules) {
        printf("skipped: ajv_accepts_every_document: MINERVA_TEST_NODE_MODULES is not set\n");
    } else {
        snprintf(command, sizeof command, "NODE_PATH='%s' node tests/peers/ajv.js '%s'", modules, j->path);
        assert_int_equal(system(command), 0);
    }
    unlink(j->path);
}

/* One document; returns its steps. */
static long walk(const suite_vocab *v, mn_constraint *c, const char *schema, size_t index, uint64_t *random, judge *j)
{
    mn_matcher *m = NULL;
    mn_buffer text = { 0 };
    long n = 0;
    assert_ok(mn_matcher_create(&m, c, err));
    uint32_t length = 10 + suite_random(random) % 120;
    while (!mn_matcher_is_finished(m) && n < 500) {
        const uint32_t *mask;
        assert_ok(mn_matcher_mask(m, &mask, err));
        int32_t token = suite_pick(v, mask, n > length, random);
        if (token < 0) fail_msg("%s: nothing may follow %.*s", schema, (int)text.len, text.data ? text.data : "");
        mn_str bytes = mn_tokenizer_bytes(v->tokenizer, token);
        if (token != v->eog) mn_buffer_append(&text, bytes.data, bytes.len);
        assert_ok(mn_matcher_accept(m, token, err));
        n++;
    }
    if (mn_matcher_is_finished(m)) {
        json_error_t why;
        mn_buffer_append_byte(&text, '\0');
        json_t *parsed = json_loads(text.data, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL
                                               | JSON_REJECT_DUPLICATES, &why);
        if (!parsed) fail_msg("%s: %s: %s", schema, text.data, why.text);
        json_decref(parsed);
        fprintf(j->file, "{\"schema\":%zu,\"data\":%s}\n", index, text.data);
    }
    mn_buffer_clear(&text);
    mn_matcher_free(m);
    return n;
}

static void random_walks_meet_no_dead_end_and_write_valid_documents(void **state)
{
    (void)state;
    schema_suite s;
    suite_vocab v = { 0 };
    judge j;
    const char *wanted = getenv("MINERVA_TEST_STEPS");
    long steps = 0, most = wanted ? atol(wanted) : WALK_STEPS;
    uint64_t random = 2;
    schema_suite_load(&s);
    suite_vocab_open(&v, "models/minerva-nano.gguf");
    judge_open(&j, &s);
    /* By turns with keys in any order and in the schema's, where required ones come first:
     * a random key is hardly ever a required one. */
    mn_constraint **c = calloc(2 * s.n, sizeof *c);
    for (size_t i = 0; steps < most; i = (i + 1) % (2 * s.n)) {
        const char *schema = s.at[i % s.n].source;
        if (!c[i]) c[i] = compile(&v, schema, i < s.n ? MN_KEYS_SCHEMA_ORDER : MN_KEYS_ANY_ORDER);
        if (!mn_constraint_is_empty(c[i])) steps += walk(&v, c[i], schema, i % s.n, &random, &j);
    }
    judge_close(&j);
    for (size_t i = 0; i < 2 * s.n; i++) mn_constraint_release(c[i]);
    free(c);
    suite_vocab_close(&v);
    schema_suite_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_accepted_exactly_if_valid),
        cmocka_unit_test(no_item_is_begun_when_all_distinct_ones_are_there),
        cmocka_unit_test(an_item_that_is_left_may_need_an_escape),
        cmocka_unit_test(a_mask_is_what_trying_every_token_gives),
        cmocka_unit_test(a_mask_of_a_large_vocabulary_is_exact_too),
        cmocka_unit_test(random_walks_meet_no_dead_end_and_write_valid_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
