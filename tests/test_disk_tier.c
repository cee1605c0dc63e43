/* The prefix cache on disk: found after a restart, never wrong, whatever happens to the files
 * and to the process that writes them.
 *
 * MINERVA_TEST_KILLS=200 kills a writing process so many times. */
#include "runtime/disk_segment.h"
#include "tests/fake_engine.h"
#include "tests/temp_files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static uint64_t engine_key;
static size_t padding, limit_bytes;

static void start(bench *b, const temp_dir *dir, size_t limit, bool fixed)
{
    memset(b, 0, sizeof *b);
    b->engine.limit = limit;
    b->engine.fixed = fixed;
    b->engine.padding = padding;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->done, NULL);
    model_init(&b->model, &b->engine);
    b->model.engine_key = engine_key;
    minerva_scheduler_options o = { .max_running = 8, .max_queued = 400, .cache_dir = dir->path,
                                    .max_disk_bytes = limit_bytes };
    assert_ok(minerva_scheduler_create(&b->scheduler, &b->model, &o, err));
}

/* Wait until nothing more is written. */
static void settle(bench *b)
{
    minerva_scheduler_stats before, after;
    minerva_scheduler_get_stats(b->scheduler, &after);
    do {
        before = after;
        usleep(30000);
        minerva_scheduler_get_stats(b->scheduler, &after);
    } while (after.disk_written_bytes != before.disk_written_bytes);
}

static client *ask_for(bench *b, const char *tenant, const int32_t *prompt, size_t n, client *c)
{
    *c = (client){ .n_prompt = n, .max_tokens = 20 };
    memcpy(c->prompt, prompt, n * sizeof *prompt);
    assert_int_equal(submit(b, c, tenant, NULL), MINERVA_OK);
    wait_for(b, c);
    check_answer(c);
    return c;
}

static int count_files(const temp_dir *dir, const char *end)
{
    char line[400];
    int n = -1;
    snprintf(line, sizeof line, "find %s -name '*%s' | wc -l", dir->path, end);
    FILE *f = popen(line, "r");
    if (f && fscanf(f, "%d", &n) != 1) n = -1;
    if (f) pclose(f);
    return n;
}

static void a_restart_forgets_nothing(void **state)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        temp_dir dir = temp_make();
        client base = { 0 }, first, again, next;
        uint32_t x = 5;
        bench b;
        make_prompt(&base, &x, 300);
        start(&b, &dir, 0, fixed);
        ask_for(&b, NULL, base.prompt, 300, &first);
        assert_int_equal(first.result.n_cached, 0);
        bench_clear(&b);

        start(&b, &dir, 0, fixed);
        ask_for(&b, NULL, base.prompt, 300, &again);
        assert_int_equal(again.result.n_cached, 300);   /* with its logits: nothing to read */
        bench_clear(&b);

        start(&b, &dir, 0, fixed);
        memcpy(base.prompt + 300, first.got, first.n_got * sizeof *first.got);
        size_t n = 300 + first.n_got;
        for (int i = 0; i < 10; i++) base.prompt[n++] = 5 + i;
        int64_t before = b.engine.evaluated;
        ask_for(&b, NULL, base.prompt, n, &next);
        assert_true(next.result.n_cached >= 300);       /* so few more were not worth a file */
        assert_true(b.engine.evaluated - before <= 30 + 20);
        ask_for(&b, "another tenant", base.prompt, n, &next);
        assert_int_equal(next.result.n_cached, 0);
        bench_clear(&b);
        temp_clear(&dir);
    }
}

static void a_beginning_shared_with_a_file_is_found_where_state_can_be_cut_back(void **state)
{
    temp_dir dir = temp_make();
    client base = { 0 }, c;
    uint32_t x = 6;
    bench b;
    make_prompt(&base, &x, 350);
    start(&b, &dir, 0, false);
    ask_for(&b, NULL, base.prompt, 350, &c);
    bench_clear(&b);
    start(&b, &dir, 0, false);
    for (int i = 310; i < 350; i++) base.prompt[i] = 4;
    ask_for(&b, NULL, base.prompt, 350, &c);
    assert_in_range(c.result.n_cached, 310, 320);
    bench_clear(&b);
    temp_clear(&dir);
}

static void another_model_finds_nothing(void **state)
{
    temp_dir dir = temp_make();
    client base = { 0 }, c;
    uint32_t x = 7;
    bench b;
    make_prompt(&base, &x, 300);
    start(&b, &dir, 0, false);
    ask_for(&b, NULL, base.prompt, 300, &c);
    bench_clear(&b);
    engine_key++;
    start(&b, &dir, 0, false);
    ask_for(&b, NULL, base.prompt, 300, &c);
    assert_int_equal(c.result.n_cached, 0);
    bench_clear(&b);
    engine_key--;
    temp_clear(&dir);
}

/* ---- broken files ------------------------------------------------------------------- */

typedef struct {
    void (*spoil)(const char *path, uint32_t *x);
    uint32_t x;
    int n;
} spoiler;

static spoiler spoiling;

static int spoil_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    size_t n = strlen(path);
    if (kind == FTW_F && n > 7 && !strcmp(path + n - 7, ".prefix")) {
        spoiling.spoil(path, &spoiling.x);
        spoiling.n++;
    }
    return 0;
}

static void flip_a_byte(const char *path, uint32_t *x)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long at = (long)(random_next(x) % (uint32_t)ftell(f));
    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(c ^ (1 << random_next(x) % 8), f);
    fclose(f);
}

static void cut_off(const char *path, uint32_t *x)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, (off_t)(random_next(x) % (uint32_t)st.st_size)), 0);
}

static void add_a_byte(const char *path, uint32_t *x)
{
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    fputc(0, f);
    fclose(f);
}

static void fill_with_zeros(const char *path, uint32_t *x)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, (off_t)(random_next(x) % (uint32_t)st.st_size)), 0);
    assert_int_equal(truncate(path, st.st_size), 0);
}

/* Every file becomes the content of another. */
static void exchange(const char *path, uint32_t *x)
{
    static char last[4096];
    char other[4200];
    snprintf(other, sizeof other, "%s.x", path);
    if (last[0] && !access(last, F_OK)) {
        rename(last, other);
        rename(path, last);
        rename(other, path);
    }
    snprintf(last, sizeof last, "%s", path);
}

static void spoiled_files_are_never_used(void **state)
{
    void (*ways[])(const char *, uint32_t *) = { flip_a_byte, cut_off, add_a_byte,
                                                 fill_with_zeros, exchange };
    spoiling = (spoiler){ .x = 99 };
    for (int round = 0; round < 15; round++) {
        temp_dir dir = temp_make();
        client base = { 0 }, c;
        uint32_t x = 8 + (uint32_t)round;
        bench b;
        start(&b, &dir, 0, round % 2);
        for (int k = 0; k < 3; k++) {
            make_prompt(&base, &x, 380);
            for (size_t n = 100; n <= 380; n += 140) ask_for(&b, NULL, base.prompt, n, &c);
        }
        bench_clear(&b);
        spoiling.spoil = ways[round % 5];
        spoiling.n = 0;
        nftw(dir.path, spoil_one, 8, FTW_PHYS);
        assert_true(spoiling.n >= 3);
        start(&b, &dir, 0, round % 2);
        x = 8 + (uint32_t)round;
        for (int k = 0; k < 3; k++) {
            make_prompt(&base, &x, 380);
            ask_for(&b, NULL, base.prompt, 380, &c);    /* the answer is checked there */
        }
        bench_clear(&b);
        temp_clear(&dir);
    }
}

/* ---- when the disk does not want ------------------------------------------------------ */

static void a_place_that_cannot_be_written_only_turns_the_tier_off(void **state)
{
    temp_dir dir = temp_make(), below = { 0 };
    client base = { 0 }, c;
    uint32_t x = 9;
    bench b;
    minerva_scheduler_stats stats;
    temp_write_text(&dir, "file", "not a directory");
    snprintf(below.path, sizeof below.path, "%.150s/file/cache", dir.path);
    make_prompt(&base, &x, 300);
    start(&b, &below, 0, false);
    ask_for(&b, NULL, base.prompt, 300, &c);
    ask_for(&b, NULL, base.prompt, 300, &c);
    assert_int_equal(c.result.n_cached, 300);
    minerva_scheduler_get_stats(b.scheduler, &stats);
    assert_int_equal(stats.disk_off, 1);
    bench_clear(&b);
    temp_clear(&dir);
}

static void two_at_once_do_not_share_a_directory(void **state)
{
    temp_dir dir = temp_make();
    client base = { 0 }, c;
    uint32_t x = 10;
    bench b, other;
    make_prompt(&base, &x, 300);
    start(&b, &dir, 0, false);
    ask_for(&b, NULL, base.prompt, 300, &c);
    start(&other, &dir, 0, false);
    ask_for(&other, NULL, base.prompt, 300, &c);
    assert_int_equal(c.result.n_cached, 0);
    bench_clear(&other);
    bench_clear(&b);
    temp_clear(&dir);
}

static void a_full_disk_only_turns_the_tier_off(void **state)
{
    temp_dir dir = temp_make();
    client base = { 0 }, c;
    uint32_t x = 11;
    bench b;
    struct rlimit was, small = { 50000, 0 };
    minerva_scheduler_stats stats;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    padding = 100000;
    make_prompt(&base, &x, 300);
    start(&b, &dir, 0, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ask_for(&b, NULL, base.prompt, 300, &c);
    settle(&b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    ask_for(&b, NULL, base.prompt, 300, &c);
    assert_int_equal(c.result.n_cached, 300);
    minerva_scheduler_get_stats(b.scheduler, &stats);
    assert_int_equal(stats.disk_off, 1);
    assert_int_equal(stats.disk_files, 0);
    bench_clear(&b);
    assert_int_equal(count_files(&dir, ".tmp"), 0);
    padding = 0;
    temp_clear(&dir);
}

static void files_stay_within_their_budget(void **state)
{
    temp_dir dir = temp_make();
    client base = { 0 }, c;
    uint32_t x = 12;
    bench b;
    minerva_scheduler_stats stats;
    padding = 20000;
    limit_bytes = 100000;
    start(&b, &dir, 0, false);
    for (int i = 0; i < 10; i++) {
        make_prompt(&base, &x, 300);
        for (int k = 0; k < 60; k++) base.prompt[k] = 4 + (int32_t)(random_next(&x) % 50);
        ask_for(&b, NULL, base.prompt, 300, &c);
        settle(&b);
        minerva_scheduler_get_stats(b.scheduler, &stats);
        assert_in_range(stats.disk_bytes, 20000, 100000);
    }
    bench_clear(&b);
    start(&b, &dir, 0, false);
    ask_for(&b, NULL, base.prompt, 300, &c);
    assert_true(c.result.n_cached > 250);       /* the last is what was kept */
    bench_clear(&b);
    padding = limit_bytes = 0;
    temp_clear(&dir);
}

/* ---- storms ----------------------------------------------------------------------- */

enum { STORM = 60 };

static void storm(bench *b, uint32_t x)
{
    static client clients[STORM];
    static const char *const tenants[] = { "a", "b", NULL };
    memset(clients, 0, sizeof clients);
    for (int i = 0; i < STORM; i++) {
        client *c = &clients[i];
        make_prompt(c, &x, 1 + random_next(&x) % 330);
        for (size_t k = 60; k < c->n_prompt; k++) c->prompt[k] = 4 + (int32_t)(k * (x % 2 + 1) % 50);
        c->max_tokens = 1 + (int32_t)(random_next(&x) % 40);
        c->cancel_after = random_next(&x) % 10 == 0 ? 3 : 0;
        assert_int_equal(submit(b, c, tenants[i % 3], NULL), MINERVA_OK);
    }
    for (int i = 0; i < STORM; i++) wait_for(b, &clients[i]);
    for (int i = 0; i < STORM; i++) check_answer(&clients[i]);
}

static void answers_are_right_with_little_memory_and_a_disk(void **state)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        temp_dir dir = temp_make();
        int64_t restored = 0;
        for (uint32_t round = 0; round < 4; round++) {
            bench b;
            minerva_scheduler_stats stats;
            start(&b, &dir, 2500, fixed);
            storm(&b, round % 2);
            minerva_scheduler_get_stats(b.scheduler, &stats);
            assert_int_equal(stats.n_failed, 0);
            restored += stats.tokens_restored;
            bench_clear(&b);
        }
        assert_true(restored > 0);
        temp_clear(&dir);
    }
}

/* A process that writes until it is killed. */
static void write_until_killed(const temp_dir *dir, uint32_t x)
{
    bench b;
    start(&b, dir, 0, x % 2);
    for (;;) storm(&b, x++ % 5);
}

static void killing_a_writer_harms_no_answer(void **state)
{
    const char *wanted = getenv("MINERVA_TEST_KILLS");
    int kills = wanted ? atoi(wanted) : 10, torn = 0;
    temp_dir dirs[2] = { temp_make(), temp_make() };
    int64_t restored = 0;
    uint32_t x = 2024;
    padding = 2000000;
    for (int i = 0; i < kills; i++) {
        temp_dir *dir = &dirs[i % 2];
        pid_t pid = fork();
        if (pid == 0) {
            write_until_killed(dir, (uint32_t)i);
            _exit(1);
        }
        assert_true(pid > 0);
        usleep(20000 + random_next(&x) % 200000);
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        torn += count_files(dir, ".tmp");
        bench b;
        minerva_scheduler_stats stats;
        start(&b, dir, 0, i % 2);
        storm(&b, (uint32_t)i % 5);
        minerva_scheduler_get_stats(b.scheduler, &stats);
        restored += stats.tokens_restored;
        bench_clear(&b);
        assert_int_equal(count_files(dir, ".tmp"), 0);
    }
    printf("    %d kills, %d in the middle of a file, %lld tokens restored\n", kills, torn,
           (long long)restored);
    assert_true(restored > 0);
    padding = 0;
    temp_clear(&dirs[0]);
    temp_clear(&dirs[1]);
}

/* ---- the format -------------------------------------------------------------------- */

static void every_prefix_and_every_flipped_bit_of_a_file_is_refused(void **state)
{
    int32_t tokens[50];
    char content[333];
    float logits[VOCAB];
    mn_buffer file = { 0 };
    mn_segment out;
    for (int i = 0; i < 50; i++) tokens[i] = i * 7;
    memset(content, 77, sizeof content);
    memset(logits, 1, sizeof logits);
    mn_segment s = { .model = 1, .tenant = 2, .from = 10, .to = 50, .trims_to = 12,
                     .tokens = tokens, .state = content, .state_bytes = sizeof content,
                     .logits = logits, .logits_bytes = sizeof logits };
    mn_segment_write_head(&s, &file);
    mn_buffer_append(&file, content, sizeof content);
    mn_buffer_append(&file, logits, sizeof logits);
    assert_int_equal(file.len, mn_segment_bytes(&s));
    assert_ok(mn_segment_parse(file.data, file.len, &out, err));
    assert_int_equal(out.to, 50);
    assert_memory_equal(out.tokens, tokens, sizeof tokens);
    assert_memory_equal(out.state, content, sizeof content);
    assert_memory_equal(out.logits, logits, sizeof logits);
    for (size_t n = 0; n < file.len; n++) {
        void *part = malloc(n ? n : 1);
        memcpy(part, file.data, n);
        assert_int_not_equal(mn_segment_parse(part, n, &out, NULL), MINERVA_OK);
        free(part);
    }
    for (size_t i = 0; i < file.len * 8; i++) {
        if (i / 8 >= MN_SEGMENT_HEAD + sizeof tokens && i / 8 < mn_segment_head_bytes(50)) continue;
        file.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_not_equal(mn_segment_parse(file.data, file.len, &out, NULL), MINERVA_OK);
        file.data[i / 8] ^= (char)(1 << i % 8);
    }
    mn_buffer_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_and_every_flipped_bit_of_a_file_is_refused),
        cmocka_unit_test(a_restart_forgets_nothing),
        cmocka_unit_test(a_beginning_shared_with_a_file_is_found_where_state_can_be_cut_back),
        cmocka_unit_test(another_model_finds_nothing),
        cmocka_unit_test(spoiled_files_are_never_used),
        cmocka_unit_test(a_place_that_cannot_be_written_only_turns_the_tier_off),
        cmocka_unit_test(two_at_once_do_not_share_a_directory),
        cmocka_unit_test(a_full_disk_only_turns_the_tier_off),
        cmocka_unit_test(files_stay_within_their_budget),
        cmocka_unit_test(answers_are_right_with_little_memory_and_a_disk),
        cmocka_unit_test(killing_a_writer_harms_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
