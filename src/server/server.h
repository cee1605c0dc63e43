/* The server: models behind an OpenAI-compatible API.
 *
 *   routes.c    which path is answered by whom, and what is checked before that
 *   calls.c     the way of a request from its body to its handler, and the workers
 *   models.c    which models there are; loading, evicting and unloading them
 *   admin.c     /api/models
 *   answer.c    JSON answers and errors
 *   job.c       answers in the making, the one path from a request to its tokens
 *   generation.c, chat_request.c, constraint_params.c  what is to be generated
 *   completions.c  /v1/chat/completions and /v1/completions
 *   messages.c  /v1/messages
 *   ollama.c, ollama_models.c  /api/...
 *   responses.c, responses_input.c, responses_store.c  /v1/responses
 *   embeddings.c   /v1/embeddings, /v1/rerank
 *   params.c    the table of all parameters, and reading them
 *   openapi.c   /openapi.json, made from the tables of routes and parameters
 *   info.c      models, tokens, templates, health, metrics
 *   chats.c     /api/chats over chat_store.c: the web page's conversations
 *   web_page.c  the web page itself
 *   serve.c     start, drain, stop
 *
 * (1) All of it runs on the I/O thread of http.h, but `prepare` of a route, which runs on a
 *     worker (calls.c), and the loading of models (models.c).  These, like the scheduler's
 *     thread, only post events to the I/O thread.
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
    bool on_demand;             /* these too are loaded when they are first asked for */
    const char *model_dir;      /* whatever lies in here is served on demand; NULL: nothing */
    size_t memory_bytes;        /* of all models together; 0: 90% of what is free */
    int keep_alive_s;           /* idle time of a model loaded on demand; 0: 1800; -1: ever */
    minerva_model_options load;
    minerva_scheduler_options scheduler;
    const char *const *keys;    /* [n_keys] "name:secret", "name:sha256:HEX" or without the name;
                                 * none: open */
    size_t n_keys;
    const char *const *hosts;   /* [n_hosts] further names that Host may have */
    size_t n_hosts;
    const char *const *origins; /* [n_origins] that browsers may come from */
    size_t n_origins;
    const char *tls_cert, *tls_key;     /* PEM files; NULL: plain HTTP */
    int max_connections, header_timeout_s, idle_timeout_s;      /* 0: as http.h says */
    size_t max_body_bytes;
    int drain_s;                /* 0: 30 */
    const char *chats_path;     /* the database of conversations; NULL: none are kept */
    /* One line per request and per event (server_log.c); NULL: silence.  Any thread. */
    minerva_log_fn *log;
    void *log_ctx;
    minerva_log_level log_level;        /* and what is graver; ERROR is 0 */
    bool log_json;
    /* Called when the server listens. */
    void (*on_ready)(void *ctx, int port);
    void *ctx;
} mn_server_options;

/* Serves until SIGTERM or SIGINT (drains up to 30 s; a second signal ends at once). */
minerva_status mn_serve(const mn_server_options *options, minerva_error *err);

/* ---- inside ------------------------------------------------------------------------ */

/* A model that is served, loaded or not.  `model` and `scheduler` are there while it is
 * held (mn_call.model is; mn_model_hold() holds it longer). */
typedef struct mn_loaded_model {
    char *name;                 /* lives as long as the server */
    minerva_model *model;
    minerva_scheduler *scheduler;
    int64_t loaded_at;          /* seconds since 1970; 0: not loaded */
    struct mn_model_state *state;       /* the rest (models.c) */
} mn_loaded_model;

typedef struct {
    char name[64];
    unsigned char digest[32];   /* SHA-256 of the secret */
} mn_key;

typedef struct mn_job mn_job;       /* a generation request in the making (job.h) */

struct mn_chat_store;

typedef struct mn_server {
    const mn_server_options *o;
    struct mn_chat_store *chats;        /* NULL: chats_why tells why none are kept */
    char chats_why[600];
    mn_http *http;
    struct mn_models *models;
    struct mn_workers *workers;
    mn_key *keys;
    size_t n_keys;
    bool draining;
    struct mn_embedder *embedder;
    struct mn_response_store *responses;
    mn_job *jobs;               /* doubly linked */
    int64_t n_active;           /* how many */
    double drain_until_s;
    int64_t n_requests, n_errors;
    double started_s;
} mn_server;

/* A request on its way (calls.c):
 *
 *   checks -> JSON -> parameters -> model is loaded -> prepare() -> handler()
 *   I/O       worker if it is long   I/O               worker       I/O
 *
 * The call is freed behind its handler. */
typedef struct mn_call mn_call;
struct mn_call {
    mn_server *server;
    mn_http_request *http;      /* I/O thread only; never NULL in a handler */
    uint64_t id;                /* the request's */
    const struct mn_route_spec *route;
    const char *tenant;         /* the key's name, or ""; lives as long as the server */
    json_t *body;               /* of POST */
    const char *text;           /* [text_len] the body as it was sent */
    size_t text_len;
    mn_loaded_model *model;     /* of routes with MN_ROUTE_MODEL: loaded, held for the call */
    void *state;                /* what prepare() made, for the handler */
    void (*state_free)(void *state);    /* for what the handler has not taken (set NULL) */
    json_t *answer;             /* or: what prepare() says is the answer (status 200) */
    minerva_error err;          /* why prepare() failed */
    const char *param;          /* the parameter that is at fault, or NULL */
};

/* I/O thread.  Answers at once or takes call->http along. */
typedef void mn_handler(mn_call *call);
/* Worker thread: whatever takes time with a long text, such as rendering and tokenising.
 * Sees body, text, tenant, id and model, and nothing else of the call or the server.  false:
 * err and param say why, and the handler is not called. */
typedef bool mn_preparer(mn_call *call);
mn_preparer mn_prepare_tokenize, mn_prepare_detokenize, mn_prepare_template, mn_prepare_chat,
            mn_prepare_completion, mn_prepare_response, mn_prepare_message, mn_prepare_count_tokens,
            mn_prepare_ollama_chat, mn_prepare_ollama_generate, mn_prepare_ollama_show,
            mn_prepare_embeddings, mn_prepare_ollama_embed, mn_prepare_rerank;
mn_handler mn_api_ollama, mn_api_ollama_tags, mn_api_ollama_ps, mn_api_ollama_version,
           mn_api_ollama_refused;
mn_handler mn_api_generate, mn_api_response_get, mn_api_response_delete, mn_api_models, mn_api_model, mn_api_health, mn_api_ready,
           mn_api_metrics, mn_api_openapi, mn_api_embeddings, mn_admin_list, mn_admin_load,
           mn_admin_unload, mn_admin_fit;
mn_handler mn_api_web_page, mn_api_chats_list, mn_api_chats_add, mn_api_chats_export,
           mn_api_chats_import, mn_api_chat_get, mn_api_chat_put, mn_api_chat_delete;
/* Every tick: those who wait for a model hear how far it is (admin.c). */
void mn_admin_tick(mn_server *s);

/* What is served; /openapi.json is made of it, and the tests go through it. */
enum { MN_ROUTE_OPEN = 1,       /* no key needed */
       MN_ROUTE_JSON = 2,       /* a JSON object as body */
       MN_ROUTE_PREFIX = 4,     /* what stands for "{...}" at the path's end is anything */
       MN_ROUTE_MODEL = 8 };    /* the model that the body names is loaded first */
typedef struct mn_route_spec {
    const char *method, *path;
    int flags;
    unsigned params;            /* MN_FOR_... */
    mn_preparer *prepare;       /* may be NULL */
    mn_handler *handler;        /* NULL: prepare() sets call->answer */
    const char *about;
} mn_route_spec;
extern const mn_route_spec mn_routes[];
extern const size_t mn_n_routes;

/* The http handler: checks, finds the route, starts a call. */
void mn_route(void *ctx, mn_http_request *r);

/* ---- calls (calls.c) ---------------------------------------------------------------- */
void mn_call_start(mn_server *s, mn_http_request *r, const mn_route_spec *route,
                   const char *tenant);
/* Threads for what takes long. */
minerva_status mn_workers_create(struct mn_workers **out, mn_server *server, minerva_error *err);
/* Waits for what is being worked on; what waits is done without having been worked on. */
void mn_workers_free(struct mn_workers *w);
/* work(arg) on a worker, then done(arg) on the I/O thread.  large: may take more than some
 * milliseconds; one worker never does such work.  false: too much is waiting. */
bool mn_workers_run(struct mn_workers *w, bool large, void (*work)(void *),
                    void (*done)(void *), void *arg);

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
/* The same in the shape of the API that has this path. */
json_t *mn_error_shape(const char *path, int status, const char *param, const char *message);
/* "a%20b" -> "a b"; false: malformed, or longer than `size`. */
bool mn_percent_decode(const char *from, char *out, size_t size);
/* Embeddings are made on a thread of their own (embeddings.c). */
minerva_status mn_embedder_create(struct mn_embedder **out, mn_server *server,
                                  minerva_error *err);
/* Waits for what is being made; the rest is dropped. */
void mn_embedder_free(struct mn_embedder *e);

/* Answers that may be continued (responses_store.c). */
struct mn_response_store *mn_response_store_create(void);
void mn_response_store_free(struct mn_response_store *s);

/* ---- models (models.c); all on the I/O thread --------------------------------------- */
minerva_status mn_models_create(mn_server *s, minerva_error *err);
/* Who waits for a model is told that the server is shutting down. */
void mn_models_cut(mn_server *s);
/* No more loading; schedulers end, so that their last events are posted. */
void mn_models_stop(mn_server *s);
void mn_models_free(mn_server *s);
void mn_models_tick(mn_server *s, double now_s);
size_t mn_models_count(const mn_server *s);
mn_loaded_model *mn_models_at(const mn_server *s, size_t i);
/* Look again what lies in the model directory (not more often than once a second). */
void mn_models_rescan(mn_server *s);
/* By the name that a client gave; NULL: none of that name.  NULL or "": the default. */
mn_loaded_model *mn_model_find(mn_server *s, const char *name);
/* then(call) once the model is loaded: held as call->model; or call->err says why not.
 * May be before this returns. */
void mn_model_want(mn_loaded_model *m, mn_call *call, void (*then)(mn_call *call));
/* Those who wait for it, with the progress of its loading. */
void mn_model_each_waiting(mn_loaded_model *m, void (*fn)(mn_call *call, double progress));
/* A second holder; every hold needs a release.  While held, a model stays loaded. */
void mn_model_hold(mn_loaded_model *m);
void mn_model_release(mn_loaded_model *m);
/* Unload it as soon as nobody holds it. */
void mn_model_unload(mn_loaded_model *m);
/* From now on it is unloaded so long after its last use: seconds, 0: at once, -1: never. */
void mn_model_keep_alive(mn_loaded_model *m, int seconds);
void mn_model_pin(mn_loaded_model *m, bool pinned);
/* {"id", "object", "state", ...} */
json_t *mn_model_object(const mn_loaded_model *m);

typedef struct {
    size_t file_bytes, weight_bytes, fixed_bytes, cache_bytes;
    size_t need_bytes;          /* weights, scratch and cache */
    size_t limit_bytes;         /* of all models */
    bool fits;
    char backend[32];
} mn_model_fit;
/* Any thread: opens the model's description. */
minerva_status mn_model_estimate(const mn_loaded_model *m, mn_model_fit *out,
                                 minerva_error *err);
typedef struct { int64_t n_loaded, n_loads, n_unloads, n_evictions, n_failures;
                 size_t used_bytes, limit_bytes; } mn_models_stats;
void mn_models_get_stats(const mn_server *s, mn_models_stats *out);

static inline mn_loaded_model *mn_call_model(mn_call *call) { return call->model; }

/* Pairs of a key, MN_LOG_..., and a const char * (NULL: left out), long long or double;
 * then NULL.  Any thread. */
enum { MN_LOG_TEXT, MN_LOG_INT, MN_LOG_REAL };
__attribute__((sentinel))
void mn_server_log(const mn_server *s, minerva_log_level level, const char *event, ...);

#endif
