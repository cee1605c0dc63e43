/* The families of chat models: how each writes reasoning and tool calls, and how to tell
 * it by its chat template.
 *
 * A family is a row of data.  Detection takes the first row all of whose marks occur in
 * the template's source, so that what is special stands before what is common.  The calls
 * between <tool_call> tags (Hermes and Qwen, Qwen3-Coder, GLM) are told apart by their
 * first character, because a model may well mix them.
 */
#include "text/chat_parser.h"

#include <string.h>

/* ---- calls ------------------------------------------------------------------------- */

/* <tool_call>{"name": ..., "arguments": ...}</tool_call> and what shares its tags */
static const mn_call_style tool_call_tags = {
    .body = BODY_AUTO, .open = "<tool_call>", .close = "</tool_call>",
    .dropped = { "<response>", "</response>" }
};

/* {"name": ..., "parameters": ...} as the whole answer; <|python_tag|>tool.call(a="b") */
static const mn_call_style llama3_calls = { .body = BODY_PYTHON,
                                            .open = "<|python_tag|>",
                                            .dropped = { "<|eom_id|>", "<|eot_id|>" },
                                            .takes_bare_json = true,
                                            .is_code = true };

/* [f(a=1)] as the whole answer, or between tags */
static const mn_call_style llama4_calls = { .body = BODY_PYTHON,
                                            .open = "<|python_start|>",
                                            .close = "<|python_end|>",
                                            .dropped = { "<|eom|>", "<|eot|>" },
                                            .takes_bare_json = true,
                                            .takes_bare_python = true };

/* [TOOL_CALLS][{"name": ...}] or [TOOL_CALLS]f[CALL_ID]id[ARGS]{...} */
static const mn_call_style mistral_calls = {
    .body = BODY_NAMED, .open = "[TOOL_CALLS]", .name_end = { "[ARGS]", "[CALL_ID]" }
};

/* <｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{...}\n```<｜tool▁call▁end｜>, and
 * since V3.1 <｜tool▁call▁begin｜>f<｜tool▁sep｜>{...}<｜tool▁call▁end｜> */
static const mn_call_style deepseek_calls = {
    .body = BODY_NAMED, .open = "<｜tool▁call▁begin｜>", .close = "<｜tool▁call▁end｜>",
    .dropped = { "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>" },
    .name_end = { "<｜tool▁sep｜>" }
};

/* <｜DSML｜invoke name="f"><｜DSML｜parameter name="a" string="true">x</｜DSML｜parameter> */
static const mn_xml_style dsml_xml = {
    .func = "<｜DSML｜invoke name=\"", .name_end = "\"", .body_open = ">",
    .key = "<｜DSML｜parameter name=\"", .key_end = "\"", .value_open = ">",
    .value_close = "</｜DSML｜parameter>", .func_close = "</｜DSML｜invoke>"
};
static const mn_call_style dsml_calls = { .body = BODY_XML,
                                          .open = "<｜DSML｜function_calls>",
                                          .close = "</｜DSML｜function_calls>",
                                          .xml = &dsml_xml };
static const mn_call_style dsml4_calls = {
    .body = BODY_XML, .open = "<｜DSML｜tool_calls>", .close = "</｜DSML｜tool_calls>",
    .xml = &dsml_xml
};

/* <function=f>{"a": 1}</function> */
static const mn_xml_style function_xml = {
    .func = "<function=", .name_end = ">", .key = "<parameter=", .key_end = ">",
    .value_close = "</parameter>", .func_close = "</function>", .trims_newlines = true
};
static const mn_call_style functionary31_calls = {
    .body = BODY_XML, .open = "<function=", .dropped = { "<|eom_id|>", "<|eot_id|>" },
    .xml = &function_xml
};

/* >>>all\ntext >>>f\n{...} */
static const mn_call_style functionary32_calls = {
    .dropped = { "<|eom_id|>", "<|eot_id|>" }, .has_recipients = true
};

/* <|START_ACTION|>[{"tool_call_id": "0", "tool_name": ..., "parameters": ...}] */
static const mn_call_style command_r_calls = {
    .body = BODY_JSON,
    .open = "<|START_ACTION|>",
    .close = "<|END_ACTION|>",
    .dropped = { "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>",
                 "<|END_TEXT|>" }
};

/* <|channel|>commentary to=functions.f <|constrain|>json<|message|>{...}<|call|> */
static const mn_call_style gpt_oss_calls = { .dropped = { "<|end|>", "<|return|>",
                                                          "<|call|>", "<|constrain|>" },
                                             .has_headers = true };

/* to=f<|message|><atem:function_calls><atem:invoke name="f">...<|eom|> */
static const mn_xml_style atem_xml = {
    .func = "<atem:invoke name=\"", .name_end = "\"", .body_open = ">",
    .key = "<atem:parameter name=\"", .key_end = "\"", .value_open = ">",
    .value_close = "</atem:parameter>", .func_close = "</atem:invoke>"
};
static const mn_call_style atem_calls = {
    .body = BODY_XML, .open = "<atem:function_calls>", .close = "</atem:function_calls>",
    .dropped = { "<|eom|>", "<|eot|>", "<|end|>" }, .xml = &atem_xml, .has_headers = true
};

/* <|tool_call|>[{"name": ..., "arguments": ...}], closed by Phi, not by Granite */
static const mn_call_style granite_calls = {
    .body = BODY_JSON, .open = "<|tool_call|>", .close = "<|/tool_call|>",
    .dropped = { "<response>", "</response>" }
};

/* <|tool_call_start|>[f(a=1, b="x")]<|tool_call_end|> */
static const mn_call_style lfm2_calls = {
    .body = BODY_PYTHON, .open = "<|tool_call_start|>", .close = "<|tool_call_end|>"
};

/* <function_calls>\nf(a=1)\ng()\n</function_calls> */
static const mn_call_style olmo3_calls = {
    .body = BODY_PYTHON, .open = "<function_calls>", .close = "</function_calls>"
};

/* <|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{...}<|tool_call_end|> */
static const mn_call_style kimi_k2_calls = {
    .body = BODY_NAMED, .open = "<|tool_call_begin|>", .close = "<|tool_call_end|>",
    .dropped = { "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>" },
    .name_end = { "<|tool_call_argument_begin|>" }
};

/* <|open|>call tool="f" index="1"<|sep|><|open|>argument key="a" type="string"<|sep|>x */
static const mn_xml_style kimi_k3_xml = {
    .func = "<|open|>call tool=\"", .name_end = "\"", .body_open = "<|sep|>",
    .key = "<|open|>argument key=\"", .key_end = "\"", .value_open = "<|sep|>",
    .value_close = "<|close|>argument<|sep|>", .func_close = "<|close|>call<|sep|>"
};
static const mn_call_style kimi_k3_calls = {
    .body = BODY_XML, .open = "<|open|>tools<|sep|>", .close = "<|close|>tools<|sep|>",
    .dropped = { "<|open|>response<|sep|>", "<|close|>response<|sep|>",
                 "<|close|>message<|sep|>", "<|end_of_msg|>" },
    .xml = &kimi_k3_xml
};

/* <invoke name="f"><parameter name="a">x</parameter></invoke> */
static const mn_xml_style invoke_xml = {
    .func = "<invoke name=\"", .name_end = "\"", .body_open = ">",
    .key = "<parameter name=\"", .key_end = "\"", .value_open = ">",
    .value_close = "</parameter>", .func_close = "</invoke>"
};
static const mn_call_style minimax_calls = {
    .body = BODY_XML, .open = "<minimax:tool_call>", .close = "</minimax:tool_call>",
    .xml = &invoke_xml
};

/* <function name="f"><param name="a">x</param></function>, nothing around it */
static const mn_xml_style param_xml = { .func = "<function name=\"",
                                        .name_end = "\"",
                                        .body_open = ">",
                                        .key = "<param name=\"",
                                        .key_end = "\"",
                                        .value_open = ">",
                                        .value_close = "</param>",
                                        .func_close = "</function>",
                                        .has_cdata = true };
static const mn_call_style minicpm_calls = {
    .body = BODY_XML, .open = "<function name=\"", .xml = &param_xml
};

/* <seed:tool_call><function=f><parameter=a>x</parameter></function></seed:tool_call> */
static const mn_call_style seed_calls = {
    .body = BODY_XML, .open = "<seed:tool_call>", .close = "</seed:tool_call>",
    .xml = &function_xml
};

static const mn_xml_style hunyuan3_xml = {
    .name_end = "<tool_sep:opensource>", .key = "<arg_key:opensource>",
    .key_end = "</arg_key:opensource>", .value_open = "<arg_value:opensource>",
    .value_close = "</arg_value:opensource>"
};
static const mn_call_style hunyuan3_calls = { .body = BODY_XML,
                                              .open = "<tool_call:opensource>",
                                              .close = "</tool_call:opensource>",
                                              .dropped = { "<tool_calls:opensource>",
                                                           "</tool_calls:opensource>" },
                                              .xml = &hunyuan3_xml };

/* Lists of {"name": ..., "arguments": ...} between markers of their own */
static const mn_call_style nemotron_calls = {
    .body = BODY_JSON, .open = "<TOOLCALL>", .close = "</TOOLCALL>"
};
static const mn_call_style hunyuan_calls = {
    .body = BODY_JSON, .open = "<tool_calls>", .close = "</tool_calls>",
    .dropped = { "<answer>", "</answer>" }
};
static const mn_call_style internlm_calls = {
    .body = BODY_JSON, .open = "<|action_start|><|plugin|>", .close = "<|action_end|>"
};
static const mn_call_style gigachat_calls = {
    .body = BODY_JSON, .open = "<|function_call|>"
};
static const mn_call_style firefunction_calls = {
    .body = BODY_JSON, .open = "functools["
};
/* <|tools_prefix|>[{"f": {...}}]<|tools_suffix|> */
static const mn_call_style apertus_calls = {
    .body = BODY_JSON, .open = "<|tools_prefix|>", .close = "<|tools_suffix|>",
    .is_keyed = true
};

/* <|tool_call>call:f{a:1,b:<|"|>x<|"|>}<tool_call|> */
static const mn_call_style gemma4_calls = {
    .body = BODY_GEMMA, .open = "<|tool_call>", .close = "<tool_call|>"
};

/* ---- families ---------------------------------------------------------------------- */

typedef struct { const char *open, *close, *mark; } reasoning;

/* The pairs that templates name; what is special first. */
static const reasoning pairs[] = {
    { "[THINK]", "[/THINK]", "[THINK]" },
    { "<|START_THINKING|>", "<|END_THINKING|>", "<|START_THINKING|>" },
    { "<seed:think>", "</seed:think>", "<seed:think>" },
    { "<|inner_prefix|>", "<|inner_suffix|>", "<|inner_prefix|>" },
    { "<|channel>thought", "<channel|>", "<|channel>thought" },
    { "<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_thought|>" },
    { "Here is my thought process:", "Here is my response:",
      "Here is my thought process:" },
    { "<think>", "</think>", "</think>" },
    { "<think>", "</think>", "<think>" },
    { "<thought>", "</thought>", "<thought>" },
    { "<reasoning>", "</reasoning>", "<reasoning>" }
};
enum { THINK = 7, NONE = -1 };

static const struct {
    const char *name;
    const char *marks[2];
    const mn_call_style *calls;
    int by_name;                /* the pair if only the name is known */
    const char *open, *close; /* a pair of the family's own, whatever the template says */
} families[] = {
    { "gpt-oss", { "<|channel|>", "<|message|>" }, &gpt_oss_calls, NONE, NULL, NULL },
    { "muse", { "<atem:function_calls>", NULL }, &atem_calls, NONE, NULL, NULL },
    { "kimi-k2",
      { "<|tool_calls_section_begin|>", NULL },
      &kimi_k2_calls,
      THINK,
      NULL,
      NULL },
    { "kimi-k3",
      { "<|open|>", "<|sep|>" },
      &kimi_k3_calls,
      NONE,
      "<|open|>think<|sep|>",
      "<|close|>think<|sep|>" },
    { "deepseek-v4",
      { "｜DSML｜", "tool_calls>\" block" },
      &dsml4_calls,
      THINK,
      NULL,
      NULL },
    { "deepseek-v3.2", { "｜DSML｜", NULL }, &dsml_calls, THINK, NULL, NULL },
    { "deepseek", { "tool▁call▁begin", NULL }, &deepseek_calls, THINK, NULL, NULL },
    { "command-r", { "<|START_ACTION|>", NULL }, &command_r_calls, 1, NULL, NULL },
    { "lfm2", { "<|tool_call_start|>", NULL }, &lfm2_calls, THINK, NULL, NULL },
    { "gemma4", { "<|tool_call>", NULL }, &gemma4_calls, 4, NULL, NULL },
    { "minimax", { "<minimax:tool_call>", NULL }, &minimax_calls, THINK, NULL, NULL },
    { "seed-oss", { "<seed:tool_call>", NULL }, &seed_calls, 2, NULL, NULL },
    { "apertus", { "<|tools_prefix|>", NULL }, &apertus_calls, 3, NULL, NULL },
    { "hunyuan-3",
      { "<tool_call{}>", "opensource" },
      &hunyuan3_calls,
      NONE,
      "<think:opensource>",
      "</think:opensource>" },
    { "minicpm",
      { "<function name=\"", "<param name=\"" },
      &minicpm_calls,
      THINK,
      NULL,
      NULL },
    { "internlm", { "<|action_start|>", NULL }, &internlm_calls, NONE, NULL, NULL },
    { "gigachat", { "<|function_call|>", NULL }, &gigachat_calls, NONE, NULL, NULL },
    { "firefunction", { "functools[", NULL }, &firefunction_calls, NONE, NULL, NULL },
    { "mistral", { "[TOOL_CALLS]", NULL }, &mistral_calls, 0, NULL, NULL },
    { "nemotron", { "<TOOLCALL>", NULL }, &nemotron_calls, THINK, NULL, NULL },
    { "functionary-v3.2", { ">>>all", NULL }, &functionary32_calls, NONE, NULL, NULL },
    { "qwen3-coder",
      { "<tool_call>", "<function=" },
      &tool_call_tags,
      THINK,
      NULL,
      NULL },
    { "glm", { "<tool_call>", "<arg_key>" }, &tool_call_tags, THINK, NULL, NULL },
    { "hermes", { "<tool_call>", NULL }, &tool_call_tags, THINK, NULL, NULL },
    { "granite",
      { "<|tool_call|>", "start_of_role" },
      &granite_calls,
      THINK,
      NULL,
      NULL },
    { "phi", { "<|tool_call|>", NULL }, &granite_calls, THINK, NULL, NULL },
    { "hunyuan", { "<tool_calls>", NULL }, &hunyuan_calls, THINK, NULL, NULL },
    { "functionary-v3.1",
      { "<function=", NULL },
      &functionary31_calls,
      NONE,
      NULL,
      NULL },
    { "olmo3", { "<function_calls>", NULL }, &olmo3_calls, THINK, NULL, NULL },
    { "llama4", { "<|header_start|>", NULL }, &llama4_calls, NONE, NULL, NULL },
    { "llama3", { "<|start_header_id|>", "ipython" }, &llama3_calls, NONE, NULL, NULL },
    { "llama3", { "<|python_tag|>", NULL }, &llama3_calls, NONE, NULL, NULL }
};
enum { N_FAMILIES = sizeof families / sizeof *families };

static bool contains(const char *s, size_t len, const char *mark)
{
    return !mark || memmem(s, len, mark, strlen(mark));
}

static void take(mn_chat_format *out, int i, int pair)
{
    out->family = families[i].name;
    out->calls = families[i].calls;
    out->reasoning_open = families[i].open;
    out->reasoning_close = families[i].close;
    if (pair < 0 || families[i].open) return;
    out->reasoning_open = pairs[pair].open;
    out->reasoning_close = pairs[pair].close;
}

void mn_chat_format_detect(mn_chat_format *out, const char *source, size_t len)
{
    int pair = NONE;
    for (int i = 0; pair == NONE && i < (int)(sizeof pairs / sizeof *pairs); i++)
        if (contains(source, len, pairs[i].mark)) pair = i;
    *out = (mn_chat_format){ .family = "plain" };
    if (pair >= 0) {
        out->reasoning_open = pairs[pair].open;
        out->reasoning_close = pairs[pair].close;
    }
    for (int i = 0; i < N_FAMILIES; i++) {
        if (!contains(source, len, families[i].marks[0])
            || !contains(source, len, families[i].marks[1])) continue;
        /* gpt-oss marks reasoning by its channel, not by a pair. */
        bool has_channels = families[i].calls->has_headers;
        take(out, i, has_channels ? NONE : pair);
        return;
    }
}

bool mn_chat_format_find(mn_chat_format *out, const char *family)
{
    if (!strcmp(family, "plain")) {
        *out = (mn_chat_format){ .family = "plain" };
        return true;
    }
    for (int i = 0; i < N_FAMILIES; i++) {
        if (strcmp(families[i].name, family)) continue;
        *out = (mn_chat_format){ 0 };
        take(out, i, families[i].by_name);
        return true;
    }
    return false;
}

const char *mn_chat_format_name(size_t i)
{
    return i < N_FAMILIES ? families[i].name : NULL;
}
