/* Conversations for run and chat: messages as the JSON request that minerva_render()
 * takes, and an answer that streams to the terminal. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

struct cli_talk {
    json_t *messages;
};

cli_talk *cli_talk_create(void)
{
    cli_talk *t = malloc(sizeof *t);
    if (t) t->messages = json_array();
    return t;
}

void cli_talk_free(cli_talk *t)
{
    if (!t) return;
    json_decref(t->messages);
    free(t);
}

/* Invalid UTF-8 cannot be put into JSON: such bytes become U+FFFD. */
static json_t *lossy_string(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    if (value) return value;
    char *clean = malloc(3 * len + 1);
    if (!clean) return json_string("");
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t k = 4 < len - i ? 4 : len - i;
        json_t *one = NULL;
        while (k && !(one = json_stringn(text + i, k))) k--;
        if (one) {
            memcpy(clean + n, text + i, k);
            n += k;
            i += k;
            json_decref(one);
        } else {
            memcpy(clean + n, "\xef\xbf\xbd", 3);
            n += 3;
            i++;
        }
    }
    value = json_stringn(clean, n);
    free(clean);
    return value;
}

void cli_talk_add(cli_talk *t, const char *role, const char *text, size_t len)
{
    json_array_append_new(t->messages, json_pack("{s:s, s:o}", "role", role, "content",
                                                 lossy_string(text, len)));
}

void cli_talk_drop_last(cli_talk *t)
{
    size_t n = json_array_size(t->messages);
    if (n) json_array_remove(t->messages, n - 1);
}

void cli_talk_reset(cli_talk *t)
{
    const json_t *first = json_array_get(t->messages, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    size_t keep = role && !strcmp(role, "system") ? 1 : 0;
    while (json_array_size(t->messages) > keep) cli_talk_drop_last(t);
}

bool cli_talk_tokens(const cli_talk *t, const minerva_model *model, int32_t **ids, size_t *n)
{
    minerva_error err = { 0 };
    json_t *request = json_pack("{s:O}", "messages", t->messages);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    char *prompt = NULL;
    size_t prompt_len;
    minerva_tokenize_options options = { .no_special = true };
    bool ok = text
        && minerva_render(model, text, strlen(text), NULL, 0, &prompt, &prompt_len, &err)
               == MINERVA_OK
        && minerva_tokenize(model, prompt, prompt_len, &options, ids, n, &err) == MINERVA_OK;
    if (!ok) cli_fail(&err);
    free(text);
    minerva_free(prompt);
    return ok;
}

/* ---- answering --------------------------------------------------------------------- */

typedef struct {
    char *text;
    size_t len, capacity;
    bool keep;
    bool broken;                /* stdout is gone */
} answer_sink;

static volatile sig_atomic_t interrupted;
static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static bool on_piece(void *ctx, const minerva_piece *piece)
{
    answer_sink *sink = ctx;
    if (piece->len && (fwrite(piece->text, 1, piece->len, stdout) != piece->len
                       || fflush(stdout))) sink->broken = true;
    if (sink->keep) {
        if (sink->len + piece->len + 1 > sink->capacity) {
            size_t capacity = 2 * (sink->len + piece->len) + 256;
            char *text = realloc(sink->text, capacity);
            if (!text) return false;
            sink->text = text;
            sink->capacity = capacity;
        }
        memcpy(sink->text + sink->len, piece->text, piece->len);
        sink->len += piece->len;
        sink->text[sink->len] = 0;
    }
    return !interrupted && !sink->broken;
}

int cli_answer(minerva_session *session, const int32_t *ids, size_t n,
               const cli_sampling *s, const minerva_constraint *constraint, bool keep_special,
               char **answer, minerva_generate_result *result)
{
    answer_sink sink = { .keep = answer != NULL };
    minerva_generate_options options = {
        .sampling = &s->sampling, .max_tokens = s->n_tokens, .stop = s->stop.items,
        .n_stop = s->stop.n, .keep_special = keep_special, .constraint = constraint,
        .on_piece = on_piece, .ctx = &sink, .no_guessing = s->no_guessing, .draft = s->draft,
    };
    struct sigaction ours = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND }, before;
    interrupted = 0;
    sigaction(SIGINT, &ours, &before);
    minerva_error err = { 0 };
    minerva_status st = minerva_generate(session, ids, n, &options, result, &err);
    sigaction(SIGINT, &before, NULL);
    if (answer) {
        if (!sink.text) sink.text = calloc(1, 1);
        *answer = sink.text;
    }
    if (st != MINERVA_OK) {
        fflush(stdout);
        return cli_fail(&err);
    }
    if (sink.broken) return cli_fail_with("the output cannot be written");
    return CLI_OK;
}
