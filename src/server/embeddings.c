/* /v1/embeddings, Ollama's /api/embed and /api/embeddings, /v1/rerank: texts become vectors,
 * on a thread of their own.
 *
 * The thread evaluates one text after the other in a fresh session; the model's engine lock
 * lets the scheduler's rounds run in between, so answers in the making go on.
 *
 *   worker: tokenise -> handler: queue -> thread: evaluate, pool -> I/O thread: answer
 *
 * (1) A task is owned by the call, then by the queue, the thread, and the posted event.
 * (2) `http` is read and written on the I/O thread only; a client that goes away sets
 *     `unwanted`, and the thread stops at the next text.
 * (3) Documents are ranked by the cosine between their vector and the query's; heads that
 *     judge both together (cross-encoders) are not run, and such models are refused.
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

typedef enum { SHAPE_OPENAI, SHAPE_EMBED, SHAPE_EMBEDDINGS, SHAPE_RERANK } answer_shape;

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
    minerva_pooling pooling;
    bool base64, truncate, is_held;
    bool has_keep_alive;
    int keep_alive_s;
    answer_shape shape;
    json_t *documents;          /* of a ranking, like the next two */
    size_t n_results;
    bool shows_documents;
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
    json_decref(t->documents);
    if (t->is_held) mn_model_release(t->model);
    free(t);
}

/* ---- the thread -------------------------------------------------------------------- */

/* hidden [n, width] -> out [width], of length 1. */
static void pool(const task *t, const float *hidden, size_t n, size_t width, float *out)
{
    size_t from = t->pooling == MINERVA_POOLING_LAST ? n - 1 : 0;
    size_t to = t->pooling == MINERVA_POOLING_FIRST ? 1 : n;
    double length = 0;
    for (size_t k = 0; k < width; k++) {
        double sum = 0;
        for (size_t i = from; i < to; i++) sum += hidden[i * width + k];
        out[k] = (float)(sum / (double)(to - from));
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

static json_t *list_of(const task *t)
{
    json_t *data = json_array();
    for (size_t i = 0; i < t->n_inputs; i++)
        json_array_append_new(data, t->shape != SHAPE_OPENAI ? vector_of(t, i)
            : json_pack("{s:s, s:i, s:o}", "object", "embedding", "index", (int)i, "embedding",
                        vector_of(t, i)));
    return data;
}

/* ---- rankings ---------------------------------------------------------------------- */

/* "..." or {"text": "..."} */
static json_t *text_of(const json_t *document)
{
    return json_is_object(document) ? json_object_get(document, "text") : (json_t *)document;
}

typedef struct {
    size_t index;
    double score;
} rank;

/* The best first; equals in the order in which they came. */
static int by_score(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static json_t *ranking_of(const task *t, json_int_t n_tokens)
{
    size_t width = (size_t)minerva_model_hidden(t->model->model), n = t->n_inputs - 1;
    rank *ranks = calloc(n, sizeof *ranks);
    if (!ranks) return NULL;
    for (size_t i = 0; i < n; i++) {
        ranks[i].index = i;
        for (size_t k = 0; k < width; k++)
            ranks[i].score += (double)t->vectors[k] * t->vectors[(i + 1) * width + k];
    }
    qsort(ranks, n, sizeof *ranks, by_score);
    json_t *results = json_array();
    for (size_t i = 0; i < t->n_results; i++) {
        json_t *r = json_pack("{s:I, s:f}", "index", (json_int_t)ranks[i].index,
                              "relevance_score", ranks[i].score);
        if (t->shows_documents)
            json_object_set_new(r, "document", json_pack("{s:O}", "text",
                text_of(json_array_get(t->documents, ranks[i].index))));
        json_array_append_new(results, r);
    }
    free(ranks);
    return json_pack("{s:s, s:s, s:{s:I, s:I}, s:o}", "object", "list", "model", t->model->name,
                     "usage", "prompt_tokens", n_tokens, "total_tokens", n_tokens, "results",
                     results);
}

static void answer(void *arg)
{
    task *t = arg;
    json_int_t n = 0;
    t->server->n_active--;
    for (size_t i = 0; i < t->n_inputs; i++) n += (json_int_t)t->n_ids[i];
    if (t->http && t->err.code != MINERVA_OK)
        mn_answer_failure(t->http, t->shape == SHAPE_RERANK ? "documents" : "input", &t->err);
    else if (t->http && t->shape == SHAPE_RERANK) mn_answer_json(t->http, 200, ranking_of(t, n));
    else if (t->http) mn_answer_json(t->http, 200, shaped(t, list_of(t), n));
    task_free(t);
}

/* ---- requests ---------------------------------------------------------------------- */

static bool is_id(const json_t *v) { return json_is_integer(v); }

static void read_ids(mn_params *p, task *t, const char *name, size_t i, const json_t *v)
{
    int32_t vocab = minerva_model_vocab(t->model->model);
    t->n_ids[i] = json_array_size(v);
    t->ids[i] = malloc(t->n_ids[i] * sizeof **t->ids);
    for (size_t k = 0; k < t->n_ids[i] && t->ids[i]; k++) {
        const json_t *id = json_array_get(v, k);
        if (!is_id(id) || json_integer_value(id) < 0 || json_integer_value(id) >= vocab) {
            mn_param_fail(p, name, "[%zu]: token ids of 0 to %d expected", i, vocab - 1);
            return;
        }
        t->ids[i][k] = (int32_t)json_integer_value(id);
    }
}

/* One text more: a string or, for embeddings, an array of ids.  place: its index in `name`. */
static bool add_input(mn_params *p, task *t, const char *name, size_t place, const json_t *v)
{
    size_t i = t->n_inputs;
    minerva_model *m = t->model->model;
    size_t most = (size_t)minerva_model_context(m);
    if (json_is_string(v)) {
        p->param = name;
        if (minerva_tokenize(m, json_string_value(v), json_string_length(v), NULL, &t->ids[i],
                             &t->n_ids[i], &p->err) != MINERVA_OK) return false;
    } else if (json_array_size(v) && t->shape != SHAPE_RERANK) {
        read_ids(p, t, name, i, v);
    } else {
        mn_param_fail(p, name, "[%zu]: a string%s expected", place,
                      t->shape == SHAPE_RERANK ? "" : " or an array of token ids");
        return false;
    }
    t->n_inputs++;
    if (t->truncate && t->n_ids[i] > most) t->n_ids[i] = most;
    if (t->n_ids[i] == 0 || !t->ids[i])
        mn_param_fail(p, name, "[%zu]: at least one token expected", place);
    else if (t->n_ids[i] > most)
        mn_param_fail(p, name, "[%zu]: at most %zu tokens expected (the context), %zu found",
                      place, most, t->n_ids[i]);
    return p->err.code == MINERVA_OK;
}

static bool make_room(mn_params *p, task *t, const char *name, size_t n)
{
    t->ids = calloc(n, sizeof *t->ids);
    t->n_ids = calloc(n, sizeof *t->n_ids);
    t->vectors = calloc(n * (size_t)minerva_model_hidden(t->model->model), sizeof(float));
    if (t->ids && t->n_ids && t->vectors) return true;
    mn_param_fail(p, name, "less memory needed; there is not enough");
    return false;
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
    if (!make_room(p, t, "input", n)) return;
    for (size_t i = 0; i < n; i++)
        if (!add_input(p, t, "input", i, many ? json_array_get(v, i) : v)) return;
}

/* The query is the first input, the documents follow. */
static void read_ranking(mn_params *p, task *t)
{
    const json_t *query = mn_param_get(p, "query"), *list = mn_param_get(p, "documents");
    size_t n = json_array_size(list);
    int64_t top = INT64_MAX;
    if (!json_string_length(query)) mn_param_fail(p, "query", "a text expected");
    if (n == 0 || n >= MAX_INPUTS)
        mn_param_fail(p, "documents", "1 to %d texts expected", MAX_INPUTS - 1);
    if (minerva_model_pooling(t->model->model) == MINERVA_POOLING_RANK)
        mn_param_fail(p, "model", "a model of embeddings expected: the head with which \"%.100s\" "
                      "judges a query and a document together is not supported", t->model->name);
    mn_param_int(p, "top_n", &top);
    mn_param_bool(p, "return_documents", &t->shows_documents);
    if (p->err.code != MINERVA_OK || !make_room(p, t, "documents", n + 1)) return;
    t->n_results = top < (int64_t)n ? (size_t)top : n;
    t->documents = json_incref((json_t *)list);
    if (!add_input(p, t, "query", 0, query)) return;
    for (size_t i = 0; i < n; i++)
        if (!add_input(p, t, "documents", i, text_of(json_array_get(list, i)))) return;
}

static void read_form(mn_params *p, task *t)
{
    const json_t *format = mn_param_get(p, "encoding_format"), *how = mn_param_get(p, "pooling");
    static const char *const ways[] = { [MINERVA_POOLING_MEAN] = "mean",
        [MINERVA_POOLING_FIRST] = "first", [MINERVA_POOLING_LAST] = "last" };
    const char *name = format ? json_string_value(format) : "float";
    int64_t width = minerva_model_hidden(t->model->model);
    if (!name || (strcmp(name, "float") && strcmp(name, "base64")))
        mn_param_fail(p, "encoding_format", "\"float\" or \"base64\" expected");
    else t->base64 = !strcmp(name, "base64");
    t->pooling = minerva_model_pooling(t->model->model);
    if (t->pooling == MINERVA_POOLING_RANK) t->pooling = MINERVA_POOLING_FIRST;
    int way = 0;
    name = how ? json_string_value(how) : ways[t->pooling];
    while (way < 3 && (!name || strcmp(name, ways[way]))) way++;
    if (way == 3) mn_param_fail(p, "pooling", "\"mean\", \"first\" or \"last\" expected");
    else t->pooling = (minerva_pooling)way;
    t->dimensions = width;
    if (mn_param_int(p, "dimensions", &t->dimensions) && t->dimensions > width)
        mn_param_fail(p, "dimensions", "at most %lld expected (the model's width), %lld found",
                      (long long)width, (long long)t->dimensions);
}

static void drop_task(void *state) { task_free(state); }

/* On a worker: the body into a task. */
static bool prepare(mn_call *call, answer_shape shape)
{
    mn_params p = { .body = call->body, .where = call->route->params };
    task *t = calloc(1, sizeof *t);
    if (!t) return false;
    *t = (task){ .server = call->server, .model = call->model, .shape = shape,
                 .truncate = shape == SHAPE_EMBED || shape == SHAPE_EMBEDDINGS,
                 .started_s = mn_clock_s() };
    call->state = t;
    call->state_free = drop_task;
    read_form(&p, t);
    mn_param_bool(&p, "truncate", &t->truncate);
    if (shape == SHAPE_EMBED || shape == SHAPE_EMBEDDINGS)
        t->has_keep_alive = mn_ollama_keep_alive(&p, &t->keep_alive_s);
    if (p.err.code == MINERVA_OK && shape == SHAPE_RERANK) read_ranking(&p, t);
    else if (p.err.code == MINERVA_OK) read_inputs(&p, t);
    call->err = p.err;
    call->param = p.param;
    return p.err.code == MINERVA_OK;
}

bool mn_prepare_embeddings(mn_call *call) { return prepare(call, SHAPE_OPENAI); }

bool mn_prepare_rerank(mn_call *call) { return prepare(call, SHAPE_RERANK); }

bool mn_prepare_ollama_embed(mn_call *call)
{
    bool older = !strcmp(call->route->path, "/api/embeddings");
    return prepare(call, older ? SHAPE_EMBEDDINGS : SHAPE_EMBED);
}

void mn_api_embeddings(mn_call *call)
{
    struct mn_embedder *e = call->server->embedder;
    task *t = call->state;
    if (call->server->draining) {
        mn_answer_error(call->http, 503, NULL, "the server is shutting down");
        return;
    }
    if (t->has_keep_alive) mn_model_keep_alive(t->model, t->keep_alive_s);
    pthread_mutex_lock(&e->mutex);
    bool full = e->n_waiting >= MAX_WAITING;
    if (!full) {
        call->state = NULL;
        mn_model_hold(t->model);
        t->is_held = true;
        t->http = call->http;
        if (e->last) e->last->next = t;
        else e->first = t;
        e->last = t;
        e->n_waiting++;
        call->http->user = t;
        call->http->on_gone = on_gone;
        call->server->n_active++;
        pthread_cond_signal(&e->wake);
    }
    pthread_mutex_unlock(&e->mutex);
    if (full)
        mn_answer_error(call->http, 429, NULL, "the queue is full: %d requests are waiting",
                        MAX_WAITING);
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
