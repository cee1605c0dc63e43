/* minerva pull and search: models from the hub. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) { interrupted = 1; }

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void put_json(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    if (text) puts(text);
    fflush(stdout);
    free(text);
    json_decref(o);
}

/* ---- progress ---------------------------------------------------------------------- */

typedef struct {
    bool json, terminal, told_why;
    int32_t file;               /* the one that was last told of */
    int64_t bytes;
    double at_s;
} shown;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *time_left(double s, char out[40])
{
    int64_t n = (int64_t)(s + 0.5);
    if (s < 0 || s > 1e7) out[0] = 0;
    else if (n >= 3600)
        snprintf(out, 40, ", %d:%02d:%02d left", (int)(n / 3600), (int)(n / 60 % 60), (int)(n % 60));
    else snprintf(out, 40, ", %d:%02d left", (int)(n / 60), (int)(n % 60));
    return out;
}

static void describe(const minerva_pull_progress *p, char *out, size_t size)
{
    char a[32], b[32], c[32], left[40], rate[64] = "";
    if (p->bytes_per_s > 0) snprintf(rate, sizeof rate, ", %s/s", cli_size(p->bytes_per_s, c));
    double share = p->total_bytes ? 100.0 * (double)p->bytes / (double)p->total_bytes : 100;
    snprintf(out, size, "%.60s (%d of %d)  %5.1f%%  %s of %s%s%s%s%s", p->file, (int)p->n_file,
             (int)p->n_files, share, cli_size((double)p->bytes, a),
             cli_size((double)p->total_bytes, b), rate, time_left(p->seconds_left, left),
             strcmp(p->state, "fetching") ? ", " : "",
             strcmp(p->state, "fetching") ? p->state : "");
}

/* A terminal has one line; a file or pipe a line per file, per tenth and per minute. */
static bool on_progress(void *ctx, const minerva_pull_progress *p)
{
    shown *s = ctx;
    char line[400];
    double now = now_s();
    bool first = !s->told_why;
    if (first && !s->json) fprintf(stderr, "%s\n", p->why);
    s->told_why = true;
    bool due = first || p->n_file != s->file || p->bytes - s->bytes > p->total_bytes / 10
               || now - s->at_s > (s->json ? 1 : 60);
    if (s->terminal) {
        describe(p, line, sizeof line);
        fprintf(stderr, "\r%s\x1b[K", line);
    } else if (due) {
        s->file = p->n_file;
        s->bytes = p->bytes;
        s->at_s = now;
        if (s->json) {
            put_json(json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:f, s:o}", "event", "progress",
                "state", p->state, "file", p->file, "n_file", (int)p->n_file, "n_files",
                (int)p->n_files, "bytes", (json_int_t)p->bytes, "total_bytes",
                (json_int_t)p->total_bytes, "bytes_per_s", p->bytes_per_s, "seconds_left",
                p->seconds_left < 0 ? json_null() : json_real(p->seconds_left)));
        } else {
            describe(p, line, sizeof line);
            fprintf(stderr, "%s\n", line);
        }
    }
    return !interrupted;
}

/* ---- pull -------------------------------------------------------------------------- */

static int told(char *result, bool json)
{
    json_t *o = json_loads(result, 0, NULL);
    char size[32];
    minerva_free(result);
    const char *state = text_of(o, "state");
    if (json) {
        json_object_set_new(o, "event", json_string("done"));
        put_json(o);
        return CLI_OK;
    }
    if (!strcmp(state, "planned")) {
        const json_t *files = json_object_get(o, "files");
        printf("%s\n%s would be fetched:\n", text_of(o, "why"),
               cli_size(number_of(o, "size_bytes"), size));
        for (size_t i = 0; i < json_array_size(files); i++)
            printf("  %s\n", json_string_value(json_array_get(files, i)));
    } else {
        printf("%s %s (%s)\n", text_of(o, "name"), !strcmp(state, "here") ? "is here already"
               : "is here", cli_size(number_of(o, "size_bytes"), size));
    }
    json_decref(o);
    return CLI_OK;
}

int cli_pull(int argc, char **argv)
{
    minerva_pull_options o = { .progress = on_progress };
    bool json = false;
    const cli_option options[] = {
        { "--plan", NULL, CLI_FLAG, &o.plan_only, NULL, "say what would be fetched, and why", 0 },
        { "--no-projector", NULL, CLI_FLAG, &o.no_projector, NULL, "leave out what images need "
          "(mmproj files)", 0 },
        { "--json", NULL, CLI_FLAG, &json, NULL, "progress and result as lines of JSON", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "pull", .usage = "pull ORG/NAME[@REVISION][:QUANTISATION] [options]",
        .about = "Fetches a model from HuggingFace (or the mirror in HF_ENDPOINT) and verifies it.\n"
                 "Without a quantisation the best that fits this machine is taken.  A pull that\n"
                 "ended early is gone on with by the same command.  HF_TOKEN opens gated models.",
        .options = options, .min_args = 1, .max_args = 1,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    if (!hub) return cli_fail(&err);
    shown s = { .json = json, .terminal = !json && isatty(STDERR_FILENO) };
    char *result;
    o.ctx = &s;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    minerva_status st = minerva_hub_pull(hub, c.args[0], &o, &result, &err);
    if (s.terminal && s.told_why) fputs("\r\x1b[K", stderr);
    minerva_hub_free(hub);
    return st == MINERVA_OK ? told(result, json) : cli_fail(&err);
}

/* ---- search ------------------------------------------------------------------------ */

static const char *count_text(double n, char out[32])
{
    if (n >= 1e9) snprintf(out, 32, "%.1fB", n / 1e9);
    else if (n >= 1e6) snprintf(out, 32, "%.0fM", n / 1e6);
    else if (n >= 1e4) snprintf(out, 32, "%.0fk", n / 1e3);
    else snprintf(out, 32, "%.0f", n);
    return out;
}

static void print_models(const json_t *list)
{
    char a[32], b[32], c[32];
    if (json_array_size(list))
        printf("%-58s %-11s %7s %9s %9s  %s\n", "MODEL", "FORMAT", "PARAMS", "ALL FILES",
               "DOWNLOADS", "LICENCE");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        double n = number_of(m, "parameters"), size = number_of(m, "size_bytes");
        printf("%-58s %-11s %7s %9s %9s  %s%s\n", text_of(m, "id"), text_of(m, "format"),
               n > 0 ? count_text(n, a) : "-", size > 0 ? cli_size(size, b) : "-",
               count_text(number_of(m, "downloads"), c), text_of(m, "license"),
               *text_of(m, "gated") ? " (gated)" : "");
    }
}

static int print_info(minerva_hub *hub, const char *name, bool json)
{
    char *text, a[32];
    minerva_error err = { 0 };
    if (minerva_hub_info(hub, name, &text, &err) != MINERVA_OK) return cli_fail(&err);
    json_t *o = json_loads(text, 0, NULL), *v;
    if (json) puts(text);
    minerva_free(text);
    size_t i;
    if (!json) {
        printf("%s, licence %s%s\n", text_of(o, "id"), *text_of(o, "license")
               ? text_of(o, "license") : "unknown", *text_of(o, "gated") ? ", gated" : "");
        json_array_foreach(json_object_get(o, "variants"), i, v) {
            printf("  %-20s %9s  %s", text_of(v, "label"), cli_size(number_of(v, "size_bytes"), a),
                   json_is_true(json_object_get(v, "fits")) ? "fits" : "does not fit");
            if (number_of(v, "tokens_per_s") > 0)
                printf(", about %.1f tokens/s", number_of(v, "tokens_per_s"));
            puts(strcmp(text_of(o, "recommended"), text_of(v, "label")) ? "" : "  <- recommended");
        }
        puts(text_of(o, "why"));
    }
    json_decref(o);
    return CLI_OK;
}

/* The page'th page of a search; the hub links pages one to the next. */
static int search(minerva_hub *hub, const char *words, const char *format, int32_t limit,
                  int32_t page, bool json)
{
    char *text = NULL, *next = NULL;
    minerva_error err = { 0 };
    for (int32_t i = 1;; i++) {
        if (minerva_hub_search(hub, words, format, limit, next, &text, &err) != MINERVA_OK) {
            free(next);
            return cli_fail(&err);
        }
        free(next);
        next = NULL;
        if (i == page) break;
        json_t *o = json_loads(text, 0, NULL);
        if (*text_of(o, "next")) next = strdup(text_of(o, "next"));
        json_decref(o);
        minerva_free(text);
        if (!next) return cli_fail_with("%s: %d page%s, the %dth was asked for", words, (int)i,
                                        i == 1 ? "" : "s", (int)page);
    }
    json_t *o = json_loads(text, 0, NULL);
    const json_t *list = json_object_get(o, "models");
    if (json) puts(text);
    else print_models(list);
    if (!json && !json_array_size(list)) fprintf(stderr, "%s: nothing found\n", words);
    else if (!json && *text_of(o, "next"))
        fprintf(stderr, "more: minerva search ... --page %d\n", (int)page + 1);
    json_decref(o);
    minerva_free(text);
    return CLI_OK;
}

int cli_search(int argc, char **argv)
{
    bool json = false, info = false;
    const char *format = NULL;
    int32_t limit = 20, page = 1;
    const cli_option options[] = {
        { "--format", NULL, CLI_STRING, &format, "gguf|mlx", "only models of that form", 0 },
        { "--limit", "-n", CLI_INT, &limit, "N", "models per page (20)", 0 },
        { "--page", NULL, CLI_INT, &page, "N", "the Nth page", 0 },
        { "--info", NULL, CLI_FLAG, &info, NULL, "TEXT is org/name: what it comes in, what fits", 0 },
        { "--json", NULL, CLI_FLAG, &json, NULL, "print JSON", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "search", .usage = "search TEXT [options]",
        .about = "Searches HuggingFace (or the mirror in HF_ENDPOINT) for models, most used first.",
        .options = options, .min_args = 1, .max_args = 16,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (limit < 1 || limit > 1000) return cli_usage("--limit: 1 to 1000 expected, %d found", limit);
    if (page < 1) return cli_usage("--page: 1 or more expected, %d found", page);
    if (format && strcmp(format, "gguf") && strcmp(format, "mlx"))
        return cli_usage("--format: gguf or mlx expected, \"%s\" found", format);
    char words[1000] = "";
    for (int i = 0; i < c.n_args; i++) {
        size_t n = strlen(words);
        snprintf(words + n, sizeof words - n, "%s%s", i ? " " : "", c.args[i]);
    }
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    if (!hub) return cli_fail(&err);
    code = info ? print_info(hub, words, json) : search(hub, words, format, limit, page, json);
    minerva_hub_free(hub);
    return code;
}
