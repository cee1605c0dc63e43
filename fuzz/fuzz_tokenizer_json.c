/* tokenizer.json, and texts through what opens.
 *
 * Input: the file; behind the first 0 byte, tokenizer_config.json; behind the next, a text. */
#include "tokenizer_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct { const uint8_t *data; size_t len; } part[3] = { { data, size }, { data, 0 }, { data, 0 } };
    for (int i = 0; i < 2; i++) {
        const uint8_t *zero = part[i].len ? memchr(part[i].data, 0, part[i].len) : NULL;
        if (!zero) break;
        part[i + 1].data = zero + 1;
        part[i + 1].len = (size_t)(part[i].data + part[i].len - zero - 1);
        part[i].len = (size_t)(zero - part[i].data);
    }
    mn_tokenizer *t = NULL;
    minerva_error err = { 0 };
    const char *config = part[1].len ? (const char *)part[1].data : NULL;
    if (mn_tokenizer_from_json(&t, (const char *)data, part[0].len, config, part[1].len, &err))
        check(err.message[0]);
    else
        check_tokenizer(t, part[2].data, part[2].len);
    mn_tokenizer_free(t);
    return 0;
}
