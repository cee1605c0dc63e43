/* Writing GGUF and safetensors files: what is written is read back, and nothing half
 * written stays. */
#include "format/model_dir.h"
#include "format/tensor_writer.h"
#include "tests/temp_files.h"

static mn_tensor_writer *create(mn_write_format format)
{
    mn_tensor_writer *w;
    assert_ok(mn_tensor_writer_create(&w, format, err));
    return w;
}

static void written_gguf_files_read_back(void **state)
{
    temp_dir t = temp_make();
    mn_tensor_writer *w = create(MN_WRITE_GGUF);
    mn_gguf_string strings[2] = { { "a", 1 }, { "\0b", 2 } };
    mn_tensor_writer_put_string(w, "general.architecture", "llama");
    mn_tensor_writer_put_u32(w, "llama.block_count", 7);
    mn_tensor_writer_put_f32(w, "f", 0.5f);
    mn_tensor_writer_put_bool(w, "yes", true);
    mn_tensor_writer_put_strings(w, "tokens", strings, 2);
    mn_tensor_writer_put_i32s(w, "types", (int32_t[]){ 1, -2, 3 }, 3);
    mn_tensor_writer_put_f32s(w, "scores", (float[]){ 1.5f }, 1);
    mn_tensor_writer_declare(w, "a", MN_STORED_WEIGHT, MN_F32, 2, (int64_t[]){ 3, 1 });
    mn_tensor_writer_declare(w, "b", MN_STORED_WEIGHT, MN_Q8_0, 2, (int64_t[]){ 2, 32 });
    mn_tensor_writer_declare(w, "c", MN_STORED_I32, 0, 0, NULL);
    char bytes[12 + 68 + 4];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)i;
    assert_ok(mn_tensor_writer_begin(w, temp_path(&t, "m.gguf"), err));
    mn_tensor_writer_append(w, bytes, 5);
    mn_tensor_writer_append(w, bytes + 5, sizeof bytes - 5);
    assert_ok(mn_tensor_writer_finish(w, err));
    mn_tensor_writer_free(w);

    mn_gguf *g;
    int64_t v;
    mn_gguf_string *read;
    assert_ok(mn_gguf_open(&g, temp_path(&t, "m.gguf"), err));
    assert_ok(mn_gguf_get_int(g, "%s.block_count", 0, &v, err));
    assert_int_equal(v, 7);
    assert_ok(mn_gguf_get_strings(g, "tokens", 9, &read, &v, err));
    assert_int_equal(v, 2);
    assert_memory_equal(read[1].data, "\0b", 2);
    free(read);
    assert_int_equal(mn_gguf_tensor(g, "a")->dims[0], 3);
    assert_memory_equal(mn_gguf_tensor(g, "a")->data, bytes, 12);
    assert_memory_equal(mn_gguf_tensor(g, "b")->data, bytes + 12, 68);
    assert_memory_equal(mn_gguf_tensor(g, "c")->data, bytes + 80, 4);

    /* Every key copied to a second file is the same there. */
    mn_gguf *h;
    w = create(MN_WRITE_GGUF);
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++)
        mn_tensor_writer_put_kv(w, mn_gguf_kv_at(g, i));
    assert_ok(mn_tensor_writer_begin(w, temp_path(&t, "copy.gguf"), err));
    assert_ok(mn_tensor_writer_finish(w, err));
    mn_tensor_writer_free(w);
    assert_ok(mn_gguf_open(&h, temp_path(&t, "copy.gguf"), err));
    assert_int_equal(mn_gguf_n_kv(h), mn_gguf_n_kv(g));
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) {
        const mn_gguf_kv *a = mn_gguf_kv_at(g, i), *b = mn_gguf_kv_at(h, i);
        const mn_gguf_kv *a1 = mn_gguf_kv_at(g, i + 1);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->n, b->n);
        if (a1)     /* the value ends where the next key's length begins */
            assert_memory_equal(a->data, b->data,
                                (size_t)((const uint8_t *)a1->key.data - 8 - a->data));
    }
    mn_gguf_close(g);
    mn_gguf_close(h);
    temp_clear(&t);
}

static void written_safetensors_read_back(void **state)
{
    temp_dir t = temp_make();
    mn_tensor_writer *w = create(MN_WRITE_SAFETENSORS);
    mn_tensor_writer_put_string(w, "format", "mlx \"q\"");
    mn_tensor_writer_declare(w, "w.weight", MN_STORED_U32, 0, 2, (int64_t[]){ 2, 3 });
    mn_tensor_writer_declare(w, "w.scales", MN_STORED_WEIGHT, MN_BF16, 1,
                             (int64_t[]){ 3 });
    char bytes[30];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i + 1);
    assert_ok(mn_tensor_writer_begin(w, temp_path(&t, "model.safetensors"), err));
    mn_tensor_writer_append(w, bytes, sizeof bytes);
    assert_ok(mn_tensor_writer_finish(w, err));
    mn_tensor_writer_free(w);
    mn_model_dir *d;
    assert_ok(mn_model_dir_open(&d, t.path, true, err));
    const mn_tensor_ref *a = mn_safetensors_find(mn_model_dir_weights(d), "w.weight");
    const mn_tensor_ref *b = mn_safetensors_find(mn_model_dir_weights(d), "w.scales");
    assert_int_equal(a->dims[1], 3);
    assert_memory_equal(a->data, bytes, 24);
    assert_memory_equal(b->data, bytes + 24, 6);
    mn_model_dir_close(d);
    temp_clear(&t);
}

static minerva_status try_declare(mn_write_format format, mn_stored_kind kind,
                                  mn_wtype type, int n_dims, const int64_t *dims)
{
    temp_dir t = temp_make();
    mn_tensor_writer *w = create(format);
    minerva_error e = { 0 };
    mn_tensor_writer_declare(w, "t", kind, type, n_dims, dims);
    minerva_status status = mn_tensor_writer_begin(w, temp_path(&t, "x"), &e);
    if (status != MINERVA_OK) assert_non_null(strstr(e.message, "tensor t"));
    mn_tensor_writer_free(w);
    assert_int_not_equal(access(temp_path(&t, "x.part"), F_OK), 0);
    temp_clear(&t);
    return status;
}

static void tensors_that_a_format_lacks_are_refused(void **state)
{
    const int64_t five[] = { 1, 1, 1, 1, 32 }, odd[] = { 2, 33 }, none[] = { 2, 0 };
    const int64_t huge[] = { 1ll << 40, 1ll << 40 };
    assert_int_equal(try_declare(MN_WRITE_GGUF, MN_STORED_WEIGHT, MN_F32, 5, five),
                     MINERVA_UNSUPPORTED);
    assert_int_equal(try_declare(MN_WRITE_SAFETENSORS, MN_STORED_WEIGHT, MN_F32, 5, five),
                     MINERVA_OK);
    assert_int_equal(
        try_declare(MN_WRITE_GGUF, MN_STORED_WEIGHT, MN_MLX_AFFINE, 1, five + 4),
        MINERVA_UNSUPPORTED);
    assert_int_equal(try_declare(MN_WRITE_GGUF, MN_STORED_U32, 0, 1, five + 4),
                     MINERVA_UNSUPPORTED);
    assert_int_equal(
        try_declare(MN_WRITE_SAFETENSORS, MN_STORED_WEIGHT, MN_Q4_0, 1, five + 4),
        MINERVA_UNSUPPORTED);
    assert_int_equal(try_declare(MN_WRITE_GGUF, MN_STORED_WEIGHT, MN_Q8_0, 2, odd),
                     MINERVA_INVALID);
    assert_int_equal(try_declare(MN_WRITE_GGUF, MN_STORED_WEIGHT, MN_F32, 2, none),
                     MINERVA_INVALID);
    assert_int_equal(try_declare(MN_WRITE_GGUF, MN_STORED_WEIGHT, MN_F32, 2, huge),
                     MINERVA_INVALID);
}

static void faults_leave_no_file(void **state)
{
    temp_dir t = temp_make();
    minerva_error e = { 0 };
    const int64_t n = 4;
    for (int fault = 0; fault < 5; fault++) {
        mn_tensor_writer *w = create(fault == 3 ? MN_WRITE_SAFETENSORS : MN_WRITE_GGUF);
        static const char *const words[] = { "16 bytes more expected",
                                             "more than the tensors need", "a new name",
                                             "metadata are strings",
                                             "cannot be written" };
        e = (minerva_error){ 0 };
        mn_tensor_writer_declare(w, "t", MN_STORED_WEIGHT, MN_F32, 1, &n);
        if (fault == 2) mn_tensor_writer_declare(w, "t", MN_STORED_WEIGHT, MN_F32, 1, &n);
        if (fault == 3) mn_tensor_writer_put_u32(w, "n", 1);
        minerva_status status =
            mn_tensor_writer_begin(w, temp_path(&t, fault == 4 ? "no/where" : "m"), &e);
        if (status == MINERVA_OK) {
            if (fault == 1) mn_tensor_writer_append(w, "12345678901234567", 17);
            status = mn_tensor_writer_finish(w, &e);
        }
        assert_int_not_equal(status, MINERVA_OK);
        if (!strstr(e.message, words[fault])) fail_msg("%s", e.message);
        mn_tensor_writer_free(w);
        assert_int_not_equal(access(temp_path(&t, "m"), F_OK), 0);
        assert_int_not_equal(access(temp_path(&t, "m.part"), F_OK), 0);
    }
    mn_tensor_writer_free(NULL);
    temp_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_gguf_files_read_back),
        cmocka_unit_test(written_safetensors_read_back),
        cmocka_unit_test(tensors_that_a_format_lacks_are_refused),
        cmocka_unit_test(faults_leave_no_file),
    };
    return cmocka_run_group_tests_name("tensor_writer", tests, NULL, NULL);
}
