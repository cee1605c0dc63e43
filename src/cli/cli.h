/* The command line: one file per verb, on top of the public API alone.
 *
 * (1) Results go to stdout, everything else to stderr; an error is one line, "minerva: what
 *     was expected and what was found".
 * (2) Exit codes: 0 done, 1 failed, 2 wrong usage.
 * (3) This is the only room that reads the environment: MINERVA_HOME, MINERVA_CPU (kernel
 *     set), MINERVA_MODEL (default model), MINERVA_SERVE_... (serve_config.c), and the hub's
 *     addresses, token, proxies and other programs' folders (hub_options.c).
 */
#ifndef MN_CLI_CLI_H
#define MN_CLI_CLI_H

#include "minerva.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* ---- options (options.c) ------------------------------------------------------------ */
typedef enum {
    CLI_FLAG,                   /* bool */
    CLI_INT,                    /* int32_t */
    CLI_UINT64,                 /* uint64_t */
    CLI_FLOAT,                  /* float */
    CLI_STRING,                 /* const char * */
    CLI_STRINGS                 /* cli_list: may be given several times */
} cli_kind;

typedef struct {
    const char *items[64];
    size_t n;
} cli_list;

typedef struct {
    const char *name;           /* "--temp" */
    const char *alias;          /* "-T" or NULL */
    cli_kind kind;
    void *value;
    const char *metavar;        /* "N", "FILE"; NULL for flags */
    const char *help;
    bool *given;                /* set if the option was there; may be NULL */
} cli_option;

enum { CLI_MAX_ARGS = 4096 };

typedef struct {
    const char *verb;           /* "run" */
    const char *usage;          /* "run [MODEL] [PROMPT] [options]" */
    const char *about;          /* one or more lines */
    const cli_option *options;  /* ends with name == NULL */
    int min_args, max_args;     /* positionals */
    const char *args[CLI_MAX_ARGS];     /* filled in */
    int n_args;
} cli_command;

/* Parses argv (after the verb).  Returns -1 to go on, or the exit code to end with
 * (--help: 0, wrong usage: 2, said on stderr). */
int cli_parse(cli_command *command, int argc, char **argv);
/* What an option's value in text means; flags: true, false, 1, 0.  Texts are borrowed. */
bool cli_set_option(const cli_option *option, const char *text);

/* ---- errors and files (report.c) --------------------------------------------------- */
/* "minerva: ..." on stderr; returns CLI_FAILED. */
int cli_fail(const minerva_error *err);
__attribute__((format(printf, 1, 2))) int cli_fail_with(const char *fmt, ...);
/* The same with CLI_USAGE. */
__attribute__((format(printf, 1, 2))) int cli_usage(const char *fmt, ...);
/* All of a file ("-": stdin); malloc()ed with a 0 byte behind; NULL after an error line. */
char *cli_read(const char *path, size_t *len);
/* "812 MB" */
const char *cli_size(double bytes, char out[32]);

/* ---- models (locate.c) -------------------------------------------------------------- */
/* Options that every verb which runs a model takes. */
typedef struct {
    int32_t threads, context, batch;
    const char *kv, *backend;
    bool precise, verbose;
} cli_model_options;
/* Appends to a table with room for 8 more. */
void cli_add_model_options(cli_option *out, cli_model_options *values);

/* Where $MINERVA_HOME is, with no slash at the end; static storage. */
const char *cli_home(void);
/* Where prompts are cached on disk; static storage. */
const char *cli_cache_dir(void);
/* The model that comes with the program; NULL if it is not beside it. */
const char *cli_find_bundled(char path[4096]);
/* A path for what the user called a model: an existing path, a name or alias of the
 * catalogue, or NULL (the default model).  NULL if nothing was found. */
const char *cli_find_model(const char *name, char path[4096]);
/* For minerva_model_open(); false after a usage line.  `from` must outlive the model. */
bool cli_load_options(const cli_model_options *from, minerva_model_options *out);
/* The hub and the catalogue as the environment says; `folders` (may be NULL): further ones
 * of models.  NULL after an error (hub_options.c). */
minerva_hub *cli_hub(const cli_list *folders, minerva_error *err);
/* Opens; on failure prints the error and returns NULL. */
minerva_model *cli_open_model(const char *name, const cli_model_options *options,
                              minerva_open_mode mode);

/* ---- sampling options (sampling_options.c) ------------------------------------------ */
typedef struct {
    minerva_sampling sampling;
    bool given_temp, given_seed, given_top_k, given_top_p, given_min_p, given_repeat;
    cli_list stop;
    int32_t n_tokens;
    bool no_guessing;
    minerva_session *draft;     /* borrowed, may be NULL */
} cli_sampling;
enum { CLI_N_SAMPLING_OPTIONS = 24 };
void cli_add_sampling_options(cli_option *out, cli_sampling *values);
/* Fill what the user did not give from the model's advice, then from our defaults. */
void cli_settle_sampling(cli_sampling *values, const minerva_model *model);

/* ---- conversations (talk.c) --------------------------------------------------------- */
/* {"messages":[...]} grown message by message. */
typedef struct cli_talk cli_talk;
cli_talk *cli_talk_create(void);
void cli_talk_free(cli_talk *t);
void cli_talk_add(cli_talk *t, const char *role, const char *text, size_t len);
void cli_talk_drop_last(cli_talk *t);
void cli_talk_reset(cli_talk *t);       /* keeps a system message */
/* Tokens of the rendered conversation; false after an error line. */
bool cli_talk_tokens(const cli_talk *t, const minerva_model *model, int32_t **ids, size_t *n);
/* What an answer may say: --schema FILE, --json, --regex, --grammar FILE, --choice A|B. */
typedef struct {
    const char *schema, *regex, *grammar, *choice;
    bool json;
    minerva_constraint constraint;
    char *source;               /* what the constraint points to */
} cli_constraint;
enum { CLI_N_CONSTRAINT_OPTIONS = 5 };
void cli_add_constraint_options(cli_option *out, cli_constraint *values);
/* Reads the files; -1, or the exit code after an error line.  constraint.kind is
 * MINERVA_CONSTRAINT_NONE if none was asked for. */
int cli_settle_constraint(cli_constraint *values);

/* Generate to stdout as the text comes; ^C ends the answer, not the program.  The answer
 * is malloc()ed into *answer if that is not NULL. */
int cli_answer(minerva_session *session, const int32_t *ids, size_t n,
               const cli_sampling *sampling, const minerva_constraint *constraint,
               bool keep_special, char **answer, minerva_generate_result *result);

/* ---- verbs ------------------------------------------------------------------------- */
typedef int cli_verb_fn(int argc, char **argv);
cli_verb_fn cli_run, cli_chat, cli_serve, cli_show, cli_list_models, cli_tokenize, cli_render,
            cli_logits, cli_bench, cli_backends, cli_doctor, cli_embed, cli_schema,
            cli_convert, cli_quantize, cli_cache, cli_pull, cli_search, cli_rm, cli_alias,
            cli_config, cli_app;

#endif
