/* Which model is this?  For caches that outlive the process.
 *
 * Hashing all weights would take longer than loading them.  Instead: every tensor's name,
 * type and shape and a few runs of its bytes (a fine-tune changes every tensor it trains,
 * nearly everywhere), the file's size and time of change, and whatever else changes the
 * numbers that the engine computes.  An error on the careful side costs a prefill; one on
 * the other side is impossible but for a file edited in place in unsampled bytes with its
 * time set back.
 */
#include "base/hash.h"
#include "runtime/runtime.h"

#include <string.h>
#include <sys/stat.h>

enum { SAMPLES = 4, SAMPLE_BYTES = 64 };

static uint64_t add(uint64_t h, const void *bytes, size_t len)
{
    return mn_hash64(bytes, len, h);
}

static uint64_t add_string(uint64_t h, const char *s) { return add(h, s ? s : "", s ? strlen(s) : 0); }

static uint64_t add_number(uint64_t h, int64_t n) { return add(h, &n, sizeof n); }

static uint64_t add_tensor(uint64_t h, const mn_tensor_ref *t)
{
    const uint8_t *data = t->data;
    size_t size = t->size_bytes;
    h = add(h, t->name, t->name_len);
    h = add_number(h, t->n_dims);
    h = add(h, t->dims, (size_t)t->n_dims * sizeof *t->dims);
    h = add_number(h, (int64_t)size);
    if (!data || size <= SAMPLES * SAMPLE_BYTES) return data ? add(h, data, size) : h;
    for (size_t i = 0; i < SAMPLES; i++)
        h = add(h, data + (size - SAMPLE_BYTES) / (SAMPLES - 1) * i, SAMPLE_BYTES);
    return h;
}

static size_t scalar_bytes(mn_gguf_type type)
{
    switch (type) {
    case MN_GGUF_U8: case MN_GGUF_I8: case MN_GGUF_BOOL: return 1;
    case MN_GGUF_U16: case MN_GGUF_I16: return 2;
    case MN_GGUF_U32: case MN_GGUF_I32: case MN_GGUF_F32: return 4;
    case MN_GGUF_U64: case MN_GGUF_I64: case MN_GGUF_F64: return 8;
    case MN_GGUF_STRING: case MN_GGUF_ARRAY: break;
    }
    return 0;
}

uint64_t mn_engine_key(const char *backend, const mn_load_options *o)
{
    uint64_t h = add_string(7, MINERVA_VERSION);
    h = add_string(h, backend);
    h = add_string(h, o->isa);
    int64_t numbers[3] = { o->precise, o->kv_type, o->context };
    return add(h, numbers, sizeof numbers);
}

uint64_t mn_model_identity(const minerva_model *m)
{
    uint64_t h = add_number(m->engine_key, minerva_model_vocab(m));
    const mn_model_source *s = m->source;
    struct stat st;
    if (!s) return h;
    h = add_number(h, (int64_t)s->size_bytes);
    if (stat(s->path, &st) == 0) {
        h = add_number(h, (int64_t)st.st_mtim.tv_sec);
        h = add_number(h, (int64_t)st.st_mtim.tv_nsec);
    }
    if (s->gguf) {
        for (int64_t i = 0; i < mn_gguf_n_tensors(s->gguf); i++)
            h = add_tensor(h, mn_gguf_tensor_at(s->gguf, i));
        for (int64_t i = 0; i < mn_gguf_n_kv(s->gguf); i++) {
            const mn_gguf_kv *kv = mn_gguf_kv_at(s->gguf, i);
            h = add(h, kv->key.data, kv->key.len);
            h = add(h, kv->data, scalar_bytes(kv->type));
        }
    } else if (s->dir) {
        const mn_safetensors *weights = mn_model_dir_weights(s->dir);
        char *config = NULL;
        size_t len;
        if (mn_model_dir_text(s->dir, "config.json", 16 << 20, &config, &len, NULL) == MINERVA_OK)
            h = add(h, config, len);
        minerva_free(config);
        for (int64_t i = 0; weights && i < mn_safetensors_n_tensors(weights); i++)
            h = add_tensor(h, mn_safetensors_at(weights, i));
    }
    return h;
}

void mn_model_info(const minerva_model *m, mn_buffer *out)
{
    const char *path = m->source ? m->source->path : "", *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    mn_buffer_append_str(out, "{\"name\": ");
    mn_buffer_append_json(out, name, strlen(name));
    mn_buffer_append_str(out, ", \"path\": ");
    mn_buffer_append_json(out, path, strlen(path));
    mn_buffer_append_str(out, "}\n");
}
