/* Tool calls, reasoning and structured output as clients of `minerva serve` meet them.
 *
 * The bundled model calls tools; where a model must reason, it is the same weights under a
 * template whose prompt ends in <think>. */
#include "tests/http_client.h"

static test_server main_server;
static char think_dir[] = "/tmp/minerva-think-XXXXXX";
#define PORT main_server.port
#define CHAT "/v1/chat/completions"
#define NANO "\"model\":\"minerva-nano\",\"temperature\":0"
#define ASK(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"
#define WEATHER "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":" \
    "\"Get the weather of a city\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":" \
    "{\"type\":\"string\",\"description\":\"The city\"}},\"required\":[\"city\"]}}}"
#define TIMER "{\"type\":\"function\",\"function\":{\"name\":\"set_timer\",\"description\":\"Set a timer\"," \
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"minutes\":{\"type\":\"integer\"}}," \
    "\"required\":[\"minutes\"]}}}"
#define TOOLS "\"tools\":[" WEATHER "," TIMER "]"
#define PARIS NANO "," ASK("What is the weather in Paris?") "," TOOLS
#define PERSON "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":20}," \
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150}},\"required\":[\"name\",\"age\"]," \
    "\"additionalProperties\":false}"

/* The bundled weights with another template. */
static void make_thinker(void)
{
    static const char *const files[] = { "config.json", "model.safetensors", "tokenizer.json",
                                         "generation_config.json", "tokenizer_config.json" };
    static const char template[] =
        "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
        "{%- if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}"
        "{{- m.content + '<|im_end|>\\n' }}{% endfor %}"
        "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
        "{%- if enable_thinking is not defined or enable_thinking %}{{ '<think>\\n' }}{% endif %}"
        "{%- endif %}";
    char from[4096], to[256];
    assert_non_null(mkdtemp(think_dir));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(to, sizeof to, "models/minerva-nano-mlx/%s", files[i]);
        if (!realpath(to, from)) continue;
        snprintf(to, sizeof to, "%s/%s", think_dir, files[i]);
        assert_int_equal(0, symlink(from, to));
    }
    snprintf(to, sizeof to, "%s/chat_template.jinja", think_dir);
    FILE *f = fopen(to, "w");
    assert_non_null(f);
    fputs(template, f);
    fclose(f);
}

static int start_main(void **state)
{
    static const char *args[] = { "models/minerva-nano.gguf", think_dir, NULL };
    make_thinker();
    server_start(&main_server, args);
    return 0;
}

static int stop_main(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", think_dir);
    return server_stop(&main_server, SIGTERM, 40) + (system(command) != 0);
}

static json_t *chat(const char *body) { return json_of(ask(PORT, CHAT, body), 200); }

static void expect_refusal(const char *body, const char *param, const char *says)
{
    json_t *v = json_of(ask(PORT, CHAT, body), 400);
    assert_string_equal(param, text_at(v, "error.param"));
    if (!strstr(text_at(v, "error.message"), says))
        fail_msg("\"%s\" expected: %s", says, text_at(v, "error.message"));
    json_decref(v);
}

/* ---- tools ------------------------------------------------------------------------- */

static void a_call_is_parsed_and_not_in_the_content(void **state)
{
    json_t *v = chat("{" PARIS "}");
    assert_string_equal("tool_calls", text_at(v, "choices.0.finish_reason"));
    assert_true(json_is_null(at(v, "choices.0.message.content")));
    assert_int_equal(1, json_array_size(at(v, "choices.0.message.tool_calls")));
    json_t *call = at(v, "choices.0.message.tool_calls.0");
    assert_string_equal("function", text_at(call, "type"));
    assert_string_equal("get_weather", text_at(call, "function.name"));
    json_t *arguments = json_loads(text_at(call, "function.arguments"), 0, NULL);
    assert_string_equal("Paris", text_at(arguments, "city"));
    assert_int_equal(9, strlen(text_at(call, "id")));
    json_decref(arguments);
    json_decref(v);
}

static void a_streamed_call_is_the_same_in_pieces(void **state)
{
    json_t *whole = chat("{" PARIS "}"), *v;
    reply r = ask(PORT, CHAT, "{" PARIS ",\"stream\":true,\"n\":2}");
    const char *stream = r.body;
    char arguments[2][400] = { "", "" };
    int begun[2] = { 0 }, ended[2] = { 0 };
    assert_int_equal(200, r.status);
    assert_true(r.whole);
    while ((v = next_event(&stream))) {
        int64_t i = int_at(v, "choices.0.index");
        json_t *call = at(v, "choices.0.delta.tool_calls.0");
        const char *content = json_string_value(at(v, "choices.0.delta.content"));
        assert_true(!content || !*content);
        if (call) {
            assert_int_equal(0, int_at(call, "index"));
            if (json_is_string(at(call, "id"))) {
                begun[i]++;
                assert_string_equal("get_weather", text_at(call, "function.name"));
            }
            assert_int_equal(1, begun[i]);
            strcat(arguments[i], text_at(call, "function.arguments"));
        }
        if (json_is_string(at(v, "choices.0.finish_reason"))) {
            ended[i]++;
            assert_string_equal("tool_calls", text_at(v, "choices.0.finish_reason"));
        }
        json_decref(v);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(1, ended[i]);
        assert_string_equal(text_at(whole, "choices.0.message.tool_calls.0.function.arguments"),
                            arguments[i]);
    }
    json_decref(whole);
    reply_clear(&r);
}

static void without_tools_or_with_choice_none_there_are_no_calls(void **state)
{
    json_t *none = chat("{" PARIS ",\"tool_choice\":\"none\",\"max_tokens\":40}");
    json_t *bare = chat("{" NANO "," ASK("What is the weather in Paris?") ",\"max_tokens\":40}");
    assert_null(at(none, "choices.0.message.tool_calls"));
    assert_int_equal(int_at(bare, "usage.prompt_tokens"), int_at(none, "usage.prompt_tokens"));
    assert_string_equal(text_at(bare, "choices.0.message.content"),
                        text_at(none, "choices.0.message.content"));
    json_decref(none);
    json_decref(bare);
}

static void allowed_tools_are_those_that_the_model_sees(void **state)
{
    json_t *one = chat("{" NANO "," ASK("What is the weather in Paris?") ",\"tools\":[" WEATHER "]}");
    json_t *allowed = chat("{" PARIS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":"
                           "{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":"
                           "{\"name\":\"get_weather\"}}]}}}");
    assert_int_equal(int_at(one, "usage.prompt_tokens"), int_at(allowed, "usage.prompt_tokens"));
    json_decref(one);
    json_decref(allowed);
}

/* Arguments are text for OpenAI's clients; the template gets what it can show. */
static void results_of_tools_reach_the_template(void **state)
{
#define HISTORY(arguments, content) "{" NANO ",\"max_tokens\":100,\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"What is the weather in Paris?\"},{\"role\":\"assistant\"" content ",\"tool_calls\":" \
    "[{\"id\":\"abc\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":" \
    arguments "}}]},{\"role\":\"tool\",\"tool_call_id\":\"abc\",\"content\":[{\"type\":\"text\"," \
    "\"text\":\"{\\\"weather\\\": \\\"rain\\\"}\"}]}]," TOOLS "}"
    static const char *const bodies[] = {
        HISTORY("\"{\\\"city\\\": \\\"Paris\\\"}\"", ",\"content\":null"),
        HISTORY("{\"city\": \"Paris\"}", ",\"content\":\"\""),
        HISTORY("\"{\\\"city\\\":\\\"Paris\\\"}\"", ""),
    };
    int64_t n = 0;
    for (int i = 0; i < 3; i++) {
        json_t *v = chat(bodies[i]);
        if (i == 0) n = int_at(v, "usage.prompt_tokens");
        assert_int_equal(n, int_at(v, "usage.prompt_tokens"));
        assert_string_equal("stop", text_at(v, "choices.0.finish_reason"));
        json_decref(v);
    }
}

static void tools_that_are_none_are_refused_by_name(void **state)
{
    static const struct { const char *body, *param, *says; } cases[] = {
        { "\"tools\":[1]", "tools", "[0].type" },
        { "\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"a\"}}]", "tools", "custom" },
        { "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools", "name" },
        { "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":1}}]", "tools",
          "parameters" },
        { "\"tools\":[" WEATHER "," WEATHER "]", "tools", "already" },
        { TOOLS ",\"tool_choice\":\"maybe\"", "tool_choice", "required" },
        { TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"x\"}}", "tool_choice",
          "\"x\"" },
        { TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\"}", "tool_choice", "allowed_tools" },
        { "\"tool_choice\":\"required\"", "tool_choice", "tools" },
        { TOOLS ",\"parallel_tool_calls\":1", "parallel_tool_calls", "true or false" },
        { "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]", "messages", "tool_calls" },
        { "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":1}]", "messages", "tool_calls" },
        { "\"messages\":[{\"role\":\"user\",\"content\":null}]", "messages", "content" },
    };
    char body[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool own = strstr(cases[i].body, "\"messages\"") != NULL;
        snprintf(body, sizeof body, "{" NANO ",%s%s}", cases[i].body, own ? "" : "," ASK("x"));
        expect_refusal(body, cases[i].param, cases[i].says);
    }
}

/* The model would say Paris; the schema knows no such city. */
#define STRICT "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":" \
    "\"Get the weather of a city\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":" \
    "{\"city\":{\"enum\":[\"Rome\",\"Oslo\"]}},\"required\":[\"city\"],\"additionalProperties\":false}}}"

static void arguments_of_strict_tools_obey_their_schemas(void **state)
{
    json_t *v = chat("{" NANO "," ASK("What is the weather in Paris?") ",\"tools\":[" STRICT "," TIMER "]}");
    json_t *a = json_loads(text_at(v, "choices.0.message.tool_calls.0.function.arguments"), 0, NULL);
    const char *city = text_at(a, "city");
    assert_true(!strcmp(city, "Rome") || !strcmp(city, "Oslo"));
    json_decref(a);
    json_decref(v);
    v = chat("{" NANO "," ASK("Hello, who are you?") ",\"tools\":[" STRICT "]}");     /* text is free */
    assert_non_null(strstr(text_at(v, "choices.0.message.content"), "Minerva"));
    json_decref(v);
    expect_refusal("{" NANO "," ASK("x") ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":"
                   "\"http://x/y\"}}}}}]}", "tools", "/properties/a");
}

static void calls_can_be_required_and_named(void **state)
{
    static const char *const choices[] = { "\"required\"", "{\"type\":\"function\",\"function\":{\"name\":"
        "\"set_timer\"}}", "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":"
        "[{\"type\":\"function\",\"function\":{\"name\":\"set_timer\"}}]}}" };
    char body[2000];
    for (int i = 0; i < 3; i++)
        for (int temperature = 0; temperature < 2; temperature++) {
            snprintf(body, sizeof body, "{\"model\":\"minerva-nano\",\"temperature\":%d,\"max_tokens\":200,"
                     ASK("Hello, who are you?") "," TOOLS ",\"parallel_tool_calls\":false,"
                     "\"tool_choice\":%s}", temperature, choices[i]);
            json_t *v = chat(body), *calls = at(v, "choices.0.message.tool_calls"), *a;
            assert_string_equal("tool_calls", text_at(v, "choices.0.finish_reason"));
            assert_int_equal(1, json_array_size(calls));
            if (i > 0) assert_string_equal("set_timer", text_at(calls, "0.function.name"));
            a = json_loads(text_at(calls, "0.function.arguments"), JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(a);
            if (!strcmp(text_at(calls, "0.function.name"), "set_timer"))
                assert_true(json_is_integer(at(a, "minutes")));
            json_decref(a);
            json_decref(v);
        }
}

static void a_template_without_calls_says_so(void **state)
{
    char body[2000];
    snprintf(body, sizeof body, "{\"model\":\"%s\"," ASK("x") "," TOOLS "}", strrchr(think_dir, '/') + 1);
    expect_refusal(body, "tools", "no tool calls");
}

/* ---- reasoning --------------------------------------------------------------------- */

static json_t *think(const char *extra)
{
    char body[2000];
    snprintf(body, sizeof body, "{\"model\":\"%s\"," ASK("Hello, who are you?") ",\"temperature\":0,"
             "\"max_tokens\":12%s}", strrchr(think_dir, '/') + 1, extra);
    return chat(body);
}

static void reasoning_is_apart_from_the_content(void **state)
{
    json_t *v = think("");
    assert_string_equal("", text_at(v, "choices.0.message.content"));
    assert_true(strlen(text_at(v, "choices.0.message.reasoning_content")) > 0);
    assert_in_range(int_at(v, "usage.completion_tokens_details.reasoning_tokens"), 8, 12);
    json_decref(v);
    v = think(",\"include_reasoning\":false");
    assert_null(at(v, "choices.0.message.reasoning_content"));
    assert_string_equal("", text_at(v, "choices.0.message.content"));
    json_decref(v);
    v = think(",\"reasoning_format\":\"none\"");
    assert_null(at(v, "choices.0.message.reasoning_content"));
    assert_true(strlen(text_at(v, "choices.0.message.content")) > 0);
    json_decref(v);
}

/* The grammar waits for </think>, which this model never writes by itself. */
static void constraints_begin_behind_reasoning(void **state)
{
    json_t *v = think(",\"guided_choice\":[\"maybe so\"],\"logit_bias\":{}");
    assert_string_equal("", text_at(v, "choices.0.message.content"));
    assert_true(strlen(text_at(v, "choices.0.message.reasoning_content")) > 0);
    json_decref(v);
    v = think(",\"guided_choice\":[\"maybe so\"],\"reasoning_effort\":\"none\"");
    assert_string_equal("maybe so", text_at(v, "choices.0.message.content"));
    json_decref(v);
}

static void effort_none_asks_the_template_not_to_think(void **state)
{
    json_t *v = think(",\"reasoning_effort\":\"none\"");
    assert_null(at(v, "choices.0.message.reasoning_content"));
    assert_non_null(strstr(text_at(v, "choices.0.message.content"), "Minerva"));
    json_decref(v);
    v = think(",\"chat_template_kwargs\":{\"enable_thinking\":false}");
    assert_non_null(strstr(text_at(v, "choices.0.message.content"), "Minerva"));
    json_decref(v);
    expect_refusal("{" NANO "," ASK("x") ",\"reasoning_effort\":\"much\"}", "reasoning_effort", "none");
}

/* ---- the answer's beginning -------------------------------------------------------- */

static void the_last_message_can_be_continued(void **state)
{
    json_t *v = chat("{" NANO ",\"max_tokens\":5,\"continue_final_message\":true,\"messages\":["
                     "{\"role\":\"user\",\"content\":\"Hello, who are you?\"},{\"role\":\"assistant\","
                     "\"content\":\"I am \"}]}");
    assert_non_null(strstr(text_at(v, "choices.0.message.content"), "Minerva"));
    json_decref(v);
    expect_refusal("{" NANO "," ASK("x") ",\"continue_final_message\":true}", "continue_final_message",
                   "assistant");
}

/* ---- structured output ------------------------------------------------------------- */

static void answers_obey_what_was_asked_for_in_every_form(void **state)
{
    static const struct { const char *body, *pattern; } cases[] = {
        { "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"p\",\"strict\":true,"
          "\"schema\":" PERSON "}}", "{\"name\": " },
        { "\"response_format\":{\"type\":\"json_object\",\"schema\":" PERSON "}", "{\"name\": " },
        { "\"structured_outputs\":{\"json\":" PERSON ",\"disable_any_whitespace\":true}", "{\"name\":\"" },
        { "\"guided_json\":" PERSON, "{\"name\": " },
        { "\"json_schema\":" PERSON, "{\"name\": " },
        { "\"guided_choice\":[\"maybe so\"]", "maybe so" },
        { "\"structured_outputs\":{\"choice\":[\"maybe so\"]}", "maybe so" },
        { "\"guided_regex\":\"ab{3}c\"", "abbbc" },
        { "\"structured_outputs\":{\"regex\":\"ab{3}c\"}", "abbbc" },
        { "\"guided_grammar\":\"root ::= \\\"ab\\\" \\\"c\\\"\"", "abc" },
        { "\"response_format\":{\"type\":\"structural_tag\",\"format\":{\"type\":\"const_string\",\"value\":"
          "\"abc\"}}", "abc" },
        { "\"response_format\":{\"type\":\"regex\",\"pattern\":\"ab{3}c\"}", "abbbc" },
    };
    char body[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{" NANO "," ASK("Hello") ",%s}", cases[i].body);
        json_t *v = chat(body);
        const char *text = text_at(v, "choices.0.message.content");
        if (strncmp(text, cases[i].pattern, strlen(cases[i].pattern)))
            fail_msg("%s expected: %s", cases[i].pattern, text);
        assert_string_equal("stop", text_at(v, "choices.0.finish_reason"));
        if (*text == '{') {
            json_t *person = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
            assert_true(json_is_string(at(person, "name")));
            assert_in_range(int_at(person, "age"), 0, 150);
            assert_int_equal(2, json_object_size(person));
            json_decref(person);
        }
        json_decref(v);
    }
    json_t *v = json_of(ask(PORT, "/v1/completions", "{" NANO ",\"prompt\":\"Hello\","
                            "\"guided_choice\":[\"maybe so\"]}"), 200);
    assert_string_equal("maybe so", text_at(v, "choices.0.text"));
    json_decref(v);
}

/* A number's digits are not rounded on their way to the schema's compiler. */
static void numbers_of_a_schema_keep_their_digits(void **state)
{
    json_t *v = chat("{" NANO "," ASK("x") ",\"max_tokens\":60,\"guided_json\":"
                     "{\"const\":0.10000000000000000000001}}");
    assert_int_equal(0, strncmp("0.10000000000000000000001",
                                text_at(v, "choices.0.message.content"), 25));
    json_decref(v);
}

static void what_cannot_be_enforced_is_refused_with_its_place(void **state)
{
    static const struct { const char *body, *param, *says; } cases[] = {
        { "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"p\",\"schema\":{\"type\":"
          "\"object\",\"properties\":{\"a\":{\"$ref\":\"http://x/y\"}}}}}", "response_format",
          "#/properties/a" },
        { "\"guided_json\":{\"properties\":{\"b\":{\"type\":\"strin\"}}}", "guided_json", "/properties/b" },
        { "\"guided_json\":7", "guided_json", "JSON Schema" },
        { "\"response_format\":{\"type\":\"xml\"}", "response_format", "xml" },
        { "\"response_format\":{\"type\":\"json_schema\"}", "response_format", "schema" },
        { "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{},\"x\":1}}",
          "response_format", "\"x\"" },
        { "\"structured_outputs\":{\"json\":{},\"regex\":\"a\"}", "structured_outputs", "exactly one" },
        { "\"structured_outputs\":{}", "structured_outputs", "exactly one" },
        { "\"guided_json\":{},\"guided_regex\":\"a\"", "guided_regex", "guided_json" },
        { "\"guided_regex\":\"(\"", "guided_regex", "" }, { "\"guided_regex\":\"\"", "guided_regex", "empty" },
        { "\"guided_choice\":[]", "guided_choice", "strings" },
        { "\"guided_choice\":[1]", "guided_choice", "strings" },
        { "\"guided_json\":{}," TOOLS ",\"tool_choice\":\"required\"", "guided_json", "tools" },
        { "\"guided_grammar\":\"root ::= (\"", "guided_grammar", "1:11" },
        { "\"guided_whitespace_pattern\":\" \"", "guided_whitespace_pattern", "guided_json" },
    };
    char body[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{" NANO "," ASK("x") ",%s}", cases[i].body);
        expect_refusal(body, cases[i].param, cases[i].says);
    }
}

static void constrained_streams_logprobs_and_choices_agree(void **state)
{
#define BODY "{" NANO "," ASK("Hello") ",\"guided_json\":" PERSON ",\"logprobs\":true,\"top_logprobs\":1," \
             "\"n\":2"
    json_t *whole = chat(BODY "}"), *v;
    reply r = ask(PORT, CHAT, BODY ",\"stream\":true}");
    const char *stream = r.body;
    char text[2][400] = { "", "" };
    size_t probs[2] = { 0 };
    while ((v = next_event(&stream))) {
        int64_t i = int_at(v, "choices.0.index");
        const char *piece = json_string_value(at(v, "choices.0.delta.content"));
        if (piece) strcat(text[i], piece);
        probs[i] += json_array_size(at(v, "choices.0.logprobs.content"));
        json_decref(v);
    }
    for (int i = 0; i < 2; i++) {
        json_t *c = json_array_get(at(whole, "choices"), (size_t)i);
        assert_string_equal(text_at(c, "message.content"), text[i]);
        assert_int_equal(json_array_size(at(c, "logprobs.content")), probs[i]);
        assert_true(probs[i] > 3);
    }
    json_decref(whole);
    reply_clear(&r);
#undef BODY
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_parsed_and_not_in_the_content),
        cmocka_unit_test(a_streamed_call_is_the_same_in_pieces),
        cmocka_unit_test(without_tools_or_with_choice_none_there_are_no_calls),
        cmocka_unit_test(allowed_tools_are_those_that_the_model_sees),
        cmocka_unit_test(results_of_tools_reach_the_template),
        cmocka_unit_test(tools_that_are_none_are_refused_by_name),
        cmocka_unit_test(arguments_of_strict_tools_obey_their_schemas),
        cmocka_unit_test(calls_can_be_required_and_named),
        cmocka_unit_test(a_template_without_calls_says_so),
        cmocka_unit_test(reasoning_is_apart_from_the_content),
        cmocka_unit_test(constraints_begin_behind_reasoning),
        cmocka_unit_test(effort_none_asks_the_template_not_to_think),
        cmocka_unit_test(the_last_message_can_be_continued),
        cmocka_unit_test(answers_obey_what_was_asked_for_in_every_form),
        cmocka_unit_test(numbers_of_a_schema_keep_their_digits),
        cmocka_unit_test(what_cannot_be_enforced_is_refused_with_its_place),
        cmocka_unit_test(constrained_streams_logprobs_and_choices_agree),
    };
    if (access("models/minerva-nano.gguf", R_OK) || access("models/minerva-nano-mlx", R_OK)) {
        printf("skipped: test_server_tools: the models are not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_main, stop_main);
}
