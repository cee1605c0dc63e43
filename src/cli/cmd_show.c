/* minerva show: what a model is, and how it is best run here. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void line(const char *name, const char *value) { printf("%-14s %s\n", name, value); }

static void show_network(const json_t *d)
{
    const json_t *net = json_object_get(d, "model");
    char a[32], text[512];
    if (!json_is_true(json_object_get(net, "runs"))) {
        line("network", text_of(net, "why"));
        return;
    }
    line("family", text_of(net, "family"));
    double n = number_of(net, "parameters");
    snprintf(text, sizeof text, "%.*f %s, %d layers of width %d, vocabulary %d",
             n < 1e8 ? 1 : n < 1e9 ? 0 : 2, n < 1e9 ? n / 1e6 : n / 1e9,
             n < 1e9 ? "million" : "billion", (int)number_of(net, "layers"),
             (int)number_of(net, "hidden"), (int)number_of(net, "vocabulary"));
    line("parameters", text);
    double kv = number_of(net, "kv_bytes_per_position"), context = number_of(net, "context");
    snprintf(text, sizeof text, "%d tokens", (int)context);
    line("context", text);
    char b[32], c[32];
    double weights = number_of(d, "size_bytes");
    snprintf(text, sizeof text, "%s of weights (mapped) + %s of KV cache for 4,096 tokens, %s for %d",
             cli_size(weights, a), cli_size(kv * 4096, b), cli_size(kv * context, c),
             (int)context);
    line("memory", text);
}

static void show_text(const json_t *d)
{
    char text[600];
    const json_t *t = json_object_get(d, "tokenizer"), *list = json_object_get(d, "templates");
    if (*text_of(t, "kind")) {
        snprintf(text, sizeof text, "%s%s%s, %d tokens", text_of(t, "kind"),
                 *text_of(t, "pre") ? ", " : "", text_of(t, "pre"), (int)number_of(t, "tokens"));
        line("tokenizer", text);
    } else {
        line("tokenizer", text_of(t, "why"));
    }
    if (!json_array_size(list)) line("template", "none");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        snprintf(text, sizeof text, "%s, %d bytes%s%s", text_of(item, "name"),
                 (int)number_of(item, "bytes"), *text_of(item, "why") ? "; unusable: " : "",
                 text_of(item, "why"));
        line("template", text);
    }
}

static void show(const json_t *d)
{
    char a[32], text[600];
    line("name", text_of(d, "name"));
    line("path", text_of(d, "path"));
    const json_t *tensors = json_object_get(d, "tensors");
    snprintf(text, sizeof text, "%s, %s in %d tensors", text_of(d, "format"),
             cli_size(number_of(d, "size_bytes"), a), (int)number_of(tensors, "n_tensors"));
    line("format", text);
    line("quantisation", text_of(tensors, "quantisation"));
    show_network(d);
    show_text(d);
    const json_t *backends = json_object_get(d, "backends");
    const char *best = text_of(d, "recommended");
    for (size_t i = 0; i < json_array_size(backends); i++) {
        const json_t *b = json_array_get(backends, i);
        bool runs = json_is_true(json_object_get(b, "runs"));
        const char *why = text_of(b, "why");
        snprintf(text, sizeof text, "%s: %s%s%s%s", text_of(b, "name"), runs ? "runs it" :
                 "does not run it", runs && !strcmp(best, text_of(b, "name")) ? " (recommended)"
                 : "", *why ? ": " : "", why);
        line("backend", text);
    }
}

/* The recommendation as lines (json NULL) or as a member of the description. */
static void advise(const char *description, json_t *json)
{
    char *text;
    minerva_error err = { 0 };
    minerva_hub *hub = cli_hub(NULL, &err);
    if (!hub || minerva_hub_recommend(hub, description, &text, &err) != MINERVA_OK) {
        minerva_hub_free(hub);
        return;
    }
    json_t *o = json_loads(text, 0, NULL);
    const json_t *why = json_object_get(o, "why");
    if (json) {
        json_object_set(json, "recommendation", o);
    } else {
        for (size_t i = 0; i < json_array_size(why); i++)
            line(i ? "" : "here", json_string_value(json_array_get(why, i)));
    }
    json_decref(o);
    minerva_free(text);
    minerva_hub_free(hub);
}

int cli_show(int argc, char **argv)
{
    bool json = false;
    const cli_option options[] = {
        { "--json", NULL, CLI_FLAG, &json, NULL, "print everything as JSON", 0 },
        { 0 },
    };
    cli_command c = {
        .verb = "show", .usage = "show [MODEL] [--json]",
        .about = "What a model is: format, family, quantisation, context, memory needed,\n"
                 "tokenizer, template, which backends run it, and how it is best run on this\n"
                 "machine: context, cache, speed to expect.",
        .options = options, .max_args = 1,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    minerva_model *m = cli_open_model(c.n_args ? c.args[0] : NULL, NULL, MINERVA_OPEN_DESCRIBE);
    if (!m) return CLI_FAILED;
    char *text;
    minerva_error err = { 0 };
    code = CLI_OK;
    if (minerva_model_describe(m, &text, &err) != MINERVA_OK) {
        code = cli_fail(&err);
    } else {
        json_t *d = json_loads(text, 0, NULL);
        if (!json) show(d);
        advise(text, json ? d : NULL);
        minerva_free(text);
        text = json ? json_dumps(d, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
        if (text) puts(text);
        free(text);
        json_decref(d);
    }
    minerva_model_close(m);
    return code;
}
