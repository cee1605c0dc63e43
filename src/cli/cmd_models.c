/* minerva list, rm, alias and config: the models that are here. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* ---- list -------------------------------------------------------------------------- */

static const char *when(const json_t *last_used, char out[32])
{
    double s = difftime(time(NULL), (time_t)json_integer_value(last_used));
    if (!json_is_integer(last_used)) snprintf(out, 32, "-");
    else if (s < 3600) snprintf(out, 32, "%.0f min ago", s / 60);
    else if (s < 86400) snprintf(out, 32, "%.0f h ago", s / 3600);
    else snprintf(out, 32, "%.0f days ago", s / 86400);
    return out;
}

static void print_list(const json_t *list)
{
    char size[32], used[32];
    const json_t *m, *alias;
    size_t i, k;
    if (json_array_size(list))
        printf("%-52s %-12s %8s  %-11s %s\n", "NAME", "TYPE", "SIZE", "PLACE", "LAST USE");
    json_array_foreach(list, i, m) {
        printf("%-52s %-12s %8s  %-11s %s", text_of(m, "name"), *text_of(m, "label")
               ? text_of(m, "label") : text_of(m, "format"), cli_size(number_of(m, "size_bytes"),
               size), text_of(m, "place"), when(json_object_get(m, "last_used"), used));
        if (json_is_true(json_object_get(m, "pinned"))) printf("  pinned");
        json_array_foreach(json_object_get(m, "aliases"), k, alias) {
            printf("%s%s", k ? ", " : "  also ", json_string_value(alias));
        }
        putchar('\n');
    }
}

int cli_list_models(int argc, char **argv)
{
    bool json = false;
    cli_list folders = { .n = 0 };
    const cli_option options[] = {
        { "--json", NULL, CLI_FLAG, &json, NULL, "print everything as JSON", 0 },
        { "--models", NULL, CLI_STRINGS, &folders, "DIR", "a further folder of models", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "list", .usage = "list [--models DIR] [--json]",
        .about = "The models on this machine: in $MINERVA_HOME/models, the bundled one, and what\n"
                 "HuggingFace's cache, LM Studio, Ollama and llama.cpp hold, used in place.",
        .options = options,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(&folders, &err);
    char *text;
    if (!hub) return cli_fail(&err);
    minerva_status st = minerva_hub_list(hub, &text, &err);
    minerva_hub_free(hub);
    if (st != MINERVA_OK) return cli_fail(&err);
    json_t *list = json_loads(text, 0, NULL);
    if (json) puts(text);
    else print_list(list);
    if (!json && !json_array_size(list)) fprintf(stderr, "no models in %s/models\n", cli_home());
    json_decref(list);
    minerva_free(text);
    return CLI_OK;
}

/* ---- rm and alias ------------------------------------------------------------------ */

int cli_rm(int argc, char **argv)
{
    const cli_option options[] = { { 0 } };
    cli_command c = {
        .verb = "rm", .usage = "rm MODEL...",
        .about = "Removes models from $MINERVA_HOME/models.  What other programs hold is theirs.",
        .options = options, .min_args = 1, .max_args = 64,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    char size[32];
    if (!hub) return cli_fail(&err);
    code = CLI_OK;
    for (int i = 0; i < c.n_args; i++) {
        int64_t freed = 0;
        err = (minerva_error){ 0 };
        if (minerva_hub_remove(hub, c.args[i], &freed, &err) != MINERVA_OK) code = cli_fail(&err);
        else printf("%s: removed, %s freed\n", c.args[i], cli_size((double)freed, size));
    }
    minerva_hub_free(hub);
    return code;
}

int cli_alias(int argc, char **argv)
{
    bool remove = false, pin = false, unpin = false;
    const cli_option options[] = {
        { "--remove", NULL, CLI_FLAG, &remove, NULL, "forget the alias NAME", 0 },
        { "--pin", NULL, CLI_FLAG, &pin, NULL, "NAME is a model: it cannot be removed", 0 },
        { "--unpin", NULL, CLI_FLAG, &unpin, NULL, "NAME is a model: it can be removed again", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "alias", .usage = "alias NAME MODEL | alias --remove NAME | alias --pin|--unpin MODEL",
        .about = "Gives a model a further name that every verb takes, or pins it.",
        .options = options, .min_args = 1, .max_args = 2,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    bool one = remove || pin || unpin;
    if (remove + pin + unpin > 1 || c.n_args != (one ? 1 : 2))
        return cli_usage("usage: minerva %s", c.usage);
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    if (!hub) return cli_fail(&err);
    minerva_status st = pin || unpin ? minerva_hub_pin(hub, c.args[0], pin, &err)
                        : minerva_hub_alias(hub, c.args[0], remove ? NULL : c.args[1], &err);
    minerva_hub_free(hub);
    return st == MINERVA_OK ? CLI_OK : cli_fail(&err);
}

/* ---- config ------------------------------------------------------------------------ */

int cli_config(int argc, char **argv)
{
    const cli_option options[] = { { 0 } };
    cli_command c = {
        .verb = "config", .usage = "config MODEL [KEY=VALUE...]",
        .about = "How a model is run unless a command says otherwise: backend=NAME, context=N,\n"
                 "kv=f16|f32|q8_0, threads=N; KEY= forgets a choice.  Kept in\n"
                 "$MINERVA_HOME/config.json.  Without KEY=VALUE: the choices, as JSON.",
        .options = options, .min_args = 1, .max_args = 32,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    for (int i = 1; i < c.n_args; i++)
        if (!strchr(c.args[i], '=')) return cli_usage("KEY=VALUE expected, \"%s\" found", c.args[i]);
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    minerva_status st = hub ? MINERVA_OK : err.code;
    for (int i = 1; i < c.n_args && st == MINERVA_OK; i++) {
        const char *value = strchr(c.args[i], '=') + 1;
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)(value - 1 - c.args[i]), c.args[i]);
        st = minerva_hub_choose(hub, c.args[0], key, *value ? value : NULL, &err);
    }
    char *text = NULL;
    if (st == MINERVA_OK) st = minerva_hub_choices(hub, c.args[0], &text, &err);
    if (st == MINERVA_OK) puts(text);
    minerva_free(text);
    minerva_hub_free(hub);
    return st == MINERVA_OK ? CLI_OK : cli_fail(&err);
}
