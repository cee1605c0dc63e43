/* Fetching one file by ranges; see download.h.
 *
 * The part is cut into chunks.  A lane is one connection: it takes a run of chunks that
 * nobody has, asks for them as one range, and reports each chunk as its last byte comes.
 *
 *     idle --take run--> fetching --run ends--> idle
 *                           |  failure that may pass
 *                           v
 *                        waiting (backoff, Retry-After) --> fetching from the next byte on
 *
 * (1) An answer is believed only if it says what was asked: status 206 with the range's
 *     first byte and the file's size, or 200 with the size where the whole was asked.
 * (2) A server that ignores ranges (200 for a part) is read by one lane from the start;
 *     bytes of chunks that are there are dropped.
 * (3) The address after redirects is used again while it works: signed addresses expire,
 *     and then the hub is asked for a new one.
 * (4) Failures are counted per lane and forgotten when bytes come.
 */
#include "hub/download.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LANES = 16, MAX_RUN = 8 };

struct loop;
typedef struct {
    struct loop *loop;
    mn_fetch *fetch;            /* NULL: idle or waiting */
    int64_t first, end;         /* its run of chunks; equal: idle */
    int64_t pos;                /* next byte */
    int64_t wake_ms;
    int failures;
    bool direct;                /* asked at the address after redirects */
} lane;

typedef struct loop {
    const mn_download *d;
    mn_part *part;
    uint8_t *taken;             /* [n_chunks]: some lane is at it */
    lane lanes[MAX_LANES];
    int n_lanes;
    bool no_ranges;
    char *direct;               /* after redirects; NULL: unknown */
    int n_expired;
    char etag[160];
    bool changed;               /* another ETag came for the same address */
    minerva_status status;      /* the first thing that cannot pass */
    minerva_error *err;
} loop;

static int64_t byte_of(const loop *l, int64_t chunk)
{
    int64_t at = chunk * l->part->chunk_bytes;
    return at < l->part->size_bytes ? at : l->part->size_bytes;
}

static bool stop(loop *l, minerva_status st)
{
    if (l->status == MINERVA_OK) l->status = st;
    return false;
}

/* ---- answers ----------------------------------------------------------------------- */

static bool on_head(void *ctx, const mn_answer *a)
{
    lane *w = ctx;
    loop *l = w->loop;
    int64_t size = l->part->size_bytes, total = a->status == 206 ? a->total : a->length;
    if (total >= 0 && total != size)
        return stop(l, mn_fail(l->err, MINERVA_INVALID, "%s: a file of %lld bytes expected, the "
                               "server has one of %lld: it was changed; pull again",
                               l->part->path, (long long)size, (long long)total));
    if (a->etag[0] && !l->etag[0] && w->direct) strcpy(l->etag, a->etag);
    if (a->etag[0] && w->direct && strcmp(a->etag, l->etag)) l->changed = true;
    if (a->status == 206)               /* (1); a wrong range is a failure that may pass */
        return a->first == w->pos && a->last >= a->first && a->last < byte_of(l, w->end);
    if (w->pos == 0 && byte_of(l, w->end) == size) return true;
    l->no_ranges = true;                /* (2) */
    return false;
}

static bool on_bytes(void *ctx, const void *bytes, size_t n)
{
    lane *w = ctx;
    loop *l = w->loop;
    mn_part *p = l->part;
    const char *at = bytes;
    while (n) {
        int64_t chunk = w->pos / p->chunk_bytes;
        if (w->pos >= p->size_bytes || chunk >= w->end) return false;   /* more than asked */
        int64_t left = byte_of(l, chunk + 1) - w->pos;
        size_t take = (int64_t)n < left ? n : (size_t)left;
        if (!p->have[chunk]) {
            minerva_status st = mn_part_write(p, w->pos, at, take, l->err);
            if (st == MINERVA_OK && (int64_t)take == left)
                st = mn_part_chunk_done(p, chunk, l->err);
            if (st != MINERVA_OK) return stop(l, st);
            if (!l->no_ranges || (int64_t)take == left) w->failures = 0;
        }
        w->pos += (int64_t)take;
        at += take;
        n -= take;
    }
    return true;
}

/* ---- lanes ------------------------------------------------------------------------- */

static void release(loop *l, lane *w)
{
    for (int64_t i = w->first; i < w->end; i++) l->taken[i] = 0;
    w->first = w->end = 0;
}

/* The next run of chunks that nobody has or fetches. */
static bool take_run(loop *l, lane *w)
{
    mn_part *p = l->part;
    int64_t i = 0, share = (p->n_chunks - p->n_have) / (2 * l->n_lanes);
    int64_t most = l->no_ranges ? p->n_chunks : share < 1 ? 1 : share > MAX_RUN ? MAX_RUN : share;
    while (i < p->n_chunks && (p->have[i] || l->taken[i])) i++;
    if (i == p->n_chunks) return false;
    w->first = w->end = l->no_ranges ? 0 : i;
    if (l->no_ranges) w->end = p->n_chunks;
    else while (w->end < p->n_chunks && w->end - i < most && !p->have[w->end]
                && !l->taken[w->end])
        w->end++;
    for (i = w->first; i < w->end; i++) l->taken[i] = 1;
    w->pos = byte_of(l, w->first);
    return true;
}

static minerva_status ask(loop *l, lane *w)
{
    if (l->no_ranges) w->pos = 0;
    w->direct = l->direct != NULL;
    int64_t end = byte_of(l, w->end);
    bool whole = w->pos == 0 && (end == l->part->size_bytes || l->no_ranges);
    mn_fetch_options o = { .url = w->direct ? l->direct : l->d->url, .first = w->pos,
                           .end = whole ? 0 : end, .on_head = on_head, .on_bytes = on_bytes,
                           .ctx = w };
    return mn_fetch_start(l->d->transport, &o, &w->fetch, l->err);
}

/* A failure that may pass: wait, or give up. */
static void wait_or_give_up(loop *l, lane *w, const char *why, int64_t retry_after_s)
{
    mn_patience p = { .backoff_ms = l->d->backoff_ms };
    int64_t ms = mn_backoff_ms(&p, ++w->failures, retry_after_s);
    if (w->failures > l->d->retries || ms < 0) {
        stop(l, mn_fail(l->err, MINERVA_IO, "%s: %s, %d times in a row%s; what has arrived is "
                        "kept, pull again to go on", l->d->what, why, w->failures,
                        ms < 0 ? " (the server asks for a pause of more than ten minutes)" : ""));
        return;
    }
    w->wake_ms = mn_now_ms() + ms;
    if (retry_after_s > 0)              /* the server is asked by nobody for that long */
        for (int i = 0; i < l->n_lanes; i++)
            if (l->lanes[i].wake_ms < w->wake_ms && !l->lanes[i].fetch)
                l->lanes[i].wake_ms = w->wake_ms;
}

static void forget_direct(loop *l)
{
    free(l->direct);
    l->direct = NULL;
    l->etag[0] = 0;
    l->n_expired++;
}

static void refused(loop *l, lane *w, const mn_answer *a, const mn_fetch *f)
{
    char why[64];
    snprintf(why, sizeof why, "status %d", a->status);
    bool away = mn_fetch_left_home(f) || w->direct;
    if (mn_status_passes(a->status)) {
        wait_or_give_up(l, w, why, a->retry_after_s);
    } else if (away && a->status != 416) {      /* (3) */
        forget_direct(l);
        wait_or_give_up(l, w, why, -1);
    } else if (a->status == 416) {
        stop(l, mn_fail(l->err, MINERVA_INVALID, "%s: the server's file is shorter than %lld "
                        "bytes: it was changed; pull again", l->part->path,
                        (long long)l->part->size_bytes));
    } else {
        stop(l, mn_transport_refusal(a, l->d->what, l->d->has_token, l->err));
    }
}

static void keep_direct(loop *l, const mn_fetch *f)
{
    if (l->direct || l->n_expired > 2 || !mn_fetch_left_home(f)) return;
    l->direct = strdup(mn_fetch_url(f));
}

static void drop_all(loop *l)
{
    for (int i = 0; i < l->n_lanes; i++) {
        lane *w = &l->lanes[i];
        mn_fetch_free(w->fetch);
        w->fetch = NULL;
        release(l, w);
    }
}

static void fetch_ended(loop *l, lane *w)
{
    mn_fetch *f = w->fetch;
    const mn_answer *a = mn_fetch_answer(f);
    mn_fetch_state how = mn_fetch_how(f);
    bool good = a->status == 200 || a->status == 206;
    w->fetch = NULL;
    if (l->status != MINERVA_OK) {
        /* nothing more to do */
    } else if (how == MN_FETCH_DONE && !good) {
        refused(l, w, a, f);
    } else if (good && w->pos >= byte_of(l, w->end)) {
        keep_direct(l, f);
        release(l, w);
    } else if (how == MN_FETCH_DONE) {
        keep_direct(l, f);
        wait_or_give_up(l, w, "the answer was cut short", -1);
    } else if (how == MN_FETCH_STOPPED && l->no_ranges && l->n_lanes > 1) {
        drop_all(l);                    /* the file comes as one stream from here on */
        l->n_lanes = 1;
        l->lanes[0].wake_ms = 0;
    } else if (how == MN_FETCH_STOPPED) {
        wait_or_give_up(l, w, "the answer is not of the range that was asked for", -1);
    } else if (how == MN_FETCH_REFUSED) {
        stop(l, mn_fail(l->err, MINERVA_IO, "%s: %s", l->d->what, mn_fetch_why(f)));
    } else {
        wait_or_give_up(l, w, mn_fetch_why(f), -1);
    }
    mn_fetch_free(f);
}

static int64_t in_flight(const loop *l)
{
    int64_t bytes = 0;
    for (int i = 0; i < l->n_lanes; i++) {
        const lane *w = &l->lanes[i];
        if (w->first == w->end) continue;
        int64_t chunk = w->pos / l->part->chunk_bytes;
        if (chunk < l->part->n_chunks && !l->part->have[chunk])
            bytes += w->pos - byte_of(l, chunk);
    }
    return bytes;
}

static void start_lanes(loop *l)
{
    int64_t now = mn_now_ms();
    for (int i = 0; i < l->n_lanes && l->status == MINERVA_OK; i++) {
        lane *w = &l->lanes[i];
        if (w->fetch || w->wake_ms > now) continue;
        if (w->first == w->end && !take_run(l, w)) continue;
        minerva_status st = ask(l, w);
        if (st != MINERVA_OK) stop(l, st);
    }
}

static void fill(loop *l)
{
    const mn_download *d = l->d;
    while (l->part->n_have < l->part->n_chunks && l->status == MINERVA_OK) {
        start_lanes(l);
        mn_fetch *f = mn_transport_step(d->transport, 100);
        bool running = false;
        for (int i = 0; i < l->n_lanes; i++) {
            if (f && l->lanes[i].fetch == f) fetch_ended(l, &l->lanes[i]);
            running |= l->lanes[i].fetch != NULL;
        }
        if (!running) mn_transport_pause(20);
        if (d->progress && !d->progress(d->ctx, l->part->have_bytes + in_flight(l),
                                        running ? "fetching" : "waiting"))
            stop(l, mn_fail(l->err, MINERVA_CANCELLED, "stopped; what has arrived is kept"));
    }
    drop_all(l);
}

typedef struct {
    const mn_download *d;
    int64_t base;
} check_ctx;

static bool on_check(void *ctx, int64_t bytes)
{
    const check_ctx *c = ctx;
    return !c->d->progress || c->d->progress(c->d->ctx, c->base, "checking");
}

minerva_status mn_download_run(const mn_download *d, mn_part *part, minerva_error *err)
{
    if (part->whole) return MINERVA_OK;
    check_ctx check = { d, part->size_bytes };
    minerva_status st = MINERVA_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        minerva_error wrong = { 0 };
        loop l = { .d = d, .part = part, .err = err,
                   .n_lanes = d->connections < MAX_LANES ? d->connections : MAX_LANES,
                   .taken = calloc((size_t)part->n_chunks + 1, 1) };
        if (!l.taken) return mn_fail_memory(err, (size_t)part->n_chunks);
        for (int i = 0; i < l.n_lanes; i++) l.lanes[i].loop = &l;
        fill(&l);
        st = l.status;
        free(l.taken);
        free(l.direct);
        if (st != MINERVA_OK) return st;
        st = mn_part_arrive(part, on_check, &check, &wrong);
        if (st == MINERVA_OK) return st;
        if (st != MINERVA_INVALID) return mn_fail(err, st, "%s", wrong.message);
        /* Nobody can say which bytes are wrong: all are fetched once more. */
        minerva_status reset = mn_part_reset(part, err);
        if (reset != MINERVA_OK) return reset;
        if (attempt == 1)
            return mn_fail(err, st, "%s (twice%s)", wrong.message,
                           l.changed ? "; the file changed while it was fetched" : "");
    }
    return st;
}
