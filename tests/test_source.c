/* Finding a model at a path, and saying what was found instead of one. */
#include "format/source.h"
#include "tests/make_gguf.h"
#include "tests/make_safetensors.h"
#include "tests/temp_files.h"

static void write_gguf(const temp_dir *t, const char *name)
{
    gguf_maker m = { 0 };
    gm_str(&m, "general.architecture", "llama");
    gm_vector(&m, "w", 8);
    mn_buffer b = gm_finish(&m);
    temp_write(t, name, b.data, b.len);
    mn_buffer_clear(&b);
}

static void write_vocabulary(const temp_dir *t, const char *name)
{
    gguf_maker m = { 0 };
    gm_str(&m, "general.architecture", "llama");
    mn_buffer b = gm_finish(&m);
    temp_write(t, name, b.data, b.len);
    mn_buffer_clear(&b);
}

static void write_safetensors(const temp_dir *t, const char *name)
{
    mn_buffer b = safetensors_zeros(
        "{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    temp_write(t, name, b.data, b.len);
    mn_buffer_clear(&b);
}

static void check_opens(const char *path, bool metadata_only, mn_source_kind kind,
                        const char *path_end)
{
    mn_source_options options = { .metadata_only = metadata_only };
    mn_model_source *s;
    minerva_error e = { 0 };
    if (mn_source_open(&s, path, &options, &e) != MINERVA_OK) fail_msg("%s", e.message);
    assert_int_equal(s->kind, kind);
    assert_true((s->gguf != NULL) == (kind == MN_SOURCE_GGUF));
    assert_true((s->dir != NULL) == (kind == MN_SOURCE_DIR));
    size_t n = strlen(s->path), m = strlen(path_end);
    if (n < m || strcmp(s->path + n - m, path_end)) fail_msg("%s found", s->path);
    if (!metadata_only) {
        assert_non_null(mn_source_tensor(s, "w"));
        assert_true(s->size_bytes > 0);
    }
    assert_null(mn_source_tensor(s, "nothing"));
    mn_source_close(s);
}

static void check_refuses(const char *path, minerva_status code, const char *words)
{
    mn_model_source *s;
    minerva_error e = { 0 };
    minerva_status status = mn_source_open(&s, path, NULL, &e);
    if (status != code || !strstr(e.message, words))
        fail_msg("status %d and \"%s\" expected: %d %s", code, words, status, e.message);
    assert_null(s);
}

static void a_gguf_is_known_by_its_bytes(void **state)
{
    temp_dir t = temp_make();
    write_gguf(&t, "model.gguf");
    write_gguf(&t, "blobs/sha256-0123");
    check_opens(temp_path(&t, "model.gguf"), false, MN_SOURCE_GGUF, "/model.gguf");
    check_opens(temp_path(&t, "blobs/sha256-0123"), false, MN_SOURCE_GGUF, "sha256-0123");
    write_vocabulary(&t, "vocab.gguf");
    check_opens(temp_path(&t, "vocab.gguf"), true, MN_SOURCE_GGUF, "/vocab.gguf");
    check_refuses(temp_path(&t, "vocab.gguf"), MINERVA_UNSUPPORTED,
                  "a vocabulary without any");
    temp_clear(&t);
}

static void other_files_are_refused_by_what_they_are(void **state)
{
    static const struct { const char *name, *text, *words; } files[] = {
        { "pytorch_model.bin", "PK\x03\x04 archive/data.pkl", "a PyTorch pickle" },
        { "old.pt", "\x80\x02}q", "a PyTorch pickle" },
        { "model.zip", "PK\x03\x04", "a zip archive" },
        { "model.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
          "a Git LFS pointer" },
        { "empty.gguf", "", "an empty file" },
        { "page.gguf", "\n<!DOCTYPE html><html>", "a web page" },
        { "ggml-model.bin", "tjgg\x03", "a ggml file from before GGUF" },
        { "latest", "{\"schemaVersion\":2,\"layers\":[{\"mediaType\":"
                    "\"application/vnd.ollama.image.model\"}]}", "an Ollama manifest" },
        { "model.gguf.part", "GGUF....", "an unfinished download" },
        { "config.json", "{}", "a JSON file: give the directory" },
        { "notes.txt", "hello", "something else" },
    };
    temp_dir t = temp_make();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        temp_write_text(&t, files[i].name, files[i].text);
        check_refuses(temp_path(&t, files[i].name), MINERVA_UNSUPPORTED, files[i].words);
    }
    write_safetensors(&t, "model.safetensors");
    check_refuses(temp_path(&t, "model.safetensors"), MINERVA_UNSUPPORTED,
                  "give the directory");
    temp_write_text(&t, "broken.gguf", "GGUF\x03");
    check_refuses(temp_path(&t, "broken.gguf"), MINERVA_INVALID, "the file ends");
    check_refuses(temp_path(&t, "absent"), MINERVA_NOT_FOUND, "absent");
    check_refuses("", MINERVA_INVALID, "the path of a model");
    temp_clear(&t);
}

static void a_directory_with_config_and_weights_is_a_model(void **state)
{
    temp_dir t = temp_make();
    write_safetensors(&t, "model.safetensors");
    check_refuses(t.path, MINERVA_NOT_FOUND, "safetensors without config.json");
    temp_write_text(&t, "config.json", "{}");
    check_opens(t.path, false, MN_SOURCE_DIR, t.path);
    check_opens(temp_path(&t, "/"), false, MN_SOURCE_DIR, t.path);
    write_gguf(&t, "extra.gguf");
    check_opens(t.path, false, MN_SOURCE_DIR, t.path);
    temp_clear(&t);
}

static void a_directory_with_one_gguf_is_that_model(void **state)
{
    temp_dir t = temp_make();
    check_refuses(t.path, MINERVA_NOT_FOUND, "nothing of that kind");
    write_gguf(&t, "a-Q4_0.gguf");
    temp_write_text(&t, "config.json", "{}");
    check_opens(t.path, false, MN_SOURCE_GGUF, "/a-Q4_0.gguf");
    write_gguf(&t, "mmproj-a.gguf");
    check_opens(t.path, false, MN_SOURCE_GGUF, "/a-Q4_0.gguf");
    write_gguf(&t, "b.gguf");
    check_refuses(t.path, MINERVA_UNSUPPORTED, "2 .gguf models found");
    temp_clear(&t);
}

static void the_parts_of_a_split_model_count_as_one(void **state)
{
    temp_dir t = temp_make();
    for (int i = 0; i < 2; i++) {
        gguf_maker m = { 0 };
        char name[40];
        snprintf(name, sizeof name, "m-%05d-of-00002.gguf", i + 1);
        gm_int(&m, "split.no", MN_GGUF_U16, i);
        gm_int(&m, "split.count", MN_GGUF_U16, 2);
        gm_vector(&m, i ? "v" : "w", 8);
        mn_buffer b = gm_finish(&m);
        temp_write(&t, name, b.data, b.len);
        mn_buffer_clear(&b);
    }
    check_opens(t.path, false, MN_SOURCE_GGUF, "/m-00001-of-00002.gguf");
    temp_clear(&t);
}

static void the_only_model_inside_is_taken(void **state)
{
    temp_dir t = temp_make();
    temp_write_text(&t, "hub/models--a--b/refs/main", "abc");
    temp_write_text(&t, "hub/models--a--b/blobs/0", "x");
    temp_write_text(&t, "hub/models--a--b/snapshots/abc/config.json", "{}");
    write_safetensors(&t, "hub/models--a--b/snapshots/abc/model.safetensors");
    check_opens(temp_path(&t, "hub/models--a--b"), false, MN_SOURCE_DIR,
                "/snapshots/abc");
    check_opens(temp_path(&t, "hub"), false, MN_SOURCE_DIR, "/snapshots/abc");
    temp_write_text(&t, "hub/models--c--d/x", "");
    check_refuses(temp_path(&t, "hub"), MINERVA_UNSUPPORTED, "2 directories found");
    temp_write_text(&t, "deep/1/2/3/4/5/config.json", "{}");
    check_refuses(temp_path(&t, "deep"), MINERVA_NOT_FOUND, "nothing of that kind");
    temp_clear(&t);
}

static void directories_without_weights_say_what_they_hold(void **state)
{
    temp_dir t = temp_make();
    temp_write_text(&t, "tokenizer.json", "{}");
    check_refuses(t.path, MINERVA_NOT_FOUND, "no weights beside its tokenizer");
    check_opens(t.path, true, MN_SOURCE_DIR, t.path);
    temp_write_text(&t, "config.json", "{}");
    check_refuses(t.path, MINERVA_NOT_FOUND, "no weights beside its config.json");
    check_opens(t.path, true, MN_SOURCE_DIR, t.path);
    temp_write_text(&t, "pytorch_model-00001-of-00002.bin", "PK\x03\x04");
    check_refuses(t.path, MINERVA_UNSUPPORTED, "PyTorch pickle found");
    temp_write_text(&t, "model.safetensors.incomplete", "");
    check_refuses(t.path, MINERVA_UNSUPPORTED, "an unfinished download found");
    temp_write_text(&t, "store/manifests/registry/x", "{}");
    temp_write_text(&t, "store/blobs/sha256-1", "GGUF");
    check_refuses(temp_path(&t, "store"), MINERVA_UNSUPPORTED, "an Ollama store");
    temp_clear(&t);
}

static void a_broken_shard_is_refused_with_its_name(void **state)
{
    temp_dir t = temp_make();
    temp_write_text(&t, "config.json", "{}");
    temp_write_text(&t, "model.safetensors",
                    "version https://git-lfs.github.com/spec/v1\n");
    check_refuses(t.path, MINERVA_INVALID,
                  "/model.safetensors: a safetensors file expected, "
                  "a Git LFS pointer");
    temp_write_text(&t, "model.safetensors", "short");
    check_refuses(t.path, MINERVA_INVALID, "/model.safetensors: a safetensors header");
    temp_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_is_known_by_its_bytes),
        cmocka_unit_test(other_files_are_refused_by_what_they_are),
        cmocka_unit_test(a_directory_with_config_and_weights_is_a_model),
        cmocka_unit_test(a_directory_with_one_gguf_is_that_model),
        cmocka_unit_test(the_parts_of_a_split_model_count_as_one),
        cmocka_unit_test(the_only_model_inside_is_taken),
        cmocka_unit_test(directories_without_weights_say_what_they_hold),
        cmocka_unit_test(a_broken_shard_is_refused_with_its_name),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
