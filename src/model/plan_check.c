/* What a plan must satisfy before an executor may trust it blindly, and what it costs.
 *
 * The binder has compared every tensor with its config; here the slots are compared with
 * each other, so that a wrong arch file fails in its first test and not in a kernel. */
#include "base/status.h"
#include "model/plan.h"

#include <math.h>
#include <stdio.h>

typedef struct {
    const mn_plan *plan;
    int layer;                  /* -1: outside the layers */
    minerva_error *err;
    minerva_status status;
} checker;

static void wrong(checker *c, const char *slot, const char *what)
{
    if (c->status) return;
    if (c->layer < 0) c->status = mn_fail(c->err, MINERVA_INVALID, "plan: %s: %s", slot, what);
    else c->status = mn_fail(c->err, MINERVA_INVALID, "plan: layer %d: %s: %s", c->layer, slot,
                             what);
}

static void want(checker *c, bool holds, const char *slot, const char *what)
{
    if (!holds) wrong(c, slot, what);
}

static void check_weight(checker *c, const mn_weight *w, int64_t experts, int64_t rows,
                         int64_t cols, const char *slot)
{
    char text[160];
    if (!mn_weight_present(w)) {
        wrong(c, slot, "a weight expected, none found");
    } else if (w->rows != rows || w->cols != cols || w->n_experts != experts) {
        snprintf(text, sizeof text, "[%lld, %lld, %lld] expected, [%lld, %lld, %lld] found",
                 (long long)experts, (long long)rows, (long long)cols, (long long)w->n_experts,
                 (long long)w->rows, (long long)w->cols);
        wrong(c, slot, text);
    }
}

static void check_linear(checker *c, const mn_linear *l, int64_t rows, int64_t cols,
                         const char *slot)
{
    check_weight(c, &l->w, 1, rows, cols, slot);
    want(c, isfinite(l->scale), slot, "its scale is not finite");
}

static void check_norm(checker *c, const mn_norm *n, int64_t width, const char *slot)
{
    if (n->kind == MN_NORM_NONE) return;
    want(c, n->n > 0 && width % n->n == 0, slot, "its width does not divide the vector");
    want(c, n->eps >= 0 && n->eps <= 1, slot, "an epsilon from 0 to 1 expected");
}

static void check_rope(checker *c, const mn_rope *r, int32_t head_dim)
{
    if (!r->n_dims) return;
    want(c, r->n_dims > 0 && r->n_dims % 2 == 0 && r->n_dims <= head_dim, "rope",
         "an even number of dimensions within a head expected");
    want(c, r->inv_freq != NULL, "rope", "frequencies expected");
    want(c, isfinite(r->magnitude), "rope", "its magnitude is not finite");
}

/* ---- mixers --------------------------------------------------------------------------- */

static void check_attention(checker *c, const mn_attention *a)
{
    int64_t hidden = c->plan->hidden, q = (int64_t)a->n_heads * a->head_dim;
    want(c, a->n_heads > 0 && a->n_kv_heads > 0 && a->n_heads % a->n_kv_heads == 0, "attention",
         "heads that the key/value heads divide expected");
    if (c->status) return;
    check_linear(c, &a->q, a->gate == MN_GATE_SIGMOID_IN_Q ? 2 * q : q, hidden, "q");
    if (a->kv_from_layer) {
        want(c, a->kv_from_layer > 0 && a->kv_from_layer <= c->layer, "kv_from_layer",
             "an earlier layer expected");
        if (c->status) return;
        const mn_layer *from = &c->plan->layers[a->kv_from_layer - 1];
        want(c, from->mixer.kind == MN_MIXER_ATTENTION && !from->mixer.u.attention.kv_from_layer &&
                    from->mixer.u.attention.n_kv_heads == a->n_kv_heads &&
                    from->mixer.u.attention.head_dim == a->head_dim,
             "kv_from_layer", "a layer with a cache of the same shape expected");
    } else {
        check_linear(c, &a->k, (int64_t)a->n_kv_heads * a->head_dim, hidden, "k");
        if (!a->v_is_k)
            check_linear(c, &a->v, (int64_t)a->n_kv_heads * a->v_head_dim, hidden, "v");
        else want(c, a->v_head_dim == a->head_dim, "v", "v is k, but their widths differ");
    }
    check_linear(c, &a->o, hidden, (int64_t)a->n_heads * a->v_head_dim, "o");
    check_norm(c, &a->q_norm, q, "q_norm");
    check_norm(c, &a->k_norm, (int64_t)a->n_kv_heads * a->head_dim, "k_norm");
    check_norm(c, &a->v_norm, (int64_t)a->n_kv_heads * a->v_head_dim, "v_norm");
    check_rope(c, &a->rope, a->head_dim);
    want(c, isfinite(a->scale) && a->scale != 0, "attention", "its scale is 0 or not finite");
    want(c, a->softcap >= 0 && a->window >= 0 && a->chunk >= 0 && a->temp_floor >= 0 &&
                (a->temp_beta == 0 || a->temp_floor > 0),
         "attention", "a cap, window or temperature below 0");
}

static void check_mla(checker *c, const mn_mla *m)
{
    int64_t hidden = c->plan->hidden, q = (int64_t)m->n_heads * (m->nope_dim + m->rope_dim);
    want(c, m->n_heads > 0 && m->nope_dim > 0 && m->rope_dim > 0 && m->v_dim > 0 && m->kv_rank > 0,
         "mla", "positive widths expected");
    if (c->status) return;
    if (mn_linear_present(&m->q)) {
        check_linear(c, &m->q, q, hidden, "q");
    } else {
        int64_t rank = m->q_a.w.rows;
        check_linear(c, &m->q_a, rank, hidden, "q_a");
        check_linear(c, &m->q_b, q, rank, "q_b");
        check_norm(c, &m->q_a_norm, rank, "q_a_norm");
    }
    check_linear(c, &m->kv_a, m->kv_rank + m->rope_dim, hidden, "kv_a");
    check_norm(c, &m->kv_a_norm, m->kv_rank, "kv_a_norm");
    if (mn_weight_present(&m->kv_b)) {
        check_weight(c, &m->kv_b, 1, (int64_t)m->n_heads * (m->nope_dim + m->v_dim), m->kv_rank,
                     "kv_b");
    } else {
        check_weight(c, &m->k_b, m->n_heads, m->kv_rank, m->nope_dim, "k_b");
        check_weight(c, &m->v_b, m->n_heads, m->v_dim, m->kv_rank, "v_b");
    }
    check_linear(c, &m->o, hidden, (int64_t)m->n_heads * m->v_dim, "o");
    check_rope(c, &m->rope, m->rope_dim);
    want(c, isfinite(m->scale) && m->scale != 0, "mla", "its scale is 0 or not finite");
}

static void check_delta(checker *c, const mn_gated_delta *g)
{
    int64_t hidden = c->plan->hidden;
    int64_t k = (int64_t)g->n_k_heads * g->key_dim, v = (int64_t)g->n_v_heads * g->value_dim;
    want(c, g->n_k_heads > 0 && g->n_v_heads > 0 && g->n_v_heads % g->n_k_heads == 0 &&
                g->key_dim > 0 && g->value_dim > 0 && g->conv_width > 0,
         "delta", "value heads that the key heads divide expected");
    if (c->status) return;
    if (mn_linear_present(&g->qkvz)) {
        check_linear(c, &g->qkvz, 2 * k + 2 * v, hidden, "qkvz");
    } else {
        check_linear(c, &g->qkv, 2 * k + v, hidden, "qkv");
        check_linear(c, &g->z, v, hidden, "z");
    }
    if (mn_linear_present(&g->ba)) {
        check_linear(c, &g->ba, 2 * (int64_t)g->n_v_heads, hidden, "ba");
    } else {
        check_linear(c, &g->b, g->n_v_heads, hidden, "b");
        check_linear(c, &g->a, g->n_v_heads, hidden, "a");
    }
    want(c, g->conv && g->decay && g->dt_bias, "delta", "convolution, decay and dt_bias expected");
    check_norm(c, &g->norm, g->value_dim, "norm");
    check_linear(c, &g->out, hidden, v, "out");
}

static void check_mamba2(checker *c, const mn_mamba2 *m)
{
    int64_t hidden = c->plan->hidden, inner = (int64_t)m->n_heads * m->head_dim;
    int64_t bc = (int64_t)m->n_groups * m->state_dim;
    want(c, m->n_heads > 0 && m->head_dim > 0 && m->n_groups > 0 && m->state_dim > 0 &&
                m->conv_width > 0 && m->n_heads % m->n_groups == 0,
         "mamba", "heads that the groups divide expected");
    if (c->status) return;
    check_linear(c, &m->in, 2 * inner + 2 * bc + m->n_heads, hidden, "in");
    check_linear(c, &m->out, hidden, inner, "out");
    want(c, m->conv && m->decay && m->dt_bias && m->d, "mamba",
         "convolution, decay, dt_bias and d expected");
    check_norm(c, &m->norm, inner, "norm");
}

static void check_mixer(checker *c, const mn_mixer *m)
{
    int64_t hidden = c->plan->hidden;
    want(c, isfinite(m->in_scale) && isfinite(m->out_scale), "mixer", "a scale is not finite");
    switch (m->kind) {
    case MN_MIXER_NONE: break;
    case MN_MIXER_ATTENTION: check_attention(c, &m->u.attention); break;
    case MN_MIXER_MLA: check_mla(c, &m->u.mla); break;
    case MN_MIXER_GATED_DELTA: check_delta(c, &m->u.delta); break;
    case MN_MIXER_MAMBA2: check_mamba2(c, &m->u.mamba2); break;
    case MN_MIXER_SHORT_CONV:
        check_linear(c, &m->u.conv.in, 3 * hidden, hidden, "in");
        check_linear(c, &m->u.conv.out, hidden, hidden, "out");
        want(c, m->u.conv.width > 0 && m->u.conv.conv, "convolution", "taps expected");
        break;
    }
}

/* ---- feed-forward --------------------------------------------------------------------- */

static void check_dense(checker *c, const mn_dense *d)
{
    int64_t hidden = c->plan->hidden, width = d->up.w.rows;
    if (mn_linear_present(&d->gate)) check_linear(c, &d->gate, width, hidden, "gate");
    check_linear(c, &d->up, width, hidden, "up");
    check_linear(c, &d->down, hidden, width, "down");
}

static void check_experts(checker *c, const mn_experts *e)
{
    int64_t hidden = c->plan->hidden, n = e->n_experts, width = e->up.rows;
    want(c, n > 0 && e->n_used > 0 && e->n_used <= n, "experts",
         "at least as many experts as are used expected");
    want(c, e->n_groups <= 1 || (e->n_groups <= 256 && n % e->n_groups == 0 && e->n_groups_used > 0 &&
                                 e->n_groups_used <= e->n_groups &&
                                 n / e->n_groups * e->n_groups_used >= e->n_used),
         "experts", "groups that divide the experts and hold those used expected");
    want(c, isfinite(e->weight_scale), "experts", "their scale is not finite");
    if (c->status) return;
    check_linear(c, &e->router, n, hidden, "router");
    if (mn_weight_present(&e->gate)) check_weight(c, &e->gate, n, width, hidden, "gate experts");
    check_weight(c, &e->up, n, width, hidden, "up experts");
    check_weight(c, &e->down, n, hidden, width, "down experts");
    check_norm(c, &e->router_norm, hidden, "router_norm");
}

static void check_layer(checker *c, const mn_layer *l)
{
    int64_t hidden = c->plan->hidden;
    check_norm(c, &l->pre_norm, hidden, "pre_norm");
    check_norm(c, &l->post_mixer_norm, hidden, "post_mixer_norm");
    check_norm(c, &l->ffn_norm, hidden, "ffn_norm");
    check_norm(c, &l->post_ffn_norm, hidden, "post_ffn_norm");
    want(c, isfinite(l->residual_scale) && isfinite(l->layer_scale), "layer",
         "a scale is not finite");
    check_mixer(c, &l->mixer);
    check_mixer(c, &l->parallel_mixer);
    const mn_ffn *f = &l->ffn;
    if (f->kind == MN_FFN_EXPERTS) check_experts(c, &f->experts);
    if (f->kind == MN_FFN_DENSE || mn_linear_present(&f->dense.up)) check_dense(c, &f->dense);
    if (mn_linear_present(&f->shared_gate))
        check_linear(c, &f->shared_gate, 1, hidden, "shared_gate");
    if (mn_linear_present(&l->ple.gate)) {
        check_linear(c, &l->ple.gate, c->plan->ple_dim, hidden, "ple gate");
        check_linear(c, &l->ple.proj, hidden, c->plan->ple_dim, "ple proj");
        check_norm(c, &l->ple.post_norm, hidden, "ple post_norm");
    }
}

minerva_status mn_plan_check(const mn_plan *p, minerva_error *err)
{
    checker c = { .plan = p, .layer = -1, .err = err };
    want(&c, p->vocab > 0 && p->hidden > 0 && p->n_layers > 0, "sizes", "positive ones expected");
    if (c.status) return c.status;
    check_weight(&c, &p->embed, 1, p->vocab, p->hidden, "embed");
    if (mn_weight_present(&p->pos_embed))
        check_weight(&c, &p->pos_embed, 1, p->pos_embed.rows, p->hidden, "pos_embed");
    if (p->causal) check_linear(&c, &p->head, p->vocab, p->hidden, "head");
    check_norm(&c, &p->embed_norm, p->hidden, "embed_norm");
    check_norm(&c, &p->out_norm, p->hidden, "out_norm");
    want(&c, isfinite(p->embed_scale) && isfinite(p->logit_scale) && p->logit_softcap >= 0,
         "scales", "finite ones expected");
    if (mn_weight_present(&p->ple_embed)) {
        int64_t width = (int64_t)p->n_layers * p->ple_dim;
        check_weight(&c, &p->ple_embed, 1, p->ple_embed.rows, width, "ple_embed");
        check_linear(&c, &p->ple_model_proj, width, p->hidden, "ple_model_proj");
        check_norm(&c, &p->ple_proj_norm, width, "ple_proj_norm");
    }
    for (int32_t i = 0; i < p->n_layers && !c.status; i++) {
        c.layer = i;
        check_layer(&c, &p->layers[i]);
    }
    return c.status;
}
