/* minerva bench, backends and doctor: how fast, on what, and is everything in order. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

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

/* ---- bench ------------------------------------------------------------------------- */

static bool on_run(void *ctx, const char *test, int repetition, double tokens_per_s)
{
    if (*(bool *)ctx)
        fprintf(stderr, "\r%-12s run %d: %.1f tokens/s   ", test, repetition + 1, tokens_per_s);
    return true;
}

static void print_rows(const json_t *d)
{
    const json_t *machine = json_object_get(d, "machine"), *rows = json_object_get(d, "rows");
    printf("%s: %s", text_of(machine, "backend"), text_of(machine, "device"));
    if (json_object_get(machine, "macs_per_s"))
        printf("; kernels: %s\nlimits: %.1f GB/s read, %.0f G MAC/s; a token reads %.3f GB, "
               "or takes %.3f G MAC in a prompt", text_of(machine, "kernels"),
               number_of(machine, "read_bytes_per_s") / 1e9,
               number_of(machine, "macs_per_s") / 1e9,
               number_of(machine, "bytes_per_token") / 1e9,
               number_of(machine, "macs_per_token") / 1e9);
    printf("\n\n%-14s %12s %12s %8s\n", "test", "tokens/s", "limit", "share");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *r = json_array_get(rows, i);
        printf("%-14s %12.1f", text_of(r, "test"), number_of(r, "tokens_per_s"));
        if (json_object_get(r, "share"))
            printf(" %12.1f %7.1f%%", number_of(r, "limit_tokens_per_s"),
                   100 * number_of(r, "share"));
        putchar('\n');
    }
}

int cli_bench(int argc, char **argv)
{
    cli_model_options model = { 0 };
    minerva_bench_options o = { .n_prompt = 512, .n_generate = 128 };
    bool json = false, progress = isatty(STDERR_FILENO);
    int32_t repetitions = 5;
    cli_option options[20] = {
        { "--prompt", "-p", CLI_INT, &o.n_prompt, "N", "prompt tokens (512); 0: leave out", 0 },
        { "--generate", "-n", CLI_INT, &o.n_generate, "N", "generated tokens (128); 0: leave out", 0 },
        { "--depth", "-d", CLI_INT, &o.depth, "N", "tokens already in the context (0)", 0 },
        { "--repetitions", "-r", CLI_INT, &repetitions, "N", "runs of each test (5)", 0 },
        { "--streams", NULL, CLI_INT, &o.streams, "N", "answers generated at once (1)", 0 },
        { "--json", NULL, CLI_FLAG, &json, NULL, "print JSON", 0 },
    };
    cli_add_model_options(options + 6, &model);
    cli_command c = {
        .verb = "bench", .usage = "bench [MODEL] [options]",
        .about = "Speed beside the machine's limits.  Tests are defined as llama-bench does:\n"
                 "ppN reads a prompt of N tokens, tgN generates N tokens one by one; medians.",
        .options = options, .max_args = 1,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (repetitions < 1) return cli_usage("-r: 1 or more expected, %d found", repetitions);
    o.repetitions = repetitions;
    o.on_run = on_run;
    o.ctx = &progress;
    minerva_model *m = cli_open_model(c.n_args ? c.args[0] : NULL, &model, MINERVA_OPEN_RUN);
    if (!m) return CLI_FAILED;
    char *text;
    minerva_error err = { 0 };
    minerva_status st = minerva_bench(m, &o, &text, &err);
    if (progress) fputs("\r\x1b[K", stderr);
    minerva_model_close(m);
    if (st != MINERVA_OK) return cli_fail(&err);
    if (json) {
        puts(text);
    } else {
        json_t *d = json_loads(text, 0, NULL);
        print_rows(d);
        json_decref(d);
    }
    minerva_free(text);
    return CLI_OK;
}

/* ---- backends ---------------------------------------------------------------------- */

int cli_backends(int argc, char **argv)
{
    bool json = false;
    const cli_option options[] = {
        { "--json", NULL, CLI_FLAG, &json, NULL, "print JSON", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "backends", .usage = "backends [--json]",
        .about = "Which backends are there, what they run on, and why one is missing.",
        .options = options,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    char *text, size[32];
    minerva_error err = { 0 };
    if (minerva_backends_describe(&text, &err) != MINERVA_OK) return cli_fail(&err);
    if (json) {
        puts(text);
        minerva_free(text);
        return CLI_OK;
    }
    json_t *list = json_loads(text, 0, NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *b = json_array_get(list, i);
        bool there = json_is_true(json_object_get(b, "available"));
        if (there)
            printf("%-10s ready    %s, %s\n", text_of(b, "name"), text_of(b, "device"),
                   cli_size(number_of(b, "memory_bytes"), size));
        else
            printf("%-10s missing  %s\n", text_of(b, "name"), text_of(b, "why_not"));
    }
    json_decref(list);
    minerva_free(text);
    return CLI_OK;
}

/* ---- doctor ------------------------------------------------------------------------ */

static void report(bool ok, int *problems, const char *what, const char *detail)
{
    printf("%-4s %s%s%s\n", ok ? "ok" : "BAD", what, *detail ? ": " : "", detail);
    *problems += !ok;
}

static void check_home(int *problems)
{
    char detail[4200], size[32];
    const char *home = cli_home();
    struct stat st;
    struct statvfs disk;
    if (stat(home, &st)) {
        snprintf(detail, sizeof detail, "%s is not there yet; it is made when it is needed", home);
        report(errno == ENOENT, problems, "state folder", detail);
        return;
    }
    bool ok = S_ISDIR(st.st_mode) && access(home, W_OK) == 0;
    snprintf(detail, sizeof detail, "%s%s", home, ok ? "" : " is no folder that can be written to");
    report(ok, problems, "state folder", detail);
    if (ok && !statvfs(home, &disk)) {
        double free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
        snprintf(detail, sizeof detail, "%s free", cli_size(free_bytes, size));
        report(free_bytes > 1e9, problems, "disk", detail);
    }
}

/* Does the default model load and make a token? */
static void check_model(int *problems)
{
    char path[4096], detail[4700];
    minerva_error err = { 0 };
    minerva_model *m = NULL;
    minerva_session *s = NULL;
    if (!cli_find_model(NULL, path)) {
        report(false, problems, "default model", "not found beside the program");
        return;
    }
    minerva_status st = minerva_model_open(&m, path, NULL, &err);
    if (st == MINERVA_OK) st = minerva_session_create(&s, m, &err);
    int32_t first = 0;
    if (st == MINERVA_OK) st = minerva_session_eval(s, &first, 1, NULL, &err);
    snprintf(detail, sizeof detail, "%s", st == MINERVA_OK ? path : err.message);
    report(st == MINERVA_OK, problems, "default model", detail);
    minerva_session_free(s);
    minerva_model_close(m);
}

static void check_backends(int *problems)
{
    char *text, detail[512];
    minerva_error err = { 0 };
    if (minerva_backends_describe(&text, &err) != MINERVA_OK) {
        report(false, problems, "backends", err.message);
        return;
    }
    json_t *list = json_loads(text, 0, NULL);
    bool any = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *b = json_array_get(list, i);
        bool there = json_is_true(json_object_get(b, "available"));
        any |= there;
        snprintf(detail, sizeof detail, "%s %s", text_of(b, "name"),
                 there ? text_of(b, "device") : text_of(b, "why_not"));
        printf("%-4s backend: %s\n", there ? "ok" : "--", detail);
    }
    if (!any) report(false, problems, "backends", "none is there");
    json_decref(list);
    minerva_free(text);
}

int cli_doctor(int argc, char **argv)
{
    const cli_option options[] = { { 0 } };
    cli_command c = {
        .verb = "doctor", .usage = "doctor",
        .about = "Checks the installation: backends, state folder, disk, default model.\n"
                 "Exit code 1 if something is wrong.",
        .options = options,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    int problems = 0;
    printf("ok   minerva %s\n", minerva_version());
    check_backends(&problems);
    check_home(&problems);
    check_model(&problems);
    if (problems) printf("%d problem%s\n", problems, problems == 1 ? "" : "s");
    return problems ? CLI_FAILED : CLI_OK;
}
