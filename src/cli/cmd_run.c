/* minerva run: one answer. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    cli_model_options model;
    cli_sampling sampling;
    cli_constraint constraint;
    bool raw, stats, special;
    const char *system, *model_name, *prompt, *draft;
} run_options;

/* Does this word look like a model rather than a prompt that names nothing? */
static bool looks_like_path(const char *word)
{
    size_t n = strlen(word);
    return !strchr(word, ' ')
           && (strchr(word, '/') || (n > 5 && !strcmp(word + n - 5, ".gguf")));
}

/* One word may be either: a model if there is one of that name, else the prompt. */
static void settle_arguments(const cli_command *c, run_options *o)
{
    char path[4096];
    if (c->n_args == 2) {
        o->model_name = c->args[0];
        o->prompt = c->args[1];
    } else if (c->n_args == 1) {
        if (cli_find_model(c->args[0], path) || looks_like_path(c->args[0]))
            o->model_name = c->args[0];
        else
            o->prompt = c->args[0];
    }
}

/* The prompt and, below it, what stands on stdin.  NULL after an error line. */
static char *whole_prompt(const char *prompt, size_t *len)
{
    size_t n = prompt ? strlen(prompt) : 0, piped = 0;
    char *in = NULL;
    if (!isatty(STDIN_FILENO) && !(in = cli_read("-", &piped))) return NULL;
    char *text = malloc(n + piped + 3);
    if (!text) {
        free(in);
        cli_fail_with("out of memory");
        return NULL;
    }
    *len = 0;
    if (n) memcpy(text, prompt, *len = n);
    if (n && piped) {
        memcpy(text + *len, "\n\n", 2);
        *len += 2;
    }
    if (piped) memcpy(text + *len, in, piped);
    *len += piped;
    text[*len] = 0;
    free(in);
    return text;
}

static bool prompt_tokens(const minerva_model *m, const run_options *o, const char *text,
                          size_t len, int32_t **ids, size_t *n)
{
    if (o->raw) {
        minerva_error err = { 0 };
        if (minerva_tokenize(m, text, len, NULL, ids, n, &err) == MINERVA_OK) return true;
        cli_fail(&err);
        return false;
    }
    cli_talk *talk = cli_talk_create();
    if (o->system) cli_talk_add(talk, "system", o->system, strlen(o->system));
    cli_talk_add(talk, "user", text, len);
    bool ok = cli_talk_tokens(talk, m, ids, n);
    cli_talk_free(talk);
    return ok;
}

static void print_stats(const minerva_generate_result *r)
{
    fprintf(stderr, "prompt %zu tokens in %.3f s (%.1f/s), answer %zu tokens in %.3f s "
            "(%.1f/s), %zu forward passes\n", r->n_prompt, r->prompt_s,
            r->prompt_s > 0 ? (double)r->n_prompt / r->prompt_s : 0, r->n_generated,
            r->generate_s, r->generate_s > 0 ? (double)r->n_generated / r->generate_s : 0,
            r->n_generated - r->n_forced);
}

/* The smaller model that guesses ahead, and a session of it; NULL after an error line. */
static minerva_model *open_draft(const run_options *o, minerva_session **session)
{
    minerva_error err = { 0 };
    minerva_model *m = cli_open_model(o->draft, &o->model, MINERVA_OPEN_RUN);
    if (m && minerva_session_create(session, m, &err) != MINERVA_OK) {
        cli_fail(&err);
        minerva_model_close(m);
        return NULL;
    }
    return m;
}

static int run(run_options *o)
{
    size_t len, n = 0;
    int32_t *ids = NULL;
    minerva_session *session = NULL;
    minerva_model *draft = NULL;
    minerva_generate_result result = { 0 };
    minerva_error err = { 0 };
    int code = CLI_FAILED;
    char *text = whole_prompt(o->prompt, &len);
    if (!text) return CLI_FAILED;
    if (len == 0) {
        free(text);
        return cli_usage("run: a prompt expected, as an argument or on stdin");
    }
    minerva_model *m = cli_open_model(o->model_name, &o->model, MINERVA_OPEN_RUN);
    if (!m) goto done;
    cli_settle_sampling(&o->sampling, m);
    if (!prompt_tokens(m, o, text, len, &ids, &n)) goto done;
    if (n == 0) {
        cli_fail_with("the prompt is empty: this model's tokenizer makes no token of it");
        goto done;
    }
    if (minerva_session_create(&session, m, &err) != MINERVA_OK) {
        cli_fail(&err);
        goto done;
    }
    if (o->draft && !(draft = open_draft(o, &o->sampling.draft))) goto done;
    code = cli_answer(session, ids, n, &o->sampling,
                      o->constraint.constraint.kind ? &o->constraint.constraint : NULL,
                      o->special, NULL, &result);
    if (code == CLI_OK && isatty(STDOUT_FILENO)) putchar('\n');
    if (code == CLI_OK && o->stats) print_stats(&result);
    if (code == CLI_OK && result.finish == MINERVA_FINISH_CANCELLED) code = 130;
done:
    minerva_session_free(session);
    minerva_session_free(o->sampling.draft);
    minerva_model_close(draft);
    minerva_free(ids);
    minerva_model_close(m);
    free(text);
    return code;
}

int cli_run(int argc, char **argv)
{
    run_options o = { 0 };
    cli_option options[CLI_N_SAMPLING_OPTIONS + CLI_N_CONSTRAINT_OPTIONS + 16] = {
        { "--raw", NULL, CLI_FLAG, &o.raw, NULL, "continue the prompt as it is: no chat template", 0 },
        { "--system", NULL, CLI_STRING, &o.system, "TEXT", "system message", 0 },
        { "--special", NULL, CLI_FLAG, &o.special, NULL, "print special tokens too", 0 },
        { "--stats", NULL, CLI_FLAG, &o.stats, NULL, "print speeds to stderr", 0 },
        { "--draft", NULL, CLI_STRING, &o.draft, "MODEL", "a smaller model that guesses ahead", 0 },
        { "--no-guessing", NULL, CLI_FLAG, &o.sampling.no_guessing, NULL, "one token per pass", 0 },
    };
    cli_add_constraint_options(options + 6, &o.constraint);
    size_t n = 6 + CLI_N_CONSTRAINT_OPTIONS;
    cli_add_sampling_options(options + n, &o.sampling);
    while (options[n].name) n++;
    cli_add_model_options(options + n, &o.model);
    cli_command c = {
        .verb = "run", .usage = "run [MODEL] [PROMPT] [options]",
        .about = "Answer PROMPT (and what stands on stdin, below it) once.\n"
                 "MODEL is a .gguf file, a model directory, or the name of a model in the model\n"
                 "folder; without it the bundled model answers.",
        .options = options, .max_args = 2,
    };
    int end = cli_parse(&c, argc, argv);
    if (end >= 0) return end;
    settle_arguments(&c, &o);
    if (o.raw && o.system)
        return cli_usage("--system needs the chat template that --raw turns off");
    end = cli_settle_constraint(&o.constraint);
    if (end < 0) end = run(&o);
    free(o.constraint.source);
    return end;
}
