/* Models on demand, as clients of `minerva serve` meet them: a directory of small models
 * and less memory than all of them need. */
#include "tests/http_client.h"

#include <sys/stat.h>

static char dir[64];
static const char tale[] = "{\"model\":\"%s\",\"prompt\":\"Once upon a time\",\"max_tokens\":%d,"
                           "\"temperature\":0,\"ignore_eos\":true%s}";

static void put_link(const char *name, const char *target)
{
    char path[128], full[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_non_null(realpath(target, full));
    assert_int_equal(0, symlink(full, path));
}

static int make_dir(void **state)
{
    char path[128], bytes[3000];
    strcpy(dir, "/tmp/minerva-models-XXXXXX");
    assert_non_null(mkdtemp(dir));
    put_link("a.gguf", "tests/data/models/stories260k.gguf");
    put_link("b.gguf", "tests/data/models/stories260k.gguf");
    put_link("c.gguf", "tests/data/models/stories260k.gguf");
    put_link("hf", "tests/data/models/stories260k-hf");
    snprintf(path, sizeof path, "%s/owner", dir);
    assert_int_equal(0, mkdir(path, 0700));
    put_link("owner/d.gguf", "tests/data/models/stories260k.gguf");
    FILE *in = fopen("tests/data/models/stories260k.gguf", "rb");
    assert_int_equal(sizeof bytes, fread(bytes, 1, sizeof bytes, in));
    fclose(in);
    snprintf(path, sizeof path, "%s/torn.gguf", dir);
    FILE *out = fopen(path, "wb");
    assert_int_equal(sizeof bytes, fwrite(bytes, 1, sizeof bytes, out));
    fclose(out);
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) != 0;
}

/* Each of the small models needs about 18 MB with this cache, so two fit into 40 MB. */
static void start(test_server *s, const char *memory, const char *keep_alive)
{
    const char *args[] = { "a", "--models", dir, "--on-demand", "--cache-bytes", "10M",
                           "--memory", memory, "--keep-alive", keep_alive, NULL };
    char path[128];
    snprintf(path, sizeof path, "%s/a.gguf", dir);
    args[0] = path;
    server_start(s, args);
}

static reply tell(int port, const char *model, int n, const char *more)
{
    char body[4500];
    snprintf(body, sizeof body, tale, model, n, more);
    return ask(port, "/v1/completions", body);
}

static void expect_story(int port, const char *model)
{
    json_t *v = json_of(tell(port, model, 10, ""), 200);
    assert_string_equal(", there was a little girl named Lily", text_at(v, "choices.0.text"));
    assert_string_equal(model, text_at(v, "model"));
    json_decref(v);
}

static char *state_of(int port, const char *model)
{
    char path[200];
    snprintf(path, sizeof path, "/v1/models/%s", model);
    json_t *v = json_of(ask(port, path, NULL), 200);
    char *state = strdup(text_at(v, "state"));
    json_decref(v);
    return state;
}

static void expect_state(int port, const char *model, const char *want)
{
    char *state = NULL;
    for (double end = seconds() + 20; seconds() < end; usleep(20000)) {
        free(state);
        state = state_of(port, model);
        if (!strcmp(state, want)) break;
    }
    assert_string_equal(want, state);
    free(state);
}

static void models_of_the_directory_are_listed_and_loaded_when_asked_for(void **state)
{
    test_server s;
    start(&s, "400M", "60");
    json_t *v = json_of(ask(s.port, "/v1/models", NULL), 200);
    assert_int_equal(6, json_array_size(at(v, "data")));
    for (size_t i = 0; i < 6; i++)
        assert_string_equal("unloaded", json_string_value(json_object_get(
            json_array_get(at(v, "data"), i), "state")));
    json_decref(v);
    static const char *const names[] = { "b", "hf", "owner/d", "a", "b" };
    for (size_t i = 0; i < 5; i++) {
        expect_story(s.port, names[i]);
        expect_state(s.port, names[i], "loaded");
    }
    v = json_of(ask(s.port, "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":1}"), 200);
    assert_string_equal("a", text_at(v, "model"));      /* the one that was named first */
    json_decref(v);
    assert_float_equal(4, metric(s.port, "minerva_models_loaded"), 0);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void names_are_never_paths(void **state)
{
    static const char *const names[] = { "../a", "./a", "a.gguf", "/etc/passwd", "owner/../a",
        "owner", "torn.gguf", "owner/", "%61", "A", " a", "owner/d/", "tests/data/models/stories260k.gguf" };
    test_server s;
    start(&s, "400M", "60");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        reply r = tell(s.port, names[i], 1, "");
        if (r.status != 404) fail_msg("%s: %d", names[i], r.status);
        reply_clear(&r);
    }
    char full[4096];
    assert_non_null(realpath("models/minerva-nano.gguf", full));
    reply r = tell(s.port, full, 1, "");
    assert_int_equal(404, r.status);
    reply_clear(&r);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void the_model_used_longest_ago_makes_room(void **state)
{
    test_server s;
    start(&s, "40M", "60");
    expect_story(s.port, "a");
    expect_story(s.port, "b");
    expect_story(s.port, "a");
    expect_story(s.port, "c");
    expect_state(s.port, "a", "loaded");
    expect_state(s.port, "b", "unloaded");
    expect_state(s.port, "c", "loaded");
    assert_float_equal(1, metric(s.port, "minerva_model_evictions_total"), 0);
    json_t *v = json_of(ask(s.port, "/api/models", NULL), 200);
    assert_true(int_at(v, "memory.used_bytes") <= int_at(v, "memory.limit_bytes"));
    json_decref(v);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

/* Five models, room for two, all wanted at once: everyone is answered. */
static void models_that_do_not_fit_together_take_turns(void **state)
{
    enum { CLIENTS = 15 };
    static const char *const names[] = { "a", "b", "c", "hf", "owner/d" };
    test_server s;
    client c[CLIENTS];
    start(&s, "40M", "60");
    for (int i = 0; i < CLIENTS; i++) {
        char body[300];
        snprintf(body, sizeof body, tale, names[i % 5], 20, i % 2 ? ",\"stream\":true" : "");
        char *text = request_text("POST", "/v1/completions", "", body);
        c[i] = client_open(s.port);
        assert_true(client_send(&c[i], text, strlen(text)));
        free(text);
    }
    for (int i = 0; i < CLIENTS; i++) {
        reply r = client_reply(&c[i], true);
        assert_int_equal(200, r.status);
        assert_true(r.whole);
        assert_non_null(strstr(r.body, "Lily"));
        reply_clear(&r);
        client_close(&c[i]);
    }
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void a_model_that_cannot_fit_is_refused_with_the_numbers(void **state)
{
    test_server s;
    start(&s, "15M", "60");
    json_t *v = json_of(tell(s.port, "a", 1, ""), 400);
    assert_string_equal("model", text_at(v, "error.param"));
    assert_non_null(strstr(text_at(v, "error.message"), "needs 0.02 GB (weights 0.00"));
    assert_non_null(strstr(text_at(v, "error.message"), "the limit of all models is 0.02 GB"));
    json_decref(v);
    v = json_of(ask(s.port, "/api/models/fit", "{\"model\":\"b\"}"), 200);
    assert_true(json_is_false(at(v, "fits")));
    assert_true(int_at(v, "need_bytes") > int_at(v, "limit_bytes"));
    assert_int_equal(int_at(v, "need_bytes"), int_at(v, "weight_bytes")
                     + int_at(v, "working_bytes") + int_at(v, "cache_bytes"));
    assert_string_equal("native", text_at(v, "backend"));
    json_decref(v);
    assert_float_equal(0, metric(s.port, "minerva_model_loads_total"), 0);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void pinned_models_stay(void **state)
{
    test_server s;
    start(&s, "40M", "1");
    json_decref(json_of(ask(s.port, "/api/models/load", "{\"model\":\"a\",\"pin\":true}"), 200));
    json_decref(json_of(ask(s.port, "/api/models/load", "{\"model\":\"b\",\"pin\":true}"), 200));
    json_t *v = json_of(tell(s.port, "c", 1, ""), 503);
    assert_non_null(strstr(text_at(v, "error.message"), "held by pinned models"));
    json_decref(v);
    usleep(1500000);            /* longer than --keep-alive */
    expect_state(s.port, "a", "loaded");
    json_decref(json_of(ask(s.port, "/api/models/load", "{\"model\":\"b\",\"pin\":false}"), 200));
    expect_story(s.port, "c");
    expect_state(s.port, "a", "loaded");
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void unused_models_are_unloaded_in_time(void **state)
{
    test_server s;
    start(&s, "400M", "1");
    expect_story(s.port, "a");
    json_decref(json_of(ask(s.port, "/api/models/load", "{\"model\":\"b\",\"keep_alive\":-1}"), 200));
    json_decref(json_of(ask(s.port, "/api/models/load", "{\"model\":\"c\",\"keep_alive\":0}"), 200));
    expect_state(s.port, "c", "unloaded");
    expect_state(s.port, "a", "unloaded");
    expect_state(s.port, "b", "loaded");
    expect_story(s.port, "a");
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void unloading_waits_for_answers_and_what_comes_then_loads_again(void **state)
{
    test_server s;
    char body[300];
    start(&s, "400M", "60");
    snprintf(body, sizeof body, tale, "b", 480, ",\"stream\":true");
    char *text = request_text("POST", "/v1/completions", "", body);
    client c = client_open(s.port);
    assert_true(client_send(&c, text, strlen(text)));
    assert_true(client_wait_for(&c, "\"text\":\""));
    json_decref(json_of(ask(s.port, "/api/models/unload", "{\"model\":\"b\"}"), 200));
    expect_story(s.port, "b");
    reply r = client_reply(&c, true);
    assert_true(r.whole);
    assert_non_null(strstr(r.body, "\"finish_reason\":\"length\""));
    assert_float_equal(2, metric(s.port, "minerva_model_loads_total"), 0);
    reply_clear(&r);
    client_close(&c);
    free(text);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void a_broken_model_fails_alone_and_without_its_path(void **state)
{
    test_server s;
    start(&s, "400M", "60");
    for (int i = 0; i < 3; i++) {
        json_t *v = json_of(tell(s.port, "torn", 1, ""), 500);
        assert_null(strstr(text_at(v, "error.message"), dir));
        assert_non_null(strstr(text_at(v, "error.message"), "torn"));
        json_decref(v);
    }
    reply r = ask(s.port, "/api/models/load", "{\"model\":\"torn\",\"stream\":true}");
    assert_int_equal(200, r.status);
    assert_true(r.whole);
    assert_non_null(strstr(r.body, "\"error\""));
    assert_null(strstr(r.body, dir));
    reply_clear(&r);
    r = ask(s.port, "/api/models/fit", "{\"model\":\"torn\"}");
    assert_true(r.status >= 400);
    assert_null(strstr(r.body, dir));
    reply_clear(&r);
    expect_story(s.port, "a");
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void what_is_put_into_the_directory_is_found_and_what_is_removed_is_not(void **state)
{
    test_server s;
    char path[128];
    start(&s, "400M", "60");
    json_decref(json_of(tell(s.port, "late", 1, ""), 404));
    put_link("late.gguf", "tests/data/models/stories260k.gguf");
    usleep(1100000);
    expect_story(s.port, "late");
    json_decref(json_of(ask(s.port, "/api/models/unload", "{\"model\":\"late\"}"), 200));
    expect_state(s.port, "late", "unloaded");
    snprintf(path, sizeof path, "%s/late.gguf", dir);
    unlink(path);
    usleep(1100000);
    json_decref(json_of(ask(s.port, "/v1/models", NULL), 200));
    json_decref(json_of(tell(s.port, "late", 1, ""), 404));
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

static void loading_can_be_watched(void **state)
{
    test_server s;
    start(&s, "400M", "60");
    reply r = ask(s.port, "/api/models/load", "{\"model\":\"hf\",\"stream\":true}");
    const char *p = r.body;
    assert_int_equal(200, r.status);
    json_t *v, *last = NULL;
    while ((v = next_event(&p))) {
        json_decref(last);
        last = v;
    }
    assert_string_equal("loaded", text_at(last, "state"));
    json_decref(last);
    reply_clear(&r);
    assert_int_equal(0, server_stop(&s, SIGTERM, 20));
}

/* Clients of a model that is being loaded go away, and the server ends meanwhile. */
static void neither_clients_nor_servers_need_wait_for_loading(void **state)
{
    for (int round = 0; round < 6; round++) {
        test_server s;
        char body[300];
        start(&s, "400M", "60");
        for (int i = 0; i < 8; i++) {
            snprintf(body, sizeof body, tale, i % 2 ? "a" : "hf", 400, ",\"stream\":true");
            char *text = request_text("POST", "/v1/completions", "", body);
            client c = client_open(s.port);
            assert_true(client_send(&c, text, strlen(text)));
            usleep((useconds_t)(round * 700));
            client_close(&c);
            free(text);
        }
        if (round % 2) expect_story(s.port, "hf");
        kill(s.pid, SIGTERM);
        if (round < 2) usleep(1000);
        assert_int_equal(0, server_stop(&s, SIGTERM, 20));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_of_the_directory_are_listed_and_loaded_when_asked_for),
        cmocka_unit_test(names_are_never_paths),
        cmocka_unit_test(the_model_used_longest_ago_makes_room),
        cmocka_unit_test(models_that_do_not_fit_together_take_turns),
        cmocka_unit_test(a_model_that_cannot_fit_is_refused_with_the_numbers),
        cmocka_unit_test(pinned_models_stay),
        cmocka_unit_test(unused_models_are_unloaded_in_time),
        cmocka_unit_test(unloading_waits_for_answers_and_what_comes_then_loads_again),
        cmocka_unit_test(a_broken_model_fails_alone_and_without_its_path),
        cmocka_unit_test(what_is_put_into_the_directory_is_found_and_what_is_removed_is_not),
        cmocka_unit_test(loading_can_be_watched),
        cmocka_unit_test(neither_clients_nor_servers_need_wait_for_loading),
    };
    if (access("tests/data/models/stories260k.gguf", R_OK)) {
        printf("skipped: test_serve_models: the models are not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
