/* Continuous batching: many answers from one engine.
 *
 * The worker thread repeats: take in new requests, drop cancelled ones, admit waiting ones,
 * build a batch (one token of every answer in the making, then prompt pieces), run it, hand
 * out the tokens.
 *
 *   waiting --admit--> restore --what the disk has--> prefill --last prompt token--> decode
 *      ^                                                 |                              | |
 *      +----- preempted: its state is dropped, its tokens are kept -----+---------------+ |
 *                                                                                  end: done
 *
 * (1) Only the worker touches the engine, the prefix cache and a request's inside; submit
 *     and cancel reach it through `inbox` (under `mutex`) and one atomic flag.  It holds the
 *     model's engine_lock for one round at a time, so sessions of the model get turns too;
 *     callbacks run under it and must not call into sessions.
 * (2) Every accepted request gets exactly one on_done.
 * (3) Fairness: tenants take turns in admission; among running requests every decoding one
 *     is in every batch.  Of the room for prompts (pace.h says how much) every tenant has
 *     an equal share; within one, short prompts may use half of it before older ones.
 * (4) When state memory runs out, cached prefixes go first, then the youngest running
 *     request is preempted and recomputed later (its tokens, sampler and text survive).
 *     A request that is alone and does not fit fails.
 * (5) A waiting request that shares much of its prompt with one being prefilled waits for
 *     it and then takes it from the cache.
 * (6) Prefill stops at places where the state is worth keeping for networks that cannot be
 *     cut back (recurrent layers, windows): where the prompt left a known path, at regular
 *     distances, and shortly before its end, which chat templates tend to rewrite.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"
#include "runtime/pace.h"
#include "runtime/prefix_cache.h"
#include "runtime/stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WORTH_WAITING_FOR = 32,     /* shared prompt tokens */
    STOP_GRAIN = 32,            /* stops lie at multiples of this (a page of the cache) */
    STOP_DISTANCE = 512,        /* at least, between regular stops */
    STOPS_PER_PROMPT = 8,       /* at most, of the regular ones */
    REWRITTEN_END = 8,          /* tokens that the next turn's template may write otherwise */
    WORTH_A_STOP = 64,          /* tokens between two stops */
    FLUSH_S = 10                /* for the disk at the end */
};

typedef enum {
    PHASE_WAITING, PHASE_RESTORE, PHASE_PREFILL, PHASE_DECODE, PHASE_DONE
} request_phase;

struct minerva_request {
    atomic_int refs;                /* the caller's and the scheduler's */
    atomic_bool cancelled;
    request_phase phase;
    uint64_t tenant;
    minerva_generate_options options;   /* its arrays are ours */
    minerva_sampling sampling;
    minerva_constraint constraint;
    void (*on_done)(void *, const minerva_generate_result *, const minerva_error *);
    mn_stream stream;
    mn_ids tokens;                  /* prompt, then what was generated */
    size_t n_prompt;
    mn_seq *seq;
    size_t n_done;                  /* tokens[0..n_done) are in seq */
    mn_restore *restore;            /* NULL: nothing comes from the disk */
    mn_prefix_loss loss;            /* of the lookup, for the log */
    size_t known;
    size_t branch;                  /* where the prompt left a known path; 0: nowhere */
    int32_t n_take;                 /* prompt tokens in the batch being built */
    minerva_generate_result result;
    double submitted_s, first_s;
    minerva_request *next;          /* in the inbox */
};

typedef struct {
    minerva_request **items;
    size_t n, capacity;
} request_list;

/* When a tenant had its last turn in admission. */
typedef struct {
    uint64_t tenant;
    int64_t turn;
} tenant_turn;

struct minerva_scheduler {
    minerva_model *model;
    minerva_scheduler_options o;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    minerva_request *inbox_first, *inbox_last;  /* under mutex, like the next two */
    bool quit;
    bool disk_news;
    minerva_scheduler_stats stats;
    /* the worker's own */
    request_list waiting, running;
    tenant_turn *turns;
    size_t n_turns;
    int64_t turn;
    mn_prefix_cache *cache;
    mn_pace pace;
    bool idle;                      /* the last round had nothing to do */
    double next_save_s;             /* when the disk tier may take time from answers again */
    bool rigid;                     /* the network's state cannot be cut back at all */
    mn_constraint_cache *constraints;
    int32_t *batch_tokens;          /* [max_batch] */
    uint8_t *batch_want;
    mn_span *spans;
    minerva_request **batch;        /* the request behind each span */
    int32_t n_batch;
    int32_t n_answers, n_prompt_tokens;     /* in the batch */
    int64_t n_passes;
};

static bool list_add(request_list *l, minerva_request *r)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        minerva_request **items = realloc(l->items, capacity * sizeof *items);
        if (!items) return false;
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->n++] = r;
    return true;
}

static void list_remove(request_list *l, size_t i)
{
    memmove(l->items + i, l->items + i + 1, (l->n - i - 1) * sizeof *l->items);
    l->n--;
}

/* ---- requests ---------------------------------------------------------------------- */

static void free_strings(const char *const *list, size_t n)
{
    for (size_t i = 0; i < n && list; i++) free((char *)list[i]);
    free((void *)list);
}

static void free_options(minerva_request *r)
{
    free_strings(r->options.stop, r->options.n_stop);
    free_strings(r->constraint.triggers, r->constraint.n_triggers);
    free((char *)r->constraint.source);
    free((char *)r->constraint.space_pattern);
    free((char *)r->constraint.start);
}

static void request_free(minerva_request *r)
{
    mn_stream_clear(&r->stream);
    mn_ids_clear(&r->tokens);
    free_options(r);
    free(r);
}

void minerva_request_release(minerva_request *r)
{
    if (r && atomic_fetch_sub(&r->refs, 1) == 1) request_free(r);
}

void minerva_request_cancel(minerva_request *r) { atomic_store(&r->cancelled, true); }

static const char *const *copy_strings(const char *const *from, size_t n)
{
    const char **list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        if (!(list[i] = strdup(from[i]))) {
            free_strings(list, i);
            return NULL;
        }
    return list;
}

static const char *copy_text(const char *text, bool *ok)
{
    char *copy = text ? strdup(text) : NULL;
    *ok = *ok && (copy || !text);
    return copy;
}

/* Everything that the caller lent, as a copy of the request's own. */
static minerva_status copy_options(minerva_request *r, const minerva_generate_options *from,
                                   minerva_error *err)
{
    r->options = *from;
    r->options.stop = copy_strings(from->stop, from->n_stop);
    r->options.n_stop = r->options.stop ? from->n_stop : 0;
    bool ok = r->options.stop != NULL;
    if (from->sampling) {
        r->sampling = *from->sampling;      /* its arrays are copied by the sampler */
        r->options.sampling = &r->sampling;
    }
    if (from->constraint) {
        const minerva_constraint *c = from->constraint;
        r->constraint = *c;
        r->options.constraint = &r->constraint;
        char *source = malloc(c->len + 1);
        if (source && c->len) memcpy(source, c->source, c->len);
        ok = ok && source;
        r->constraint.source = source;
        r->constraint.space_pattern = copy_text(c->space_pattern, &ok);
        r->constraint.start = copy_text(c->start, &ok);
        r->constraint.triggers = copy_strings(c->triggers, c->n_triggers);
        r->constraint.n_triggers = r->constraint.triggers ? c->n_triggers : 0;
        ok = ok && r->constraint.triggers;
    }
    if (!ok) return mn_fail_memory(err, 1);
    return from->constraint ? minerva_constraint_check(from->constraint, err) : MINERVA_OK;
}

static minerva_status check_prompt(const minerva_model *m, const minerva_request_options *o,
                                   minerva_error *err)
{
    int32_t context = minerva_model_context(m), vocab = minerva_model_vocab(m);
    if (o->n_prompt == 0)
        return mn_fail(err, MINERVA_INVALID, "prompt: at least 1 token expected");
    if (o->n_prompt > (size_t)context)
        return mn_fail(err, MINERVA_INVALID, "prompt: at most %d tokens expected (the context), "
                       "%zu found", context, o->n_prompt);
    for (size_t i = 0; i < o->n_prompt; i++)
        if (o->prompt[i] < 0 || o->prompt[i] >= vocab)
            return mn_fail(err, MINERVA_INVALID, "prompt[%zu]: 0 to %d expected, %d found", i,
                           vocab - 1, o->prompt[i]);
    return MINERVA_OK;
}

static minerva_status request_create(minerva_request **out, const minerva_model *m,
                                     const minerva_request_options *o, minerva_error *err)
{
    minerva_status st = check_prompt(m, o, err);
    if (st != MINERVA_OK) return st;
    minerva_request *r = calloc(1, sizeof *r);
    if (!r) return mn_fail_memory(err, sizeof *r);
    atomic_init(&r->refs, 2);
    r->tenant = o->tenant ? mn_hash64(o->tenant, strlen(o->tenant), 1) : 0;
    r->on_done = o->on_done;
    r->n_prompt = r->result.n_prompt = o->n_prompt;
    r->submitted_s = mn_clock_s();
    st = copy_options(r, &o->generate, err);
    if (st == MINERVA_OK) st = mn_stream_init(&r->stream, m, &r->options, err);
    if (st == MINERVA_OK) st = mn_stream_prompt(&r->stream, o->prompt, o->n_prompt, err);
    if (st == MINERVA_OK) {
        r->tokens.ids = malloc((o->n_prompt + 256) * sizeof *r->tokens.ids);
        if (!r->tokens.ids) st = mn_fail_memory(err, o->n_prompt * sizeof *r->tokens.ids);
    }
    if (st != MINERVA_OK) {
        request_free(r);
        return st;
    }
    memcpy(r->tokens.ids, o->prompt, o->n_prompt * sizeof *o->prompt);
    r->tokens.n = o->n_prompt;
    r->tokens.capacity = o->n_prompt + 256;
    *out = r;
    return MINERVA_OK;
}

minerva_status minerva_scheduler_submit(minerva_scheduler *s, const minerva_request_options *o,
                                        minerva_request **request, minerva_error *err)
{
    minerva_request *r = NULL;
    minerva_status st = request_create(&r, s->model, o, err);
    if (st != MINERVA_OK) return st;
    pthread_mutex_lock(&s->mutex);
    bool full = s->stats.n_queued >= s->o.max_queued;
    if (full) {
        s->stats.n_refused++;
    } else {
        if (s->inbox_last) s->inbox_last->next = r;
        else s->inbox_first = r;
        s->inbox_last = r;
        s->stats.n_queued++;
        s->stats.n_accepted++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->mutex);
    if (full) {
        request_free(r);
        return mn_fail(err, MINERVA_FULL, "the queue is full: %d requests are waiting",
                       s->o.max_queued);
    }
    if (request) *request = r;
    else minerva_request_release(r);
    return MINERVA_OK;
}

/* ---- ends -------------------------------------------------------------------------- */

static void count(minerva_scheduler *s, int64_t *counter, int64_t n)
{
    pthread_mutex_lock(&s->mutex);
    *counter += n;
    pthread_mutex_unlock(&s->mutex);
}

/* The state of a finished or preempted request goes to the prefix cache. */
static void give_state(minerva_scheduler *s, minerva_request *r)
{
    if (!r->seq) return;
    if (s->cache)
        mn_prefix_cache_insert(s->cache, r->tenant, r->tokens.ids, r->n_done, r->seq, NULL,
                               false);
    else
        s->model->backend->seq_free(s->model->engine, r->seq);
    r->seq = NULL;
    r->n_done = 0;
}

/* The request's last moment here; it must be in no list any more. */
static void finish(minerva_scheduler *s, minerva_request *r, const minerva_error *err)
{
    static const minerva_error fine;
    bool failed = err && err->code != MINERVA_OK;
    mn_restore_free(r->restore);
    r->restore = NULL;
    if (!failed) give_state(s, r);
    else if (r->seq) s->model->backend->seq_free(s->model->engine, r->seq);
    r->seq = NULL;
    r->phase = PHASE_DONE;
    double end = mn_clock_s(), first = r->first_s > 0 ? r->first_s : end;
    r->result.finish = r->stream.finished ? r->stream.finish : MINERVA_FINISH_CANCELLED;
    r->result.n_generated = r->stream.n_generated;
    r->result.stop = r->stream.stop;
    r->result.n_forced = r->stream.n_forced;
    r->result.prompt_s = first - r->submitted_s;
    r->result.generate_s = end - first;
    pthread_mutex_lock(&s->mutex);
    if (failed) s->stats.n_failed++;
    else if (r->result.finish == MINERVA_FINISH_CANCELLED) s->stats.n_cancelled++;
    else s->stats.n_finished++;
    pthread_mutex_unlock(&s->mutex);
    if (r->on_done) r->on_done(r->options.ctx, &r->result, failed ? err : &fine);
    minerva_request_release(r);
}

static void finish_running(minerva_scheduler *s, size_t i, const minerva_error *err)
{
    minerva_request *r = s->running.items[i];
    list_remove(&s->running, i);
    count(s, &s->stats.n_running, -1);
    finish(s, r, err);
}

static void finish_waiting(minerva_scheduler *s, size_t i, const minerva_error *err)
{
    minerva_request *r = s->waiting.items[i];
    list_remove(&s->waiting, i);
    count(s, &s->stats.n_queued, -1);
    finish(s, r, err);
}

static void drop_cancelled(minerva_scheduler *s, bool all)
{
    for (size_t i = s->waiting.n; i-- > 0;)
        if (all || atomic_load(&s->waiting.items[i]->cancelled)) finish_waiting(s, i, NULL);
    for (size_t i = s->running.n; i-- > 0;)
        if (all || atomic_load(&s->running.items[i]->cancelled)) {
            mn_stream_end(&s->running.items[i]->stream, MINERVA_FINISH_CANCELLED, NULL);
            finish_running(s, i, NULL);
        }
}

/* ---- admission --------------------------------------------------------------------- */

/* Would this request profit from waiting for a prompt that is being read? */
static bool better_wait(const minerva_scheduler *s, const minerva_request *r)
{
    if (!s->cache) return false;
    size_t have = mn_prefix_cache_peek(s->cache, r->tenant, r->tokens.ids, r->tokens.n);
    for (size_t i = 0; i < s->running.n; i++) {
        const minerva_request *other = s->running.items[i];
        if (other->phase != PHASE_PREFILL && other->phase != PHASE_RESTORE) continue;
        if (other->tenant != r->tenant) continue;
        size_t n = other->n_prompt < r->tokens.n ? other->n_prompt : r->tokens.n, same = 0;
        while (same < n && other->tokens.ids[same] == r->tokens.ids[same]) same++;
        if (same >= have + WORTH_WAITING_FOR) return true;
    }
    return false;
}

static int64_t last_turn(const minerva_scheduler *s, uint64_t tenant)
{
    for (size_t i = 0; i < s->n_turns; i++)
        if (s->turns[i].tenant == tenant) return s->turns[i].turn;
    return 0;
}

/* Without memory for the note the tenant merely seems to have waited longer. */
static void note_turn(minerva_scheduler *s, uint64_t tenant)
{
    s->turn++;
    for (size_t i = 0; i < s->n_turns; i++)
        if (s->turns[i].tenant == tenant) {
            s->turns[i].turn = s->turn;
            return;
        }
    tenant_turn *turns = realloc(s->turns, (s->n_turns + 1) * sizeof *turns);
    if (!turns) return;
    s->turns = turns;
    turns[s->n_turns++] = (tenant_turn){ tenant, s->turn };
}

/* The next request to admit: the first of the tenant whose last turn is longest ago. */
static size_t choose(const minerva_scheduler *s)
{
    size_t best = SIZE_MAX;
    int64_t best_turn = INT64_MAX;
    for (size_t i = 0; i < s->waiting.n; i++) {
        const minerva_request *r = s->waiting.items[i];
        int64_t turn = last_turn(s, r->tenant);
        if (turn >= best_turn || better_wait(s, r)) continue;
        best = i;
        best_turn = turn;
    }
    return best;
}

static minerva_status sample_row(minerva_scheduler *s, minerva_request *r, const float *logits,
                                 minerva_error *err);

/* It is settled how much of the prompt need not be computed. */
static minerva_status settle(minerva_scheduler *s, minerva_request *r, const float *logits,
                             minerva_error *err)
{
    r->phase = PHASE_PREFILL;
    r->branch = 0;
    if (r->loss == MN_LOSS_STATE || (r->loss == MN_LOSS_EVICTED && s->rigid))
        r->branch = r->known >= r->n_done + STOP_GRAIN ? r->known : 0;
    if (!r->stream.n_generated) {
        r->result.n_cached = r->n_done;
        pthread_mutex_lock(&s->mutex);
        s->stats.tokens_prompt += (int64_t)r->n_prompt;
        s->stats.tokens_cached += (int64_t)r->n_done;
        pthread_mutex_unlock(&s->mutex);
        mn_log_line(&s->model->log, MINERVA_LOG_INFO, "prompt=%zu cached=%zu known=%zu lost=%s",
                    r->n_prompt, r->n_done, r->known, mn_prefix_loss_name(r->loss));
    }
    if (!logits) return MINERVA_OK;
    count(s, &s->stats.tokens_generated, 1);
    return sample_row(s, r, logits, err);
}

/* Gives the request a sequence: from the cache as far as it reaches, else an empty one. */
static minerva_status begin(minerva_scheduler *s, minerva_request *r, minerva_error *err)
{
    const mn_backend *b = s->model->backend;
    minerva_status st = MINERVA_OK;
    mn_prefix_hit hit = { 0 };
    if (s->cache)
        st = mn_prefix_cache_find(s->cache, r->tenant, r->tokens.ids, r->tokens.n,
                                  s->pace.token_s, &hit, err);
    r->seq = hit.seq;
    r->n_done = hit.found;
    r->restore = hit.restore;
    r->loss = hit.loss;
    r->known = hit.known;
    if (st == MINERVA_OK && !r->seq) st = b->seq_create(s->model->engine, &r->seq, err);
    if (st == MINERVA_OK && !r->stream.n_generated && r->options.constraint) {
        mn_matcher *matcher = NULL;
        st = mn_runtime_matcher(&matcher, s->model, &s->constraints, r->options.constraint, err);
        if (st == MINERVA_OK) mn_stream_constrain(&r->stream, matcher);
    }
    if (st != MINERVA_OK) {
        mn_restore_free(r->restore);
        r->restore = NULL;
        return st;
    }
    r->phase = PHASE_RESTORE;
    return r->restore ? MINERVA_OK : settle(s, r, hit.logits, err);
}

static void admit(minerva_scheduler *s)
{
    while (s->running.n < (size_t)s->o.max_running) {
        size_t i = choose(s);
        if (i == SIZE_MAX) return;
        minerva_request *r = s->waiting.items[i];
        minerva_error err = { 0 };
        minerva_status st;
        while ((st = begin(s, r, &err)) == MINERVA_FULL && s->cache
               && mn_prefix_cache_evict(s->cache)) err = (minerva_error){ 0 };
        if (st == MINERVA_FULL && s->running.n) return;     /* when something has ended */
        note_turn(s, r->tenant);
        if (st == MINERVA_OK && !list_add(&s->running, r)) st = mn_fail_memory(&err, 1);
        if (st != MINERVA_OK) {
            finish_waiting(s, i, &err);
            continue;
        }
        list_remove(&s->waiting, i);
        pthread_mutex_lock(&s->mutex);
        s->stats.n_queued--;
        s->stats.n_running++;
        pthread_mutex_unlock(&s->mutex);
        if (r->stream.finished) finish_running(s, s->running.n - 1, NULL);
    }
}

/* Back to the head of the waiting list; tokens, sampler and text stay as they are. */
static bool preempt_youngest(minerva_scheduler *s)
{
    if (s->running.n < 2) return false;
    minerva_request *r = s->running.items[s->running.n - 1];
    if (!list_add(&s->waiting, r)) return false;
    memmove(s->waiting.items + 1, s->waiting.items, (s->waiting.n - 1) * sizeof r);
    s->waiting.items[0] = r;
    list_remove(&s->running, s->running.n - 1);
    mn_restore_free(r->restore);
    r->restore = NULL;
    s->model->backend->seq_free(s->model->engine, r->seq);
    r->seq = NULL;
    r->n_done = 0;
    r->phase = PHASE_WAITING;
    pthread_mutex_lock(&s->mutex);
    s->stats.n_running--;
    s->stats.n_queued++;
    s->stats.n_preempted++;
    pthread_mutex_unlock(&s->mutex);
    return true;
}

/* ---- batches ----------------------------------------------------------------------- */

static int32_t add_span(minerva_scheduler *s, int32_t at, minerva_request *r, size_t n)
{
    s->spans[s->n_batch] = (mn_span){ r->seq, at, (int32_t)n };
    s->batch[s->n_batch++] = r;
    memcpy(s->batch_tokens + at, r->tokens.ids + r->n_done, n * sizeof(int32_t));
    memset(s->batch_want + at, 0, n);
    if (r->n_done + n == r->tokens.n) s->batch_want[at + (int32_t)n - 1] = 1;
    return at + (int32_t)n;
}

/* Where the piece of a prompt that begins at n_done must end: see (6). */
static size_t next_stop(const minerva_scheduler *s, const minerva_request *r)
{
    size_t n = r->tokens.n, at = r->n_done, stop = n;
    if (!s->cache || r->stream.n_generated) return n;
    size_t distance = n / STOPS_PER_PROMPT / STOP_GRAIN * STOP_GRAIN;
    if (distance < STOP_DISTANCE) distance = STOP_DISTANCE;
    size_t regular = (at / distance + 1) * distance;
    if (regular + WORTH_A_STOP <= n) stop = regular;
    if (r->branch > at && r->branch < stop) stop = r->branch;
    if (s->rigid && n > REWRITTEN_END) {
        size_t late = (n - REWRITTEN_END) / STOP_GRAIN * STOP_GRAIN;
        if (late > at && late >= r->result.n_cached + WORTH_A_STOP && late < stop) stop = late;
    }
    return stop;
}

static size_t wanted(const minerva_scheduler *s, const minerva_request *r)
{
    return next_stop(s, r) - r->n_done - (size_t)r->n_take;
}

/* Let a request have up to `room` more tokens; returns how many it took. */
static int32_t take(const minerva_scheduler *s, minerva_request *r, int32_t room)
{
    size_t n = wanted(s, r);
    if (n > (size_t)room) n = (size_t)room;
    r->n_take += (int32_t)n;
    return (int32_t)n;
}

/* Share `room` among the prompts of one tenant (all: of every tenant); returns the rest. */
static int32_t share_out(minerva_scheduler *s, uint64_t tenant, bool all, int32_t room)
{
    int32_t for_short = room / 2;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->running.n && room > 0; i++) {
            minerva_request *r = s->running.items[i];
            if (r->phase != PHASE_PREFILL || (!all && r->tenant != tenant)) continue;
            bool is_short = wanted(s, r) <= (size_t)(for_short < room ? for_short : room);
            if (pass == 0 && !is_short) continue;
            int32_t n = take(s, r, room);
            room -= n;
            if (pass == 0) for_short -= n;
        }
    return room;
}

/* Every tenant with prompts to read has an equal share; what is left goes by arrival. */
static void plan_prompts(minerva_scheduler *s, int32_t room)
{
    uint64_t tenants[64];
    int32_t n = 0;
    for (size_t i = 0; i < s->running.n; i++) {
        minerva_request *r = s->running.items[i];
        int32_t k = 0;
        r->n_take = 0;
        if (r->phase != PHASE_PREFILL) continue;
        while (k < n && tenants[k] != r->tenant) k++;
        if (k == n && n < 64) tenants[n++] = r->tenant;
    }
    for (int32_t i = 0; i < n; i++) {
        int32_t share = (room + n - i - 1) / (n - i);
        uint64_t tenant = tenants[(i + (int32_t)(s->n_passes % n)) % n];
        room -= share - share_out(s, tenant, false, share);
    }
    if (room > 0) share_out(s, 0, true, room);
}

/* Tokens in the batch; 0: nothing to do. */
static int32_t build_batch(minerva_scheduler *s)
{
    int32_t at = 0, most = s->model->max_batch;
    s->n_batch = 0;
    for (size_t i = 0; i < s->running.n && at < most; i++)
        if (s->running.items[i]->phase == PHASE_DECODE) {
            minerva_request *r = s->running.items[i];
            size_t n = r->tokens.n - r->n_done;     /* one drawn, and those it forces */
            at = add_span(s, at, r, n < (size_t)(most - at) ? n : (size_t)(most - at));
        }
    s->n_answers = at;
    int32_t room = most - at;
    if (at && s->o.prefill_chunk && room > s->o.prefill_chunk) room = s->o.prefill_chunk;
    plan_prompts(s, mn_pace_room(&s->pace, at, room));
    for (size_t i = 0; i < s->running.n; i++)
        if (s->running.items[i]->n_take > 0)
            at = add_span(s, at, s->running.items[i], (size_t)s->running.items[i]->n_take);
    s->n_prompt_tokens = at - s->n_answers;
    return at;
}

/* A pass is given up when most of it is for nobody any more. */
static bool batch_unwanted(void *ctx)
{
    minerva_scheduler *s = ctx;
    int32_t wasted = 0;
    for (int32_t i = 0; i < s->n_batch; i++)
        if (atomic_load_explicit(&s->batch[i]->cancelled, memory_order_relaxed))
            wasted += s->spans[i].n;
    return 2 * wasted > s->n_answers + s->n_prompt_tokens;
}

static minerva_status forward(minerva_scheduler *s, int32_t n, mn_output *out,
                              minerva_error *err)
{
    minerva_model *m = s->model;
    mn_batch batch = { .tokens = s->batch_tokens, .n_tokens = n, .spans = s->spans,
                       .n_spans = s->n_batch, .want = s->batch_want,
                       .cancelled = batch_unwanted, .cancel_ctx = s };
    return m->backend->forward(m->engine, &batch, out, err);
}

/* The prompt, or a part of it, is read: keep it for others (and, with the logits after its
 * end, for an exact repeat). */
static void cache_prompt(minerva_scheduler *s, minerva_request *r, const float *logits)
{
    const mn_backend *b = s->model->backend;
    mn_seq *copy;
    if (!s->cache || r->stream.n_generated) return;
    if (r->n_done > 1 && !b->seq_can_trim(r->seq, (int32_t)r->n_done - 1)) s->rigid = true;
    if (b->seq_fork(s->model->engine, r->seq, &copy, NULL) == MINERVA_OK)
        mn_prefix_cache_insert(s->cache, r->tenant, r->tokens.ids, r->n_done, copy, logits,
                               !logits);
}

static minerva_status make_room(minerva_request *r, size_t n, minerva_error *err)
{
    if (r->tokens.n + n <= r->tokens.capacity) return MINERVA_OK;
    size_t capacity = 2 * r->tokens.capacity + n;
    int32_t *ids = realloc(r->tokens.ids, capacity * sizeof *ids);
    if (!ids) return mn_fail_memory(err, capacity * sizeof *ids);
    r->tokens.ids = ids;
    r->tokens.capacity = capacity;
    return MINERVA_OK;
}

/* Draw the next token of a request whose tokens are all evaluated, and add those that a
 * constraint leaves no choice about. */
static minerva_status sample_row(minerva_scheduler *s, minerva_request *r, const float *logits,
                                 minerva_error *err)
{
    int32_t token;
    size_t context = (size_t)minerva_model_context(s->model), n = 0;
    if (r->first_s <= 0) r->first_s = mn_clock_s();
    r->phase = PHASE_DECODE;
    minerva_status st = mn_stream_step(&r->stream, logits, &token, err);
    if (st != MINERVA_OK || r->stream.finished) return st;
    if (r->tokens.n >= context) return mn_stream_end(&r->stream, MINERVA_FINISH_LENGTH, err);
    st = make_room(r, 1 + MN_MAX_FORCED, err);
    if (st != MINERVA_OK) return st;
    r->tokens.ids[r->tokens.n++] = token;
    size_t room = context - r->tokens.n;
    st = mn_stream_forced(&r->stream, r->tokens.ids + r->tokens.n,
                          room < MN_MAX_FORCED ? room : MN_MAX_FORCED, &n, err);
    r->tokens.n += n;
    return st;
}

/* Account for a batch that ran, and sample where a row was wanted. */
static void take_results(minerva_scheduler *s, const mn_output *out)
{
    size_t vocab = (size_t)minerva_model_vocab(s->model);
    int64_t generated = 0;
    const float *row = out->logits;
    for (int32_t i = 0; i < s->n_batch; i++) {
        minerva_request *r = s->batch[i];
        minerva_error err = { 0 };
        bool prefill = r->phase == PHASE_PREFILL;
        bool at_stop = prefill && r->n_done + (size_t)s->spans[i].n == next_stop(s, r);
        r->n_done += (size_t)s->spans[i].n;
        if (r->n_done < r->tokens.n) {
            if (at_stop) cache_prompt(s, r, NULL);
            continue;
        }
        if (prefill) cache_prompt(s, r, row);
        size_t before = r->stream.n_generated;
        minerva_status st = sample_row(s, r, row, &err);
        row += vocab;
        generated += (int64_t)(r->stream.n_generated - before);
        if (st == MINERVA_OK && !r->stream.finished) continue;
        for (size_t k = 0; k < s->running.n; k++)
            if (s->running.items[k] == r) {
                finish_running(s, k, st == MINERVA_OK ? NULL : &err);
                break;
            }
    }
    pthread_mutex_lock(&s->mutex);
    s->stats.tokens_generated += generated;
    s->stats.n_passes++;
    pthread_mutex_unlock(&s->mutex);
}

/* One forward pass, making room if the engine says that it is full; false: there was nothing
 * to do. */
static bool step(minerva_scheduler *s)
{
    for (;;) {
        minerva_error err = { 0 };
        mn_output out = { 0 };
        int32_t n = build_batch(s);
        if (!n) return false;
        double start = mn_clock_s();
        minerva_status st = forward(s, n, &out, &err);
        if (st == MINERVA_OK) {
            mn_pace_note(&s->pace, s->n_answers, s->n_prompt_tokens, mn_clock_s() - start);
            s->n_passes++;
            take_results(s, &out);
            return true;
        }
        if (st == MINERVA_CANCELLED) return true;   /* drop_cancelled() follows */
        if (st == MINERVA_FULL && s->cache && mn_prefix_cache_evict(s->cache)) continue;
        if (st == MINERVA_FULL && preempt_youngest(s)) continue;
        for (int32_t i = s->n_batch; i-- > 0;)
            for (size_t k = s->running.n; k-- > 0;)
                if (s->running.items[k] == s->batch[i]) finish_running(s, k, &err);
        return true;
    }
}

/* ---- the disk ---------------------------------------------------------------------- */

/* One step of a restore; false: the disk is not ready. */
static bool restore_one(minerva_scheduler *s, minerva_request *r)
{
    minerva_error err = { 0 };
    mn_restore_state state = mn_restore_step(r->restore, r->seq, r->tokens.ids, r->tokens.n);
    r->n_done = (size_t)s->model->backend->seq_length(r->seq);
    if (state == MN_RESTORE_WAIT) return false;
    if (state == MN_RESTORE_MORE) return true;
    if (state == MN_RESTORE_FULL && mn_prefix_cache_evict(s->cache)) return true;
    const float *logits = r->n_done == r->tokens.n ? mn_restore_logits(r->restore) : NULL;
    if (logits) cache_prompt(s, r, logits);
    minerva_status st = settle(s, r, logits, &err);
    mn_restore_free(r->restore);
    r->restore = NULL;
    if (st == MINERVA_OK && !r->stream.finished) return true;
    for (size_t k = 0; k < s->running.n; k++)
        if (s->running.items[k] == r) {
            finish_running(s, k, st == MINERVA_OK ? NULL : &err);
            break;
        }
    return true;
}

/* Take what the disk has ready: all of it, or one piece while answers wait for their next
 * token.  false: there was nothing. */
static bool restore_some(minerva_scheduler *s)
{
    bool any = false;
    for (size_t i = s->running.n; i-- > 0;) {
        minerva_request *r = s->running.items[i];
        if (r->phase != PHASE_RESTORE) continue;
        while (restore_one(s, r)) {
            any = true;
            if (s->n_answers || i >= s->running.n || s->running.items[i] != r
                || r->phase != PHASE_RESTORE || atomic_load(&r->cancelled)) break;
        }
    }
    return any;
}

/* Write a piece of what is new to disk.  Beside answers that may take a tenth of the time.
 * false: there was nothing to do. */
static bool save_some(minerva_scheduler *s)
{
    if (!s->cache || !mn_prefix_cache_disk_turn(s->cache)) return false;
    double start = mn_clock_s();
    if (s->running.n && start < s->next_save_s) return false;
    if (!mn_prefix_cache_save(s->cache)) return false;
    double end = mn_clock_s();
    s->next_save_s = end + 9 * (end - start);
    return true;
}

/* At the end: write what is not on disk yet, for FLUSH_S at most. */
static void save_rest(minerva_scheduler *s)
{
    double end = mn_clock_s() + FLUSH_S;
    while (s->cache && mn_clock_s() < end && mn_prefix_cache_disk_turn(s->cache)) {
        if (mn_prefix_cache_save(s->cache) || mn_prefix_cache_disk_idle(s->cache)) continue;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_mutex_lock(&s->mutex);
        while (!s->disk_news && pthread_cond_timedwait(&s->wake, &s->mutex, &until) == 0) ;
        s->disk_news = false;
        pthread_mutex_unlock(&s->mutex);
    }
}

/* From the tier's thread. */
static void on_disk_news(void *ctx)
{
    minerva_scheduler *s = ctx;
    pthread_mutex_lock(&s->mutex);
    s->disk_news = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}

/* Without the directory the cache goes on in memory alone. */
static void open_disk(minerva_scheduler *s)
{
    minerva_error err = { 0 };
    mn_buffer info = { 0 };
    if (!s->cache || !s->o.cache_dir) return;
    mn_model_info(s->model, &info);
    mn_disk_options o = { .dir = s->o.cache_dir, .model = mn_model_identity(s->model),
                          .info = info.data, .max_bytes = s->o.max_disk_bytes,
                          .log = s->model->log, .news = on_disk_news, .ctx = s };
    if (mn_prefix_cache_use_disk(s->cache, &o, &err) != MINERVA_OK)
        mn_log_line(&s->model->log, MINERVA_LOG_WARNING, "prefixes are not kept on disk: %s",
                    err.message);
    mn_buffer_clear(&info);
}

/* ---- the worker -------------------------------------------------------------------- */

/* The cache's figures, for others to see; under the mutex. */
static void publish(minerva_scheduler *s)
{
    mn_prefix_stats cache;
    mn_disk_stats disk;
    minerva_scheduler_stats *to = &s->stats;
    mn_prefix_cache_stats(s->cache, &cache);
    mn_prefix_cache_disk_stats(s->cache, &disk);
    to->cache_entries = cache.n_entries;
    to->cache_evictions = cache.evictions;
    to->lost_evicted = cache.losses[MN_LOSS_EVICTED];
    to->lost_state = cache.losses[MN_LOSS_STATE];
    to->lost_tenant = cache.losses[MN_LOSS_TENANT];
    to->lost_slow = cache.losses[MN_LOSS_SLOW];
    to->lost_disk = cache.losses[MN_LOSS_DISK];
    to->tokens_restored = cache.tokens_restored;
    to->disk_files = disk.n_files;
    to->disk_bytes = disk.size_bytes;
    to->disk_written_bytes = disk.written_bytes;
    to->disk_read_bytes = disk.read_bytes;
    to->disk_off = disk.off;
}

/* Moves the inbox to the waiting list; sleeps while there is nothing at all to do.
 * false: quit. */
static bool take_inbox(minerva_scheduler *s)
{
    pthread_mutex_lock(&s->mutex);
    if (s->cache) publish(s);
    while (!s->quit && !s->inbox_first && s->idle && !s->disk_news)
        pthread_cond_wait(&s->wake, &s->mutex);
    minerva_request *r = s->inbox_first;
    s->inbox_first = s->inbox_last = NULL;
    s->disk_news = false;
    bool quit = s->quit;
    pthread_mutex_unlock(&s->mutex);
    while (r) {
        minerva_request *next = r->next;
        r->next = NULL;
        if (!list_add(&s->waiting, r)) {
            minerva_error err = { 0 };
            mn_fail_memory(&err, 1);
            count(s, &s->stats.n_queued, -1);
            finish(s, r, &err);
        }
        r = next;
    }
    return !quit;
}

static void *work(void *arg)
{
    minerva_scheduler *s = arg;
    pthread_mutex_t *engine = &s->model->engine_lock;
    open_disk(s);
    while (take_inbox(s)) {
        pthread_mutex_lock(engine);
        drop_cancelled(s, false);
        admit(s);
        bool restored = restore_some(s), stepped = step(s), saved = save_some(s);
        s->idle = !restored && !stepped && !saved;
        pthread_mutex_unlock(engine);
    }
    pthread_mutex_lock(engine);
    drop_cancelled(s, true);
    save_rest(s);
    pthread_mutex_unlock(engine);
    return NULL;
}

static minerva_status set_options(minerva_scheduler *s, const minerva_scheduler_options *o,
                                  minerva_error *err)
{
    if (o) s->o = *o;
    if (s->o.cache_dir && !(s->o.cache_dir = strdup(s->o.cache_dir)))
        return mn_fail_memory(err, 1);
    if (s->o.max_running < 0 || s->o.max_queued < 0 || s->o.prefill_chunk < 0
        || s->o.max_cached < -1)
        return mn_fail(err, MINERVA_INVALID, "scheduler: limits of 0 or more expected");
    if (!s->o.max_running) s->o.max_running = 32;
    if (!s->o.max_queued) s->o.max_queued = 256;
    if (!s->o.max_cached) s->o.max_cached = 1024;
    if (!s->o.max_disk_bytes) s->o.max_disk_bytes = (size_t)8 << 30;
    if (!s->o.max_logits_bytes) s->o.max_logits_bytes = (size_t)64 << 20;
    if (s->o.max_running > s->model->max_batch) s->o.max_running = s->model->max_batch;
    return MINERVA_OK;
}

minerva_status minerva_scheduler_create(minerva_scheduler **out, minerva_model *model,
                                        const minerva_scheduler_options *options,
                                        minerva_error *err)
{
    minerva_status st = mn_runtime_need_engine(model, err);
    if (st != MINERVA_OK) return st;
    minerva_scheduler *s = calloc(1, sizeof *s);
    if (!s) return mn_fail_memory(err, sizeof *s);
    s->model = model;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->wake, NULL);
    size_t most = (size_t)model->max_batch;
    s->batch_tokens = calloc(most, sizeof *s->batch_tokens);
    s->batch_want = calloc(most, 1);
    s->spans = calloc(most, sizeof *s->spans);
    s->batch = calloc(most, sizeof *s->batch);
    st = s->batch_tokens && s->batch_want && s->spans && s->batch
             ? set_options(s, options, err) : mn_fail_memory(err, most * 64);
    if (st == MINERVA_OK && s->o.max_cached > 0)
        st = mn_prefix_cache_create(&s->cache, model->backend, model->engine, s->o.max_cached,
                                    s->o.max_logits_bytes, err);
    s->quit = true;                 /* no thread to join yet */
    if (st == MINERVA_OK) {
        s->quit = false;
        if (pthread_create(&s->thread, NULL, work, s)) {
            s->quit = true;
            st = mn_fail(err, MINERVA_MEMORY, "the scheduler's thread could not be started");
        }
    }
    if (st != MINERVA_OK) {
        minerva_scheduler_free(s);
        return st;
    }
    *out = s;
    return MINERVA_OK;
}

void minerva_scheduler_free(minerva_scheduler *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->mutex);
    bool started = !s->quit;
    s->quit = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (started) pthread_join(s->thread, NULL);
    mn_prefix_cache_free(s->cache);
    mn_constraint_cache_free(s->constraints);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    free((char *)s->o.cache_dir);
    free(s->turns);
    free(s->waiting.items);
    free(s->running.items);
    free(s->batch_tokens);
    free(s->batch_want);
    free(s->spans);
    free(s->batch);
    free(s);
}

void minerva_scheduler_get_stats(minerva_scheduler *s, minerva_scheduler_stats *out)
{
    pthread_mutex_lock(&s->mutex);
    *out = s->stats;
    pthread_mutex_unlock(&s->mutex);
}
