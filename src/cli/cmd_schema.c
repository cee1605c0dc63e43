/* minerva schema: what becomes of a schema's keywords (--explain), and suites of JSON Schemas
 * with instances, run through the token masks (--suite).
 *
 * A suite's files hold one {schema, tests:[{data, valid}]} or an array of them.  Each
 * instance is written on one line with ", " and ": ", tokenised with the vocabulary and fed
 * through the masks token by token; at its end the end must be allowed.
 */
#include "cli/cli.h"
#include "server/json_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

typedef struct {
    minerva_model *vocab;
    minerva_constraint how;
    bool json;
    int64_t n_right, n_wrong, n_unsupported;
} suite;

/* One test's outcome and its times. */
typedef struct {
    const char *verdict;        /* "accept", "reject", "unsupported" */
    char why[512];
    double compile_us;
    double *mask_us;            /* [n_masks] */
    size_t n_masks, capacity, n_tokens;
} outcome;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(const outcome *o, double q)
{
    if (!o->n_masks) return 0;
    size_t i = (size_t)(q * (double)(o->n_masks - 1) + 0.5);
    return o->mask_us[i];
}

static void add_time(outcome *o, double us)
{
    if (o->n_masks == o->capacity) {
        size_t capacity = o->capacity ? 2 * o->capacity : 64;
        double *more = realloc(o->mask_us, capacity * sizeof *more);
        if (!more) return;
        o->mask_us = more;
        o->capacity = capacity;
    }
    o->mask_us[o->n_masks++] = us;
}

static void conclude(outcome *o, const char *verdict, const char *why)
{
    o->verdict = verdict;
    snprintf(o->why, sizeof o->why, "%s", why);
}

/* Feed the tokens; sets the verdict. */
static void feed(const minerva_model *vocab, minerva_matcher *m, const int32_t *ids, size_t n,
                 outcome *o)
{
    minerva_error err = { 0 };
    char why[128];
    for (size_t i = 0; i <= n; i++) {
        const uint32_t *mask;
        double start = now_us();
        minerva_status st = minerva_matcher_mask(m, &mask, &err);
        add_time(o, now_us() - start);
        if (st != MINERVA_OK) {
            conclude(o, st == MINERVA_LIMIT ? "unsupported" : "reject", err.message);
            return;
        }
        if (i == n) break;
        if (!(mask[ids[i] >> 5] >> (ids[i] & 31) & 1)) {
            snprintf(why, sizeof why, "token %zu of %zu is not allowed", i + 1, n);
            conclude(o, "reject", why);
            return;
        }
        if (minerva_matcher_accept(m, ids[i], &err) != MINERVA_OK) {
            conclude(o, "reject", err.message);
            return;
        }
    }
    if (minerva_matcher_is_accepting(m)) conclude(o, "accept", "");
    else conclude(o, "reject", "the end is not allowed there");
    (void)vocab;
}

static void run_test(suite *s, json_span schema, json_span data, outcome *o)
{
    minerva_error err = { 0 };
    minerva_matcher *m = NULL;
    minerva_tokenize_options plain = { .no_special = true, .plain = true };
    char *text = NULL;
    int32_t *ids = NULL;
    size_t len;
    s->how.kind = MINERVA_JSON_SCHEMA;
    s->how.source = schema.text;
    s->how.len = schema.len;
    double start = now_us();
    minerva_status st = minerva_matcher_create(&m, s->vocab, &s->how, &err);
    o->compile_us = now_us() - start;
    if (st != MINERVA_OK) {
        conclude(o, "unsupported", err.message);
        return;
    }
    st = minerva_json_compact(data.text, data.len, &text, &len, &err);
    if (st == MINERVA_OK)
        st = minerva_tokenize(s->vocab, text, len, &plain, &ids, &o->n_tokens, &err);
    if (st == MINERVA_OK) feed(s->vocab, m, ids, o->n_tokens, o);
    else conclude(o, "reject", err.message);
    qsort(o->mask_us, o->n_masks, sizeof *o->mask_us, by_value);
    minerva_matcher_free(m);
    minerva_free(text);
    minerva_free(ids);
}

/* A "description", or the position in the file. */
static json_t *name_of(json_span object, size_t index)
{
    json_span text = json_span_get(object, "description");
    json_t *name = text.len ? json_loadb(text.text, text.len, JSON_DECODE_ANY, NULL) : NULL;
    if (json_is_string(name)) return name;
    json_decref(name);
    return json_integer((json_int_t)index);
}

static void print_test(const suite *s, const char *file, json_t *schema, json_t *test,
                       bool expected, const outcome *o)
{
    bool right = !strcmp(o->verdict, expected ? "accept" : "reject");
    json_t *line = json_pack("{s:s, s:O, s:O, s:b, s:s, s:s, s:f, s:{s:f, s:f, s:f}, s:I}",
        "file", file, "schema", schema, "test", test, "expected", expected, "verdict",
        o->verdict, "why", o->why, "compile_us", o->compile_us, "mask_us", "p50",
        quantile(o, 0.5), "p99", quantile(o, 0.99), "max", quantile(o, 1), "tokens",
        (json_int_t)o->n_tokens);
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER
                                         | JSON_REAL_PRECISION(6)) : NULL;
    if (s->json && text) {
        puts(text);
    } else if (text && !right) {
        char *a = json_dumps(schema, JSON_ENCODE_ANY), *b = json_dumps(test, JSON_ENCODE_ANY);
        printf("%s: %s, %s: %s expected, %s found%s%s\n", file, a, b,
               expected ? "accept" : "reject", o->verdict, *o->why ? ": " : "", o->why);
        free(a);
        free(b);
    }
    free(text);
    json_decref(line);
}

static void run_group(suite *s, const char *file, json_span group, size_t index)
{
    json_span schema = json_span_get(group, "schema"), tests = json_span_get(group, "tests");
    json_span key, test;
    json_t *schema_name = name_of(group, index);
    for (size_t i = 0; json_span_next(&tests, &key, &test); i++) {
        json_span valid = json_span_get(test, "valid"), data = json_span_get(test, "data");
        bool expected = valid.len == 4 && !memcmp(valid.text, "true", 4);
        outcome o = { 0 };
        json_t *test_name = name_of(test, i);
        run_test(s, schema, data, &o);
        print_test(s, file, schema_name, test_name, expected, &o);
        if (!strcmp(o.verdict, "unsupported")) s->n_unsupported++;
        else if (!strcmp(o.verdict, expected ? "accept" : "reject")) s->n_right++;
        else s->n_wrong++;
        json_decref(test_name);
        free(o.mask_us);
    }
    json_decref(schema_name);
}

/* false after an error line. */
static bool run_file(suite *s, const char *file)
{
    size_t len;
    json_error_t why;
    char *text = cli_read(file, &len);
    if (!text) return false;
    json_t *checked = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    if (!checked) {
        cli_fail_with("%s: line %d: %s", file, why.line, why.text);
        free(text);
        return false;
    }
    json_span all = json_span_value((json_span){ text, len }), key, group;
    if (json_is_array(checked))
        for (size_t i = 0; json_span_next(&all, &key, &group); i++) run_group(s, file, group, i);
    else
        run_group(s, file, all, 0);
    json_decref(checked);
    free(text);
    return true;
}

/* The vocabulary's tables are made for its first constraint: here, so that they do not
 * count as the first schema's compilation.  false after an error line. */
static bool prepare_vocab(minerva_model *vocab)
{
    minerva_error err = { 0 };
    minerva_constraint any = { .kind = MINERVA_JSON_SCHEMA, .source = "true", .len = 4 };
    minerva_matcher *m = NULL;
    bool made = minerva_matcher_create(&m, vocab, &any, &err) == MINERVA_OK;
    if (!made) cli_fail_with("vocabulary: %s", err.message);
    minerva_matcher_free(m);
    return made;
}

/* ---- explaining -------------------------------------------------------------------- */

static void print_line(void *ctx, const minerva_schema_line *l)
{
    json_t *lines = ctx;
    if (lines) {
        json_array_append_new(lines, json_pack("{s:s, s:s, s:s, s:s}", "path", l->path,
            "keyword", l->keyword, "fate", l->fate, "note", l->note));
        return;
    }
    printf("%-10s  #%s%s%s%s%s\n", l->fate, l->path, *l->keyword ? "  " : "", l->keyword,
           *l->note ? ": " : "", l->note);
}

static void print_summary(json_t *lines, const char *file, bool compiles,
                          const minerva_schema_summary *sum, const minerva_error *err)
{
    const char *draft = sum->draft == 2020 ? "2020-12" : sum->draft == 2019 ? "2019-09"
                      : sum->draft == 7 ? "7" : sum->draft == 6 ? "6" : "4";
    if (!lines) {
        printf("%zu enforced, %zu annotations, %zu refused; draft %s\n", sum->n_enforced,
               sum->n_annotations, sum->n_refused, draft);
        if (!compiles) printf("it does not compile: %s\n", err->message);
        else if (sum->empty) puts("it compiles, but no value satisfies it");
        else puts("it compiles: every answer will obey it");
        return;
    }
    json_t *o = json_pack("{s:s, s:b, s:b, s:s, s:O}", "file", file, "compiles", compiles, "empty",
                          sum->empty, "draft", draft, "keywords", lines);
    if (!compiles) json_object_set_new(o, "error", json_string(err->message));
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(o);
}

/* CLI_FAILED after an error line, CLI_USAGE if it does not compile. */
static int explain_file(const suite *s, const char *file)
{
    size_t len;
    char *text = cli_read(file, &len);
    if (!text) return CLI_FAILED;
    minerva_constraint schema = s->how;
    minerva_schema_summary sum = { 0 };
    minerva_error err = { 0 };
    json_t *lines = s->json ? json_array() : NULL;
    schema.kind = MINERVA_JSON_SCHEMA;
    schema.source = text;
    schema.len = len;
    minerva_status st = minerva_schema_explain(&schema, print_line, lines, &sum, &err);
    int code = st == MINERVA_OK ? CLI_OK : CLI_USAGE;
    if (sum.draft) print_summary(lines, file, st == MINERVA_OK, &sum, &err);
    else code = cli_fail_with("%s: %s", file, err.message);
    json_decref(lines);
    free(text);
    return code;
}

static int explain_files(const suite *s, const char *const *files, int n)
{
    int worst = CLI_OK;
    for (int i = 0; i < n || i == 0; i++) {
        if (n > 1 && !s->json) printf("%s%s:\n", i ? "\n" : "", files[i]);
        int code = explain_file(s, n ? files[i] : "-");
        if (code == CLI_FAILED || worst == CLI_OK) worst = code;
    }
    return worst;
}

int cli_schema(int argc, char **argv)
{
    suite s = { 0 };
    bool is_suite = false, explains = false;
    const char *vocab = NULL;
    const cli_option options[] = {
        { "--explain", NULL, CLI_FLAG, &explains, NULL, "what becomes of each keyword of FILE", 0 },
        { "--suite", NULL, CLI_FLAG, &is_suite, NULL, "run the files' instances", 0 },
        { "--vocab", NULL, CLI_STRING, &vocab, "MODEL", "vocabulary (default: the bundled model's)", 0 },
        { "--json", NULL, CLI_FLAG, &s.json, NULL, "JSON, a line per schema or test", 0 },
        { "--format-annotation", NULL, CLI_FLAG, &s.how.format_annotation, NULL,
          "\"format\" asserts nothing", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "schema", .usage = "schema --explain [FILE...] | --suite FILE... [options]",
        .about = "What can be enforced of JSON Schemas.  --explain says of each keyword whether it\n"
                 "is enforced, an annotation or refused; without FILE, or for -, the schema is read\n"
                 "from stdin.  Exit code 0: it compiles, 1: it cannot be read, 2: it does not compile.\n"
                 "A suite file holds one {schema, tests:[{data, valid}]} or an array of them.\n"
                 "Exit code 0: all right, 1: wrong verdicts, 2: unsupported schemas only.",
        .options = options, .min_args = 0, .max_args = CLI_MAX_ARGS,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (is_suite == explains) return cli_usage("schema: one of --explain and --suite expected");
    if (explains) return explain_files(&s, c.args, c.n_args);
    if (!c.n_args) return cli_usage("schema: a suite's FILE expected");
    s.vocab = cli_open_model(vocab, NULL, MINERVA_OPEN_TEXT);
    if (!s.vocab) return CLI_FAILED;
    bool read = prepare_vocab(s.vocab);
    for (int i = 0; i < c.n_args; i++) read &= run_file(&s, c.args[i]);
    minerva_model_close(s.vocab);
    fprintf(stderr, "%lld right, %lld wrong, %lld unsupported\n", (long long)s.n_right,
            (long long)s.n_wrong, (long long)s.n_unsupported);
    if (!read || s.n_wrong) return CLI_FAILED;
    return s.n_unsupported ? CLI_USAGE : CLI_OK;
}
