/* An answer in the making, for every API: one HTTP request and its n choices, each a
 * request of the scheduler.
 *
 *   form->read -> submit n requests -> pieces, parsed -> form->delta ... form->finish
 *   worker        I/O                  scheduler, I/O    I/O
 *
 * The scheduler's thread turns every piece of text into an event and posts it; everything
 * behind that happens on the I/O thread, in the order of the events.
 *
 * (1) A job lives until all its choices are done; a client that goes away only cancels.
 * (2) What was said is collected in the choices in any case; streams get it as deltas too.
 * (3) The job writes nothing itself but keep-alive comments: the shape of an answer is
 *     the form's alone.
 */
#ifndef MN_SERVER_JOB_H
#define MN_SERVER_JOB_H

#include "server/generation.h"

typedef struct mn_choice mn_choice;

typedef struct {
    char id[16];
    char *name;
    mn_buffer arguments;        /* JSON */
    bool ended;
} mn_tool_call;

struct mn_choice {
    mn_job *job;
    int index;
    minerva_request *request;
    minerva_chat_parser *parser;        /* NULL: all is content */
    mn_buffer content, reasoning;
    mn_tool_call *calls;
    size_t n_calls;
    json_t *logprobs;           /* array: of the whole answer, or not yet streamed */
    int64_t n_reasoning;        /* tokens */
    minerva_generate_result result;
    minerva_error err;
    bool stopped;               /* by us, at its proper end */
    bool done;
};

typedef enum { MN_DELTA_CONTENT, MN_DELTA_REASONING, MN_DELTA_CALL_BEGIN,
               MN_DELTA_CALL_ARGUMENTS, MN_DELTA_CALL_END } mn_delta_kind;
typedef struct {
    mn_delta_kind kind;
    const char *text;           /* [len] CONTENT, REASONING, CALL_ARGUMENTS */
    size_t len;
    size_t call;                /* CALL_*: index of choice->calls */
} mn_delta;

/* How one API speaks.  Functions that are NULL are not called. */
typedef struct {
    const char *id_prefix;
    unsigned params;            /* MN_FOR_... */
    bool is_sse;                /* of streams; otherwise lines of JSON */
    bool collects;              /* wants deltas of whole answers, too */
    /* The body into the job and its generation; faults go to p.  On a worker's thread. */
    void (*read)(mn_params *p, mn_job *j, mn_generation *g);
    void (*begin)(mn_job *j);                                   /* streams */
    void (*delta)(mn_choice *c, const mn_delta *d);     /* streams, or if it collects */
    void (*end)(mn_choice *c);                                  /* streams: it is over */
    void (*error)(mn_job *j, const char *message);              /* streams */
    void (*finish)(mn_job *j);          /* the stream's last words, or the whole answer */
} mn_reply_form;

struct mn_job {
    mn_job *next, *prev;        /* of the server's */
    mn_server *server;
    mn_loaded_model *model;
    mn_http_request *http;      /* NULL: the client is gone */
    const mn_reply_form *form;
    mn_generation *g;
    const char *tenant;         /* of the server */
    bool stream;
    int64_t n, n_done;
    mn_choice choices[MN_MAX_CHOICES];
    char id[48];
    int64_t created;            /* seconds since 1970 */
    bool is_held;               /* the model is */
    bool failed;                /* an error was sent into the stream */
    bool cut;                   /* cancelled by the server */
    double sent_s;              /* when the stream last had something */
    double started_s;
    /* the form's own */
    bool usage_in_stream, echo, plain;
    void *user;
    void (*free_user)(void *user);
};

/* All of a preparer (on a worker): reads the body into a job, which the handler
 * mn_api_generate() starts. */
bool mn_job_prepare(mn_call *call, const mn_reply_form *form);

/* Into the stream: "event: NAME" (unless NULL) and "data: VALUE", or a line.  Takes value. */
void mn_job_send(mn_job *j, const char *event, json_t *value);
void mn_job_send_text(mn_job *j, const char *text);
json_t *mn_buffer_string(const mn_buffer *b);

typedef struct { int64_t prompt, cached, generated, reasoning; } mn_usage;
mn_usage mn_job_usage(const mn_job *j);
/* "stop", "length", "tool_calls" */
const char *mn_choice_finish(const mn_choice *c);
/* A token with its log probability, OpenAI's form. */
json_t *mn_take_logprobs(mn_choice *c);
/* `len` letters and digits that no other call gets; out has len + 1 bytes. */
void mn_make_id(char *out, size_t len);

#endif
