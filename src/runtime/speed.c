/* minerva_bench(): speed beside the machine's limits.
 *
 * Definitions are llama-bench's, so that tables compare: random tokens, no sampling,
 * logits of the last position only, one warm-up, the median of the repetitions.
 * pp N: N prompt tokens after `depth` others.  tg N: N tokens one by one after `depth`;
 * with B streams, N tokens of each, B at a time, and the rate is that of all together.
 *
 * Limits: a decoded token reads the active weights once and the state of the positions it
 * sees; a prompt token needs the multiply-accumulates of the layers' matrices and of its
 * attention.  The rates are what the backend measures on this machine just now.
 */
#include "base/clock.h"
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPETITIONS = 1000 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void random_tokens(int32_t *ids, size_t n, int32_t vocab, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((*state >> 33) % (uint64_t)vocab);
    }
}

/* Seconds of one run; the session is cut back to `depth` (or refilled) before. */
static minerva_status one_run(minerva_model *m, bool prompt, int32_t n, int32_t depth,
                              int32_t *ids, float *logits, double *seconds, minerva_error *err)
{
    minerva_session *s = NULL;
    uint64_t state = 42;
    minerva_status st = minerva_session_create(&s, m, err);
    if (st != MINERVA_OK) return st;
    int32_t vocab = minerva_model_vocab(m);
    random_tokens(ids, (size_t)depth, vocab, &state);
    if (depth) st = mn_runtime_eval(s, ids, (size_t)depth, NULL, NULL, NULL, err);
    random_tokens(ids, (size_t)n, vocab, &state);
    double start = mn_clock_s();
    if (st == MINERVA_OK && prompt)
        st = mn_runtime_eval(s, ids, (size_t)n, logits, NULL, NULL, err);
    for (int32_t i = 0; i < n && !prompt && st == MINERVA_OK; i++)
        st = mn_runtime_eval(s, ids + i, 1, logits, NULL, NULL, err);
    *seconds = mn_clock_s() - start;
    minerva_session_free(s);
    return st;
}

/* Seconds in which `streams` sequences of their own get n tokens each. */
static minerva_status run_streams(minerva_model *m, int32_t streams, int32_t n, int32_t depth,
                                  double *seconds, minerva_error *err)
{
    const mn_backend *b = m->backend;
    size_t count = (size_t)streams;
    mn_seq **seqs = calloc(count, sizeof *seqs);
    mn_span *spans = calloc(count, sizeof *spans);
    int32_t *ids = calloc((size_t)(streams > m->max_batch ? streams : m->max_batch), sizeof *ids);
    minerva_status st = seqs && spans && ids ? MINERVA_OK : mn_fail_memory(err, count);
    uint64_t state = 42;
    mn_output out;
    pthread_mutex_lock(&m->engine_lock);
    for (int32_t i = 0; i < streams && st == MINERVA_OK; i++) {
        st = b->seq_create(m->engine, &seqs[i], err);
        for (int32_t at = 0, k; at < depth && st == MINERVA_OK; at += k) {
            k = depth - at < m->max_batch ? depth - at : m->max_batch;
            random_tokens(ids, (size_t)k, b->vocab(m->engine), &state);
            mn_span span = { seqs[i], 0, k };
            st = b->forward(m->engine, &(mn_batch){ .tokens = ids, .n_tokens = k,
                            .spans = &span, .n_spans = 1 }, &out, err);
        }
        spans[i] = (mn_span){ seqs[i], i, 1 };
    }
    double start = mn_clock_s();
    for (int32_t i = 0; i < n && st == MINERVA_OK; i++) {
        random_tokens(ids, count, b->vocab(m->engine), &state);
        st = b->forward(m->engine, &(mn_batch){ .tokens = ids, .n_tokens = streams,
                        .spans = spans, .n_spans = streams }, &out, err);
    }
    *seconds = mn_clock_s() - start;
    for (size_t i = 0; seqs && i < count; i++) b->seq_free(m->engine, seqs[i]);
    pthread_mutex_unlock(&m->engine_lock);
    free(seqs);
    free(spans);
    free(ids);
    return st;
}

/* Positions that n tokens after `depth` others see, one with another. */
static double mean_positions(int32_t window, int32_t n, int32_t depth)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        double seen = (double)depth + i + 1;
        sum += window && seen > window ? window : seen;
    }
    return n ? sum / n : 0;
}

/* The bound that binds: arithmetic for a prompt, memory for tokens one by one. */
static double limit_tokens_per_s(const mn_limits *l, bool prompt, int32_t n, int32_t depth,
                                 int32_t streams)
{
    double bytes = (double)l->bytes_per_token / streams, macs = (double)l->macs_per_token;
    for (int32_t i = 0; i < l->n_attention; i++) {
        const mn_attention_cost *a = &l->attention[i];
        double positions = mean_positions(a->window, n, depth);
        bytes += (double)a->bytes_per_position * positions;
        macs += (double)a->macs_per_position * positions;
    }
    if (prompt) return macs > 0 ? l->macs_per_s / macs : 0;
    return bytes > 0 ? l->read_bytes_per_s / bytes : 0;
}

static minerva_status measure(minerva_model *m, const minerva_bench_options *o, bool prompt,
                              const mn_limits *limits, json_t *rows, minerva_error *err)
{
    int32_t n = prompt ? o->n_prompt : o->n_generate;
    int repetitions = o->repetitions ? o->repetitions : 5;
    size_t room = (size_t)(n > o->depth ? n : o->depth);
    int32_t *ids = malloc((room + 1) * sizeof *ids);
    float *logits = malloc((size_t)minerva_model_vocab(m) * sizeof *logits);
    int32_t streams = !prompt && o->streams > 1 ? o->streams : 1;
    double rates[MAX_REPETITIONS], seconds;
    minerva_status st = ids && logits ? MINERVA_OK : mn_fail_memory(err, room * sizeof *ids);
    char name[64];
    snprintf(name, sizeof name, "%s%d", prompt ? "pp" : "tg", n);
    if (streams > 1) snprintf(name + strlen(name), 32, "x%d", streams);
    if (o->depth) snprintf(name + strlen(name), 32, "@d%d", o->depth);
    if (st == MINERVA_OK)       /* warm-up: pages, caches, threads */
        st = streams > 1 ? run_streams(m, streams, n < 2 ? n : 2, o->depth, &seconds, err)
                         : one_run(m, prompt, prompt ? n : (n < 2 ? n : 2),
                                   prompt ? 0 : o->depth, ids, logits, &seconds, err);
    for (int r = 0; r < repetitions && st == MINERVA_OK; r++) {
        st = streams > 1 ? run_streams(m, streams, n, o->depth, &seconds, err)
                         : one_run(m, prompt, n, o->depth, ids, logits, &seconds, err);
        rates[r] = (double)n * streams / seconds;
        if (st == MINERVA_OK && o->on_run && !o->on_run(o->ctx, name, r, rates[r]))
            st = mn_fail(err, MINERVA_CANCELLED, "the measurement was stopped");
    }
    if (st == MINERVA_OK) {
        qsort(rates, (size_t)repetitions, sizeof *rates, by_value);
        double median = repetitions % 2 ? rates[repetitions / 2]
                        : (rates[repetitions / 2 - 1] + rates[repetitions / 2]) / 2;
        double limit = limits ? limit_tokens_per_s(limits, prompt, n, o->depth, streams) : 0;
        json_t *row = json_pack("{s:s, s:f, s:f, s:f}", "test", name, "tokens_per_s", median,
                                "min", rates[0], "max", rates[repetitions - 1]);
        if (limit > 0) {
            json_object_set_new(row, "limit_tokens_per_s", json_real(limit));
            json_object_set_new(row, "share", json_real(median / limit));
        }
        json_array_append_new(rows, row);
    }
    free(ids);
    free(logits);
    return st;
}

static minerva_status check(const minerva_model *m, const minerva_bench_options *o,
                            minerva_error *err)
{
    const struct { const char *name; int64_t value, most; } ranges[] = {
        { "n_prompt", o->n_prompt, INT32_MAX }, { "n_generate", o->n_generate, INT32_MAX },
        { "depth", o->depth, INT32_MAX }, { "repetitions", o->repetitions, MAX_REPETITIONS },
        { "streams", o->streams, m->max_batch },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < 0 || ranges[i].value > ranges[i].most)
            return mn_fail(err, MINERVA_INVALID, "%s: 0 to %lld expected, %lld found",
                           ranges[i].name, (long long)ranges[i].most,
                           (long long)ranges[i].value);
    int64_t longest = (int64_t)o->depth
                      + (o->n_prompt > o->n_generate ? o->n_prompt : o->n_generate);
    if (longest > minerva_model_context(m))
        return mn_fail(err, MINERVA_FULL, "context: %d tokens at most, %lld wanted",
                       minerva_model_context(m), (long long)longest);
    return MINERVA_OK;
}

minerva_status minerva_bench(minerva_model *m, const minerva_bench_options *o, char **json,
                             minerva_error *err)
{
    minerva_status st = mn_runtime_need_engine(m, err);
    if (st == MINERVA_OK) st = check(m, o, err);
    if (st != MINERVA_OK) return st;
    mn_limits limits = { 0 };
    bool limited = m->backend->limits != NULL;
    if (limited) {
        pthread_mutex_lock(&m->engine_lock);
        st = m->backend->limits(m->engine, &limits, err);
        pthread_mutex_unlock(&m->engine_lock);
        if (st != MINERVA_OK) return st;
    }
    mn_backend_info info = { 0 };
    m->backend->probe(&info);
    json_t *rows = json_array();
    json_t *machine = json_pack("{s:s, s:s}", "backend", m->backend->name, "device", info.device);
    if (limited) {
        json_object_set_new(machine, "kernels", json_string(limits.kernels));
        json_object_set_new(machine, "read_bytes_per_s", json_real(limits.read_bytes_per_s));
        json_object_set_new(machine, "macs_per_s", json_real(limits.macs_per_s));
        if (limits.int8_macs_per_s > 0)
            json_object_set_new(machine, "int8_macs_per_s", json_real(limits.int8_macs_per_s));
        if (limits.bf16_macs_per_s > 0)
            json_object_set_new(machine, "bf16_macs_per_s", json_real(limits.bf16_macs_per_s));
        json_object_set_new(machine, "bytes_per_token",
                            json_integer((json_int_t)limits.bytes_per_token));
        json_object_set_new(machine, "macs_per_token",
                            json_integer((json_int_t)limits.macs_per_token));
    }
    json_t *all = json_pack("{s:o, s:s, s:o}", "machine", machine, "model", m->source->path,
                            "rows", rows);
    if (o->n_prompt)
        st = measure(m, o, true, limited ? &limits : NULL, rows, err);
    if (st == MINERVA_OK && o->n_generate)
        st = measure(m, o, false, limited ? &limits : NULL, rows, err);
    if (st == MINERVA_OK) {
        *json = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        if (!*json) st = mn_fail_memory(err, 1);
    }
    json_decref(all);
    return st;
}
