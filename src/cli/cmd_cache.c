/* minerva cache: what the server keeps of prompts on disk. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_row(const json_t *row)
{
    char size[32], when[32] = "-";
    const char *name = json_string_value(json_object_get(row, "model"));
    time_t used = (time_t)json_integer_value(json_object_get(row, "last_used"));
    struct tm t;
    if (used && localtime_r(&used, &t)) strftime(when, sizeof when, "%Y-%m-%d %H:%M", &t);
    printf("%-40s %10lld %10s  %-16s  %s%s\n", name && *name ? name : "?",
           (long long)json_integer_value(json_object_get(row, "tokens")),
           cli_size((double)json_integer_value(json_object_get(row, "bytes")), size), when,
           json_string_value(json_object_get(row, "id")),
           json_is_true(json_object_get(row, "in_use")) ? "  in use" : "");
}

static int list(const char *dir, bool as_json)
{
    char *json;
    minerva_error err = { 0 };
    if (minerva_cache_list(dir, &json, &err) != MINERVA_OK) return cli_fail(&err);
    json_t *rows = json_loads(json, 0, NULL);
    if (as_json) {
        puts(json);
    } else if (json_array_size(rows) == 0) {
        fprintf(stderr, "nothing is cached in %s\n", dir);
    } else {
        printf("%-40s %10s %10s  %-16s  %s\n", "model", "tokens", "size", "last used", "id");
        for (size_t i = 0; i < json_array_size(rows); i++) print_row(json_array_get(rows, i));
    }
    json_decref(rows);
    minerva_free(json);
    return CLI_OK;
}

static int clear(const char *dir, const char *model)
{
    size_t bytes = 0;
    char size[32];
    minerva_error err = { 0 };
    if (minerva_cache_clear(dir, model, &bytes, &err) != MINERVA_OK) return cli_fail(&err);
    fprintf(stderr, "%s removed\n", cli_size((double)bytes, size));
    return CLI_OK;
}

int cli_cache(int argc, char **argv)
{
    bool as_json = false, all = false;
    const char *dir = NULL;
    cli_option options[] = {
        { "--json", NULL, CLI_FLAG, &as_json, NULL, "the list as JSON", 0 },
        { "--all", NULL, CLI_FLAG, &all, NULL, "clear: of every model", 0 },
        { "--dir", NULL, CLI_STRING, &dir, "DIR", "another place than $MINERVA_HOME/cache", 0 },
        { NULL, NULL, CLI_FLAG, NULL, NULL, NULL, 0 },
    };
    cli_command c = {
        .verb = "cache", .usage = "cache [list | clear MODEL | clear --all] [options]",
        .about = "Prompts that the server has read are kept on disk, so that it need not read them\n"
                 "again after a restart.  Lists them by model, or removes them; MODEL is a name or\n"
                 "an id of the list.",
        .options = options, .max_args = 2,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (!dir) dir = cli_cache_dir();
    const char *what = c.n_args ? c.args[0] : "list";
    if (!strcmp(what, "list") && c.n_args < 2) return list(dir, as_json);
    if (strcmp(what, "clear"))
        return cli_usage("cache: \"list\" or \"clear\" expected, \"%s\" found", what);
    if (all == (c.n_args == 2)) return cli_usage("cache clear: a model or --all expected");
    return clear(dir, c.n_args == 2 ? c.args[1] : NULL);
}
