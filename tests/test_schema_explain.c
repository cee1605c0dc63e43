/* What is said to become of each keyword; the library decides it where it compiles. */
#include "base/buffer.h"
#include "minerva.h"
#include "tests/check.h"

#include <string.h>

static void add_line(void *ctx, const minerva_schema_line *l)
{
    mn_buffer_append_fmt(ctx, "%s %s %s\n", l->fate, l->path, l->keyword);
}

static minerva_status explain(const char *schema, mn_buffer *lines, minerva_schema_summary *sum,
                              minerva_error *why)
{
    const minerva_constraint c = { .kind = MINERVA_JSON_SCHEMA, .source = schema,
                                   .len = strlen(schema) };
    *lines = (mn_buffer){ 0 };
    *sum = (minerva_schema_summary){ 0 };
    *why = (minerva_error){ 0 };
    return minerva_schema_explain(&c, add_line, lines, sum, why);
}

static void expect(const char *schema, minerva_status status, const char *lines)
{
    mn_buffer found;
    minerva_schema_summary sum;
    minerva_error why, same = { 0 };
    const minerva_constraint c = { .kind = MINERVA_JSON_SCHEMA, .source = schema,
                                   .len = strlen(schema) };
    assert_int_equal(explain(schema, &found, &sum, &why), status);
    assert_string_equal(found.data, lines);
    /* The verdict is the compiler's, word for word. */
    assert_int_equal(minerva_constraint_check(&c, &same), status);
    assert_string_equal(why.message, same.message);
    mn_buffer_clear(&found);
}

static void every_keyword_has_a_fate_in_the_order_of_the_text(void **state)
{
    expect("{\"type\":\"object\",\"title\":\"t\",\"properties\":{\"a\":{\"minimum\":1,\"x\":2}}}",
           MINERVA_OK,
           "enforced  type\nannotation  title\nenforced  properties\n"
           "enforced /properties/a minimum\nannotation /properties/a x\n");
}

static void what_says_nothing_is_an_annotation(void **state)
{
    expect("{\"then\":{},\"minContains\":2,\"format\":\"unheard-of\",\"$defs\":{\"a\":{\"type\":\"null\"}}}",
           MINERVA_OK,
           "annotation  then\nannotation  minContains\nannotation  format\nenforced  $defs\n"
           "annotation /$defs/a type\n");
    expect("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/a\","
           "\"type\":\"null\",\"definitions\":{\"a\":{\"dependentRequired\":{},\"type\":\"string\"}}}",
           MINERVA_OK,
           "enforced  $schema\nenforced  $ref\nannotation  type\nenforced  definitions\n"
           "annotation /definitions/a dependentRequired\nenforced /definitions/a type\n");
}

static void all_that_is_refused_is_found_not_the_first_alone(void **state)
{
    expect("{\"$defs\":{\"unused\":{\"type\":\"null\"}},\"properties\":{\"a/b\":{\"pattern\":\"(?<=x)\"},"
           "\"c\":{\"not\":{\"uniqueItems\":true}},\"d\":{\"type\":\"string\"}}}",
           MINERVA_UNSUPPORTED,
           "enforced  $defs\nenforced  properties\nannotation /$defs/unused type\n"
           "refused /properties/a~1b pattern\nrefused /properties/c not\n"
           "enforced /properties/c/not uniqueItems\nenforced /properties/d type\n");
}

static void a_schema_without_values_is_called_empty(void **state)
{
    mn_buffer lines;
    minerva_schema_summary sum;
    minerva_error why;
    assert_int_equal(explain("{\"enum\":[1,2],\"minimum\":3}", &lines, &sum, &why), MINERVA_OK);
    assert_true(sum.empty);
    assert_int_equal(sum.n_enforced, 2);
    mn_buffer_clear(&lines);
    assert_int_equal(explain("{\"enum\":[1,3],\"minimum\":3}", &lines, &sum, &why), MINERVA_OK);
    assert_false(sum.empty);
    assert_int_equal(sum.draft, 2020);
    mn_buffer_clear(&lines);
}

static void a_text_that_is_no_schema_has_no_lines(void **state)
{
    mn_buffer lines;
    minerva_schema_summary sum;
    minerva_error why;
    assert_int_not_equal(explain("{\"type\":", &lines, &sum, &why), MINERVA_OK);
    assert_int_equal(lines.len, 0);
    assert_int_equal(sum.draft, 0);
    assert_true(strlen(why.message) > 0);
    minerva_constraint c = { .kind = MINERVA_REGEX, .source = "a", .len = 1 };
    assert_int_equal(minerva_schema_explain(&c, add_line, &lines, &sum, &why), MINERVA_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_keyword_has_a_fate_in_the_order_of_the_text),
        cmocka_unit_test(what_says_nothing_is_an_annotation),
        cmocka_unit_test(all_that_is_refused_is_found_not_the_first_alone),
        cmocka_unit_test(a_schema_without_values_is_called_empty),
        cmocka_unit_test(a_text_that_is_no_schema_has_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
