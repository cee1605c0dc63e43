/* Tokenizers on odd texts: broken UTF-8, very long runs, many threads, streams. */
#include "tests/tokenizer_cases.h"

#include <pthread.h>
#include <time.h>

enum { N_KINDS = 5 };
static const char *const kinds[N_KINDS] = { "bpe_llama3", "spm_metaspace", "unigram_bytefb",
                                            "wordpiece_uncased", "spm_llama2" };

static mn_tokenizer *open_kind(int kind)
{
    char path[4500];
    mn_tokenizer *t;
    snprintf(path, sizeof path, "%s/%s", data("tokenizers"), kinds[kind]);
    if (kind < 4) {
        assert_ok(open_json_dir(&t, path, err));
        return t;
    }
    size_t len;
    strcat(path, "/tokenizer.model");
    char *model = slurp(path, &len);
    assert_ok(mn_tokenizer_from_sentencepiece(&t, model, len, NULL, 0, err));
    free(model);
    return t;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t random_bytes(uint32_t *seed, char *out, size_t most)
{
    static const char some[] = "ab \n\xe2\x96\x81\xcc\x81<s>1'\xff\xf0\x9f";
    size_t n = next_random(seed) % most;
    for (size_t i = 0; i < n; i++)
        out[i] = next_random(seed) % 3 ? some[next_random(seed) % sizeof some]
                                       : (char)next_random(seed);
    return n;
}

static void byte_level_tokens_hold_every_byte_of_any_text(void **state)
{
    mn_tokenizer *t = open_kind(0);
    uint32_t seed = 5;
    char text[300];
    for (int i = 0; i < 3000; i++) {
        size_t len = random_bytes(&seed, text, sizeof text);
        mn_ids ids = { 0 };
        mn_buffer back = { 0 };
        assert_ok(mn_tokenizer_encode(t, text, len, &(mn_encode_options){ .no_special = true }, &ids, err));
        for (size_t k = 0; k < ids.n; k++) {
            mn_str b = mn_tokenizer_bytes(t, ids.ids[k]);
            mn_buffer_append(&back, b.data, b.len);
        }
        assert_int_equal(back.len, len);
        if (len) assert_memory_equal(back.data, text, len);
        mn_buffer_clear(&back);
        mn_ids_clear(&ids);
    }
    mn_tokenizer_free(t);
}

static void broken_utf8_is_read_as_replacement_characters(void **state)
{
    for (int kind = 1; kind < N_KINDS; kind++) {
        mn_tokenizer *t = open_kind(kind);
        uint32_t seed = 11;
        char text[120];
        for (int i = 0; i < 500; i++) {
            size_t len = random_bytes(&seed, text, sizeof text);
            mn_buffer valid = { 0 };
            mn_ids a = { 0 }, b = { 0 };
            for (size_t k = 0; k < len;) {
                uint32_t cp;
                int n = mn_utf8_decode_strict(text + k, len - k, &cp);
                /* SentencePiece counts bytes, the others broken parts. */
                mn_buffer_append_codepoint(&valid, cp);
                k += n > 0 ? (size_t)n : kind == 4 ? 1 : (size_t)-n;
            }
            assert_ok(mn_tokenizer_encode(t, text, len, NULL, &a, err));
            assert_ok(mn_tokenizer_encode(t, valid.data, valid.len, NULL, &b, err));
            assert_int_equal(a.n, b.n);
            if (a.n) assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
            mn_ids_clear(&a);
            mn_ids_clear(&b);
            mn_buffer_clear(&valid);
        }
        mn_tokenizer_free(t);
    }
}

/* Random ids through a stream, in which every part must be whole characters and all parts
 * together what decoding at once gives. */
static void streams_emit_whole_characters_and_lose_nothing(void **state)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        mn_tokenizer *t = open_kind(kind);
        mn_detokenizer *d;
        uint32_t seed = 3;
        assert_ok(mn_detokenizer_create(&d, t, kind % 2, err));
        for (int i = 0; i < 2000; i++) {
            int32_t ids[40];
            size_t n = next_random(&seed) % 40, done = 0;
            mn_buffer whole = { 0 }, parts = { 0 };
            for (size_t k = 0; k < n; k++)
                ids[k] = (int32_t)(next_random(&seed) % (uint32_t)(mn_tokenizer_n_tokens(t) + 3)) - 1;
            assert_ok(mn_tokenizer_decode(t, ids, n, kind % 2, &whole, err));
            for (size_t k = 0; k < n; k++) {
                assert_ok(mn_detokenizer_feed(d, ids[k], &parts, err));
                assert_true(mn_utf8_valid(parts.data + done, parts.len - done));
                done = parts.len;
            }
            assert_ok(mn_detokenizer_finish(d, &parts, err));
            assert_int_equal(parts.len, whole.len);
            if (whole.len) assert_memory_equal(parts.data, whole.data, whole.len);
            mn_buffer_clear(&whole);
            mn_buffer_clear(&parts);
        }
        mn_detokenizer_free(d);
        mn_tokenizer_free(t);
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A step per pair of characters would take minutes for these; a step per character takes
 * a fraction of a second, even in a slow build. */
static void long_runs_take_time_in_proportion(void **state)
{
    static const char *const units[] = { "a", " ", "\n", "1", "!", "\xcc\x81", "\xcc\x81\xcc\xa3",
        "\xe4\xb8\xad", "\xff", "\xe2\x96\x81", "a ", "'s", "aA", "\r\n", " \n", "[PAD]", "<s>",
        "\xe1\x84\x80\xe1\x85\xa1", "\xf0\x9f\x87\xb5" };
    const size_t n = 300000;
    for (int kind = 0; kind < N_KINDS; kind++) {
        mn_tokenizer *t = open_kind(kind);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t k = strlen(units[u]);
            char *text = malloc(n * k);
            for (size_t i = 0; i < n; i++) memcpy(text + i * k, units[u], k);
            mn_ids ids = { 0 };
            mn_buffer out = { 0 };
            double start = cpu_seconds();
            assert_ok(mn_tokenizer_encode(t, text, n * k, NULL, &ids, err));
            assert_ok(mn_tokenizer_decode(t, ids.ids, ids.n, false, &out, err));
            double taken = cpu_seconds() - start;
            if (taken > 20) fail_msg("%s: %zu times \"%s\" took %.1f s", kinds[kind], n, units[u], taken);
            mn_ids_clear(&ids);
            mn_buffer_clear(&out);
            free(text);
        }
        mn_tokenizer_free(t);
    }
}

/* The cache of words must not change anything: a long text gives what its stretches between
 * special tokens give alone. */
static void long_texts_are_encoded_like_short_ones(void **state)
{
    mn_tokenizer *t = open_kind(0);
    mn_buffer text = { 0 };
    mn_ids all = { 0 }, one = { 0 };
    uint32_t seed = 9;
    size_t at = 0;
    int32_t eot = mn_tokenizer_find(t, "<|eot_id|>", 10);
    assert_true(eot >= 0);
    struct { size_t start, len; } parts[2000];
    for (int i = 0; i < 2000; i++) {
        char bytes[40];
        size_t n = random_bytes(&seed, bytes, sizeof bytes);
        parts[i].start = text.len;
        parts[i].len = n;
        mn_buffer_append(&text, bytes, n);
        mn_buffer_append_str(&text, "<|eot_id|>");
    }
    mn_encode_options o = { .no_special = true };
    assert_ok(mn_tokenizer_encode(t, text.data, text.len, &o, &all, err));
    for (int i = 0; i < 2000; i++) {
        one.n = 0;
        assert_ok(mn_tokenizer_encode(t, text.data + parts[i].start, parts[i].len, &o, &one, err));
        assert_true(at + one.n < all.n);
        if (one.n) assert_memory_equal(one.ids, all.ids + at, one.n * sizeof *one.ids);
        at += one.n;
        assert_int_equal(all.ids[at++], eot);
    }
    assert_int_equal(at, all.n);
    mn_ids_clear(&all);
    mn_ids_clear(&one);
    mn_buffer_clear(&text);
    mn_tokenizer_free(t);
}

static void *encode_often(void *ctx)
{
    static const char text[] = "Threads share a tokenizer: \xc3\xa9t\xc3\xa9, 123, <|eot_id|> and so on.";
    mn_tokenizer *t = ctx;
    mn_ids first = { 0 }, ids = { 0 };
    intptr_t wrong = mn_tokenizer_encode(t, text, sizeof text - 1, NULL, &first, NULL);
    for (int i = 0; i < 300; i++) {
        ids.n = 0;
        wrong |= mn_tokenizer_encode(t, text, sizeof text - 1, NULL, &ids, NULL);
        wrong |= ids.n != first.n || memcmp(ids.ids, first.ids, ids.n * sizeof *ids.ids);
    }
    mn_ids_clear(&first);
    mn_ids_clear(&ids);
    return (void *)wrong;
}

static void threads_share_a_tokenizer(void **state)
{
    mn_tokenizer *t = open_kind(0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, encode_often, t), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    mn_tokenizer_free(t);
}

static void encoding_appends(void **state)
{
    mn_tokenizer *t = open_kind(0);
    mn_ids ids = { 0 };
    assert_ok(mn_tokenizer_encode(t, "a", 1, NULL, &ids, err));
    size_t n = ids.n;
    assert_ok(mn_tokenizer_encode(t, "a", 1, NULL, &ids, err));
    assert_int_equal(ids.n, 2 * n);
    assert_ok(mn_tokenizer_encode(t, NULL, 0, &(mn_encode_options){ .no_special = true }, &ids, err));
    assert_int_equal(ids.n, 2 * n);
    mn_ids_clear(&ids);
    mn_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_tokens_hold_every_byte_of_any_text),
        cmocka_unit_test(broken_utf8_is_read_as_replacement_characters),
        cmocka_unit_test(streams_emit_whole_characters_and_lose_nothing),
        cmocka_unit_test(long_runs_take_time_in_proportion),
        cmocka_unit_test(long_texts_are_encoded_like_short_ones),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(encoding_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
