/* Structural tags and lazy constraints: free text with constrained pieces. */
#include "constrain_vocab.h"

static const char *const specials[] = { "<tool_call>", "</tool_call>", "<think>", "</think>", "<|start|>", NULL };
static const char corpus[] =
    "I will call <tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"Paris\", \"days\": 3}}\n</tool_call> and "
    "<function=f>{\"a\": 12}</function> <think>hm, \"so\"</think> ok. <tool, </tool";

static mn_constraint *compile(const mn_vocab_trie *trie, mn_constraint_kind kind, const char *source,
                              const mn_constraint_options *o)
{
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    if (mn_constraint_compile(&c, trie, kind, source, strlen(source), o, &err) != MINERVA_OK)
        fail_msg("%.60s: %s", source, err.message);
    return c;
}

static bool accepts(mn_constraint *c, const char *text)
{
    mn_matcher *m;
    assert_ok(mn_matcher_create(&m, c, err));
    bool yes = mn_matcher_accept_bytes(m, text, strlen(text), NULL, NULL) == MINERVA_OK && mn_matcher_is_accepting(m);
    mn_matcher_free(m);
    return yes;
}

/* Texts, NULL, texts that are not accepted, NULL. */
static void check(const char *format, const char *const *texts)
{
    char source[8192];
    snprintf(source, sizeof source, "{\"type\":\"structural_tag\",\"format\":%s}", format);
    mn_constraint *c = compile(NULL, MN_CONSTRAINT_STRUCTURAL_TAG, source, NULL);
    for (int expected = 1; expected >= 0; expected--, texts++)
        for (; *texts; texts++)
            if (accepts(c, *texts) != expected)
                fail_msg("%s: \"%s\" should be %s", format, *texts, expected ? "accepted" : "rejected");
    mn_constraint_release(c);
}

#define TAG(name, pattern) \
    "{\"type\":\"tag\",\"begin\":\"<f=" name ">\",\"content\":{\"type\":\"regex\",\"pattern\":\"" pattern "\"},\"end\":\"</f>\"}"
#define TAGS "[" TAG("a", "[0-9]+") "," TAG("b", "x|y") "]"
#define TRIGGERED(flags) "{\"type\":\"triggered_tags\",\"triggers\":[\"<f=\"],\"tags\":" TAGS flags "}"

static void the_simple_formats_match_what_they_say(void **state)
{
    check("{\"type\":\"const_string\",\"value\":\"hi\"}", (const char *[]){ "hi", NULL, "", "hi!", NULL });
    check("{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"integer\"}}",
          (const char *[]){ "0", "-12", NULL, "", "1.5", "x", NULL });
    check("{\"type\":\"regex\",\"pattern\":\"a|bc\"}", (const char *[]){ "a", "bc", NULL, "", "b", "abc", NULL });
    check("{\"type\":\"grammar\",\"grammar\":\"root ::= \\\"(\\\" root \\\")\\\" | \\\"x\\\"\"}",
          (const char *[]){ "x", "((x))", NULL, "(x", NULL });
    check("{\"type\":\"any_text\"}", (const char *[]){ "", "anything <f=", "\xff", NULL, NULL });
    check("{\"type\":\"any_text\",\"excludes\":[\"no\",\"never\"]}", (const char *[]){ "", "nn", "neve", NULL, "a no", "nenever", NULL });
    check("{\"type\":\"or\",\"elements\":[{\"type\":\"const_string\",\"value\":\"a\"},{\"type\":\"json_schema\","
          "\"json_schema\":{\"const\":[1]}}]}", (const char *[]){ "a", "[1]", NULL, "", "[2]", NULL });
    check("{\"type\":\"sequence\",\"elements\":[{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"integer\"}},"
          "{\"type\":\"optional\",\"content\":{\"type\":\"const_string\",\"value\":\"%\"}},{\"type\":\"json_schema\","
          "\"json_schema\":{\"type\":\"integer\"}}]}", (const char *[]){ "12", "1%2", "123", NULL, "1", "1%", "%1", NULL });
    check("{\"type\":\"repeat\",\"min\":1,\"max\":2,\"content\":{\"type\":\"const_string\",\"value\":\"ab\"}}",
          (const char *[]){ "ab", "abab", NULL, "", "ababab", NULL });
    check("{\"type\":\"plus\",\"content\":{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"object\",\"maxProperties\":0}}}",
          (const char *[]){ "{}", "{}{}{}", NULL, "", "{}{", NULL });
}

static void tags_end_where_their_end_stands(void **state)
{
    check("{\"type\":\"tag\",\"begin\":\"<\",\"content\":{\"type\":\"any_text\"},\"end\":\">>\"}",
          (const char *[]){ "<>>", "<a > b>>", NULL, "<a>>b>>", "<", "<a>", "a>>", NULL });
    check("{\"type\":\"tag\",\"begin\":\"<\",\"content\":{\"type\":\"any_text\",\"excludes\":[\"x\"]},\"end\":[\"]\",\"}\"]}",
          (const char *[]){ "<a]", "<b}", NULL, "<ax]", "<a]]", NULL });
    check("{\"type\":\"tag\",\"begin\":\"<\",\"content\":{\"type\":\"or\",\"elements\":[{\"type\":\"any_text\"},"
          "{\"type\":\"const_string\",\"value\":\"a>b\"}]},\"end\":\">\"}",
          (const char *[]){ "<x>", "<a>", "<a>b>", NULL, "<x>b>", NULL });
    check("{\"type\":\"tag\",\"begin\":\"=\",\"content\":{\"type\":\"json_schema\",\"json_schema\":true},\"end\":\"\"}",
          (const char *[]){ "=1", "=[\"a\"]", NULL, "=", NULL });
    check("{\"type\":\"sequence\",\"elements\":[{\"type\":\"tag\",\"begin\":\"<t>\",\"content\":{\"type\":\"any_text\"},\"end\":"
          "\"</t>\"}," TRIGGERED(",\"at_least_one\":true") "]}",
          (const char *[]){ "<t>a<f=q</t><f=a>1</f> ok", NULL, "<t>a</t>", "<t>a</t>x<f=a>1</f>", "<f=a>1</f>", NULL });
}

static void triggered_tags_are_constrained_and_the_rest_is_free(void **state)
{
    check(TRIGGERED(""), (const char *[]){ "", "free <f", "<f=a>12</f>", "x<f=b>y</f>z<f=a>0</f>", NULL,
                                           "<f=", "<f=c>", "<f=a>x</f>", "<f=a>1", "<f=b>y</f><f=a></f>", NULL });
    check(TRIGGERED(",\"stop_after_first\":true"), (const char *[]){ "", "x", "x<f=a>1</f>", NULL, "<f=a>1</f>x", NULL });
    check(TRIGGERED(",\"at_least_one\":true"), (const char *[]){ "<f=a>1</f>", "<f=a>1</f>x<f=b>x</f>", NULL, "", "x<f=a>1</f>", NULL });
    check(TRIGGERED(",\"at_least_one\":true,\"stop_after_first\":true"),
          (const char *[]){ "<f=b>x</f>", NULL, "", "<f=b>x</f>x", "<f=a>1</f><f=a>1</f>", NULL });
    check(TRIGGERED(",\"at_least_one\":true,\"preamble\":true"),
          (const char *[]){ "hm <f=b>x</f> so", "<f=a>1</f>", NULL, "", "hm", NULL });
    check(TRIGGERED(",\"excludes\":[\"no\"]"), (const char *[]){ "n<f=b>x</f>o", NULL, "no", "<f=a>1</f>no", NULL });
    check("{\"type\":\"tag\",\"begin\":\"[\",\"content\":" TRIGGERED("") ",\"end\":\"]\"}",
          (const char *[]){ "[]", "[free]", "[x<f=a>1</f>]", "[<f=a>1</f>x]", NULL, "[", "[]]", "[<f=a>]", NULL });
    check("{\"type\":\"tag\",\"begin\":\"[\",\"content\":" TRIGGERED(",\"stop_after_first\":true") ",\"end\":\"]\"}",
          (const char *[]){ "[]", "[x]", "[x<f=a>1</f>]", NULL, "[<f=a>1</f>x]", NULL });
    check("{\"type\":\"tag\",\"begin\":\"[\",\"content\":" TRIGGERED(",\"at_least_one\":true,\"stop_after_first\":true")
          ",\"end\":\"]\"}", (const char *[]){ "[<f=a>1</f>]", NULL, "[]", "[x]", NULL });
    check("{\"type\":\"tags_with_separator\",\"separator\":\", \",\"tags\":" TAGS "}",
          (const char *[]){ "", "<f=a>1</f>", "<f=a>1</f>, <f=b>x</f>", NULL, ", ", "<f=a>1</f>,", "x", NULL });
    check("{\"type\":\"tags_with_separator\",\"separator\":\"\",\"at_least_one\":true,\"tags\":" TAGS "}",
          (const char *[]){ "<f=a>1</f><f=b>x</f>", NULL, "", NULL });
}

static void overlapping_triggers_are_found_where_they_first_end(void **state)
{
    check("{\"type\":\"triggered_tags\",\"triggers\":[\"aab\",\"ac\"],\"tags\":[{\"type\":\"tag\",\"begin\":\"aab1\",\"content\":"
          "{\"type\":\"const_string\",\"value\":\"\"},\"end\":\".\"},{\"type\":\"tag\",\"begin\":\"ac2\",\"content\":"
          "{\"type\":\"const_string\",\"value\":\"\"},\"end\":\".\"}]}",
          (const char *[]){ "aaaaab1.", "aaac2.aaab1.", "aa", "a.a", NULL, "aaab2.", "aacb", NULL });
}

static void schemas_of_one_source_keep_their_references_apart(void **state)
{
    mn_constraint *c = compile(NULL, MN_CONSTRAINT_STRUCTURAL_TAG,
        "{\"structures\":[{\"begin\":\"<a>\",\"schema\":{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"type\":\"integer\"}}},\"end\":\"!\"},"
        "{\"begin\":\"<b>\",\"schema\":{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"type\":\"string\"}}},\"end\":\"!\"}],"
        "\"triggers\":[\"<\"]}", NULL);
    assert_true(accepts(c, "x <a>1! <b>\"s\"! y"));
    assert_false(accepts(c, "<a>\"s\"!"));
    assert_false(accepts(c, "<b>1!"));
    assert_false(accepts(c, "a < b"));
    mn_constraint_release(c);
}

static void lazy_constraints_begin_at_a_trigger(void **state)
{
    const char *triggers[] = { "JSON: ", "{\"a\"" };
    mn_constraint_options o = { .triggers = triggers, .n_triggers = 1 };
    const char *schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"additionalProperties\":false}";
    mn_constraint *c = compile(NULL, MN_CONSTRAINT_JSON_SCHEMA, schema, &o);
    assert_true(accepts(c, ""));
    assert_true(accepts(c, "no trigger {"));
    assert_true(accepts(c, "so JSON: {\"a\": 1}"));
    assert_false(accepts(c, "so JSON: "));
    assert_false(accepts(c, "so JSON: {\"a\": 1} and"));
    mn_constraint_release(c);
    o.trigger_required = true;
    c = compile(NULL, MN_CONSTRAINT_JSON_SCHEMA, schema, &o);
    assert_false(accepts(c, "no trigger"));
    assert_true(accepts(c, "JSON: {}"));
    mn_constraint_release(c);
    o = (mn_constraint_options){ .triggers = triggers + 1, .n_triggers = 1, .keep_trigger = true };
    c = compile(NULL, MN_CONSTRAINT_JSON_SCHEMA, schema, &o);
    assert_true(accepts(c, "well {\"a\": 12}"));
    assert_true(accepts(c, "well {\"b\""));
    assert_false(accepts(c, "well {\"a\": x"));
    mn_constraint_release(c);
    for (int kind = 0; kind < 3; kind++) {
        static const mn_constraint_kind kinds[] = { MN_CONSTRAINT_REGEX, MN_CONSTRAINT_CHOICE, MN_CONSTRAINT_GBNF };
        static const char *const sources[] = { "b*c?", "[\"bb\", \"bc\", \"\"]", "root ::= \"b\" root | \"c\"?" };
        o = (mn_constraint_options){ .triggers = triggers, .n_triggers = 1 };
        c = compile(NULL, kinds[kind], sources[kind], &o);
        assert_true(accepts(c, "abc"));
        assert_true(accepts(c, "JSON: bc"));
        assert_true(accepts(c, "JSON: "));
        assert_false(accepts(c, "JSON: x"));
        mn_constraint_release(c);
    }
}

static void check_refused(const char *source, const mn_constraint_options *o, minerva_status status, const char *part)
{
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    minerva_status st = mn_constraint_compile(&c, NULL, MN_CONSTRAINT_STRUCTURAL_TAG, source, strlen(source), o, &err);
    if (st != status || !strstr(err.message, part))
        fail_msg("%.100s: status %d and \"%s\" expected, %d and \"%s\" found", source, status, part, st, err.message);
}

static void what_is_not_known_is_refused_with_its_path(void **state)
{
    check_refused("[]", NULL, MINERVA_INVALID, "\"#\": an object expected");
    check_refused("{\"type\":\"x\",\"format\":{}}", NULL, MINERVA_INVALID, "\"#/type\": \"structural_tag\" expected");
    check_refused("{\"format\":{\"type\":\"token\",\"token\":1}}", NULL, MINERVA_UNSUPPORTED, "#/format\": a format of this");
    check_refused("{\"format\":{\"type\":\"any_text\",\"x\":1}}", NULL, MINERVA_UNSUPPORTED, "#/format\": \"x\" is not known");
    check_refused("{\"format\":" "{\"type\":\"triggered_tags\",\"triggers\":[],\"tags\":" TAGS "}}", NULL, MINERVA_INVALID, "triggers");
    check_refused("{\"format\":{\"type\":\"triggered_tags\",\"triggers\":[\"<g\"],\"tags\":" TAGS "}}", NULL, MINERVA_INVALID,
                  "#/format/tags/0\": \"begin\" starts with none");
    check_refused("{\"format\":{\"type\":\"sequence\",\"elements\":[" TRIGGERED("") ",{\"type\":\"any_text\"}]}}", NULL,
                  MINERVA_UNSUPPORTED, "#/format/elements/0\": triggered tags must stand last");
    check_refused("{\"format\":{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"integer\",\"minimum\":\"1\"}}}", NULL,
                  MINERVA_INVALID, "minimum");
    check_refused("{\"format\":{\"type\":\"json_schema\",\"json_schema\":false}}", NULL, MINERVA_INVALID, "no value satisfies");
    const char *triggers[] = { "x" };
    mn_constraint_options o = { .triggers = triggers, .n_triggers = 1 };
    check_refused("{\"format\":{\"type\":\"any_text\"}}", &o, MINERVA_UNSUPPORTED, "triggers of their own");
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    o.keep_trigger = true;
    assert_int_equal(mn_constraint_compile(&c, NULL, MN_CONSTRAINT_JSON_OBJECT, NULL, 0, &o, &err), MINERVA_INVALID);
    assert_non_null(strstr(err.message, "cannot begin with it"));
}

static const char tools[] =
    "{\"type\":\"structural_tag\",\"format\":{\"type\":\"sequence\",\"elements\":[{\"type\":\"optional\",\"content\":{\"type\":\"tag\","
    "\"begin\":\"<think>\",\"content\":{\"type\":\"any_text\"},\"end\":\"</think>\"}},{\"type\":\"triggered_tags\",\"triggers\":"
    "[\"<tool_call>\",\"<function=\"],\"tags\":[{\"type\":\"tag\",\"begin\":\"<tool_call>\\n{\\\"name\\\": \\\"get\\\", \\\"arguments\\\": \","
    "\"content\":{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":"
    "{\"type\":\"integer\",\"maximum\":14}},\"required\":[\"city\"]}},\"end\":\"}\\n</tool_call>\"},{\"type\":\"tag\",\"begin\":"
    "\"<function=f>\",\"content\":{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},"
    "\"additionalProperties\":false}},\"end\":\"</function>\"}]}]}}";

static void special_tokens_count_as_their_text_in_markers_and_free_text_only(void **state)
{
    test_vocab v;
    test_vocab_make(&v, corpus, sizeof corpus - 1, 200, 6, specials, 3);
    int32_t call = v.n - 2 - 5;
    assert_string_equal(v.owned[call], "<tool_call>");
    mn_constraint *c = compile(v.trie, MN_CONSTRAINT_STRUCTURAL_TAG, tools, NULL);
    mn_matcher *m;
    assert_ok(mn_matcher_create(&m, c, err));
    assert_true(mn_matcher_is_free(m) || mn_matcher_is_accepting(m));
    assert_ok(mn_matcher_accept_bytes(m, "Well, ", 6, NULL, err));
    assert_true(mn_matcher_is_free(m));
    assert_ok(mn_matcher_accept(m, call, err));
    assert_false(mn_matcher_is_free(m));
    assert_false(mn_matcher_is_accepting(m));
    const char *rest = "\n{\"name\": \"get\", \"arguments\": {\"city\": \"";
    assert_ok(mn_matcher_accept_bytes(m, rest, strlen(rest), NULL, err));
    assert_int_equal(mn_matcher_accept(m, call, NULL), MINERVA_INVALID);
    assert_ok(mn_matcher_accept_bytes(m, "P\"}}\n", 5, NULL, err));
    assert_int_equal(mn_matcher_accept(m, call, NULL), MINERVA_INVALID);
    assert_ok(mn_matcher_accept(m, call + 1, err));
    assert_true(mn_matcher_is_free(m));
    assert_ok(mn_matcher_accept(m, call + 4, err));     /* <|start|> */
    assert_true(mn_matcher_is_free(m));
    mn_matcher_free(m);
    mn_constraint_release(c);
    /* Under a grammar of one's own they never count. */
    c = compile(v.trie, MN_CONSTRAINT_GBNF, "root ::= \"<tool_call>\" root | .", NULL);
    assert_ok(mn_matcher_create(&m, c, err));
    assert_int_equal(mn_matcher_accept(m, call, NULL), MINERVA_INVALID);
    mn_matcher_free(m);
    mn_constraint_release(c);
    test_vocab_clear(&v);
}

static void masks_agree_with_trying_every_token(void **state)
{
    test_vocab v;
    test_vocab_make(&v, corpus, sizeof corpus - 1, 400, 7, specials, 11);
    const char *triggers[] = { "<function=f>", "call" };
    const mn_constraint_options plain = { .draft = 0 }, lazy = { .triggers = triggers, .n_triggers = 2 };
    const struct { mn_constraint_kind kind; const char *source; const mn_constraint_options *o; } cases[] = {
        { MN_CONSTRAINT_STRUCTURAL_TAG, tools, &plain },
        { MN_CONSTRAINT_JSON_SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}", &lazy },
        { MN_CONSTRAINT_GBNF, "root ::= \" \" (\"<\" root \">\" | [a-z ]+)", &lazy },
        { MN_CONSTRAINT_STRUCTURAL_TAG, "{\"format\":" TRIGGERED(",\"excludes\":[\"call\"]") "}", &plain },
        { MN_CONSTRAINT_STRUCTURAL_TAG, "{\"format\":{\"type\":\"star\",\"content\":{\"type\":\"or\",\"elements\":[{\"type\":"
          "\"json_schema\",\"json_schema\":{}},{\"type\":\"const_string\",\"value\":\" \"}]}}}", &plain },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mn_constraint *c = compile(v.trie, cases[k].kind, cases[k].source, cases[k].o);
        mn_matcher *m;
        assert_ok(mn_matcher_create(&m, c, err));
        for (int step = 0; step < 250; step++) {
            const uint32_t *mask;
            if (!test_mask_oracle(&v, m, cases[k].source)) fail_msg("%s: a dead end", cases[k].source);
            assert_ok(mn_matcher_mask(m, &mask, err));
            int32_t t = test_mask_choose(&v, mask);
            assert_ok(mn_matcher_accept(m, t, err));
            if (t == v.eog) mn_matcher_reset(m);
            /* From free text soon on to what is constrained. */
            if (mn_matcher_is_free(m) && step % 8 == 0) {
                const char *jump = k == 0 ? "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"" : k == 3 ? "<f=a>" : "<function=f>";
                mn_matcher_accept_bytes(m, jump, strlen(jump), NULL, NULL);
            }
        }
        mn_matcher_free(m);
        mn_constraint_release(c);
    }
    test_vocab_clear(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simple_formats_match_what_they_say),
        cmocka_unit_test(tags_end_where_their_end_stands),
        cmocka_unit_test(triggered_tags_are_constrained_and_the_rest_is_free),
        cmocka_unit_test(overlapping_triggers_are_found_where_they_first_end),
        cmocka_unit_test(schemas_of_one_source_keep_their_references_apart),
        cmocka_unit_test(lazy_constraints_begin_at_a_trigger),
        cmocka_unit_test(what_is_not_known_is_refused_with_its_path),
        cmocka_unit_test(special_tokens_count_as_their_text_in_markers_and_free_text_only),
        cmocka_unit_test(masks_agree_with_trying_every_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
