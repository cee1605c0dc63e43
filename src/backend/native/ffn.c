/* Feed-forward parts: dense, and the frame around a mixture of experts (moe.c): the
 * shared expert with its gate, and gemma 4's separately normed dense and expert halves. */
#include "backend/native/native.h"

static void lay_out_dense(mn_scratch *s, const mn_dense *d, int32_t n, float **gate, float **up)
{
    *up = mn_scratch_floats(s, n, d->up.w.rows);
    *gate = mn_linear_present(&d->gate) ? mn_scratch_floats(s, n, d->gate.w.rows) : NULL;
}

static void dense_needs(mn_needs *needs, const mn_dense *d, int32_t n)
{
    float *gate, *up;
    size_t mark = needs->scratch.used;
    lay_out_dense(&needs->scratch, d, n, &gate, &up);
    needs->scratch.used = mark;
    mn_needs_pack(needs, n, d->up.w.cols);
    mn_needs_pack(needs, n, d->down.w.cols);
}

void mn_dense_forward(mn_run *r, const mn_dense *d, const float *h, float *out)
{
    float *gate, *up;
    size_t mark = r->scratch.used;
    int32_t n = r->n_tokens, t, end;
    lay_out_dense(&r->scratch, d, n, &gate, &up);
    mn_job jobs[2] = { mn_job_linear(&d->up, n, up, d->up.w.rows) };
    if (gate) jobs[1] = mn_job_linear(&d->gate, n, gate, d->gate.w.rows);
    mn_run_pack(r, &r->e->packs.input, h, d->up.w.cols, n, d->up.w.cols);
    mn_run_matmul(r, &r->e->packs.input, jobs, gate ? 2 : 1);
    int64_t width = d->up.w.rows;
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++) {
        float *u = up + t * width;
        if (gate)
            r->e->ops.gated_act(u, gate + t * width, u, (int32_t)width, d->act);
        else
            r->e->ops.act(u, u, (int32_t)width, d->act);
    }
    mn_run_linear(r, &d->down, &r->e->packs.inner, up, n, out);
    r->scratch.used = mark;
}

/* Rows [first, end) of the shared expert's output, gated and added to the experts'. */
static void add_shared(const mn_run *r, const mn_ffn *f, float *out, float *shared,
                       const float *gate, int32_t first, int32_t end)
{
    int32_t hidden = r->e->plan->hidden;
    const mn_cpu_ops *ops = &r->e->ops;
    for (int32_t t = first; t < end; t++) {
        float *o = out + (int64_t)t * hidden, *s = shared + (int64_t)t * hidden;
        if (f->dense_out_norm.kind != MN_NORM_NONE)
            mn_norm_one(ops, &f->dense_out_norm, s, s, hidden);
        if (f->experts_out_norm.kind != MN_NORM_NONE)
            mn_norm_one(ops, &f->experts_out_norm, o, o, hidden);
        ops->add_scaled(o, s, gate ? mn_sigmoid(gate[t]) : 1.0f, hidden);
    }
}

typedef struct {
    float *shared, *experts_in, *gate;
} buffers;

static void lay_out(mn_scratch *s, const mn_ffn *f, int32_t n, buffers *b)
{
    int64_t hidden = mn_weight_present(&f->experts.down) ? f->experts.down.rows : 0;
    *b = (buffers){ 0 };
    if (mn_linear_present(&f->dense.up)) b->shared = mn_scratch_floats(s, n, hidden);
    b->experts_in = mn_scratch_floats(s, n, hidden);
    if (mn_linear_present(&f->shared_gate)) b->gate = mn_scratch_floats(s, n, 1);
}

static void experts_forward(mn_run *r, const mn_ffn *f, const float *h, const float *x,
                            float *out)
{
    buffers b;
    size_t mark = r->scratch.used;
    int32_t n = r->n_tokens, hidden = r->e->plan->hidden, first, end;
    lay_out(&r->scratch, f, n, &b);
    bool shared = mn_linear_present(&f->dense.up);
    if (shared) mn_dense_forward(r, &f->dense, h, b.shared);
    if (shared && mn_linear_present(&f->shared_gate))
        mn_run_linear(r, &f->shared_gate, &r->e->packs.input, h, n, b.gate);
    const float *source = f->experts_read_residual ? x : h;
    const float *in = mn_norm_rows(r, &f->experts_in_norm, source, b.experts_in, hidden, n);
    mn_run_barrier(r);
    mn_experts_forward(r, &f->experts, in, source, out);
    mn_run_rows(r, n, &first, &end);
    if (shared) {
        bool gated = mn_linear_present(&f->shared_gate);
        add_shared(r, f, out, b.shared, gated ? b.gate : NULL, first, end);
    } else {
        mn_norm_rows(r, &f->experts_out_norm, out, out, hidden, n);
    }
    mn_run_barrier(r);
    r->scratch.used = mark;
}

void mn_ffn_forward(mn_run *r, const mn_ffn *f, const float *h, const float *x, float *out)
{
    if (f->kind == MN_FFN_DENSE) mn_dense_forward(r, &f->dense, h, out);
    if (f->kind == MN_FFN_EXPERTS) experts_forward(r, f, h, x, out);
}

void mn_ffn_needs(mn_needs *needs, const mn_ffn *f, int32_t n)
{
    if (f->kind == MN_FFN_NONE) return;
    if (f->kind == MN_FFN_EXPERTS) {
        buffers b;
        lay_out(&needs->scratch, f, n, &b);
        mn_experts_needs(needs, &f->experts, n);
    }
    if (mn_linear_present(&f->dense.up)) dense_needs(needs, &f->dense, n);
}
