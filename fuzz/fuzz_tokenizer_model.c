/* tokenizer.model, and texts through what opens.
 *
 * Input: the file, a text, and the text's length in the last byte. */
#include "tokenizer_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] =
        "{\"tokenizer_class\":\"LlamaTokenizer\",\"added_tokens_decoder\":{\"1\":"
        "{\"content\":\"<s>\",\"special\":true}},\"bos_token\":\"<s>\"}";
    if (!size) return 0;
    size_t text_len = data[size - 1] < size - 1 ? data[size - 1] : size - 1;
    size_t len = size - 1 - text_len;
    for (int configured = 0; configured < 2; configured++) {
        mn_tokenizer *t = NULL;
        minerva_error err = { 0 };
        if (mn_tokenizer_from_sentencepiece(&t, (const char *)data, len, configured ? config : NULL,
                                            configured ? sizeof config - 1 : 0, &err))
            check(err.message[0]);
        else
            check_tokenizer(t, data + len, text_len);
        mn_tokenizer_free(t);
    }
    return 0;
}
