/* The tables of docs/structured-output.md are those of the code. */
#include "base/buffer.h"
#include "constrain/constraint.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_page(void)
{
    FILE *f = fopen("docs/structured-output.md", "r");
    assert_non_null(f);
    char *text = calloc(1, 200000);
    assert_true(fread(text, 1, 199999, f) > 0);
    fclose(f);
    return text;
}

static void every_keyword_stands_in_the_documentation_as_the_code_has_it(void **state)
{
    mn_buffer table = { 0 };
    mn_buffer_append_fmt(&table, "| keyword | drafts | what becomes of it |\n|---|---|---|\n");
    for (const mn_keyword_info *k = mn_constraint_keywords(); k->name; k++)
        mn_buffer_append_fmt(&table, "| `%s` | %s | %s%s%s |\n", k->name, k->drafts, k->status,
                             *k->note ? ": " : "", k->note);
    char *page = read_page();
    if (!strstr(page, table.data)) {
        puts(table.data);
        fail_msg("docs/structured-output.md: the table above expected");
    }
    free(page);
    mn_buffer_clear(&table);
}

static void every_asserted_format_is_named_there(void **state)
{
    mn_buffer list = { 0 };
    for (const char *const *f = mn_constraint_formats(); *f; f++)
        mn_buffer_append_fmt(&list, "%s`%s`", list.len ? ", " : "", *f);
    char *page = read_page();
    if (!strstr(page, list.data)) fail_msg("docs/structured-output.md: expected this list:\n%s", list.data);
    free(page);
    mn_buffer_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_keyword_stands_in_the_documentation_as_the_code_has_it),
        cmocka_unit_test(every_asserted_format_is_named_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
