/* Guessing tokens ahead; see speculate.h.
 *
 * Lookup: a table from the hash of three tokens to where they were last said, and from
 * there back to the time before.  Of the places with the same three tokens the one that
 * agrees longest with the text before them is taken.
 *
 * Paying: with t1 and tk the times of passes without and with guesses (running means) and r
 * the mean number of right guesses, guessing pays while (1 + r) / tk > 1 / t1. */
#include "runtime/speculate.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    KEY = 3,                    /* tokens that must agree */
    TRIES = 8,                  /* places looked at */
    LONGEST = 32,               /* agreement beyond this does not count */
    FIRST_PAUSE = 24, LONGEST_PAUSE = 768      /* tokens without a guess after a loss */
};

struct mn_guesser {
    minerva_session *draft;
    float *logits;              /* [vocab] of the draft */
    int32_t vocab;
    mn_ids tokens;              /* prompt and answer so far */
    int32_t *before;            /* [capacity] the place before with the same key, -1: none */
    int32_t *latest;            /* [n_slots] by hash */
    size_t n_slots;
    double plain_s, guessed_s;  /* running means; 0: not known */
    double right;               /* guesses per pass that were right */
    double draft_s;             /* of the last guess */
    int32_t pause, next_pause;
};

minerva_status mn_guesser_create(mn_guesser **out, const minerva_model *model,
                                 minerva_session *draft, minerva_error *err)
{
    int32_t vocab = minerva_model_vocab(model);
    if (draft && minerva_model_vocab(draft->model) != vocab)
        return mn_fail(err, MINERVA_INVALID, "draft: a model of %d tokens expected, %d found",
                       vocab, minerva_model_vocab(draft->model));
    mn_guesser *g = calloc(1, sizeof *g);
    if (!g) return mn_fail_memory(err, sizeof *g);
    *g = (mn_guesser){ .draft = draft, .vocab = vocab, .right = 2, .next_pause = FIRST_PAUSE };
    if (draft && !(g->logits = malloc((size_t)vocab * sizeof *g->logits))) {
        free(g);
        return mn_fail_memory(err, (size_t)vocab * sizeof(float));
    }
    *out = g;
    return MINERVA_OK;
}

void mn_guesser_free(mn_guesser *g)
{
    if (!g) return;
    mn_ids_clear(&g->tokens);
    free(g->before);
    free(g->latest);
    free(g->logits);
    free(g);
}

/* ---- what was said before ------------------------------------------------------------- */

static size_t slot_of(const mn_guesser *g, size_t end)
{
    return mn_hash64(g->tokens.ids + end - KEY, KEY * sizeof(int32_t), 7) & (g->n_slots - 1);
}

/* The key that ends before `end` was said there. */
static void note(mn_guesser *g, size_t end)
{
    if (end < KEY) return;
    size_t slot = slot_of(g, end);
    g->before[end] = g->latest[slot];
    g->latest[slot] = (int32_t)end;
}

static minerva_status grow(mn_guesser *g, size_t n, minerva_error *err)
{
    size_t capacity = g->tokens.capacity ? g->tokens.capacity : 512;
    while (capacity < n + 1) capacity *= 2;
    if (capacity == g->tokens.capacity) return MINERVA_OK;
    int32_t *ids = realloc(g->tokens.ids, capacity * sizeof *ids);
    if (ids) g->tokens.ids = ids;
    int32_t *before = realloc(g->before, capacity * sizeof *before);
    if (before) g->before = before;
    int32_t *latest = malloc(2 * capacity * sizeof *latest);
    if (!ids || !before || !latest) {
        free(latest);
        return mn_fail_memory(err, capacity * sizeof *ids);
    }
    free(g->latest);
    g->latest = latest;
    g->n_slots = 2 * capacity;
    g->tokens.capacity = capacity;
    memset(latest, 0xff, g->n_slots * sizeof *latest);
    for (size_t end = KEY; end < g->tokens.n; end++) note(g, end);
    return MINERVA_OK;
}

/* A key is noted when its next token arrives, so that the text's own end is not found. */
minerva_status mn_guesser_feed(mn_guesser *g, const int32_t *tokens, size_t n,
                               minerva_error *err)
{
    minerva_status st = grow(g, g->tokens.n + n, err);
    if (st != MINERVA_OK) return st;
    for (size_t i = 0; i < n; i++) {
        note(g, g->tokens.n);
        g->tokens.ids[g->tokens.n++] = tokens[i];
    }
    return MINERVA_OK;
}

static int32_t look_up(const mn_guesser *g, int32_t *ids)
{
    const int32_t *text = g->tokens.ids;
    size_t n = g->tokens.n, best = 0, best_length = KEY - 1;
    if (n < KEY) return 0;
    int32_t at = g->latest[slot_of(g, n)];
    for (int i = 0; i < TRIES && at >= 0; i++, at = g->before[at]) {
        size_t length = 0;
        while (length < LONGEST && length < (size_t)at
               && text[(size_t)at - 1 - length] == text[n - 1 - length]) length++;
        if (length > best_length) {
            best = (size_t)at;
            best_length = length;
        }
    }
    int32_t count = 0;
    for (; best && count < MN_MAX_GUESSES && best + (size_t)count < n; count++)
        ids[count] = text[best + (size_t)count];
    return count;
}

/* ---- a smaller model ------------------------------------------------------------------- */

static int32_t most_likely(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Brings the draft's session to the text so far and lets it go on. */
static minerva_status ask_draft(mn_guesser *g, int32_t *ids, int32_t *n, minerva_error *err)
{
    minerva_session *d = g->draft;
    size_t same = 0, all = g->tokens.n;
    if (all + MN_MAX_GUESSES > (size_t)minerva_model_context(d->model)) return MINERVA_OK;
    while (same < d->tokens.n && same + 1 < all && d->tokens.ids[same] == g->tokens.ids[same])
        same++;
    minerva_status st = minerva_session_trim(d, same, &same, err);
    if (st == MINERVA_OK)
        st = mn_runtime_eval(d, g->tokens.ids + same, all - same, g->logits, NULL, NULL, err);
    for (int32_t k = 0; st == MINERVA_OK && k < MN_MAX_GUESSES; k++) {
        ids[k] = most_likely(g->logits, g->vocab);
        *n = k + 1;
        if (k + 1 < MN_MAX_GUESSES)
            st = mn_runtime_eval(d, &ids[k], 1, g->logits, NULL, NULL, err);
    }
    return st;
}

/* ---- does it pay? ----------------------------------------------------------------------- */

static double mean(double old, double value, double weight)
{
    return old > 0 ? old + weight * (value - old) : value;
}

static bool pays(const mn_guesser *g)
{
    if (g->plain_s <= 0) return false;          /* one pass without is needed to compare */
    if (g->guessed_s <= 0) return true;
    return (1 + g->right) * g->plain_s > g->guessed_s;
}

minerva_status mn_guesser_guess(mn_guesser *g, int32_t *ids, int32_t *n, minerva_error *err)
{
    *n = 0;
    if (g->plain_s <= 0) return MINERVA_OK;
    if (g->pause > 0) {
        g->pause--;
        return MINERVA_OK;
    }
    if (!g->draft) {
        *n = look_up(g, ids);
        g->draft_s = 0;
        return MINERVA_OK;
    }
    double start = mn_clock_s();
    minerva_status st = ask_draft(g, ids, n, err);
    g->draft_s = mn_clock_s() - start;
    return st;
}

void mn_guesser_learn(mn_guesser *g, int32_t n_guessed, int32_t n_right, double seconds)
{
    if (!n_guessed) {
        g->plain_s = mean(g->plain_s, seconds, 0.2);
        return;
    }
    g->guessed_s = mean(g->guessed_s, seconds + g->draft_s, 0.3);
    g->right += 0.3 * (n_right - g->right);
    if (pays(g)) {
        if (n_right > 0) g->next_pause = FIRST_PAUSE;
        return;
    }
    /* After the pause one guess decides: right, and it pays again; wrong, and it does not. */
    g->pause = g->next_pause;
    if (g->next_pause < LONGEST_PAUSE) g->next_pause *= 2;
    double even = g->guessed_s / g->plain_s - 1;
    g->right = even > 0 ? even : 0;
}
