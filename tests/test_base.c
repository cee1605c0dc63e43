/* The base room: arena, buffer, UTF-8, hash map, thread pool. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/utf8.h"
#include "tests/check.h"

#include <stdatomic.h>

static void arena_returns_zeroed_aligned_memory(void **state)
{
    mn_arena a = { 0 };
    for (size_t i = 1; i < 3000; i += 7) {
        unsigned char *p = mn_arena_alloc(&a, i);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i; k++) assert_int_equal(p[k], 0);
        memset(p, 0xff, i);
    }
    assert_int_equal((uintptr_t)mn_arena_alloc_aligned(&a, 5, 4096) % 4096, 0);
    assert_null(mn_arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(mn_arena_alloc(&a, SIZE_MAX - 100));
    mn_arena_clear(&a);
}

static void arena_limit_refuses_and_stays_usable(void **state)
{
    mn_arena a = { .limit_bytes = 1000 };
    assert_non_null(mn_arena_alloc(&a, 600));
    assert_null(mn_arena_alloc(&a, 600));
    assert_non_null(mn_arena_alloc(&a, 300));
    mn_arena_clear(&a);
}

static void buffer_failure_sticks(void **state)
{
    mn_buffer b = { .limit_bytes = 10 };
    mn_buffer_append_str(&b, "12345678");
    assert_false(b.failed);
    mn_buffer_append_str(&b, "90a");
    assert_true(b.failed);
    mn_buffer_append_str(&b, "x");
    assert_int_equal(b.len, 8);
    assert_null(mn_buffer_take(&b, NULL));
    mn_buffer_clear(&b);
}

static void buffer_escapes_json(void **state)
{
    mn_buffer b = { 0 };
    const char text[] = "a\"\\\n\x01\xc3\xa9\xff";
    mn_buffer_append_json(&b, text, sizeof text - 1);
    assert_string_equal(b.data, "\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\"");
    mn_buffer_clear(&b);
}

static void utf8_rejects_what_the_standard_rejects(void **state)
{
    static const struct { const char *s; int n; } broken[] = {
        { "\xc0\x80", 1 }, { "\xed\xa0\x80", 1 }, { "\xf4\x90\x80\x80", 1 },
        { "\xe2\x82", 2 }, { "\xf0\x9f\x98", 3 }, { "\x80", 1 }, { "\xe0\x80\x80", 1 },
        { "\xf5\x80", 1 }, { "\xc3(", 1 }
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        uint32_t cp;
        assert_int_equal(mn_utf8_decode_strict(broken[i].s, strlen(broken[i].s), &cp),
                         -broken[i].n);
        assert_int_equal(cp, 0xFFFD);
        assert_false(mn_utf8_valid(broken[i].s, strlen(broken[i].s)));
    }
}

static void utf8_round_trips_every_code_point(void **state)
{
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp < 0xE000) continue;
        char s[4];
        uint32_t back;
        int n = mn_utf8_encode(cp, s);
        if (mn_utf8_decode_strict(s, (size_t)n, &back) != n || back != cp) fail();
        for (int k = 1; k < n; k++)
            if (mn_utf8_complete_prefix(s, (size_t)k) != 0) fail();
        if (mn_utf8_complete_prefix(s, (size_t)n) != (size_t)n) fail();
    }
}

static void map_holds_what_was_put(void **state)
{
    mn_map m = { 0 };
    mn_arena a = { 0 };
    uint32_t v;
    for (uint32_t i = 0; i < 20000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%u", i * 7919u);
        assert_true(mn_map_put(&m, mn_arena_strdup(&a, key), strlen(key), i, NULL));
    }
    bool existed;
    assert_true(mn_map_put(&m, "key0", 4, 99, &existed));
    assert_true(existed);
    assert_true(mn_map_get(&m, "key0", 4, &v));
    assert_int_equal(v, 0);
    assert_true(mn_map_get(&m, "key7919", 7, &v));
    assert_int_equal(v, 1);
    assert_false(mn_map_get(&m, "key1", 4, &v));
    assert_false(mn_map_get(&m, "", 0, &v));
    mn_map_clear(&m);
    mn_arena_clear(&a);
}

typedef struct {
    mn_pool *pool;
    _Atomic int64_t sum;
    int64_t after_barrier[8];
} pool_job;

static void add_up(void *ctx, int thread, int n_threads)
{
    pool_job *job = ctx;
    for (int64_t i; (i = mn_pool_next(job->pool, 3)) < 1000;)
        for (int64_t k = i; k < i + 3 && k < 1000; k++) atomic_fetch_add(&job->sum, k);
    mn_pool_barrier(job->pool);
    job->after_barrier[thread] = job->sum;
    mn_pool_barrier(job->pool);
    for (int64_t i; (i = mn_pool_next(job->pool, 1)) < 10;) atomic_fetch_add(&job->sum, 1);
}

static void pool_shares_work_and_meets_at_barriers(void **state)
{
    for (int n = 1; n <= 4; n++) {
        mn_pool *p;
        assert_int_equal(mn_pool_create(&p, n, NULL), MINERVA_OK);
        for (int round = 0; round < 200; round++) {
            pool_job job = { .pool = p };
            mn_pool_run(p, add_up, &job);
            for (int t = 0; t < n; t++) assert_int_equal(job.after_barrier[t], 499500);
            assert_int_equal(job.sum, 499510);
        }
        mn_pool_free(p);
    }
}

static void first_error_wins_and_context_goes_before_it(void **state)
{
    minerva_error err = { 0 };
    assert_int_equal(mn_fail(&err, MINERVA_INVALID, "%d expected", 3), MINERVA_INVALID);
    mn_fail(&err, MINERVA_IO, "later");
    mn_fail_context(&err, "file %s", "x");
    assert_string_equal(err.message, "file x: 3 expected");
    assert_int_equal(err.code, MINERVA_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_returns_zeroed_aligned_memory),
        cmocka_unit_test(arena_limit_refuses_and_stays_usable),
        cmocka_unit_test(buffer_failure_sticks),
        cmocka_unit_test(buffer_escapes_json),
        cmocka_unit_test(utf8_rejects_what_the_standard_rejects),
        cmocka_unit_test(utf8_round_trips_every_code_point),
        cmocka_unit_test(map_holds_what_was_put),
        cmocka_unit_test(pool_shares_work_and_meets_at_barriers),
        cmocka_unit_test(first_error_wins_and_context_goes_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
