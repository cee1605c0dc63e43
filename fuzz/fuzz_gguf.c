/* Fuzzing the GGUF reader: open the bytes, then read every key by every getter and touch
 * the first and last byte of every tensor. */
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_key(const mn_gguf *g, const mn_gguf_kv *kv)
{
    char key[300];
    if (kv->key.len >= sizeof key) return;
    memcpy(key, kv->key.data, kv->key.len);
    key[kv->key.len] = 0;
    int64_t whole, n, *ints;
    double number;
    float *floats;
    bool flag;
    mn_gguf_string text, *strings;
    mn_gguf_get_int(g, key, 0, &whole, NULL);
    mn_gguf_get_float(g, key, 0, &number, NULL);
    mn_gguf_get_bool(g, key, false, &flag, NULL);
    mn_gguf_get_string(g, key, &text, NULL);
    if (mn_gguf_get_ints(g, key, 100000, &ints, &n, NULL) == MINERVA_OK) free(ints);
    if (mn_gguf_get_floats(g, key, 100000, &floats, &n, NULL) == MINERVA_OK) free(floats);
    if (mn_gguf_get_strings(g, key, 100000, &strings, &n, NULL) != MINERVA_OK) return;
    volatile char last = 0;
    for (int64_t i = 0; i < n; i++)
        if (strings[i].len) last = strings[i].data[strings[i].len - 1];
    (void)last;
    free(strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mn_gguf *g;
    minerva_error err = { 0 };
    if (mn_gguf_open_memory(&g, data, size, &err) != MINERVA_OK) return 0;
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) read_key(g, mn_gguf_kv_at(g, i));
    mn_gguf_find_arch(g, "%s.block_count");
    volatile uint8_t byte = 0;
    for (int64_t i = 0; i < mn_gguf_n_tensors(g); i++) {
        const mn_tensor_ref *t = mn_gguf_tensor_at(g, i);
        if (mn_gguf_tensor(g, t->name) != t || mn_tensor_ref_n_elements(t) < 0) abort();
        if (t->size_bytes) byte = t->data[0] ^ t->data[t->size_bytes - 1];
    }
    (void)byte;
    mn_gguf_close(g);
    return 0;
}
