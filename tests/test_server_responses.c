/* /v1/responses as clients meet it: items, events, what is stored. */
#include "tests/http_client.h"

static test_server main_server;
#define PORT main_server.port
#define ROUTE "/v1/responses"
#define NANO "\"model\":\"minerva-nano\",\"temperature\":0"
#define WEATHER "{\"type\":\"function\",\"name\":\"get_weather\",\"description\":" \
    "\"Get the weather of a city\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":" \
    "{\"type\":\"string\",\"description\":\"The city\"}},\"required\":[\"city\"]}}"
#define HELLO NANO ",\"input\":\"Hello, who are you?\""
#define PARIS NANO ",\"input\":\"What is the weather in Paris?\",\"tools\":[" WEATHER "]"

static int start_main(void **state)
{
    static const char *args[] = { "models/minerva-nano.gguf", "--key", "a:aaaaaaaaaa", "--key",
                                  "b:bbbbbbbbbb", NULL };
    server_start(&main_server, args);
    return 0;
}

static int stop_main(void **state) { return server_stop(&main_server, SIGTERM, 40); }

static json_t *as(char key, const char *method, const char *path, const char *body, int status)
{
    char header[64];
    snprintf(header, sizeof header, "X-Api-Key: %s\r\n", key == 'a' ? "aaaaaaaaaa" : "bbbbbbbbbb");
    return json_of(ask_with(PORT, method, path, header, body), status);
}

static json_t *respond(const char *body) { return as('a', "POST", ROUTE, body, 200); }

static void an_answer_has_the_documented_shape(void **state)
{
    static const char *const members[] = { "id", "object", "created_at", "status", "error",
        "incomplete_details", "instructions", "max_output_tokens", "model", "output",
        "parallel_tool_calls", "previous_response_id", "reasoning", "store", "temperature", "text",
        "tool_choice", "tools", "top_p", "truncation", "usage", "user", "metadata" };
    json_t *v = respond("{" HELLO ",\"metadata\":{\"a\":\"b\"}}");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!json_object_get(v, members[i])) fail_msg("%s is missing", members[i]);
    assert_string_equal("response", text_at(v, "object"));
    assert_string_equal("completed", text_at(v, "status"));
    assert_string_equal("message", text_at(v, "output.0.type"));
    assert_string_equal("assistant", text_at(v, "output.0.role"));
    assert_string_equal("output_text", text_at(v, "output.0.content.0.type"));
    assert_non_null(strstr(text_at(v, "output.0.content.0.text"), "Minerva"));
    assert_true(json_is_array(at(v, "output.0.content.0.annotations")));
    assert_string_equal("b", text_at(v, "metadata.a"));
    assert_int_equal(int_at(v, "usage.input_tokens") + int_at(v, "usage.output_tokens"),
                     int_at(v, "usage.total_tokens"));
    json_decref(v);
    v = respond("{" HELLO ",\"max_output_tokens\":3}");
    assert_string_equal("incomplete", text_at(v, "status"));
    assert_string_equal("max_output_tokens", text_at(v, "incomplete_details.reason"));
    json_decref(v);
}

/* The events of a stream, in order; "N name" per event where a name comes N times in a row. */
static char *events_of(const char *stream, json_t **last)
{
    char *all = calloc(1, 4000), before[80] = "";
    int64_t n = 0;
    json_t *v;
    *last = NULL;
    while ((v = next_event(&stream))) {
        const char *type = text_at(v, "type");
        assert_int_equal(n++, int_at(v, "sequence_number"));
        if (strcmp(type, before)) {
            snprintf(before, sizeof before, "%s", type);
            strcat(all, *all ? " " : "");
            strcat(all, type + strlen("response."));
        }
        json_decref(*last);
        *last = v;
    }
    return all;
}

static void streams_open_and_close_what_they_show(void **state)
{
    json_t *whole = respond("{" HELLO "}"), *last;
    reply r = ask_with(PORT, "POST", ROUTE, "X-Api-Key: aaaaaaaaaa\r\n", "{" HELLO ",\"stream\":true}");
    char *events = events_of(r.body, &last);
    assert_string_equal("created in_progress output_item.added content_part.added output_text.delta "
                        "output_text.done content_part.done output_item.done completed", events);
    assert_non_null(strstr(r.body, "event: response.created\ndata: "));
    assert_string_equal(text_at(whole, "output.0.content.0.text"),
                        text_at(last, "response.output.0.content.0.text"));
    free(events);
    json_decref(last);
    reply_clear(&r);
    r = ask_with(PORT, "POST", ROUTE, "X-Api-Key: aaaaaaaaaa\r\n", "{" PARIS ",\"stream\":true}");
    events = events_of(r.body, &last);
    assert_string_equal("created in_progress output_item.added function_call_arguments.delta "
                        "function_call_arguments.done output_item.done completed", events);
    assert_string_equal("get_weather", text_at(last, "response.output.0.name"));
    free(events);
    json_decref(last);
    json_decref(whole);
    reply_clear(&r);
}

static void a_call_and_its_result_go_on(void **state)
{
    char body[1000];
    json_t *v = respond("{" PARIS "}");
    assert_string_equal("function_call", text_at(v, "output.0.type"));
    assert_string_equal("get_weather", text_at(v, "output.0.name"));
    assert_non_null(strstr(text_at(v, "output.0.arguments"), "Paris"));
    snprintf(body, sizeof body, "{" NANO ",\"previous_response_id\":\"%s\",\"max_output_tokens\":40,"
             "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"%s\",\"output\":"
             "\"{\\\"weather\\\": \\\"rain\\\"}\"}]}", text_at(v, "id"), text_at(v, "output.0.call_id"));
    json_t *next = respond(body);
    assert_string_equal("message", text_at(next, "output.0.type"));
    /* The same conversation, told in full, gives the same prompt. */
    json_t *full = respond("{" NANO ",\"max_output_tokens\":40,\"input\":[{\"role\":\"user\",\"content\":"
        "\"What is the weather in Paris?\"},{\"type\":\"function_call\",\"call_id\":\"x\",\"name\":"
        "\"get_weather\",\"arguments\":\"{\\\"city\\\": \\\"Paris\\\"}\"},{\"type\":\"function_call_output\","
        "\"call_id\":\"x\",\"output\":[{\"type\":\"input_text\",\"text\":\"{\\\"weather\\\": \\\"rain\\\"}\"}]}]}");
    assert_int_equal(int_at(full, "usage.input_tokens"), int_at(next, "usage.input_tokens"));
    assert_string_equal(text_at(full, "output.0.content.0.text"),
                        text_at(next, "output.0.content.0.text"));
    json_decref(v);
    json_decref(next);
    json_decref(full);
}

static void stored_answers_are_read_continued_and_forgotten_by_their_tenant_only(void **state)
{
    char path[200], body[400];
    json_t *v = respond("{" HELLO ",\"instructions\":\"Be brief.\"}");
    const char *id = text_at(v, "id");
    snprintf(path, sizeof path, ROUTE "/%s", id);
    json_t *read = as('a', "GET", path, NULL, 200);
    assert_true(json_equal(at(v, "output"), at(read, "output")));
    json_decref(read);
    json_decref(as('b', "GET", path, NULL, 404));
    json_decref(as('b', "DELETE", path, NULL, 404));
    snprintf(body, sizeof body, "{" NANO ",\"previous_response_id\":\"%s\",\"input\":\"And you?\"}", id);
    json_decref(as('b', "POST", ROUTE, body, 404));
    read = respond(body);
    assert_true(int_at(read, "usage.input_tokens") > int_at(v, "usage.input_tokens"));
    assert_string_equal(id, text_at(read, "previous_response_id"));
    json_decref(read);
    snprintf(path, sizeof path, ROUTE "/%s/input_items", id);
    read = as('a', "GET", path, NULL, 200);
    assert_string_equal("Hello, who are you?", text_at(read, "data.0.content.0.text"));
    json_decref(read);
    snprintf(path, sizeof path, ROUTE "/%s", id);
    read = as('a', "DELETE", path, NULL, 200);
    assert_true(json_is_true(at(read, "deleted")));
    json_decref(read);
    json_decref(as('a', "GET", path, NULL, 404));
    json_decref(v);
    v = respond("{" HELLO ",\"store\":false}");
    snprintf(path, sizeof path, ROUTE "/%s", text_at(v, "id"));
    json_decref(as('a', "GET", path, NULL, 404));
    json_decref(v);
}

static void text_obeys_its_format(void **state)
{
    json_t *v = respond("{" HELLO ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"strict\":true,"
                        "\"schema\":{\"type\":\"object\",\"properties\":{\"x\":{\"enum\":[\"yes\",\"no\"]}},"
                        "\"required\":[\"x\"],\"additionalProperties\":false}}}}");
    json_t *o = json_loads(text_at(v, "output.0.content.0.text"), 0, NULL);
    assert_non_null(at(o, "x"));
    json_decref(o);
    json_decref(v);
}

static void logprobs_come_with_the_text(void **state)
{
    json_t *v = respond("{" HELLO ",\"max_output_tokens\":4,\"top_logprobs\":2,\"include\":"
                        "[\"message.output_text.logprobs\"]}");
    assert_int_equal(4, json_array_size(at(v, "output.0.content.0.logprobs")));
    assert_int_equal(2, json_array_size(at(v, "output.0.content.0.logprobs.0.top_logprobs")));
    json_decref(v);
}

static void what_is_not_done_is_refused_by_name(void **state)
{
    static const struct { const char *body, *param; int status; } cases[] = {
        { "\"input\":[]", "input", 400 }, { "\"input\":1", "input", 400 }, { "\"input\":[1]", "input", 400 },
        { "\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]", "input", 400 },
        { "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"x\"}]}]",
          "input", 400 },
        { "\"input\":[{\"type\":\"function_call_output\",\"output\":\"x\"}]", "input", 400 },
        { "\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]", "tools", 400 },
        { "\"input\":\"x\",\"background\":true", "background", 400 },
        { "\"input\":\"x\",\"truncation\":\"auto\"", "truncation", 400 },
        { "\"input\":\"x\",\"include\":[\"file_search_call.results\"]", "include", 400 },
        { "\"input\":\"x\",\"conversation\":\"c\"", "conversation", 400 },
        { "\"input\":\"x\",\"text\":{\"format\":{\"type\":\"xml\"}}", "text", 400 },
        { "\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"schema\":{\"type\":1}}}",
          "text", 400 },
        { "\"input\":\"x\",\"reasoning\":{\"effort\":\"much\"}", "reasoning", 400 },
        { "\"input\":\"x\",\"previous_response_id\":\"resp_x\"", "previous_response_id", 404 },
    };
    char body[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{" NANO ",%s}", cases[i].body);
        json_t *v = as('a', "POST", ROUTE, body, cases[i].status);
        assert_string_equal(cases[i].param, text_at(v, "error.param"));
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_the_documented_shape),
        cmocka_unit_test(streams_open_and_close_what_they_show),
        cmocka_unit_test(a_call_and_its_result_go_on),
        cmocka_unit_test(stored_answers_are_read_continued_and_forgotten_by_their_tenant_only),
        cmocka_unit_test(text_obeys_its_format),
        cmocka_unit_test(logprobs_come_with_the_text),
        cmocka_unit_test(what_is_not_done_is_refused_by_name),
    };
    if (access("models/minerva-nano.gguf", R_OK)) {
        printf("skipped: test_server_responses: the model is not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_main, stop_main);
}
