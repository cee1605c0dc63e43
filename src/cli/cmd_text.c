/* minerva tokenize and render: the parts of a prompt, for people who debug one. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

/* ---- tokenize ---------------------------------------------------------------------- */

static void print_ids(const int32_t *ids, size_t n)
{
    fputs("{\"ids\":[", stdout);
    for (size_t i = 0; i < n; i++) printf(i ? ",%d" : "%d", ids[i]);
    puts("]}");
}

static void print_tokens(const minerva_model *m, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *text = minerva_token_text(m, ids[i], &len);
        json_t *quoted = text ? json_stringn_nocheck(text, len) : NULL;
        char *line = quoted ? json_dumps(quoted, JSON_ENCODE_ANY) : NULL;
        printf("%8d  %s\n", ids[i], line ? line : "?");
        free(line);
        json_decref(quoted);
    }
    printf("%zu tokens\n", n);
}

static int encode(const minerva_model *m, const minerva_tokenize_options *o, bool json)
{
    size_t len, n;
    int32_t *ids;
    minerva_error err = { 0 };
    char *text = cli_read("-", &len);
    if (!text) return CLI_FAILED;
    minerva_status st = minerva_tokenize(m, text, len, o, &ids, &n, &err);
    free(text);
    if (st != MINERVA_OK) return cli_fail(&err);
    if (json) print_ids(ids, n);
    else print_tokens(m, ids, n);
    minerva_free(ids);
    return CLI_OK;
}

/* {"ids":[...]}, or the bare array. */
static int32_t *parse_ids(const char *text, size_t len, size_t *n)
{
    json_error_t why;
    json_t *all = json_loadb(text, len, 0, &why);
    if (!all) {
        cli_fail_with("ids: line %d: %s", why.line, why.text);
        return NULL;
    }
    const json_t *list = json_is_array(all) ? all : json_object_get(all, "ids");
    int32_t *ids = NULL;
    if (!json_is_array(list)) {
        cli_fail_with("{\"ids\":[...]} expected on stdin");
    } else if ((ids = malloc((json_array_size(list) + 1) * sizeof *ids))) {
        *n = json_array_size(list);
        for (size_t i = 0; i < *n; i++) {
            const json_t *id = json_array_get(list, i);
            json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
            if (v < 0 || v > INT32_MAX) {
                cli_fail_with("ids[%zu]: a token id expected", i);
                free(ids);
                ids = NULL;
                break;
            }
            ids[i] = (int32_t)v;
        }
    }
    json_decref(all);
    return ids;
}

static int decode(const minerva_model *m, bool skip_special, bool json)
{
    size_t len, n, out_len;
    char *out;
    minerva_error err = { 0 };
    char *text = cli_read("-", &len);
    if (!text) return CLI_FAILED;
    int32_t *ids = parse_ids(text, len, &n);
    free(text);
    if (!ids) return CLI_FAILED;
    minerva_status st = minerva_detokenize(m, ids, n, skip_special, &out, &out_len, &err);
    free(ids);
    if (st != MINERVA_OK) return cli_fail(&err);
    if (json) {
        json_t *all = json_pack("{s:s%}", "text", out, out_len);
        char *line = all ? json_dumps(all, JSON_COMPACT) : NULL;
        if (line) puts(line);
        free(line);
        json_decref(all);
    } else {
        fwrite(out, 1, out_len, stdout);
    }
    minerva_free(out);
    return CLI_OK;
}

int cli_tokenize(int argc, char **argv)
{
    bool json = false, back = false, skip = false;
    minerva_tokenize_options o = { 0 };
    const cli_option options[] = {
        { "--json", NULL, CLI_FLAG, &json, NULL, "print {\"ids\":[...]}", 0 },
        { "--no-special", NULL, CLI_FLAG, &o.no_special, NULL, "add no BOS or EOS", 0 },
        { "--plain", NULL, CLI_FLAG, &o.plain, NULL, "special tokens in the text are plain text", 0 },
        { "--decode", NULL, CLI_FLAG, &back, NULL, "ids ({\"ids\":[...]} on stdin) to text", 0 },
        { "--skip-special", NULL, CLI_FLAG, &skip, NULL, "with --decode: leave special tokens out", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "tokenize", .usage = "tokenize MODEL [options] < text",
        .about = "Tokens of the text on stdin.  MODEL may be a vocabulary-only GGUF file or a\n"
                 "directory with nothing but tokenizer files.",
        .options = options, .min_args = 1, .max_args = 1,
    };
    int end = cli_parse(&c, argc, argv);
    if (end >= 0) return end;
    if (skip && !back) return cli_usage("--skip-special goes with --decode");
    minerva_model *m = cli_open_model(c.args[0], NULL, MINERVA_OPEN_TEXT);
    if (!m) return CLI_FAILED;
    int code = back ? decode(m, skip, json) : encode(m, &o, json);
    minerva_model_close(m);
    return code;
}

/* ---- render ------------------------------------------------------------------------ */

/* "2026-01-15 12:34:56" as seconds since 1970, read as UTC; 0 if it is none. */
static int64_t parse_time(const char *text)
{
    struct tm t = { 0 };
    const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &t);
    return end && !*end ? (int64_t)timegm(&t) : 0;
}

int cli_render(int argc, char **argv)
{
    const char *file = NULL, *name = NULL, *now = NULL;
    const cli_option options[] = {
        { "--template", NULL, CLI_STRING, &file, "FILE", "render with this bare Jinja template", 0 },
        { "--name", NULL, CLI_STRING, &name, "NAME", "which of the model's templates", 0 },
        { "--now", NULL, CLI_STRING, &now, "TIME", "\"2026-01-15 12:34:56\" for strftime_now", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "render", .usage = "render MODEL [options] < request.json",
        .about = "The prompt that a chat template makes of {\"messages\":[...], \"tools\":[...],\n"
                 "\"documents\":[...], \"kwargs\":{...}} on stdin.  kwargs become template variables;\n"
                 "add_generation_prompt is true unless it is among them.",
        .options = options, .max_args = 1,
    };
    int end = cli_parse(&c, argc, argv);
    if (end >= 0) return end;
    if (!file && !c.n_args) return cli_usage("render: MODEL or --template FILE expected");
    int64_t when = now ? parse_time(now) : 0;
    if (now && !when) return cli_usage("--now: \"YYYY-MM-DD HH:MM:SS\" expected, \"%s\" found", now);

    size_t len, source_len = 0, prompt_len;
    char *source = NULL, *prompt = NULL;
    minerva_error err = { 0 };
    minerva_status st;
    if (file && !(source = cli_read(file, &source_len))) return CLI_FAILED;
    char *request = cli_read("-", &len);
    if (!request) {
        free(source);
        return CLI_FAILED;
    }
    if (source) {
        st = minerva_render_template(source, source_len, request, len, when, &prompt,
                                     &prompt_len, &err);
    } else {
        minerva_model *m = cli_open_model(c.args[0], NULL, MINERVA_OPEN_TEXT);
        if (!m) {
            free(request);
            return CLI_FAILED;
        }
        st = minerva_render(m, request, len, name, when, &prompt, &prompt_len, &err);
        minerva_model_close(m);
    }
    free(request);
    free(source);
    if (st != MINERVA_OK) return cli_fail(&err);
    fwrite(prompt, 1, prompt_len, stdout);
    minerva_free(prompt);
    return CLI_OK;
}
