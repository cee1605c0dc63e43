/* Model output -> reasoning, content and tool calls, for every convention, however the
 * text is cut into pieces. */
#include "base/mapfile.h"
#include "tests/check.h"
#include "text/chat_format.h"

/* ---- collecting events ------------------------------------------------------------- */

typedef struct {
    mn_buffer content, reasoning;
    mn_buffer calls;            /* "name#id{arguments}\n" each */
    mn_buffer args, name, id;
    int n_begun, n_ended;
    bool is_incomplete;
} collected;

static void collect(void *ctx, const mn_chat_event *e)
{
    collected *c = ctx;
    switch (e->kind) {
    case MN_CHAT_CONTENT: mn_buffer_append(&c->content, e->text, e->text_len); break;
    case MN_CHAT_REASONING: mn_buffer_append(&c->reasoning, e->text, e->text_len); break;
    case MN_CHAT_CALL_BEGIN:
        assert_int_equal(e->call, c->n_begun);
        assert_int_equal(c->n_begun, c->n_ended);
        c->n_begun++;
        mn_buffer_append(&c->name, e->name, e->name_len);
        break;
    case MN_CHAT_CALL_ARGUMENTS:
        assert_int_equal(e->call, c->n_ended);
        assert_true(e->text_len > 0);
        mn_buffer_append(&c->args, e->text, e->text_len);
        break;
    case MN_CHAT_CALL_END:
        assert_int_equal(e->call, c->n_ended);
        c->n_ended++;
        c->is_incomplete |= !e->is_complete;
        mn_buffer_append(&c->calls, c->name.data, c->name.len);
        if (e->id_len) mn_buffer_append_byte(&c->calls, '#');
        mn_buffer_append(&c->calls, e->id, e->id_len);
        mn_buffer_append(&c->calls, c->args.data, c->args.len);
        mn_buffer_append_byte(&c->calls, '\n');
        if (e->is_complete) {
            json_t *j = json_loadb(c->args.data, c->args.len, JSON_DECODE_ANY, NULL);
            if (!j) fail_msg("no JSON: %.*s", (int)c->args.len, c->args.data);
            json_decref(j);
        }
        mn_buffer_reset(&c->name);
        mn_buffer_reset(&c->args);
        break;
    }
}

static void clear(collected *c)
{
    mn_buffer *all[] = {
        &c->content, &c->reasoning, &c->calls, &c->args, &c->name, &c->id
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mn_buffer_clear(all[i]);
}

static const char *text_of(const mn_buffer *b) { return b->data ? b->data : ""; }

static const char weather_tools[] = "[{\"type\":\"function\",\"function\":{\"name\":"
                                    "\"write_file\",\"parameters\":{\"type\":"
                                    "\"object\",\"properties\":{\"path\":{\"type\":"
                                    "\"string\"},\"text\":{\"type\":\"string\"},"
                                    "\"mode\":{\"type\":\"integer\"},\"force\":{\"type\":"
                                    "\"boolean\"},\"lines\":{\"type\":"
                                    "\"array\"}}}}}]";

typedef struct {
    const char *family, *prompt, *text, *reasoning, *content, *calls;
    bool has_tools, is_incomplete;
} example;

/* Feeds text[0..a), text[a..b), ... with cuts every `step` bytes behind `first`. */
static void parse(const example *x, size_t first, size_t step, collected *c)
{
    mn_chat_format format;
    mn_chat_parser *p = NULL;
    assert_true(mn_chat_format_find(&format, x->family));
    json_t *tools = x->has_tools ? json_loads(weather_tools, 0, NULL) : NULL;
    size_t len = strlen(x->text), prompt_len = x->prompt ? strlen(x->prompt) : 0;
    assert_ok(mn_chat_parser_create(&p, &format, tools, x->prompt, prompt_len, collect, c,
                                    err));
    for (size_t at = 0; at < len;) {
        size_t n = at == 0 && first ? first : step;
        if (n > len - at) n = len - at;
        assert_ok(mn_chat_parser_feed(p, x->text + at, n, err));
        at += n;
    }
    assert_ok(mn_chat_parser_finish(p, err));
    mn_chat_parser_free(p);
    json_decref(tools);
}

static void expect(const example *x, size_t first, size_t step)
{
    collected c = { 0 };
    parse(x, first, step, &c);
    const char *found[] = { text_of(&c.reasoning), text_of(&c.content),
                            text_of(&c.calls) };
    const char *expected[] = { x->reasoning, x->content, x->calls };
    for (int i = 0; i < 3; i++)
        if (strcmp(found[i], expected[i] ? expected[i] : ""))
            fail_msg(
                "%s, cut at %zu every %zu: %s\n expected: %s\n found:    %s\n of: %s",
                x->family, first, step,
                i == 0   ? "reasoning"
                : i == 1 ? "content"
                         : "calls",
                expected[i] ? expected[i] : "", found[i], x->text);
    assert_int_equal(c.is_incomplete, x->is_incomplete);
    assert_int_equal(c.n_begun, c.n_ended);
    clear(&c);
}

static void check(const example *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(x[i].text);
        expect(&x[i], 0, len + 1);
        expect(&x[i], 0, 1);
        expect(&x[i], 0, 3);
        expect(&x[i], 1, 5);
        for (size_t at = 1; at < len; at++) expect(&x[i], at, len);
    }
}

#define CHECK(list) check(list, sizeof list / sizeof *list)

/* ---- conventions ------------------------------------------------------------------- */

static void json_between_tool_call_tags(void **state)
{
    static const example list[] = {
        { "hermes", NULL,
          "<think>\nThe user wants weather.\n</think>\n\nLet me look.\n\n<tool_call>\n"
          "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Lisbon\", \"n\": [1, "
          "{\"a\": "
          "null}]}}\n</tool_call>",
          "The user wants weather.", "Let me look.",
          "get_weather{\"city\": \"Lisbon\", \"n\": [1, {\"a\": null}]}\n", 0, 0 },
        { "hermes", NULL,
          "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n"
          "{\"arguments\": {\"x\": \"</tool_call> \\\" } \"}, \"name\": \"b\", \"id\": "
          "7}\n"
          "</tool_call>\nDone.",
          NULL, "Done.", "a{}\nb#7{\"x\": \"</tool_call> \\\" } \"}\n", 0, 0 },
        { "hermes", "<|im_start|>assistant\n<think>\n",
          "I think, so I am < 3 </thin\n</think>\n\nHi <there> <tool_cal",
          "I think, so I am < 3 </thin", "Hi <there> <tool_cal", NULL, 0, 0 },
        { "hermes", NULL,
          "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": \\\"\\u00e9\\ud83d"
          "\\ude00\\n\\\"}\"}</tool_call>",
          NULL, NULL, "f{\"a\": \"\xc3\xa9\xf0\x9f\x98\x80\\n\"}\n", 0, 0 },
        { "hermes", NULL,
          "<tool_call>{\"name\": \"f\", \"arguments\": \"Lisbon \\\"x\\\"\"}"
          "</tool_call>",
          NULL, NULL, "f\"Lisbon \\\"x\\\"\"\n", 0, 0 },
        { "hermes", NULL,
          "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"x\ny\"}}"
          "</tool_call>",
          NULL, NULL, "f{\"a\": \"x\\ny\"}\n", 0, 0 },
        { "hermes", NULL,
          "<tool_call>[{\"name\": \"f\"}, {\"type\": \"function\", \"function\": "
          "{\"name\": \"g\", \"arguments\": {\"a\": 1}}, \"id\": \"c1\"}]</tool_call>",
          NULL, NULL, "f{}\ng#c1{\"a\": 1}\n", 0, 0 },
        { "hermes", NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"unfin",
          NULL, NULL, "f{\"a\": \"unfin\n", 0, 1 },
        { "hermes", NULL, "ok <tool_call>{\"name\": broken}</tool_call> then", NULL,
          "okthen", NULL, 0, 0 },
        { "hermes", NULL, "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>",
          NULL, NULL, "f{}\n", 0, 0 },
        { "nemotron", "<think>\n",
          "plan</think>\n<TOOLCALL>[{\"name\": \"a\", \"arguments\": "
          "{\"x\": 1}}, {\"name\": \"b\", \"arguments\": {}}]</TOOLCALL>",
          "plan", NULL, "a{\"x\": 1}\nb{}\n", 0, 0 },
        { "granite", NULL,
          "<think>hm</think><response>Wait. </response><|tool_call|>[{\"name\": "
          "\"f\", \"arguments\": {\"a\": \"b\"}}]",
          "hm", "Wait.", "f{\"a\": \"b\"}\n", 0, 0 },
        { "phi", NULL,
          "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]<|/tool_call|>",
          NULL, NULL, "f{\"a\": 1}\n", 0, 0 },
        { "command-r", "<|CHATBOT_TOKEN|><|START_THINKING|>",
          "I will search.<|END_THINKING|>"
          "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"search\", "
          "\"parameters\": {\"q\": \"x\"}},\n    {\"tool_call_id\": \"1\", "
          "\"tool_name\": \"now\", "
          "\"parameters\": {}}\n]<|END_ACTION|>",
          "I will search.", NULL, "search#0{\"q\": \"x\"}\nnow#1{}\n", 0, 0 },
        { "command-r", NULL,
          "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>The answer."
          "<|END_RESPONSE|>",
          "a", "The answer.", NULL, 0, 0 },
        { "hunyuan", NULL, "<think>\nt\n</think>\n<answer>\nHello\n</answer>", "t",
          "Hello", NULL, 0, 0 },
        { "hunyuan", NULL,
          "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]</tool_calls>", NULL,
          NULL, "f{\"a\": 1}\n", 0, 0 },
        { "gigachat", NULL,
          "<|function_call|>{\"name\": \"f\", \"arguments\": {\"a\": 1}}", NULL, NULL,
          "f{\"a\": 1}\n", 0, 0 },
        { "firefunction", NULL,
          " functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", NULL, NULL,
          "f{\"a\": 1}\n", 0, 0 },
        { "internlm", NULL,
          "Sure.<|action_start|><|plugin|>\n{\"name\": \"f\", \"parameters\": "
          "{\"a\": 1}}<|action_end|>",
          NULL, "Sure.", "f{\"a\": 1}\n", 0, 0 },
        { "apertus", NULL,
          "<|inner_prefix|>t<|inner_suffix|>A<|tools_prefix|>[{\"f\": {\"a\": 1}}, "
          "{\"g\": {}}]<|tools_suffix|>",
          "t", "A", "f{\"a\": 1}\ng{}\n", 0, 0 },
    };
    CHECK(list);
}

static void xml_functions_and_parameters(void **state)
{
    static const example list[] = {
        { "qwen3-coder", NULL,
          "I'll write it.\n\n<tool_call>\n<function=write_file>\n<parameter=path>\na.py\n"
          "</parameter>\n<parameter=text>\ndef f():\n    return \"<a>\"\n\n</parameter>\n"
          "<parameter=mode>\n644\n</parameter>\n<parameter=force>\nTrue\n</parameter>\n"
          "<parameter=lines>\n[1, 2]\n</parameter>\n</function>\n</tool_call>",
          NULL, "I'll write it.",
          "write_file{\"path\": \"a.py\", \"text\": \"def f():\\n    return "
          "\\\"<a>\\\"\\n\", "
          "\"mode\": 644, \"force\": true, \"lines\": [1, 2]}\n",
          1, 0 },
        { "qwen3-coder", NULL,
          "<tool_call>\n<function=f>\n<parameter=a>\n12\n</parameter>\n<parameter=b>\n12 "
          "apples\n"
          "</parameter>\n<parameter=c>\nNone\n</parameter>\n<parameter=d>\n{\"x\": "
          "[true]}\n"
          "</parameter>\n<parameter=e>\n['p', "
          "'q']\n</parameter>\n<parameter=g>\n\n</parameter>\n"
          "</function>\n</tool_call>\n<tool_call>\n<function=g>\n</function>\n</"
          "tool_call>",
          NULL, NULL,
          "f{\"a\": 12, \"b\": \"12 apples\", \"c\": null, \"d\": {\"x\": [true]}, "
          "\"e\": [\"p\", \"q\"], \"g\": \"\"}\ng{}\n",
          0, 0 },
        { "qwen3-coder", NULL,
          "<tool_call>\n<function=write_file>\n<parameter=path>\n7\n"
          "</parameter>\n<parameter=mode>\nseven\n</parameter>\n</function>\n</"
          "tool_call>",
          NULL, NULL, "write_file{\"path\": \"7\", \"mode\": \"seven\"}\n", 1, 0 },
        { "functionary-v3.1", NULL,
          "<function=f>{\"a\": \"</function>\"}</function><function=g>{}"
          "</function>",
          NULL, NULL, "f{\"a\": \"</function>\"}\ng{}\n", 0, 0 },
        { "minimax", "]~b]ai\n<think>\n",
          "hm\n</think>\n\nOn it.\n<minimax:tool_call>\n<invoke name=\"f\">\n"
          "<parameter name=\"a\">x & y</parameter>\n<parameter "
          "name=\"b\">3</parameter>\n</invoke>\n"
          "<invoke name=\"g\">\n</invoke>\n</minimax:tool_call>",
          "hm", "On it.", "f{\"a\": \"x & y\", \"b\": 3}\ng{}\n", 0, 0 },
        { "deepseek-v3.2", NULL,
          "Yes.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n"
          "<｜DSML｜parameter name=\"a\" "
          "string=\"true\">12</｜DSML｜parameter>\n<｜DSML｜parameter "
          "name=\"b\" string=\"false\">[1, "
          "\"x\"]</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
          "</｜DSML｜function_calls>",
          NULL, "Yes.", "f{\"a\": \"12\", \"b\": [1, \"x\"]}\n", 0, 0 },
        { "deepseek-v4", "<｜Assistant｜><think>",
          "t</think>\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke "
          "name=\"f\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
          "t", NULL, "f{}\n", 0, 0 },
        { "seed-oss", NULL,
          "<seed:think>t</seed:think><seed:tool_call>\n<function=f>\n<parameter=a>1"
          "</parameter>\n</function>\n</seed:tool_call>",
          "t", NULL, "f{\"a\": 1}\n", 0, 0 },
        { "minicpm", NULL,
          "<function name=\"f\"><param name=\"a\"><![CDATA[x < y\n& z]]></param>"
          "<param name=\"b\">{'k': 'it''s', 'n': None}</param></function>\n<function "
          "name=\"g\">"
          "</function>",
          NULL, NULL,
          "f{\"a\": \"x < y\\n& z\", \"b\": \"{'k': 'it''s', 'n': None}\"}\n"
          "g{}\n",
          0, 0 },
        { "glm", "<|assistant|><think>",
          "plan</think>Going.<tool_call>f\n<arg_key>a</arg_key>\n"
          "<arg_value>x y</arg_value>\n<arg_key>b</arg_key>\n<arg_value>{\"k\": "
          "1}</arg_value>\n"
          "</tool_call>\n<tool_call>g</tool_call>",
          "plan", "Going.", "f{\"a\": \"x y\", \"b\": {\"k\": 1}}\ng{}\n", 0, 0 },
        { "glm", "<|assistant|></think>",
          "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value>"
          "</tool_call>",
          NULL, NULL, "f{\"a\": 1}\n", 0, 0 },
        { "hunyuan-3", "<think:opensource>",
          "t</think:opensource>ok<tool_calls:opensource>\n"
          "<tool_call:opensource>f<tool_sep:opensource>\n<arg_key:opensource>a</"
          "arg_key:opensource>"
          "\n<arg_value:opensource>b</arg_value:opensource>\n</tool_call:opensource>\n"
          "</tool_calls:opensource>",
          "t", "ok", "f{\"a\": \"b\"}\n", 0, 0 },
        { "kimi-k3", "<|open|>think<|sep|>",
          "t<|close|>think<|sep|><|open|>response<|sep|>Hi"
          "<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool=\"f\" "
          "index=\"1\"<|sep|>"
          "<|open|>argument key=\"a\" "
          "type=\"string\"<|sep|>5<|close|>argument<|sep|><|open|>argument "
          "key=\"b\" "
          "type=\"number\"<|sep|>5<|close|>argument<|sep|><|close|>call<|sep|><|open|>"
          "call "
          "tool=\"g\" "
          "index=\"2\"<|sep|><|close|>call<|sep|><|close|>tools<|sep|><|close|>message"
          "<|sep|><|end_of_msg|>",
          "t", "Hi", "f{\"a\": \"5\", \"b\": 5}\ng{}\n", 0, 0 },
    };
    CHECK(list);
}

static void names_followed_by_json(void **state)
{
    static const example list[] = {
        { "mistral", NULL,
          "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"[\"}, \"id\": "
          "\"call00001\"}, {\"name\": \"g\", \"arguments\": {}, \"id\": \"x\"}]",
          NULL, NULL, "f#call00001{\"a\": \"[\"}\ng#x{}\n", 0, 0 },
        { "mistral", NULL,
          "Sure. [TOOL_CALLS]f[CALL_ID]abc123456[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]"
          "{\"b\": {\"c\": 2}}",
          NULL, "Sure.", "f#abc123456{\"a\": 1}\ng{\"b\": {\"c\": 2}}\n", 0, 0 },
        { "mistral", NULL, "[THINK]Let me see[1].[/THINK]It is [2] so.", "Let me see[1].",
          "It is [2] so.", NULL, 0, 0 },
        { "mistral", NULL, "[TOOL_CALLS]f{\"a\": 1}", NULL, NULL, "f{\"a\": 1}\n", 0, 0 },
        { "kimi-k2", NULL,
          "Checking.<|tool_calls_section_begin|><|tool_call_begin|>"
          "functions.get_weather:0<|tool_call_argument_begin|>{\"city\": "
          "\"Lisbon\"}<|tool_call_end|>"
          "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_"
          "end|>"
          "<|tool_calls_section_end|>",
          NULL, "Checking.",
          "get_weather#functions.get_weather:0{\"city\": "
          "\"Lisbon\"}\nnow#functions.now:1{}\n",
          0, 0 },
        { "kimi-k2", "<think>",
          "So I call<|tool_calls_section_begin|><|tool_call_begin|>functions.f:3"
          "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
          "So I call", NULL, "f#functions.f:3{}\n", 0, 0 },
        { "deepseek", "<｜Assistant｜><think>\n",
          "Hm.\n</think>\n\n<｜tool▁calls▁begin｜>"
          "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": "
          "\"Lisbon\"}\n```"
          "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```"
          "json\n{}\n```"
          "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
          "Hm.", NULL, "get_weather{\"city\": \"Lisbon\"}\nnow{}\n", 0, 0 },
        { "deepseek", NULL,
          "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}"
          "<｜tool▁call▁end｜><｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
          "<｜tool▁calls▁end｜>",
          NULL, NULL, "f{\"a\": 1}\ng{}\n", 0, 0 },
        { "functionary-v3.2", "<|end_header_id|>\n\n>>>",
          "all\nOne moment.\n>>>get_weather\n"
          "{\"city\": \"Lisbon\"}\n>>>now\n{}",
          NULL, "One moment.", "get_weather{\"city\": \"Lisbon\"}\nnow{}\n", 0, 0 },
        { "functionary-v3.2", NULL, "python\nprint(\"a >>> b\")\n", NULL, NULL,
          "python{\"code\": \"print(\\\"a >>> b\\\")\"}\n", 0, 0 },
    };
    CHECK(list);
}

static void gpt_oss_channels(void **state)
{
    static const example list[] = {
        { "gpt-oss", "<|start|>assistant",
          "<|channel|>analysis<|message|>User asks. Need "
          "tool.<|end|><|start|>assistant<|channel|>"
          "commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": "
          "\"Lisbon\"}"
          "<|call|>",
          "User asks. Need tool.", NULL, "get_weather{\"city\": \"Lisbon\"}\n", 0, 0 },
        { "gpt-oss", "<|start|>assistant",
          "<|channel|>analysis<|message|>t<|end|><|start|>assistant"
          "<|channel|>final<|message|>The answer is 4 < 5.<|return|>",
          "t", "The answer is 4 < 5.", NULL, 0, 0 },
        { "gpt-oss", NULL,
          "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant "
          "to=functions.f<|channel|>commentary "
          "json<|message|>{}<|call|><|start|>assistant<|channel|>"
          "final<|message|>Done.",
          NULL, "I will look.Done.", "f{}\n", 0, 0 },
        { "gpt-oss", "<|start|>assistant<|channel|>final<|message|>", "Just text.", NULL,
          "Just text.", NULL, 0, 0 },
        { "gpt-oss", "<|start|>assistant", "No header at all.", NULL, "No header at all.",
          NULL, 0, 0 },
        { "gpt-oss", "<|start|>assistant",
          "<|channel|>analysis to=python code<|message|>print(1)\n"
          "<|call|>",
          NULL, NULL, "python{\"code\": \"print(1)\"}\n", 0, 0 },
        { "muse", "<|start|>assistant",
          " to=self<|message|>Hm.<|eom|><|start|>assistant to=f<|message|>"
          "<atem:function_calls>\n<atem:invoke name=\"f\">\n<atem:parameter name=\"a\">b"
          "</atem:parameter>\n</atem:invoke>\n</"
          "atem:function_calls><|eom|><|start|>assistant to=user"
          "<|message|>Done.<|eot|>",
          "Hm.", "Done.", "f{\"a\": \"b\"}\n", 0, 0 },
    };
    CHECK(list);
}

static void calls_without_a_marker(void **state)
{
    static const example list[] = {
        { "llama3", NULL,
          "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Lisbon\"}}", NULL,
          NULL, "get_weather{\"city\": \"Lisbon\"}\n", 0, 0 },
        { "llama3", NULL,
          "\n{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": "
          "{}}}; {\"name\": \"g\", \"parameters\": {\"a\": 1}}",
          NULL, NULL, "f{}\ng{\"a\": 1}\n", 0, 0 },
        { "llama3", NULL, "{\"age\": 3, \"name\": \"Bob\"}", NULL,
          "{\"age\": 3, \"name\": \"Bob\"}", NULL, 0, 0 },
        { "llama3", NULL, "{\"name\": \"Bob\", \"age\": 3} is it.", NULL,
          "{\"name\": \"Bob\", \"age\": 3} is it.", NULL, 0, 0 },
        { "llama3", NULL, "{\"name\": \"Bob\"}", NULL, "{\"name\": \"Bob\"}", NULL, 0,
          0 },
        { "llama3", NULL, "[1, 2] and {x", NULL, "[1, 2] and {x", NULL, 0, 0 },
        { "llama3", NULL, "Use {\"name\": \"f\", \"parameters\": {}} so.", NULL,
          "Use {\"name\": \"f\", \"parameters\": {}} so.", NULL, 0, 0 },
        { "llama3", NULL,
          "<|python_tag|>brave_search.call(query=\"rain in \\\"Lisbon\\\"\")<|eom_id|>",
          NULL, NULL, "brave_search{\"query\": \"rain in \\\"Lisbon\\\"\"}\n", 0, 0 },
        { "llama3", NULL,
          "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}<|eom_id|>", NULL,
          NULL, "f{\"a\": 1}\n", 0, 0 },
        { "llama3", NULL, "<|python_tag|>import math\nprint(math.pi)", NULL, NULL,
          "code_interpreter{\"code\": \"import math\\nprint(math.pi)\"}\n", 0, 0 },
        { "llama4", NULL, "[get_weather(city=\"Lisbon\", days=3), now()]", NULL, NULL,
          "get_weather{\"city\": \"Lisbon\", \"days\": 3}\nnow{}\n", 0, 0 },
        { "llama4", NULL, "[see](http://a.b) this", NULL, "[see](http://a.b) this", NULL,
          0, 0 },
        { "llama4", NULL, "[1, 2]", NULL, "[1, 2]", NULL, 0, 0 },
    };
    CHECK(list);
}

static void python_calls_and_gemmas_notation(void **state)
{
    static const example list[] = {
        { "lfm2", NULL,
          "On it.<|tool_call_start|>[get_weather(city='Lis\\'bon', unit=\"c\", "
          "opts={'a': [1, -2.5, True], 'b': None}, t=(1, 2)), "
          "now()]<|tool_call_end|>Wait.",
          NULL, "On it.Wait.",
          "get_weather{\"city\": \"Lis'bon\", \"unit\": \"c\", \"opts\": {\"a\": [1, "
          "-2.5, "
          "true], \"b\": null}, \"t\": [1, 2]}\nnow{}\n",
          0, 0 },
        { "lfm2", NULL,
          "<|tool_call_start|>[write_file(\"a.txt\", 'x)y', mode=3)]<|tool_call_end|>",
          NULL, NULL, "write_file{\"path\": \"a.txt\", \"text\": \"x)y\", \"mode\": 3}\n",
          1, 0 },
        { "lfm2", NULL,
          "<|tool_call_start|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"
          "<|tool_call_end|>",
          NULL, NULL, "f{\"a\": 1}\n", 0, 0 },
        { "olmo3", NULL,
          "<function_calls>\nf(a=\"\"\"x \"y\" z\"\"\")\ng()\n</function_calls>", NULL,
          NULL, "f{\"a\": \"x \\\"y\\\" z\"}\ng{}\n", 0, 0 },
        { "gemma4", NULL,
          "<|channel>thought\nHm.\n<channel|>Yes.<|tool_call>call:get_weather{city:"
          "<|\"|>Lis\"bon}<|\"|>,days:3,opts:{a:[<|\"|>x<|\"|>,true],b:None}}<tool_call|>"
          "<|tool_call>"
          "call:now{}<tool_call|>",
          "Hm.", "Yes.",
          "get_weather{\"city\": \"Lis\\\"bon}\", \"days\": 3, "
          "\"opts\": {\"a\": [\"x\", true], \"b\": null}}\nnow{}\n",
          0, 0 },
    };
    CHECK(list);
}

static void text_without_conventions_is_content(void **state)
{
    static const example list[] = {
        { "plain", NULL, "<think>a</think> <tool_call>{}</tool_call>\n", NULL,
          "<think>a</think> <tool_call>{}</tool_call>\n", NULL, 0, 0 },
        { "hermes", NULL, "  a <b> </c> <tool>\n\n", NULL, "  a <b> </c> <tool>\n\n",
          NULL, 0, 0 },
        { "hermes", NULL, "", NULL, NULL, NULL, 0, 0 },
        { "hermes", NULL, "<think>never closed ", "never closed", NULL, NULL, 0, 0 },
    };
    CHECK(list);
}

/* ---- promises ---------------------------------------------------------------------- */

static void content_comes_as_soon_as_it_is_decided(void **state)
{
    static const char text[] = "a < b and <tool_box> c\n d <too";
    mn_chat_format format;
    mn_chat_parser *p = NULL;
    collected c = { 0 };
    assert_true(mn_chat_format_find(&format, "hermes"));
    assert_ok(mn_chat_parser_create(&p, &format, NULL, NULL, 0, collect, &c, err));
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_ok(mn_chat_parser_feed(p, text + i, 1, err));
        size_t held = i + 1 - c.content.len;
        /* Held: white space, and what may still become a marker. */
        const char *rest = text + c.content.len;
        size_t blank = strspn(rest, " \n");
        bool is_prefix = held <= blank;
        static const char *const markers[] = { "<tool_call>", "<think>",
                                               "</think>",    "<response>",
                                               "</response>", "</tool_call>" };
        for (int k = 0; k < 6; k++)
            is_prefix |= held > blank && !strncmp(rest + blank, markers[k], held - blank);
        if (!is_prefix) fail_msg("held back: '%.*s'", (int)held, rest);
    }
    assert_ok(mn_chat_parser_finish(p, err));
    assert_string_equal(c.content.data, text);
    mn_chat_parser_free(p);
    clear(&c);
}

static void arguments_come_in_parts(void **state)
{
    static const char first[] =
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"xyz";
    mn_chat_format format;
    mn_chat_parser *p = NULL;
    collected c = { 0 };
    assert_true(mn_chat_format_find(&format, "hermes"));
    assert_ok(mn_chat_parser_create(&p, &format, NULL, NULL, 0, collect, &c, err));
    assert_ok(mn_chat_parser_feed(p, first, sizeof first - 1, err));
    assert_int_equal(c.n_begun, 1);
    assert_string_equal(c.args.data, "{\"a\": \"xyz");
    mn_chat_parser_free(p);
    clear(&c);

    /* A string parameter of a known schema does not wait for its end either. */
    static const char xml[] =
        "<tool_call>\n<function=write_file>\n<parameter=text>\nline 1\nli";
    json_t *tools = json_loads(weather_tools, 0, NULL);
    c = (collected){ 0 };
    assert_true(mn_chat_format_find(&format, "qwen3-coder"));
    assert_ok(mn_chat_parser_create(&p, &format, tools, NULL, 0, collect, &c, err));
    assert_ok(mn_chat_parser_feed(p, xml, sizeof xml - 1, err));
    assert_string_equal(c.args.data, "{\"text\": \"line 1\\nli");
    mn_chat_parser_free(p);
    json_decref(tools);
    clear(&c);
}

static void endless_arguments_are_refused(void **state)
{
    mn_chat_format format;
    mn_chat_parser *p = NULL;
    collected c = { 0 };
    assert_true(mn_chat_format_find(&format, "lfm2"));
    assert_ok(mn_chat_parser_create(&p, &format, NULL, NULL, 0, collect, &c, err));
    char *big = malloc(1 << 20);
    memset(big, 'x', 1 << 20);
    assert_ok(mn_chat_parser_feed(p, "<|tool_call_start|>[f(a='", 25, err));
    minerva_error e = { 0 };
    minerva_status status = MINERVA_OK;
    for (int i = 0; i < 20 && !status; i++)
        status = mn_chat_parser_feed(p, big, 1 << 20, &e);
    assert_int_equal(status, MINERVA_LIMIT);
    assert_non_null(strstr(e.message, "tool call"));
    free(big);
    mn_chat_parser_free(p);
    clear(&c);
}

static void templates_tell_their_family(void **state)
{
    static const struct { const char *file, *family, *open; } known[] = {
        { "chat/Qwen3-Coder.jinja", "qwen3-coder", NULL },
        { "chat/GLM-4.7-Flash.jinja", "glm", "<think>" },
        { "chat/Kimi-K2-Instruct.jinja", "kimi-k2", NULL },
        { "chat/ibm-granite-granite-4.0.jinja", "hermes", NULL },
        { "chat/mistralai-Mistral-Nemo-Instruct-2407.jinja", "mistral", NULL },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char *source;
        size_t len;
        mn_chat_format f;
        assert_ok(mn_read_file(data(known[i].file), 1 << 20, &source, &len, err));
        mn_chat_format_detect(&f, source, len);
        assert_string_equal(f.family, known[i].family);
        if (known[i].open) assert_string_equal(f.reasoning_open, known[i].open);
        else assert_null(f.reasoning_open);
        free(source);
    }
    mn_chat_format f;
    mn_chat_format_detect(&f, "{{ messages }}", 14);
    assert_string_equal(f.family, "plain");
    assert_null(f.calls);
    assert_false(mn_chat_format_find(&f, "nobody"));
}

static void all_published_templates_tell_their_family(void **state)
{
    NEED_SHARED();
    static const struct { const char *name, *family, *open;
    } known[] = {
        { "Cohere2MoE", "command-r", "<|START_THINKING|>" },
        { "CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r",
          "<|START_THINKING|>" },
        { "GigaChat3.1-10B-A1.8B", "gigachat", NULL },
        { "Kimi-K3", "kimi-k3", "<|open|>think<|sep|>" },
        { "LFM2.5-8B-A1B", "lfm2", "<think>" },
        { "MiMo-VL", "hermes", NULL },
        { "MiniMax-M2", "minimax", "<think>" },
        { "Mistral-Small-3.2-24B-Instruct-2506", "mistral", NULL },
        { "NVIDIA-Nemotron-Nano-v2", "nemotron", "<think>" },
        { "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes", NULL },
        { "Reka-Edge", "hermes", "<think>" },
        { "StepFun3.5-Flash", "qwen3-coder", "<think>" },
        { "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek", "<think>" },
        { "deepseek-ai-DeepSeek-V3.2", "deepseek-v3.2", "<think>" },
        { "deepseek-ai-DeepSeek-V4", "deepseek-v4", "<think>" },
        { "google-gemma-2-2b-it", "plain", NULL },
        { "google-gemma-4-31B-it", "gemma4", "<|channel>thought" },
        { "inclusionai-ling-3.0-flash", "glm", "<think>" },
        { "meetkai-functionary-medium-v3.2", "functionary-v3.2", NULL },
        { "meta-llama-Llama-3.1-8B-Instruct", "llama3", NULL },
        { "microsoft-Phi-3.5-mini-instruct", "plain", NULL },
        { "muse-glimmer", "muse", NULL },
        { "openbmb-MiniCPM5-1B", "minicpm", "<think>" },
        { "poolside-Laguna-XS-2.1", "glm", "<think>" },
        { "tencent-Hy3", "hunyuan-3", "<think:opensource>" },
        { "unsloth-mistral-Devstral-Small-2507", "mistral", NULL },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char path[300], *source;
        size_t len;
        mn_chat_format f;
        snprintf(path, sizeof path, "golden/chat/templates/%s.jinja", known[i].name);
        assert_ok(mn_read_file(shared(path), 1 << 20, &source, &len, err));
        mn_chat_format_detect(&f, source, len);
        if (strcmp(f.family, known[i].family))
            fail_msg("%s: %s", known[i].name, f.family);
        if (known[i].open) assert_string_equal(f.reasoning_open, known[i].open);
        else if (f.reasoning_open) fail_msg("%s: %s", known[i].name, f.reasoning_open);
        free(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_between_tool_call_tags),
        cmocka_unit_test(xml_functions_and_parameters),
        cmocka_unit_test(names_followed_by_json),
        cmocka_unit_test(gpt_oss_channels),
        cmocka_unit_test(calls_without_a_marker),
        cmocka_unit_test(python_calls_and_gemmas_notation),
        cmocka_unit_test(text_without_conventions_is_content),
        cmocka_unit_test(content_comes_as_soon_as_it_is_decided),
        cmocka_unit_test(arguments_come_in_parts),
        cmocka_unit_test(endless_arguments_are_refused),
        cmocka_unit_test(templates_tell_their_family),
        cmocka_unit_test(all_published_templates_tell_their_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
