/* Matching two plans, slot by slot; see convert.h.
 *
 * A slot is a place of a plan: layer 3's query projection, its bias, a norm's weight.  Both
 * plans have the same slots; the outline's point at target rows, the source's at data.  Where
 * the two worlds order rows differently (rotated pairs, heads of values, fused tensors
 * grouped by head) the order is a table from a target row to a source row. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mn_convert *c;
    int32_t layer;
    const int32_t *order;       /* of the slot's rows; NULL: as they are */
    const int32_t *columns;     /* of the slot's columns, in blocks */
    int32_t column_block;
    double in, out;             /* factors of a mixer's first and last linears */
    double factor;              /* on top of the slot's own scale; 0: 1 */
} matcher;

bool mn_folds_scales(const mn_convert *c) { return !strcmp(c->from->family, "falcon_h1"); }

/* What a scale of the source leaves to be done if the target has another. */
static double left_over(float from, float to)
{
    double a = from != 0 ? (double)from : 1, b = to != 0 ? (double)to : 1;
    return a / b;
}

static void refuse(matcher *m, const char *slot, const char *what)
{
    mn_convert *c = m->c;
    char where[32] = "";
    if (m->layer >= 0) snprintf(where, sizeof where, "layer %d, ", m->layer);
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "family \"%s\" cannot be written as %s yet: %s%s: %s",
                    c->from->family, c->to_gguf ? "GGUF" : "an MLX directory", where, slot, what);
}

static void add_piece(mn_convert *c, uint32_t tensor, const mn_piece *piece)
{
    mn_target *t = &c->targets[tensor];
    if (t->n_pieces == t->capacity) {
        int32_t capacity = t->capacity ? 2 * t->capacity : 2;
        mn_piece *grown = mn_convert_alloc(c, (size_t)capacity, sizeof *grown);
        if (!grown) return;
        if (t->n_pieces) memcpy(grown, t->pieces, (size_t)t->n_pieces * sizeof *grown);
        t->pieces = grown;
        t->capacity = capacity;
    }
    t->pieces[t->n_pieces++] = *piece;
}

static mn_outline_row target_row(const mn_weight *to, int64_t r)
{
    mn_outline_row row;
    memcpy(&row, to->data + (size_t)r * to->row_bytes, sizeof row);
    return row;
}

/* Every row of slot `to` from slot `from`; `model` holds what else a piece says. */
static void match_rows(matcher *m, const char *slot, const mn_weight *from, const mn_weight *to,
                       mn_piece model, int64_t first_from)
{
    mn_convert *c = m->c;
    if (c->status || !mn_weight_present(to) || !mn_weight_present(from)) return;
    if (from->cols != to->cols) {
        refuse(m, slot, "its columns differ");
        return;
    }
    for (int64_t r = 0; r < to->rows;) {
        mn_outline_row start = target_row(to, r);
        int64_t n = 1;
        while (r + n < to->rows) {
            mn_outline_row next = target_row(to, r + n);
            if (next.tensor != start.tensor || next.row != start.row + n) break;
            n++;
        }
        mn_piece p = model;
        p.from = from;
        p.to = start.row;
        p.n = n;
        p.row = (p.order ? 0 : first_from) + r;
        if (p.row_scale) p.row_scale += r;
        add_piece(c, start.tensor, &p);
        r += n;
    }
}

static void match_weight(matcher *m, const char *slot, const mn_weight *from, const mn_weight *to,
                         float scale, const float *row_scale)
{
    bool there = mn_weight_present(from);
    if (m->c->status || (!there && !mn_weight_present(to))) return;
    if (!there || !mn_weight_present(to)) {
        refuse(m, slot, there ? "the target has no place for it" : "the source has no such tensor");
        return;
    }
    if (from->rows != to->rows || from->n_experts != to->n_experts) {
        refuse(m, slot, "its rows differ");
        return;
    }
    mn_piece model = { .to_expert = -1, .from_expert = -1, .order = m->order, .scale = scale,
                       .row_scale = row_scale, .columns = m->columns,
                       .column_block = m->column_block };
    match_rows(m, slot, from, to, model, 0);
}

/* The value that a file holds for what the plan holds. */
static float unfolded(float v, unsigned flags)
{
    if (flags & MN_VECTOR_PLUS_ONE) return v - 1;
    if (!(flags & MN_VECTOR_NEG_EXP)) return v;
    float log = logf(-v), best = log;
    for (int i = 0; i < 8; i++) {               /* the neighbour that comes back as v */
        if (-expf(best) == v) return best;
        best = nextafterf(best, i % 2 ? INFINITY : -INFINITY);
        if (i == 1 || i == 3) best = nextafterf(best, i == 1 ? INFINITY : -INFINITY);
    }
    return log;
}

static void match_vector(matcher *m, const char *slot, const float *from, const float *to,
                         int64_t n, int64_t repeat)
{
    mn_convert *c = m->c;
    int64_t at;
    if (c->status || (!from && !to)) return;
    if (from && !to) {
        refuse(m, slot, "the target has no place for it");
        return;
    }
    if (!from) return;          /* asked for in case it is there */
    const mn_outline_tensor *want = mn_outline_vector(&c->outline, to, &at);
    if (!want) {
        refuse(m, slot, "its tensor was not found");
        return;
    }
    mn_target *t = &c->targets[want - c->outline.tensors];
    int64_t all = want->rows * (want->n_experts ? want->n_experts : 1);
    if (!t->values) t->values = mn_convert_alloc(c, (size_t)all, sizeof *t->values);
    if (!t->values || at + n > all) return;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i / repeat;
        int64_t source = (m->order ? m->order[row] : row) * repeat + i % repeat;
        t->values[at + i] = unfolded(from[source], want->flags);
    }
    t->n_values += n;
}

static void match_linear(matcher *m, const char *slot, const mn_linear *from, const mn_linear *to)
{
    double s = left_over(from->scale, to->scale) * (m->factor != 0 ? m->factor : 1);
    char name[96];
    const float *rows = from->row_scale;
    bool plain = true;
    for (int64_t i = 0; rows && i < from->w.rows; i++) plain &= rows[i] == 1;
    match_weight(m, slot, &from->w, &to->w, s == 1 ? 0 : (float)s, plain ? NULL : rows);
    if (!mn_linear_present(from)) return;
    snprintf(name, sizeof name, "%s bias", slot);
    if (from->bias && !to->bias) refuse(m, slot, "the target has no place for its bias");
    else match_vector(m, name, from->bias, to->bias, from->w.rows, 1);
}

static void match_norm(matcher *m, const char *slot, const mn_norm *from, const mn_norm *to,
                       int64_t n)
{
    char name[96];
    if (from->kind == MN_NORM_NONE) return;
    if (to->kind == MN_NORM_NONE) {
        refuse(m, slot, "the target has no such norm");
        return;
    }
    snprintf(name, sizeof name, "%s weight", slot);
    match_vector(m, name, from->weight, to->weight, n, 1);
    snprintf(name, sizeof name, "%s bias", slot);
    match_vector(m, name, from->bias, to->bias, n, 1);
}

static int32_t *new_order(matcher *m, int64_t n)
{
    return mn_convert_alloc(m->c, (size_t)n, sizeof(int32_t));
}

/* ---- attention ------------------------------------------------------------------------- */

/* Layers without a rope are ordered like those with one, as converters do it. */
static const mn_rope *rope_of(const mn_plan *p, const mn_attention *a)
{
    for (int32_t i = 0; !a->rope.n_dims && i < p->n_layers; i++)
        if (p->layers[i].mixer.kind == MN_MIXER_ATTENTION &&
            p->layers[i].mixer.u.attention.rope.n_dims &&
            p->layers[i].mixer.u.attention.head_dim == a->head_dim)
            return &p->layers[i].mixer.u.attention.rope;
    return &a->rope;
}

/* Rows of heads whose rotated pairs lie side by side, or half a head apart. */
static const int32_t *rotation_order(matcher *m, const mn_attention *from, const mn_attention *to,
                                     int32_t heads)
{
    const mn_rope *source = rope_of(m->c->from, from), *target = rope_of(m->c->to, to);
    int32_t dim = from->head_dim, n = source->n_dims, half = n / 2;
    if (!n || source->interleaved == target->interleaved) return NULL;
    if (from->gate == MN_GATE_SIGMOID_IN_Q || from->q_norm.kind || from->k_norm.kind) {
        refuse(m, "attention", "its pairs cannot be reordered");
        return NULL;
    }
    int32_t *order = new_order(m, (int64_t)heads * dim);
    for (int32_t h = 0; order && h < heads; h++)
        for (int32_t i = 0; i < dim; i++) {
            int32_t at = i;
            if (i < n && target->interleaved) at = i / 2 + i % 2 * half;
            else if (i < n) at = i < half ? 2 * i : 2 * (i - half) + 1;
            order[h * dim + i] = h * dim + at;
        }
    return order;
}

static void match_attention(matcher *m, const mn_attention *from, const mn_attention *to)
{
    int64_t dim = from->head_dim;
    if (from->head_dim != to->head_dim || from->n_heads != to->n_heads) {
        refuse(m, "attention", "its heads differ");
        return;
    }
    m->factor = m->in;
    m->order = rotation_order(m, from, to, from->n_heads);
    match_linear(m, "q", &from->q, &to->q);
    m->order = rotation_order(m, from, to, from->n_kv_heads);
    match_linear(m, "k", &from->k, &to->k);
    m->order = NULL;
    match_linear(m, "v", &from->v, &to->v);
    m->factor = m->out;
    match_linear(m, "o", &from->o, &to->o);
    int64_t q = from->q_norm.per_group_weight ? from->n_heads * dim : from->q_norm.n;
    int64_t k = from->k_norm.per_group_weight ? from->n_kv_heads * dim : from->k_norm.n;
    match_norm(m, "q norm", &from->q_norm, &to->q_norm, q);
    match_norm(m, "k norm", &from->k_norm, &to->k_norm, k);
    match_vector(m, "sinks", from->sinks, to->sinks, from->n_heads, 1);
}

/* kv_b whole: per head, nope rows of keys, then v rows of values. */
static void split_kv_b(matcher *m, const mn_mla *from, const mn_mla *to)
{
    int32_t head = from->nope_dim + from->v_dim;
    for (int32_t h = 0; h < from->n_heads && !m->c->status; h++) {
        mn_piece keys = { .to_expert = h, .from_expert = 0, .transposed = true,
                          .from = &from->kv_b, .n = from->kv_rank,
                          .row = (int64_t)h * head };
        mn_outline_row at = target_row(&to->k_b, 0);
        keys.to = at.row;
        add_piece(m->c, at.tensor, &keys);
        mn_piece values = { .to_expert = h, .from_expert = 0 };
        match_rows(m, "v_b", &from->kv_b, &to->v_b, values, (int64_t)h * head + from->nope_dim);
    }
}

static void match_mla(matcher *m, const mn_mla *from, const mn_mla *to)
{
    match_linear(m, "q", &from->q, &to->q);
    match_linear(m, "q_a", &from->q_a, &to->q_a);
    match_linear(m, "q_b", &from->q_b, &to->q_b);
    match_norm(m, "q_a norm", &from->q_a_norm, &to->q_a_norm, from->q_a_norm.n);
    match_linear(m, "kv_a", &from->kv_a, &to->kv_a);
    match_norm(m, "kv_a norm", &from->kv_a_norm, &to->kv_a_norm, from->kv_a_norm.n);
    match_linear(m, "o", &from->o, &to->o);
    if (mn_weight_present(&from->kv_b) && mn_weight_present(&to->k_b)) {
        split_kv_b(m, from, to);
        return;
    }
    match_weight(m, "kv_b", &from->kv_b, &to->kv_b, 0, NULL);
    match_weight(m, "k_b", &from->k_b, &to->k_b, 0, NULL);
    match_weight(m, "v_b", &from->v_b, &to->v_b, 0, NULL);
}

/* ---- recurrent mixers ------------------------------------------------------------------ */

/* Qwen 3.5: HF's value head h uses key head h / per, GGUF's h % keys.  Heads in the target's
 * order. */
static const int32_t *value_order(matcher *m, const mn_gated_delta *from, const mn_gated_delta *to)
{
    int32_t nk = from->n_k_heads, nv = from->n_v_heads, per = nv / nk;
    if (from->repeat_interleaved == to->repeat_interleaved || per == 1 || nk == 1) return NULL;
    int32_t *order = new_order(m, nv);
    for (int32_t h = 0; order && h < nv; h++)
        order[h] = to->repeat_interleaved ? h % per * nk + h / per : h % nk * per + h / nk;
    return order;
}

/* `heads` reordered, each `width` rows, behind `first` rows that stay. */
static const int32_t *spread(matcher *m, const int32_t *heads, int32_t n_heads, int32_t width,
                             int32_t first)
{
    if (!heads) return NULL;
    int32_t *order = new_order(m, first + (int64_t)n_heads * width);
    for (int32_t i = 0; order && i < first; i++) order[i] = i;
    for (int32_t h = 0; order && h < n_heads; h++)
        for (int32_t i = 0; i < width; i++)
            order[first + h * width + i] = first + heads[h] * width + i;
    return order;
}

/* Rows of qkvz, grouped by key head as q, k, v.., z.., for the separate tensors' rows. */
static void ungroup(matcher *m, const mn_gated_delta *from, const mn_gated_delta *to)
{
    int32_t nk = from->n_k_heads, kd = from->key_dim, vd = from->value_dim;
    int32_t per = from->n_v_heads / nk, group = 2 * kd + 2 * per * vd, k = nk * kd;
    int32_t v = from->n_v_heads * vd, *order = new_order(m, 2 * k + v), *z = new_order(m, v);
    for (int32_t g = 0; order && z && g < nk; g++) {
        for (int32_t i = 0; i < kd; i++) {
            order[g * kd + i] = g * group + i;
            order[k + g * kd + i] = g * group + kd + i;
        }
        for (int32_t i = 0; i < per * vd; i++) {
            order[2 * k + g * per * vd + i] = g * group + 2 * kd + i;
            z[g * per * vd + i] = g * group + 2 * kd + per * vd + i;
        }
    }
    mn_piece model = { .to_expert = -1, .from_expert = -1, .order = order };
    match_rows(m, "qkvz", &from->qkvz.w, &to->qkv.w, model, 0);
    model.order = z;
    match_rows(m, "qkvz", &from->qkvz.w, &to->z.w, model, 0);
    int32_t nv = from->n_v_heads, *b = new_order(m, nv), *a = new_order(m, nv);
    for (int32_t h = 0; a && b && h < nv; h++) {
        b[h] = h / per * 2 * per + h % per;
        a[h] = b[h] + per;
    }
    model.order = b;
    match_rows(m, "ba", &from->ba.w, &to->b.w, model, 0);
    model.order = a;
    match_rows(m, "ba", &from->ba.w, &to->a.w, model, 0);
}

/* The other way: rows [first, first + n) of fused slot `to` from rows `at` of `from`. */
static void fuse(matcher *m, const mn_weight *from, int64_t at, const mn_weight *to, int64_t first,
                 int64_t n)
{
    mn_weight rows = mn_weight_rows(to, first, n);
    mn_piece model = { .to_expert = -1, .from_expert = -1 };
    match_rows(m, "qkvz", from, &rows, model, at);
}

static void group_rows(matcher *m, const mn_gated_delta *from, const mn_gated_delta *to)
{
    int32_t nk = from->n_k_heads, kd = from->key_dim, vd = from->value_dim;
    int32_t per = from->n_v_heads / nk, group = 2 * kd + 2 * per * vd, k = nk * kd;
    for (int32_t g = 0; g < nk; g++) {
        int64_t at = (int64_t)g * group;
        fuse(m, &from->qkv.w, g * kd, &to->qkvz.w, at, kd);
        fuse(m, &from->qkv.w, k + g * kd, &to->qkvz.w, at + kd, kd);
        fuse(m, &from->qkv.w, 2 * k + g * per * vd, &to->qkvz.w, at + 2 * kd, per * vd);
        fuse(m, &from->z.w, g * per * vd, &to->qkvz.w, at + 2 * kd + per * vd, per * vd);
        fuse(m, &from->b.w, g * per, &to->ba.w, g * 2 * per, per);
        fuse(m, &from->a.w, g * per, &to->ba.w, g * 2 * per + per, per);
    }
}

static void match_delta(matcher *m, const mn_gated_delta *from, const mn_gated_delta *to)
{
    int32_t k = from->n_k_heads * from->key_dim, nv = from->n_v_heads, vd = from->value_dim;
    const int32_t *heads = value_order(m, from, to);
    bool fused = mn_linear_present(&from->qkvz), to_fused = mn_linear_present(&to->qkvz);
    if (fused != to_fused && heads) {
        refuse(m, "gated delta", "its value heads cannot be reordered in fused tensors");
    } else if (fused && !to_fused) {
        ungroup(m, from, to);
    } else if (!fused && to_fused) {
        group_rows(m, from, to);
    } else if (fused) {
        match_linear(m, "qkvz", &from->qkvz, &to->qkvz);
        match_linear(m, "ba", &from->ba, &to->ba);
    } else {
        m->order = spread(m, heads, nv, vd, 2 * k);
        match_linear(m, "qkv", &from->qkv, &to->qkv);
        m->order = spread(m, heads, nv, vd, 0);
        match_linear(m, "z", &from->z, &to->z);
        m->order = heads;
        match_linear(m, "b", &from->b, &to->b);
        match_linear(m, "a", &from->a, &to->a);
    }
    m->order = spread(m, heads, nv, vd, 2 * k);
    match_vector(m, "convolution", from->conv, to->conv,
                 (int64_t)(2 * k + nv * vd) * from->conv_width, from->conv_width);
    match_vector(m, "convolution bias", from->conv_bias, to->conv_bias, 2 * k + nv * vd, 1);
    m->order = heads;
    match_vector(m, "decay", from->decay, to->decay, nv, 1);
    match_vector(m, "dt bias", from->dt_bias, to->dt_bias, nv, 1);
    m->order = NULL;
    match_norm(m, "norm", &from->norm, &to->norm, vd);
    m->columns = heads;
    m->column_block = vd;
    match_linear(m, "out", &from->out, &to->out);
    m->columns = NULL;
}

static void match_mamba2(matcher *m, const mn_mamba2 *from, const mn_mamba2 *to)
{
    int64_t inner = (int64_t)from->n_heads * from->head_dim;
    int64_t channels = inner + 2 * (int64_t)from->n_groups * from->state_dim;
    m->factor = m->in;
    match_linear(m, "in", &from->in, &to->in);
    m->factor = m->out;
    match_linear(m, "out", &from->out, &to->out);
    match_vector(m, "convolution", from->conv, to->conv, channels * from->conv_width, 1);
    match_vector(m, "convolution bias", from->conv_bias, to->conv_bias, channels, 1);
    match_vector(m, "decay", from->decay, to->decay, from->n_heads, 1);
    match_vector(m, "dt bias", from->dt_bias, to->dt_bias, from->n_heads, 1);
    match_vector(m, "D", from->d, to->d, from->n_heads, 1);
    match_norm(m, "norm", &from->norm, &to->norm, inner);
}

static void match_mixer(matcher *m, const mn_mixer *from, const mn_mixer *to)
{
    int64_t hidden = m->c->from->hidden;
    if (from->kind != to->kind) {
        refuse(m, "mixer", "it would be of another kind");
        return;
    }
    if (mn_folds_scales(m->c)) {
        m->in = left_over(from->in_scale, to->in_scale);
        m->out = left_over(from->out_scale, to->out_scale);
    }
    switch (from->kind) {
    case MN_MIXER_ATTENTION: match_attention(m, &from->u.attention, &to->u.attention); break;
    case MN_MIXER_MLA: match_mla(m, &from->u.mla, &to->u.mla); break;
    case MN_MIXER_GATED_DELTA: match_delta(m, &from->u.delta, &to->u.delta); break;
    case MN_MIXER_MAMBA2: match_mamba2(m, &from->u.mamba2, &to->u.mamba2); break;
    case MN_MIXER_SHORT_CONV:
        match_linear(m, "in", &from->u.conv.in, &to->u.conv.in);
        match_linear(m, "out", &from->u.conv.out, &to->u.conv.out);
        match_vector(m, "convolution", from->u.conv.conv, to->u.conv.conv,
                     hidden * from->u.conv.width, 1);
        match_vector(m, "convolution bias", from->u.conv.conv_bias, to->u.conv.conv_bias, hidden,
                     1);
        break;
    case MN_MIXER_NONE: break;
    }
    m->factor = m->in = m->out = 0;
}

/* ---- feed-forward ----------------------------------------------------------------------- */

static void match_dense(matcher *m, const mn_dense *from, const mn_dense *to)
{
    match_linear(m, "gate", &from->gate, &to->gate);
    match_linear(m, "up", &from->up, &to->up);
    match_linear(m, "down", &from->down, &to->down);
}

static void match_experts(matcher *m, const mn_experts *from, const mn_experts *to)
{
    int64_t hidden = m->c->from->hidden, n = from->n_experts;
    match_linear(m, "router", &from->router, &to->router);
    match_norm(m, "router norm", &from->router_norm, &(mn_norm){ .kind = from->router_norm.kind },
               hidden);
    /* gemma4 stores the scale times sqrt(hidden) */
    if (from->router_in_scale) refuse(m, "router scale", "it is not implemented");
    match_vector(m, "selection bias", from->select_bias, to->select_bias, n, 1);
    match_vector(m, "expert scale", from->expert_scale, to->expert_scale, n, 1);
    match_weight(m, "gate experts", &from->gate, &to->gate, 0, NULL);
    match_weight(m, "up experts", &from->up, &to->up, 0, NULL);
    match_weight(m, "down experts", &from->down, &to->down, 0, NULL);
    match_vector(m, "gate experts' bias", from->gate_bias, to->gate_bias, n * from->gate.rows, 1);
    match_vector(m, "up experts' bias", from->up_bias, to->up_bias, n * from->up.rows, 1);
    match_vector(m, "down experts' bias", from->down_bias, to->down_bias, n * from->down.rows, 1);
}

static void match_layer(matcher *m, const mn_layer *from, const mn_layer *to)
{
    int64_t hidden = m->c->from->hidden;
    match_norm(m, "norm", &from->pre_norm, &to->pre_norm, hidden);
    match_norm(m, "norm behind the mixer", &from->post_mixer_norm, &to->post_mixer_norm, hidden);
    match_norm(m, "feed-forward's norm", &from->ffn_norm, &to->ffn_norm, hidden);
    match_norm(m, "norm behind the feed-forward", &from->post_ffn_norm, &to->post_ffn_norm, hidden);
    match_mixer(m, &from->mixer, &to->mixer);
    match_mixer(m, &from->parallel_mixer, &to->parallel_mixer);
    if (from->ffn.kind != to->ffn.kind) {
        refuse(m, "feed-forward", "it would be of another kind");
        return;
    }
    match_dense(m, &from->ffn.dense, &to->ffn.dense);
    match_linear(m, "shared expert's gate", &from->ffn.shared_gate, &to->ffn.shared_gate);
    if (from->ffn.kind == MN_FFN_EXPERTS) match_experts(m, &from->ffn.experts, &to->ffn.experts);
    match_norm(m, "dense norm", &from->ffn.dense_out_norm, &to->ffn.dense_out_norm, hidden);
    match_norm(m, "experts' norm", &from->ffn.experts_in_norm, &to->ffn.experts_in_norm, hidden);
    match_norm(m, "norm behind experts", &from->ffn.experts_out_norm, &to->ffn.experts_out_norm,
               hidden);
    match_linear(m, "per-layer gate", &from->ple.gate, &to->ple.gate);
    match_linear(m, "per-layer projection", &from->ple.proj, &to->ple.proj);
    match_norm(m, "per-layer norm", &from->ple.post_norm, &to->ple.post_norm, hidden);
}

/* Gemma 4's factor behind a layer is a plain number of the plan. */
static void match_layer_scale(matcher *m, const mn_layer *from)
{
    mn_convert *c = m->c;
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const mn_outline_tensor *t = &c->outline.tensors[i];
        if (t->layer != m->layer || t->rows != 1 || t->matrix) continue;
        if (!strstr(t->name, "layer_output_scale") && !strstr(t->name, "layer_scalar")) continue;
        float *v = mn_convert_alloc(c, 1, sizeof *v);
        if (!v) return;
        *v = from->layer_scale ? from->layer_scale : 1;
        if (*v == 1 && t->optional) return;
        c->targets[i].values = v;
        c->targets[i].n_values = 1;
    }
}

/* Are all rows and values of each target there?  What was only possible is dropped. */
static void check_filled(mn_convert *c)
{
    for (int32_t i = 0; i < c->outline.n_tensors && !c->status; i++) {
        const mn_outline_tensor *want = &c->outline.tensors[i];
        mn_target *t = &c->targets[i];
        int64_t n = 0, experts = want->n_experts ? want->n_experts : 1;
        if (!want->matrix) {
            if (t->values ? t->n_values != want->rows * experts : !want->optional)
                mn_convert_fail(c, MINERVA_UNSUPPORTED, "family \"%s\": tensor %s: %lld values "
                                "expected, the source has %lld", c->from->family, want->name,
                                (long long)(want->rows * experts), (long long)t->n_values);
            continue;
        }
        for (int32_t k = 0; k < t->n_pieces; k++)
            n += t->pieces[k].n * (t->pieces[k].to_expert < 0 ? experts : 1);
        if (n == want->rows * experts || (!n && want->optional)) continue;
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "family \"%s\": tensor %s: %lld rows expected, the "
                        "source has %lld", c->from->family, want->name,
                        (long long)(want->rows * experts), (long long)n);
    }
}

static void match_head(matcher *m, const mn_linear *from, const mn_linear *to, double factor)
{
    m->factor = factor;
    match_linear(m, "head", from, to);
    m->factor = 0;
}

void mn_slots_match(mn_convert *c)
{
    const mn_plan *a = c->from, *b = c->to;
    matcher m = { .c = c, .layer = -1 };
    c->targets = mn_convert_alloc(c, (size_t)c->outline.n_tensors, sizeof *c->targets);
    if (!c->targets) return;
    for (int32_t i = 0; i < c->outline.n_tensors; i++) c->targets[i].want = &c->outline.tensors[i];
    double embed = 1, head = 1;
    if (mn_folds_scales(c)) {
        embed = left_over(a->embed_scale, b->embed_scale);
        head = left_over(a->logit_scale, b->logit_scale);
        if (a->head.w.data == a->embed.data && fabs(embed - head) > 1e-6 * embed)
            refuse(&m, "head", "it shares the embedding, but not its multiplier");
    }
    match_weight(&m, "embedding", &a->embed, &b->embed, embed == 1 ? 0 : (float)embed, NULL);
    match_norm(&m, "embedding's norm", &a->embed_norm, &b->embed_norm, a->hidden);
    match_weight(&m, "positions", &a->pos_embed, &b->pos_embed, 0, NULL);
    match_norm(&m, "last norm", &a->out_norm, &b->out_norm, a->hidden);
    if (a->head.w.data == a->embed.data)
        match_vector(&m, "head's bias", a->head.bias, b->head.bias, a->vocab, 1);
    else match_head(&m, &a->head, &b->head, head);
    match_weight(&m, "per-layer embedding", &a->ple_embed, &b->ple_embed, 0, NULL);
    match_linear(&m, "per-layer model projection", &a->ple_model_proj, &b->ple_model_proj);
    match_norm(&m, "per-layer projection's norm", &a->ple_proj_norm, &b->ple_proj_norm, a->ple_dim);
    for (int32_t i = 0; i < a->n_layers && !c->status; i++) {
        m.layer = i;
        match_layer(&m, &a->layers[i], &b->layers[i]);
        match_layer_scale(&m, &a->layers[i]);
    }
    check_filled(c);
}
