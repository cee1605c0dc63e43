/* Speed of constrained decoding: compiling schemas, and masks when they are met for the
 * first time and later, on one thread.
 *
 *   bench_constrain [--vocab FILE.gguf] [--worst N] [SUITE.json ...]
 *
 * A suite holds one {schema, tests:[{data, valid}]} or an array of them (the form of
 * `minerva schema --suite`).  Every schema is compiled once; its valid instances are
 * written on one line, tokenised and fed through the masks.  "cold" is the first time
 * that a constraint comes by a place, "all" the first run over every instance, "warm" the
 * second run.  --worst names the slowest masks and compilations.  Without suites: those
 * of tests/data/schemas; without a vocabulary: Llama 3's, if it is there. */
#include <glob.h>
#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "constrain/constraint.h"
#include "tests/gguf_vocab.h"

typedef struct { double us; const char *file; char *text; } sample;
typedef struct { sample *at; size_t n, cap; } samples;

typedef struct {
    mn_tokenizer *tokenizer;
    mn_vocab_trie *trie;
    samples compile, cold, all, warm;
    size_t n_schemas, n_refused, n_tokens, tables_max;
    const char *file;
    int worst;
} bench;

/* Processor time of this thread: what other programs take does not count. */
static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void add(samples *s, double us, const char *file, const char *text, size_t len)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->at = realloc(s->at, s->cap * sizeof *s->at);
        if (!s->at) abort();
    }
    s->at[s->n++] = (sample){ us, file, text ? strndup(text, len) : NULL };
}

static int by_time(const void *a, const void *b)
{
    double x = ((const sample *)a)->us, y = ((const sample *)b)->us;
    return x < y ? -1 : x > y;
}

static void report(const char *name, samples *s)
{
    if (!s->n) return;
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += s->at[i].us;
    qsort(s->at, s->n, sizeof *s->at, by_time);
    printf("%-14s %8zu  mean %8.2f  p50 %8.2f  p99 %8.2f  p99.9 %8.2f  max %9.2f us\n", name, s->n,
           sum / (double)s->n, s->at[s->n / 2].us, s->at[(size_t)((double)(s->n - 1) * 0.99)].us,
           s->at[(size_t)((double)(s->n - 1) * 0.999)].us, s->at[s->n - 1].us);
}

static void print_worst(const char *name, const samples *s, int n)
{
    for (int i = 0; i < n && (size_t)i < s->n; i++) {
        const sample *x = &s->at[s->n - 1 - (size_t)i];
        size_t len = x->text ? strlen(x->text) : 0;
        printf("  %s %9.2f us  %s  %s\n", name, x->us, x->file,
               x->text ? x->text + (len > 100 ? len - 100 : 0) : "");
    }
}

static void run_instance(bench *b, mn_constraint *c, const char *text, size_t len, bool first)
{
    static const mn_encode_options plain = { .no_special = true };
    minerva_error err;
    mn_matcher *m;
    mn_ids ids = { 0 };
    if (mn_tokenizer_encode(b->tokenizer, text, len, &plain, &ids, &err)
        || mn_matcher_create(&m, c, &err)) return;
    size_t done = 0;
    for (size_t i = 0; i <= ids.n; i++) {
        mn_constraint_stats before, after;
        const uint32_t *mask;
        mn_constraint_stats_get(c, &before);
        double start = now_us();
        minerva_status st = mn_matcher_mask(m, &mask, &err);
        double us = now_us() - start;
        if (st) break;
        mn_constraint_stats_get(c, &after);
        bool cold = after.mask_misses != before.mask_misses;
        if (first) add(&b->all, us, b->file, NULL, 0);
        else add(&b->warm, us, b->file, NULL, 0);
        if (first && cold) add(&b->cold, us, b->file, b->worst ? text : NULL, done);
        if (i == ids.n || mn_matcher_accept(m, ids.ids[i], &err)) break;
        done += mn_tokenizer_bytes(b->tokenizer, ids.ids[i]).len;
        b->n_tokens += first;
    }
    mn_matcher_free(m);
    mn_ids_clear(&ids);
}

static void run_group(bench *b, const char *file, json_t *group)
{
    json_t *schema = json_object_get(group, "schema"), *test;
    size_t i;
    char *source = json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT);
    mn_constraint *c = NULL;
    minerva_error err;
    if (!source) return;
    char name[400];         /* lives as long as the samples that name it */
    const char *about = json_string_value(json_object_get(group, "description"));
    snprintf(name, sizeof name, "%s: %s", file, about ? about : "");
    b->file = b->worst ? strdup(name) : file;
    b->n_schemas++;
    double start = now_us();
    minerva_status st = mn_constraint_compile(&c, b->trie, MN_CONSTRAINT_JSON_SCHEMA, source,
                                              strlen(source), NULL, &err);
    add(&b->compile, now_us() - start, b->file, NULL, 0);
    free(source);
    if (st) {
        b->n_refused++;
        return;
    }
    for (int pass = 0; pass < 2; pass++)
        json_array_foreach(json_object_get(group, "tests"), i, test) {
            if (!json_is_true(json_object_get(test, "valid"))) continue;
            char *text = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY);
            if (text) run_instance(b, c, text, strlen(text), pass == 0);
            free(text);
        }
    mn_constraint_stats stats;
    mn_constraint_stats_get(c, &stats);
    size_t held = stats.table_bytes + stats.mask_bytes;
    if (held > b->tables_max) b->tables_max = held;
    mn_constraint_release(c);
}

static void run_file(bench *b, const char *file)
{
    json_error_t why;
    json_t *all = json_load_file(file, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why), *group;
    size_t i;
    if (!all) fprintf(stderr, "%s: left out: line %d: %s\n", file, why.line, why.text);
    else if (json_is_array(all)) json_array_foreach(all, i, group) run_group(b, file, group);
    else run_group(b, file, all);
    json_decref(all);
}

static minerva_status make_trie(bench *b, minerva_error *err)
{
    int32_t n = mn_tokenizer_n_tokens(b->tokenizer);
    mn_vocab_token *tokens = calloc((size_t)n + 1, sizeof *tokens);
    if (!tokens) return MINERVA_MEMORY;
    for (int32_t i = 0; i < n; i++) {
        mn_str s = mn_tokenizer_bytes(b->tokenizer, i);
        tokens[i] = (mn_vocab_token){ s.data, (uint32_t)s.len, mn_tokenizer_is_special(b->tokenizer, i) };
    }
    double start = now_us();
    minerva_status st = mn_vocab_trie_create(&b->trie, tokens, n, NULL, 0, err);
    if (!st) printf("vocabulary     %8d tokens, %.1f MiB of tables made in %.1f ms\n", n,
                    (double)mn_vocab_trie_size_bytes(b->trie) / (1 << 20), (now_us() - start) / 1e3);
    free(tokens);
    return st;
}

int main(int argc, char **argv)
{
    const char *vocab = "../shared/vocab/ggml-vocab-llama-bpe.gguf";
    bench b = { 0 };
    minerva_error err = { 0 };
    int first = 1;
    for (; first + 1 < argc && !strncmp(argv[first], "--", 2); first += 2) {
        if (!strcmp(argv[first], "--vocab")) vocab = argv[first + 1];
        else if (!strcmp(argv[first], "--worst")) b.worst = atoi(argv[first + 1]);
    }
    if (access(vocab, R_OK)) {
        printf("constrain: skipped: no vocabulary given, and %s is not there\n", vocab);
        return 0;
    }
    gguf_vocab v;
    if (gguf_vocab_open(&v, vocab, &err) || mn_tokenizer_from_gguf(&b.tokenizer, &v.vocab, &err)
        || make_trie(&b, &err)) {
        fprintf(stderr, "%s: %s\n", vocab, err.message);
        return 1;
    }
    glob_t found = { 0 };
    if (first == argc) glob("tests/data/schemas/*.json", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) run_file(&b, found.gl_pathv[i]);
    for (int i = first; i < argc; i++) run_file(&b, argv[i]);
    printf("schemas        %8zu, %zu refused; %zu tokens; largest constraint %.1f MiB\n", b.n_schemas,
           b.n_refused, b.n_tokens, (double)b.tables_max / (1 << 20));
    report("compile", &b.compile);
    report("mask, all", &b.all);
    report("mask, cold", &b.cold);
    report("mask, warm", &b.warm);
    print_worst("compile", &b.compile, b.worst);
    print_worst("mask", &b.cold, b.worst);
    mn_vocab_trie_free(b.trie);
    mn_tokenizer_free(b.tokenizer);
    return 0;
}
