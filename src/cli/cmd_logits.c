/* minerva logits: what the network says, as numbers; and minerva embed: its hidden state. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* "1,2,3" */
static int32_t *parse_tokens(const char *text, size_t *n)
{
    size_t capacity = 1;
    for (const char *p = text; *p; p++) capacity += *p == ',';
    int32_t *ids = malloc(capacity * sizeof *ids);
    *n = 0;
    for (const char *p = text; ids;) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < 0 || v > INT32_MAX || (*end && *end != ',')) {
            cli_usage("--tokens: ids like 1,2,3 expected, \"%.40s\" found", p);
            free(ids);
            return NULL;
        }
        ids[(*n)++] = (int32_t)v;
        if (!*end) break;
        p = end + 1;
    }
    return ids;
}

/* 9 significant digits give a float back exactly; JSON knows no NaN or infinity. */
static void print_row(const float *row, int32_t n)
{
    putchar('[');
    for (int32_t i = 0; i < n; i++) {
        if (i) putchar(',');
        if (isfinite(row[i])) printf("%.9g", row[i]);
        else fputs("null", stdout);
    }
    putchar(']');
}

/* Networks that turn by the size of the context (longrope) are made for these tokens alone,
 * as the reference implementations compute them. */
static minerva_model *open_for(const char *name, cli_model_options *options, size_t n)
{
    char *text = NULL;
    minerva_error err = { 0 };
    minerva_model *m = cli_open_model(name, NULL, MINERVA_OPEN_DESCRIBE);
    if (!m) return NULL;
    if (!options->context && minerva_model_describe(m, &text, &err) == MINERVA_OK) {
        json_t *d = json_loads(text, 0, NULL);
        json_t *trained = json_object_get(json_object_get(d, "model"), "context");
        if ((json_int_t)n < json_integer_value(trained)) options->context = (int32_t)n;
        json_decref(d);
        minerva_free(text);
    }
    minerva_model_close(m);
    return cli_open_model(name, options, MINERVA_OPEN_RUN);
}

int cli_logits(int argc, char **argv)
{
    cli_model_options model = { 0 };
    const char *tokens = NULL;
    bool all = false;
    cli_option options[16] = {
        { "--tokens", NULL, CLI_STRING, &tokens, "IDS", "token ids, separated by commas", 0 },
        { "--all", NULL, CLI_FLAG, &all, NULL, "logits of every position, not the last only", 0 },
    };
    cli_add_model_options(options + 2, &model);
    cli_command c = {
        .verb = "logits", .usage = "logits MODEL --tokens 1,2,3 [options]",
        .about = "The logits after these tokens (no BOS is added), as\n"
                 "{\"vocab\":V,\"logits\":[[...],...]}.",
        .options = options, .min_args = 1, .max_args = 1,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (!tokens) return cli_usage("logits: --tokens expected");
    size_t n;
    int32_t *ids = parse_tokens(tokens, &n);
    if (!ids) return CLI_USAGE;
    minerva_session *session = NULL;
    float *logits = NULL;
    minerva_error err = { 0 };
    code = CLI_FAILED;
    minerva_model *m = open_for(c.args[0], &model, n);
    if (!m) goto done;
    int32_t vocab = minerva_model_vocab(m);
    size_t rows = all ? n : 1;
    logits = calloc(rows, (size_t)vocab * sizeof *logits);
    if (!logits) {
        cli_fail_with("out of memory");
        goto done;
    }
    minerva_status st = minerva_session_create(&session, m, &err);
    if (st == MINERVA_OK)
        st = all ? minerva_session_eval_all(session, ids, n, logits, &err)
                 : minerva_session_eval(session, ids, n, logits, &err);
    if (st != MINERVA_OK) {
        cli_fail(&err);
        goto done;
    }
    printf("{\"vocab\":%d,\"logits\":[", vocab);
    for (size_t r = 0; r < rows; r++) {
        if (r) putchar(',');
        print_row(logits + r * (size_t)vocab, vocab);
    }
    puts("]}");
    code = CLI_OK;
done:
    minerva_session_free(session);
    minerva_model_close(m);
    free(logits);
    free(ids);
    return code;
}

/* Mean over positions, then unit length: what most embedding users expect. */
static void pool(const float *hidden, size_t n, int32_t width, float *out)
{
    double norm = 0;
    for (int32_t k = 0; k < width; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += hidden[i * (size_t)width + (size_t)k];
        out[k] = (float)(sum / (double)n);
        norm += (double)out[k] * out[k];
    }
    norm = sqrt(norm);
    for (int32_t k = 0; k < width && norm > 0; k++) out[k] = (float)(out[k] / norm);
}

int cli_embed(int argc, char **argv)
{
    cli_model_options model = { 0 };
    const char *pooling = "mean";
    cli_option options[16] = {
        { "--pooling", NULL, CLI_STRING, &pooling, "KIND", "mean (default) or last", 0 },
    };
    cli_add_model_options(options + 1, &model);
    cli_command c = {
        .verb = "embed", .usage = "embed MODEL [options] < text",
        .about = "The text's embedding as {\"embedding\":[...]}: the network's last hidden states,\n"
                 "pooled and scaled to length 1.",
        .options = options, .min_args = 1, .max_args = 1,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    bool last = !strcmp(pooling, "last");
    if (!last && strcmp(pooling, "mean"))
        return cli_usage("--pooling: mean or last expected, \"%s\" found", pooling);
    size_t len, n = 0;
    int32_t *ids = NULL;
    float *hidden = NULL, *out = NULL;
    minerva_session *session = NULL;
    minerva_error err = { 0 };
    code = CLI_FAILED;
    char *text = cli_read("-", &len);
    minerva_model *m = text ? cli_open_model(c.args[0], &model, MINERVA_OPEN_RUN) : NULL;
    if (!m) goto done;
    int32_t width = minerva_model_hidden(m);
    minerva_status st = minerva_tokenize(m, text, len, NULL, &ids, &n, &err);
    if (st == MINERVA_OK) {
        hidden = calloc(n + 1, (size_t)width * sizeof *hidden);
        out = calloc(1, (size_t)width * sizeof *out);
        st = hidden && out ? minerva_session_create(&session, m, &err) : MINERVA_MEMORY;
    }
    if (st == MINERVA_OK) st = minerva_session_eval_hidden(session, ids, n, hidden, &err);
    if (st != MINERVA_OK) {
        err.code = st;
        cli_fail(&err);
        goto done;
    }
    pool(last ? hidden + (n - 1) * (size_t)width : hidden, last ? 1 : n, width, out);
    fputs("{\"embedding\":", stdout);
    print_row(out, width);
    puts("}");
    code = CLI_OK;
done:
    minerva_session_free(session);
    minerva_model_close(m);
    minerva_free(ids);
    free(hidden);
    free(out);
    free(text);
    return code;
}
