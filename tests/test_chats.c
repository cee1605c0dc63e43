/* Conversations on disk: kept, found, kept apart, and refused with what was expected. */
#include "server/chat_store.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/minerva-chats-XXXXXX";
static char path[200];

static mn_chat_store *fresh(void)
{
    static int n;
    minerva_error err = { 0 };
    mn_chat_store *s;
    snprintf(path, sizeof path, "%s/%d.db", dir, n++);
    if (mn_chat_store_open(&s, path, &err) != MINERVA_OK) fail_msg("%s", err.message);
    return s;
}

static json_t *j(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static minerva_status put(mn_chat_store *s, const char *tenant, const char *id, const char *change,
                          char made[33], minerva_error *err)
{
    json_t *v = j(change);
    *err = (minerva_error){ 0 };
    minerva_status st = mn_chat_store_put(s, tenant, id, v, made, err);
    json_decref(v);
    return st;
}

static void check_json(json_t *found, const char *expected)
{
    json_t *want = j(expected);
    if (!json_equal(found, want)) {
        char *text = json_dumps(found, 0);
        fail_msg("expected %s, found %s", expected, text);
    }
    json_decref(want);
}

#define HELLO "{\"id\":\"a\",\"parent\":null,\"role\":\"user\",\"content\":\"Hello owl\"}"
#define ANSWER "{\"id\":\"b\",\"parent\":\"a\",\"role\":\"assistant\",\"content\":\"Good evening\",\"stats\":{\"first_s\":0.1}}"

static void what_is_put_is_there_again_after_opening(void **state)
{
    mn_chat_store *s = fresh();
    minerva_error err;
    char id[33], ignored[33];
    json_t *chat;
    assert_int_equal(MINERVA_OK, put(s, "", NULL, "{\"title\":\"Owls\",\"options\":{\"model\":\"m\"},\"leaf\":\"a\",\"messages\":[" HELLO "]}", id, &err));
    assert_int_equal(MINERVA_OK, put(s, "", id, "{\"leaf\":\"b\",\"messages\":[" ANSWER "]}", ignored, &err));
    mn_chat_store_close(s);
    assert_int_equal(MINERVA_OK, mn_chat_store_open(&s, path, &err));
    assert_int_equal(MINERVA_OK, mn_chat_store_get(s, "", id, &chat, &err));
    json_object_del(chat, "created");
    json_object_del(chat, "updated");
    json_object_del(chat, "id");
    check_json(chat, "{\"title\":\"Owls\",\"options\":{\"model\":\"m\"},\"leaf\":\"b\",\"messages\":[" HELLO "," ANSWER "]}");
    json_decref(chat);
    mn_chat_store_close(s);
}

static void a_message_put_again_takes_its_old_place(void **state)
{
    mn_chat_store *s = fresh();
    minerva_error err;
    char id[33], ignored[33];
    json_t *chat;
    assert_int_equal(MINERVA_OK, put(s, "", NULL, "{\"messages\":[" HELLO "," ANSWER "]}", id, &err));
    assert_int_equal(MINERVA_OK, put(s, "", id, "{\"messages\":[{\"id\":\"a\",\"parent\":null,\"role\":\"user\",\"content\":\"Hello fox\"}]}", ignored, &err));
    assert_int_equal(MINERVA_OK, mn_chat_store_get(s, "", id, &chat, &err));
    check_json(json_object_get(chat, "messages"), "[{\"id\":\"a\",\"parent\":null,\"role\":\"user\",\"content\":\"Hello fox\"}," ANSWER "]");
    json_decref(chat);
    mn_chat_store_close(s);
}

static size_t count(mn_chat_store *s, const char *tenant, const char *query)
{
    minerva_error err;
    json_t *list;
    assert_int_equal(MINERVA_OK, mn_chat_store_list(s, tenant, query, 0, 100, &list, &err));
    size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void words_find_messages_and_titles(void **state)
{
    mn_chat_store *s = fresh();
    minerva_error err;
    char id[33], ignored[33];
    assert_int_equal(MINERVA_OK, put(s, "", NULL, "{\"title\":\"Birds\",\"messages\":[" HELLO "," ANSWER "]}", id, &err));
    assert_int_equal(MINERVA_OK, put(s, "", NULL, "{\"title\":\"Else\",\"messages\":[{\"id\":\"a\",\"role\":\"user\",\"content\":\"nothing\"}]}", ignored, &err));
    assert_int_equal(2, count(s, "", NULL));
    assert_int_equal(2, count(s, "", "  "));
    assert_int_equal(1, count(s, "", "owl"));
    assert_int_equal(1, count(s, "", "hello OW"));
    assert_int_equal(1, count(s, "", "birds"));
    assert_int_equal(0, count(s, "", "hello evening"));     /* not in one message */
    /* What FTS5 would take for its own language is text like any other. */
    static const char *const odd[] = { "\"", "\"\"\"", "a OR", "NEAR(", "*", "-x", "content:", "^", "(", "'; DROP TABLE chat;--" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) count(s, "", odd[i]);
    assert_int_equal(MINERVA_OK, put(s, "", id, "{\"messages\":[{\"id\":\"a\",\"role\":\"user\",\"content\":\"fox\"}]}", ignored, &err));
    assert_int_equal(0, count(s, "", "owl"));
    assert_int_equal(1, count(s, "", "fox"));
    assert_int_equal(MINERVA_OK, mn_chat_store_delete(s, "", id, &err));
    assert_int_equal(0, count(s, "", "fox"));
    mn_chat_store_close(s);
}

static void nobody_sees_or_changes_what_is_anothers(void **state)
{
    mn_chat_store *s = fresh();
    minerva_error err = { 0 };
    char id[33], ignored[33];
    json_t *chat;
    int n;
    assert_int_equal(MINERVA_OK, put(s, "ann", NULL, "{\"messages\":[" HELLO "]}", id, &err));
    assert_int_equal(0, count(s, "bob", NULL));
    assert_int_equal(0, count(s, "bob", "owl"));
    assert_int_equal(MINERVA_NOT_FOUND, mn_chat_store_get(s, "bob", id, &chat, &err));
    assert_int_equal(MINERVA_NOT_FOUND, put(s, "bob", id, "{\"title\":\"mine\",\"messages\":[" ANSWER "]}", ignored, &err));
    assert_int_equal(MINERVA_NOT_FOUND, mn_chat_store_delete(s, "bob", id, &err));
    assert_int_equal(MINERVA_OK, mn_chat_store_export(s, "ann", &chat, &err));
    assert_int_equal(1, json_array_size(json_object_get(json_array_get(json_object_get(chat, "chats"), 0), "messages")));
    assert_int_equal(MINERVA_OK, mn_chat_store_import(s, "bob", json_object_get(chat, "chats"), &n, &err));
    assert_int_equal(1, n);
    assert_int_equal(1, count(s, "bob", "owl"));
    assert_int_equal(1, count(s, "ann", "owl"));
    json_decref(chat);
    mn_chat_store_close(s);
}

static void wrong_changes_are_named_and_change_nothing(void **state)
{
    static const struct { const char *change, *says; } cases[] = {
        { "{\"title\":3}", "title: a string of at most 500 bytes" },
        { "{\"options\":[]}", "options: an object" },
        { "{\"leaf\":5}", "leaf: a message's id or null" },
        { "{\"messages\":{}}", "messages: an array" },
        { "{\"messages\":[5]}", "messages.0: an object" },
        { "{\"messages\":[" HELLO ",{\"id\":\"\",\"role\":\"user\",\"content\":\"\"}]}", "messages.1.id" },
        { "{\"messages\":[{\"id\":\"x\",\"parent\":1,\"role\":\"user\",\"content\":\"\"}]}", "messages.0.parent" },
        { "{\"messages\":[{\"id\":\"x\",\"role\":\"boss\",\"content\":\"\"}]}", "messages.0.role" },
        { "{\"messages\":[{\"id\":\"x\",\"role\":\"user\"}]}", "messages.0.content" },
    };
    mn_chat_store *s = fresh();
    minerva_error err;
    char id[33];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(MINERVA_INVALID, put(s, "", NULL, cases[i].change, id, &err));
        if (!strstr(err.message, cases[i].says)) fail_msg("%s: %s", cases[i].change, err.message);
    }
    assert_int_equal(0, count(s, "", NULL));
    json_t *import = j("[{\"messages\":[" HELLO "]},{\"title\":3}]");
    int n;
    err = (minerva_error){ 0 };
    assert_int_equal(MINERVA_INVALID, mn_chat_store_import(s, "", import, &n, &err));
    assert_non_null(strstr(err.message, "chats.1: title"));
    assert_int_equal(0, count(s, "", NULL));
    json_decref(import);
    mn_chat_store_close(s);
}

static void files_of_others_are_refused_and_left_alone(void **state)
{
    minerva_error err = { 0 };
    mn_chat_store *s;
    snprintf(path, sizeof path, "%s/other", dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("no database\n", f);
    fclose(f);
    assert_int_not_equal(MINERVA_OK, mn_chat_store_open(&s, path, &err));
    assert_null(s);
    assert_non_null(strstr(err.message, path));
    f = fopen(path, "r");
    char line[20] = "";
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal("no database\n", line);
    fclose(f);
    err = (minerva_error){ 0 };
    assert_int_not_equal(MINERVA_OK, mn_chat_store_open(&s, "/nowhere/at/all.db", &err));
}

static int make_dir(void **state) { return mkdtemp(dir) ? 0 : -1; }
static int drop_dir(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_there_again_after_opening),
        cmocka_unit_test(a_message_put_again_takes_its_old_place),
        cmocka_unit_test(words_find_messages_and_titles),
        cmocka_unit_test(nobody_sees_or_changes_what_is_anothers),
        cmocka_unit_test(wrong_changes_are_named_and_change_nothing),
        cmocka_unit_test(files_of_others_are_refused_and_left_alone),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
