/* Matchers: one generation under a constraint; see constraint.h.
 *
 * The past is kept as configurations: going back is taking an older set.  Frames only ever
 * grow; now and then those that no kept step refers to are dropped (pda_compact.c).
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "constrain/core.h"

enum { KEPT_STEPS = 256, TRIM_STEPS = 1024, COMPACT_FRAMES = 1 << 15, FORGET_BYTES = 16 << 20 };

typedef struct { uint32_t off, n; bool finished; } step;

struct mn_matcher {
    mn_constraint *c;
    mn_pda pda;
    mn_cfgs past;               /* the sets of all kept steps, one behind the other */
    MN_VEC(step) steps;         /* the last one is now */
    mn_cfgs a, b;               /* room to step in */
    uint32_t pin;               /* slot + 1 of the mask that was handed out */
    uint32_t compact_at;
};

static step now(const mn_matcher *m) { return m->steps.at[m->steps.n - 1]; }

/* The configurations of a step; NULL: it has none. */
static const mn_cfg *cfgs_of(const mn_matcher *m, step s) { return s.n ? m->past.at + s.off : NULL; }

static void unpin(mn_matcher *m)
{
    if (m->pin) m->c->masks.slots.at[m->pin - 1].pins--;
    m->pin = 0;
}

static void push_step(mn_matcher *m, const mn_cfg *cfgs, uint32_t n, bool finished)
{
    mn_cx *cx = &m->c->cx;
    step s = { m->past.n, n, finished };
    mn_vec_reserve(cx, &m->past, n);
    mn_vec_reserve(cx, &m->steps, 1);
    if (n) memcpy(m->past.at + m->past.n, cfgs, n * sizeof *cfgs);
    m->past.n += n;
    m->steps.at[m->steps.n++] = s;
}

static void start(void *arg)
{
    mn_matcher *m = arg;
    m->past.n = m->steps.n = 0;
    m->pda.frames.n = m->pda.words.n = m->pda.seen.n = 0;
    m->pda.p = &m->c->program;
    m->a.n = 0;
    m->compact_at = COMPACT_FRAMES;
    /* Nobody else is under way: what was met of the grammar may go. */
    if (m->c->n_matchers == 1 && mn_grammar_sets_bytes(&m->c->grammar) > FORGET_BYTES)
        mn_grammar_forget(&m->c->grammar);
    mn_constraint_start(m->c, &m->pda, &m->a);
    push_step(m, m->a.at, m->a.n, false);
}

minerva_status mn_matcher_create(mn_matcher **out, mn_constraint *c, minerva_error *err)
{
    mn_matcher *m = calloc(1, sizeof *m);
    if (!m) return mn_fail_memory(err, sizeof *m);
    m->c = mn_constraint_acquire(c);
    c->n_matchers++;
    minerva_status st = mn_cx_protect(&c->cx, err, start, m);
    if (st) {
        mn_matcher_free(m);
        return st;
    }
    *out = m;
    return MINERVA_OK;
}

void mn_matcher_free(mn_matcher *m)
{
    if (!m) return;
    mn_cx *cx = &m->c->cx;
    unpin(m);
    mn_pda_clear(&m->pda);
    mn_vec_clear(cx, &m->past);
    mn_vec_clear(cx, &m->steps);
    mn_vec_clear(cx, &m->a);
    mn_vec_clear(cx, &m->b);
    m->c->n_matchers--;
    mn_constraint_release(m->c);
    free(m);
}

void mn_matcher_reset(mn_matcher *m)
{
    /* The room that a start needs is there since the first one: this cannot fail. */
    unpin(m);
    mn_cx_protect(&m->c->cx, NULL, start, m);
}

typedef struct { mn_matcher *to; const mn_matcher *from; } clone_job;

static void clone(void *arg)
{
    clone_job *j = arg;
    mn_matcher *m = j->to;
    mn_cx *cx = &m->c->cx;
    m->pda.p = &m->c->program;
    m->compact_at = j->from->compact_at;
#define COPY(v)                                                                          \
    do {                                                                                 \
        mn_vec_reserve(cx, &m->v, j->from->v.n + 1);                                     \
        if (j->from->v.n) memcpy(m->v.at, j->from->v.at, j->from->v.n * sizeof *m->v.at); \
        m->v.n = j->from->v.n;                                                           \
    } while (0)
    COPY(pda.frames);
    COPY(pda.words);
    COPY(pda.seen);
    COPY(past);
    COPY(steps);
#undef COPY
}

minerva_status mn_matcher_clone(mn_matcher **out, const mn_matcher *from, minerva_error *err)
{
    mn_matcher *m = calloc(1, sizeof *m);
    if (!m) return mn_fail_memory(err, sizeof *m);
    m->c = mn_constraint_acquire(from->c);
    m->c->n_matchers++;
    clone_job j = { m, from };
    minerva_status st = mn_cx_protect(&m->c->cx, err, clone, &j);
    if (st) {
        mn_matcher_free(m);
        return st;
    }
    *out = m;
    return MINERVA_OK;
}

/* ---- masks ---------------------------------------------------------------------------------- */

static bool accepting(const mn_matcher *m, const mn_cfg *cfgs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (mn_pda_accepting(&m->pda, &cfgs[i])) return true;
    return false;
}

static void find_mask(void *arg)
{
    mn_matcher *m = arg;
    m->pda.special = false;
    mn_mask_cache *k = &m->c->masks;
    const mn_vocab_trie *t = m->c->trie;
    step s = now(m);
    uint64_t key = mn_mix(s.n, s.finished);
    for (uint32_t i = 0; i < s.n; i++) key += mn_mix(mn_cfg_hash(&m->pda, &m->past.at[s.off + i]), 11);
    uint32_t slot = mn_mask_cache_find(k, key);
    if (slot != UINT32_MAX) {
        k->hits++;
    } else {
        k->misses++;
        slot = mn_mask_cache_add(k, key);
        k->slots.at[slot].pins++;
        m->pin = slot + 1;
        uint32_t *bits = k->slots.at[slot].bits;
        /* A mask that fails half-way must not be found again. */
        k->slots.at[slot].broken = true;
        if (!s.finished) mn_mask_compute(t, k, &m->pda, cfgs_of(m, s), s.n, bits);
        if (s.finished || accepting(m, cfgs_of(m, s), s.n))
            for (uint32_t i = 0; i < t->eog.n; i++) mn_bit_set(bits, (uint32_t)t->eog.at[i]);
        k->slots.at[slot].broken = false;
        return;
    }
    k->slots.at[slot].pins++;
    m->pin = slot + 1;
}

minerva_status mn_matcher_mask(mn_matcher *m, const uint32_t **mask, minerva_error *err)
{
    if (!m->c->trie) return mn_fail(err, MINERVA_INVALID, "mask: the constraint was compiled without a vocabulary");
    unpin(m);
    minerva_status st = mn_cx_protect(&m->c->cx, err, find_mask, m);
    if (st) return st;
    *mask = m->c->masks.slots.at[m->pin - 1].bits;
    return MINERVA_OK;
}

/* ---- steps ------------------------------------------------------------------------------------ */

typedef struct {
    mn_matcher *m;
    const char *bytes;
    size_t len, taken;
} feed_job;

/* From now on by bytes, into m->a; stops where no configuration is left. */
static void feed(void *arg)
{
    feed_job *j = arg;
    mn_matcher *m = j->m;
    step s = now(m);
    m->a.n = 0;
    if (s.finished || !s.n) return;
    mn_vec_reserve(&m->c->cx, &m->a, s.n);
    memcpy(m->a.at, m->past.at + s.off, s.n * sizeof(mn_cfg));
    m->a.n = s.n;
    for (; j->taken < j->len; j->taken++) {
        m->b.n = 0;
        mn_pda_step(&m->pda, m->a.at, m->a.n, (uint8_t)j->bytes[j->taken], &m->b);
        if (!m->b.n) return;
        mn_cfgs swap = m->a;
        m->a = m->b;
        m->b = swap;
    }
    push_step(m, m->a.at, m->a.n, false);
}

/* Drop what is older than the kept steps. */
static void trim(void *arg)
{
    mn_matcher *m = arg;
    if (m->steps.n > TRIM_STEPS) {
        uint32_t drop = m->steps.n - KEPT_STEPS - 1, off = m->steps.at[drop].off;
        memmove(m->steps.at, m->steps.at + drop, (m->steps.n - drop) * sizeof(step));
        m->steps.n -= drop;
        memmove(m->past.at, m->past.at + off, (m->past.n - off) * sizeof(mn_cfg));
        m->past.n -= off;
        for (uint32_t i = 0; i < m->steps.n; i++) m->steps.at[i].off -= off;
    }
    if (m->pda.frames.n < m->compact_at) return;
    mn_pda_compact(&m->pda, m->past.at, m->past.n);
    m->compact_at = m->pda.frames.n * 2 > COMPACT_FRAMES ? m->pda.frames.n * 2 : COMPACT_FRAMES;
}

static minerva_status advance(mn_matcher *m, const char *bytes, size_t len, size_t *taken, minerva_error *err)
{
    uint32_t frames = m->pda.frames.n, words = m->pda.words.n, seen = m->pda.seen.n, steps = m->steps.n;
    feed_job j = { m, bytes, len, 0 };
    minerva_status st = mn_cx_protect(&m->c->cx, err, feed, &j);
    if (taken) *taken = j.taken;
    if (st || m->steps.n == steps) {
        m->pda.frames.n = frames;
        m->pda.words.n = words;
        m->pda.seen.n = seen;
        return st ? st : MINERVA_INVALID;
    }
    if (m->steps.n > TRIM_STEPS || m->pda.frames.n > m->compact_at) mn_cx_protect(&m->c->cx, NULL, trim, m);
    return MINERVA_OK;
}

static bool is_end(const mn_vocab_trie *t, int32_t token)
{
    for (uint32_t i = 0; i < t->eog.n; i++)
        if (t->eog.at[i] == token) return true;
    return false;
}

static void push_finished(void *arg)
{
    mn_matcher *m = arg;
    push_step(m, NULL, 0, true);
}

minerva_status mn_matcher_accept(mn_matcher *m, int32_t token, minerva_error *err)
{
    const mn_vocab_trie *t = m->c->trie;
    if (!t) return mn_fail(err, MINERVA_INVALID, "accept: the constraint was compiled without a vocabulary");
    if (token < 0 || token >= t->n_tokens)
        return mn_fail(err, MINERVA_INVALID, "accept: a token 0..%d expected, %d found", t->n_tokens - 1, token);
    if (is_end(t, token)) {
        if (!mn_matcher_is_accepting(m))
            return mn_fail(err, MINERVA_INVALID, "accept: token %d ends the generation, which may not end here", token);
        return mn_cx_protect(&m->c->cx, err, push_finished, m);
    }
    if (!t->usable.at[token])
        return mn_fail(err, MINERVA_INVALID, "accept: token %d stands for no text and is never allowed", token);
    uint32_t len;
    const char *bytes = mn_token_bytes(t, token, &len);
    m->pda.special = t->usable.at[token] == 2;
    minerva_status st = advance(m, bytes, len, NULL, err);
    m->pda.special = false;
    if (st == MINERVA_INVALID) mn_fail(err, st, "accept: token %d is not allowed here", token);
    return st;
}

minerva_status mn_matcher_accept_bytes(mn_matcher *m, const char *bytes, size_t len, size_t *n_accepted,
                                       minerva_error *err)
{
    size_t taken;
    minerva_status st = advance(m, bytes, len, &taken, err);
    if (n_accepted) *n_accepted = taken;
    if (st == MINERVA_INVALID) mn_fail(err, st, "accept: byte %zu of %zu is not allowed there", taken, len);
    return st;
}

minerva_status mn_matcher_rollback(mn_matcher *m, int32_t n, minerva_error *err)
{
    if (n < 0 || (uint32_t)n >= m->steps.n)
        return mn_fail(err, MINERVA_INVALID, "rollback: at most %u steps expected, %d found", m->steps.n - 1, n);
    m->steps.n -= (uint32_t)n;
    m->past.n = now(m).off + now(m).n;
    return MINERVA_OK;
}

int32_t mn_matcher_count_acceptable(mn_matcher *m, const int32_t *tokens, int32_t n)
{
    int32_t k = 0;
    while (k < n && k < KEPT_STEPS && mn_matcher_accept(m, tokens[k], NULL) == MINERVA_OK) k++;
    mn_matcher_rollback(m, k, NULL);
    return k;
}

bool mn_matcher_is_accepting(const mn_matcher *m)
{
    step s = now(m);
    return s.finished || accepting(m, cfgs_of(m, s), s.n);
}

bool mn_matcher_is_finished(const mn_matcher *m) { return now(m).finished; }
bool mn_matcher_is_free(const mn_matcher *m)
{
    step s = now(m);
    if (!m->c->program.grammar || s.finished) return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (!mn_cfg_is_free(&m->pda, &m->past.at[s.off + i])) return false;
    return s.n > 0;
}

/* ---- forced bytes -------------------------------------------------------------------------------- */

typedef struct {
    mn_matcher *m;
    mn_buffer *out;
    size_t max;
} forced_job;

/* The one byte that the configurations in m->a allow, or -1; m->b is where it leads. */
static int only_byte(mn_matcher *m)
{
    int only = -1;
    bool seen[256] = { false };
    for (uint32_t i = 0; i < m->a.n; i++) {
        uint8_t bytes[256];
        int n = mn_cfg_first_bytes(&m->pda, &m->a.at[i], bytes);
        while (n--) {
            uint8_t c = bytes[n];
            if (seen[c] || c == only) continue;
            seen[c] = true;
            m->b.n = 0;
            mn_cfg x = m->a.at[i];
            mn_pda_step_one(&m->pda, &x, c, &m->b);
            if (!m->b.n) {
                seen[c] = false;        /* another configuration may take it */
                continue;
            }
            if (only >= 0) return -1;
            only = c;
        }
    }
    if (only < 0) return -1;
    m->b.n = 0;
    mn_pda_step(&m->pda, m->a.at, m->a.n, (uint8_t)only, &m->b);
    return only;
}

static void find_forced(void *arg)
{
    forced_job *j = arg;
    mn_matcher *m = j->m;
    step s = now(m);
    m->a.n = 0;
    if (s.finished || !s.n) return;
    mn_vec_reserve(&m->c->cx, &m->a, s.n + 1);
    memcpy(m->a.at, m->past.at + s.off, s.n * sizeof(mn_cfg));
    m->a.n = s.n;
    for (size_t n = 0; n < j->max && !accepting(m, m->a.at, m->a.n); n++) {
        int byte = only_byte(m);
        if (byte < 0) return;
        mn_buffer_append_byte(j->out, (char)byte);
        mn_cfgs swap = m->a;
        m->a = m->b;
        m->b = swap;
    }
}

minerva_status mn_matcher_forced(mn_matcher *m, mn_buffer *out, size_t max_bytes, minerva_error *err)
{
    uint32_t frames = m->pda.frames.n, words = m->pda.words.n, seen = m->pda.seen.n;
    size_t from = out->len;
    forced_job j = { m, out, max_bytes };
    minerva_status st = mn_cx_protect(&m->c->cx, err, find_forced, &j);
    m->pda.frames.n = frames;
    m->pda.words.n = words;
    m->pda.seen.n = seen;
    if (st) return st;
    if (out->failed) return mn_fail_memory(err, out->len);
    if (out->len > from) out->len = from + mn_utf8_complete_prefix(out->data + from, out->len - from);
    return MINERVA_OK;
}

bool mn_matcher_extends(mn_matcher *m, const char *bytes, size_t len)
{
    const uint32_t *mask;
    if (mn_matcher_mask(m, &mask, NULL)) return true;
    return mn_trie_extends(m->c->trie, mask, bytes, len);
}
