/* Building safetensors files in memory: a JSON header, right or wrong, and n zero bytes
 * of data (or given ones). */
#ifndef TESTS_MAKE_SAFETENSORS_H
#define TESTS_MAKE_SAFETENSORS_H

#include "base/buffer.h"
#include "tests/check.h"

static inline mn_buffer safetensors_bytes(const char *header, size_t header_len,
                                          const void *data, size_t n_data)
{
    mn_buffer b = { 0 };
    for (int i = 0; i < 8; i++) mn_buffer_append_byte(&b, (char)((uint64_t)header_len >> 8 * i));
    mn_buffer_append(&b, header, header_len);
    for (size_t i = 0; i < n_data; i++)
        mn_buffer_append_byte(&b, data ? ((const char *)data)[i] : 0);
    assert_false(b.failed);
    return b;
}

static inline mn_buffer safetensors_zeros(const char *header, size_t n_data)
{
    return safetensors_bytes(header, strlen(header), NULL, n_data);
}

#endif
