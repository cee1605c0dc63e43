/* How well a model predicts a text: the lower-level calls, without the generation loop.
 *
 *     cc perplexity.c $(pkg-config --cflags --libs minerva) -lm -o perplexity
 *     ./perplexity model.gguf < text
 */
#include <math.h>
#include <minerva.h>
#include <stdio.h>
#include <stdlib.h>

/* -log p(token) under these logits. */
static double surprise(const float *logits, int32_t vocab, int32_t token)
{
    double most = -INFINITY, sum = 0;
    for (int32_t i = 0; i < vocab; i++)
        if (logits[i] > most) most = logits[i];
    for (int32_t i = 0; i < vocab; i++) sum += exp(logits[i] - most);
    return most + log(sum) - logits[token];
}

int main(int argc, char **argv)
{
    static char text[1 << 20];
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < text\n", argv[0]);
        return 2;
    }
    size_t len = fread(text, 1, sizeof text, stdin), n = 0;
    minerva_error err = { 0 };
    minerva_model *model = NULL;
    minerva_session *session = NULL;
    int32_t *ids = NULL;
    float *logits = NULL;
    minerva_status st = minerva_model_open(&model, argv[1], NULL, &err);
    if (st == MINERVA_OK) st = minerva_session_create(&session, model, &err);
    if (st == MINERVA_OK) st = minerva_tokenize(model, text, len, NULL, &ids, &n, &err);
    if (st == MINERVA_OK && n > (size_t)minerva_model_context(model))
        n = (size_t)minerva_model_context(model);
    if (st == MINERVA_OK && n > 1) {
        int32_t vocab = minerva_model_vocab(model);
        double sum = 0;
        logits = malloc(n * (size_t)vocab * sizeof *logits);
        if (logits) st = minerva_session_eval_all(session, ids, n, logits, &err);
        for (size_t i = 0; logits && st == MINERVA_OK && i + 1 < n; i++)
            sum += surprise(logits + i * (size_t)vocab, vocab, ids[i + 1]);
        if (st == MINERVA_OK)
            printf("%zu tokens, perplexity %.4f\n", n, exp(sum / (double)(n - 1)));
    }
    if (st != MINERVA_OK) fprintf(stderr, "%s\n", err.message);
    free(logits);
    minerva_free(ids);
    minerva_session_free(session);
    minerva_model_close(model);
    return st == MINERVA_OK ? 0 : 1;
}
