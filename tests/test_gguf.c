/* The GGUF reader: what it reads, and everything that it must refuse. */
#include "format/ggml_type.h"
#include "format/gguf.h"
#include "tests/make_gguf.h"
#include "tests/temp_files.h"

/* The file, copied to memory of exactly its size so that sanitizers see every byte too
 * far; the status of opening it.  The error's message must not be empty. */
static minerva_status try_bytes(const void *bytes, size_t n, minerva_error *err)
{
    mn_gguf *g;
    void *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n) memcpy(copy, bytes, n);
    *err = (minerva_error){ 0 };
    minerva_status status = mn_gguf_open_memory(&g, copy, n, err);
    assert_int_equal(status, err->code);
    if (status != MINERVA_OK) {
        assert_null(g);
        assert_true(strlen(err->message) > 20);
    }
    mn_gguf_close(g);
    free(copy);
    return status;
}

static minerva_status try_maker(gguf_maker *m, minerva_error *err)
{
    mn_buffer b = gm_finish(m);
    minerva_status status = try_bytes(b.data, b.len, err);
    mn_buffer_clear(&b);
    return status;
}

#define assert_refused(maker, code, words)                                            \
    do {                                                                              \
        minerva_error refused = { 0 };                                                \
        assert_int_equal(try_maker(maker, &refused), code);                           \
        if (!strstr(refused.message, words))                                          \
            fail_msg("\"%s\" expected in: %s", words, refused.message);               \
    } while (0)

/* A file with every kind of value and three tensors. */
static gguf_maker good(void)
{
    gguf_maker m = { 0 };
    gm_str(&m, "general.architecture", "llama");
    gm_u32(&m, "llama.block_count", 2);
    gm_f32(&m, "llama.rope.freq_base", 10000);
    gm_int(&m, "a.bool", MN_GGUF_BOOL, 1);
    gm_int(&m, "a.u8", MN_GGUF_U8, 200);
    gm_int(&m, "a.i8", MN_GGUF_I8, -100);
    gm_int(&m, "a.u16", MN_GGUF_U16, 60000);
    gm_int(&m, "a.i16", MN_GGUF_I16, -30000);
    gm_int(&m, "a.i32", MN_GGUF_I32, -7);
    gm_int(&m, "a.u64", MN_GGUF_U64, 1ll << 40);
    gm_int(&m, "a.i64", MN_GGUF_I64, -(1ll << 40));
    gm_f64(&m, "a.f64", 0.125);
    gm_array(&m, "tokens", MN_GGUF_STRING, 3);
    gm_string_n(&m.kv, "one", 3);
    gm_string_n(&m.kv, "", 0);
    gm_string_n(&m.kv, "\xff\0z", 3);
    gm_array(&m, "types", MN_GGUF_I32, 3);
    for (int i = 0; i < 3; i++) gm_le(&m.kv, (uint64_t)(i - 1), 4);
    gm_array(&m, "none", MN_GGUF_STRING, 0);
    gm_tensor(&m, "embd", 0, 2, (uint64_t[]){ 3, 2 }, (float[]){ 1, 2, 3, 4, 5, 6 }, 24);
    gm_tensor(&m, "q8", 8, 2, (uint64_t[]){ 64, 2 }, NULL, 4 * 34);
    gm_tensor(&m, "scalar", 0, 0, NULL, (float[]){ 7 }, 4);
    return m;
}

static mn_gguf *open_good(mn_buffer *b)
{
    gguf_maker m = good();
    mn_gguf *g = NULL;
    *b = gm_finish(&m);
    assert_ok(mn_gguf_open_memory(&g, b->data, b->len, err));
    return g;
}

static void reads_tensors_with_dimensions_outermost_first(void **state)
{
    mn_buffer b;
    mn_gguf *g = open_good(&b);
    assert_int_equal(mn_gguf_n_tensors(g), 3);
    const mn_tensor_ref *t = mn_gguf_tensor(g, "embd");
    assert_ptr_equal(t, mn_gguf_tensor_at(g, 0));
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->size_bytes, 24);
    assert_string_equal(mn_tensor_ref_type_name(t), "F32");
    assert_int_equal(((uintptr_t)t->data - (uintptr_t)b.data) % 32, 0);
    float last;
    memcpy(&last, t->data + 20, 4);
    assert_true(last == 6);
    t = mn_gguf_tensor(g, "q8");
    assert_int_equal(t->wtype, MN_Q8_0);
    assert_int_equal(t->size_bytes, 4 * 34);
    assert_int_equal(mn_tensor_ref_n_elements(t), 128);
    t = mn_gguf_tensor(g, "scalar");
    assert_int_equal(t->n_dims, 0);
    assert_int_equal(mn_tensor_ref_n_elements(t), 1);
    assert_null(mn_gguf_tensor(g, "emb"));
    assert_null(mn_gguf_tensor_at(g, 3));
    assert_null(mn_gguf_tensor_at(g, -1));
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void takes_numbers_from_any_type_that_holds_them(void **state)
{
    static const struct { const char *key; int64_t value; } ints[] = {
        { "%s.block_count", 2 }, { "llama.rope.freq_base", 10000 }, { "a.bool", 1 },
        { "a.u8", 200 }, { "a.i8", -100 }, { "a.u16", 60000 }, { "a.i16", -30000 },
        { "a.i32", -7 }, { "a.u64", 1ll << 40 }, { "a.i64", -(1ll << 40) }, { "absent", 77 },
        { "%s.absent", 77 },
    };
    mn_buffer b;
    mn_gguf *g = open_good(&b);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t v;
        double d;
        assert_ok(mn_gguf_get_int(g, ints[i].key, 77, &v, err));
        assert_int_equal(v, ints[i].value);
        assert_ok(mn_gguf_get_float(g, ints[i].key, 77, &d, err));
        assert_true(d == (double)ints[i].value);
    }
    double d;
    bool flag;
    mn_gguf_string s;
    assert_ok(mn_gguf_get_float(g, "a.f64", 0, &d, err));
    assert_true(d == 0.125);
    assert_ok(mn_gguf_get_bool(g, "a.bool", false, &flag, err));
    assert_true(flag);
    assert_ok(mn_gguf_get_bool(g, "absent", true, &flag, err));
    assert_true(flag);
    assert_ok(mn_gguf_get_string(g, "general.architecture", &s, err));
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.data, "llama", 5);
    assert_ok(mn_gguf_get_string(g, "absent", &s, err));
    assert_null(s.data);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void reads_arrays_and_scalars_as_arrays_of_one(void **state)
{
    mn_buffer b;
    mn_gguf *g = open_good(&b);
    int64_t *ints, n;
    float *floats;
    mn_gguf_string *strings;
    minerva_error limit = { 0 };
    assert_ok(mn_gguf_get_ints(g, "types", 3, &ints, &n, err));
    assert_int_equal(n, 3);
    assert_int_equal(ints[0], -1);
    assert_int_equal(ints[2], 1);
    free(ints);
    assert_ok(mn_gguf_get_ints(g, "a.i8", 1, &ints, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(ints[0], -100);
    free(ints);
    assert_ok(mn_gguf_get_floats(g, "types", 3, &floats, &n, err));
    assert_true(floats[0] == -1 && n == 3);
    free(floats);
    assert_ok(mn_gguf_get_strings(g, "tokens", 10, &strings, &n, err));
    assert_int_equal(n, 3);
    assert_int_equal(strings[1].len, 0);
    assert_int_equal(strings[2].len, 3);
    assert_memory_equal(strings[2].data, "\xff\0z", 3);
    free(strings);
    assert_ok(mn_gguf_get_strings(g, "none", 10, &strings, &n, err));
    assert_int_equal(n, 0);
    free(strings);
    assert_ok(mn_gguf_get_strings(g, "absent", 10, &strings, &n, err));
    assert_int_equal(n, 0);
    assert_null(strings);
    assert_int_equal(mn_gguf_get_ints(g, "types", 2, &ints, &n, &limit), MINERVA_LIMIT);
    assert_null(ints);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

/* Each getter on a key of each type: either it holds the value or the error names the
 * key. */
static void refuses_every_wrong_type_by_name(void **state)
{
    mn_buffer b;
    mn_gguf *g = open_good(&b);
    int n_refused = 0;
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) {
        const mn_gguf_kv *kv = mn_gguf_kv_at(g, i);
        char key[64] = "";
        memcpy(key, kv->key.data, kv->key.len);
        int64_t whole, n[3], *ints;
        double number;
        bool flag;
        mn_gguf_string text, *strings;
        float *floats;
        minerva_error e[7] = { 0 };
        minerva_status status[7] = {
            mn_gguf_get_int(g, key, 5, &whole, &e[0]),
            mn_gguf_get_float(g, key, 5, &number, &e[1]),
            mn_gguf_get_bool(g, key, true, &flag, &e[2]),
            mn_gguf_get_string(g, key, &text, &e[3]),
            mn_gguf_get_ints(g, key, 9, &ints, &n[0], &e[4]),
            mn_gguf_get_floats(g, key, 9, &floats, &n[1], &e[5]),
            mn_gguf_get_strings(g, key, 9, &strings, &n[2], &e[6]),
        };
        mn_gguf_type item = kv->type == MN_GGUF_ARRAY ? kv->item_type : kv->type;
        bool is_array = kv->type == MN_GGUF_ARRAY, is_text = item == MN_GGUF_STRING;
        bool is_real = item == MN_GGUF_F64;       /* 0.125: no integer */
        bool good_for[7] = { !is_array && !is_text && !is_real,
                             !is_array && !is_text,
                             !strcmp(key, "a.bool"),
                             !is_array && is_text,
                             (!is_text && !is_real) || !kv->n,
                             !is_text || !kv->n,
                             is_text };
        for (int k = 0; k < 7; k++) {
            if ((status[k] == MINERVA_OK) != good_for[k])
                fail_msg("key %s, getter %d: %d %s", key, k, status[k], e[k].message);
            if (status[k] == MINERVA_OK) continue;
            n_refused++;
            assert_int_equal(status[k], MINERVA_INVALID);
            assert_non_null(strstr(e[k].message, key));
            assert_non_null(strstr(e[k].message, "expected"));
            assert_non_null(strstr(e[k].message, "found"));
        }
        free(ints);
        free(floats);
        free(strings);
    }
    assert_true(n_refused > 30);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void refuses_numbers_that_do_not_fit(void **state)
{
    gguf_maker m = { 0 };
    gm_int(&m, "big", MN_GGUF_U64, -1);
    gm_f32(&m, "half", 0.5f);
    gm_f32(&m, "inf", INFINITY);
    gm_f64(&m, "nan", NAN);
    gm_f64(&m, "huge", 1e300);
    gm_int(&m, "odd_bool", MN_GGUF_BOOL, 2);
    gm_int(&m, "wide", MN_GGUF_I64, (1ll << 53) + 1);
    mn_buffer b = gm_finish(&m);
    mn_gguf *g;
    int64_t v, n;
    double d;
    float *floats;
    bool flag;
    minerva_error e = { 0 };
    assert_ok(mn_gguf_open_memory(&g, b.data, b.len, err));
    static const char *const no_ints[] = { "big", "half", "inf", "nan", "huge", "odd_bool" };
    for (size_t i = 0; i < sizeof no_ints / sizeof *no_ints; i++)
        assert_int_equal(mn_gguf_get_int(g, no_ints[i], 0, &v, &e), MINERVA_INVALID);
    static const char *const no_floats[] = { "big", "inf", "nan", "odd_bool", "wide" };
    for (size_t i = 0; i < sizeof no_floats / sizeof *no_floats; i++)
        assert_int_equal(mn_gguf_get_float(g, no_floats[i], 0, &d, &e), MINERVA_INVALID);
    assert_int_equal(mn_gguf_get_floats(g, "huge", 1, &floats, &n, &e), MINERVA_INVALID);
    assert_int_equal(mn_gguf_get_bool(g, "odd_bool", 0, &flag, &e), MINERVA_INVALID);
    assert_int_equal(mn_gguf_get_bool(g, "half", 0, &flag, &e), MINERVA_INVALID);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void version_2_is_read_and_others_are_refused(void **state)
{
    minerva_error err;
    gguf_maker m = good();
    m.version = 2;
    assert_int_equal(try_maker(&m, &err), MINERVA_OK);
    for (uint32_t version = 0; version < 6; version++) {
        if (version == 2 || version == 3) continue;
        mn_buffer b;
        m = good();
        b = gm_finish(&m);
        b.data[4] = (char)version;
        assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_UNSUPPORTED);
        mn_buffer_clear(&b);
    }
    m = good();
    m.version = 3u << 24;
    assert_refused(&m, MINERVA_UNSUPPORTED, "big-endian file of version 3");
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    gguf_maker m = good();
    mn_buffer b = gm_finish(&m);
    minerva_error err;
    assert_int_equal(try_bytes(b.data, b.len, &err), MINERVA_OK);
    for (size_t n = 0; n < b.len; n++)
        if (try_bytes(b.data, n, &err) != MINERVA_INVALID)
            fail_msg("cut at %zu of %zu: %d %s", n, b.len, err.code, err.message);
    mn_buffer_clear(&b);
}

/* Every 4 and 8 byte field at every place of the header at every dangerous value:
 * whatever they mean there, opening ends with a status. */
static void no_field_value_does_harm(void **state)
{
    gguf_maker m = good();
    mn_buffer b = gm_finish(&m);
    const uint64_t values[] = { 0, 1, b.len - 1, b.len, b.len + 1, 0x7fffffff, 0x80000000,
                                1ull << 62, INT64_MAX, 1ull << 63, UINT64_MAX - 7,
                                UINT64_MAX };
    int n_ok = 0, n_refused = 0;
    for (size_t at = 0; at + 8 <= b.len - 160; at++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            for (int width = 4; width <= 8; width += 4) {
                char old[8];
                minerva_error err;
                memcpy(old, b.data + at, 8);
                for (int i = 0; i < width; i++)
                    b.data[at + i] = (char)(values[v] >> 8 * i);
                *(try_bytes(b.data, b.len, &err) == MINERVA_OK ? &n_ok : &n_refused) += 1;
                memcpy(b.data + at, old, 8);
            }
    assert_true(n_ok > 100 && n_refused > 1000);
    mn_buffer_clear(&b);
}

static void refuses_counts_that_cannot_fit_without_allocating(void **state)
{
    static const uint64_t counts[] = { 1000, 1ull << 31, 1ull << 63, UINT64_MAX };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        gguf_maker m = good();
        m.n_kv = counts[i];
        assert_refused(&m, MINERVA_INVALID, "");
        m = good();
        m.n_tensors = counts[i];
        assert_refused(&m, MINERVA_INVALID, "");
        m = (gguf_maker){ 0 };
        gm_array(&m, "a", MN_GGUF_U16, counts[i]);
        assert_refused(&m, MINERVA_INVALID, "key a: an array of");
        m = (gguf_maker){ 0 };
        gm_array(&m, "a", MN_GGUF_STRING, counts[i]);
        assert_refused(&m, MINERVA_INVALID, "key a: an array of");
    }
}

static void refuses_duplicates(void **state)
{
    gguf_maker m = { 0 };
    gm_u32(&m, "twice", 1);
    gm_u32(&m, "twice", 1);
    assert_refused(&m, MINERVA_INVALID, "key twice is there twice");
    gm_vector(&m, "w", 8);
    gm_vector(&m, "w", 8);
    assert_refused(&m, MINERVA_INVALID, "tensor w is there twice");
}

static void refuses_nested_arrays_and_unknown_value_types(void **state)
{
    gguf_maker m = { 0 };
    gm_array(&m, "deep", MN_GGUF_ARRAY, 1);
    gm_le(&m.kv, MN_GGUF_U8, 4);
    gm_le(&m.kv, 0, 8);
    assert_refused(&m, MINERVA_INVALID, "nested arrays");
    gm_array(&m, "odd", 13, 0);
    assert_refused(&m, MINERVA_INVALID, "items of type 13");
    gm_int(&m, "x", MN_GGUF_U8, 1);
    m.kv.data[8 + 1] = 13;
    assert_refused(&m, MINERVA_INVALID, "13 found");
}

static void refuses_empty_names_and_names_with_zeros(void **state)
{
    gguf_maker m = { 0 };
    gm_u32(&m, "", 1);
    assert_refused(&m, MINERVA_INVALID, "a key of 1 to");
    gm_string_n(&m.kv, "a\0b", 3);
    gm_le(&m.kv, MN_GGUF_U8, 4);
    gm_le(&m.kv, 0, 1);
    m.n_kv = 1;
    assert_refused(&m, MINERVA_INVALID, "without 0 bytes");
    gm_vector(&m, "", 8);
    assert_refused(&m, MINERVA_INVALID, "a tensor's name of 1 to");
}

static void error_messages_carry_no_control_characters(void **state)
{
    gguf_maker m = { 0 };
    minerva_error err;
    gm_u32(&m, "\x1b[2J\xff\n", 1);
    gm_u32(&m, "\x1b[2J\xff\n", 1);
    assert_int_equal(try_maker(&m, &err), MINERVA_INVALID);
    assert_non_null(strstr(err.message, "key ?[2J?? is there twice"));
}

static void refuses_unknown_and_removed_tensor_types_by_name(void **state)
{
    static const struct { uint32_t number; const char *words; } bad[] = {
        { 4, "Q4_2 (number 4)" }, { 9, "Q8_1 (number 9)" }, { 15, "Q8_K" },
        { 31, "Q4_0_4_4 (number 31) cannot be read: a processor's own order" },
        { 38, "IQ4_NL_8_8" }, { 41, "Q1_0" }, { 42, "Q2_0" }, { 40, "NVFP4" },
        { 43, "without a name (number 43)" }, { UINT32_MAX, "number 4294967295" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_maker m = { 0 };
        gm_tensor(&m, "w", bad[i].number, 1, (uint64_t[]){ 256 }, NULL, 2048);
        assert_refused(&m, MINERVA_UNSUPPORTED, bad[i].words);
    }
}

static void type_numbers_lead_back_to_their_types(void **state)
{
    int n = 0;
    for (uint32_t i = 0; i < 100; i++) {
        const mn_ggml_type *t = mn_ggml_type_get(i);
        if (t->refused || t->kind != MN_STORED_WEIGHT) continue;
        assert_int_equal(mn_ggml_type_number(t->wtype), i);
        assert_string_equal(mn_wtype_get(t->wtype)->name, t->name);
        n++;
    }
    assert_int_equal(n, MN_MXFP4 + 1);
    assert_int_equal(mn_ggml_type_number(MN_MLX_AFFINE), -1);
    assert_int_equal(mn_ggml_type_number(MN_F8_E4M3), -1);
}

static void refuses_shapes_that_overflow_or_do_not_fit_the_type(void **state)
{
    static const struct { uint64_t ne[4]; uint32_t n_dims, type; const char *words; } bad[] = {
        { { 1ull << 32, 1ull << 32 }, 2, 0, "too large" },
        { { 1ull << 62, 2 }, 2, 0, "too large" },
        { { 1ull << 31, 1ull << 31, 4 }, 3, 24, "too large" },
        { { 1ull << 63 }, 1, 24, "too large" },
        { { UINT64_MAX }, 1, 0, "too large" },
        { { 1ull << 61 }, 1, 0, "too large" },
        { { 32, 1ull << 57 }, 2, 2, "is the download complete?" },
        { { 33, 2 }, 2, 8, "multiple of 32 long, 33 found" },
        { { 128, 2 }, 2, 12, "multiple of 256 long, 128 found" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_maker m = { 0 };
        minerva_error err;
        gm_tensor(&m, "w", bad[i].type, bad[i].n_dims, bad[i].ne, NULL, 64);
        assert_int_equal(try_maker(&m, &err), MINERVA_INVALID);
        assert_non_null(strstr(err.message, bad[i].words));
    }
    gguf_maker m = { 0 };
    gm_tensor(&m, "w", 0, 5, (uint64_t[]){ 1, 1, 1, 1, 1 }, NULL, 64);
    assert_refused(&m, MINERVA_INVALID, "at most 4 dimensions expected, 5 found");
}

static void refuses_overlapping_and_unaligned_tensors(void **state)
{
    gguf_maker m = { 0 };
    gm_vector(&m, "a", 16);
    m.use_offset = true;
    m.force_offset = 32;
    gm_vector(&m, "b", 8);
    assert_refused(&m, MINERVA_INVALID, "tensors a and b overlap");
    gm_vector(&m, "a", 8);
    m.use_offset = true;
    gm_vector(&m, "b", 8);
    assert_refused(&m, MINERVA_INVALID, "overlap");
    gm_vector(&m, "a", 8);
    m.use_offset = true;
    m.force_offset = 33;
    gm_vector(&m, "b", 8);
    assert_refused(&m, MINERVA_INVALID, "that 32 divides expected, 33 found");
    m.use_offset = true;
    m.force_offset = UINT64_MAX - 31;
    gm_vector(&m, "b", 8);
    assert_refused(&m, MINERVA_INVALID, "is the download complete?");
}

static void tensors_may_lie_in_any_order(void **state)
{
    gguf_maker m = { 0 };
    mn_gguf *g;
    m.use_offset = true;
    m.force_offset = 32;
    gm_vector(&m, "second", 8);
    m.use_offset = true;
    m.force_offset = 0;
    gm_vector(&m, "first", 8);
    mn_buffer b = gm_finish(&m);
    assert_ok(mn_gguf_open_memory(&g, b.data, b.len, err));
    assert_int_equal(mn_gguf_tensor(g, "second")->data - mn_gguf_tensor(g, "first")->data,
                     32);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void alignment_is_a_power_of_two_and_obeyed(void **state)
{
    static const int64_t bad[] = { 0, 3, 48, 1ll << 31 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_maker m = { 0 };
        gm_int(&m, "general.alignment", MN_GGUF_U32, bad[i]);
        gm_vector(&m, "a", 8);
        assert_refused(&m, MINERVA_INVALID, "general.alignment");
    }
    gguf_maker m = { 0 };
    gm_str(&m, "general.alignment", "32");
    assert_refused(&m, MINERVA_INVALID, "general.alignment");
    gm_array(&m, "general.alignment", MN_GGUF_U32, 0);
    assert_refused(&m, MINERVA_INVALID, "general.alignment");
    m = (gguf_maker){ .alignment = 256 };
    gm_u32(&m, "general.alignment", 256);
    gm_vector(&m, "a", 8);
    gm_vector(&m, "b", 8);
    mn_buffer b = gm_finish(&m);
    mn_gguf *g;
    assert_ok(mn_gguf_open_memory(&g, b.data, b.len, err));
    assert_int_equal((size_t)(mn_gguf_tensor(g, "a")->data - (uint8_t *)b.data) % 256, 0);
    assert_int_equal(mn_gguf_tensor(g, "b")->data - mn_gguf_tensor(g, "a")->data, 256);
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

static void finds_keys_of_the_architecture(void **state)
{
    gguf_maker m = { 0 };
    mn_gguf *g;
    gm_u32(&m, "general.architecture", 5);
    gm_u32(&m, "llama.x", 5);
    mn_buffer b = gm_finish(&m);
    assert_ok(mn_gguf_open_memory(&g, b.data, b.len, err));
    assert_null(mn_gguf_find_arch(g, "%s.x"));
    assert_non_null(mn_gguf_find_arch(g, "llama.x"));
    mn_gguf_close(g);
    mn_buffer_clear(&b);
    char name[2000];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    gm_str(&m, "general.architecture", name);
    b = gm_finish(&m);
    assert_ok(mn_gguf_open_memory(&g, b.data, b.len, err));
    assert_null(mn_gguf_find_arch(g, "%s.x"));
    mn_gguf_close(g);
    mn_buffer_clear(&b);
}

/* ---- split models ----------------------------------------------------------------- */

/* Part no (from 0) of count: one tensor "t<no>" and the split keys. */
static void write_part(const temp_dir *t, const char *name, int no, int count, int total,
                       const char *tensor)
{
    gguf_maker m = { 0 };
    gm_int(&m, "split.no", MN_GGUF_U16, no);
    gm_int(&m, "split.count", MN_GGUF_U16, count);
    gm_int(&m, "split.tensors.count", MN_GGUF_I32, total);
    if (no == 0) gm_str(&m, "general.name", "whole");
    gm_vector(&m, tensor, 8 + (uint64_t)no);
    mn_buffer b = gm_finish(&m);
    temp_write(t, name, b.data, b.len);
    mn_buffer_clear(&b);
}

static void any_part_of_a_split_model_opens_all(void **state)
{
    temp_dir t = temp_make();
    write_part(&t, "m-00001-of-00003.gguf", 0, 3, 3, "t0");
    write_part(&t, "m-00002-of-00003.gguf", 1, 3, 3, "t1");
    write_part(&t, "m-00003-of-00003.gguf", 2, 3, 3, "t2");
    for (int part = 1; part <= 3; part++) {
        char name[40];
        mn_gguf *g;
        snprintf(name, sizeof name, "m-%05d-of-00003.gguf", part);
        assert_ok(mn_gguf_open(&g, temp_path(&t, name), err));
        assert_int_equal(mn_gguf_n_parts(g), 3);
        assert_int_equal(mn_gguf_n_tensors(g), 3);
        assert_int_equal(mn_gguf_tensor(g, "t2")->dims[0], 10);
        assert_non_null(mn_gguf_find(g, "general.name"));
        mn_gguf_close(g);
    }
    temp_clear(&t);
}

static void a_split_model_with_a_wrong_part_is_refused(void **state)
{
    static const struct { int no, count, total; const char *tensor, *words; } bad[] = {
        { 0, 2, 2, "t1", "part 2 of 2 expected by its name, part 1 of 2 found" },
        { 1, 3, 2, "t1", "part 2 of 2 expected by its name, part 2 of 3 found" },
        { 1, 2, 2, "t0", "tensor t0 is there twice" },
        { -1, 0, 0, NULL, "part 2 of 2 is missing" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp_dir t = temp_make();
        minerva_error err = { 0 };
        mn_gguf *g;
        write_part(&t, "m-00001-of-00002.gguf", 0, 2, 2, "t0");
        if (bad[i].tensor)
            write_part(&t, "m-00002-of-00002.gguf", bad[i].no, bad[i].count, bad[i].total,
                       bad[i].tensor);
        assert_int_not_equal(
            mn_gguf_open(&g, temp_path(&t, "m-00001-of-00002.gguf"), &err), MINERVA_OK);
        assert_null(g);
        if (!strstr(err.message, bad[i].words))
            fail_msg("\"%s\" expected in: %s", bad[i].words, err.message);
        temp_clear(&t);
    }
}

static void a_split_model_with_missing_tensors_or_a_wrong_name_is_refused(void **state)
{
    temp_dir t = temp_make();
    minerva_error err = { 0 };
    mn_gguf *g;
    write_part(&t, "m-00001-of-00002.gguf", 0, 2, 5, "t0");
    write_part(&t, "m-00002-of-00002.gguf", 1, 2, 5, "t1");
    assert_int_equal(mn_gguf_open(&g, temp_path(&t, "m-00002-of-00002.gguf"), &err),
                     MINERVA_INVALID);
    assert_non_null(strstr(err.message, "5 tensors expected in all parts, 2 found"));
    write_part(&t, "renamed.gguf", 0, 2, 2, "t0");
    write_part(&t, "m-00000-of-00002.gguf", 0, 2, 2, "t0");
    write_part(&t, "m-00003-of-00002.gguf", 0, 2, 2, "t0");
    write_part(&t, "m-00001-of-00009.gguf", 0, 60000, 2, "t0");
    static const char *const names[] = { "renamed.gguf", "m-00000-of-00002.gguf",
                                         "m-00003-of-00002.gguf", "m-00001-of-00009.gguf" };
    for (int i = 0; i < 4; i++) {
        err = (minerva_error){ 0 };
        assert_int_equal(mn_gguf_open(&g, temp_path(&t, names[i]), &err),
                         MINERVA_INVALID);
        assert_non_null(strstr(err.message, "parts"));
    }
    temp_clear(&t);
}

static void missing_files_are_not_found(void **state)
{
    mn_gguf *g;
    minerva_error err = { 0 };
    assert_int_equal(mn_gguf_open(&g, "/nonexistent/x.gguf", &err), MINERVA_NOT_FOUND);
    assert_null(g);
    mn_gguf_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors_with_dimensions_outermost_first),
        cmocka_unit_test(takes_numbers_from_any_type_that_holds_them),
        cmocka_unit_test(reads_arrays_and_scalars_as_arrays_of_one),
        cmocka_unit_test(refuses_every_wrong_type_by_name),
        cmocka_unit_test(refuses_numbers_that_do_not_fit),
        cmocka_unit_test(version_2_is_read_and_others_are_refused),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(no_field_value_does_harm),
        cmocka_unit_test(refuses_counts_that_cannot_fit_without_allocating),
        cmocka_unit_test(refuses_duplicates),
        cmocka_unit_test(refuses_nested_arrays_and_unknown_value_types),
        cmocka_unit_test(refuses_empty_names_and_names_with_zeros),
        cmocka_unit_test(error_messages_carry_no_control_characters),
        cmocka_unit_test(refuses_unknown_and_removed_tensor_types_by_name),
        cmocka_unit_test(type_numbers_lead_back_to_their_types),
        cmocka_unit_test(refuses_shapes_that_overflow_or_do_not_fit_the_type),
        cmocka_unit_test(refuses_overlapping_and_unaligned_tensors),
        cmocka_unit_test(tensors_may_lie_in_any_order),
        cmocka_unit_test(alignment_is_a_power_of_two_and_obeyed),
        cmocka_unit_test(finds_keys_of_the_architecture),
        cmocka_unit_test(any_part_of_a_split_model_opens_all),
        cmocka_unit_test(a_split_model_with_a_wrong_part_is_refused),
        cmocka_unit_test(a_split_model_with_missing_tensors_or_a_wrong_name_is_refused),
        cmocka_unit_test(missing_files_are_not_found),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
