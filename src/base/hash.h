/* Hashing of bytes, and a map from byte strings to 32-bit values.
 *
 * mn_hash64 is a short multiply-and-fold hash (the wyhash construction: Wang Yi, 2019)
 * for tables in memory.  It is keyed, so that foreign strings cannot be chosen to collide
 * once the key is; it is no digest: what goes to disk is checked with SHA-256 (OpenSSL).
 */
#ifndef MN_BASE_HASH_H
#define MN_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t mn_hash64(const void *bytes, size_t len, uint64_t key);

/* Open addressing, power-of-two table, at most 3/4 full.  Keys are borrowed: they must
 * outlive the map.  An all-zero map is empty. */
typedef struct {
    const char *key;
    uint32_t len;
    uint32_t value;
} mn_map_entry;

typedef struct {
    mn_map_entry *entries;
    uint32_t *tags;             /* high hash bits | 1; 0 = free */
    size_t capacity, n;
    uint64_t seed;
} mn_map;

void mn_map_clear(mn_map *m);
bool mn_map_reserve(mn_map *m, size_t n_entries);
/* Insert; an existing key keeps its value and *existed is set (may be NULL).
 * false: out of memory, map unchanged. */
bool mn_map_put(mn_map *m, const char *key, size_t len, uint32_t value, bool *existed);
/* true and *value if there. */
bool mn_map_get(const mn_map *m, const char *key, size_t len, uint32_t *value);

#endif
