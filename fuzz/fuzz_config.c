/* Configs and tensor shapes of any kind -> a plan or a message.
 *
 * Input: {"config": {...}, "tensors": {"name": ["BF16", rows, cols], ...}}; the tensors are
 * made of zeros, small ones only.  Anything that does not begin with '{' is taken for a
 * GGUF file. */
#include "base/buffer.h"
#include "model/build.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DATA = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t element_bytes(const char *type)
{
    if (!strcmp(type, "F32") || !strcmp(type, "U32")) return 4;
    if (!strcmp(type, "BF16") || !strcmp(type, "F16")) return 2;
    return !strcmp(type, "U8") || !strcmp(type, "F8_E4M3") ? 1 : 0;
}

/* A safetensors file with these tensors, all zero; empty if they are too large or odd. */
static mn_buffer make_file(json_t *tensors)
{
    mn_buffer header = { 0 }, file = { 0 };
    const char *name;
    json_t *t;
    size_t at = 0;
    mn_buffer_append_byte(&header, '{');
    json_object_foreach(tensors, name, t) {
        const char *type = json_string_value(json_array_get(t, 0));
        size_t n = type ? element_bytes(type) : 0;
        if (header.len > 1) mn_buffer_append_byte(&header, ',');
        mn_buffer_append_json(&header, name, strlen(name));
        mn_buffer_append_fmt(&header, ":{\"dtype\":\"%s\",\"shape\":[", n ? type : "F32");
        for (size_t i = 1; i < json_array_size(t) && n; i++) {
            int64_t d = json_integer_value(json_array_get(t, i));
            n = d > 0 && d < MAX_DATA && n * (size_t)d < MAX_DATA ? n * (size_t)d : 0;
            mn_buffer_append_fmt(&header, i > 1 ? ",%lld" : "%lld", (long long)d);
        }
        if (!n || at + n > MAX_DATA) goto done;
        mn_buffer_append_fmt(&header, "],\"data_offsets\":[%zu,%zu]}", at, at + n);
        at += n;
    }
    mn_buffer_append_byte(&header, '}');
    for (int i = 0; i < 8; i++)
        mn_buffer_append_byte(&file, (char)((uint64_t)header.len >> 8 * i));
    mn_buffer_append(&file, header.data, header.len);
    if (mn_buffer_reserve(&file, at)) {
        memset(file.data + file.len, 0, at);
        file.len += at;
    }
done:
    mn_buffer_clear(&header);
    return file;
}

static void try_plan(const mn_plan_input *in)
{
    minerva_error err = { 0 };
    mn_plan *p = NULL;
    if (mn_plan_build(&p, in, &err) == MINERVA_OK) {
        if (mn_plan_n_parameters(p) < 0) __builtin_trap();
        mn_plan_bytes_per_token(p);
        mn_plan_kv_bytes_per_position(p);
    } else if (!err.message[0]) {
        __builtin_trap();
    }
    mn_plan_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] != '{') {
        mn_gguf *g = NULL;
        if (mn_gguf_open_memory(&g, data, size, NULL) == MINERVA_OK)
            try_plan(&(mn_plan_input){ .gguf = g });
        mn_gguf_close(g);
        return 0;
    }
    json_t *input = json_loadb((const char *)data, size, 0, NULL);
    json_t *config = json_object_get(input, "config");
    mn_buffer file = make_file(json_object_get(input, "tensors"));
    mn_safetensors *weights = NULL;
    if (json_is_object(config) && file.len &&
        mn_safetensors_open_memory(&weights, file.data, file.len, NULL) == MINERVA_OK)
        try_plan(&(mn_plan_input){ .config = config, .weights = weights });
    mn_safetensors_close(weights);
    mn_buffer_clear(&file);
    json_decref(input);
    return 0;
}
