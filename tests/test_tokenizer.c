/* Tokenizers against golden cases of every kind: small ones that lie here, and all of the
 * larger collection where it is. */
#include "tests/gguf_vocab.h"
#include "tests/tokenizer_cases.h"

#include <dirent.h>

/* All case files of a directory with a tokenizer.json; returns the number of cases. */
static int check_json_dir(const char *dir, int *wrong)
{
    static const char *const files[] = { "cases.jsonl", "decode_cases.jsonl" };
    char path[4600];
    minerva_error err = { 0 };
    mn_tokenizer *t;
    int n = 0;
    if (open_json_dir(&t, dir, &err)) {
        print_error("%s: %s\n", dir, err.message);
        ++*wrong;
        return 0;
    }
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[k]);
        case_result r = check_cases(t, path);
        n += r.n_cases;
        *wrong += r.n_wrong;
        if (r.n_wrong) print_error("%s: %d wrong of %d: %s\n", path, r.n_wrong, r.n_cases, r.first);
    }
    mn_tokenizer_free(t);
    return n;
}

static void small_tokenizers_are_exactly_right(void **state)
{
    static const char *const names[] = { "bpe_llama3", "spm_metaspace", "unigram_bytefb",
                                         "wordpiece_uncased" };
    int wrong = 0;
    for (int i = 0; i < 4; i++) {
        char dir[4500];
        snprintf(dir, sizeof dir, "%s/%s", data("tokenizers"), names[i]);
        assert_true(check_json_dir(dir, &wrong) > 50);
    }
    assert_int_equal(wrong, 0);
}

static void golden_tokenizers_are_exactly_right(void **state)
{
    NEED_SHARED();
    DIR *d = opendir(shared("golden/tokenizers"));
    assert_non_null(d);
    int n = 0, wrong = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char dir[4500];
        if (e->d_name[0] == '.') continue;
        snprintf(dir, sizeof dir, "%s/%s", shared("golden/tokenizers"), e->d_name);
        n += check_json_dir(dir, &wrong);
    }
    closedir(d);
    assert_int_equal(wrong, 0);
    assert_true(n > 1000);
}

static mn_tokenizer *open_model(const char *path)
{
    size_t len;
    mn_tokenizer *t;
    char *model = slurp(path, &len);
    assert_ok(mn_tokenizer_from_sentencepiece(&t, model, len, NULL, 0, err));
    free(model);
    return t;
}

static void a_small_sentencepiece_model_is_exactly_right(void **state)
{
    mn_tokenizer *t = open_model(data("tokenizers/spm_llama2/tokenizer.model"));
    assert_cases(t, data("tokenizers/spm_llama2/cases_sentencepiece.jsonl"));
    mn_tokenizer_free(t);
}

static void sentencepiece_models_are_exactly_right(void **state)
{
    NEED_SHARED();
    static const char *const names[] = { "spm_llama2", "unigram_t5" };
    for (int i = 0; i < 2; i++) {
        char path[4500];
        snprintf(path, sizeof path, "%s/%s/tokenizer.model", shared("golden/tokenizers"), names[i]);
        mn_tokenizer *t = open_model(path);
        snprintf(path, sizeof path, "%s/%s/cases_sentencepiece.jsonl", shared("golden/tokenizers"),
                 names[i]);
        assert_cases(t, path);
        mn_tokenizer_free(t);
    }
}

/* .inp: texts between separator lines; .out: a line of ids for each. */
static int check_vocab(const char *path)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    gguf_vocab v;
    mn_tokenizer *t = NULL;
    minerva_error err = { 0 };
    char name[8000];
    size_t in_len, out_len;
    int wrong = 0;
    if (gguf_vocab_open(&v, path, &err) || mn_tokenizer_from_gguf(&t, &v.vocab, &err)) {
        print_error("%s: %s\n", path, err.message);
        gguf_vocab_close(&v);
        return 1;
    }
    snprintf(name, sizeof name, "%s.inp", path);
    char *in = slurp(name, &in_len), *text = in;
    snprintf(name, sizeof name, "%s.out", path);
    char *out = slurp(name, &out_len), *line = out;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        char *stop = strstr(text, separator);
        size_t len = stop ? (size_t)(stop - text) : strlen(text), n = 0;
        mn_ids ids = { 0 };
        mn_encode_options o = { .no_special = true, .plain = true };
        if (mn_tokenizer_encode(t, text, len, &o, &ids, &err)) fail_msg("%s", err.message);
        bool same = true;
        for (char *p = line; strspn(p, " ") < (size_t)(end - p); n++)
            same = strtol(p, &p, 10) == (n < ids.n ? ids.ids[n] : -1) && same;
        if ((!same || n != ids.n) && !wrong++)
            print_error("%s: text %.*s\nwanted %.*s\n", path, (int)len, text, (int)(end - line), line);
        mn_ids_clear(&ids);
        text = stop ? stop + strlen(separator) : text + len;
    }
    free(in);
    free(out);
    mn_tokenizer_free(t);
    gguf_vocab_close(&v);
    return wrong;
}

static void vocabularies_of_llama_cpp_are_exactly_right(void **state)
{
    NEED_SHARED();
    DIR *d = opendir(shared("vocab"));
    assert_non_null(d);
    int wrong = 0, n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[4500];
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".gguf")) continue;
        snprintf(path, sizeof path, "%s/%s", shared("vocab"), e->d_name);
        wrong += check_vocab(path);
        n++;
    }
    closedir(d);
    assert_int_equal(wrong, 0);
    assert_true(n > 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_tokenizers_are_exactly_right),
        cmocka_unit_test(golden_tokenizers_are_exactly_right),
        cmocka_unit_test(a_small_sentencepiece_model_is_exactly_right),
        cmocka_unit_test(sentencepiece_models_are_exactly_right),
        cmocka_unit_test(vocabularies_of_llama_cpp_are_exactly_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
