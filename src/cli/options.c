/* Option parsing from tables: --name value, --name=value, -n value, -n5 for numbers, "--"
 * ends options.  The same tables print --help, so that help cannot go stale. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const cli_command *c)
{
    printf("usage: minerva %s\n\n%s\n", c->usage, c->about);
    if (c->options && c->options->name) printf("\noptions:\n");
    for (const cli_option *o = c->options; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s%s", o->alias ? o->alias : "",
                 o->alias ? ", " : "", o->name, o->metavar ? " " : "",
                 o->metavar ? o->metavar : "");
        printf("  %-26s %s\n", left, o->help);
    }
}

bool cli_set_option(const cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = !strcmp(text, "true") || !strcmp(text, "1");
        return *(bool *)o->value || !strcmp(text, "false") || !strcmp(text, "0");
    case CLI_INT: {
        long v = strtol(text, &end, 10);
        if (errno || end == text || *end || v < INT32_MIN || v > INT32_MAX) return false;
        *(int32_t *)o->value = (int32_t)v;
        return true;
    }
    case CLI_UINT64: {
        unsigned long long v = strtoull(text, &end, 10);
        if (errno || end == text || *end || *text == '-') return false;
        *(uint64_t *)o->value = v;
        return true;
    }
    case CLI_FLOAT: {
        float v = strtof(text, &end);
        if (end == text || *end || v != v) return false;
        *(float *)o->value = v;
        return true;
    }
    case CLI_STRING:
        *(const char **)o->value = text;
        return true;
    case CLI_STRINGS: {
        cli_list *l = o->value;
        if (l->n == sizeof l->items / sizeof *l->items) return false;
        l->items[l->n++] = text;
        return true;
    }
    }
    return false;
}

/* Does `arg` name option `o`?  *value: the text after "=" (or after a short alias). */
static bool names(const cli_option *o, const char *arg, const char **value)
{
    size_t n = strlen(o->name);
    *value = NULL;
    if (!strncmp(arg, o->name, n) && (arg[n] == 0 || arg[n] == '=')) {
        if (arg[n] == '=') *value = arg + n + 1;
        return true;
    }
    if (!o->alias) return false;
    if (!strcmp(arg, o->alias)) return true;
    if (!strncmp(arg, o->alias, 2) && (o->kind == CLI_INT || o->kind == CLI_FLOAT)
        && ((arg[2] >= '0' && arg[2] <= '9') || arg[2] == '.')) {
        *value = arg + 2;
        return true;
    }
    return false;
}

/* One option at argv[*i]; *i moves to its last word. */
static int parse_option(const cli_command *c, int argc, char **argv, int *i)
{
    static const char *const kinds[] = {
        "", "a whole number", "a whole number of 0 or more", "a number", "text", "fewer values"
    };
    const char *arg = argv[*i], *value;
    for (const cli_option *o = c->options; o && o->name; o++) {
        if (!names(o, arg, &value)) continue;
        if (o->kind == CLI_FLAG && value) return cli_usage("%s takes no value", o->name);
        if (o->kind != CLI_FLAG && !value) {
            if (*i + 1 >= argc) return cli_usage("%s: %s expected after it", o->name, o->metavar);
            value = argv[++*i];
        }
        if (!cli_set_option(o, o->kind == CLI_FLAG ? "true" : value))
            return cli_usage("%s: %s expected, \"%s\" found", o->name, kinds[o->kind], value);
        if (o->given) *o->given = true;
        return -1;
    }
    return cli_usage("%s: no such option; \"minerva %s --help\" lists them", arg, c->verb);
}

int cli_parse(cli_command *c, int argc, char **argv)
{
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (!only_args && !strcmp(arg, "--")) {
            only_args = true;
            continue;
        }
        if (!only_args && (!strcmp(arg, "--help") || !strcmp(arg, "-h"))) {
            print_help(c);
            return CLI_OK;
        }
        if (!only_args && arg[0] == '-' && arg[1]) {
            int end = parse_option(c, argc, argv, &i);
            if (end >= 0) return end;
            continue;
        }
        if (c->n_args == c->max_args)
            return cli_usage("%s: at most %d arguments expected, \"%s\" is one more", c->verb,
                             c->max_args, arg);
        c->args[c->n_args++] = arg;
    }
    if (c->n_args < c->min_args) return cli_usage("usage: minerva %s", c->usage);
    return -1;
}
