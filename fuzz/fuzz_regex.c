/* Fuzzing patterns: the text up to a byte 0xFF is the pattern, the rest chooses tokens;
 * masks and accept() must agree. */
#include "constrain_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = memchr(data, 0xFF, size);
    size_t len = cut ? (size_t)(cut - data) : size;
    int32_t n;
    mn_constraint *c = NULL;
    mn_constraint_options o = { .compile_ms = 200 };
    if (mn_constraint_compile(&c, walk_vocab(&n), MN_CONSTRAINT_REGEX, (const char *)data, len, &o, NULL)) return 0;
    if (cut) walk(c, cut + 1, size - len - 1);
    mn_constraint_release(c);
    return 0;
}
