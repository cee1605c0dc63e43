/* Sequences of the native executor: paged cache, copy-on-write, limits, windows,
 * cancellation, export.  Networks are small and random; numbers are compared with those of
 * a fresh sequence that was fed at once. */
#include "backend/native/native.h"
#include "tests/check.h"
#include "tests/tiny_plan.h"

enum { MAX = 400 };

typedef struct {
    mn_plan *plan;
    mn_engine *e;
    int32_t tokens[MAX];
} fixture;

static void open_fixture(fixture *f, const char *layers, mn_load_options options)
{
    memset(f, 0, sizeof *f);
    f->plan = tiny_plan(layers);
    if (!options.n_threads) options.n_threads = 2;
    if (!options.isa) options.precise = true;
    assert_ok(mn_engine_create(&f->e, f->plan, false, &options, err));
    f->e->shared_from_ns = 0;
    for (int32_t i = 0; i < MAX; i++) f->tokens[i] = (i * 7 + i / 5) % TINY_VOCAB;
}

static void close_fixture(fixture *f)
{
    mn_engine_free(f->e);
    tiny_free(f->plan);
}

static mn_seq *new_seq(fixture *f)
{
    mn_seq *s = NULL;
    assert_ok(mn_seq_new(f->e, &s, err));
    return s;
}

static minerva_status try_feed(fixture *f, mn_seq *s, int32_t n, float *last, minerva_error *err)
{
    mn_span span = { s, 0, n };
    mn_batch batch = { .tokens = f->tokens + s->length, .n_tokens = n, .spans = &span,
                       .n_spans = 1 };
    mn_output out;
    minerva_status st = mn_forward(f->e, &batch, &out, err);
    if (st == MINERVA_OK && last) memcpy(last, out.logits, TINY_VOCAB * sizeof *last);
    return st;
}

/* Feeds up to position `end` in pieces; the last logits into `last` where given. */
static void feed(fixture *f, mn_seq *s, int32_t end, float *last)
{
    while (s->length < end) {
        int32_t n = end - s->length < f->e->max_batch ? end - s->length : f->e->max_batch;
        assert_ok(try_feed(f, s, n, last, err));
    }
}

static void expect_same(const float *a, const float *b)
{
    for (int i = 0; i < TINY_VOCAB; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-4f)) fail_msg("logit %d: %g and %g", i, a[i], b[i]);
}

/* What a fresh sequence says after the first `n` tokens. */
static void expect_fresh(fixture *f, int32_t n, const float *logits)
{
    float fresh[TINY_VOCAB];
    mn_seq *s = new_seq(f);
    feed(f, s, n, fresh);
    mn_seq_delete(f->e, s);
    expect_same(fresh, logits);
}

static void fork_shares_pages_until_first_write(void **state)
{
    fixture f;
    float a[TINY_VOCAB], b[TINY_VOCAB];
    open_fixture(&f, "aw", (mn_load_options){ 0 });
    mn_seq *s = new_seq(&f), *t = NULL;
    feed(&f, s, 70, NULL);
    size_t used = f.e->pages.used_bytes;
    assert_int_equal(mn_seq_own_bytes(s), used);
    assert_ok(mn_seq_copy(f.e, s, &t, err));
    assert_int_equal(f.e->pages.used_bytes, used);
    assert_int_equal(mn_seq_own_bytes(s), 0);
    assert_int_equal(mn_seq_own_bytes(t), 0);
    /* Position 70 lies in the third page, which the fork copies; the original then owns
     * its own third page again and writes in place. */
    feed(&f, t, 71, a);
    size_t page = f.e->kv.groups[0].page_bytes + f.e->kv.groups[1].page_bytes;
    assert_int_equal(f.e->pages.used_bytes, used + page);
    assert_int_equal(mn_seq_own_bytes(t), page);
    feed(&f, s, 71, b);
    assert_int_equal(f.e->pages.used_bytes, used + page);
    expect_same(a, b);
    expect_fresh(&f, 71, a);
    mn_seq_delete(f.e, s);
    feed(&f, t, 90, a);
    expect_fresh(&f, 90, a);
    mn_seq_delete(f.e, t);
    assert_int_equal(f.e->pages.used_bytes, 0);
    close_fixture(&f);
}

static void every_mixer_forks_and_runs_in_pieces(void **state)
{
    static const char *const layers[] = { "a", "w", "l", "d", "m", "c", "dadw", "mlc" };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        fixture f;
        float a[TINY_VOCAB];
        open_fixture(&f, layers[i], (mn_load_options){ .max_batch = 100, .n_threads = 1 + i % 3 });
        mn_seq *s = new_seq(&f), *t = NULL;
        feed(&f, s, 33, NULL);
        assert_ok(mn_seq_copy(f.e, s, &t, err));
        for (int32_t n = 34; n < 75; n += 1 + n % 4) feed(&f, t, n, a);
        expect_fresh(&f, t->length, a);
        feed(&f, s, 74, a);
        expect_fresh(&f, 74, a);
        mn_seq_delete(f.e, s);
        mn_seq_delete(f.e, t);
        close_fixture(&f);
    }
}

static void memory_limit_refuses_and_changes_nothing(void **state)
{
    fixture f;
    float a[TINY_VOCAB];
    open_fixture(&f, "ad", (mn_load_options){ .state_limit_bytes = 20000 });
    size_t page = f.e->kv.groups[0].page_bytes, own = f.e->pages.classes[1].size_bytes;
    int32_t pages = (int32_t)((20000 - 2 * own) / page);
    assert_true(pages >= 2 && pages < 12);
    mn_seq *s = new_seq(&f), *t = new_seq(&f);
    feed(&f, s, pages * MN_KV_PAGE - 5, NULL);
    size_t used = f.e->pages.used_bytes;
    minerva_error why = { 0 };
    assert_int_equal(try_feed(&f, s, 40, NULL, &why), MINERVA_FULL);
    assert_int_equal(s->length, pages * MN_KV_PAGE - 5);
    assert_int_equal(f.e->pages.used_bytes, used);
    /* Two sequences in one batch: the first fits, the second does not; neither moves. */
    mn_span spans[2] = { { s, 0, 2 }, { t, 2, 2 } };
    mn_batch batch = { .tokens = f.tokens, .n_tokens = 4, .spans = spans, .n_spans = 2 };
    mn_output out;
    assert_int_equal(mn_forward(f.e, &batch, &out, &why), MINERVA_FULL);
    assert_int_equal(f.e->pages.used_bytes, used);
    assert_int_equal(t->length, 0);
    feed(&f, s, s->length + 5, a);
    mn_seq_delete(f.e, t);
    int32_t n = s->length;
    mn_seq_delete(f.e, s);
    expect_fresh(&f, n, a);
    close_fixture(&f);
}

static void full_context_refuses_and_changes_nothing(void **state)
{
    fixture f;
    open_fixture(&f, "a", (mn_load_options){ .context = 50 });
    mn_seq *s = new_seq(&f);
    minerva_error why = { 0 };
    feed(&f, s, 48, NULL);
    assert_int_equal(try_feed(&f, s, 3, NULL, &why), MINERVA_FULL);
    assert_non_null(strstr(why.message, "48 positions of 50"));
    assert_int_equal(s->length, 48);
    feed(&f, s, 50, NULL);
    mn_seq_delete(f.e, s);
    close_fixture(&f);
}

static void pages_behind_a_window_are_given_back(void **state)
{
    fixture f;
    float a[TINY_VOCAB];
    open_fixture(&f, "ww", (mn_load_options){ .max_batch = 30 });
    mn_seq *s = new_seq(&f);
    feed(&f, s, 300, a);
    /* 40 seen + 64 kept for trims + a page at either end + the batch. */
    assert_true(mn_seq_own_bytes(s) <= 6 * f.e->kv.groups[0].page_bytes);
    expect_fresh(&f, 300, a);
    assert_true(mn_seq_trimmable(s, 300 - MN_KV_SLACK));
    assert_false(mn_seq_trimmable(s, 100));
    assert_true(mn_seq_trimmable(s, 0));
    assert_ok(mn_seq_cut(f.e, s, 300 - MN_KV_SLACK, err));
    feed(&f, s, 270, a);
    expect_fresh(&f, 270, a);
    minerva_error why = { 0 };
    assert_int_equal(mn_seq_cut(f.e, s, 90, &why), MINERVA_UNSUPPORTED);
    assert_int_equal(s->length, 270);
    assert_ok(mn_seq_cut(f.e, s, 0, err));
    feed(&f, s, 60, a);
    expect_fresh(&f, 60, a);
    mn_seq_delete(f.e, s);
    close_fixture(&f);
}

static void recurrent_state_cannot_be_cut_but_can_be_forked(void **state)
{
    fixture f;
    float a[TINY_VOCAB];
    open_fixture(&f, "da", (mn_load_options){ 0 });
    mn_seq *s = new_seq(&f), *checkpoint = NULL;
    feed(&f, s, 20, NULL);
    size_t used = f.e->pages.used_bytes;
    assert_ok(mn_seq_copy(f.e, s, &checkpoint, err));
    assert_int_equal(f.e->pages.used_bytes, used);
    feed(&f, s, 25, NULL);
    assert_false(mn_seq_trimmable(s, 20));
    feed(&f, checkpoint, 30, a);
    expect_fresh(&f, 30, a);
    assert_ok(mn_seq_cut(f.e, s, 0, err));
    feed(&f, s, 10, a);
    expect_fresh(&f, 10, a);
    mn_seq_delete(f.e, s);
    mn_seq_delete(f.e, checkpoint);
    close_fixture(&f);
}

static bool at_second_question(void *ctx) { return ++*(int *)ctx == 2; }

static void cancelled_run_leaves_sequences_as_they_were(void **state)
{
    fixture f;
    float a[TINY_VOCAB];
    open_fixture(&f, "dam", (mn_load_options){ 0 });
    mn_seq *s = new_seq(&f);
    feed(&f, s, 30, NULL);
    size_t used = f.e->pages.used_bytes;
    int asked = 0;
    mn_span span = { s, 0, 60 };
    mn_batch batch = { .tokens = f.tokens + 100, .n_tokens = 60, .spans = &span, .n_spans = 1,
                       .cancelled = at_second_question, .cancel_ctx = &asked };
    mn_output out;
    assert_int_equal(mn_forward(f.e, &batch, &out, NULL), MINERVA_CANCELLED);
    assert_int_equal(asked, 2);
    assert_int_equal(s->length, 30);
    assert_int_equal(f.e->pages.used_bytes, used);
    feed(&f, s, 50, a);
    expect_fresh(&f, 50, a);
    mn_seq_delete(f.e, s);
    close_fixture(&f);
}

static void bad_batches_are_refused(void **state)
{
    fixture f;
    open_fixture(&f, "a", (mn_load_options){ .max_batch = 8 });
    mn_seq *s = new_seq(&f), *t = new_seq(&f);
    int32_t tokens[9] = { 1, 2, 3, 4 }, high[2] = { 1, TINY_VOCAB }, low[1] = { -1 };
    const struct { mn_span spans[2]; int32_t n_spans, n; const int32_t *tokens; } bad[] = {
        { { { s, 0, 9 } }, 1, 9, tokens },              /* more than max_batch */
        { { { s, 0, 0 } }, 1, 0, tokens },
        { { { s, 0, 2 } }, 1, 4, tokens },              /* tokens in no span */
        { { { s, 0, 5 } }, 1, 4, tokens },
        { { { s, -1, 4 } }, 1, 4, tokens },
        { { { s, 0, 2 }, { s, 2, 2 } }, 2, 4, tokens },
        { { { s, 0, 3 }, { t, 2, 2 } }, 2, 4, tokens },
        { { { NULL, 0, 4 } }, 1, 4, tokens },
        { { { s, 0, 2 } }, 1, 2, high },
        { { { s, 0, 1 } }, 1, 1, low },
        { { { s, 0, 4 } }, 1, 4, NULL },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mn_batch batch = { .tokens = bad[i].tokens, .n_tokens = bad[i].n,
                           .spans = bad[i].spans, .n_spans = bad[i].n_spans };
        mn_output out;
        minerva_error why = { 0 };
        assert_int_equal(mn_forward(f.e, &batch, &out, &why), MINERVA_INVALID);
        assert_true(why.message[0]);
        assert_int_equal(s->length, 0);
    }
    mn_seq_delete(f.e, s);
    mn_seq_delete(f.e, t);
    close_fixture(&f);
}

static void only_wanted_logits_are_made(void **state)
{
    fixture f;
    float all[6 * TINY_VOCAB];
    open_fixture(&f, "ad", (mn_load_options){ 0 });
    const uint8_t every[6] = { 1, 1, 1, 1, 1, 1 }, some[6] = { 0, 1, 0, 0, 1, 0 }, none[6] = { 0 };
    const uint8_t *wants[3] = { every, some, none };
    for (int i = 0; i < 3; i++) {
        mn_seq *s = new_seq(&f);
        mn_span span = { s, 0, 6 };
        mn_batch batch = { .tokens = f.tokens, .n_tokens = 6, .spans = &span, .n_spans = 1,
                           .want = wants[i] };
        mn_output out;
        assert_ok(mn_forward(f.e, &batch, &out, err));
        assert_int_equal(s->length, 6);
        int row = 0;
        if (i == 0) memcpy(all, out.logits, sizeof all);
        for (int t = 0; t < 6; t++)
            if (wants[i][t]) expect_same(out.logits + row++ * TINY_VOCAB, all + t * TINY_VOCAB);
        assert_int_equal(out.n_wanted, row);
        mn_seq_delete(f.e, s);
    }
    close_fixture(&f);
}

static void exported_state_comes_back(void **state)
{
    static const mn_kv_type types[] = { MN_KV_F16, MN_KV_F32, MN_KV_Q8_0 };
    for (int i = 0; i < 3; i++) {
        for (int32_t from = 0; from <= 96; from += 48) {
            fixture f;
            float a[TINY_VOCAB], b[TINY_VOCAB];
            mn_buffer bytes = { 0 };
            open_fixture(&f, "awd", (mn_load_options){ .isa = "ref", .kv_type = types[i] });
            mn_seq *s = new_seq(&f), *t = new_seq(&f);
            feed(&f, s, 200, NULL);
            assert_ok(mn_seq_write(f.e, s, from, &bytes, err));
            if (from) feed(&f, t, from, NULL);
            assert_ok(mn_seq_read(f.e, t, bytes.data, bytes.len, err));
            feed(&f, s, 230, a);
            feed(&f, t, 230, b);
            assert_memory_equal(a, b, sizeof a);
            mn_seq_delete(f.e, s);
            mn_seq_delete(f.e, t);
            mn_buffer_clear(&bytes);
            close_fixture(&f);
        }
    }
}

static void import_refuses_what_does_not_fit(void **state)
{
    fixture f, other;
    mn_buffer bytes = { 0 };
    minerva_error why = { 0 };
    open_fixture(&f, "aw", (mn_load_options){ 0 });
    open_fixture(&other, "aa", (mn_load_options){ 0 });
    mn_seq *s = new_seq(&f), *t = new_seq(&f), *u = new_seq(&other);
    feed(&f, s, 180, NULL);
    assert_ok(mn_seq_write(f.e, s, 0, &bytes, err));
    assert_int_equal(mn_seq_read(other.e, u, bytes.data, bytes.len, &why), MINERVA_INVALID);
    assert_int_equal(mn_seq_read(f.e, t, bytes.data, bytes.len - 1, &why), MINERVA_INVALID);
    assert_int_equal(mn_seq_read(f.e, t, bytes.data, 20, &why), MINERVA_INVALID);
    assert_int_equal(mn_seq_read(f.e, t, bytes.data, 0, &why), MINERVA_INVALID);
    assert_int_equal(mn_seq_read(f.e, s, bytes.data, bytes.len, &why), MINERVA_INVALID);
    for (int i = 0; i < 40; i++) {
        bytes.data[i] ^= 0x55;
        assert_int_equal(mn_seq_read(f.e, t, bytes.data, bytes.len, &why), MINERVA_INVALID);
        bytes.data[i] ^= 0x55;
    }
    assert_int_equal(t->length, 0);
    assert_int_equal(mn_seq_write(f.e, s, 180, &bytes, &why), MINERVA_INVALID);
    mn_seq_delete(f.e, s);
    mn_seq_delete(f.e, t);
    mn_seq_delete(other.e, u);
    mn_buffer_clear(&bytes);
    close_fixture(&f);
    close_fixture(&other);
}

/* Reads back what was written, for odd widths and all types. */
static void cache_types_hold_what_they_promise(void **state)
{
    static const struct { mn_kv_type type; float error; } types[] = {
        { MN_KV_F32, 0 }, { MN_KV_F16, 1e-3f }, { MN_KV_Q8_0, 1e-2f }
    };
    static const int32_t dims[] = { 1, 6, 32, 33, 80 };
    mn_cpu cpu;
    mn_cpu_ops ops;
    assert_ok(mn_cpu_init(&cpu, NULL, true, err));
    mn_cpu_ops_init(&ops, &cpu);
    for (int i = 0; i < 3; i++) {
        for (int d = 0; d < 5; d++) {
            int32_t dim = dims[d];
            mn_plan *plan = tiny_plan("a");
            mn_attention *a = &plan->layers[0].mixer.u.attention;
            a->head_dim = a->v_head_dim = dim;
            mn_arena arena = { 0 };
            mn_kv_layout l;
            mn_page_pool pool = { 0 };
            mn_page *page = NULL;
            assert_ok(mn_kv_layout_init(&l, plan, types[i].type, &ops, &arena, err));
            mn_page_pool_add(&pool, l.groups[0].page_bytes);
            assert_ok(mn_page_acquire(&pool, 0, &page, err));
            float k[80], v[80], buffer[80 * MN_KV_PAGE];
            for (int32_t slot = 0; slot < MN_KV_PAGE; slot++) {
                for (int32_t c = 0; c < dim; c++) {
                    k[c] = sinf((float)(slot * 81 + c));
                    v[c] = cosf((float)(slot * 81 + c));
                }
                mn_kv_write(&l, &l.layers[0], page, 1, slot, k, v);
            }
            const float *back = mn_kv_read_k(&l, &l.layers[0], page, 1, buffer);
            for (int32_t slot = 0; slot < MN_KV_PAGE; slot++)
                for (int32_t c = 0; c < dim; c++)
                    assert_true(fabsf(back[c * MN_KV_PAGE + slot] - sinf((float)(slot * 81 + c))) <=
                                types[i].error);
            back = mn_kv_read_v(&l, &l.layers[0], page, 1, MN_KV_PAGE, NULL, buffer);
            for (int32_t slot = 0; slot < MN_KV_PAGE; slot++)
                for (int32_t c = 0; c < dim; c++)
                    assert_true(fabsf(back[slot * dim + c] - cosf((float)(slot * 81 + c))) <=
                                types[i].error);
            mn_page_release(&pool, page);
            mn_page_pool_clear(&pool);
            mn_arena_clear(&arena);
            tiny_free(plan);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_shares_pages_until_first_write),
        cmocka_unit_test(every_mixer_forks_and_runs_in_pieces),
        cmocka_unit_test(memory_limit_refuses_and_changes_nothing),
        cmocka_unit_test(full_context_refuses_and_changes_nothing),
        cmocka_unit_test(pages_behind_a_window_are_given_back),
        cmocka_unit_test(recurrent_state_cannot_be_cut_but_can_be_forked),
        cmocka_unit_test(cancelled_run_leaves_sequences_as_they_were),
        cmocka_unit_test(bad_batches_are_refused),
        cmocka_unit_test(only_wanted_logits_are_made),
        cmocka_unit_test(exported_state_comes_back),
        cmocka_unit_test(import_refuses_what_does_not_fit),
        cmocka_unit_test(cache_types_hold_what_they_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
