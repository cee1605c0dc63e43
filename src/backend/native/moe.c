/* Mixtures of experts: choose, sort by expert, multiply, add up.
 *
 *   router      logits of all experts, in f32 whatever the mode: a choice that flips costs
 *               more than all rounding together
 *   choose      the best n_used of each token and their weights
 *   sort        assignments (token, choice) in order of expert: `tokens` lists the
 *               tokens of expert 0, then 1, ...; expert e owns [start[e], start[e + 1])
 *   gate, up    every expert with tokens is a job over its part of the list
 *   down        reads the assignments' rows in that order
 *   add         each token collects its own rows, weighted
 *
 * Routing kinds: plan.h.  Groups after DeepSeek-V3 (2412.19437, section 2.1.2). */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

typedef struct {
    float *logits, *score;      /* [n][n_experts] */
    float *routed;              /* [n][hidden]: the router's own input (gemma 4) */
    float *weight;              /* [n][n_used] */
    int32_t *expert;            /* [n][n_used] chosen */
    int32_t *row;               /* [n][n_used] assignment's place in expert order */
    int32_t *start;             /* [n_experts + 1] */
    int32_t *tokens;            /* [n * n_used] token of each assignment, expert order */
    float *gate, *up;           /* [n * n_used][width] */
    float *in;                  /* [n * n_used][hidden]: scaled inputs (llama 4) */
    float *down;                /* [n * n_used][hidden] */
    mn_job *jobs;               /* [2 * n_experts] of this thread */
} buffers;

static void lay_out(mn_scratch *s, const mn_experts *m, int32_t n, buffers *b)
{
    int64_t hidden = m->down.rows, width = m->up.rows, all = (int64_t)n * m->n_used;
    b->logits = mn_scratch_floats(s, n, m->n_experts);
    b->score = mn_scratch_floats(s, n, m->n_experts);
    b->routed = mn_scratch_floats(s, n, hidden);
    b->weight = mn_scratch_floats(s, n, m->n_used);
    b->expert = mn_scratch_bytes(s, (size_t)all * sizeof *b->expert);
    b->row = mn_scratch_bytes(s, (size_t)all * sizeof *b->row);
    b->start = mn_scratch_bytes(s, (size_t)(m->n_experts + 1) * sizeof *b->start);
    b->tokens = mn_scratch_bytes(s, (size_t)all * sizeof *b->tokens);
    b->gate = mn_weight_present(&m->gate) ? mn_scratch_floats(s, all, width) : NULL;
    b->up = mn_scratch_floats(s, all, width);
    b->in = m->weight_input ? mn_scratch_floats(s, all, hidden) : NULL;
    b->down = mn_scratch_floats(s, all, hidden);
}

static size_t job_bytes(const mn_experts *m) { return (size_t)m->n_experts * 2 * sizeof(mn_job); }

void mn_experts_needs(mn_needs *needs, const mn_experts *m, int32_t n)
{
    buffers b;
    size_t mark = needs->scratch.used;
    lay_out(&needs->scratch, m, n, &b);
    needs->scratch.used = mark;
    int64_t all = (int64_t)n * m->n_used;
    mn_needs_pack_lists(needs, m->weight_input ? all : n, m->up.cols, all, m->n_experts);
    mn_needs_pack_lists(needs, all, m->down.cols, all, m->n_experts);
    if (job_bytes(m) > needs->thread_bytes) needs->thread_bytes = job_bytes(m);
}

/* ---- choosing ---------------------------------------------------------------------- */

/* The best k, best first, ties to the lower index. */
static void best(const float *score, int32_t n, int32_t k, int32_t *out)
{
    int32_t found = 0;
    for (int32_t i = 0; i < n; i++) {
        if (found == k && !(score[i] > score[out[k - 1]])) continue;
        int32_t at = found < k ? found++ : k - 1;
        for (; at > 0 && score[i] > score[out[at - 1]]; at--) out[at] = out[at - 1];
        out[at] = i;
    }
}

static float group_score(const mn_experts *m, const float *score, int32_t size)
{
    float first = -INFINITY, second = -INFINITY;
    for (int32_t i = 0; i < size; i++) {
        if (score[i] > first) {
            second = first;
            first = score[i];
        } else if (score[i] > second) {
            second = score[i];
        }
    }
    return m->group_by_max || size == 1 ? first : first + second;
}

/* Scores of experts outside the best groups become -inf. */
static void keep_best_groups(const mn_experts *m, float *score)
{
    int32_t size = m->n_experts / m->n_groups;
    float group[256] = { 0 };
    int32_t chosen[256];
    if (m->n_groups > 256) return;
    for (int32_t g = 0; g < m->n_groups; g++) group[g] = group_score(m, score + g * size, size);
    best(group, m->n_groups, m->n_groups_used, chosen);
    for (int32_t g = 0; g < m->n_groups; g++) {
        bool kept = false;
        for (int32_t j = 0; j < m->n_groups_used; j++) kept |= chosen[j] == g;
        if (!kept)
            for (int32_t i = 0; i < size; i++) score[g * size + i] = -INFINITY;
    }
}

/* logits [n_experts] of one token -> chosen experts and weights.  `score` is scratch. */
static void choose(const mn_cpu_ops *ops, const mn_experts *m, float *logits, float *score,
                   int32_t *expert, float *weight)
{
    int32_t n = m->n_experts, k = m->n_used;
    if (m->route == MN_ROUTE_SOFTMAX_TOPK) ops->softmax(logits, n);
    if (m->route == MN_ROUTE_SIGMOID)
        for (int32_t i = 0; i < n; i++) logits[i] = mn_sigmoid(logits[i]);
    for (int32_t i = 0; i < n; i++)
        score[i] = logits[i] + (m->select_bias ? m->select_bias[i] : 0.0f);
    if (m->n_groups > 1 && m->n_groups_used < m->n_groups) keep_best_groups(m, score);
    best(score, n, k, expert);
    for (int32_t j = 0; j < k; j++) weight[j] = logits[expert[j]];
    if (m->route == MN_ROUTE_TOPK_SOFTMAX) ops->softmax(weight, k);
    float scale = mn_or_one(m->weight_scale);
    if (m->normalise) {
        float sum = 0;
        for (int32_t j = 0; j < k; j++) sum += weight[j];
        scale /= sum + 1e-20f;
    }
    for (int32_t j = 0; j < k; j++)
        weight[j] *= scale * (m->expert_scale ? m->expert_scale[expert[j]] : 1.0f);
}

/* Logits in f32, then each token's choice. */
static void route(mn_run *r, const mn_experts *m, const float *in, const buffers *b)
{
    int32_t first, end, hidden = (int32_t)m->router.w.cols, n = m->n_experts;
    mn_run_rows(r, r->n_tokens, &first, &end);
    for (int32_t t = first; t < end; t++) {
        const float *x = in + (int64_t)t * hidden;
        float *own = b->routed + (int64_t)t * hidden;
        mn_norm_one(&r->e->ops, &m->router_norm, x, own, hidden);
        if (m->router_in_scale)
            for (int32_t i = 0; i < hidden; i++) own[i] *= m->router_in_scale[i];
    }
    mn_job job = mn_job_linear(&m->router, r->n_tokens, b->logits, n);
    mn_run_pack(r, &r->e->packs.inner, b->routed, hidden, r->n_tokens, hidden);
    mn_matmul(&r->e->exact, &r->team, &r->e->packs.inner, &job, 1);
    for (int32_t t = first; t < end; t++)
        choose(&r->e->ops, m, b->logits + (int64_t)t * n, b->score + (int64_t)t * n,
               b->expert + (int64_t)t * m->n_used, b->weight + (int64_t)t * m->n_used);
    mn_run_barrier(r);
}

static void sort_by_expert(const mn_experts *m, int32_t n_tokens, const buffers *b)
{
    int32_t all = n_tokens * m->n_used;
    memset(b->start, 0, (size_t)(m->n_experts + 1) * sizeof *b->start);
    for (int32_t i = 0; i < all; i++) b->start[b->expert[i] + 1]++;
    for (int32_t e = 0; e < m->n_experts; e++) b->start[e + 1] += b->start[e];
    for (int32_t i = 0; i < all; i++) {
        int32_t at = b->start[b->expert[i]]++;
        b->row[i] = at;
        b->tokens[at] = i / m->n_used;
    }
    for (int32_t e = m->n_experts; e > 0; e--) b->start[e] = b->start[e - 1];
    b->start[0] = 0;
}

/* ---- multiplying ------------------------------------------------------------------- */

/* llama 4: an expert reads its weight times the token. */
static void scale_inputs(mn_run *r, const mn_experts *m, const float *h, const buffers *b)
{
    int32_t t, end, hidden = (int32_t)m->up.cols;
    mn_run_rows(r, r->n_tokens, &t, &end);
    for (; t < end; t++) {
        for (int32_t j = 0; j < m->n_used; j++) {
            int32_t i = t * m->n_used + j;
            float *to = b->in + (int64_t)b->row[i] * hidden;
            for (int32_t d = 0; d < hidden; d++) to[d] = h[(int64_t)t * hidden + d] * b->weight[i];
        }
    }
}

static mn_job expert_job(const mn_weight *w, const float *bias, int32_t e, const buffers *b,
                         bool by_token, float *y)
{
    int32_t from = b->start[e], n = b->start[e + 1] - from;
    mn_job job = mn_job_expert(w, e, bias ? bias + e * w->rows : NULL,
                               by_token ? b->tokens + from : NULL, n, y + from * w->rows, w->rows);
    if (!by_token) job.first_token = from;
    return job;
}

static void multiply(mn_run *r, const mn_experts *m, const float *h, const buffers *b)
{
    int n = 0;
    int32_t all = r->n_tokens * m->n_used, first, end;
    mn_pack *pack = &r->e->packs.input, *inner = &r->e->packs.inner;
    for (int32_t e = 0; e < m->n_experts; e++) {
        if (b->start[e] == b->start[e + 1]) continue;
        b->jobs[n++] = expert_job(&m->up, m->up_bias, e, b, !b->in, b->up);
        if (b->gate) b->jobs[n++] = expert_job(&m->gate, m->gate_bias, e, b, !b->in, b->gate);
    }
    mn_run_pack(r, pack, b->in ? b->in : h, m->up.cols, b->in ? all : r->n_tokens, m->up.cols);
    mn_run_matmul(r, pack, b->jobs, n);
    int64_t width = m->up.rows;
    mn_run_rows(r, all, &first, &end);
    for (int32_t i = first; i < end; i++) {
        float *u = b->up + i * width;
        if (b->gate)
            r->e->ops.gated_act(u, b->gate + i * width, u, (int32_t)width, m->act);
        else
            r->e->ops.act(u, u, (int32_t)width, m->act);
    }
    n = 0;
    for (int32_t e = 0; e < m->n_experts; e++)
        if (b->start[e] != b->start[e + 1])
            b->jobs[n++] = expert_job(&m->down, m->down_bias, e, b, false, b->down);
    mn_run_pack(r, inner, b->up, width, all, width);
    mn_run_matmul(r, inner, b->jobs, n);
}

static void add_up(mn_run *r, const mn_experts *m, const buffers *b, float *out)
{
    int32_t t, end, hidden = (int32_t)m->down.rows;
    mn_run_rows(r, r->n_tokens, &t, &end);
    for (; t < end; t++) {
        float *o = out + (int64_t)t * hidden;
        memset(o, 0, (size_t)hidden * sizeof *o);
        for (int32_t j = 0; j < m->n_used; j++) {
            int32_t i = t * m->n_used + j;
            r->e->ops.add_scaled(o, b->down + (int64_t)b->row[i] * hidden,
                                 m->weight_input ? 1.0f : b->weight[i], hidden);
        }
    }
    mn_run_barrier(r);
}

void mn_experts_forward(mn_run *r, const mn_experts *m, const float *h, const float *router_in,
                        float *out)
{
    buffers b;
    size_t mark = r->scratch.used;
    lay_out(&r->scratch, m, r->n_tokens, &b);
    b.jobs = (mn_job *)r->thread_memory;
    route(r, m, router_in, &b);
    if (r->team.thread == 0) sort_by_expert(m, r->n_tokens, &b);
    mn_run_barrier(r);
    if (b.in) scale_inputs(r, m, h, &b);
    multiply(r, m, h, &b);
    add_up(r, m, &b, out);
    r->scratch.used = mark;
}
