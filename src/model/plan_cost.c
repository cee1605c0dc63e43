/* What a plan costs: bytes touched per token, multiply-accumulates, parameters, state.
 *
 * One walk over all matrices of a layer serves the three sums; of a stack of experts only
 * the chosen ones count, except among the parameters. */
#include "model/plan.h"

typedef struct {
    size_t bytes;
    int64_t macs, parameters;
} tally;

static void add_weight(tally *t, const mn_weight *w, double share)
{
    if (!mn_weight_present(w)) return;
    int64_t n = w->n_experts * w->rows * w->cols;
    t->bytes += (size_t)((double)mn_weight_size_bytes(w) * share);
    t->macs += (int64_t)((double)n * share);
    t->parameters += n;
}

static void add(tally *t, const mn_linear *l) { add_weight(t, &l->w, 1); }

static void add_mixer(tally *t, const mn_mixer *m)
{
    const mn_attention *a = &m->u.attention;
    const mn_mla *l = &m->u.mla;
    const mn_gated_delta *g = &m->u.delta;
    switch (m->kind) {
    case MN_MIXER_NONE: break;
    case MN_MIXER_ATTENTION:
        add(t, &a->q), add(t, &a->k), add(t, &a->v), add(t, &a->o);
        break;
    case MN_MIXER_MLA:
        add(t, &l->q), add(t, &l->q_a), add(t, &l->q_b), add(t, &l->kv_a), add(t, &l->o);
        add_weight(t, &l->kv_b, 1), add_weight(t, &l->k_b, 1), add_weight(t, &l->v_b, 1);
        break;
    case MN_MIXER_GATED_DELTA:
        add(t, &g->qkv), add(t, &g->z), add(t, &g->b), add(t, &g->a);
        add(t, &g->qkvz), add(t, &g->ba), add(t, &g->out);
        break;
    case MN_MIXER_MAMBA2:
        add(t, &m->u.mamba2.in), add(t, &m->u.mamba2.out);
        break;
    case MN_MIXER_SHORT_CONV:
        add(t, &m->u.conv.in), add(t, &m->u.conv.out);
        break;
    }
}

static tally count(const mn_plan *p)
{
    tally t = { 0 };
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_layer *l = &p->layers[i];
        add_mixer(&t, &l->mixer);
        add_mixer(&t, &l->parallel_mixer);
        add(&t, &l->ffn.dense.gate), add(&t, &l->ffn.dense.up), add(&t, &l->ffn.dense.down);
        add(&t, &l->ffn.shared_gate);
        add(&t, &l->ple.gate), add(&t, &l->ple.proj);
        if (l->ffn.kind != MN_FFN_EXPERTS) continue;
        const mn_experts *e = &l->ffn.experts;
        double share = (double)e->n_used / e->n_experts;
        add(&t, &e->router);
        add_weight(&t, &e->gate, share), add_weight(&t, &e->up, share);
        add_weight(&t, &e->down, share);
    }
    add(&t, &p->ple_model_proj);
    return t;
}

size_t mn_plan_bytes_per_token(const mn_plan *p)
{
    size_t row = p->vocab ? mn_weight_size_bytes(&p->embed) / (size_t)p->vocab : 0;
    size_t ple = mn_weight_present(&p->ple_embed)
                     ? mn_weight_size_bytes(&p->ple_embed) / (size_t)p->ple_embed.rows : 0;
    size_t head = mn_linear_present(&p->head) ? mn_weight_size_bytes(&p->head.w) : 0;
    return count(p).bytes + row + ple + head;
}

int64_t mn_plan_macs_per_token(const mn_plan *p)
{
    return count(p).macs;
}

int64_t mn_plan_n_parameters(const mn_plan *p)
{
    int64_t n = count(p).parameters + (int64_t)p->vocab * p->hidden;
    if (mn_linear_present(&p->head) && p->head.w.data != p->embed.data)
        n += (int64_t)p->vocab * p->hidden;
    if (mn_weight_present(&p->ple_embed)) n += p->ple_embed.rows * p->ple_embed.cols;
    if (mn_weight_present(&p->pos_embed)) n += p->pos_embed.rows * p->pos_embed.cols;
    return n;
}

size_t mn_plan_kv_bytes_per_position(const mn_plan *p)
{
    size_t n = 0;
    for (int32_t i = 0; i < p->n_layers; i++)
        for (int k = 0; k < 2; k++) {
            const mn_mixer *m = k ? &p->layers[i].parallel_mixer : &p->layers[i].mixer;
            const mn_attention *a = &m->u.attention;
            if (m->kind == MN_MIXER_ATTENTION && !a->kv_from_layer)
                n += (size_t)a->n_kv_heads * (size_t)(a->head_dim + a->v_head_dim) * 2;
            if (m->kind == MN_MIXER_MLA)
                n += (size_t)(m->u.mla.kv_rank + m->u.mla.rope_dim) * 2;
        }
    return n;
}
