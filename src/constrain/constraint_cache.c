/* Compiled constraints by their source, least recently used out first.
 *
 * The key is everything that compiling depends on, written out byte for byte, so equal keys
 * are equal constraints and no hash can mix two up.  Constraints that matchers still hold
 * outlive their eviction by their reference counts.  Entries are few (one per distinct
 * schema in use), so the order of use is a plain list.
 */
#include "base/hash.h"
#include "base/status.h"
#include "constrain/constraint.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 4096 };

typedef struct entry {
    struct entry *newer, *older;
    mn_buffer key;
    uint64_t hash;
    mn_constraint *constraint;
} entry;

struct mn_constraint_cache {
    const mn_vocab_trie *trie;
    size_t limit_bytes;
    entry *newest, *oldest;
    size_t n;
};

minerva_status mn_constraint_cache_create(mn_constraint_cache **out, const mn_vocab_trie *trie,
                                          size_t limit_bytes, minerva_error *err)
{
    mn_constraint_cache *c = calloc(1, sizeof *c);
    if (!c) return mn_fail_memory(err, sizeof *c);
    c->trie = trie;
    c->limit_bytes = limit_bytes;
    *out = c;
    return MINERVA_OK;
}

static void take_out(mn_constraint_cache *c, entry *e)
{
    if (e->newer) e->newer->older = e->older;
    else c->newest = e->older;
    if (e->older) e->older->newer = e->newer;
    else c->oldest = e->newer;
    e->newer = e->older = NULL;
    c->n--;
}

static void put_first(mn_constraint_cache *c, entry *e)
{
    e->older = c->newest;
    if (c->newest) c->newest->newer = e;
    else c->oldest = e;
    c->newest = e;
    c->n++;
}

static void entry_free(entry *e)
{
    mn_constraint_release(e->constraint);
    mn_buffer_clear(&e->key);
    free(e);
}

void mn_constraint_cache_free(mn_constraint_cache *c)
{
    if (!c) return;
    while (c->oldest) {
        entry *e = c->oldest;
        take_out(c, e);
        entry_free(e);
    }
    free(c);
}

static void add_text(mn_buffer *key, const char *text)
{
    uint64_t len = text ? strlen(text) : UINT64_MAX;    /* absent is not empty */
    mn_buffer_append(key, &len, sizeof len);
    if (text) mn_buffer_append(key, text, (size_t)len);
}

static void make_key(mn_buffer *key, mn_constraint_kind kind, const char *source, size_t len,
                     const mn_constraint_options *o)
{
    const uint32_t numbers[] = {
        (uint32_t)kind, (uint32_t)o->whitespace, o->whitespace_max, (uint32_t)o->key_order,
        (uint32_t)o->draft, o->format_annotation, (uint32_t)o->n_triggers, o->keep_trigger,
        o->trigger_required, o->compile_ms,
    };
    mn_buffer_append(key, numbers, sizeof numbers);
    add_text(key, o->whitespace_pattern);
    add_text(key, o->start);
    for (int32_t i = 0; i < o->n_triggers; i++) add_text(key, o->triggers[i]);
    if (len) mn_buffer_append(key, source, len);
}

static entry *find(const mn_constraint_cache *c, const mn_buffer *key, uint64_t hash)
{
    for (entry *e = c->newest; e; e = e->older)
        if (e->hash == hash && e->key.len == key->len
            && !memcmp(e->key.data, key->data, key->len)) return e;
    return NULL;
}

/* What is kept grows while it is used, so it is counted anew. */
static void evict(mn_constraint_cache *c)
{
    size_t bytes = 0;
    for (entry *e = c->newest, *older; e; e = older) {
        older = e->older;
        bytes += mn_constraint_size_bytes(e->constraint) + e->key.len;
        if (e == c->newest || (bytes <= c->limit_bytes && c->n <= MAX_ENTRIES)) continue;
        take_out(c, e);
        entry_free(e);
    }
}

minerva_status mn_constraint_cache_get(mn_constraint_cache *c, mn_constraint **out,
                                       mn_constraint_kind kind, const char *source, size_t len,
                                       const mn_constraint_options *options, minerva_error *err)
{
    static const mn_constraint_options defaults;
    const mn_constraint_options *o = options ? options : &defaults;
    mn_buffer key = { 0 };
    make_key(&key, kind, source, len, o);
    if (key.failed) {
        mn_buffer_clear(&key);
        return mn_fail_memory(err, len);
    }
    uint64_t hash = mn_hash64(key.data, key.len, 0);
    entry *e = find(c, &key, hash);
    if (e) {
        mn_buffer_clear(&key);
        take_out(c, e);
    } else {
        e = calloc(1, sizeof *e);
        minerva_status st = e ? mn_constraint_compile(&e->constraint, c->trie, kind, source, len,
                                                      o, err)
                              : mn_fail_memory(err, sizeof *e);
        if (st != MINERVA_OK) {
            free(e);
            mn_buffer_clear(&key);
            return st;
        }
        e->key = key;
        e->hash = hash;
    }
    put_first(c, e);
    evict(c);
    *out = mn_constraint_acquire(e->constraint);
    return MINERVA_OK;
}
