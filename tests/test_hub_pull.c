/* Pulling from a hub that misbehaves on order: every pull ends whole and verified, or with a
 * clear error and a part that the next one goes on with. */
#include "hub/digest.h"
#include "hub/part_file.h"
#include "minerva.h"
#include "tests/check.h"
#include "tests/hub_server.h"
#include "tests/temp_files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

static hub_server server;
enum { CHUNK = 128 << 10 };

typedef struct {
    temp_dir home;
    minerva_hub *hub;
} place;

static minerva_hub_options options_of(const char *home)
{
    return (minerva_hub_options){ .home = home, .endpoint = server.endpoint, .retries = 3,
                                  .backoff_ms = 1, .stall_ms = 300, .chunk_bytes = CHUNK,
                                  .memory_bytes = (int64_t)4 << 30, .read_bytes_per_s = 1e11 };
}

static place open_place(const char *token)
{
    place p = { temp_make(), NULL };
    minerva_hub_options o = options_of(p.home.path);
    o.token = token;
    assert_ok(minerva_hub_create(&p.hub, &o, err));
    atomic_store(&server.c->fault, HUB_GOOD);
    atomic_store(&server.c->api_fault, HUB_GOOD);
    atomic_store(&server.c->n_faults, -1);
    atomic_store(&server.c->n_ranges, 0);
    atomic_store(&server.c->slow_us, 0);
    return p;
}

static void close_place(place *p)
{
    minerva_hub_free(p->hub);
    temp_clear(&p->home);
}

static void order(hub_fault fault, int n, int after)
{
    atomic_store(&server.c->after, after);
    atomic_store(&server.c->n_faults, n);
    atomic_store(&server.c->fault, fault);
}

static json_t *pull(place *p, const char *name)
{
    char *text = NULL;
    minerva_error err = { 0 };
    if (minerva_hub_pull(p->hub, name, NULL, &text, &err) != MINERVA_OK)
        fail_msg("%s: %s", name, err.message);
    json_t *o = json_loads(text, 0, NULL);
    minerva_free(text);
    assert_non_null(o);
    return o;
}

static void pull_fails(place *p, const char *name, minerva_status code, const char *word)
{
    char *text = NULL;
    minerva_error err = { 0 };
    minerva_status st = minerva_hub_pull(p->hub, name, NULL, &text, &err);
    if (st == MINERVA_OK) fail_msg("%s: a failure expected, pulled", name);
    if (st != code || !strstr(err.message, word))
        fail_msg("%s: %s with \"%s\" expected, %s found: %s", name, minerva_status_name(code), word,
                 minerva_status_name(st), err.message);
}

static const char *str(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Does home/models/NAME hold these very bytes? */
static void check_file(const place *p, const char *name, const char *made_as, int64_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/models/%s", p->home.path, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is not there", path);
    uint8_t *got = malloc((size_t)size + 1), *want = malloc((size_t)size + 1);
    assert_int_equal(fread(got, 1, (size_t)size + 1, f), size);
    fclose(f);
    hub_file_bytes(made_as, 0, 0, want, (size_t)size);
    assert_memory_equal(got, want, (size_t)size);
    free(got);
    free(want);
}

static bool there(const place *p, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/models/%s", p->home.path, name);
    return access(path, F_OK) == 0;
}

#define Q4 "acme/tiny-GGUF:Q4_K_M"
#define Q4_FILE "acme/tiny-GGUF/Tiny-Q4_K_M.gguf"
enum { Q4_SIZE = 3000017 };
static void check_q4(const place *p) { check_file(p, Q4_FILE, "Tiny-Q4_K_M.gguf", Q4_SIZE); }

/* ---- what arrives ------------------------------------------------------------------ */

static void a_quantisation_arrives_with_its_projector_and_nothing_else(void **state)
{
    place p = open_place(NULL);
    json_t *r = pull(&p, Q4);
    assert_string_equal(str(r, "name"), Q4);
    assert_string_equal(str(r, "state"), "pulled");
    check_q4(&p);
    check_file(&p, "acme/tiny-GGUF/mmproj-Tiny-F16.gguf", "mmproj-Tiny-F16.gguf", 70000);
    assert_false(there(&p, "acme/tiny-GGUF/run.py"));
    assert_false(there(&p, "acme/tiny-GGUF/pytorch_model.bin"));
    assert_false(there(&p, ".pull"));
    json_decref(r);
    int before = atomic_load(&server.c->n_files);
    r = pull(&p, "https://huggingface.co/acme/tiny-GGUF/blob/main/Tiny-Q4_K_M.gguf");
    assert_string_equal(str(r, "state"), "here");
    assert_int_equal(before, atomic_load(&server.c->n_files));
    json_decref(r);
    close_place(&p);
}

static void the_best_that_fits_is_taken_and_the_reason_given(void **state)
{
    static const struct { double memory, rate; const char *label; } cases[] = {
        { 4e9, 1e11, "Q8_0" },          /* all fit: 8 bits are enough */
        { 4e9, 5.3e7, "Q4_K_M" },       /* 8 bits would give 6 tokens/s */
        { 5.424e8, 1e11, "Q8_0" },      /* reserve of 512 MiB and a tenth */
        { 5.405e8, 1e11, "Q4_K_M" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p = open_place(NULL);
        minerva_hub_options o = options_of(p.home.path);
        minerva_pull_options plan = { .plan_only = true };
        char *text;
        o.memory_bytes = (int64_t)cases[i].memory + (5 << 20);
        o.read_bytes_per_s = cases[i].rate;
        if (i == 2) o.memory_bytes = 5300001 + 530000 + (512 << 20);
        if (i == 3) o.memory_bytes = 3000017 + 300001 + (512 << 20);
        minerva_hub_free(p.hub);
        assert_ok(minerva_hub_create(&p.hub, &o, err));
        assert_ok(minerva_hub_pull(p.hub, "acme/tiny-GGUF", &plan, &text, err));
        json_t *r = json_loads(text, 0, NULL);
        assert_string_equal(str(r, "label"), cases[i].label);
        assert_string_equal(str(r, "state"), "planned");
        assert_true(strlen(str(r, "why")) > 20);
        json_decref(r);
        minerva_free(text);
        assert_false(there(&p, "acme"));
        close_place(&p);
    }
    place p = open_place(NULL);
    minerva_hub_options o = options_of(p.home.path);
    o.memory_bytes = 1000000;
    minerva_hub_free(p.hub);
    assert_ok(minerva_hub_create(&p.hub, &o, err));
    pull_fails(&p, "acme/tiny-GGUF", MINERVA_FULL, "nothing fits");
    close_place(&p);
}

static void a_split_model_arrives_whole(void **state)
{
    place p = open_place(NULL);
    json_t *r = pull(&p, "acme/split-GGUF:q4_0");
    check_file(&p, "acme/split-GGUF/Q4_0/Big-Q4_0-00001-of-00003.gguf",
               "Q4_0/Big-Q4_0-00001-of-00003.gguf", 400000);
    check_file(&p, "acme/split-GGUF/Q4_0/Big-Q4_0-00003-of-00003.gguf",
               "Q4_0/Big-Q4_0-00003-of-00003.gguf", 123456);
    json_decref(r);
    pull_fails(&p, "acme/split-GGUF:Q8_0", MINERVA_INVALID, "lacks parts");
    close_place(&p);
}

static void a_directory_arrives_without_code_and_runs(void **state)
{
    place p = open_place(NULL);
    json_t *r = pull(&p, "acme/tiny-mlx");
    assert_string_equal(str(r, "name"), "acme/tiny-mlx");
    assert_true(there(&p, "acme/tiny-mlx/config.json"));
    assert_true(there(&p, "acme/tiny-mlx/tokenizer.json"));
    assert_false(there(&p, "acme/tiny-mlx/modeling_tiny.py"));
    assert_false(there(&p, "acme/tiny-mlx/optimizer.pt"));
    assert_false(there(&p, "acme/tiny-mlx/original"));
    assert_false(there(&p, "acme/tiny-mlx/model.safetensors.journal"));
    minerva_model *m;
    minerva_model_options o = { .mode = MINERVA_OPEN_DESCRIBE };
    assert_ok(minerva_model_open(&m, str(r, "path"), &o, err));
    minerva_model_close(m);
    json_decref(r);
    /* An outdated copy is exchanged for the new one; a GGUF file beside it stays. */
    char path[4096];
    snprintf(path, sizeof path, "%s/models/acme/tiny-mlx/config.json", p.home.path);
    FILE *f = fopen(path, "wb");
    fputs("{}", f);
    fclose(f);
    temp_write_text(&p.home, "models/acme/tiny-mlx/mine.gguf", "GGUF");
    r = pull(&p, "acme/tiny-mlx");
    assert_string_equal(str(r, "state"), "pulled");
    assert_true(there(&p, "acme/tiny-mlx/mine.gguf"));
    struct stat st;
    assert_false(stat(path, &st));
    assert_true(st.st_size > 10);
    json_decref(r);
    close_place(&p);
}

static void refusals_say_what_to_do(void **state)
{
    place p = open_place(NULL);
    pull_fails(&p, "acme/gated", MINERVA_UNSUPPORTED, "accept its terms");
    pull_fails(&p, "acme/private", MINERVA_UNSUPPORTED, "HF_TOKEN");
    pull_fails(&p, "acme/none", MINERVA_NOT_FOUND, "not on the hub");
    pull_fails(&p, "acme/tiny-GGUF@nosuch", MINERVA_NOT_FOUND, "Invalid rev");
    pull_fails(&p, "acme/tiny-GGUF:Q9", MINERVA_NOT_FOUND, "Q4_K_M");
    pull_fails(&p, "acme/pickled", MINERVA_UNSUPPORTED, "pickles");
    pull_fails(&p, "acme/empty", MINERVA_NOT_FOUND, "GGUF");
    pull_fails(&p, "acme/many", MINERVA_NOT_FOUND, "2500");
    pull_fails(&p, "../etc", MINERVA_INVALID, "org/name");
    pull_fails(&p, "a/b:../../x", MINERVA_NOT_FOUND, "a/b");
    pull_fails(&p, "acme/huge-GGUF:Q8_0", MINERVA_FULL, "are free");
    close_place(&p);
    p = open_place("hf_wrong");
    pull_fails(&p, "acme/gated", MINERVA_UNSUPPORTED, "accept its terms");
    pull_fails(&p, "acme/private", MINERVA_UNSUPPORTED, "does not accept the token");
    close_place(&p);
}

static void the_token_goes_to_the_hub_alone(void **state)
{
    place p = open_place(HUB_TOKEN);
    atomic_store(&server.c->token_at_hub, 0);
    json_t *r = pull(&p, "acme/gated");
    check_file(&p, "acme/gated/Locked-Q4_0.gguf", "Locked-Q4_0.gguf", 50000);
    assert_true(atomic_load(&server.c->token_at_hub) > 0);
    assert_int_equal(0, atomic_load(&server.c->token_at_store));
    json_decref(r);
    close_place(&p);
}

static void searching_goes_page_by_page(void **state)
{
    place p = open_place(NULL);
    char *text, page[2048] = "";
    size_t n = 0, pages = 0;
    do {
        assert_ok(minerva_hub_search(p.hub, "x", NULL, 20, *page ? page : NULL, &text, err));
        json_t *r = json_loads(text, 0, NULL);
        const json_t *list = json_object_get(r, "models"), *first = json_array_get(list, 0);
        assert_true(json_integer_value(json_object_get(first, "downloads")) > 0);
        assert_non_null(str(first, "license"));
        n += json_array_size(list);
        snprintf(page, sizeof page, "%s", str(r, "next") ? str(r, "next") : "");
        json_decref(r);
        minerva_free(text);
        pages++;
    } while (*page);
    assert_int_equal(n, 45);
    assert_int_equal(pages, 3);
    assert_ok(minerva_hub_search(p.hub, "nothing", "mlx", 0, NULL, &text, err));
    json_t *r = json_loads(text, 0, NULL);
    assert_int_equal(0, json_array_size(json_object_get(r, "models")));
    json_decref(r);
    minerva_free(text);
    assert_ok(minerva_hub_info(p.hub, "acme/tiny-GGUF", &text, err));
    r = json_loads(text, 0, NULL);
    assert_int_equal(3, json_array_size(json_object_get(r, "variants")));
    assert_string_equal("apache-2.0", str(r, "license"));
    assert_string_equal("Q8_0", str(r, "recommended"));
    json_decref(r);
    minerva_free(text);
    close_place(&p);
}

/* ---- faults ------------------------------------------------------------------------ */

static void passing_faults_are_outlived(void **state)
{
    static const struct { hub_fault fault; int n, after; } cases[] = {
        { HUB_DROP, 5, 50000 }, { HUB_DROP, 3, 0 }, { HUB_DROP, 40, 70000 }, { HUB_STALL, 3, 9999 },
        { HUB_WRONG_RANGE, 3, 0 }, { HUB_LYING_RANGE, 4, 30000 }, { HUB_TOO_MANY, 3, 0 },
        { HUB_DOWN, 3, 0 }, { HUB_NO_RANGES, -1, 0 }, { HUB_EXPIRED, -1, 0 }, { HUB_CORRUPT, 1, 0 },
        { HUB_CHANGED, 2, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p = open_place(NULL);
        atomic_store(&server.c->retry_after, 0);
        order(cases[i].fault, cases[i].n, cases[i].after);
        json_t *r = pull(&p, Q4);
        check_q4(&p);
        json_decref(r);
        close_place(&p);
    }
}

static void lasting_faults_are_told_and_the_part_goes_on(void **state)
{
    static const struct { hub_fault fault; minerva_status code; const char *word; int after; }
        cases[] = {
        { HUB_DROP, MINERVA_IO, "kept", 0 }, { HUB_STALL, MINERVA_IO, "no byte came", 0 },
        { HUB_WRONG_RANGE, MINERVA_IO, "not of the range", 0 },
        { HUB_TOO_MANY, MINERVA_IO, "429", 0 }, { HUB_DOWN, MINERVA_IO, "503", 0 },
        { HUB_SHORT, MINERVA_INVALID, "was changed", 0 },
        { HUB_CORRUPT, MINERVA_INVALID, "expected", 0 },
        { HUB_CHANGED, MINERVA_INVALID, "expected", 0 },
        { HUB_FORBIDDEN, MINERVA_UNSUPPORTED, "403", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p = open_place(NULL);
        atomic_store(&server.c->retry_after, 0);
        order(cases[i].fault, -1, cases[i].after);
        pull_fails(&p, Q4, cases[i].code, cases[i].word);
        assert_false(there(&p, Q4_FILE));
        order(HUB_GOOD, 0, 0);
        json_t *r = pull(&p, Q4);
        check_q4(&p);
        json_decref(r);
        close_place(&p);
    }
}

static void a_long_pause_that_is_asked_for_ends_the_pull(void **state)
{
    place p = open_place(NULL);
    atomic_store(&server.c->retry_after, 100000);
    order(HUB_TOO_MANY, -1, 0);
    pull_fails(&p, Q4, MINERVA_IO, "ten minutes");
    order(HUB_GOOD, 0, 0);
    atomic_store(&server.c->n_faults, 1);
    atomic_store(&server.c->retry_after, 1);
    atomic_store(&server.c->api_fault, HUB_TOO_MANY);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    json_t *r = pull(&p, Q4);
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 990);
    json_decref(r);
    close_place(&p);
}

static void chaos_ends_in_a_whole_file(void **state)
{
    for (int round = 0; round < 3; round++) {
        place p = open_place(NULL);
        minerva_hub_options o = options_of(p.home.path);
        o.retries = 12;
        o.connections = 1 + 3 * round;
        minerva_hub_free(p.hub);
        assert_ok(minerva_hub_create(&p.hub, &o, err));
        atomic_store(&server.c->retry_after, 0);
        order(HUB_CHAOS, -1, 40000);
        json_t *r = pull(&p, Q4);
        check_q4(&p);
        json_decref(r);
        close_place(&p);
    }
}

/* ---- stopping and going on --------------------------------------------------------- */

static bool stop_after(void *ctx, const minerva_pull_progress *p)
{
    return p->bytes < *(int64_t *)ctx;
}

/* Chunks that a journal names. */
static int read_journal(const place *p, uint8_t *have, int n)
{
    char path[4096], line[200];
    snprintf(path, sizeof path, "%s/models/.pull/acme--tiny-GGUF/gguf/Tiny-Q4_K_M.gguf.journal",
             p->home.path);
    FILE *f = fopen(path, "r");
    int count = 0, i;
    memset(have, 0, (size_t)n);
    if (!f) return 0;
    if (fgets(line, sizeof line, f))
        while (fgets(line, sizeof line, f))
            if (strchr(line, '\n') && sscanf(line, "%d ", &i) == 1 && i >= 0 && i < n) {
                count += !have[i];
                have[i] = 1;
            }
    fclose(f);
    return count;
}

static void check_nothing_twice(const uint8_t *have)
{
    int n = atomic_load(&server.c->n_ranges);
    for (int k = 0; k < n && k < HUB_MAX_RANGES; k++) {
        int64_t first = server.c->ranges[k].first, end = server.c->ranges[k].end;
        if (end == 70000) continue;     /* the projector */
        for (int64_t c = first / CHUNK; c * CHUNK < end; c++)
            if (have[c]) fail_msg("chunk %d was there and is asked for again", (int)c);
    }
}

static void a_pull_that_is_stopped_goes_on_where_it_was(void **state)
{
    place p = open_place(NULL);
    int64_t limit = 1000000;
    uint8_t have[32];
    char *text;
    minerva_error err = { 0 };
    minerva_pull_options o = { .progress = stop_after, .ctx = &limit };
    atomic_store(&server.c->slow_us, 15000);
    assert_int_equal(MINERVA_CANCELLED, minerva_hub_pull(p.hub, Q4, &o, &text, &err));
    assert_true(read_journal(&p, have, 32) > 0);
    atomic_store(&server.c->n_ranges, 0);
    atomic_store(&server.c->slow_us, 0);
    json_t *r = pull(&p, Q4);
    check_nothing_twice(have);
    check_q4(&p);
    json_decref(r);
    close_place(&p);
}

static void torn_parts_and_journals_are_noticed(void **state)
{
    place p = open_place(NULL);
    int64_t limit = 2000000;
    char *text, path[4096];
    minerva_error err = { 0 };
    minerva_pull_options o = { .progress = stop_after, .ctx = &limit };
    atomic_store(&server.c->slow_us, 15000);
    assert_int_equal(MINERVA_CANCELLED, minerva_hub_pull(p.hub, Q4, &o, &text, &err));
    atomic_store(&server.c->slow_us, 0);
    snprintf(path, sizeof path, "%s/models/.pull/acme--tiny-GGUF/gguf/Tiny-Q4_K_M.gguf.part",
             p.home.path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "torn", 4, 1000), 4);
    close(fd);
    memcpy(strrchr(path, '.'), ".journal", 9);
    FILE *f = fopen(path, "a");
    fputs("3 012", f);                  /* cut short */
    fclose(f);
    json_t *r = pull(&p, Q4);
    check_q4(&p);
    json_decref(r);
    close_place(&p);
}

static void two_pulls_of_one_model_do_not_mix(void **state)
{
    place p = open_place(NULL);
    atomic_store(&server.c->slow_us, 5000);
    pid_t pid = fork();
    if (pid == 0) {
        char *text;
        _exit(minerva_hub_pull(p.hub, Q4, NULL, &text, NULL) != MINERVA_OK);
    }
    char part[4096];
    snprintf(part, sizeof part, "%s/models/.pull/acme--tiny-GGUF/gguf/Tiny-Q4_K_M.gguf.part",
             p.home.path);
    while (access(part, F_OK)) usleep(1000);
    pull_fails(&p, Q4, MINERVA_IO, "another pull");
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(0, status);
    check_q4(&p);
    close_place(&p);
}

/* MINERVA_TEST_KILLS: how many times one pull is killed (12). */
static void kills_lose_no_verified_byte(void **state)
{
    const char *set = getenv("MINERVA_TEST_KILLS");
    int kills = set ? atoi(set) : 12, killed = 0, finished = 0, resumed = 0;
    unsigned seed = 7;
    place p = open_place(NULL);
    uint8_t have[32] = { 0 };
    int n_have = 0;
    atomic_store(&server.c->slow_us, 4000);
    while (killed < kills) {
        atomic_store(&server.c->n_ranges, 0);
        pid_t pid = fork();
        if (pid == 0) {
            char *text;
            _exit(minerva_hub_pull(p.hub, Q4, NULL, &text, NULL) != MINERVA_OK);
        }
        usleep((useconds_t)(rand_r(&seed) % 130000));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        check_nothing_twice(have);
        if (WIFEXITED(status)) {
            assert_int_equal(0, WEXITSTATUS(status));
            check_q4(&p);
            finished++;
            temp_clear(&p.home);
            assert_int_equal(0, mkdir(p.home.path, 0700));
            memset(have, 0, sizeof have);
            n_have = 0;
            continue;
        }
        killed++;
        if (there(&p, Q4_FILE)) {       /* killed after its arrival */
            check_q4(&p);
            continue;
        }
        uint8_t now[32];
        int n = read_journal(&p, now, 32);
        for (int i = 0; i < 32; i++)
            if (have[i] && !now[i]) fail_msg("chunk %d was lost", i);
        resumed += n_have > 0;
        memcpy(have, now, sizeof have);
        n_have = n;
    }
    atomic_store(&server.c->slow_us, 0);
    json_t *r = pull(&p, Q4);
    check_q4(&p);
    json_decref(r);
    printf("%d kills, %d of them of a pull that went on with a part, %d pulls finished\n", killed,
           resumed, finished);
    close_place(&p);
}

/* ---- the disk ---------------------------------------------------------------------- */

static void a_disk_that_fills_up_leaves_a_part(void **state)
{
    place p = open_place(NULL);
    int result[2];
    assert_int_equal(0, pipe(result));
    pid_t pid = fork();
    if (pid == 0) {
        /* A file system of 2 MB of our own, where the kernel lets us have one. */
        char models[4096], *text;
        minerva_error err = { 0 };
        snprintf(models, sizeof models, "%s/models", p.home.path);
        mkdir(models, 0700);
        if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) _exit(77);
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
        if (mount("none", models, "tmpfs", 0, "size=48m")) _exit(77);
        char fill[4200];
        snprintf(fill, sizeof fill, "%s/fill", models);
        minerva_status st = minerva_hub_pull(p.hub, Q4, NULL, &text, &err);
        if (st != MINERVA_OK) _exit(1);         /* 48 MB are enough */
        FILE *f = fopen(fill, "wb");
        struct statvfs v;
        statvfs(models, &v);
        for (size_t left = v.f_bavail * v.f_frsize - (1 << 20); left > 4096; left -= 4096)
            fwrite(models, 1, 4096, f);
        fclose(f);
        st = minerva_hub_pull(p.hub, "acme/tiny-GGUF:Q8_0", NULL, &text, &err);
        if (st != MINERVA_FULL || !strstr(err.message, "are free")) _exit(2);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        close_place(&p);
        skip();
    }
    assert_int_equal(0, WEXITSTATUS(status));
    close_place(&p);
}

/* Without room a part says so and keeps what it has; with room it goes on. */
static void a_part_on_a_full_disk_says_so(void **state)
{
    mn_part part;
    minerva_error full = { 0 };
    temp_dir dir = temp_make();
    if (access("/dev/full", W_OK)) skip();
    assert_ok(mn_part_open(&part, temp_path(&dir, "x"), 100, 50, MN_DIGEST_SHA256,
                           "0000000000000000000000000000000000000000000000000000000000000000",
                           NULL, NULL, err));
    int real = part.fd;
    part.fd = open("/dev/full", O_WRONLY);
    assert_int_equal(MINERVA_FULL, mn_part_write(&part, 0, "x", 1, &full));
    assert_non_null(strstr(full.message, "disk is full"));
    close(part.fd);
    part.fd = real;
    mn_part_close(&part);
    temp_clear(&dir);
}

static int start(void **state) { return !hub_server_start(&server, 0); }
static int stop(void **state)
{
    hub_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantisation_arrives_with_its_projector_and_nothing_else),
        cmocka_unit_test(the_best_that_fits_is_taken_and_the_reason_given),
        cmocka_unit_test(a_split_model_arrives_whole),
        cmocka_unit_test(a_directory_arrives_without_code_and_runs),
        cmocka_unit_test(refusals_say_what_to_do),
        cmocka_unit_test(the_token_goes_to_the_hub_alone),
        cmocka_unit_test(searching_goes_page_by_page),
        cmocka_unit_test(passing_faults_are_outlived),
        cmocka_unit_test(lasting_faults_are_told_and_the_part_goes_on),
        cmocka_unit_test(a_long_pause_that_is_asked_for_ends_the_pull),
        cmocka_unit_test(chaos_ends_in_a_whole_file),
        cmocka_unit_test(a_pull_that_is_stopped_goes_on_where_it_was),
        cmocka_unit_test(torn_parts_and_journals_are_noticed),
        cmocka_unit_test(two_pulls_of_one_model_do_not_mix),
        cmocka_unit_test(kills_lose_no_verified_byte),
        cmocka_unit_test(a_disk_that_fills_up_leaves_a_part),
        cmocka_unit_test(a_part_on_a_full_disk_says_so),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
