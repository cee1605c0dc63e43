/* safetensors files and the directories that hold them. */
#include "format/model_dir.h"
#include "tests/make_safetensors.h"
#include "tests/temp_files.h"

/* Like the GGUF test: a copy of exactly the file's size. */
static minerva_status try_bytes(const void *bytes, size_t n, minerva_error *err)
{
    mn_safetensors *s;
    void *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n) memcpy(copy, bytes, n);
    *err = (minerva_error){ 0 };
    minerva_status status = mn_safetensors_open_memory(&s, copy, n, err);
    assert_int_equal(status, err->code);
    if (status != MINERVA_OK) {
        assert_null(s);
        assert_true(strlen(err->message) > 20);
    }
    mn_safetensors_close(s);
    free(copy);
    return status;
}

static void check_refused(const char *header, size_t len, size_t n_data,
                          minerva_status code, const char *words)
{
    minerva_error err;
    mn_buffer b = safetensors_bytes(header, len, NULL, n_data);
    minerva_status status = try_bytes(b.data, b.len, &err);
    if (status != code || !strstr(err.message, words))
        fail_msg("%.80s: status %d and \"%s\" expected: %d %s", header, code, words,
                 status, err.message);
    mn_buffer_clear(&b);
}

static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"empty\":{\"dtype\":\"U8\",\"shape\":[0,5],\"data_offsets\":[20,20]},"
    "\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[20,28]}}   ";

static void reads_tensors_of_any_order_and_address(void **state)
{
    mn_buffer b = safetensors_zeros(good_header, 28);
    mn_safetensors *s;
    assert_ok(mn_safetensors_open_memory(&s, b.data, b.len, err));
    assert_int_equal(mn_safetensors_n_tensors(s), 4);
    assert_int_equal(mn_safetensors_size_bytes(s), b.len);
    const mn_tensor_ref *t = mn_safetensors_find(s, "b");
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->size_bytes, 12);
    assert_string_equal(mn_tensor_ref_type_name(t), "BF16");
    assert_int_equal(t->data - mn_safetensors_find(s, "a")->data, 8);
    t = mn_safetensors_find(s, "s");
    assert_int_equal(t->kind, MN_STORED_I64);
    assert_int_equal(t->n_dims, 0);
    assert_int_equal(mn_tensor_ref_n_elements(mn_safetensors_find(s, "empty")), 0);
    assert_null(mn_safetensors_find(s, "__metadata__"));
    assert_null(mn_safetensors_at(s, 4));
    for (int64_t i = 0; i < 4; i++)
        assert_ptr_equal(mn_safetensors_find(s, mn_safetensors_at(s, i)->name),
                         mn_safetensors_at(s, i));
    mn_safetensors_close(s);
    mn_buffer_clear(&b);
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    mn_buffer b = safetensors_zeros(good_header, 28);
    minerva_error err;
    assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_OK);
    for (size_t n = 0; n < b.len; n++)
        if (try_bytes(b.data, n, &err) != MINERVA_INVALID)
            fail_msg("cut at %zu: %d %s", n, err.code, err.message);
    mn_buffer_append_byte(&b, 0);
    assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_INVALID);
    assert_non_null(strstr(err.message, "28 bytes of data expected, 29 found"));
    mn_buffer_clear(&b);
}

static void refuses_header_lengths_that_lie(void **state)
{
    mn_buffer b = safetensors_zeros(good_header, 28);
    const uint64_t n = strlen(good_header);
    const uint64_t bad[] = { 0, 1, 2, n - 4, n + 1, b.len - 8, b.len - 7, b.len, 100000001,
                             1u << 31, 1ull << 63, UINT64_MAX - 7, UINT64_MAX };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        minerva_error err;
        for (int k = 0; k < 8; k++) b.data[k] = (char)(bad[i] >> 8 * k);
        if (try_bytes(b.data, b.len, &err) != MINERVA_INVALID)
            fail_msg("header length %llu: %s", (unsigned long long)bad[i], err.message);
    }
    mn_buffer_clear(&b);
}

static void refuses_headers_that_are_no_json_object(void **state)
{
    static const char *const bad[] = { "[]", "{", "{}x", "{\"a\":}", "\"a\"", " {}", "nul",
                                       "{\"\xff\":1}", "{\"a\\u0000\":1}", "{\"a\":\"\xc0\x80\"}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i], strlen(bad[i]), 0, MINERVA_INVALID, "");
    check_refused("{\"a\0\":1}", 8, 0, MINERVA_INVALID, "");
    minerva_error err;
    mn_buffer b = safetensors_zeros("{}", 0);
    assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_OK);
    mn_buffer_clear(&b);
}

static void refuses_deep_json(void **state)
{
    size_t depth = 200000;
    char *deep = malloc(2 * depth + 10);
    assert_non_null(deep);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', depth);
    memset(deep + 5 + depth, ']', depth);
    deep[5 + 2 * depth] = '}';
    check_refused(deep, 2 * depth + 6, 0, MINERVA_INVALID, "depth");
    free(deep);
}

#define ENTRY(dtype, shape, offsets) \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void refuses_entries_that_are_wrong(void **state)
{
    static const struct { const char *header; minerva_status code; const char *words; } bad[] = {
        { "{\"w\":1}", MINERVA_INVALID, "tensor w" },
        { "{\"w\":{}}", MINERVA_INVALID, "tensor w" },
        { "{\"w\":null}", MINERVA_INVALID, "tensor w" },
        { "{\"\":{}}", MINERVA_INVALID, "name of 1 to" },
        { "{\"__metadata__\":[]}", MINERVA_INVALID, "an object of strings" },
        { "{\"__metadata__\":{\"a\":1}}", MINERVA_INVALID, "an object of strings" },
        { ENTRY("F4", "[2]", "[0,8]"), MINERVA_UNSUPPORTED, "dtype F4 is not supported" },
        { ENTRY("f32", "[2]", "[0,8]"), MINERVA_UNSUPPORTED, "dtype f32" },
        { ENTRY("F32", "2", "[0,8]"), MINERVA_INVALID, "a shape of at most" },
        { ENTRY("F32", "{}", "[0,8]"), MINERVA_INVALID, "a shape of at most" },
        { ENTRY("F32", "[1,1,1,1,1,1,2]", "[0,8]"), MINERVA_INVALID, "a shape of at most" },
        { ENTRY("F32", "[-2]", "[0,8]"), MINERVA_INVALID, "dimension 0" },
        { ENTRY("F32", "[2,1.0]", "[0,8]"), MINERVA_INVALID, "dimension 1" },
        { ENTRY("F32", "[\"2\"]", "[0,8]"), MINERVA_INVALID, "dimension 0" },
        { ENTRY("F32", "[4611686018427387904]", "[0,8]"), MINERVA_INVALID, "too large" },
        { ENTRY("F32", "[4294967296,4294967296]", "[0,8]"), MINERVA_INVALID, "too large" },
        { ENTRY("F32", "[9223372036854775808]", "[0,8]"), MINERVA_INVALID, "" },
        { ENTRY("F32", "[3]", "[0,8]"), MINERVA_INVALID, "need 12 bytes, data_offsets give 8" },
        { ENTRY("BF16", "[2]", "[0,8]"), MINERVA_INVALID, "need 4 bytes" },
        { ENTRY("F32", "[2]", "[0]"), MINERVA_INVALID, "data_offsets" },
        { ENTRY("F32", "[2]", "[0,4,8]"), MINERVA_INVALID, "data_offsets" },
        { ENTRY("F32", "[2]", "[8,0]"), MINERVA_INVALID, "begin <= end" },
        { ENTRY("F32", "[2]", "[-8,0]"), MINERVA_INVALID, "begin <= end" },
        { ENTRY("F32", "[2]", "[0,8.0]"), MINERVA_INVALID, "begin <= end" },
        { ENTRY("F32", "[2]", "[4,12]"), MINERVA_INVALID, "is the download complete?" },
        { ENTRY("F32", "[2]", "[9223372036854775799,9223372036854775807]"), MINERVA_INVALID,
          "is the download complete?" },
        { ENTRY("F32", "[1]", "[0,4]"), MINERVA_INVALID, "4 bytes of data expected, 8 found" },
        { ENTRY("F32", "[1]", "[4,8]"), MINERVA_INVALID, "expected at 0" },
        { ENTRY("F32", "[2]", "[0,8]") "x", MINERVA_INVALID, "no valid JSON" },
        { "{\"w\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
          "\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[8,8]}}", MINERVA_INVALID,
          "duplicate" },
        { "{\"w\":{\"dtype\":\"U8\",\"shape\":[6],\"data_offsets\":[0,6]},"
          "\"v\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", MINERVA_INVALID,
          "tensor v: its data are expected at 6" },
        { "{\"w\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
          "\"v\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", MINERVA_INVALID,
          "tensor v: its data are expected at 3" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i].header, strlen(bad[i].header), 8, bad[i].code, bad[i].words);
    minerva_error err;
    mn_buffer b = safetensors_zeros(ENTRY("F32", "[2]", "[0,8]"), 8);
    assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_OK);
    mn_buffer_clear(&b);
}

/* ---- directories ------------------------------------------------------------------ */

/* A shard with one tensor of n bytes. */
static void write_shard(const temp_dir *t, const char *file, const char *tensor, int n)
{
    char header[200];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", tensor, n, n);
    mn_buffer b = safetensors_zeros(header, (size_t)n);
    temp_write(t, file, b.data, b.len);
    mn_buffer_clear(&b);
}

static void check_dir(const temp_dir *t, minerva_status code, const char *words)
{
    mn_model_dir *d;
    minerva_error err = { 0 };
    minerva_status status = mn_model_dir_open(&d, t->path, true, &err);
    if (status != code || !strstr(err.message, words))
        fail_msg("status %d and \"%s\" expected: %d %s", code, words, status,
                 err.message);
    mn_model_dir_close(d);
}

static void reads_every_shard_with_or_without_an_index(void **state)
{
    temp_dir t = temp_make();
    temp_write_text(&t, "config.json", "{\"model_type\":\"llama\"}");
    write_shard(&t, "model-00001-of-00002.safetensors", "a", 3);
    write_shard(&t, "model-00002-of-00002.safetensors", "b", 4);
    write_shard(&t, "consolidated.safetensors", "other", 4);
    for (int with_index = 0; with_index < 2; with_index++) {
        mn_model_dir *d;
        if (with_index)
            temp_write_text(&t, "model.safetensors.index.json",
                            "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                            "\"b\":\"model-00002-of-00002.safetensors\"}}");
        assert_ok(mn_model_dir_open(&d, t.path, true, err));
        const mn_safetensors *w = mn_model_dir_weights(d);
        assert_int_equal(mn_safetensors_n_tensors(w), 2);
        assert_int_equal(mn_safetensors_find(w, "b")->size_bytes, 4);
        assert_string_equal(json_string_value(json_object_get(mn_model_dir_config(d),
                                                              "model_type")), "llama");
        assert_string_equal(mn_model_dir_path(d), t.path);
        mn_model_dir_close(d);
    }
    temp_clear(&t);
}

static void missing_shards_are_named(void **state)
{
    temp_dir t = temp_make();
    check_dir(&t, MINERVA_NOT_FOUND, "*.safetensors expected, none found");
    write_shard(&t, "model-00001-of-00003.safetensors", "a", 3);
    write_shard(&t, "model-00003-of-00003.safetensors", "c", 3);
    check_dir(&t, MINERVA_NOT_FOUND, "not model-00002-of-00003.safetensors");
    write_shard(&t, "model-00002-of-00003.safetensors", "b", 3);
    check_dir(&t, MINERVA_OK, "");
    temp_write_text(&t, "model.safetensors.index.json",
                    "{\"weight_map\":{\"d\":\"model-00004-of-00004.safetensors\"}}");
    check_dir(&t, MINERVA_NOT_FOUND,
              "tensor d in model-00004-of-00004.safetensors, which is not there");
    temp_write_text(&t, "model.safetensors.index.json",
                    "{\"weight_map\":{\"d\":\"model-00003-of-00003.safetensors\"}}");
    check_dir(&t, MINERVA_NOT_FOUND, "which does not hold it");
    temp_write_text(&t, "model.safetensors.index.json", "{\"weight_map\":{\"d\":7}}");
    check_dir(&t, MINERVA_NOT_FOUND, "tensor d");
    temp_write_text(&t, "model.safetensors.index.json", "[]");
    check_dir(&t, MINERVA_INVALID, "weight_map");
    temp_write_text(&t, "model.safetensors.index.json", "{");
    check_dir(&t, MINERVA_INVALID, "no valid JSON");
    temp_clear(&t);
}

static void an_index_of_an_earlier_sharding_does_no_harm(void **state)
{
    temp_dir t = temp_make();
    write_shard(&t, "model.safetensors", "a", 3);
    temp_write_text(&t, "model.safetensors.index.json",
                    "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"}}");
    check_dir(&t, MINERVA_OK, "");
    temp_clear(&t);
}

static void a_tensor_in_two_shards_is_refused(void **state)
{
    temp_dir t = temp_make();
    write_shard(&t, "model-00001-of-00002.safetensors", "a", 3);
    write_shard(&t, "model-00002-of-00002.safetensors", "a", 3);
    check_dir(&t, MINERVA_INVALID, "tensor a is in two");
    temp_clear(&t);
}

static void adapters_are_read_where_no_model_is(void **state)
{
    temp_dir t = temp_make();
    write_shard(&t, "adapters.safetensors", "x.lora_a", 3);
    check_dir(&t, MINERVA_OK, "");
    temp_clear(&t);
}

static void json_files_are_cached_absent_or_broken(void **state)
{
    temp_dir t = temp_make();
    mn_model_dir *d;
    temp_write_text(&t, "config.json", "{\"limit\": [0.0, Infinity, -Infinity], "
                                       "\"text\": \"Infinity \\\" Infinity\"}");
    temp_write_text(&t, "generation_config.json", "\xef\xbb\xbf{\"top_k\": 7}");
    temp_write_text(&t, "broken.json", "{\"a\": 1, \"a\": 2}");
    assert_ok(mn_model_dir_open(&d, t.path, false, err));
    assert_null(mn_model_dir_weights(d));
    json_t *limit = json_object_get(mn_model_dir_config(d), "limit");
    assert_true(json_real_value(json_array_get(limit, 1)) == 1e308);
    assert_true(json_real_value(json_array_get(limit, 2)) == -1e308);
    assert_string_equal(
        json_string_value(json_object_get(mn_model_dir_config(d), "text")),
        "Infinity \" Infinity");
    minerva_error err = { 0 };
    const json_t *g = mn_model_dir_json(d, "generation_config.json", &err);
    assert_int_equal(json_integer_value(json_object_get(g, "top_k")), 7);
    assert_ptr_equal(g, mn_model_dir_json(d, "generation_config.json", &err));
    assert_null(mn_model_dir_json(d, "absent.json", &err));
    assert_null(mn_model_dir_json(d, "absent.json", &err));
    assert_int_equal(err.code, MINERVA_OK);
    assert_null(mn_model_dir_json(d, "broken.json", &err));
    assert_int_equal(err.code, MINERVA_INVALID);
    assert_non_null(strstr(err.message, "broken.json"));
    mn_model_dir_close(d);
    temp_clear(&t);
}

static void a_broken_config_is_refused(void **state)
{
    static const char *const bad[] = { "", "[]", "{", "7", "{\"a\":1,\"a\":1}", "NaN" };
    temp_dir t = temp_make();
    write_shard(&t, "model.safetensors", "a", 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp_write_text(&t, "config.json", bad[i]);
        check_dir(&t, MINERVA_INVALID, "config.json");
    }
    temp_clear(&t);
}

static void text_files_are_read_up_to_a_limit(void **state)
{
    temp_dir t = temp_make();
    mn_model_dir *d;
    char *text;
    size_t len;
    minerva_error e = { 0 };
    temp_write_text(&t, "chat_template.jinja", "{{ x }}");
    assert_ok(mn_model_dir_open(&d, t.path, false, err));
    assert_null(mn_model_dir_config(d));
    assert_int_equal(mn_model_dir_text(d, "chat_template.jinja", 7, &text, &len, &e),
                     MINERVA_OK);
    assert_int_equal(len, 7);
    assert_string_equal(text, "{{ x }}");
    free(text);
    assert_int_equal(mn_model_dir_text(d, "chat_template.jinja", 6, &text, &len, &e),
                     MINERVA_LIMIT);
    e = (minerva_error){ 0 };
    assert_int_equal(mn_model_dir_text(d, "none", 6, &text, &len, &e), MINERVA_NOT_FOUND);
    assert_null(text);
    mn_model_dir_close(d);
    mn_model_dir_close(NULL);
    mn_safetensors_close(NULL);
    temp_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors_of_any_order_and_address),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(refuses_header_lengths_that_lie),
        cmocka_unit_test(refuses_headers_that_are_no_json_object),
        cmocka_unit_test(refuses_deep_json),
        cmocka_unit_test(refuses_entries_that_are_wrong),
        cmocka_unit_test(reads_every_shard_with_or_without_an_index),
        cmocka_unit_test(missing_shards_are_named),
        cmocka_unit_test(an_index_of_an_earlier_sharding_does_no_harm),
        cmocka_unit_test(a_tensor_in_two_shards_is_refused),
        cmocka_unit_test(adapters_are_read_where_no_model_is),
        cmocka_unit_test(json_files_are_cached_absent_or_broken),
        cmocka_unit_test(a_broken_config_is_refused),
        cmocka_unit_test(text_files_are_read_up_to_a_limit),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
