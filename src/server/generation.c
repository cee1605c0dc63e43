/* What is to be generated: numbers, stops, plain prompts; see generation.h. */
#include "server/generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

mn_generation *mn_generation_create(mn_call *call)
{
    mn_generation *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->body = json_incref(call->body);
    g->text = call->text;
    g->text_len = call->text_len;
    g->model = call->model;
    g->n = 1;
    return g;
}

void mn_generation_free(mn_generation *g)
{
    if (!g) return;
    json_decref(g->messages);
    json_decref(g->tools);
    json_decref(g->shown_tools);
    json_decref(g->strict_tools);
    json_decref(g->template_vars);
    json_decref(g->body);
    free(g->source);
    minerva_free(g->prompt);
    minerva_free(g->ids);
    free(g);
}

/* ---- numbers ----------------------------------------------------------------------- */

static void read_logit_bias(mn_params *p, mn_generation *g)
{
    const char *key;
    json_t *value, *map = mn_param_get(p, "logit_bias");
    int32_t vocab = minerva_model_vocab(g->model->model);
    if (!map) return;
    if (!json_is_object(map)) mn_param_fail(p, "logit_bias", "an object expected");
    json_object_foreach(map, key, value) {
        char *end;
        long token = strtol(key, &end, 10);
        double bias = json_is_number(value) ? json_number_value(value) : 1e9;
        if (*end || end == key || token < 0 || token >= vocab || bias < -100 || bias > 100
            || g->sampling.n_logit_bias == MN_MAX_BIASES) {
            mn_param_fail(p, "logit_bias", "at most %d token ids of 0 to %d with -100 to 100 "
                          "expected", MN_MAX_BIASES, vocab - 1);
            return;
        }
        g->bias[g->sampling.n_logit_bias++] =
            (minerva_logit_bias){ (int32_t)token, bias <= -100 ? -1e30f : (float)bias };
    }
    g->sampling.logit_bias = g->bias;
}

static void read_mirostat(mn_params *p, minerva_sampling *o)
{
    int64_t v;
    if (mn_param_int(p, "mirostat", &v)) o->mirostat = (int)v;
    mn_param_float(p, "mirostat_tau", &o->mirostat_tau);
    mn_param_float(p, "mirostat_eta", &o->mirostat_eta);
    if (mn_param_int(p, "repeat_last_n", &v)) o->penalty_last_n = (int32_t)(v ? v : 0);
}

void mn_read_sampling(mn_params *p, mn_generation *g)
{
    minerva_sampling *o = &g->sampling;
    int64_t v;
    *o = (minerva_sampling){ .temperature = 1 };
    minerva_model_default_sampling(g->model->model, o);
    mn_param_float(p, "temperature", &o->temperature);
    mn_param_float(p, "top_p", &o->top_p);
    mn_param_float(p, "min_p", &o->min_p);
    mn_param_float(p, "typical_p", &o->typical_p);
    mn_param_float(p, "presence_penalty", &o->presence_penalty);
    mn_param_float(p, "frequency_penalty", &o->frequency_penalty);
    mn_param_float(p, "repeat_penalty", &o->repeat_penalty);
    mn_param_float(p, "repetition_penalty", &o->repeat_penalty);
    if (mn_param_int(p, "top_k", &v)) o->top_k = v < 0 ? 0 : (int32_t)v;
    read_mirostat(p, o);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    o->seed = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
    if (mn_param_int(p, "seed", &v)) o->seed = (uint64_t)v;
    read_logit_bias(p, g);
    mn_param_strings(p, "stop", g->stops, &g->n_stops);
    mn_param_int(p, "max_tokens", &g->max_tokens);
    mn_param_int(p, "max_completion_tokens", &g->max_tokens);
    mn_param_int(p, "n", &g->n);
    mn_param_bool(p, "ignore_eos", &g->ignore_end);
}

/* ---- plain prompts ----------------------------------------------------------------- */

/* A string, an array with one string, or an array of token ids. */
void mn_read_prompt(mn_params *p, mn_generation *g, const json_t *v, const char *name,
                    bool keep_text)
{
    const minerva_model *m = g->model->model;
    if (p->err.code != MINERVA_OK) return;
    if (json_array_size(v) == 1 && json_is_string(json_array_get(v, 0))) v = json_array_get(v, 0);
    p->param = name;
    if (json_is_string(v)) {
        if (keep_text && (g->prompt = strdup(json_string_value(v))))
            g->prompt_len = json_string_length(v);
        minerva_tokenize(m, json_string_value(v), json_string_length(v), NULL, &g->ids,
                         &g->n_ids, &p->err);
        return;
    }
    size_t n = json_array_size(v);
    int32_t *ids = n ? malloc(n * sizeof *ids) : NULL;
    for (size_t i = 0; i < n && ids; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0
            || json_integer_value(id) > INT32_MAX) {
            free(ids);
            ids = NULL;
            break;
        }
        ids[i] = (int32_t)json_integer_value(id);
    }
    if (!ids) {
        mn_param_fail(p, name, "a string or an array of token ids expected");
        return;
    }
    g->ids = ids;
    g->n_ids = n;
    if (keep_text) minerva_detokenize(m, ids, n, false, &g->prompt, &g->prompt_len, &p->err);
}
