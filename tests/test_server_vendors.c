/* Anthropic's and Ollama's APIs as clients of `minerva serve` meet them, byte by byte; the
 * vendors' own clients are in tests/test_server_docs.sh. */
#include "tests/http_client.h"

static test_server main_server;
#define PORT main_server.port
#define NANO "\"model\":\"minerva-nano\""
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello, who are you?\"}]"
#define PARIS "\"messages\":[{\"role\":\"user\",\"content\":\"What is the weather in Paris?\"}]"
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"description\":" \
    "\"The city\"}},\"required\":[\"city\"]}"
#define ANTHROPIC_TOOLS "\"tools\":[{\"name\":\"get_weather\",\"description\":\"Get the weather of a city\"," \
    "\"input_schema\":" SCHEMA "}]"
#define OLLAMA_TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"," \
    "\"description\":\"Get the weather of a city\",\"parameters\":" SCHEMA "}}]"
#define COLD "\"options\":{\"temperature\":0,\"num_predict\":80}"

static int start_main(void **state)
{
    static const char *args[] = { "models/minerva-nano.gguf", NULL };
    server_start(&main_server, args);
    return 0;
}

static int stop_main(void **state) { return server_stop(&main_server, SIGTERM, 40); }

/* ---- Anthropic --------------------------------------------------------------------- */

#define CLAUDE "/v1/messages"
#define SAY NANO ",\"temperature\":0,\"max_tokens\":80,"

static void a_message_has_the_documented_shape(void **state)
{
    json_t *v = json_of(ask(PORT, CLAUDE, "{" SAY HELLO "}"), 200);
    assert_string_equal("message", text_at(v, "type"));
    assert_string_equal("assistant", text_at(v, "role"));
    assert_string_equal("text", text_at(v, "content.0.type"));
    assert_non_null(strstr(text_at(v, "content.0.text"), "Minerva"));
    assert_string_equal("end_turn", text_at(v, "stop_reason"));
    assert_true(json_is_null(at(v, "stop_sequence")));
    assert_true(int_at(v, "usage.input_tokens") + int_at(v, "usage.cache_read_input_tokens") > 0);
    assert_true(int_at(v, "usage.output_tokens") > 0);
    json_decref(v);
    v = json_of(ask(PORT, CLAUDE, "{" NANO ",\"max_tokens\":2," HELLO "}"), 200);
    assert_string_equal("max_tokens", text_at(v, "stop_reason"));
    json_decref(v);
}

static void expect_stream(const char *body, const char *expected)
{
    reply r = ask(PORT, CLAUDE, body);
    const char *stream = r.body;
    char all[2000] = "", before[64] = "";
    json_t *v;
    while ((v = next_event(&stream))) {
        const char *type = text_at(v, "type");
        if (strcmp(type, before)) snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", type);
        snprintf(before, sizeof before, "%s", type);
        json_decref(v);
    }
    assert_string_equal(expected, all);
    reply_clear(&r);
}

static void messages_stream_in_blocks(void **state)
{
    expect_stream("{" SAY HELLO ",\"stream\":true}", "message_start content_block_start "
                  "content_block_delta content_block_stop message_delta message_stop ");
    expect_stream("{" SAY PARIS "," ANTHROPIC_TOOLS ",\"stream\":true}", "message_start "
                  "content_block_start content_block_delta content_block_stop message_delta message_stop ");
}

static void tools_are_used_and_their_results_understood(void **state)
{
    json_t *v = json_of(ask(PORT, CLAUDE, "{" SAY PARIS "," ANTHROPIC_TOOLS "}"), 200);
    assert_string_equal("tool_use", text_at(v, "stop_reason"));
    assert_string_equal("tool_use", text_at(v, "content.0.type"));
    assert_string_equal("get_weather", text_at(v, "content.0.name"));
    assert_string_equal("Paris", text_at(v, "content.0.input.city"));
    json_decref(v);
    v = json_of(ask(PORT, CLAUDE, "{" SAY ANTHROPIC_TOOLS ",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"What is the weather in Paris?\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
        "\"x\",\"name\":\"get_weather\",\"input\":{\"city\":\"Paris\"}}]},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"x\",\"content\":[{\"type\":\"text\",\"text\":\"rain\"}]}]}]}"), 200);
    assert_string_equal("text", text_at(v, "content.0.type"));
    json_decref(v);
}

static void the_assistants_last_message_goes_on(void **state)
{
    json_t *v = json_of(ask(PORT, CLAUDE, "{" SAY "\"messages\":[{\"role\":\"user\",\"content\":\"Hello, who "
        "are you?\"},{\"role\":\"assistant\",\"content\":\"I am\"}]}"), 200);
    assert_non_null(strstr(text_at(v, "content.0.text"), "Minerva"));
    assert_null(strstr(text_at(v, "content.0.text"), "I am Minerva"));
    json_decref(v);
}

static void tokens_are_counted_as_the_prompt_will_have_them(void **state)
{
    json_t *n = json_of(ask(PORT, CLAUDE "/count_tokens", "{" NANO "," PARIS "," ANTHROPIC_TOOLS "}"), 200);
    json_t *v = json_of(ask(PORT, CLAUDE, "{" SAY PARIS "," ANTHROPIC_TOOLS "}"), 200);
    assert_int_equal(int_at(n, "input_tokens"), int_at(v, "usage.input_tokens")
                                                + int_at(v, "usage.cache_read_input_tokens"));
    json_decref(n);
    json_decref(v);
}

static void faults_have_anthropics_shape_and_name_the_field(void **state)
{
    static const struct { const char *body, *says; } cases[] = {
        { HELLO ",\"top_p\":2", "top_p" }, { HELLO ",\"thinking\":{\"type\":\"maybe\"}", "thinking" },
        { HELLO ",\"max_tokens\":2000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1}", "budget_tokens" },
        { HELLO ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]", "tools" },
        { HELLO ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"x\"}", "tool_choice" },
        { HELLO ",\"system\":[{\"type\":\"image\"}]", "system" },
        { "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{}}]}]", "image" },
        { "\"messages\":[{\"role\":\"narrator\",\"content\":\"x\"}]", "role" },
        { "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"}]}]", "tool_use_id" },
        { "\"messages\":[]", "messages" }, { HELLO ",\"mcp_servers\":[]", "mcp_servers" },
        { HELLO ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":3}}}", "output_config" },
    };
    char body[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{" NANO ",%s}", cases[i].body);
        json_t *v = json_of(ask(PORT, CLAUDE, body), 400);
        assert_string_equal("error", text_at(v, "type"));
        assert_string_equal("invalid_request_error", text_at(v, "error.type"));
        if (!strstr(text_at(v, "error.message"), cases[i].says))
            fail_msg("%s expected: %s", cases[i].says, text_at(v, "error.message"));
        json_decref(v);
    }
}

/* ---- Ollama ------------------------------------------------------------------------ */

static void a_chat_streams_lines_unless_told_not_to(void **state)
{
    json_t *whole = json_of(ask(PORT, "/api/chat", "{" NANO ",\"stream\":false," COLD "," HELLO "}"), 200);
    reply r = ask(PORT, "/api/chat", "{" NANO "," COLD "," HELLO "}");
    char text[1000] = "";
    bool done = false;
    assert_non_null(strstr(r.head, "application/x-ndjson"));
    for (char *line = strtok(r.body, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *v = json_loads(line, 0, NULL);
        assert_non_null(v);
        assert_false(done);
        strcat(text, text_at(v, "message.content"));
        done = json_is_true(at(v, "done"));
        if (done) assert_int_equal(int_at(whole, "eval_count"), int_at(v, "eval_count"));
        json_decref(v);
    }
    assert_true(done);
    assert_string_equal(text_at(whole, "message.content"), text);
    assert_string_equal("stop", text_at(whole, "done_reason"));
    assert_true(int_at(whole, "total_duration") > 0);
    reply_clear(&r);
    json_decref(whole);
}

static void prompts_are_answered_raw_or_as_a_chat(void **state)
{
    json_t *a = json_of(ask(PORT, "/api/generate", "{" NANO ",\"stream\":false," COLD
                            ",\"prompt\":\"Hello, who are you?\"}"), 200);
    json_t *b = json_of(ask(PORT, "/api/chat", "{" NANO ",\"stream\":false," COLD "," HELLO "}"), 200);
    assert_string_equal(text_at(b, "message.content"), text_at(a, "response"));
    json_decref(a);
    a = json_of(ask(PORT, "/api/generate", "{" NANO ",\"stream\":false,\"raw\":true,\"prompt\":"
                    "\"Hello, who are you?\",\"options\":{\"num_predict\":2}}"), 200);
    assert_true(int_at(a, "prompt_eval_count") < int_at(b, "prompt_eval_count"));
    json_decref(a);
    json_decref(b);
}

static void calls_come_whole_with_their_arguments_as_an_object(void **state)
{
    json_t *v = json_of(ask(PORT, "/api/chat", "{" NANO ",\"stream\":false," COLD "," PARIS "," OLLAMA_TOOLS
                            "}"), 200);
    assert_string_equal("Paris", text_at(v, "message.tool_calls.0.function.arguments.city"));
    assert_string_equal("", text_at(v, "message.content"));
    json_decref(v);
}

static void nothing_to_say_loads_the_model(void **state)
{
    json_t *v = json_of(ask(PORT, "/api/chat", "{" NANO ",\"keep_alive\":\"5m\"}"), 200);
    assert_string_equal("load", text_at(v, "done_reason"));
    json_decref(v);
    v = json_of(ask(PORT, "/api/generate", "{\"model\":\"minerva-nano:latest\"}"), 200);
    assert_string_equal("load", text_at(v, "done_reason"));
    json_decref(v);
}

static void embeddings_come_in_both_shapes(void **state)
{
    json_t *v = json_of(ask(PORT, "/api/embed", "{" NANO ",\"input\":[\"a\",\"b\"]}"), 200);
    assert_int_equal(2, json_array_size(at(v, "embeddings")));
    json_decref(v);
    v = json_of(ask(PORT, "/api/embeddings", "{" NANO ",\"prompt\":\"a\"}"), 200);
    assert_int_equal(384, json_array_size(at(v, "embedding")));
    json_decref(v);
}

static void options_are_bounded_and_faults_named(void **state)
{
    static const char *const bad[] = { "temperature\":-1", "temperature\":\"1\"", "temperature\":1e308",
        "num_predict\":1.5", "num_predict\":-3", "top_k\":[1]", "top_p\":2", "mirostat\":3", "seed\":true",
        "num_ctx\":0", "num_thread\":-1", "stop\":7", "repeat_last_n\":-2", "nonsense\":1", "low_vram\":1" };
    char body[400];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{" NANO ",\"stream\":false," HELLO ",\"options\":{\"%s}}", bad[i]);
        json_t *v = json_of(ask(PORT, "/api/chat", body), 400);
        if (strncmp(text_at(v, "error"), bad[i], strcspn(bad[i], "\"")))
            fail_msg("%s: %s", bad[i], text_at(v, "error"));
        json_decref(v);
    }
    static const struct { const char *path, *body; int status; } others[] = {
        { "/api/chat", "{" NANO "," HELLO ",\"keep_alive\":\"soon\"}", 400 },
        { "/api/chat", "{" NANO "," HELLO ",\"think\":3}", 400 },
        { "/api/chat", "{" NANO "," HELLO ",\"format\":\"xml\"}", 400 },
        { "/api/generate", "{" NANO ",\"prompt\":\"a\",\"suffix\":\"b\"}", 400 },
        { "/api/generate", "{" NANO ",\"prompt\":\"a\",\"images\":[\"eA==\"]}", 400 },
        { "/api/generate", "{" NANO ",\"prompt\":\"a\",\"context\":[1]}", 400 },
        { "/api/pull", "{\"model\":\"x\"}", 501 }, { "/api/chat", "{\"model\":\"x\"}", 404 },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        json_decref(json_of(ask(PORT, others[i].path, others[i].body), others[i].status));
}

static void models_are_described(void **state)
{
    json_t *v = json_of(ask(PORT, "/api/tags", NULL), 200);
    assert_string_equal("minerva-nano", text_at(v, "models.0.name"));
    assert_string_equal("gguf", text_at(v, "models.0.details.format"));
    assert_int_equal(64, strlen(text_at(v, "models.0.digest")));
    json_decref(v);
    v = json_of(ask(PORT, "/api/show", "{\"model\":\"minerva-nano\"}"), 200);
    assert_string_equal("qwen3", text_at(v, "details.family"));
    assert_string_equal("completion", text_at(v, "capabilities.0"));
    json_decref(v);
    v = json_of(ask(PORT, "/api/ps", NULL), 200);
    assert_int_equal(2048, int_at(v, "models.0.context_length"));
    json_decref(v);
    json_decref(json_of(ask(PORT, "/api/version", NULL), 200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_the_documented_shape),
        cmocka_unit_test(messages_stream_in_blocks),
        cmocka_unit_test(tools_are_used_and_their_results_understood),
        cmocka_unit_test(the_assistants_last_message_goes_on),
        cmocka_unit_test(tokens_are_counted_as_the_prompt_will_have_them),
        cmocka_unit_test(faults_have_anthropics_shape_and_name_the_field),
        cmocka_unit_test(a_chat_streams_lines_unless_told_not_to),
        cmocka_unit_test(prompts_are_answered_raw_or_as_a_chat),
        cmocka_unit_test(calls_come_whole_with_their_arguments_as_an_object),
        cmocka_unit_test(nothing_to_say_loads_the_model),
        cmocka_unit_test(embeddings_come_in_both_shapes),
        cmocka_unit_test(options_are_bounded_and_faults_named),
        cmocka_unit_test(models_are_described),
    };
    if (access("models/minerva-nano.gguf", R_OK)) {
        printf("skipped: test_server_vendors: the model is not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_main, stop_main);
}
