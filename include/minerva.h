/* minerva.h - the public interface of Minerva, a local language-model runtime.
 *
 * Conventions, for everything below:
 *  - A function that can fail returns a minerva_status; results go through `out`
 *    parameters, which are set only on MINERVA_OK.  Detail goes to an optional
 *    `minerva_error *` (NULL = not wanted), zeroed by the caller before the call.
 *  - Options are structs whose zero value is the default.
 *  - The library never prints, exits or aborts on input, and reads no environment.
 *  - Every free/close accepts NULL.  Strings are UTF-8, 0-terminated unless a length
 *    stands beside them.  Shapes are row-major, outermost dimension first.
 *  - Threads: different objects may be used from different threads at once; one object by
 *    one thread at a time, unless its comment says more.
 */
#ifndef MINERVA_H
#define MINERVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MINERVA_API __attribute__((visibility("default")))

typedef enum {
    MINERVA_OK = 0,
    MINERVA_INVALID,        /* malformed input or argument */
    MINERVA_UNSUPPORTED,    /* well-formed, but nothing here can run it */
    MINERVA_NOT_FOUND,
    MINERVA_IO,
    MINERVA_MEMORY,
    MINERVA_FULL,           /* context, queue or disk full; nothing changed */
    MINERVA_LIMIT,          /* a budget (steps, depth, size) is used up */
    MINERVA_CANCELLED,
    MINERVA_DEVICE          /* a device failed; objects on it must be freed */
} minerva_status;

typedef struct {
    minerva_status code;
    int64_t offset;         /* byte in the input at which the fault lies, or -1 */
    char message[500];      /* what was expected and what was found; one line */
} minerva_error;

MINERVA_API const char *minerva_status_name(minerva_status status);

typedef enum { MINERVA_LOG_ERROR, MINERVA_LOG_WARNING, MINERVA_LOG_INFO, MINERVA_LOG_DEBUG }
    minerva_log_level;
/* `line` has no newline and is valid during the call only. */
typedef void minerva_log_fn(void *ctx, minerva_log_level level, const char *line);

/* The version as "major.minor.patch". */
MINERVA_API const char *minerva_version(void);
/* Frees any memory that a function below returned through `char **` or `int32_t **`. */
MINERVA_API void minerva_free(void *memory);

/* ---- models ------------------------------------------------------------------------
 *
 * A model is a GGUF file or an MLX/HuggingFace directory, opened in place: its tokenizer,
 * its chat template and, unless only the description is wanted, an engine that runs it.
 */
typedef struct minerva_model minerva_model;

typedef enum { MINERVA_KV_F16 = 0, MINERVA_KV_F32, MINERVA_KV_Q8_0 } minerva_kv_type;

/* How much of a model to open. */
typedef enum {
    MINERVA_OPEN_RUN = 0,       /* everything; the engine is ready when open returns */
    MINERVA_OPEN_TEXT,          /* tokenizer and template; weights need not be there */
    MINERVA_OPEN_DESCRIBE       /* metadata for minerva_model_describe(); no engine */
} minerva_open_mode;

typedef struct {
    minerva_open_mode mode;
    const char *backend;        /* "native", ...; NULL: the recommended one */
    const char *isa;            /* native: "ref", "avx2", "avx512", ...; NULL: the best */
    int n_threads;              /* 0: all cores of this process */
    bool precise;               /* f32 activations and f32 KV; slower, for comparisons */
    minerva_kv_type kv_type;
    int32_t context;            /* positions per session at most; 0: what the model says */
    int32_t max_batch;          /* tokens per forward pass; 0: 512 */
    size_t state_limit_bytes;   /* of all sessions' KV caches; 0: no limit */
    /* Called while loading with 0..1; false cancels (MINERVA_CANCELLED). */
    bool (*progress)(void *ctx, float fraction);
    void *progress_ctx;
    minerva_log_fn *log;
    void *log_ctx;
} minerva_model_options;

/* path     a .gguf file (any part of a split one), a model directory, or a directory that
 *          holds exactly one of these; with OPEN_TEXT also a bare tokenizer.json or
 *          SentencePiece .model file
 * options  NULL = defaults
 * Errors   NOT_FOUND, IO; INVALID (malformed file, named with place and expectation);
 *          UNSUPPORTED (a family or type that no backend here runs); MEMORY.
 * Threads  a model may be shared: sessions of one model on different threads take turns. */
MINERVA_API minerva_status minerva_model_open(minerva_model **out, const char *path,
    const minerva_model_options *options, minerva_error *err);
/* All sessions of the model must have been freed. */
MINERVA_API void minerva_model_close(minerva_model *model);

MINERVA_API int32_t minerva_model_vocab(const minerva_model *model);    /* rows of logits */
MINERVA_API int32_t minerva_model_context(const minerva_model *model);
MINERVA_API int32_t minerva_model_hidden(const minerva_model *model);

/* How hidden states become the vector of a text, as the model's files say: the mean of all,
 * the first token's, the last one's.  RANK: a head that judges a pair of texts, which nothing
 * here runs.  Files that do not say it: the mean. */
typedef enum { MINERVA_POOLING_MEAN = 0, MINERVA_POOLING_FIRST, MINERVA_POOLING_LAST,
               MINERVA_POOLING_RANK } minerva_pooling;
MINERVA_API minerva_pooling minerva_model_pooling(const minerva_model *model);

/* A JSON object: path, format, family, name, parameters, quantisation, size, context,
 * memory needed, tokenizer, template, backends (which run it, and which is recommended).
 * The caller frees *json with minerva_free(). */
MINERVA_API minerva_status minerva_model_describe(const minerva_model *model, char **json,
    minerva_error *err);

/* Is this token an end of generation (EOS, end of turn)? */
MINERVA_API bool minerva_model_is_end(const minerva_model *model, int32_t token);

/* ---- text --------------------------------------------------------------------------
 * All constant: any number of threads may use one model's tokenizer and template. */
typedef struct {
    bool no_special;            /* add neither BOS nor EOS */
    bool plain;                 /* special tokens spelled in the text are plain text */
} minerva_tokenize_options;

/* *ids [*n], freed by the caller with minerva_free().  Any bytes may be tokenised. */
MINERVA_API minerva_status minerva_tokenize(const minerva_model *model, const char *text,
    size_t len, const minerva_tokenize_options *options, int32_t **ids, size_t *n,
    minerva_error *err);
/* Ids outside the vocabulary are MINERVA_INVALID. */
MINERVA_API minerva_status minerva_detokenize(const minerva_model *model, const int32_t *ids,
    size_t n, bool skip_special, char **text, size_t *len, minerva_error *err);
/* A token as the vocabulary spells it; NULL if out of range.  Borrowed from the model. */
MINERVA_API const char *minerva_token_text(const minerva_model *model, int32_t token,
    size_t *len);

/* The prompt that the model's chat template makes of a conversation.
 * request  a JSON object: messages (array; required), tools (array or null), documents,
 *          kwargs (object of further template variables, e.g. add_generation_prompt,
 *          which is true unless given)
 * name     a template's name where the model has several ("tool_use"), or NULL
 * now      seconds since 1970 for strftime_now, taken as UTC; 0 = the local clock
 * Errors   INVALID: malformed request, a broken template, or what the template itself
 *          raised; UNSUPPORTED: the model has no template; LIMIT: a budget of the
 *          interpreter is used up. */
MINERVA_API minerva_status minerva_render(const minerva_model *model, const char *request,
    size_t len, const char *name, int64_t now, char **prompt, size_t *prompt_len,
    minerva_error *err);
/* The same with a template's source and nothing from any model. */
MINERVA_API minerva_status minerva_render_template(const char *source, size_t source_len,
    const char *request, size_t len, int64_t now, char **prompt, size_t *prompt_len,
    minerva_error *err);

/* ---- what an answer is made of -----------------------------------------------------
 * Chat models mark their reasoning and write tool calls in ways of their own; the chat
 * template tells which.  A chat parser turns the generated text, piece by piece, into
 * events that are the same for all of them.  Generate with keep_special. */
typedef enum {
    MINERVA_CHAT_CONTENT = 0,   /* text: the next part */
    MINERVA_CHAT_REASONING,     /* text: the next part */
    MINERVA_CHAT_CALL_BEGIN,    /* name, and id if the model gave one */
    MINERVA_CHAT_CALL_ARGUMENTS,        /* text: the next part of the JSON */
    MINERVA_CHAT_CALL_END       /* id, if the model gave one; is_complete */
} minerva_chat_event_kind;

typedef struct {
    minerva_chat_event_kind kind;
    int call;                   /* CALL_*: 0, 1, ... in order of their beginning */
    const char *text, *name, *id;       /* valid during the callback only */
    size_t text_len, name_len, id_len;
    bool is_complete;           /* CALL_END: false if the text ended within the call */
} minerva_chat_event;

typedef struct {
    const char *tools;          /* [tools_len] JSON array, as given to minerva_render();
                                 * NULL: what looks like a call is content */
    size_t tools_len;
    const char *prompt;         /* [prompt_len] rendered: is reasoning open already? */
    size_t prompt_len;
    bool keep_reasoning;        /* reasoning is content, with its marks */
    void (*on_event)(void *ctx, const minerva_chat_event *event);
    void *ctx;
} minerva_chat_options;

/* How the model's chat template marks things. */
typedef struct {
    const char *family;         /* "hermes", "gpt-oss", ...; "plain": no convention */
    const char *reasoning_open, *reasoning_close;       /* NULL: not marked by a pair */
    const char *answer_open;    /* what must stand before content; NULL: nothing */
    bool has_reasoning, has_calls;
} minerva_chat_format;          /* points to constants */
MINERVA_API void minerva_model_chat_format(const minerva_model *model,
    minerva_chat_format *out);

typedef struct minerva_chat_parser minerva_chat_parser;
/* The options are borrowed for the call only. */
MINERVA_API minerva_status minerva_chat_parser_create(minerva_chat_parser **out,
    const minerva_model *model, const minerva_chat_options *options, minerva_error *err);
MINERVA_API void minerva_chat_parser_free(minerva_chat_parser *parser);
/* LIMIT: one argument or call is longer than 16 MiB; MEMORY.  Both are final. */
MINERVA_API minerva_status minerva_chat_parser_feed(minerva_chat_parser *parser,
    const char *text, size_t len, minerva_error *err);
/* The text is over: what was held back comes out, open calls end. */
MINERVA_API minerva_status minerva_chat_parser_finish(minerva_chat_parser *parser,
    minerva_error *err);
/* Is what comes next reasoning, as far as is known? */
MINERVA_API bool minerva_chat_parser_in_reasoning(const minerva_chat_parser *parser);

typedef struct {
    const char *tools;          /* [tools_len] JSON array, as given to minerva_render();
                                 * "strict" may stand beside a function's parameters */
    size_t tools_len;
    const char *prompt;         /* [prompt_len] rendered: reasoning comes before calls */
    size_t prompt_len;
    bool required;              /* the answer begins with a call (behind its reasoning) */
    bool single;                /* and ends after it */
    bool strict_only;           /* tools that are not strict take any object */
} minerva_chat_calls;
/* What calls of the tools must look like in the model's own form: the source of a
 * constraint of kind MINERVA_STRUCTURAL_TAG.  The caller frees *source with minerva_free().
 * UNSUPPORTED: the form of the model's family, or a parameter in it, cannot be enforced. */
MINERVA_API minerva_status minerva_chat_calls_constraint(const minerva_model *model,
    const minerva_chat_calls *calls, char **source, minerva_error *err);

/* ---- sessions ----------------------------------------------------------------------
 * A session is one token sequence and its state.  Creating one costs little: state is
 * taken in pages as the sequence grows. */
typedef struct minerva_session minerva_session;

MINERVA_API minerva_status minerva_session_create(minerva_session **out, minerva_model *model,
    minerva_error *err);
MINERVA_API void minerva_session_free(minerva_session *session);
/* A copy that shares the state so far, copy-on-write. */
MINERVA_API minerva_status minerva_session_fork(minerva_session **out,
    const minerva_session *session, minerva_error *err);

/* Evaluate `n` tokens and append them to the session's state.
 * tokens  [n], borrowed for the call
 * logits  [vocab] f32 after the last token, the caller's memory; NULL = not wanted
 * Returns MINERVA_FULL if length + n > context (session unchanged); MINERVA_CANCELLED (the
 *         session holds the chunks that were finished); MINERVA_INVALID: an id outside the
 *         vocabulary (unchanged); MINERVA_DEVICE: the session must be freed. */
MINERVA_API minerva_status minerva_session_eval(minerva_session *session,
    const int32_t *tokens, size_t n, float *logits, minerva_error *err);
/* The same with logits [n, vocab] of every position. */
MINERVA_API minerva_status minerva_session_eval_all(minerva_session *session,
    const int32_t *tokens, size_t n, float *logits, minerva_error *err);
/* Hidden states after the final norm, [n, hidden]; for embeddings. */
MINERVA_API minerva_status minerva_session_eval_hidden(minerva_session *session,
    const int32_t *tokens, size_t n, float *hidden, minerva_error *err);

MINERVA_API size_t minerva_session_length(const minerva_session *session);
/* The tokens so far, [length]; borrowed until the session changes. */
MINERVA_API const int32_t *minerva_session_tokens(const minerva_session *session);
/* Cut back to the first n tokens.  Some networks (recurrent, windowed) cannot go back to
 * any place: then as few as possible are kept and *kept says how many. */
MINERVA_API minerva_status minerva_session_trim(minerva_session *session, size_t n,
    size_t *kept, minerva_error *err);
/* From any thread: the running (or the next) call ends with MINERVA_CANCELLED. */
MINERVA_API void minerva_session_cancel(minerva_session *session);

/* ---- sampling ----------------------------------------------------------------------
 * Steps in their order: logit bias, repetition / frequency / presence penalties, DRY,
 * mask, then - unless temperature is 0, which takes the best token, ties to the lower id -
 * top-k, typical, top-p, min-p, XTC, temperature, draw.  Mirostat replaces the steps from
 * top-k on. */
typedef struct {
    int32_t token;
    float bias;                 /* added to the logit; -INFINITY forbids the token */
} minerva_logit_bias;

typedef struct {
    float temperature;          /* 0: greedy */
    int32_t top_k;              /* 0: off */
    float top_p;                /* 0 or 1: off (nucleus; Holtzman et al. 2020, 1904.09751) */
    float min_p;                /* 0: off (2407.01082) */
    float typical_p;            /* 0 or 1: off (Meister et al. 2022, 2202.00666) */
    float repeat_penalty;       /* 0 or 1: off (CTRL, 1909.05858 section 4.1) */
    float frequency_penalty, presence_penalty;
    int32_t penalty_last_n;     /* tokens looked back at; 0: 64; -1: all */
    float dry_multiplier;       /* 0: off; penalty = multiplier * base^(match - allowed) */
    float dry_base;             /* 0: 1.75 */
    int32_t dry_allowed_length; /* 0: 2 */
    int32_t dry_last_n;         /* 0: all */
    const int32_t *dry_breakers;        /* [n_dry_breakers] tokens that end a match */
    size_t n_dry_breakers;
    float xtc_probability, xtc_threshold;       /* probability 0: off */
    int mirostat;               /* 0: off; 1, 2: version (Basu et al. 2021, 2007.14966) */
    float mirostat_tau, mirostat_eta;           /* 0: 5.0, 0.1 */
    const minerva_logit_bias *logit_bias;       /* [n_logit_bias] */
    size_t n_logit_bias;
    uint64_t seed;              /* equal seeds give equal draws; 0 is a seed as any other */
} minerva_sampling;

typedef struct minerva_sampler minerva_sampler;
/* INVALID names a field that is out of range.  The arrays are copied. */
MINERVA_API minerva_status minerva_sampler_create(minerva_sampler **out,
    const minerva_sampling *options, int32_t vocab, minerva_error *err);
MINERVA_API void minerva_sampler_free(minerva_sampler *sampler);
/* Tell the sampler of a token that is part of the sequence (prompt or generated), for
 * the penalties. */
MINERVA_API minerva_status minerva_sampler_accept(minerva_sampler *sampler, int32_t token,
    minerva_error *err);

typedef struct {
    int32_t token;
    float logprob;              /* natural, of the model's distribution before sampling */
} minerva_token_logprob;

/* Draw a token.
 * logits [vocab], not changed
 * mask   [(vocab + 31) / 32] words, bit t set = token t is allowed; NULL = all are
 * top    [n_top] the most likely tokens with logprobs, or NULL; own: that of the drawn one,
 *        or NULL
 * INVALID: the mask allows nothing, or the logits are not numbers. */
MINERVA_API minerva_status minerva_sampler_sample(minerva_sampler *sampler,
    const float *logits, const uint32_t *mask, int32_t *token, float *own_logprob,
    minerva_token_logprob *top, size_t n_top, minerva_error *err);

/* ---- constraints -------------------------------------------------------------------
 * What an answer may say.  A constraint is described by its source; it is compiled when it
 * is first used and kept.  Nothing is dropped in silence: what cannot be enforced is
 * MINERVA_UNSUPPORTED with a message that names the JSON path and the keyword. */
typedef enum {
    MINERVA_CONSTRAINT_NONE = 0,
    MINERVA_JSON_SCHEMA,        /* source: the schema as JSON text */
    MINERVA_JSON_OBJECT,        /* any JSON object; no source */
    MINERVA_JSON_VALUE,         /* any JSON value; no source */
    MINERVA_REGEX,              /* the whole answer matches this ECMA pattern */
    MINERVA_CHOICE,             /* source: a JSON array of strings */
    MINERVA_GBNF,               /* llama.cpp's grammars */
    MINERVA_LARK,
    MINERVA_EBNF,               /* W3C notation: rule ::= ... */
    /* Free text with constrained pieces, as tool calls are: source is JSON,
     * {"type":"structural_tag","format":{...}} or {"structures":[...],"triggers":[...]};
     * docs/grammars.md lists the formats. */
    MINERVA_STRUCTURAL_TAG
} minerva_constraint_kind;

typedef enum {
    MINERVA_SPACE_DEFAULT = 0,  /* at most one space after ',' and after ':' */
    MINERVA_SPACE_NONE,
    MINERVA_SPACE_FLEXIBLE      /* any JSON whitespace between tokens, bounded */
} minerva_space;

typedef struct {
    minerva_constraint_kind kind;
    const char *source;
    size_t len;
    minerva_space space;
    const char *space_pattern;  /* ECMA; between all JSON tokens; NULL: as `space` says */
    bool schema_order;          /* declared keys in the schema's order only */
    bool format_annotation;     /* "format" asserts nothing */
    const char *start;          /* grammars: the start rule; NULL: "root" or "start" */
    /* Free text until one of these strings, then the constraint. */
    const char *const *triggers;
    size_t n_triggers;
    bool keep_trigger;          /* the trigger is the constraint's first part */
    bool trigger_required;      /* the answer may not end before a trigger */
} minerva_constraint;

/* Can it be enforced?  Compiles without a vocabulary. */
MINERVA_API minerva_status minerva_constraint_check(const minerva_constraint *constraint,
    minerva_error *err);
/* What becomes of one keyword of a schema. */
typedef struct {
    const char *path;       /* JSON pointer to the schema object; "" is the root */
    const char *keyword;    /* "": the schema as a whole */
    const char *fate;       /* "enforced", "annotation" (asserts nothing) or "refused" */
    const char *note;       /* how, or why; may be "" */
} minerva_schema_line;
typedef struct {
    size_t n_enforced, n_annotations, n_refused;
    int draft;              /* 4, 6, 7, 2019, 2020 */
    bool empty;             /* it compiles, but no value satisfies it */
} minerva_schema_summary;
/* Calls on_line for every keyword, in the order of the text; its strings are the call's.
 * schema   kind MINERVA_JSON_SCHEMA
 * summary  may be NULL
 * Returns and says what minerva_constraint_check() does; there are lines also where it
 * fails, unless the text is no JSON. */
MINERVA_API minerva_status minerva_schema_explain(const minerva_constraint *schema,
    void (*on_line)(void *ctx, const minerva_schema_line *line), void *ctx,
    minerva_schema_summary *summary, minerva_error *err);
/* The state of one answer under a constraint, for loops of one's own. */
typedef struct minerva_matcher minerva_matcher;
MINERVA_API minerva_status minerva_matcher_create(minerva_matcher **out, minerva_model *model,
    const minerva_constraint *constraint, minerva_error *err);
MINERVA_API void minerva_matcher_free(minerva_matcher *matcher);
/* *mask [(vocab + 31) / 32] words, bit t set = token t is allowed; valid until the next
 * call on this matcher. */
MINERVA_API minerva_status minerva_matcher_mask(minerva_matcher *matcher, const uint32_t **mask,
    minerva_error *err);
/* INVALID: not allowed here; the state is unchanged. */
MINERVA_API minerva_status minerva_matcher_accept(minerva_matcher *matcher, int32_t token,
    minerva_error *err);
MINERVA_API bool minerva_matcher_is_accepting(const minerva_matcher *matcher);

/* JSON on one line with ", " and ": " between its tokens, as instances are tested. */
MINERVA_API minerva_status minerva_json_compact(const char *json, size_t len, char **out,
    size_t *out_len, minerva_error *err);

/* ---- generation --------------------------------------------------------------------
 * The loop most callers want: evaluate a prompt, then sample, stream and stop. */
typedef enum {
    MINERVA_FINISH_STOP,        /* an end token or a stop string */
    MINERVA_FINISH_LENGTH,      /* max_tokens or the context */
    MINERVA_FINISH_CANCELLED
} minerva_finish;

/* One step's news: text that is final (never half a character, never part of a stop
 * string) and the token behind it. */
typedef struct {
    const char *text;
    size_t len;
    int32_t token;
    float logprob;
    const minerva_token_logprob *top;
    size_t n_top;
} minerva_piece;

typedef struct {
    const minerva_sampling *sampling;   /* NULL: greedy */
    int32_t max_tokens;         /* 0: until the context is full */
    const char *const *stop;    /* [n_stop] strings that end the text; not part of it */
    size_t n_stop;
    bool ignore_end;            /* end tokens are ordinary tokens */
    bool keep_special;          /* special tokens appear in the text */
    int32_t n_top_logprobs;     /* at most 20; logprobs are computed if on_piece is set */
    bool logprobs;
    const minerva_constraint *constraint;       /* NULL: anything may be said */
    /* false cancels.  text may be empty (a character is not complete yet). */
    bool (*on_piece)(void *ctx, const minerva_piece *piece);
    void *ctx;
    /* minerva_generate() guesses tokens ahead where that is faster and checks them together;
     * the answer is the same.  Guesses come from the text so far or, if there is one, from
     * `draft`: a session of a smaller model with the same vocabulary, borrowed. */
    bool no_guessing;
    minerva_session *draft;
} minerva_generate_options;

typedef struct {
    minerva_finish finish;
    size_t n_prompt, n_cached, n_generated;     /* tokens */
    double prompt_s, generate_s;                /* wall time */
    size_t stop;                /* 1 + the index of the stop string that ended it; 0: none */
    size_t n_forced;    /* of n_generated: what a constraint left no choice about, evaluated
                           together with another token */
} minerva_generate_result;

/* prompt [n]: the whole sequence wanted.  What the session already holds of its beginning
 * is kept (n_cached), the rest is trimmed and evaluated.  After the call the session holds
 * prompt and answer, but for the last token. */
MINERVA_API minerva_status minerva_generate(minerva_session *session, const int32_t *prompt,
    size_t n, const minerva_generate_options *options, minerva_generate_result *result,
    minerva_error *err);

/* ---- many requests at once ---------------------------------------------------------
 * A scheduler owns a model's engine on a thread of its own and runs all requests together:
 * one token of every running answer and a piece of waiting prompts per forward pass.  What
 * was computed once is kept in a prefix cache, per tenant, and found again by its tokens. */
typedef struct minerva_scheduler minerva_scheduler;
typedef struct minerva_request minerva_request;

typedef struct {
    int32_t max_running;        /* answers in the making; 0: 32 */
    int32_t max_queued;         /* requests waiting; 0: 256 */
    int32_t prefill_chunk;      /* prompt tokens per pass while answers run, at most; 0: as
                                 * many as delay them by about a token */
    int32_t max_cached;         /* prefixes kept; 0: 1024; -1: none */
    size_t max_logits_bytes;    /* for exact repeats; 0: 64 MiB */
    /* Prefixes are written there too, in the background, and found again after a restart;
     * NULL: in memory only.  A directory that cannot be written only costs a warning. */
    const char *cache_dir;
    size_t max_disk_bytes;      /* of this model's files; 0: 8 GiB */
} minerva_scheduler_options;

typedef struct {
    const int32_t *prompt;      /* [n_prompt], copied */
    size_t n_prompt;
    /* Arrays and strings are copied; on_piece runs on the scheduler's thread: be quick. */
    minerva_generate_options generate;
    const char *tenant;         /* whose cache entries may be used; NULL: "" */
    /* Called exactly once for every request that was accepted, on the scheduler's thread;
     * err->code is MINERVA_OK unless something failed.  ctx is generate.ctx. */
    void (*on_done)(void *ctx, const minerva_generate_result *result,
                    const minerva_error *err);
} minerva_request_options;

MINERVA_API minerva_status minerva_scheduler_create(minerva_scheduler **out,
    minerva_model *model, const minerva_scheduler_options *options, minerva_error *err);
/* Cancels what is left, waits for it, frees. */
MINERVA_API void minerva_scheduler_free(minerva_scheduler *scheduler);

/* From any thread.  INVALID: options or tokens out of range, prompt longer than the context
 * (both numbers are said); FULL: max_queued requests are waiting.  *request (may be NULL)
 * must be released; releasing does not cancel. */
MINERVA_API minerva_status minerva_scheduler_submit(minerva_scheduler *scheduler,
    const minerva_request_options *options, minerva_request **request, minerva_error *err);
/* From any thread, at any time; on_done follows within one forward pass. */
MINERVA_API void minerva_request_cancel(minerva_request *request);
MINERVA_API void minerva_request_release(minerva_request *request);

typedef struct {
    int64_t n_queued, n_running;                        /* now */
    int64_t n_accepted, n_refused, n_finished, n_cancelled, n_failed, n_preempted;
    int64_t tokens_prompt, tokens_cached, tokens_generated, n_passes;
    int64_t cache_entries, cache_evictions;
    /* Prompts that began with tokens computed before, which had to be computed again: their
     * state was evicted; it cannot be cut back so far; it is another tenant's. */
    int64_t lost_evicted, lost_state, lost_tenant;
    int64_t lost_slow, lost_disk;       /* on disk, but computing is faster; a broken file */
    int64_t tokens_restored;            /* read from disk */
    int64_t disk_files, disk_bytes, disk_written_bytes, disk_read_bytes;
    int64_t disk_off;           /* 1: nothing is written (any more) */
} minerva_scheduler_stats;
MINERVA_API void minerva_scheduler_get_stats(minerva_scheduler *scheduler,
    minerva_scheduler_stats *out);

/* What lies in a cache_dir: a JSON array of {model, path, id, files, tokens, bytes, last_used
 * (seconds since 1970), in_use}, one per model.  A directory that is not there is empty. */
MINERVA_API minerva_status minerva_cache_list(const char *cache_dir, char **json,
    minerva_error *err);
/* Removes the files of the model of that id or name, or of all (NULL).  A scheduler that uses
 * them goes on without.  NOT_FOUND: no such model there. */
MINERVA_API minerva_status minerva_cache_clear(const char *cache_dir, const char *model,
    size_t *removed_bytes, minerva_error *err);

/* The sampling that the model's authors recommend (generation_config.json or GGUF
 * metadata), where they say so; the rest stays as it is. */
MINERVA_API void minerva_model_default_sampling(const minerva_model *model,
    minerva_sampling *sampling);

/* ---- backends and speed ------------------------------------------------------------ */
/* A JSON array of {name, available, device, memory_bytes, why_not, description}. */
MINERVA_API minerva_status minerva_backends_describe(char **json, minerva_error *err);

typedef struct {
    int32_t n_prompt, n_generate, depth;        /* tokens; tests with 0 are left out */
    int repetitions;            /* 0: 5 */
    /* Called after each repetition, for progress; false stops. */
    bool (*on_run)(void *ctx, const char *test, int repetition, double tokens_per_s);
    void *ctx;
    int32_t streams;            /* > 1: that many sequences generate at once; 0: 1 */
} minerva_bench_options;
/* llama-bench's definitions: random tokens, no sampling, logits of the last position, one
 * warm-up.  *json: {"machine":{...},"rows":[{"test":"pp512",...}]}. */
MINERVA_API minerva_status minerva_bench(minerva_model *model,
    const minerva_bench_options *options, char **json, minerva_error *err);

/* ---- conversion ----------------------------------------------------------------------
 *
 * From a GGUF file or an MLX/HuggingFace directory to a GGUF file (`target` ends in
 * ".gguf") or an MLX directory, tokenizer, chat template and sampling advice included.
 *
 * type  NULL: every tensor keeps its numbers exactly, or the call is refused.
 *       GGUF: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K IQ4_NL
 *       MXFP4 (experts; the rest Q8_0).
 *       MLX: 2bit 3bit 4bit 5bit 6bit 8bit mxfp4 mxfp8 nvfp4 f32 f16 bf16.
 * The target appears under its name only when it is whole; a run that is killed leaves
 * NAME.part, which the next run replaces. */
typedef struct {
    const char *type;
    int32_t group;              /* MLX affine: 32, 64 or 128; 0: 64 */
    bool requantize;            /* allow `type` for a source that is quantised already */
    bool overwrite;             /* replace a target that exists */
    const char *lora;           /* directory of a PEFT or MLX adapter to merge; NULL: none */
    float lora_scale;           /* times the adapter's own scale; 0: 1 */
    int32_t n_threads;          /* 0: one per core */
    bool (*progress)(void *ctx, float done);    /* false cancels */
    void *ctx;
} minerva_convert_options;
/* *report (minerva_free; NULL: not wanted) is JSON: {"source","target","family","format",
 * "type","size_bytes","nmse","classes":[{"class","types","nmse","worst","worst_nmse"}],
 * "warnings":[...]}; an nmse of 0 says that no number changed. */
MINERVA_API minerva_status minerva_convert(const char *source, const char *target,
    const minerva_convert_options *options, char **report, minerva_error *err);

/* ---- models on this machine and at the hub -----------------------------------------
 *
 * A hub object knows where models lie here (the own folder, other programs' caches, which
 * are read in place) and how to reach HuggingFace or a mirror of it.  It holds options
 * only: any number of threads may use one at once.  Answers are JSON texts that the caller
 * frees with minerva_free(). */
typedef struct minerva_hub minerva_hub;

typedef enum {
    MINERVA_PLACE_FOLDER = 0,   /* models as files and directories, any depth up to 4 */
    MINERVA_PLACE_HF_CACHE,     /* ~/.cache/huggingface/hub */
    MINERVA_PLACE_LM_STUDIO,    /* ~/.lmstudio/models */
    MINERVA_PLACE_OLLAMA,       /* ~/.ollama/models: manifests and blobs */
    MINERVA_PLACE_LLAMA_CPP     /* ~/.cache/llama.cpp */
} minerva_place_kind;

typedef struct {
    minerva_place_kind kind;
    const char *path;           /* need not exist */
} minerva_place;

typedef struct {
    const char *home;           /* state folder: models/, catalogue.json; required */
    const minerva_place *places;        /* [n_places] read in place, never written */
    size_t n_places;
    const char *bundled;        /* the model that comes with the program, or NULL */
    const char *endpoint;       /* NULL: https://huggingface.co */
    const char *token;          /* sent to the endpoint alone; NULL: none */
    const char *proxy, *no_proxy, *ca_file;     /* NULL: none, none, the system's */
    int32_t connections;        /* per file; 0: 4 */
    int32_t retries;            /* failures in a row; 0: 6 */
    int32_t backoff_ms, stall_ms;       /* 0: 500, 30000 */
    int64_t chunk_bytes;        /* unit of resuming; 0: 8 MiB */
    /* What a model may use here.  0: measured (free memory; how fast it is read). */
    int64_t memory_bytes;
    double read_bytes_per_s;
} minerva_hub_options;

MINERVA_API minerva_status minerva_hub_create(minerva_hub **out,
    const minerva_hub_options *options, minerva_error *err);
MINERVA_API void minerva_hub_free(minerva_hub *hub);

/* *json: {"models":[{id, format, parameters, size_bytes, downloads, likes, license, gated,
 * modified}], "next": page or null}.
 * format  "gguf", "mlx" or NULL (all);  limit  per page, 0: 20
 * page    NULL, or "next" of the answer before */
MINERVA_API minerva_status minerva_hub_search(minerva_hub *hub, const char *text,
    const char *format, int32_t limit, const char *page, char **json, minerva_error *err);

/* What the hub has of a model.  name: "org/name[@revision]".
 * *json: {id, commit, license, gated, context, parameters, variants:[{label, format,
 * size_bytes, need_bytes, files, fits, tokens_per_s}], recommended, why, card}. */
MINERVA_API minerva_status minerva_hub_info(minerva_hub *hub, const char *name, char **json,
    minerva_error *err);

typedef struct {
    const char *why;            /* why this quantisation */
    const char *state;          /* "fetching", "waiting", "checking" */
    const char *file;
    int32_t n_file, n_files;    /* 1 ... n_files */
    int64_t bytes, total_bytes; /* of all files together */
    double bytes_per_s;         /* over the last seconds; 0: not known yet */
    double seconds_left;        /* -1: not known yet */
} minerva_pull_progress;

typedef struct {
    bool plan_only;             /* say what would be fetched */
    bool no_projector;          /* leave out mmproj files */
    /* Called about ten times a second; false stops (MINERVA_CANCELLED; what has arrived is
     * kept and the next pull goes on there). */
    bool (*progress)(void *ctx, const minerva_pull_progress *p);
    void *ctx;
} minerva_pull_options;

/* Fetch a model into home/models/org/name.
 * name    "org/name[@revision][:quantisation or file]"; without a quantisation the best
 *         that fits this machine
 * *json   {name, path, id, commit, label, size_bytes, files, why, state: "pulled" | "here" |
 *         "planned"}
 * Errors  NOT_FOUND; UNSUPPORTED (gated, private, pickles only: what to do is said); FULL
 *         (disk or memory; both sizes are said); LIMIT (the hub asks to wait too long); IO;
 *         INVALID (twice another content than promised); CANCELLED.  After each of them the
 *         parts that arrived are kept. */
MINERVA_API minerva_status minerva_hub_pull(minerva_hub *hub, const char *name,
    const minerva_pull_options *options, char **json, minerva_error *err);

/* Every model here: [{name, path, place, format, label, size_bytes, own, pinned, aliases,
 * last_used, id, commit, license}], ours first. */
MINERVA_API minerva_status minerva_hub_list(minerva_hub *hub, char **json,
    minerva_error *err);
/* The path of a model by its name, alias, file name, or an unambiguous part of its name
 * ("llama-3.2-1b-instruct-gguf", "org/name" where there is one quantisation of it).
 * *name (may be NULL): the full name.  NOT_FOUND; INVALID: several match, they are named. */
MINERVA_API minerva_status minerva_hub_find(minerva_hub *hub, const char *wanted,
    char **path, char **name, minerva_error *err);
/* Note that the model at `path` is used now.  Failures are of no consequence. */
MINERVA_API void minerva_hub_touch(minerva_hub *hub, const char *path);
/* Delete a model from our own folder.  INVALID: it is another program's, or pinned.
 * *freed_bytes may be NULL. */
MINERVA_API minerva_status minerva_hub_remove(minerva_hub *hub, const char *name,
    int64_t *freed_bytes, minerva_error *err);
/* alias -> model from now on; name NULL removes the alias. */
MINERVA_API minerva_status minerva_hub_alias(minerva_hub *hub, const char *alias,
    const char *name, minerva_error *err);
/* Pinned models cannot be removed. */
MINERVA_API minerva_status minerva_hub_pin(minerva_hub *hub, const char *name, bool pinned,
    minerva_error *err);

/* What a user has chosen for a model, used where a command or request says nothing else:
 * key "backend", "context", "kv" ("f16", "f32", "q8_0") or "threads"; value NULL forgets it.
 * Kept in home/config.json under "models". */
MINERVA_API minerva_status minerva_hub_choose(minerva_hub *hub, const char *name,
    const char *key, const char *value, minerva_error *err);
/* *json: an object of the choices made. */
MINERVA_API minerva_status minerva_hub_choices(minerva_hub *hub, const char *name,
    char **json, minerva_error *err);

/* How to run a model on this machine.
 * description  of minerva_model_describe()
 * *json  {backend, device, context, kv, fits, weight_bytes, state_bytes, free_bytes,
 *        tokens_per_s or null, why:[sentences]} */
MINERVA_API minerva_status minerva_hub_recommend(minerva_hub *hub, const char *description,
    char **json, minerva_error *err);

#ifdef __cplusplus
}
#endif
#endif
