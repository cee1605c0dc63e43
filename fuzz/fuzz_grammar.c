/* Fuzzing grammars: the first byte chooses the notation, the text up to a byte 0xFF is the
 * grammar, the rest chooses tokens; masks and accept() must agree. */
#include "constrain_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mn_constraint_kind kinds[] = { MN_CONSTRAINT_GBNF, MN_CONSTRAINT_EBNF, MN_CONSTRAINT_LARK,
                                                MN_CONSTRAINT_STRUCTURAL_TAG };
    static const char *const triggers[] = { "<a>", "ab" };
    if (size < 2) return 0;
    mn_constraint_kind kind = kinds[data[0] % 4];
    mn_constraint_options o = { .compile_ms = 200 };
    if (data[0] & 16 && kind != MN_CONSTRAINT_STRUCTURAL_TAG) {
        o.triggers = triggers;
        o.n_triggers = 2;
        o.keep_trigger = data[0] & 32;
    }
    const uint8_t *cut = memchr(data + 1, 0xFF, size - 1);
    size_t len = cut ? (size_t)(cut - data - 1) : size - 1;
    int32_t n;
    mn_constraint *c = NULL;
    if (mn_constraint_compile(&c, walk_vocab(&n), kind, (const char *)data + 1, len, &o, NULL)) return 0;
    if (cut) walk(c, cut + 1, size - len - 2);
    mn_constraint_release(c);
    return 0;
}
