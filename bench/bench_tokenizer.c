/* Speed of a tokenizer: how long its vocabulary takes to load, how fast text is encoded
 * and ids are decoded, on one core.
 *
 *   bench_tokenizer VOCABULARY.gguf|tokenizer.json|tokenizer.model TEXT
 *
 * Without arguments: Llama 3's vocabulary and this repository's prose, if both are there. */
#include "base/mapfile.h"
#include "tests/gguf_vocab.h"

#include <time.h>
#include <unistd.h>

/* Processor time: what other programs take does not count. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* Milliseconds that the tokenizer itself took, without reading the file. */
static minerva_status load(mn_tokenizer **t, const char *path, double *ms, minerva_error *err)
{
    minerva_status st;
    if (ends_with(path, ".gguf")) {
        gguf_vocab v;
        if ((st = gguf_vocab_open(&v, path, err))) return st;
        double start = now_ms();
        st = mn_tokenizer_from_gguf(t, &v.vocab, err);
        *ms = now_ms() - start;
        return st;              /* the file stays open: its strings are lent */
    }
    char *bytes;
    size_t len;
    if ((st = mn_read_file(path, (size_t)1 << 30, &bytes, &len, err))) return st;
    double start = now_ms();
    if (ends_with(path, ".model")) st = mn_tokenizer_from_sentencepiece(t, bytes, len, NULL, 0, err);
    else st = mn_tokenizer_from_json(t, bytes, len, NULL, 0, err);
    *ms = now_ms() - start;
    free(bytes);
    return st;
}

static void measure(const mn_tokenizer *t, const char *text, size_t len)
{
    double best = 1e30, best_decode = 1e30;
    mn_ids ids = { 0 };
    mn_buffer out = { 0 };
    for (int i = 0; i < 5; i++) {
        ids.n = 0;
        double start = now_ms();
        mn_tokenizer_encode(t, text, len, NULL, &ids, NULL);
        double ms = now_ms() - start;
        if (ms < best) best = ms;
        mn_buffer_reset(&out);
        start = now_ms();
        mn_tokenizer_decode(t, ids.ids, ids.n, false, &out, NULL);
        ms = now_ms() - start;
        if (ms < best_decode) best_decode = ms;
    }
    printf("encode %7.1f MB/s  decode %7.1f MB/s  %zu bytes, %zu ids\n",
           (double)len / best / 1e3, (double)len / best_decode / 1e3, len, ids.n);
    mn_ids_clear(&ids);
    mn_buffer_clear(&out);
}

/* The same text in prompts of 4 KiB: no words are remembered between calls. */
static void measure_prompts(const mn_tokenizer *t, const char *text, size_t len)
{
    mn_ids ids = { 0 };
    double start = now_ms();
    size_t n = 0;
    for (; n + 4096 <= len && n < 4000000; n += 4096) {
        ids.n = 0;
        mn_tokenizer_encode(t, text + n, 4096, NULL, &ids, NULL);
    }
    if (n) printf("encode %7.1f MB/s  in pieces of 4096 bytes\n", (double)n / (now_ms() - start) / 1e3);
    mn_ids_clear(&ids);
}

int main(int argc, char **argv)
{
    const char *vocab = argc > 2 ? argv[1] : "../shared/vocab/ggml-vocab-llama-bpe.gguf";
    const char *name = argc > 2 ? argv[2] : "LICENSE";
    minerva_error err = { 0 };
    mn_tokenizer *t;
    char *text;
    size_t len;
    double ms, best_ms = 1e30;
    if (argc < 3 && access(vocab, R_OK)) {
        printf("tokenizer: skipped: no vocabulary given, and %s is not there\n", vocab);
        return 0;
    }
    for (int i = 0; i < 5; i++) {
        if (load(&t, vocab, &ms, &err)) {
            fprintf(stderr, "%s: %s\n", vocab, err.message);
            return 1;
        }
        if (ms < best_ms) best_ms = ms;
        if (i < 4) mn_tokenizer_free(t);
    }
    if (mn_read_file(name, (size_t)1 << 30, &text, &len, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    mn_tokenizer_info info;
    mn_tokenizer_info_get(t, &info);
    printf("%s %s, %d tokens: ready in %.1f ms\n", info.kind, info.pre, mn_tokenizer_n_tokens(t),
           best_ms);
    measure(t, text, len);
    measure_prompts(t, text, len);
    mn_tokenizer_free(t);
    free(text);
    return 0;
}
