/* Fuzzing schemas: the first byte chooses key order and whitespace, the text up to a byte
 * 0xFF is the schema, the rest chooses tokens; masks and accept() must agree. */
#include "constrain_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    mn_constraint_options o = {
        .compile_ms = 200,
        .key_order = data[0] & 1 ? MN_KEYS_SCHEMA_ORDER : MN_KEYS_ANY_ORDER,
        .whitespace = (mn_whitespace)(data[0] >> 1 & 3) % 3,
        .whitespace_max = 3,
        .format_annotation = data[0] & 8,
    };
    const uint8_t *cut = memchr(data + 1, 0xFF, size - 1);
    size_t len = cut ? (size_t)(cut - data - 1) : size - 1;
    int32_t n;
    mn_constraint *c = NULL;
    if (mn_constraint_compile(&c, walk_vocab(&n), MN_CONSTRAINT_JSON_SCHEMA, (const char *)data + 1, len, &o, NULL))
        return 0;
    if (cut) walk(c, cut + 1, size - len - 2);
    mn_constraint_release(c);
    return 0;
}
