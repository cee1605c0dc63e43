/* Drawing a token from logits.
 *
 * The logits are copied once into candidates only where something changes them; greedy
 * sampling without penalties reads them in place.  Candidates are sorted no further than a
 * step needs: top-p on a flat distribution over 128k tokens sorts a few hundred.
 *
 * (1) Equal options, seed, history and logits give equal tokens: every draw takes its
 *     random number from (seed, count of draws), never from a clock or an address.
 * (2) Ties are broken towards the lower id everywhere.
 * (3) Nothing is allocated per token but the history, which grows by doubling.
 */
#include "base/status.h"
#include "minerva.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    float logit;
    int32_t id;
} candidate;

typedef struct {
    candidate *items;           /* [n]; items[0..sorted) are the best, in order */
    size_t n, sorted;
} shortlist;

struct minerva_sampler {
    minerva_sampling o;
    int32_t vocab;
    int32_t *history;
    size_t n_history, capacity;
    uint32_t *counts;           /* [vocab] within the penalty window; NULL if unused */
    float *logits;              /* [vocab] adjusted copy */
    candidate *items;           /* [vocab] */
    float *weights;             /* [vocab] */
    int32_t *dry_match;         /* grows with history */
    size_t dry_capacity;
    uint64_t draws;
    float mirostat_mu;
};

/* ---- options ----------------------------------------------------------------------- */

static bool in_range(float v, float lo, float hi) { return v >= lo && v <= hi; }

static minerva_status check(const minerva_sampling *o, int32_t vocab, minerva_error *err)
{
    const struct { const char *name; float value, lo, hi; } ranges[] = {
        { "temperature", o->temperature, 0, 1e6f },
        { "top_k", (float)o->top_k, 0, 2147483648.0f },
        { "top_p", o->top_p, 0, 1 },
        { "min_p", o->min_p, 0, 1 },
        { "typical_p", o->typical_p, 0, 1 },
        { "repeat_penalty", o->repeat_penalty, 0, 1e6f },
        { "frequency_penalty", o->frequency_penalty, -1e6f, 1e6f },
        { "presence_penalty", o->presence_penalty, -1e6f, 1e6f },
        { "penalty_last_n", (float)o->penalty_last_n, -1, 2147483648.0f },
        { "dry_multiplier", o->dry_multiplier, 0, 1e6f },
        { "dry_base", o->dry_base, 0, 1e6f },
        { "dry_allowed_length", (float)o->dry_allowed_length, 0, 2147483648.0f },
        { "dry_last_n", (float)o->dry_last_n, 0, 2147483648.0f },
        { "xtc_probability", o->xtc_probability, 0, 1 },
        { "xtc_threshold", o->xtc_threshold, 0, 1 },
        { "mirostat", (float)o->mirostat, 0, 2 },
        { "mirostat_tau", o->mirostat_tau, 0, 1e6f },
        { "mirostat_eta", o->mirostat_eta, 0, 1e6f },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!in_range(ranges[i].value, ranges[i].lo, ranges[i].hi))
            return mn_fail(err, MINERVA_INVALID, "%s: %g to %g expected, %g found",
                           ranges[i].name, ranges[i].lo, ranges[i].hi, ranges[i].value);
    for (size_t i = 0; i < o->n_logit_bias; i++) {
        int32_t token = o->logit_bias[i].token;
        if (token < 0 || token >= vocab)
            return mn_fail(err, MINERVA_INVALID, "logit_bias: a token of 0 to %d expected, %d "
                           "found", vocab - 1, token);
        if (isnan(o->logit_bias[i].bias))
            return mn_fail(err, MINERVA_INVALID, "logit_bias: a number expected, NaN found");
    }
    if (vocab < 1) return mn_fail(err, MINERVA_INVALID, "vocab: at least 1 expected");
    return MINERVA_OK;
}

static bool has_penalties(const minerva_sampling *o)
{
    return (o->repeat_penalty != 0 && o->repeat_penalty != 1) || o->frequency_penalty != 0
           || o->presence_penalty != 0;
}

static void *duplicate(const void *items, size_t n, size_t size)
{
    void *copy = malloc(n * size + 1);
    if (copy && n) memcpy(copy, items, n * size);
    return copy;
}

minerva_status minerva_sampler_create(minerva_sampler **out, const minerva_sampling *options,
                                      int32_t vocab, minerva_error *err)
{
    minerva_sampling greedy = { 0 };
    const minerva_sampling *o = options ? options : &greedy;
    minerva_status st = check(o, vocab, err);
    if (st != MINERVA_OK) return st;
    minerva_sampler *s = calloc(1, sizeof *s);
    if (!s) return mn_fail_memory(err, sizeof *s);
    s->o = *o;
    s->vocab = vocab;
    s->o.logit_bias = duplicate(o->logit_bias, o->n_logit_bias, sizeof *o->logit_bias);
    s->o.dry_breakers = duplicate(o->dry_breakers, o->n_dry_breakers, sizeof *o->dry_breakers);
    s->logits = malloc((size_t)vocab * sizeof *s->logits);
    s->items = malloc((size_t)vocab * sizeof *s->items);
    s->weights = malloc((size_t)vocab * sizeof *s->weights);
    if (has_penalties(o)) s->counts = calloc((size_t)vocab, sizeof *s->counts);
    if (!s->o.logit_bias || !s->o.dry_breakers || !s->logits || !s->items || !s->weights
        || (has_penalties(o) && !s->counts)) {
        minerva_sampler_free(s);
        return mn_fail_memory(err, (size_t)vocab * 20);
    }
    if (s->o.penalty_last_n == 0) s->o.penalty_last_n = 64;
    if (s->o.dry_base == 0) s->o.dry_base = 1.75f;
    if (s->o.dry_allowed_length == 0) s->o.dry_allowed_length = 2;
    if (s->o.mirostat_tau == 0) s->o.mirostat_tau = 5;
    if (s->o.mirostat_eta == 0) s->o.mirostat_eta = 0.1f;
    s->mirostat_mu = 2 * s->o.mirostat_tau;
    *out = s;
    return MINERVA_OK;
}

void minerva_sampler_free(minerva_sampler *s)
{
    if (!s) return;
    free((void *)s->o.logit_bias);
    free((void *)s->o.dry_breakers);
    free(s->history);
    free(s->counts);
    free(s->logits);
    free(s->items);
    free(s->weights);
    free(s->dry_match);
    free(s);
}

minerva_status minerva_sampler_accept(minerva_sampler *s, int32_t token, minerva_error *err)
{
    if (token < 0 || token >= s->vocab)
        return mn_fail(err, MINERVA_INVALID, "token: 0 to %d expected, %d found", s->vocab - 1,
                       token);
    if (s->n_history == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 256;
        int32_t *history = realloc(s->history, capacity * sizeof *history);
        if (!history) return mn_fail_memory(err, capacity * sizeof *history);
        s->history = history;
        s->capacity = capacity;
    }
    s->history[s->n_history++] = token;
    if (s->counts) {
        size_t window = (size_t)s->o.penalty_last_n;
        s->counts[token]++;
        if (s->o.penalty_last_n > 0 && s->n_history > window)
            s->counts[s->history[s->n_history - 1 - window]]--;
    }
    return MINERVA_OK;
}

/* ---- adjustments ------------------------------------------------------------------- */

static void apply_penalties(minerva_sampler *s, float *logits)
{
    const minerva_sampling *o = &s->o;
    size_t n = s->n_history, window = (size_t)o->penalty_last_n;
    size_t from = o->penalty_last_n > 0 && n > window ? n - window : 0;
    for (size_t i = from; i < n; i++) {
        int32_t t = s->history[i];
        uint32_t count = s->counts[t];
        if (!count) continue;               /* done at an earlier occurrence */
        if (o->repeat_penalty != 0 && o->repeat_penalty != 1)
            logits[t] = logits[t] > 0 ? logits[t] / o->repeat_penalty
                                      : logits[t] * o->repeat_penalty;
        logits[t] -= (float)count * o->frequency_penalty + o->presence_penalty;
        s->counts[t] = 0;
    }
    for (size_t i = from; i < n; i++) s->counts[s->history[i]]++;
}

static bool is_breaker(const minerva_sampler *s, int32_t token)
{
    for (size_t i = 0; i < s->o.n_dry_breakers; i++)
        if (s->o.dry_breakers[i] == token) return true;
    return false;
}

/* DRY: a token that would continue a repetition of the text's end is made less likely by
 * multiplier * base^(length of the repetition - allowed).  The lengths come from the Z
 * function of the reversed history: z[i] = how far the text that ends i tokens before the
 * end equals the end. */
static bool apply_dry(minerva_sampler *s, float *logits)
{
    size_t n = s->n_history;
    if (s->o.dry_last_n > 0 && n > (size_t)s->o.dry_last_n) n = (size_t)s->o.dry_last_n;
    const int32_t *end = s->history + s->n_history;     /* end[-1 - i]: reversed history */
    size_t most = 0;                                    /* matches stop at a breaker */
    while (most < n && !is_breaker(s, end[-1 - (ptrdiff_t)most])) most++;
    if (n < 2 || most == 0) return true;
    if (s->dry_capacity < n) {
        int32_t *z = realloc(s->dry_match, 2 * n * sizeof *z);
        if (!z) return false;
        s->dry_match = z;
        s->dry_capacity = 2 * n;
    }
    int32_t *z = s->dry_match;
    size_t left = 0, right = 0;
    for (size_t i = 1; i < n; i++) {
        size_t len = 0;
        if (i < right) {
            len = (size_t)z[i - left];
            if (len > right - i) len = right - i;
        }
        while (i + len < n && end[-1 - (ptrdiff_t)len] == end[-1 - (ptrdiff_t)(i + len)]) len++;
        if (i + len > right) {
            left = i;
            right = i + len;
        }
        z[i] = (int32_t)len;
    }
    /* The token that followed the occurrence ending i tokens back. */
    for (size_t i = 1; i < n; i++) {
        size_t len = (size_t)z[i] < most ? (size_t)z[i] : most;
        if (len < (size_t)s->o.dry_allowed_length) continue;
        int32_t next = end[-(ptrdiff_t)i];
        s->weights[next] = 0;
    }
    for (size_t i = 1; i < n; i++) {
        size_t len = (size_t)z[i] < most ? (size_t)z[i] : most;
        if (len < (size_t)s->o.dry_allowed_length) continue;
        int32_t next = end[-(ptrdiff_t)i];
        float over = (float)(len - (size_t)s->o.dry_allowed_length);
        float penalty = s->o.dry_multiplier * powf(s->o.dry_base, fminf(over, 200));
        if (penalty > s->weights[next]) {
            logits[next] -= penalty - s->weights[next];
            s->weights[next] = penalty;
        }
    }
    return true;
}

/* The logits to draw from: the caller's own if nothing changes them. */
static const float *adjusted(minerva_sampler *s, const float *logits, minerva_error *err)
{
    bool penalise = s->counts && s->n_history;
    bool dry = s->o.dry_multiplier > 0 && s->n_history;
    if (!penalise && !dry && !s->o.n_logit_bias) return logits;
    memcpy(s->logits, logits, (size_t)s->vocab * sizeof *logits);
    for (size_t i = 0; i < s->o.n_logit_bias; i++)
        s->logits[s->o.logit_bias[i].token] += s->o.logit_bias[i].bias;
    if (penalise) apply_penalties(s, s->logits);
    if (dry && !apply_dry(s, s->logits)) {
        mn_fail_memory(err, s->n_history * sizeof *s->dry_match);
        return NULL;
    }
    return s->logits;
}

/* ---- candidates -------------------------------------------------------------------- */

static bool better(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static int by_logit(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    return better(*a, *b) ? -1 : better(*b, *a) ? 1 : 0;
}

/* Move the `k` best of items[0..n) to the front (quickselect, median of three). */
static void select_best(candidate *items, size_t n, size_t k)
{
    size_t lo = 0, hi = n;
    while (k > lo && k < hi) {
        if (hi - lo <= 8) {
            qsort(items + lo, hi - lo, sizeof *items, by_logit);
            return;
        }
        candidate a = items[lo], b = items[lo + (hi - lo) / 2], c = items[hi - 1];
        candidate pivot = better(a, b) ? (better(b, c) ? b : better(a, c) ? c : a)
                                       : (better(a, c) ? a : better(b, c) ? c : b);
        size_t i = lo, j = hi - 1;
        for (;;) {
            while (better(items[i], pivot)) i++;
            while (better(pivot, items[j])) j--;
            if (i >= j) break;
            candidate t = items[i];
            items[i++] = items[j];
            items[j--] = t;
        }
        size_t cut = j + 1;
        if (k <= cut) hi = cut;
        else lo = cut;
    }
}

/* Make items[0..want) the best, in order. */
static void sort_front(shortlist *c, size_t want)
{
    if (want > c->n) want = c->n;
    if (want <= c->sorted) return;
    if (want < c->sorted * 2) want = c->sorted * 2 < c->n ? c->sorted * 2 : c->n;
    select_best(c->items + c->sorted, c->n - c->sorted, want - c->sorted);
    qsort(c->items + c->sorted, want - c->sorted, sizeof *c->items, by_logit);
    c->sorted = want;
}

static bool allowed(const uint32_t *mask, int32_t id)
{
    return !mask || (mask[id >> 5] >> (id & 31) & 1);
}

static int32_t argmax(const float *logits, const uint32_t *mask, int32_t vocab)
{
    int32_t best = -1;
    float top = -INFINITY;
    for (int32_t i = 0; i < vocab; i++)
        if (logits[i] > top && allowed(mask, i)) {
            top = logits[i];
            best = i;
        }
    return best;
}

static void collect(minerva_sampler *s, shortlist *c, const float *logits, const uint32_t *mask)
{
    *c = (shortlist){ .items = s->items };
    for (int32_t i = 0; i < s->vocab; i++)
        if (logits[i] > -INFINITY && allowed(mask, i))
            c->items[c->n++] = (candidate){ logits[i], i };
}

static float best_logit(const shortlist *c)
{
    if (c->sorted) return c->items[0].logit;
    float top = -INFINITY;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit > top) top = c->items[i].logit;
    return top;
}

/* exp(logit - best) of every candidate into w; returns the sum. */
static double weigh(const shortlist *c, float *w)
{
    float top = best_logit(c);
    double sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        w[i] = expf(c->items[i].logit - top);
        sum += w[i];
    }
    return sum;
}

static void keep(shortlist *c, size_t n)
{
    if (n < 1) n = 1;
    if (n < c->n) c->n = n;
    if (c->sorted > c->n) c->sorted = c->n;
}

/* ---- the steps --------------------------------------------------------------------- */

static void step_top_p(shortlist *c, float *w, float p)
{
    double sum = weigh(c, w), have = 0;
    float top = best_logit(c);
    for (size_t i = 0; i < c->n; i++) {
        if (i >= c->sorted) sort_front(c, i ? 2 * i : 64);
        have += expf(c->items[i].logit - top);
        if (have >= (double)p * sum) {
            keep(c, i + 1);
            return;
        }
    }
}

static void step_min_p(shortlist *c, float min_p)
{
    float least = best_logit(c) + logf(min_p);
    size_t n = 0;
    if (c->sorted == c->n) {
        while (n < c->n && c->items[n].logit >= least) n++;
        keep(c, n);
        return;
    }
    c->sorted = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit >= least) c->items[n++] = c->items[i];
    c->n = n;
}

typedef struct {
    float distance;             /* |surprise - entropy| */
    candidate item;
} typical_item;

static int by_distance(const void *pa, const void *pb)
{
    const typical_item *a = pa, *b = pb;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return a->item.id < b->item.id ? -1 : a->item.id > b->item.id;
}

static bool step_typical(shortlist *c, float *w, float p)
{
    double sum = weigh(c, w), entropy = 0;
    for (size_t i = 0; i < c->n; i++) {
        double q = w[i] / sum;
        if (q > 0) entropy -= q * log(q);
    }
    typical_item *t = malloc(c->n * sizeof *t);
    if (!t) return false;
    for (size_t i = 0; i < c->n; i++) {
        double q = w[i] / sum;
        t[i] = (typical_item){ q > 0 ? (float)fabs(-log(q) - entropy) : INFINITY, c->items[i] };
    }
    qsort(t, c->n, sizeof *t, by_distance);
    float top = best_logit(c);
    double have = 0;
    size_t n = 0;
    while (n < c->n && have < (double)p * sum) {
        have += expf(t[n].item.logit - top);
        c->items[n] = t[n].item;
        n++;
    }
    free(t);
    c->sorted = 0;
    keep(c, n);
    return true;
}

/* Uniform in [0, 1): splitmix64 of (seed, draw). */
static double uniform(minerva_sampler *s)
{
    uint64_t z = s->o.seed + ++s->draws * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* XTC (exclude top choices): with some probability drop every token above the threshold
 * but the least likely of them. */
static void step_xtc(minerva_sampler *s, shortlist *c, float *w)
{
    if (s->o.xtc_threshold > 0.5f || c->n < 2) return;
    if (uniform(s) >= s->o.xtc_probability) return;
    double sum = weigh(c, w);
    float top = best_logit(c);
    size_t above = 0;
    for (; above < c->n; above++) {
        if (above >= c->sorted) sort_front(c, above ? 2 * above : 64);
        if (expf(c->items[above].logit - top) < s->o.xtc_threshold * sum) break;
    }
    if (above < 2) return;
    memmove(c->items, c->items + above - 1, (c->n - above + 1) * sizeof *c->items);
    c->n -= above - 1;
    c->sorted -= above - 1;
}

static int32_t draw(minerva_sampler *s, shortlist *c, float *w, float *probability)
{
    double sum = weigh(c, w), at = uniform(s) * sum;
    size_t i = 0;
    for (; i + 1 < c->n; i++) {
        at -= w[i];
        if (at < 0) break;
    }
    if (probability) *probability = (float)(w[i] / sum);
    return c->items[i].id;
}

static void temper(shortlist *c, float temperature)
{
    for (size_t i = 0; i < c->n; i++) c->items[i].logit /= temperature;
}

/* Mirostat (2007.14966): keep the surprise of drawn tokens near tau.  Version 1 estimates
 * the Zipf exponent from the best 100 tokens and derives k; version 2 cuts by surprise. */
static int32_t step_mirostat(minerva_sampler *s, shortlist *c)
{
    float probability;
    temper(c, s->o.temperature);
    if (s->o.mirostat == 1) {
        enum { M = 100 };
        size_t m = c->n < M ? c->n : M;
        sort_front(c, m);
        double sum_tb = 0, sum_tt = 0;
        for (size_t i = 0; i + 1 < m; i++) {
            double t = log((double)(i + 2) / (double)(i + 1));
            double b = c->items[i].logit - c->items[i + 1].logit;
            sum_tb += t * b;
            sum_tt += t * t;
        }
        double zipf = sum_tt > 0 ? sum_tb / sum_tt : 1, epsilon = zipf - 1;
        double k = pow(epsilon * pow(2, s->mirostat_mu)
                       / (1 - pow((double)s->vocab, -epsilon)), 1 / zipf);
        if (!(k >= 1)) k = 1;
        size_t n = k < (double)c->n ? (size_t)k : c->n;
        sort_front(c, n);
        keep(c, n);
    } else {
        double sum = weigh(c, s->weights);
        float top = best_logit(c);
        /* surprise = -log2(p) <= mu  <=>  logit >= top + ln(sum) - mu ln 2 */
        float least = top + (float)(log(sum) - s->mirostat_mu * M_LN2);
        if (least > top) least = top;
        size_t n = 0;
        c->sorted = 0;
        for (size_t i = 0; i < c->n; i++)
            if (c->items[i].logit >= least) c->items[n++] = c->items[i];
        c->n = n;
    }
    int32_t token = draw(s, c, s->weights, &probability);
    s->mirostat_mu -= s->o.mirostat_eta * (-log2f(probability) - s->o.mirostat_tau);
    return token;
}

static int32_t sample(minerva_sampler *s, const float *logits, const uint32_t *mask,
                      minerva_error *err)
{
    const minerva_sampling *o = &s->o;
    shortlist c;
    collect(s, &c, logits, mask);
    if (!c.n) return -1;
    if (o->mirostat) return step_mirostat(s, &c);
    if (o->top_k > 0 && (size_t)o->top_k < c.n) {
        sort_front(&c, (size_t)o->top_k);
        keep(&c, (size_t)o->top_k);
    }
    if (o->typical_p > 0 && o->typical_p < 1 && !step_typical(&c, s->weights, o->typical_p)) {
        mn_fail_memory(err, c.n * sizeof(typical_item));
        return -1;
    }
    if (o->top_p > 0 && o->top_p < 1) step_top_p(&c, s->weights, o->top_p);
    if (o->min_p > 0) step_min_p(&c, o->min_p);
    if (o->xtc_probability > 0) step_xtc(s, &c, s->weights);
    temper(&c, o->temperature);
    return draw(s, &c, s->weights, NULL);
}

/* ---- log-probabilities ------------------------------------------------------------- */

static void fill_logprobs(const float *logits, int32_t vocab, int32_t token, float *own,
                          minerva_token_logprob *top, size_t n_top)
{
    float best = -INFINITY;
    for (int32_t i = 0; i < vocab; i++)
        if (logits[i] > best) best = logits[i];
    double sum = 0;
    for (int32_t i = 0; i < vocab; i++) sum += expf(logits[i] - best);
    float log_sum = best + (float)log(sum);
    if (own) *own = logits[token] - log_sum;
    /* Insertion into a short ordered list; equal logits stay in order of id. */
    size_t n = 0;
    for (int32_t i = 0; i < vocab && n_top; i++) {
        float logprob = logits[i] - log_sum;
        if (n == n_top && !(logprob > top[n - 1].logprob)) continue;
        size_t k = n < n_top ? n++ : n - 1;
        for (; k && logprob > top[k - 1].logprob; k--) top[k] = top[k - 1];
        top[k] = (minerva_token_logprob){ i, logprob };
    }
    for (; n < n_top; n++) top[n] = (minerva_token_logprob){ -1, -INFINITY };
}

minerva_status minerva_sampler_sample(minerva_sampler *s, const float *logits,
                                      const uint32_t *mask, int32_t *token, float *own_logprob,
                                      minerva_token_logprob *top, size_t n_top,
                                      minerva_error *err)
{
    minerva_error why = { 0 };
    const float *work = adjusted(s, logits, &why);
    int32_t id = -1;
    if (work) {
        bool greedy = s->o.temperature == 0;
        id = greedy ? argmax(work, mask, s->vocab) : sample(s, work, mask, &why);
    }
    if (id < 0) {
        if (why.code == MINERVA_OK)
            mn_fail(&why, MINERVA_INVALID, mask ? "no token is allowed by the mask and has a "
                    "logit that is a number" : "no logit is a number above -infinity");
        if (err) *err = why;
        return why.code;
    }
    if (own_logprob || (top && n_top))
        fill_logprobs(logits, s->vocab, id, own_logprob, top, top ? n_top : 0);
    *token = id;
    return MINERVA_OK;
}
