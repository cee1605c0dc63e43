/* The prefix cache's way to the disk and back; see prefix_cache.h and disk_tier.h.
 *
 * An entry of n tokens is written as a chain of files, each with the state of the positions
 * after the one before: [0, 256), [256, 512), ... and a last one that ends with the entry.
 * Pieces are small because the engine's thread copies them out between passes, and because
 * conversations with one beginning then share its files.  State that cannot be cut back is
 * written whole, from the last place on disk to the entry's end.
 *
 * (1) A node with `stored` has a file, or one in the tier's queue.
 * (2) A file that begins at `from` continues the file of its ancestor at that depth.  If the
 *     ancestor's is gone, the file is useless and dropped when that is noticed.
 */
#include "base/status.h"
#include "runtime/prefix_inside.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 256, READ_AHEAD = 3 };
static const double GUESSED_BYTES_PER_S = 1e9;

struct mn_restore {
    mn_prefix_cache *cache;
    uint64_t tenant;
    mn_disk_file **files;       /* [n], pinned */
    mn_disk_read **reads;       /* [n], started or NULL */
    size_t n, at;
    size_t target;              /* tokens wanted in the end */
    bool wants_logits;
    float *logits;
};

/* ---- files and nodes --------------------------------------------------------------- */

static void forget_file(void *ctx, mn_disk_file *f)
{
    mn_prefix_node *e = f->owner;
    if (!e || e->stored != f) return;
    e->stored = NULL;
    mn_prefix_count_stored(e, -1);
    mn_prefix_prune(e);
}

static void own_file(mn_prefix_node *e, mn_disk_file *f)
{
    e->stored = f;
    f->owner = e;
    mn_prefix_count_stored(e, 1);
}

/* The node whose file the one of `e` continues; NULL: it begins at 0, or it is lost. */
static mn_prefix_node *continued(const mn_prefix_node *e)
{
    int32_t from = e->stored->from;
    mn_prefix_node *up = from ? e->parent : NULL;
    while (up && up->depth > (size_t)from) up = up->parent;
    return up && up->depth == (size_t)from && up->stored ? up : NULL;
}

static void touch_chain(mn_prefix_cache *c, mn_prefix_node *e)
{
    for (; e && e->stored; e = continued(e)) mn_disk_touch(c->disk, e->stored);
}

static void take_in(void *ctx, const mn_segment *s, mn_disk_file *f)
{
    mn_prefix_cache *c = ctx;
    mn_prefix_node *root = mn_prefix_make_root(c, s->tenant);
    mn_prefix_node *e = root ? mn_prefix_make(root, s->tokens, (size_t)s->to) : NULL;
    if (!e) return;
    if (!e->stored) {
        own_file(e, f);
        if (!s->from || continued(e)) return;
        forget_file(c, f);
        f->owner = NULL;
        return;
    }
    mn_prefix_prune(e);
}

minerva_status mn_prefix_cache_use_disk(mn_prefix_cache *c, const mn_disk_options *options,
                                        minerva_error *err)
{
    mn_disk_options o = *options;
    o.lost = forget_file;
    minerva_status st = mn_disk_tier_create(&c->disk, &o, err);
    if (st == MINERVA_OK) mn_disk_scan(c->disk, take_in, c);
    return st;
}

bool mn_prefix_cache_disk_turn(mn_prefix_cache *c)
{
    if (!c->disk) return false;
    mn_disk_turn(c->disk);
    mn_disk_stats stats;
    mn_disk_get_stats(c->disk, &stats);
    return c->n_dirty > 0 && !stats.off;
}

bool mn_prefix_cache_disk_idle(const mn_prefix_cache *c)
{
    return !c->disk || mn_disk_idle(c->disk);
}

void mn_prefix_cache_disk_stats(const mn_prefix_cache *c, mn_disk_stats *out)
{
    *out = (mn_disk_stats){ .off = true };
    if (c->disk) mn_disk_get_stats(c->disk, out);
}

/* ---- writing ----------------------------------------------------------------------- */

/* The shortest that a sequence of `to` tokens can be cut back to, but 0. */
static int32_t trims_to(const mn_prefix_cache *c, const mn_seq *seq, int32_t to)
{
    int32_t low = 1, high = to;         /* can be cut back to high; is it so for low? */
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (c->backend->seq_can_trim(seq, middle)) high = middle;
        else low = middle + 1;
    }
    return high;
}

static mn_prefix_node *stored_at_or_above(mn_prefix_node *e)
{
    while (e && !e->stored) e = e->parent;
    return e;
}

/* Positions [from, to) of an entry.  false: it cannot be written. */
static bool save_piece(mn_prefix_cache *c, mn_prefix_node *e, size_t from, size_t to)
{
    mn_segment s = { .from = (int32_t)from, .to = (int32_t)to };
    mn_seq *copy = NULL;
    mn_buffer state = { 0 };
    mn_disk_file *f = NULL;
    int32_t *tokens = malloc(e->depth * sizeof *tokens);
    mn_prefix_node *root = e, *node = NULL;
    while (root->parent) root = root->parent;
    for (size_t i = 0; i < c->n_roots; i++)
        if (c->roots[i].root == root) s.tenant = c->roots[i].tenant;
    if (!tokens || c->backend->seq_fork(c->engine, e->seq, &copy, NULL)) goto done;
    if (to < e->depth && c->backend->seq_trim(c->engine, copy, (int32_t)to, NULL)) goto done;
    if (c->backend->seq_export(c->engine, copy, (int32_t)from, &state, NULL)) goto done;
    mn_prefix_tokens(e, tokens);
    s.tokens = tokens;
    s.trims_to = trims_to(c, copy, (int32_t)to);
    s.state = state.data;
    s.state_bytes = state.len;
    if (to == e->depth && e->logits) {
        s.logits = e->logits;
        s.logits_bytes = c->vocab_bytes;
    }
    node = to == e->depth ? e : mn_prefix_make(root, tokens, to);
    if (node && node->parent) touch_chain(c, stored_at_or_above(node->parent));
    if (node) f = mn_disk_store(c->disk, &s, &state, node);
    if (f) {
        own_file(node, f);
        touch_chain(c, node);
    } else if (node) {
        mn_prefix_prune(node);
    }
done:
    if (copy) c->backend->seq_free(c->engine, copy);
    mn_buffer_clear(&state);
    free(tokens);
    return f != NULL;
}

static mn_prefix_node *oldest_dirty(const mn_prefix_cache *c)
{
    mn_prefix_node *e = c->entries.oldest;
    while (e && !e->dirty) e = e->newer;
    if (e) return e;
    for (e = c->stops.oldest; e && !e->dirty;) e = e->newer;
    return e;
}

bool mn_prefix_cache_save(mn_prefix_cache *c)
{
    while (c->disk && c->n_dirty > 0 && mn_disk_accepts(c->disk)) {
        mn_prefix_node *e = oldest_dirty(c);
        if (!e) return false;
        const mn_prefix_node *before = stored_at_or_above(e);
        size_t from = before ? before->depth : 0, to = e->depth;
        bool worth = to >= from + MN_WORTH_DISK || (e->logits && to > from && to > MN_WORTH_DISK);
        size_t cut = (from / PIECE + 1) * PIECE;
        if (cut < to && c->backend->seq_can_trim(e->seq, (int32_t)cut)) to = cut;
        if (worth && save_piece(c, e, from, to)) {
            if (e->stored) mn_prefix_set_dirty(c, e, false);
            return true;
        }
        mn_prefix_set_dirty(c, e, false);
    }
    return false;
}

/* ---- finding ----------------------------------------------------------------------- */

static bool is_readable(const mn_prefix_node *e) { return e->stored && e->stored->written; }

static mn_prefix_node *stored_below(mn_prefix_node *e, size_t n, int *budget)
{
    if (!e->n_stored || --*budget < 0) return NULL;
    if (is_readable(e) && (e->depth == n || (size_t)e->stored->trims_to <= n)) return e;
    for (size_t i = e->n_children; i-- > 0;) {
        mn_prefix_node *hit = stored_below(e->children[i], n, budget);
        if (hit) return hit;
    }
    return NULL;
}

/* The file that gives most of tokens[0..n), and how many. */
static mn_prefix_node *best_stored(mn_prefix_node *root, const int32_t *tokens, size_t n,
                                   size_t *usable)
{
    size_t matched;
    int budget = MN_PREFIX_SEARCH;
    mn_prefix_node *reached = mn_prefix_walk(root, tokens, n, &matched);
    mn_prefix_node *below = matched ? stored_below(reached, matched, &budget) : NULL;
    *usable = matched;
    if (below) return below;
    for (mn_prefix_node *e = reached; e; e = e->parent)
        if (is_readable(e) && e->depth <= matched) {
            *usable = e->depth;
            return e;
        }
    *usable = 0;
    return NULL;
}

/* The files to read for `last`, pinned, first one first; NULL: one is lost. */
static mn_restore *chain_to(mn_prefix_cache *c, mn_prefix_node *last, const mn_prefix_hit *hit)
{
    size_t n = 0;
    mn_prefix_node *e = last;
    for (;; e = continued(e)) {
        size_t from = (size_t)e->stored->from;
        n++;
        if (!from || (hit->seq && from <= hit->found
                      && c->backend->seq_can_trim(hit->seq, (int32_t)from))) break;
        mn_prefix_node *up = continued(e);
        if (up && is_readable(up)) continue;
        if (!up) mn_disk_drop(c->disk, e->stored);
        return NULL;
    }
    mn_restore *r = calloc(1, sizeof *r);
    if (r) r->files = calloc(n, sizeof *r->files);
    if (r) r->reads = calloc(n, sizeof *r->reads);
    if (!r || !r->files || !r->reads) {
        mn_restore_free(r);
        return NULL;
    }
    r->cache = c;
    r->n = n;
    for (e = last; n-- > 0; e = continued(e)) {
        r->files[n] = e->stored;
        mn_disk_pin(e->stored);
        if (!n) break;
    }
    return r;
}

static bool is_worth_reading(const mn_restore *r, size_t found, double token_s)
{
    double rate = mn_disk_bytes_per_s(r->cache->disk), bytes = 0;
    if (token_s <= 0) return true;
    if (rate <= 0) rate = GUESSED_BYTES_PER_S;
    for (size_t i = 0; i < r->n; i++) bytes += (double)r->files[i]->size_bytes;
    return bytes / rate < token_s * (double)(r->target - found);
}

void mn_prefix_plan_restore(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            double token_s, mn_prefix_hit *hit)
{
    mn_prefix_node *root = mn_prefix_root_of(c, tenant);
    if (!root || !root->n_stored) return;
    size_t target;
    mn_prefix_node *e = best_stored(root, tokens, n, &target);
    bool exact = e && target == n && e->depth == n && e->stored->has_logits;
    if (target == n && !exact) e = best_stored(root, tokens, n - 1, &target);
    if (!e || target < hit->found + MN_WORTH_DISK) return;
    mn_restore *r = chain_to(c, e, hit);
    if (!r) return;
    r->target = target;
    r->tenant = tenant;
    r->wants_logits = exact;
    if (!is_worth_reading(r, hit->found, token_s)) {
        hit->loss = MN_LOSS_SLOW;
        if (hit->known < target) hit->known = target;
        mn_restore_free(r);
        return;
    }
    size_t from = (size_t)r->files[0]->from;
    if (hit->seq && (!from || c->backend->seq_trim(c->engine, hit->seq, (int32_t)from, NULL))) {
        c->backend->seq_free(c->engine, hit->seq);
        hit->seq = NULL;
        if (from) {             /* cannot be, since it could be cut back a moment ago */
            hit->found = 0;
            mn_restore_free(r);
            return;
        }
    }
    hit->found = from;
    hit->logits = NULL;
    hit->restore = r;
    hit->loss = MN_LOSS_NONE;
    if (hit->known < target) hit->known = target;
}

/* ---- reading ----------------------------------------------------------------------- */

void mn_restore_free(mn_restore *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->n && r->files; i++) {
        if (r->reads) mn_disk_read_free(r->cache->disk, r->reads[i]);
        mn_disk_unpin(r->files[i]);
    }
    free(r->files);
    free(r->reads);
    free(r->logits);
    free(r);
}

const float *mn_restore_logits(const mn_restore *r) { return r->logits; }

/* Does this file hold the beginning of what is wanted? */
static bool is_wanted(const mn_restore *r, const mn_segment *s, const int32_t *tokens)
{
    size_t n = (size_t)s->to < r->target ? (size_t)s->to : r->target;
    return s->tenant == r->tenant && !memcmp(s->tokens, tokens, n * sizeof *tokens);
}

/* At most `n` tokens of a sequence, or none. */
static void cut_back(const mn_prefix_cache *c, mn_seq *seq, size_t n)
{
    if ((size_t)c->backend->seq_length(seq) <= n) return;
    if (c->backend->seq_trim(c->engine, seq, (int32_t)n, NULL))
        c->backend->seq_trim(c->engine, seq, 0, NULL);
}

/* What was read before stays of use. */
static mn_restore_state broken(mn_restore *r, mn_seq *seq)
{
    mn_disk_drop(r->cache->disk, r->files[r->at]);
    r->cache->stats.losses[MN_LOSS_DISK]++;
    r->at = r->n;
    cut_back(r->cache, seq, r->wants_logits ? r->target - 1 : r->target);
    return MN_RESTORE_DONE;
}

static void finish(mn_restore *r, mn_seq *seq, const mn_segment *s)
{
    const mn_prefix_cache *c = r->cache;
    if (r->wants_logits && s->logits_bytes == c->vocab_bytes
        && (r->logits = malloc(c->vocab_bytes)))
        memcpy(r->logits, s->logits, c->vocab_bytes);
    cut_back(c, seq, r->wants_logits && !r->logits ? r->target - 1 : r->target);
}

mn_restore_state mn_restore_step(mn_restore *r, mn_seq *seq, const int32_t *tokens, size_t n)
{
    mn_prefix_cache *c = r->cache;
    minerva_error why = { 0 };
    mn_segment s;
    if (r->at == r->n || n < r->target) return MN_RESTORE_DONE;
    for (size_t i = r->at; i < r->n && i < r->at + READ_AHEAD; i++)
        if (!r->reads[i]) r->reads[i] = mn_disk_read_start(c->disk, r->files[i]);
    if (!r->reads[r->at]) return MN_RESTORE_DONE;
    minerva_status st = mn_disk_read_poll(c->disk, r->reads[r->at], &s, &why);
    if (st == MINERVA_LIMIT) return MN_RESTORE_WAIT;
    if (st != MINERVA_OK || !is_wanted(r, &s, tokens)) return broken(r, seq);
    int32_t before = c->backend->seq_length(seq);
    st = c->backend->seq_import(c->engine, seq, s.state, s.state_bytes, &why);
    if (st == MINERVA_FULL || st == MINERVA_MEMORY) return MN_RESTORE_FULL;
    if (st != MINERVA_OK) return broken(r, seq);
    c->stats.tokens_restored += c->backend->seq_length(seq) - before;
    if (!r->files[r->at]->gone) touch_chain(c, r->files[r->at]->owner);
    if (r->at + 1 == r->n) finish(r, seq, &s);
    mn_disk_read_free(c->disk, r->reads[r->at]);
    r->reads[r->at++] = NULL;
    return r->at == r->n ? MN_RESTORE_DONE : MN_RESTORE_MORE;
}
