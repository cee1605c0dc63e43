/* The forward pass: from a batch of tokens to logits, by the fields of the plan.
 *
 *   mn_forward     checks the batch, reserves room in its sequences, runs, commits
 *   run_thread     what every thread does: embed, layers, head
 *   run_layer      one layer, in the order that plan.h gives
 *
 * After the last mixer only the tokens whose logits are wanted stay in the batch: the rest
 * has done its work by then, which is to be in the caches.
 */
#include "backend/native/native.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_RUN = 1 << 20 };     /* logits per call */

typedef struct {
    float *x, *h, *a, *b, *f;   /* [n][hidden]: residual, normed, mixers, ffn */
    float *ple, *ple_proj;      /* [n][layers * ple_dim] each */
    float *ple_gate;            /* [n][ple_dim] */
} buffers;

static void lay_out(mn_scratch *s, const mn_plan *plan, int32_t n, buffers *b)
{
    *b = (buffers){ 0 };
    b->x = mn_scratch_floats(s, n, plan->hidden);
    b->h = mn_scratch_floats(s, n, plan->hidden);
    b->a = mn_scratch_floats(s, n, plan->hidden);
    b->b = mn_scratch_floats(s, n, plan->hidden);
    b->f = mn_scratch_floats(s, n, plan->hidden);
    if (!plan->ple_dim) return;
    int64_t width = (int64_t)plan->n_layers * plan->ple_dim;
    b->ple = mn_scratch_floats(s, n, width);
    b->ple_proj = mn_scratch_floats(s, n, width);
    b->ple_gate = mn_scratch_floats(s, n, plan->ple_dim);
}

static void mixer_needs(mn_needs *needs, const mn_mixer *m, int32_t n)
{
    switch (m->kind) {
    case MN_MIXER_ATTENTION: mn_attention_needs(needs, &m->u.attention, n); break;
    case MN_MIXER_MLA: mn_mla_needs(needs, &m->u.mla, n); break;
    case MN_MIXER_GATED_DELTA: mn_delta_needs(needs, &m->u.delta, n); break;
    case MN_MIXER_MAMBA2: mn_mamba2_needs(needs, &m->u.mamba2, n); break;
    case MN_MIXER_SHORT_CONV: mn_short_conv_needs(needs, &m->u.conv, n); break;
    case MN_MIXER_NONE: break;
    }
}

void mn_run_needs(mn_needs *needs, const mn_plan *plan, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, plan, n, &b);
    mn_needs_pack(needs, n, plan->hidden);
    if (plan->ple_dim) mn_needs_pack(needs, n, plan->ple_dim);
    size_t mark = needs->scratch.used;
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const mn_layer *layer = &plan->layers[i];
        const mn_mixer *both[2] = { &layer->mixer, &layer->parallel_mixer };
        for (int k = 0; k < 2; k++) {
            if (mn_or_one(both[k]->in_scale) != 1.0f)
                mn_scratch_floats(&needs->scratch, n, plan->hidden);
            mixer_needs(needs, both[k], n);
            needs->scratch.used = mark;
        }
        mn_ffn_needs(needs, &layer->ffn, n);
        needs->scratch.used = mark;
    }
}

/* ---- embedding ---------------------------------------------------------------------- */

static void embed_token(const mn_run *r, int32_t t, float *x)
{
    const mn_plan *p = r->e->plan;
    const mn_batch *batch = r->batch;
    if (batch->embeddings) {
        memcpy(x, batch->embeddings + (int64_t)t * p->hidden, (size_t)p->hidden * sizeof *x);
    } else {
        float scale = mn_or_one(p->embed_scale);
        mn_weight_decode(&p->embed, 0, batch->tokens[t], 0, p->hidden, x);
        if (scale != 1.0f) r->e->ops.scaled(x, x, scale, p->hidden);
    }
}

static void embed(mn_run *r, const buffers *b)
{
    const mn_plan *p = r->e->plan;
    int32_t t, end, hidden = p->hidden;
    mn_run_rows(r, r->n_tokens, &t, &end);
    for (; t < end; t++) {
        float *x = b->x + (int64_t)t * hidden;
        embed_token(r, t, x);
        if (mn_weight_present(&p->pos_embed)) {
            float *pos = b->h + (int64_t)t * hidden;
            mn_weight_decode(&p->pos_embed, 0, r->e->pos[t], 0, hidden, pos);
            r->e->ops.add_scaled(x, pos, 1.0f, hidden);
        }
        mn_norm_one(&r->e->ops, &p->embed_norm, x, x, hidden);
    }
    mn_rope_fill(r);
    mn_run_barrier(r);
}

/* Per-layer embeddings of the batch's tokens, all layers at once. */
static void embed_per_layer(mn_run *r, const buffers *b)
{
    const mn_plan *p = r->e->plan;
    int32_t t, end, width = p->n_layers * p->ple_dim;
    const float *in = b->x;
    if (p->ple_input_bf16) {    /* h is free until the first layer */
        mn_run_rows(r, r->n_tokens, &t, &end);
        for (int64_t i = (int64_t)t * p->hidden; i < (int64_t)end * p->hidden; i++)
            b->h[i] = mn_bf16_to_f32(mn_f32_to_bf16(b->x[i]));
        mn_run_barrier(r);
        in = b->h;
    }
    mn_run_linear(r, &p->ple_model_proj, &r->e->packs.input, in, r->n_tokens, b->ple_proj);
    mn_run_rows(r, r->n_tokens, &t, &end);
    for (; t < end; t++) {
        float *e = b->ple + (int64_t)t * width, *proj = b->ple_proj + (int64_t)t * width;
        int32_t token = r->batch->tokens ? r->batch->tokens[t] : 0;
        if (token >= p->ple_embed.rows) token = 0;
        mn_weight_decode(&p->ple_embed, 0, token, 0, width, e);
        float scale = mn_or_one(p->ple_proj_scale), mix = mn_or_one(p->ple_mix_scale);
        for (int32_t i = 0; i < width; i++) proj[i] *= scale;
        mn_norm_one(&r->e->ops, &p->ple_proj_norm, proj, proj, width);
        scale = mn_or_one(p->ple_embed_scale);
        for (int32_t i = 0; i < width; i++) e[i] = (e[i] * scale + proj[i]) * mix;
    }
    mn_run_barrier(r);
}

/* ---- one layer ---------------------------------------------------------------------- */

static void run_mixer(mn_run *r, const mn_mixer *m, int which, const float *h, float *out)
{
    const mn_state_slot *state = &r->e->states[2 * r->layer + which];
    size_t mark = r->scratch.used;
    float in_scale = mn_or_one(m->in_scale), out_scale = mn_or_one(m->out_scale);
    int32_t t, end, hidden = r->e->plan->hidden;
    mn_run_rows(r, r->n_tokens, &t, &end);
    int64_t first = (int64_t)t * hidden, last = (int64_t)end * hidden;
    if (in_scale != 1.0f) {
        float *scaled = mn_scratch_floats(&r->scratch, r->n_tokens, hidden);
        r->e->ops.scaled(scaled + first, h + first, in_scale, last - first);
        h = scaled;
    }
    switch (m->kind) {
    case MN_MIXER_ATTENTION: mn_attention_forward(r, &m->u.attention, h, out); break;
    case MN_MIXER_MLA: mn_mla_forward(r, &m->u.mla, h, out); break;
    case MN_MIXER_GATED_DELTA: mn_delta_forward(r, &m->u.delta, state, h, out); break;
    case MN_MIXER_MAMBA2: mn_mamba2_forward(r, &m->u.mamba2, state, h, out); break;
    case MN_MIXER_SHORT_CONV: mn_short_conv_forward(r, &m->u.conv, state, h, out); break;
    case MN_MIXER_NONE: break;
    }
    if (out_scale != 1.0f) r->e->ops.scaled(out + first, out + first, out_scale, last - first);
    r->scratch.used = mark;
}

/* Drops the rows that nobody reads any more.  Begins and ends with a barrier. */
static void keep_wanted(mn_run *r, const mn_layer *layer, const buffers *b)
{
    const mn_engine *e = r->e;
    if (e->n_wanted == r->n_tokens) return;
    mn_run_barrier(r);
    if (r->team.thread == 0) {
        size_t row = (size_t)e->plan->hidden, width = (size_t)e->plan->n_layers *
                                                      (size_t)e->plan->ple_dim;
        for (int32_t i = 0; i < e->n_wanted; i++) {
            size_t to = (size_t)i, from = (size_t)e->wanted[i];
            memmove(b->x + to * row, b->x + from * row, row * sizeof(float));
            memmove(b->a + to * row, b->a + from * row, row * sizeof(float));
            if (layer->parallel_ffn)
                memmove(b->h + to * row, b->h + from * row, row * sizeof(float));
            if (b->ple)
                memmove(b->ple + to * width, b->ple + from * width, width * sizeof(float));
        }
    }
    mn_run_barrier(r);
    r->n_tokens = e->n_wanted;
}

/* x += scale * norm(part), by rows */
static void add_part(mn_run *r, const mn_norm *norm, float *part, float scale, float *x)
{
    int32_t t, end, hidden = r->e->plan->hidden;
    mn_norm_rows(r, norm, part, part, hidden, r->n_tokens);
    mn_run_rows(r, r->n_tokens, &t, &end);
    r->e->ops.add_scaled(x + (int64_t)t * hidden, part + (int64_t)t * hidden, scale,
                         (end - t) * hidden);
}

static void add_per_layer(mn_run *r, const mn_ple *ple, const buffers *b)
{
    const mn_plan *p = r->e->plan;
    int32_t n = r->n_tokens, t, end, dim = p->ple_dim, width = p->n_layers * dim;
    mn_run_linear(r, &ple->gate, &r->e->packs.input, b->x, n, b->ple_gate);
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++) {
        float *g = b->ple_gate + (int64_t)t * dim;
        const float *e = b->ple + (int64_t)t * width + r->layer * dim;
        r->e->ops.gated_act(g, g, e, dim, ple->act);
    }
    mn_run_linear(r, &ple->proj, &r->e->packs.inner, b->ple_gate, n, b->f);
    add_part(r, &ple->post_norm, b->f, 1.0f, b->x);
}

static void run_ffn(mn_run *r, const mn_layer *layer, const float *h, const buffers *b)
{
    float scale = mn_or_one(layer->residual_scale);
    int32_t hidden = r->e->plan->hidden;
    if (layer->parallel_ffn) {
        if (layer->ffn_norm.kind != MN_NORM_NONE)   /* GPT-NeoX: its own norm of the same x */
            h = mn_norm_rows(r, &layer->ffn_norm, b->x, b->h, hidden, r->n_tokens);
        mn_ffn_forward(r, &layer->ffn, h, b->x, b->f);
        add_part(r, &layer->post_mixer_norm, b->a, scale, b->x);
        add_part(r, &layer->post_ffn_norm, b->f, scale, b->x);
        return;
    }
    if (layer->mixer.kind != MN_MIXER_NONE)
        add_part(r, &layer->post_mixer_norm, b->a, scale, b->x);
    if (layer->ffn.kind == MN_FFN_NONE) return;
    h = mn_norm_rows(r, &layer->ffn_norm, b->x, b->h, hidden, r->n_tokens);
    mn_ffn_forward(r, &layer->ffn, h, b->x, b->f);
    add_part(r, &layer->post_ffn_norm, b->f, scale, b->x);
}

static void run_layer(mn_run *r, const mn_layer *layer, const buffers *b)
{
    int32_t t, end, hidden = r->e->plan->hidden;
    const float *h = mn_norm_rows(r, &layer->pre_norm, b->x, b->h, hidden, r->n_tokens);
    run_mixer(r, &layer->mixer, 0, h, b->a);
    if (layer->parallel_mixer.kind != MN_MIXER_NONE) {
        run_mixer(r, &layer->parallel_mixer, 1, h, b->b);
        mn_run_rows(r, r->n_tokens, &t, &end);
        r->e->ops.add_scaled(b->a + (int64_t)t * hidden, b->b + (int64_t)t * hidden, 1.0f,
                             (end - t) * hidden);
    }
    if (r->layer == r->e->plan->n_layers - 1) keep_wanted(r, layer, b);
    if (r->n_tokens == 0) return;
    run_ffn(r, layer, h, b);
    if (mn_linear_present(&layer->ple.gate)) add_per_layer(r, &layer->ple, b);
    float scale = mn_or_one(layer->layer_scale);
    if (scale == 1.0f) return;
    mn_run_rows(r, r->n_tokens, &t, &end);
    float *x = b->x + (int64_t)t * hidden;
    r->e->ops.scaled(x, x, scale, (int64_t)(end - t) * hidden);
}

/* ---- the head ----------------------------------------------------------------------- */

static void cap_logits(mn_run *r)
{
    const mn_plan *p = r->e->plan;
    float scale = mn_or_one(p->logit_scale), cap = p->logit_softcap;
    if (scale == 1.0f && cap == 0.0f) return;
    int64_t all = (int64_t)r->e->n_wanted * p->vocab;
    int64_t first = all * r->team.thread / r->team.n_threads;
    int64_t end = all * (r->team.thread + 1) / r->team.n_threads;
    float *y = r->e->logits;
    for (int64_t i = first; i < end; i += CAP_RUN) {
        int32_t n = end - i < CAP_RUN ? (int32_t)(end - i) : CAP_RUN;
        if (cap != 0.0f)
            r->e->ops.softcap(y + i, n, scale, cap);
        else
            r->e->ops.scaled(y + i, y + i, scale, n);
    }
}

static void run_head(mn_run *r, const buffers *b)
{
    mn_engine *e = r->e;
    const mn_plan *p = e->plan;
    int32_t t, end;
    if (p->n_layers == 0) keep_wanted(r, &(mn_layer){ 0 }, b);
    mn_run_rows(r, r->n_tokens, &t, &end);
    for (; t < end; t++)
        mn_norm_one(&e->ops, &p->out_norm, b->x + (int64_t)t * p->hidden,
                    e->hidden + (int64_t)t * p->hidden, p->hidden);
    if (!mn_linear_present(&p->head)) return;
    mn_run_linear(r, &p->head, &e->packs.input, e->hidden, r->n_tokens, e->logits);
    cap_logits(r);
}

/* ---- the run ------------------------------------------------------------------------ */

typedef struct {
    mn_engine *engine;
    const mn_batch *batch;
    mn_pool *pool;
} job;

/* All threads get the same answer: thread 0 asks before a barrier, all look after it, and
 * the layer's own barriers lie before it asks again. */
static bool stop_here(const mn_run *r, const mn_layer *layer)
{
    const mn_batch *batch = r->batch;
    if (!batch->cancelled) return false;
    if (layer->mixer.kind == MN_MIXER_NONE && layer->ffn.kind == MN_FFN_NONE) return false;
    if (r->team.thread == 0 && batch->cancelled(batch->cancel_ctx)) r->e->stop = true;
    mn_run_barrier(r);
    return r->e->stop;
}

static void run_thread(void *ctx, int thread, int n_threads)
{
    const job *j = ctx;
    mn_engine *e = j->engine;
    uint8_t *own = e->thread_memory + e->thread_bytes * (size_t)thread;
    size_t matmul = (mn_matmul_scratch_bytes() + MN_ALIGN - 1) / MN_ALIGN * MN_ALIGN;
    mn_run r = {
        .e = e, .batch = j->batch, .n_tokens = j->batch->n_tokens,
        .scratch = { .base = e->memory },
        .team = { j->pool, thread, n_threads, own }, .thread_memory = own + matmul,
    };
    buffers b;
    lay_out(&r.scratch, e->plan, r.n_tokens, &b);
    embed(&r, &b);
    if (e->plan->ple_dim) embed_per_layer(&r, &b);
    for (r.layer = 0; r.layer < e->plan->n_layers; r.layer++) {
        const mn_layer *layer = &e->plan->layers[r.layer];
        if (stop_here(&r, layer)) return;
        run_layer(&r, layer, &b);
    }
    if (r.n_tokens > 0) run_head(&r, &b);
}

/* ---- checks before ------------------------------------------------------------------ */

static minerva_status check_span(const mn_engine *e, const mn_batch *batch, int32_t s,
                                 minerva_error *err)
{
    const mn_span *span = &batch->spans[s];
    if (!span->seq || span->n < 1 || span->first < 0 || span->n > batch->n_tokens - span->first)
        return mn_fail(err, MINERVA_INVALID, "span %d: tokens [%d, %d + %d) of %d", s,
                       span->first, span->first, span->n, batch->n_tokens);
    for (int32_t i = 0; i < s; i++)
        if (batch->spans[i].seq == span->seq)
            return mn_fail(err, MINERVA_INVALID, "spans %d and %d: the same sequence twice", i, s);
    for (int32_t i = 0; i < span->n; i++) {
        if (e->span_of[span->first + i] >= 0)
            return mn_fail(err, MINERVA_INVALID, "token %d is in two spans", span->first + i);
        e->span_of[span->first + i] = s;
        e->pos[span->first + i] = span->seq->length + i;
    }
    return MINERVA_OK;
}

static minerva_status check_batch(mn_engine *e, const mn_batch *batch, minerva_error *err)
{
    int32_t n = batch->n_tokens, vocab = e->plan->vocab;
    if (n < 1 || n > e->max_batch || (!batch->tokens && !batch->embeddings))
        return mn_fail(err, MINERVA_INVALID, "batch: 1 to %d tokens expected, %d found",
                       e->max_batch, n);
    for (int32_t t = 0; t < n; t++) e->span_of[t] = -1;
    for (int32_t s = 0; s < batch->n_spans; s++) {
        minerva_status st = check_span(e, batch, s, err);
        if (st) return st;
    }
    e->n_wanted = 0;
    for (int32_t t = 0; t < n; t++) {
        if (e->span_of[t] < 0)
            return mn_fail(err, MINERVA_INVALID, "token %d is in no span", t);
        if (!batch->embeddings && (batch->tokens[t] < 0 || batch->tokens[t] >= vocab))
            return mn_fail(err, MINERVA_INVALID, "token %d: 0 to %d expected, %d found", t,
                           vocab - 1, batch->tokens[t]);
        const mn_span *span = &batch->spans[e->span_of[t]];
        bool last = t == span->first + span->n - 1;
        if (batch->want ? batch->want[t] : last) e->wanted[e->n_wanted++] = t;
    }
    return MINERVA_OK;
}

static minerva_status grow_outputs(mn_engine *e, minerva_error *err)
{
    if (e->n_wanted <= e->output_rows) return MINERVA_OK;
    int32_t rows = e->output_rows ? e->output_rows : 4;
    while (rows < e->n_wanted) rows *= 2;
    if (rows > e->max_batch) rows = e->max_batch;
    size_t hidden = (size_t)rows * (size_t)e->plan->hidden * sizeof(float);
    size_t logits = (size_t)rows * (size_t)e->plan->vocab * sizeof(float);
    free(e->hidden);
    free(e->logits);
    e->hidden = malloc(hidden);
    e->logits = malloc(logits ? logits : 1);
    e->output_rows = e->hidden && e->logits ? rows : 0;
    return e->output_rows ? MINERVA_OK : mn_fail_memory(err, hidden + logits);
}

static minerva_status reserve_all(mn_engine *e, const mn_batch *batch, minerva_error *err)
{
    for (int32_t s = 0; s < batch->n_spans; s++) {
        minerva_status st = mn_seq_reserve(e, batch->spans[s].seq, batch->spans[s].n, err);
        if (st == MINERVA_OK) continue;
        while (s-- > 0) mn_seq_rollback(e, batch->spans[s].seq);
        return st;
    }
    return MINERVA_OK;
}

/* Threads meet about fifteen times a layer.  A run that one thread does in a fraction of a
 * millisecond gains nothing from that, and loses much when the processor is busy. */
static mn_pool *pool_for(const mn_engine *e, const mn_batch *batch)
{
    double read_ns = e->bytes_per_token / 20;
    double multiply_ns = e->macs_per_token * batch->n_tokens / 50;
    return fmax(read_ns, multiply_ns) < e->shared_from_ns ? e->solo : e->pool;
}

minerva_status mn_forward(mn_engine *e, const mn_batch *batch, mn_output *out,
                          minerva_error *err)
{
    minerva_status st;
    if ((st = check_batch(e, batch, err))) return st;
    if ((st = grow_outputs(e, err))) return st;
    if ((st = reserve_all(e, batch, err))) return st;
    job j = { e, batch, pool_for(e, batch) };
    e->stop = false;
    mn_pool_run(j.pool, run_thread, &j);
    for (int32_t s = 0; s < batch->n_spans; s++) {
        mn_seq *seq = batch->spans[s].seq;
        if (e->stop)
            mn_seq_rollback(e, seq);
        else
            mn_seq_commit(e, seq, batch->spans[s].n);
    }
    if (e->stop) return mn_fail(err, MINERVA_CANCELLED, "cancelled");
    bool head = mn_linear_present(&e->plan->head);
    *out = (mn_output){ .logits = head ? e->logits : NULL, .hidden = e->hidden,
                        .n_wanted = e->n_wanted };
    return MINERVA_OK;
}
