/* Vocabularies of GGUF files, and texts through what opens.
 *
 * Input: lines.  The model's name; the pre-tokeniser's; numbers (bos eos eot eom unk sep pad
 * cls mask, add_bos add_eos add_sep add_space_prefix, remove_extra_whitespaces
 * escape_whitespaces, lowercase strip_accents); the map of characters; a text; then tokens,
 * each a digit for its type, a letter for its score and its text, and merges behind '>'. */
#include "tokenizer_checks.h"

enum { MAX_TOKENS = 4096, N_NUMBERS = 17 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mn_str next_line(const char **at, const char *end)
{
    const char *from = *at, *stop = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
    if (!stop) stop = end;
    *at = stop < end ? stop + 1 : end;
    return (mn_str){ from, (size_t)(stop - from) };
}

static void read_numbers(mn_str line, mn_gguf_vocab *v)
{
    int n[N_NUMBERS];
    char copy[200] = "";
    char *at = copy;
    memcpy(copy, line.data, line.len < sizeof copy ? line.len : sizeof copy - 1);
    for (int i = 0; i < N_NUMBERS; i++) {
        char *end;
        long x = strtol(at, &end, 10);
        n[i] = end == at || x < -1 || x > MAX_TOKENS ? -1 : (int)x;
        at = end;
    }
    v->bos = n[0], v->eos = n[1], v->eot = n[2], v->eom = n[3], v->unk = n[4], v->sep = n[5];
    v->pad = n[6], v->cls = n[7], v->mask = n[8];
    v->add_bos = (int8_t)(n[9] > 0 ? 1 : n[9]), v->add_eos = (int8_t)(n[10] > 0 ? 1 : n[10]);
    v->add_sep = (int8_t)(n[11] > 0 ? 1 : n[11]);
    v->add_space_prefix = (int8_t)(n[12] > 0 ? 1 : n[12]);
    v->remove_extra_whitespaces = n[13] > 0, v->escape_whitespaces = n[14] > 0;
    v->lowercase = (int8_t)(n[15] > 0 ? 1 : n[15]);
    v->strip_accents = (int8_t)(n[16] > 0 ? 1 : n[16]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const char *at = (const char *)data, *end = at + size;
    mn_str *tokens = malloc(MAX_TOKENS * sizeof *tokens);
    mn_str *merges = malloc(MAX_TOKENS * sizeof *merges);
    float *scores = malloc(MAX_TOKENS * sizeof *scores);
    int32_t *types = malloc(MAX_TOKENS * sizeof *types);
    mn_gguf_vocab v = { .token_text = tokens, .scores = scores, .types = types,
                        .merges = merges };
    check(tokens && merges && scores && types);
    v.model = next_line(&at, end);
    v.pre = next_line(&at, end);
    read_numbers(next_line(&at, end), &v);
    v.precompiled_charsmap = next_line(&at, end);
    mn_str text = next_line(&at, end);
    while (at < end && v.n_tokens < MAX_TOKENS && v.n_merges < MAX_TOKENS) {
        mn_str line = next_line(&at, end);
        if (line.len && line.data[0] == '>') {
            merges[v.n_merges++] = (mn_str){ line.data + 1, line.len - 1 };
        } else if (line.len > 1) {
            types[v.n_tokens] = line.data[0] - '0';
            scores[v.n_tokens] = (float)('a' - line.data[1]);
            tokens[v.n_tokens++] = (mn_str){ line.data + 2, line.len - 2 };
        }
    }
    mn_tokenizer *t = NULL;
    minerva_error err = { 0 };
    if (mn_tokenizer_from_gguf(&t, &v, &err)) check(err.message[0]);
    else check_tokenizer(t, (const uint8_t *)text.data, text.len);
    mn_tokenizer_free(t);
    free(tokens);
    free(merges);
    free(scores);
    free(types);
    return 0;
}
