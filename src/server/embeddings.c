/* /v1/embeddings and Ollama's /api/embed, /api/embeddings: texts become vectors, on a
 * thread of their own.
 *
 * The thread evaluates one text after the other in a fresh session; the model's engine lock
 * lets the scheduler's rounds run in between, so answers in the making go on.
 *
 *   handler: tokenise, queue -> thread: evaluate, pool -> post -> I/O thread: answer
 *
 * (1) A task is owned by the queue, then by the thread, then by the posted event.
 * (2) `http` is read and written on the I/O thread only; a client that goes away sets
 *     `unwanted`, and the thread stops at the next text.
 */
#include "server/ollama.h"
#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 2048, MAX_WAITING = 64 };

typedef enum { SHAPE_OPENAI, SHAPE_EMBED, SHAPE_EMBEDDINGS } answer_shape;

typedef struct task task;
struct task {
    task *next;
    mn_server *server;
    mn_loaded_model *model;
    mn_http_request *http;      /* NULL: the client is gone */
    atomic_bool unwanted;
    int32_t **ids;              /* [n_inputs] of [n_ids[i]] */
    size_t *n_ids, n_inputs;
    float *vectors;             /* [n_inputs, hidden] */
    int64_t dimensions;
    bool last, base64, truncate;
    answer_shape shape;
    double started_s;
    minerva_error err;
};

struct mn_embedder {
    mn_server *server;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    task *first, *last;         /* under mutex, like the next two */
    int n_waiting;
    bool quit;
};

static void task_free(task *t)
{
    for (size_t i = 0; i < t->n_inputs && t->ids; i++) minerva_free(t->ids[i]);
    free(t->ids);
    free(t->n_ids);
    free(t->vectors);
    if (t->model) mn_model_release(t->model);
    free(t);
}

/* ---- the thread -------------------------------------------------------------------- */

/* hidden [n, width] -> out [width], of length 1. */
static void pool(const task *t, const float *hidden, size_t n, size_t width, float *out)
{
    double length = 0;
    for (size_t k = 0; k < width; k++) {
        double sum = 0;
        for (size_t i = t->last ? n - 1 : 0; i < n; i++) sum += hidden[i * width + k];
        out[k] = (float)(t->last ? sum : sum / (double)n);
        if (k < (size_t)t->dimensions) length += (double)out[k] * out[k];
    }
    for (size_t k = 0; k < width && length > 0; k++) out[k] = (float)(out[k] / sqrt(length));
}

static minerva_status embed_one(task *t, size_t i)
{
    minerva_model *m = t->model->model;
    size_t width = (size_t)minerva_model_hidden(m), n = t->n_ids[i];
    minerva_session *s = NULL;
    float *hidden = malloc(n * width * sizeof *hidden);
    minerva_status st = MINERVA_MEMORY;
    if (hidden) st = minerva_session_create(&s, m, &t->err);
    else t->err = (minerva_error){ .code = MINERVA_MEMORY, .message = "out of memory" };
    if (st == MINERVA_OK) st = minerva_session_eval_hidden(s, t->ids[i], n, hidden, &t->err);
    if (st == MINERVA_OK) pool(t, hidden, n, width, t->vectors + i * width);
    minerva_session_free(s);
    free(hidden);
    return st;
}

static void answer(void *arg);

static void *work(void *arg)
{
    struct mn_embedder *e = arg;
    for (;;) {
        pthread_mutex_lock(&e->mutex);
        while (!e->first && !e->quit) pthread_cond_wait(&e->wake, &e->mutex);
        task *t = e->first;
        if (t && !(e->first = t->next)) e->last = NULL;
        if (t) e->n_waiting--;
        bool quit = e->quit;
        pthread_mutex_unlock(&e->mutex);
        if (!t) return NULL;
        for (size_t i = 0; i < t->n_inputs && !quit && !atomic_load(&t->unwanted); i++)
            if (embed_one(t, i) != MINERVA_OK) break;
        if (quit) t->err = (minerva_error){ .code = MINERVA_CANCELLED,
                                            .message = "the server is shutting down" };
        while (!mn_http_post(e->server->http, answer, t)) continue;
    }
}

/* ---- on the I/O thread ------------------------------------------------------------- */

static void on_gone(mn_http_request *r)
{
    task *t = r->user;
    t->http = NULL;
    atomic_store(&t->unwanted, true);
    mn_http_request_free(r);
}

/* Little-endian floats, as OpenAI's clients decode them. */
static json_t *base64_of(const float *v, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = (const unsigned char *)v;
    size_t len = n * sizeof *v, at = 0;
    char *text = malloc(len / 3 * 4 + 8);
    if (!text) return NULL;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t w = (uint32_t)b[i] << 16 | (i + 1 < len ? (uint32_t)b[i + 1] << 8 : 0)
                     | (i + 2 < len ? b[i + 2] : 0);
        for (int k = 0; k < 4; k++)
            text[at++] = (size_t)k > len - i && len - i < 3 ? '=' : digits[w >> (18 - 6 * k) & 63];
    }
    json_t *s = json_stringn(text, at);
    free(text);
    return s;
}

static json_t *vector_of(const task *t, size_t i)
{
    const float *v = t->vectors + i * (size_t)minerva_model_hidden(t->model->model);
    if (t->base64) return base64_of(v, (size_t)t->dimensions);
    json_t *list = json_array();
    for (int64_t k = 0; k < t->dimensions; k++) json_array_append_new(list, json_real(v[k]));
    return list;
}

/* Takes data. */
static json_t *shaped(const task *t, json_t *data, json_int_t n)
{
    json_int_t ns = (json_int_t)((mn_clock_s() - t->started_s) * 1e9);
    if (t->shape == SHAPE_OPENAI)
        return json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", data, "model",
                         t->model->name, "usage", "prompt_tokens", n, "total_tokens", n);
    if (t->shape == SHAPE_EMBED)
        return json_pack("{s:s, s:o, s:I, s:i, s:I}", "model", t->model->name, "embeddings", data,
                         "total_duration", ns, "load_duration", 0, "prompt_eval_count", n);
    json_t *v = json_pack("{s:O}", "embedding", json_array_get(data, 0));
    json_decref(data);
    return v;
}

static void answer(void *arg)
{
    task *t = arg;
    json_int_t n = 0;
    t->server->n_active--;
    if (t->http && t->err.code != MINERVA_OK) {
        mn_answer_failure(t->http, "input", &t->err);
    } else if (t->http) {
        json_t *data = json_array();
        for (size_t i = 0; i < t->n_inputs && t->shape != SHAPE_OPENAI; i++) {
            n += (json_int_t)t->n_ids[i];
            json_array_append_new(data, vector_of(t, i));
        }
        for (size_t i = 0; i < t->n_inputs && t->shape == SHAPE_OPENAI; i++) {
            n += (json_int_t)t->n_ids[i];
            json_array_append_new(data, json_pack("{s:s, s:i, s:o}", "object", "embedding",
                                                  "index", (int)i, "embedding", vector_of(t, i)));
        }
        mn_answer_json(t->http, 200, shaped(t, data, n));
    }
    task_free(t);
}

/* ---- requests ---------------------------------------------------------------------- */

static bool is_id(const json_t *v) { return json_is_integer(v); }

/* One input: a string or an array of ids. */
static bool add_input(mn_params *p, task *t, const json_t *v)
{
    size_t i = t->n_inputs;
    minerva_model *m = t->model->model;
    size_t most = (size_t)minerva_model_context(m);
    if (json_is_string(v)) {
        p->param = "input";
        if (minerva_tokenize(m, json_string_value(v), json_string_length(v), NULL, &t->ids[i],
                             &t->n_ids[i], &p->err) != MINERVA_OK) return false;
    } else if (json_array_size(v)) {
        t->n_ids[i] = json_array_size(v);
        t->ids[i] = malloc(t->n_ids[i] * sizeof **t->ids);
        for (size_t k = 0; k < t->n_ids[i] && t->ids[i]; k++) {
            const json_t *id = json_array_get(v, k);
            if (!is_id(id) || json_integer_value(id) < 0
                || json_integer_value(id) >= minerva_model_vocab(m)) {
                mn_param_fail(p, "input", "[%zu]: token ids of 0 to %d expected", i,
                              minerva_model_vocab(m) - 1);
                break;
            }
            t->ids[i][k] = (int32_t)json_integer_value(id);
        }
    } else {
        mn_param_fail(p, "input", "[%zu]: a string or an array of token ids expected", i);
        return false;
    }
    t->n_inputs++;
    if (t->truncate && t->n_ids[i] > most) t->n_ids[i] = most;
    if (t->n_ids[i] == 0 || !t->ids[i])
        mn_param_fail(p, "input", "[%zu]: at least one token expected", i);
    else if (t->n_ids[i] > most)
        mn_param_fail(p, "input", "[%zu]: at most %zu tokens expected (the context), %zu found", i,
                      most, t->n_ids[i]);
    return p->err.code == MINERVA_OK;
}

static void read_inputs(mn_params *p, task *t)
{
    const json_t *v = mn_param_get(p, t->shape == SHAPE_EMBEDDINGS ? "prompt" : "input");
    bool many = json_is_array(v) && !is_id(json_array_get(v, 0));
    size_t n = many ? json_array_size(v) : 1;
    if (!v || n == 0 || n > MAX_INPUTS) {
        mn_param_fail(p, "input", "1 to %d texts expected", MAX_INPUTS);
        return;
    }
    t->ids = calloc(n, sizeof *t->ids);
    t->n_ids = calloc(n, sizeof *t->n_ids);
    t->vectors = calloc(n * (size_t)minerva_model_hidden(t->model->model), sizeof(float));
    if (!t->ids || !t->n_ids || !t->vectors) {
        mn_param_fail(p, "input", "less memory needed; there is not enough");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!add_input(p, t, many ? json_array_get(v, i) : v)) return;
}

static void read_form(mn_params *p, task *t)
{
    const json_t *format = mn_param_get(p, "encoding_format"), *how = mn_param_get(p, "pooling");
    const char *name = format ? json_string_value(format) : "float";
    int64_t width = minerva_model_hidden(t->model->model);
    if (!name || (strcmp(name, "float") && strcmp(name, "base64")))
        mn_param_fail(p, "encoding_format", "\"float\" or \"base64\" expected");
    else t->base64 = !strcmp(name, "base64");
    name = how ? json_string_value(how) : "mean";
    if (!name || (strcmp(name, "mean") && strcmp(name, "last")))
        mn_param_fail(p, "pooling", "\"mean\" or \"last\" expected");
    else t->last = !strcmp(name, "last");
    t->dimensions = width;
    if (mn_param_int(p, "dimensions", &t->dimensions) && t->dimensions > width)
        mn_param_fail(p, "dimensions", "at most %lld expected (the model's width), %lld found",
                      (long long)width, (long long)t->dimensions);
}

static void serve(mn_call *call, unsigned where, answer_shape shape)
{
    mn_params p = { .body = call->body, .where = where };
    int keep_alive;
    mn_loaded_model *m = mn_call_model(call);
    if (!m) return;
    struct mn_embedder *e = call->server->embedder;
    task *t = calloc(1, sizeof *t);
    if (!t || call->server->draining) {
        mn_answer_error(call->http, 503, NULL, "the server is %s", t ? "shutting down"
                                                                    : "out of memory");
        free(t);
        return;
    }
    *t = (task){ .server = call->server, .model = m, .http = call->http,
                 .shape = shape, .truncate = shape != SHAPE_OPENAI, .started_s = mn_clock_s() };
    mn_model_hold(m);
    read_form(&p, t);
    mn_param_bool(&p, "truncate", &t->truncate);
    if (shape != SHAPE_OPENAI && mn_ollama_keep_alive(&p, &keep_alive))
        mn_model_keep_alive(m, keep_alive);
    if (p.err.code == MINERVA_OK) read_inputs(&p, t);
    if (p.err.code != MINERVA_OK) {
        mn_answer_failure(call->http, p.param, &p.err);
        task_free(t);
        return;
    }
    pthread_mutex_lock(&e->mutex);
    bool full = e->n_waiting >= MAX_WAITING;
    if (!full) {
        if (e->last) e->last->next = t;
        else e->first = t;
        e->last = t;
        e->n_waiting++;
        call->http->user = t;
        call->http->on_gone = on_gone;
        pthread_cond_signal(&e->wake);
    }
    pthread_mutex_unlock(&e->mutex);
    if (full) {
        mn_answer_error(call->http, 429, NULL, "the queue is full: %d requests are waiting",
                        MAX_WAITING);
        task_free(t);
    } else {
        call->server->n_active++;
    }
}

void mn_api_embeddings(mn_call *call) { serve(call, MN_FOR_EMBEDDINGS, SHAPE_OPENAI); }

void mn_api_ollama_embed(mn_call *call)
{
    bool older = !strcmp(call->http->path, "/api/embeddings");
    serve(call, MN_FOR_OLLAMA_EMBED, older ? SHAPE_EMBEDDINGS : SHAPE_EMBED);
}

minerva_status mn_embedder_create(struct mn_embedder **out, mn_server *server,
                                  minerva_error *err)
{
    struct mn_embedder *e = calloc(1, sizeof *e);
    if (e) {
        e->server = server;
        pthread_mutex_init(&e->mutex, NULL);
        pthread_cond_init(&e->wake, NULL);
        if (pthread_create(&e->thread, NULL, work, e) == 0) {
            *out = e;
            return MINERVA_OK;
        }
        pthread_mutex_destroy(&e->mutex);
        pthread_cond_destroy(&e->wake);
        free(e);
    }
    err->code = MINERVA_MEMORY;
    snprintf(err->message, sizeof err->message, "the embeddings' thread could not be started");
    return MINERVA_MEMORY;
}

void mn_embedder_free(struct mn_embedder *e)
{
    if (!e) return;
    pthread_mutex_lock(&e->mutex);
    e->quit = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->mutex);
    pthread_join(e->thread, NULL);
    pthread_mutex_destroy(&e->mutex);
    pthread_cond_destroy(&e->wake);
    free(e);
}
