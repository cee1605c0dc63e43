/* The catalogue over made-up folders: what is found where, what a name means, what may be
 * removed; names and labels; choices and recommendations. */
#include "hub/choice.h"
#include "minerva.h"
#include "tests/check.h"
#include "tests/temp_files.h"

#include <jansson.h>
#include <unistd.h>

#define BLOB "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CONFIG "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char *str(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void fill(const temp_dir *t)
{
    static const char *const files[] = {
        "home/models/loose.gguf", "home/models/mmproj-loose.gguf", "home/models/notes.txt",
        "home/models/acme/two-GGUF/Two-Q4_K_M.gguf", "home/models/acme/two-GGUF/Two-Q8_0.gguf",
        "home/models/acme/two-GGUF/mmproj-Two.gguf", "home/models/acme/one-GGUF/One-IQ4_NL.gguf",
        "home/models/acme/split-GGUF/S-Q6_K-00001-of-00002.gguf",
        "home/models/acme/split-GGUF/S-Q6_K-00002-of-00002.gguf",
        "home/models/acme/lacking-GGUF/L-Q6_K-00001-of-00002.gguf",
        "home/models/acme/dir-4bit/config.json", "home/models/acme/dir-4bit/model.safetensors",
        "home/models/.pull/acme--half/gguf/Half-Q4_0.gguf", "bundled/minerva-nano.gguf",
        "lms/org/studio-GGUF/Studio-Q4_K_S.gguf", "lms/org/studio-mlx/config.json",
        "lms/org/studio-mlx/model-00001-of-00001.safetensors",
        "llama/org_name_Name-Q5_K_M.gguf", "llama/org_name_Name-Q5_K_M.gguf.json",
        "hf/models--hug--Face-GGUF/blobs/one", "hf/models--hug--old/refs/other",
        "ollama/blobs/sha256-" BLOB,
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        temp_write_text(t, files[i], "GGUF....");
    temp_write_text(t, "hf/models--hug--Face-GGUF/refs/main", "c0ffee");
    temp_write_text(t, "hf/models--hug--Face-GGUF/snapshots/c0ffee/x", "");
    char link[4096];
    snprintf(link, sizeof link, "%s/hf/models--hug--Face-GGUF/snapshots/c0ffee/Face-Q4_0.gguf",
             t->path);
    assert_int_equal(0, symlink("../../blobs/one", link));
    temp_write_text(t, "ollama/blobs/sha256-" CONFIG, "{\"file_type\":\"Q4_0\"}");
    const char *manifest = "{\"config\":{\"digest\":\"sha256:" CONFIG "\"},\"layers\":[{\"mediaType\":"
        "\"application/vnd.ollama.image.model\",\"digest\":\"sha256:" BLOB "\",\"size\":8}]}";
    temp_write_text(t, "ollama/manifests/registry.ollama.ai/library/llama3.2/1b", manifest);
    temp_write_text(t, "ollama/manifests/registry.ollama.ai/someone/tuned/latest", manifest);
    temp_write_text(t, "ollama/manifests/registry.ollama.ai/library/evil/latest",
                    "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\","
                    "\"digest\":\"sha256:../../../etc/passwd\"}]}");
}

static minerva_hub *open_hub(const temp_dir *t)
{
    static char paths[6][4096];
    static const char *const names[] = { "home", "bundled/minerva-nano.gguf", "hf", "lms", "ollama",
                                         "llama" };
    static const minerva_place_kind kinds[] = { MINERVA_PLACE_HF_CACHE, MINERVA_PLACE_LM_STUDIO,
                                                MINERVA_PLACE_OLLAMA, MINERVA_PLACE_LLAMA_CPP };
    minerva_place places[5];
    for (int i = 0; i < 6; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", t->path, names[i]);
        if (i > 1) places[i - 2] = (minerva_place){ kinds[i - 2], paths[i] };
    }
    places[4] = (minerva_place){ MINERVA_PLACE_FOLDER, "/nonexistent" };
    minerva_hub_options o = { .home = paths[0], .bundled = paths[1], .places = places,
                              .n_places = 5, .memory_bytes = 1000000000, .read_bytes_per_s = 1e10 };
    minerva_hub *h = NULL;
    assert_ok(minerva_hub_create(&h, &o, err));
    return h;
}

static json_t *list(minerva_hub *h)
{
    char *text;
    assert_ok(minerva_hub_list(h, &text, err));
    json_t *o = json_loads(text, 0, NULL);
    minerva_free(text);
    return o;
}

static const json_t *named(const json_t *all, const char *name)
{
    const json_t *m;
    size_t i;
    json_array_foreach(all, i, m) {
        if (!strcmp(str(m, "name"), name)) return m;
    }
    return NULL;
}

static void every_place_is_listed_ours_first(void **state)
{
    static const struct { const char *name, *place, *label; } want[] = {
        { "acme/dir-4bit", "minerva", "4BIT" }, { "acme/one-GGUF:IQ4_NL", "minerva", "IQ4_NL" },
        { "acme/split-GGUF:Q6_K", "minerva", "Q6_K" }, { "acme/two-GGUF:Q4_K_M", "minerva", "Q4_K_M" },
        { "acme/two-GGUF:Q8_0", "minerva", "Q8_0" }, { "loose", "minerva", "" },
        { "minerva-nano", "bundled", "" }, { "hug/Face-GGUF:Q4_0", "huggingface", "Q4_0" },
        { "org/studio-GGUF:Q4_K_S", "lm-studio", "Q4_K_S" }, { "org/studio-mlx", "lm-studio", "" },
        { "llama3.2:1b", "ollama", "Q4_0" }, { "someone/tuned:latest", "ollama", "Q4_0" },
        { "org_name_Name-Q5_K_M", "llama.cpp", "Q5_K_M" },
    };
    temp_dir t = temp_make();
    fill(&t);
    minerva_hub *h = open_hub(&t);
    json_t *all = list(h);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const json_t *m = named(all, want[i].name);
        if (!m) fail_msg("%s is not listed", want[i].name);
        assert_string_equal(want[i].place, str(m, "place"));
        assert_string_equal(want[i].label, str(m, "label"));
        assert_int_equal(!strcmp(want[i].place, "minerva"),
                         json_is_true(json_object_get(m, "own")));
        assert_int_equal(0, access(str(m, "path"), R_OK));
    }
    assert_int_equal(json_array_size(all), sizeof want / sizeof *want);
    assert_int_equal(16, json_integer_value(json_object_get(named(all, "acme/split-GGUF:Q6_K"),
                                                            "size_bytes")));
    json_decref(all);
    minerva_hub_free(h);
    temp_clear(&t);
}

static void finds(minerva_hub *h, const char *wanted, const char *name)
{
    char *path, *full;
    minerva_error err = { 0 };
    if (minerva_hub_find(h, wanted, &path, &full, &err) != MINERVA_OK)
        fail_msg("%s: %s", wanted, err.message);
    assert_string_equal(full, name);
    minerva_free(path);
    minerva_free(full);
}

static void find_fails(minerva_hub *h, const char *wanted, minerva_status code, const char *word)
{
    char *path;
    minerva_error err = { 0 };
    assert_int_equal(code, minerva_hub_find(h, wanted, &path, NULL, &err));
    if (!strstr(err.message, word)) fail_msg("\"%s\" expected in: %s", word, err.message);
}

static void names_may_be_shortened_until_they_are_ambiguous(void **state)
{
    temp_dir t = temp_make();
    fill(&t);
    minerva_hub *h = open_hub(&t);
    finds(h, "acme/two-GGUF:Q8_0", "acme/two-GGUF:Q8_0");
    finds(h, "ACME/two-gguf:q8_0", "acme/two-GGUF:Q8_0");
    finds(h, "two-gguf:q8_0", "acme/two-GGUF:Q8_0");
    finds(h, "Two-Q8_0.gguf", "acme/two-GGUF:Q8_0");
    finds(h, "Two-Q8_0", "acme/two-GGUF:Q8_0");
    finds(h, "acme/one-GGUF", "acme/one-GGUF:IQ4_NL");
    finds(h, "one-gguf", "acme/one-GGUF:IQ4_NL");
    finds(h, "dir-4bit", "acme/dir-4bit");
    finds(h, "loose.gguf", "loose");
    finds(h, "llama3.2:1b", "llama3.2:1b");
    finds(h, "llama3.2", "llama3.2:1b");
    finds(h, "face-gguf", "hug/Face-GGUF:Q4_0");
    find_fails(h, "acme/two-GGUF", MINERVA_INVALID, "acme/two-GGUF:Q4_K_M, acme/two-GGUF:Q8_0");
    find_fails(h, "two", MINERVA_NOT_FOUND, "no such model");
    find_fails(h, "evil", MINERVA_NOT_FOUND, "no such model");
    find_fails(h, "", MINERVA_NOT_FOUND, "no such model");
    minerva_hub_free(h);
    temp_clear(&t);
}

static void aliases_pins_and_uses_are_kept(void **state)
{
    temp_dir t = temp_make();
    fill(&t);
    minerva_hub *h = open_hub(&t);
    minerva_error bad = { 0 };
    char *path;
    assert_ok(minerva_hub_alias(h, "fast", "one-gguf", err));
    finds(h, "fast", "acme/one-GGUF:IQ4_NL");
    assert_int_equal(MINERVA_INVALID, minerva_hub_alias(h, "../x", "loose", &bad));
    assert_int_equal(MINERVA_NOT_FOUND, minerva_hub_alias(h, "x", "nothing", NULL));
    assert_int_equal(MINERVA_NOT_FOUND, minerva_hub_alias(h, "x", NULL, NULL));
    assert_ok(minerva_hub_pin(h, "fast", true, err));
    assert_int_equal(0, minerva_hub_find(h, "fast", &path, NULL, NULL));
    minerva_hub_touch(h, path);
    minerva_free(path);
    json_t *all = list(h);
    const json_t *m = named(all, "acme/one-GGUF:IQ4_NL");
    assert_true(json_is_true(json_object_get(m, "pinned")));
    assert_true(json_is_integer(json_object_get(m, "last_used")));
    assert_string_equal("fast", json_string_value(json_array_get(json_object_get(m, "aliases"), 0)));
    json_decref(all);
    bad = (minerva_error){ 0 };
    assert_int_equal(MINERVA_INVALID, minerva_hub_remove(h, "fast", NULL, &bad));
    assert_non_null(strstr(bad.message, "pinned"));
    assert_ok(minerva_hub_pin(h, "fast", false, err));
    assert_ok(minerva_hub_remove(h, "fast", NULL, err));
    find_fails(h, "fast", MINERVA_NOT_FOUND, "no such model");
    minerva_hub_free(h);
    temp_clear(&t);
}

static bool is_there(const temp_dir *t, const char *name)
{
    return access(temp_path(t, name), F_OK) == 0;
}

static void only_our_models_are_removed_and_only_they(void **state)
{
    temp_dir t = temp_make();
    fill(&t);
    int64_t freed;
    assert_int_equal(0, symlink("../../lms/org", temp_path(&t, "home/models/linked")));
    minerva_hub *h = open_hub(&t);
    assert_ok(minerva_hub_remove(h, "two-GGUF:Q4_K_M", &freed, err));
    assert_int_equal(8, freed);
    assert_false(is_there(&t, "home/models/acme/two-GGUF/Two-Q4_K_M.gguf"));
    assert_true(is_there(&t, "home/models/acme/two-GGUF/Two-Q8_0.gguf"));
    assert_true(is_there(&t, "home/models/acme/two-GGUF/mmproj-Two.gguf"));
    assert_ok(minerva_hub_remove(h, "acme/split-GGUF", &freed, err));
    assert_int_equal(16, freed);
    assert_false(is_there(&t, "home/models/acme/split-GGUF"));
    assert_ok(minerva_hub_remove(h, "dir-4bit", NULL, err));
    assert_false(is_there(&t, "home/models/acme/dir-4bit"));
    assert_true(is_there(&t, "home/models/acme"));
    static const char *const others[] = { "minerva-nano", "hug/Face-GGUF", "llama3.2:1b",
                                          "org/studio-mlx", "org_name_Name-Q5_K_M",
                                          "linked/studio-mlx" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(MINERVA_INVALID, minerva_hub_remove(h, others[i], NULL, NULL));
    assert_true(is_there(&t, "lms/org/studio-mlx/config.json"));
    assert_true(is_there(&t, "hf/models--hug--Face-GGUF/blobs/one"));
    minerva_hub_free(h);
    temp_clear(&t);
}

static void choices_are_kept_beside_what_else_is_configured(void **state)
{
    temp_dir t = temp_make();
    fill(&t);
    temp_write_text(&t, "home/config.json", "{\"serve\": {\"port\": 1}}");
    minerva_hub *h = open_hub(&t);
    char *text;
    assert_ok(minerva_hub_choose(h, "loose", "context", "4096", err));
    assert_ok(minerva_hub_choose(h, "loose", "kv", "q8_0", err));
    assert_int_equal(MINERVA_INVALID, minerva_hub_choose(h, "loose", "kv", "q3", NULL));
    assert_int_equal(MINERVA_INVALID, minerva_hub_choose(h, "loose", "context", "-1", NULL));
    assert_int_equal(MINERVA_INVALID, minerva_hub_choose(h, "loose", "colour", NULL, NULL));
    assert_ok(minerva_hub_choices(h, "loose", &text, err));
    json_t *c = json_loads(text, 0, NULL), *whole;
    assert_int_equal(4096, json_integer_value(json_object_get(c, "context")));
    assert_string_equal("q8_0", str(c, "kv"));
    json_decref(c);
    minerva_free(text);
    whole = json_load_file(temp_path(&t, "home/config.json"), 0, NULL);
    assert_int_equal(1, json_integer_value(json_object_get(json_object_get(whole, "serve"), "port")));
    json_decref(whole);
    assert_ok(minerva_hub_choose(h, "loose", "context", NULL, err));
    assert_ok(minerva_hub_choose(h, "loose", "kv", NULL, err));
    assert_ok(minerva_hub_choices(h, "loose", &text, err));
    assert_string_equal("{}", text);
    minerva_free(text);
    temp_write_text(&t, "home/config.json", "not json");
    assert_int_equal(MINERVA_INVALID, minerva_hub_choose(h, "loose", "kv", "f32", NULL));
    minerva_hub_free(h);
    temp_clear(&t);
}

static void recommends(minerva_hub *h, double weights, int context, double kv, bool fits,
                       int want_context, const char *want_kv)
{
    char d[1000], *text;
    snprintf(d, sizeof d, "{\"size_bytes\":%.0f,\"model\":{\"runs\":true,\"context\":%d,"
             "\"kv_bytes_per_position\":%.0f,\"bytes_per_token\":%.0f},\"backends\":[{\"name\":"
             "\"native\",\"runs\":true,\"device\":\"a CPU\",\"weight_bytes\":%.0f,\"fixed_bytes\":"
             "10000000}]}", weights, context, kv, weights, weights);
    assert_ok(minerva_hub_recommend(h, d, &text, err));
    json_t *o = json_loads(text, 0, NULL);
    minerva_free(text);
    assert_int_equal(fits, json_is_true(json_object_get(o, "fits")));
    assert_true(json_array_size(json_object_get(o, "why")) > 0);
    if (fits) {
        assert_int_equal(want_context, json_integer_value(json_object_get(o, "context")));
        assert_string_equal(want_kv, str(o, "kv"));
        double need = json_number_value(json_object_get(o, "state_bytes")) + weights + 1e7;
        assert_true(need <= 1e9);
    }
    json_decref(o);
}

static void a_recommendation_fits_the_memory(void **state)
{
    temp_dir t = temp_make();
    minerva_hub *h = open_hub(&t);      /* 1 GB, 10 GB/s */
    char *text;
    recommends(h, 1e8, 4096, 1e4, true, 4096, "f16");
    recommends(h, 5e8, 131072, 1e4, true, 32768, "f16");
    recommends(h, 9e8, 131072, 1e4, true, 8192, "f16");
    recommends(h, 9e8, 131072, 1.2e4, true, 8192, "q8_0");
    recommends(h, 9e8, 131072, 2e5, true, 512, "q8_0");
    recommends(h, 2e9, 4096, 1e4, false, 0, "");
    recommends(h, 1e8, 4096, 0, true, 4096, "f16");
    assert_ok(minerva_hub_recommend(h, "{\"model\":{\"runs\":false,\"why\":\"no such family\"},"
                                    "\"backends\":[]}", &text, err));
    assert_non_null(strstr(text, "no such family"));
    minerva_free(text);
    assert_int_equal(MINERVA_INVALID, minerva_hub_recommend(h, "[]", &text, NULL));
    assert_int_equal(MINERVA_INVALID, minerva_hub_recommend(h, "{", &text, NULL));
    minerva_hub_free(h);
    temp_clear(&t);
}

static void labels_are_read_from_names(void **state)
{
    static const struct { const char *name, *label; int bits; } cases[] = {
        { "Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M", 4 }, { "model.q8_0.gguf", "Q8_0", 8 },
        { "x-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", 4 }, { "x-IQ2_XXS-00001-of-00003.gguf", "IQ2_XXS", 2 },
        { "gpt-oss-20b-mxfp4.gguf", "MXFP4", 4 }, { "x-BF16.gguf", "BF16", 16 },
        { "Q8_0/x.gguf", "Q8_0", 8 }, { "mlx-community/Qwen3-4B-4bit", "4BIT", 4 },
        { "Qwen3-4B.gguf", "", 0 }, { "Q4_K_Mystery.gguf", "", 0 }, { "x-TQ2_0.gguf", "TQ2_0", 2 },
        { "x.Q6_K_L.gguf", "Q6_K_L", 6 }, { "", "", 0 }, { "-", "", 0 }, { "x-Q4", "Q4", 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mn_quant_label l = mn_quant_label_of(cases[i].name);
        if (strcmp(l.text, cases[i].label) || l.bits != cases[i].bits)
            fail_msg("%s: %s (%d) expected, %s (%d) found", cases[i].name, cases[i].label,
                     cases[i].bits, l.text, l.bits);
    }
    assert_float_equal(0.1, mn_active_share("Qwen3-30B-A3B-GGUF"), 1e-6);
    assert_float_equal(1, mn_active_share("Llama-3.2-1B"), 1e-6);
    assert_float_equal(22.0 / 235, mn_active_share("org/Qwen3-235B-A22B"), 1e-6);
}

static void names_from_the_network_are_checked(void **state)
{
    static const char *const bad[] = { "", "/a", "../a", "a/../b", "a//b", "a/", ".a", "a/.b", "a\\b",
                                       "a\nb", "a\x7f", "\xff", "a/./b" };
    static const char *const good[] = { "a", "a/b.gguf", "Q8_0/x-00001-of-00002.gguf", "ä b.gguf" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mn_repo_safe_path(bad[i])) fail_msg("\"%s\" is taken", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!mn_repo_safe_path(good[i])) fail_msg("\"%s\" is refused", good[i]);
    assert_true(mn_repo_safe_id("acme/tiny-GGUF") && mn_repo_safe_id("gpt2"));
    assert_false(mn_repo_safe_id("a/b/c") || mn_repo_safe_id("../b") || mn_repo_safe_id("a/.b")
                 || mn_repo_safe_id("") || mn_repo_safe_id("a/") || mn_repo_safe_id("a b"));
    assert_true(mn_repo_safe_revision("main") && mn_repo_safe_revision("refs/pr/1"));
    assert_false(mn_repo_safe_revision("a?b") || mn_repo_safe_revision("..")
                 || mn_repo_safe_revision("") || mn_repo_safe_revision("a b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_is_listed_ours_first),
        cmocka_unit_test(names_may_be_shortened_until_they_are_ambiguous),
        cmocka_unit_test(aliases_pins_and_uses_are_kept),
        cmocka_unit_test(only_our_models_are_removed_and_only_they),
        cmocka_unit_test(choices_are_kept_beside_what_else_is_configured),
        cmocka_unit_test(a_recommendation_fits_the_memory),
        cmocka_unit_test(labels_are_read_from_names),
        cmocka_unit_test(names_from_the_network_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
