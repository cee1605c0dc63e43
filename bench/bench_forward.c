/* Speed of whole forward passes of a model file on the native backend: prefill and decode,
 * one stream or many.  Definitions are llama-bench's: random tokens, no sampling, logits of
 * the last position, one warm-up run first.
 *
 *   bench_forward MODEL [-p 512] [-n 32] [-b streams] [-d depth] [-t threads] [-r 3] [-i isa]
 */
#include "backend/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_STREAMS = 64 };

typedef struct {
    const mn_backend *backend;
    mn_engine *engine;
    int32_t tokens[4096];
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void forward(bench *b, const mn_batch *batch)
{
    mn_output out;
    minerva_error err = { 0 };
    if (b->backend->forward(b->engine, batch, &out, &err)) {
        fprintf(stderr, "forward: %s\n", err.message);
        exit(1);
    }
}

static void prefill(bench *b, mn_seq *s, int32_t n)
{
    while (n > 0) {
        int32_t k = n < 512 ? n : 512;
        mn_span span = { s, 0, k };
        forward(b, &(mn_batch){ .tokens = b->tokens, .n_tokens = k, .spans = &span, .n_spans = 1 });
        n -= k;
    }
}

static double run(bench *b, int32_t depth, int32_t p, int32_t n, int32_t streams)
{
    mn_seq *seqs[MAX_STREAMS];
    mn_span spans[MAX_STREAMS];
    for (int32_t i = 0; i < streams; i++) {
        if (b->backend->seq_create(b->engine, &seqs[i], NULL)) exit(1);
        prefill(b, seqs[i], depth);
        spans[i] = (mn_span){ seqs[i], i, 1 };
    }
    double start = now();
    for (int32_t i = 0; i < streams; i++) prefill(b, seqs[i], p);
    for (int32_t i = 0; i < n; i++)
        forward(b, &(mn_batch){ .tokens = b->tokens, .n_tokens = streams, .spans = spans,
                                .n_spans = streams });
    double seconds = now() - start;
    for (int32_t i = 0; i < streams; i++) b->backend->seq_free(b->engine, seqs[i]);
    return seconds;
}

static void report(bench *b, const char *what, int32_t depth, int32_t p, int32_t n,
                   int32_t streams, int rounds)
{
    double best = 1e30, sum = 0, all = (double)(p + n) * streams;
    run(b, depth, p < 64 ? p : 64, n < 2 ? n : 2, streams);
    for (int i = 0; i < rounds; i++) {
        double s = run(b, depth, p, n, streams);
        sum += s;
        if (s < best) best = s;
    }
    printf("%s%-5d @ %-5d x %-3d %9.2f tokens/s (best %.2f)\n", what, p + n, depth, streams,
           all * rounds / sum, all / best);
}

int main(int argc, char **argv)
{
    int p = 512, n = 32, streams = 1, depth = 0, rounds = 3, option;
    mn_load_options options = { .context = 8192 };
    while ((option = getopt(argc, argv, "p:n:b:d:t:r:i:")) != -1) {
        switch (option) {
        case 'p': p = atoi(optarg); break;
        case 'n': n = atoi(optarg); break;
        case 'b': streams = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 't': options.n_threads = atoi(optarg); break;
        case 'r': rounds = atoi(optarg); break;
        case 'i': options.isa = optarg; break;
        default: return 2;
        }
    }
    if (optind >= argc) {
        printf("bench_forward: give a model file\n");
        return 0;
    }
    if (streams < 1 || streams > MAX_STREAMS) return 2;
    bench *b = calloc(1, sizeof *b);
    minerva_error err = { 0 };
    mn_model_source *source = NULL;
    b->backend = mn_backend_find("native");
    if (mn_source_open(&source, argv[optind], NULL, &err) ||
        b->backend->load(source, &options, &b->engine, &err)) {
        fprintf(stderr, "%s\n", err.message);
        mn_source_close(source);
        free(b);
        return 1;
    }
    int32_t vocab = b->backend->vocab(b->engine);
    for (int i = 0; i < 4096; i++) b->tokens[i] = (int32_t)((unsigned)rand() % (unsigned)vocab);
    if (p > 0) report(b, "pp", depth, p, 0, streams, rounds);
    if (n > 0) report(b, "tg", depth, 0, n, streams, rounds);
    b->backend->unload(b->engine);
    mn_source_close(source);
    free(b);
    return 0;
}
