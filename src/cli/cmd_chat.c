/* minerva chat: a conversation in the terminal.
 *
 * Every turn renders the whole conversation; the session keeps the tokens that are still
 * the same, so only what is new is evaluated.  Lines starting with "/" are commands.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>

typedef struct {
    minerva_model *model;
    minerva_session *session;
    cli_talk *talk;
    cli_sampling sampling;
    bool terminal;
    char *last_answer;
} chat;

/* A line without its newline; NULL at the end of input. */
static char *next_line(const chat *c)
{
    char *line = NULL;
    size_t capacity = 0;
    if (c->terminal) {
        line = readline("> ");
        if (line && *line) add_history(line);
        return line;
    }
    ssize_t n = getline(&line, &capacity, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n && line[n - 1] == '\n') line[n - 1] = 0;
    return line;
}

static int answer(chat *c)
{
    int32_t *ids;
    size_t n;
    minerva_generate_result r = { 0 };
    if (!cli_talk_tokens(c->talk, c->model, &ids, &n)) return CLI_FAILED;
    if (n >= (size_t)minerva_model_context(c->model)) {
        minerva_free(ids);
        return cli_fail_with("the conversation has %zu tokens and the context %d; /clear begins "
                             "anew", n, minerva_model_context(c->model));
    }
    free(c->last_answer);
    c->last_answer = NULL;
    int code = cli_answer(c->session, ids, n, &c->sampling, NULL, false, &c->last_answer, &r);
    minerva_free(ids);
    if (code != CLI_OK) return code;
    putchar('\n');
    if (c->terminal)
        fprintf(stderr, "\x1b[2m[%zu tokens, %.1f/s; prompt %zu, %zu of them kept]\x1b[0m\n",
                r.n_generated, r.generate_s > 0 ? (double)r.n_generated / r.generate_s : 0,
                r.n_prompt, r.n_cached);
    cli_talk_add(c->talk, "assistant", c->last_answer, strlen(c->last_answer));
    return CLI_OK;
}

static void help(void)
{
    puts("/clear          begin anew (the system message stays)\n"
         "/system TEXT    begin anew with this system message\n"
         "/retry          answer the last message again\n"
         "/undo           take the last message and its answer back\n"
         "/set temp T | seed S | tokens N\n"
         "/help           this list\n"
         "/exit           leave (also ^D); ^C stops an answer");
}

static void set_option(chat *c, const char *text)
{
    char name[16];
    double value;
    if (sscanf(text, "%15s %lf", name, &value) != 2) {
        puts("/set temp T, /set seed S or /set tokens N");
        return;
    }
    if (!strcmp(name, "temp") && value >= 0) c->sampling.sampling.temperature = (float)value;
    else if (!strcmp(name, "seed") && value >= 0) c->sampling.sampling.seed = (uint64_t)value;
    else if (!strcmp(name, "tokens") && value >= 0 && value < 1e9)
        c->sampling.n_tokens = (int32_t)value;
    else puts("temp, seed or tokens expected, with a value of 0 or more");
}

static void retry(chat *c)
{
    cli_talk_drop_last(c->talk);
    c->sampling.sampling.seed++;
    answer(c);
}

static void undo(chat *c)
{
    cli_talk_drop_last(c->talk);
    cli_talk_drop_last(c->talk);
    free(c->last_answer);
    c->last_answer = NULL;
}

static void clear(chat *c)
{
    cli_talk_reset(c->talk);
    free(c->last_answer);
    c->last_answer = NULL;
}

/* false: leave. */
static bool command(chat *c, const char *line)
{
    bool is_retry = !strcmp(line, "/retry"), is_undo = !strcmp(line, "/undo");
    if (!strcmp(line, "/exit") || !strcmp(line, "/quit")) return false;
    if ((is_retry || is_undo) && !c->last_answer) {
        puts("there is no answer yet");
    } else if (is_retry) {
        retry(c);
    } else if (is_undo) {
        undo(c);
    } else if (!strcmp(line, "/clear")) {
        clear(c);
    } else if (!strncmp(line, "/system ", 8)) {
        cli_talk_free(c->talk);
        c->talk = cli_talk_create();
        clear(c);
        cli_talk_add(c->talk, "system", line + 8, strlen(line + 8));
    } else if (!strncmp(line, "/set ", 5)) {
        set_option(c, line + 5);
    } else if (!strcmp(line, "/help")) {
        help();
    } else {
        printf("%s: no such command; /help lists them\n", line);
    }
    return true;
}

static int converse(chat *c)
{
    int code = CLI_OK;
    for (char *line; (line = next_line(c)); free(line)) {
        if (line[0] == '/') {
            if (command(c, line)) continue;
            free(line);
            break;
        }
        if (line[strspn(line, " \t")] == 0) continue;
        cli_talk_add(c->talk, "user", line, strlen(line));
        code = answer(c);
        if (code == CLI_OK) continue;
        cli_talk_drop_last(c->talk);
        if (c->terminal) continue;
        free(line);
        break;
    }
    return c->terminal ? CLI_OK : code;
}

int cli_chat(int argc, char **argv)
{
    chat c = { 0 };
    cli_model_options model = { 0 };
    const char *system = NULL;
    cli_option options[CLI_N_SAMPLING_OPTIONS + 16] = {
        { "--system", NULL, CLI_STRING, &system, "TEXT", "system message", 0 },
    };
    cli_add_sampling_options(options + 1, &c.sampling);
    size_t n = 1;
    while (options[n].name) n++;
    cli_add_model_options(options + n, &model);
    cli_command cmd = {
        .verb = "chat", .usage = "chat [MODEL] [options]",
        .about = "A conversation in the terminal.  /help inside lists the commands.\n"
                 "With stdin from a file or pipe, each line is a message.",
        .options = options, .max_args = 1,
    };
    int code = cli_parse(&cmd, argc, argv);
    if (code >= 0) return code;
    minerva_error err = { 0 };
    c.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    c.model = cli_open_model(cmd.n_args ? cmd.args[0] : NULL, &model, MINERVA_OPEN_RUN);
    if (!c.model) return CLI_FAILED;
    cli_settle_sampling(&c.sampling, c.model);
    c.talk = cli_talk_create();
    if (system) cli_talk_add(c.talk, "system", system, strlen(system));
    if (minerva_session_create(&c.session, c.model, &err) != MINERVA_OK) code = cli_fail(&err);
    else code = converse(&c);
    minerva_session_free(c.session);
    cli_talk_free(c.talk);
    free(c.last_answer);
    minerva_model_close(c.model);
    return code;
}
