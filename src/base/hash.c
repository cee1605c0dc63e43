/* Byte hash and string map; see hash.h. */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* 0-8 bytes as one word; overlapping reads instead of a loop. */
static uint64_t load_tail(const unsigned char *p, size_t n)
{
    if (n >= 4) {
        uint32_t lo, hi;
        memcpy(&lo, p, 4);
        memcpy(&hi, p + n - 4, 4);
        return (uint64_t)hi << 32 | lo;
    }
    if (n == 0) return 0;
    return (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1];
}

uint64_t mn_hash64(const void *bytes, size_t len, uint64_t key)
{
    static const uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu,
                          k2 = 0x8ebc6af09c88c6e3u;
    const unsigned char *p = bytes;
    uint64_t h = key ^ fold(key ^ k0, k1);
    size_t n = len;
    for (; n > 16; n -= 16, p += 16) h = fold(load64(p) ^ k1, load64(p + 8) ^ h);
    uint64_t a, b;
    if (n > 8) {
        a = load64(p);
        b = load_tail(p + 8, n - 8);
    } else {
        a = load_tail(p, n);
        b = 0;
    }
    return fold(k2 ^ len, fold(a ^ k1, b ^ h));
}

void mn_map_clear(mn_map *m)
{
    free(m->entries);
    free(m->tags);
    *m = (mn_map){ 0 };
}

static uint32_t tag_of(uint64_t hash) { return (uint32_t)(hash >> 32) | 1u; }

/* Slot that holds the key, or the free slot where it belongs. */
static size_t find(const mn_map *m, const char *key, size_t len, uint64_t hash)
{
    size_t mask = m->capacity - 1;
    uint32_t tag = tag_of(hash);
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        if (m->tags[i] == 0) return i;
        const mn_map_entry *e = &m->entries[i];
        if (m->tags[i] == tag && e->len == len && (!len || !memcmp(e->key, key, len)))
            return i;
    }
}

bool mn_map_reserve(mn_map *m, size_t n_entries)
{
    size_t capacity = m->capacity ? m->capacity : 16;
    while (n_entries > capacity / 4 * 3) {
        if (capacity > SIZE_MAX / 4 / sizeof(mn_map_entry)) return false;
        capacity *= 2;
    }
    if (capacity == m->capacity) return true;
    mn_map grown = { .entries = malloc(capacity * sizeof *grown.entries),
                     .tags = calloc(capacity, sizeof *grown.tags),
                     .capacity = capacity, .n = m->n, .seed = m->seed };
    if (!grown.entries || !grown.tags) {
        free(grown.entries);
        free(grown.tags);
        return false;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        if (!m->tags[i]) continue;
        const mn_map_entry *e = &m->entries[i];
        uint64_t hash = mn_hash64(e->key, e->len, m->seed);
        size_t at = find(&grown, e->key, e->len, hash);
        grown.tags[at] = m->tags[i];
        grown.entries[at] = *e;
    }
    free(m->entries);
    free(m->tags);
    *m = grown;
    return true;
}

bool mn_map_put(mn_map *m, const char *key, size_t len, uint32_t value, bool *existed)
{
    if (existed) *existed = false;
    if (len > UINT32_MAX || !mn_map_reserve(m, m->n + 1)) return false;
    uint64_t hash = mn_hash64(key, len, m->seed);
    size_t at = find(m, key, len, hash);
    if (m->tags[at]) {
        if (existed) *existed = true;
        return true;
    }
    m->tags[at] = tag_of(hash);
    m->entries[at] = (mn_map_entry){ key, (uint32_t)len, value };
    m->n++;
    return true;
}

bool mn_map_get(const mn_map *m, const char *key, size_t len, uint32_t *value)
{
    if (!m->n) return false;
    size_t at = find(m, key, len, mn_hash64(key, len, m->seed));
    if (!m->tags[at]) return false;
    *value = m->entries[at].value;
    return true;
}
