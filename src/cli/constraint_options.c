/* --schema, --json, --regex, --grammar, --choice: what an answer may say. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void cli_add_constraint_options(cli_option *out, cli_constraint *v)
{
    const cli_option options[CLI_N_CONSTRAINT_OPTIONS] = {
        { "--schema", NULL, CLI_STRING, &v->schema, "FILE", "answer in JSON that obeys this schema", 0 },
        { "--json", NULL, CLI_FLAG, &v->json, NULL, "answer with any JSON object", 0 },
        { "--regex", NULL, CLI_STRING, &v->regex, "PATTERN", "the whole answer matches this", 0 },
        { "--grammar", NULL, CLI_STRING, &v->grammar, "FILE", "obey a grammar: .gbnf, .lark or .ebnf", 0 },
        { "--choice", NULL, CLI_STRING, &v->choice, "A|B|C", "answer with one of these", 0 },
    };
    memcpy(out, options, sizeof options);
}

/* "a|b" -> ["a","b"] */
static char *choices_as_json(const char *list)
{
    json_t *all = json_array();
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, "|");
        json_array_append_new(all, json_stringn(p, n));
        p += n;
        if (!*p) break;
    }
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

static minerva_constraint_kind grammar_kind(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".lark")) return MINERVA_LARK;
    if (dot && !strcmp(dot, ".ebnf")) return MINERVA_EBNF;
    return MINERVA_GBNF;
}

int cli_settle_constraint(cli_constraint *v)
{
    minerva_constraint *c = &v->constraint;
    int n = (v->schema != NULL) + v->json + (v->regex != NULL) + (v->grammar != NULL)
            + (v->choice != NULL);
    if (n > 1) return cli_usage("at most one of --schema, --json, --regex, --grammar and --choice "
                                "expected, %d found", n);
    if (n == 0) return -1;
    size_t len = 0;
    if (v->schema || v->grammar) {
        v->source = cli_read(v->schema ? v->schema : v->grammar, &len);
        if (!v->source) return CLI_FAILED;
        c->kind = v->schema ? MINERVA_JSON_SCHEMA : grammar_kind(v->grammar);
    } else if (v->json) {
        c->kind = MINERVA_JSON_OBJECT;
    } else {
        v->source = v->regex ? strdup(v->regex) : choices_as_json(v->choice);
        if (!v->source) return cli_fail_with("--choice: UTF-8 text expected");
        len = strlen(v->source);
        c->kind = v->regex ? MINERVA_REGEX : MINERVA_CHOICE;
    }
    c->source = v->source;
    c->len = len;
    minerva_error err = { 0 };
    return minerva_constraint_check(c, &err) == MINERVA_OK ? -1 : cli_fail(&err);
}
