/* Sequences: page tables, copy-on-write, trimming, and what a run changes in them.
 *
 * A run goes reserve -> (compute) -> commit or rollback.  Reserve makes the positions
 * behind the end writable: it adds pages, and replaces a last page that a fork shares by a
 * copy.  Recurrent state is never written in place: a run writes to a fresh page, commit
 * puts it in the old one's place.  So forks share state for nothing, and rollback only
 * gives pages back.
 *
 * (1) tables[g][i] is NULL for i < first_page[g] and i at or beyond the last page in use.
 * (2) Pages wholly beyond `length` exist only between reserve and commit/rollback.
 * (3) first_page only grows, by commit: pages that no later token can see, MN_KV_SLACK
 *     positions of them kept for short trims.
 */
#include "backend/native/native.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static int32_t pages_for(int32_t positions)
{
    return (positions + MN_KV_PAGE - 1) / MN_KV_PAGE;
}

minerva_status mn_seq_new(mn_engine *e, mn_seq **out, minerva_error *err)
{
    mn_seq *s = calloc(1, sizeof *s);
    if (!s) return mn_fail_memory(err, sizeof *s);
    s->engine = e;
    if (e->zero_state) s->state = mn_page_retain(e->zero_state);
    *out = s;
    return MINERVA_OK;
}

void mn_seq_delete(mn_engine *e, mn_seq *s)
{
    if (!s) return;
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        for (int32_t i = 0; i < s->capacity_pages; i++) mn_page_release(&e->pages, s->tables[g][i]);
        free(s->tables[g]);
    }
    mn_page_release(&e->pages, s->state);
    mn_page_release(&e->pages, s->next_state);
    free(s);
}

static minerva_status grow_tables(mn_engine *e, mn_seq *s, int32_t n_pages, minerva_error *err)
{
    if (n_pages <= s->capacity_pages) return MINERVA_OK;
    int32_t capacity = s->capacity_pages ? s->capacity_pages : 8;
    while (capacity < n_pages) capacity = capacity > INT32_MAX / 2 ? n_pages : capacity * 2;
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        size_t size = (size_t)capacity * sizeof *s->tables[g];
        mn_page **table = realloc(s->tables[g], size);
        if (!table) return mn_fail_memory(err, size);
        memset(table + s->capacity_pages, 0,
               (size_t)(capacity - s->capacity_pages) * sizeof *table);
        s->tables[g] = table;
    }
    /* A failure above leaves some tables larger than the rest, which nothing minds. */
    s->capacity_pages = capacity;
    return MINERVA_OK;
}

minerva_status mn_seq_copy(mn_engine *e, const mn_seq *from, mn_seq **out, minerva_error *err)
{
    mn_seq *s = NULL;
    minerva_status st = mn_seq_new(e, &s, err);
    if (st) return st;
    if ((st = grow_tables(e, s, pages_for(from->length), err))) {
        mn_seq_delete(e, s);
        return st;
    }
    s->length = from->length;
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        s->first_page[g] = from->first_page[g];
        for (int32_t i = from->first_page[g]; i < pages_for(from->length); i++)
            s->tables[g][i] = mn_page_retain(from->tables[g][i]);
    }
    mn_page_release(&e->pages, s->state);
    s->state = from->state ? mn_page_retain(from->state) : NULL;
    *out = s;
    return MINERVA_OK;
}

/* Gives back pages that hold nothing below `length`. */
static void release_tail(mn_engine *e, mn_seq *s, int32_t length)
{
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        for (int32_t i = pages_for(length); i < s->capacity_pages; i++) {
            mn_page_release(&e->pages, s->tables[g][i]);
            s->tables[g][i] = NULL;
        }
    }
}

/* Makes page i of group g this sequence's own. */
static minerva_status own_page(mn_engine *e, mn_seq *s, int32_t g, int32_t i, minerva_error *err)
{
    mn_page *old = s->tables[g][i], *page;
    if (old && old->refs == 1) return MINERVA_OK;
    minerva_status st = mn_page_acquire(&e->pages, g, &page, err);
    if (st) return st;
    if (old) memcpy(page->data, old->data, e->kv.groups[g].page_bytes);
    mn_page_release(&e->pages, old);
    s->tables[g][i] = page;
    return MINERVA_OK;
}

minerva_status mn_seq_reserve(mn_engine *e, mn_seq *s, int32_t n, minerva_error *err)
{
    if (n > e->context - s->length)
        return mn_fail(err, MINERVA_FULL,
                       "context: %d positions of %d in use, %d more do not fit", s->length,
                       e->context, n);
    minerva_status st = grow_tables(e, s, pages_for(s->length + n), err);
    if (st) return st;
    for (int32_t g = 0; g < e->kv.n_groups; g++)
        for (int32_t i = s->length / MN_KV_PAGE; i < pages_for(s->length + n); i++)
            if ((st = own_page(e, s, g, i, err))) goto fail;
    if (e->state_class >= 0 &&
        (st = mn_page_acquire(&e->pages, e->state_class, &s->next_state, err)))
        goto fail;
    return MINERVA_OK;
fail:
    mn_seq_rollback(e, s);
    return st;
}

void mn_seq_rollback(mn_engine *e, mn_seq *s)
{
    release_tail(e, s, s->length);
    mn_page_release(&e->pages, s->next_state);
    s->next_state = NULL;
}

static void forget(mn_engine *e, mn_seq *s)
{
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        int32_t keep = (mn_kv_group_first(&e->kv.groups[g], s->length) - MN_KV_SLACK) / MN_KV_PAGE;
        for (int32_t i = s->first_page[g]; i < keep; i++) {
            mn_page_release(&e->pages, s->tables[g][i]);
            s->tables[g][i] = NULL;
            s->first_page[g] = i + 1;
        }
    }
}

void mn_seq_commit(mn_engine *e, mn_seq *s, int32_t n)
{
    s->length += n;
    if (s->next_state) {
        mn_page_release(&e->pages, s->state);
        s->state = s->next_state;
        s->next_state = NULL;
    }
    forget(e, s);
}

bool mn_seq_trimmable(const mn_seq *s, int32_t n)
{
    const mn_engine *e = s->engine;
    if (n < 0 || n > s->length) return false;
    if (n == s->length || n == 0) return true;
    if (e->state_class >= 0) return false;
    for (int32_t g = 0; g < e->kv.n_groups; g++)
        if (mn_kv_group_first(&e->kv.groups[g], n) / MN_KV_PAGE < s->first_page[g]) return false;
    return true;
}

minerva_status mn_seq_cut(mn_engine *e, mn_seq *s, int32_t n, minerva_error *err)
{
    if (!mn_seq_trimmable(s, n))
        return mn_fail(err, MINERVA_UNSUPPORTED,
                       "sequence of %d positions cannot be cut back to %d: state before its end "
                       "was not kept", s->length, n);
    release_tail(e, s, n);
    s->length = n;
    if (n > 0) return MINERVA_OK;
    memset(s->first_page, 0, sizeof s->first_page);
    mn_page_release(&e->pages, s->state);
    s->state = e->zero_state ? mn_page_retain(e->zero_state) : NULL;
    return MINERVA_OK;
}

size_t mn_seq_own_bytes(const mn_seq *s)
{
    const mn_engine *e = s->engine;
    size_t bytes = 0;
    for (int32_t g = 0; g < e->kv.n_groups; g++)
        for (int32_t i = 0; i < s->capacity_pages; i++)
            if (s->tables[g][i] && s->tables[g][i]->refs == 1)
                bytes += e->kv.groups[g].page_bytes;
    if (s->state && s->state->refs == 1) bytes += e->pages.classes[e->state_class].size_bytes;
    return bytes;
}
