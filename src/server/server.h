/* The server: models behind an OpenAI-compatible API.
 *
 *   routes.c    which path is answered by whom, and what is checked before that
 *   answer.c    JSON answers and errors
 *   completions.c  /v1/chat/completions and /v1/completions
 *   embeddings.c   /v1/embeddings
 *   params.c    the table of all parameters, and reading them
 *   openapi.c   /openapi.json, made from the tables of routes and parameters
 *   info.c      models, tokens, templates, health, metrics
 *   serve.c     start, drain, stop
 *
 * (1) All of it runs on the I/O thread of http.h.  The scheduler's thread only posts
 *     events to it.
 * (2) A parameter that we do not know is refused by its name, unless ignoring it changes
 *     nothing.
 */
#ifndef MN_SERVER_SERVER_H
#define MN_SERVER_SERVER_H

#include "minerva.h"
#include "server/http.h"

#include <jansson.h>

typedef struct {
    const char *name;           /* as clients call it */
    const char *path;
} mn_server_model;

typedef struct {
    const char *host;           /* NULL: 127.0.0.1 */
    int port;                   /* 0: 11434; -1: any free one */
    const mn_server_model *models;      /* [n_models]; the first is the default */
    size_t n_models;
    minerva_model_options load;
    minerva_scheduler_options scheduler;
    const char *const *keys;    /* [n_keys] "name:secret" or "secret"; none: open */
    size_t n_keys;
    const char *const *hosts;   /* [n_hosts] further names that Host may have */
    size_t n_hosts;
    const char *const *origins; /* [n_origins] that browsers may come from */
    size_t n_origins;
    /* One line per request and per event; NULL: silence. */
    minerva_log_fn *log;
    void *log_ctx;
    /* Called when the server listens. */
    void (*on_ready)(void *ctx, int port);
    void *ctx;
} mn_server_options;

/* Serves until SIGTERM or SIGINT (drains up to 30 s; a second signal ends at once). */
minerva_status mn_serve(const mn_server_options *options, minerva_error *err);

/* ---- inside ------------------------------------------------------------------------ */

typedef struct {
    char *name;
    minerva_model *model;
    minerva_scheduler *scheduler;
    int64_t loaded_at;          /* seconds since 1970 */
} mn_loaded_model;

typedef struct {
    char name[64];
    unsigned char digest[32];   /* SHA-256 of the secret */
} mn_key;

typedef struct mn_job mn_job;       /* a generation request in the making (completions.c) */

typedef struct mn_server {
    const mn_server_options *o;
    mn_http *http;
    mn_loaded_model *models;
    size_t n_models;
    mn_key *keys;
    size_t n_keys;
    bool draining;
    struct mn_embedder *embedder;
    mn_job *jobs;               /* doubly linked */
    int64_t n_active;           /* how many */
    double drain_until_s;
    int64_t n_requests, n_errors;
    double started_s;
} mn_server;

typedef struct {
    mn_server *server;
    mn_http_request *http;
    const char *tenant;         /* the key's name, or "" */
    json_t *body;               /* of POST; borrowed for the call */
} mn_call;

typedef void mn_handler(mn_call *call);
mn_handler mn_api_chat, mn_api_completions, mn_api_models, mn_api_model, mn_api_tokenize,
           mn_api_detokenize, mn_api_apply_template, mn_api_health, mn_api_ready,
           mn_api_metrics, mn_api_openapi, mn_api_embeddings;

/* What is served; /openapi.json is made of it, and the tests go through it. */
enum { MN_ROUTE_OPEN = 1,       /* no key needed */
       MN_ROUTE_JSON = 2,       /* a JSON object as body */
       MN_ROUTE_PREFIX = 4 };   /* what stands for "{...}" at the path's end is anything */
typedef struct {
    const char *method, *path;
    int flags;
    unsigned params;            /* MN_FOR_... */
    mn_handler *handler;
    const char *about;
} mn_route_spec;
extern const mn_route_spec mn_routes[];
extern const size_t mn_n_routes;

/* The http handler: checks, finds the route, calls it. */
void mn_route(void *ctx, mn_http_request *r);

/* Every tick: streams that were silent for long get a comment, so that nobody in between
 * takes them for dead. */
void mn_jobs_keep_alive(mn_server *s, double now_s);
/* Cancel all; their clients are told that the server is shutting down. */
void mn_jobs_cut(mn_server *s);

/* Takes `value`. */
void mn_answer_json(mn_http_request *r, int status, json_t *value);
/* OpenAI's shape: {"error":{message,type,param,code}}.  param may be NULL. */
__attribute__((format(printf, 4, 5)))
void mn_answer_error(mn_http_request *r, int status, const char *param, const char *fmt, ...);
/* The status that fits, with the error's message. */
void mn_answer_failure(mn_http_request *r, const char *param, const minerva_error *err);
json_t *mn_error_object(int status, const char *param, const char *message);
/* "a%20b" -> "a b"; false: malformed, or longer than `size`. */
bool mn_percent_decode(const char *from, char *out, size_t size);
/* Embeddings are made on a thread of their own (embeddings.c). */
minerva_status mn_embedder_create(struct mn_embedder **out, mn_server *server,
                                  minerva_error *err);
/* Waits for what is being made; the rest is dropped. */
void mn_embedder_free(struct mn_embedder *e);
/* The model that the body names; NULL after a 404. */
mn_loaded_model *mn_call_model(mn_call *call);

#endif
