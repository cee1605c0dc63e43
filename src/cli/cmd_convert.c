/* minerva convert and quantize: a model in another form or in other types. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

static bool on_progress(void *ctx, float done)
{
    int *shown = ctx, percent = (int)(done * 100);
    if (percent != *shown) fprintf(stderr, "\r%3d %%", *shown = percent);
    return true;
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void print_class(const json_t *c)
{
    char types[200] = "";
    const char *name;
    json_t *n;
    json_object_foreach(json_object_get(c, "types"), name, n) {
        size_t at = strlen(types);
        snprintf(types + at, sizeof types - at, "%s%s x %d", at ? ", " : "", name,
                 (int)json_integer_value(n));
    }
    if (number(c, "nmse") == 0) printf("  %-14s %-44s exact\n", text(c, "class"), types);
    else
        printf("  %-14s %-44s NMSE %.2e, worst %.2e in %s\n", text(c, "class"), types,
               number(c, "nmse"), number(c, "worst_nmse"), text(c, "worst"));
}

static void print_report(const json_t *r)
{
    char size[32];
    const json_t *list = json_object_get(r, "classes"), *warnings = json_object_get(r, "warnings");
    printf("%s: %s of the family %s, %s\n", text(r, "target"), text(r, "format"),
           text(r, "family"), cli_size(number(r, "size_bytes"), size));
    for (size_t i = 0; i < json_array_size(list); i++) print_class(json_array_get(list, i));
    for (size_t i = 0; i < json_array_size(warnings); i++)
        printf("  note: %s\n", json_string_value(json_array_get(warnings, i)));
}

static int convert(const char *source, const char *target, minerva_convert_options *options,
                   bool json)
{
    char path[4096], *report = NULL;
    minerva_error err = { 0 };
    int shown = -1;
    const char *found = cli_find_model(source, path);
    if (!found) return cli_fail_with("%s: no such model", source);
    if (isatty(STDERR_FILENO)) {
        options->progress = on_progress;
        options->ctx = &shown;
    }
    minerva_status st = minerva_convert(found, target, options, &report, &err);
    if (shown >= 0) fprintf(stderr, "\r     \r");
    if (st != MINERVA_OK) return cli_fail(&err);
    if (json) {
        puts(report);
    } else {
        json_t *r = json_loads(report, 0, NULL);
        print_report(r);
        json_decref(r);
    }
    minerva_free(report);
    return CLI_OK;
}

/* Both verbs; `typed`: the type is the last argument. */
static int run(int argc, char **argv, bool typed)
{
    minerva_convert_options o = { 0 };
    bool json = false;
    const cli_option options[] = {
        { "--type", "-q", CLI_STRING, (void *)&o.type, "TYPE", "Q4_K_M, Q8_0, F16 ... for GGUF; 4bit, "
          "8bit, mxfp4, bf16 ... for MLX", NULL },
        { "--group", NULL, CLI_INT, &o.group, "N", "MLX: weights per scale: 32, 64 or 128", NULL },
        { "--requantize", NULL, CLI_FLAG, &o.requantize, NULL, "even if the source is quantised "
          "already", NULL },
        { "--lora", NULL, CLI_STRING, (void *)&o.lora, "DIR", "merge this adapter (PEFT or MLX)", NULL },
        { "--lora-scale", NULL, CLI_FLOAT, &o.lora_scale, "S", "times the adapter's own scale", NULL },
        { "--force", "-f", CLI_FLAG, &o.overwrite, NULL, "replace a target that exists", NULL },
        { "--threads", "-t", CLI_INT, &o.n_threads, "N", "threads (default: one per core)", NULL },
        { "--json", NULL, CLI_FLAG, &json, NULL, "print the report as JSON", NULL },
        { 0 },
    };
    cli_command c = {
        .verb = typed ? "quantize" : "convert",
        .usage = typed ? "quantize MODEL TARGET TYPE [options]" : "convert MODEL TARGET [options]",
        .about = typed ? "A model in other types: convert with a type."
                       : "A model in the other form: TARGET ends in .gguf, or is a directory (MLX).\n"
                         "Without --type no number changes; what has no exact form is refused.",
        .options = options, .min_args = typed ? 3 : 2, .max_args = typed ? 3 : 2,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (typed) o.type = c.args[2];
    return convert(c.args[0], c.args[1], &o, json);
}

int cli_convert(int argc, char **argv) { return run(argc, argv, false); }

int cli_quantize(int argc, char **argv) { return run(argc, argv, true); }
