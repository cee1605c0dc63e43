/* Fuzzing the safetensors reader: open the bytes, look every tensor up by its name and
 * touch its first and last byte. */
#include "format/model_dir.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mn_safetensors *s;
    minerva_error err = { 0 };
    if (mn_safetensors_open_memory(&s, data, size, &err) != MINERVA_OK) return 0;
    volatile uint8_t byte = 0;
    for (int64_t i = 0; i < mn_safetensors_n_tensors(s); i++) {
        const mn_tensor_ref *t = mn_safetensors_at(s, i);
        if (mn_safetensors_find(s, t->name) != t || mn_tensor_ref_n_elements(t) < 0)
            abort();
        if (t->size_bytes) byte = t->data[0] ^ t->data[t->size_bytes - 1];
    }
    (void)byte;
    mn_safetensors_close(s);
    return 0;
}
