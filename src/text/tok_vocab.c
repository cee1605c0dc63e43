/* Vocabularies: a map from byte strings to ids, a byte trie, GPT-2's byte alphabet.
 *
 * Both tables are open addressing without deletion.  The map holds ids only; their
 * strings stay where the tokenizer keeps them, so that building the map of 128k tokens
 * allocates once.  Used by every model; knows nothing of any of them.
 */
#include "text/tok_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- map ------------------------------------------------------------------------------ */

bool tok_map_init(tok_map *m, size_t n_expected)
{
    *m = (tok_map){ 0 };
    if (n_expected > (1u << 28)) return false;
    size_t capacity = 16;
    while (capacity < n_expected * 2) capacity *= 2;
    m->slots = malloc(capacity * sizeof *m->slots);
    if (!m->slots) return false;
    memset(m->slots, 0xff, capacity * sizeof *m->slots);
    m->mask = (uint32_t)(capacity - 1);
    return true;
}

void tok_map_clear(tok_map *m)
{
    free(m->slots);
    *m = (tok_map){ 0 };
}

static uint32_t tag_of(uint64_t hash, size_t len)
{
    return (uint32_t)(hash >> 32) << 6 | (uint32_t)(len < 63 ? len : 63);
}

/* Slot of an equal key, or the free slot where it belongs. */
static inline tok_slot *slot_of(const tok_map *m, const mn_str *keys, const char *s, size_t len,
                                uint64_t hash)
{
    uint32_t tag = tag_of(hash, len);
    uint64_t head = len <= 8 ? tok_head(s, len) : 0;
    for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
        tok_slot *slot = &m->slots[i];
        if (slot->id < 0) return slot;
        if (slot->tag != tag) continue;
        if (len <= 8) {
            if (slot->head == head) return slot;
            continue;
        }
        const mn_str *key = &keys[slot->id];
        if (key->len == len && !memcmp(key->data, s, len)) return slot;
    }
}

static bool grow(tok_map *m, const mn_str *keys)
{
    tok_map bigger;
    if (!tok_map_init(&bigger, (size_t)m->n * 2)) return false;
    for (size_t i = 0; i <= m->mask; i++) {
        if (m->slots[i].id < 0) continue;
        const mn_str *key = &keys[m->slots[i].id];
        *slot_of(&bigger, keys, key->data, key->len, tok_map_hash(key->data, key->len)) =
            m->slots[i];
    }
    bigger.n = m->n;
    tok_map_clear(m);
    *m = bigger;
    return true;
}

int32_t tok_map_put(tok_map *m, const mn_str *keys, int32_t id)
{
    const char *s = keys[id].data;
    size_t len = keys[id].len;
    if ((size_t)m->n * 4 >= (size_t)m->mask * 3 && !grow(m, keys)) return -1;
    uint64_t hash = tok_map_hash(s, len);
    tok_slot *slot = slot_of(m, keys, s, len, hash);
    if (slot->id >= 0) return slot->id;
    *slot = (tok_slot){ len <= 8 ? tok_head(s, len) : 0, tag_of(hash, len), id };
    m->n++;
    return id;
}

int32_t tok_map_find_hashed(const tok_map *m, const mn_str *keys, const char *s, size_t len,
                            uint64_t hash)
{
    return m->slots ? slot_of(m, keys, s, len, hash)->id : -1;
}

/* ---- trie ----------------------------------------------------------------------------- */

enum { MAX_NODES = 1 << 24 };

bool tok_trie_init(tok_trie *t)
{
    *t = (tok_trie){ .mask = 255, .n_nodes = 1, .capacity_nodes = 128 };
    t->slots = calloc(256, sizeof *t->slots);
    t->values = malloc(128 * sizeof *t->values);
    if (!t->slots || !t->values) {
        tok_trie_clear(t);
        return false;
    }
    t->values[0] = -1;
    return true;
}

void tok_trie_clear(tok_trie *t)
{
    free(t->slots);
    free(t->values);
    *t = (tok_trie){ 0 };
}

static bool trie_grow_slots(tok_trie *t)
{
    uint32_t mask = t->mask * 2 + 1;
    uint64_t *slots = calloc((size_t)mask + 1, sizeof *slots);
    if (!slots) return false;
    for (size_t k = 0; k <= t->mask; k++) {
        if (!t->slots[k]) continue;
        uint32_t i = tok_trie_slot(mask, (uint32_t)(t->slots[k] >> 32));
        while (slots[i]) i = (i + 1) & mask;
        slots[i] = t->slots[k];
    }
    free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return true;
}

static uint32_t trie_add_child(tok_trie *t, uint32_t node, unsigned char byte)
{
    if (t->n_nodes >= MAX_NODES) return 0;
    if (t->n_slots * 2 >= t->mask && !trie_grow_slots(t)) return 0;
    if (t->n_nodes == t->capacity_nodes) {
        int32_t *values = realloc(t->values, (size_t)t->capacity_nodes * 2 * sizeof *values);
        if (!values) return 0;
        t->values = values;
        t->capacity_nodes *= 2;
    }
    uint32_t key = node << 8 | byte, child = t->n_nodes++;
    uint32_t i = tok_trie_slot(t->mask, key);
    while (t->slots[i]) i = (i + 1) & t->mask;
    t->slots[i] = (uint64_t)key << 32 | child;
    t->n_slots++;
    t->values[child] = -1;
    return child;
}

bool tok_trie_put(tok_trie *t, const char *s, size_t len, int32_t value, bool replace)
{
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t child = tok_trie_child(t, node, (unsigned char)s[i]);
        if (!child) child = trie_add_child(t, node, (unsigned char)s[i]);
        if (!child) return false;
        node = child;
    }
    if (len) t->first[(unsigned char)s[0]] = 1;
    if (t->values[node] < 0 || replace) t->values[node] = value;
    return true;
}

size_t tok_trie_path(const tok_trie *t, const char *s, size_t len)
{
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++)
        if (!(node = tok_trie_child(t, node, (unsigned char)s[i]))) return i;
    return len;
}

size_t tok_trie_longest(const tok_trie *t, const char *s, size_t len, int32_t *value)
{
    size_t best = 0;
    uint32_t node = 0;
    if (!len || !t->first[(unsigned char)s[0]]) return 0;
    for (size_t i = 0; i < len; i++) {
        node = tok_trie_child(t, node, (unsigned char)s[i]);
        if (!node) break;
        if (t->values[node] < 0) continue;
        best = i + 1;
        *value = t->values[node];
    }
    return best;
}

/* ---- GPT-2's byte alphabet -------------------------------------------------------------
 * Printable Latin-1 characters stand for themselves, the 68 other bytes, in order, for
 * U+0100 and on (Radford et al. 2019, encoder.py). */

static bool stands_for_itself(uint32_t c)
{
    return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

uint32_t tok_alphabet_of_byte(unsigned char byte)
{
    if (stands_for_itself(byte)) return byte;
    if (byte <= 0x20) return 0x100u + byte;
    if (byte <= 0xA0) return 0x100u + 33 + (byte - 0x7Fu);
    return 0x143;                                       /* 0xAD */
}

int tok_byte_of_alphabet(uint32_t cp)
{
    if (cp < 0x100) return stands_for_itself(cp) ? (int)cp : -1;
    if (cp <= 0x120) return (int)(cp - 0x100);
    if (cp <= 0x142) return (int)(cp - 0x121 + 0x7F);
    return cp == 0x143 ? 0xAD : -1;
}

long tok_alphabet_decode(const char *s, size_t len, char *out)
{
    long n = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        if (c > 0x20 && c < 0x7F) {
            out[n++] = s[i++];
            continue;
        }
        uint32_t cp;
        int k = 2;
        if ((c & 0xFC) == 0xC4 && i + 1 < len && ((unsigned char)s[i + 1] & 0xC0) == 0x80)
            cp = (uint32_t)(c & 0x1F) << 6 | ((unsigned char)s[i + 1] & 0x3F);
        else k = mn_utf8_decode_strict(s + i, len - i, &cp);
        int byte = k < 0 ? -1 : tok_byte_of_alphabet(cp);
        if (byte < 0) return -1;
        out[n++] = (char)byte;
        i += (size_t)k;
    }
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool tok_byte_token(mn_str text, unsigned char *byte)
{
    if (text.len != 6 || memcmp(text.data, "<0x", 3) || text.data[5] != '>') return false;
    int high = hex_digit(text.data[3]), low = hex_digit(text.data[4]);
    if (high < 0 || low < 0) return false;
    *byte = (unsigned char)(high << 4 | low);
    return true;
}

/* ---- building -------------------------------------------------------------------------- */

mn_tokenizer *tok_new(void)
{
    mn_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->model.unk = -1;
    memset(t->model.byte_id, 0xff, sizeof t->model.byte_id);
    memset(t->model.byte_symbol, 0xff, sizeof t->model.byte_symbol);
    memset(t->model.ascii_symbol, 0xff, sizeof t->model.ascii_symbol);
    t->info = (mn_tokenizer_info){ .kind = "", .pre = "", .bos = -1, .eos = -1, .unk = -1,
                                   .pad = -1 };
    return t;
}

bool tok_alloc_ids(mn_tokenizer *t, int64_t n)
{
    t->n_tokens = (int32_t)n;
    t->text = mn_arena_array(&t->arena, (size_t)n + 1, sizeof *t->text);
    t->bytes = mn_arena_array(&t->arena, (size_t)n + 1, sizeof *t->bytes);
    t->flags = mn_arena_array(&t->arena, (size_t)n + 1, sizeof *t->flags);
    t->pieces = t->text;
    return t->text && t->bytes && t->flags;
}

mn_str tok_str(mn_arena *a, const char *s, size_t len)
{
    char *copy = mn_arena_strndup(a, s ? s : "", len);
    return (mn_str){ copy, copy ? len : 0 };
}

int32_t tok_model_symbol(mn_tokenizer *t, const char *s, size_t len)
{
    tok_model *m = &t->model;
    int32_t id = tok_map_find(&m->map, m->keys, s, len);
    if (id >= 0) return id;
    if (m->n_keys == m->capacity_keys) {
        int64_t capacity = (int64_t)m->capacity_keys * 2 + 512;
        if (capacity > (1 << 28)) return -1;
        mn_str *keys = realloc(m->keys, (size_t)capacity * sizeof *keys);
        if (!keys) return -1;
        m->keys = keys;
        m->capacity_keys = (int32_t)capacity;
    }
    mn_str key = tok_str(&t->arena, s, len);
    if (!key.data) return -1;
    m->keys[m->n_keys] = key;
    id = tok_map_put(&m->map, m->keys, m->n_keys);
    if (id == m->n_keys) m->n_keys++;
    return id;
}
