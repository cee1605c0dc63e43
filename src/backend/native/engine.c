/* Making an engine: everything that is decided or allocated once, at load.
 *
 *   - the cache's layout and the places of recurrent state
 *   - which rotations occur (rope tables)
 *   - keys of latent attention, transposed where the file has only the fused form
 *   - one block of memory, measured by letting every part of the network lay out its
 *     buffers for max_batch tokens without memory, then allocated once
 */
#include "backend/native/native.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SHARED_FROM_NS = 200000 };
enum { DEFAULT_BATCH = 512, LARGEST_BATCH = 16384, HUGE_PAGE = 2 << 20 };

/* ---- recurrent state ---------------------------------------------------------------- */

static size_t mixer_state(const mn_mixer *m)
{
    switch (m->kind) {
    case MN_MIXER_GATED_DELTA: return mn_delta_state(&m->u.delta);
    case MN_MIXER_MAMBA2: return mn_mamba2_state(&m->u.mamba2);
    case MN_MIXER_SHORT_CONV: return mn_short_conv_state(&m->u.conv);
    case MN_MIXER_NONE: case MN_MIXER_ATTENTION: case MN_MIXER_MLA: break;
    }
    return 0;
}

/* Fills `slots` [n_layers][2] where given; returns the floats of one sequence. */
static size_t place_states(const mn_plan *plan, mn_state_slot *slots)
{
    size_t used = 0;
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const mn_mixer *both[2] = { &plan->layers[i].mixer, &plan->layers[i].parallel_mixer };
        for (int k = 0; k < 2; k++) {
            size_t size = mixer_state(both[k]);
            if (slots) slots[2 * i + k] = (mn_state_slot){ .at = used, .size = size };
            used += (size + 15) / 16 * 16;
        }
    }
    return used;
}

/* ---- rotations ---------------------------------------------------------------------- */

static const mn_rope *layer_rope(const mn_layer *layer)
{
    const mn_mixer *both[2] = { &layer->mixer, &layer->parallel_mixer };
    for (int k = 0; k < 2; k++) {
        if (both[k]->kind == MN_MIXER_ATTENTION) return &both[k]->u.attention.rope;
        if (both[k]->kind == MN_MIXER_MLA) return &both[k]->u.mla.rope;
    }
    return NULL;
}

static bool same_frequencies(const float *a, const float *b, int32_t n_dims)
{
    if (a == b) return true;
    return a && b && !memcmp(a, b, (size_t)(n_dims / 2) * sizeof *a);
}

/* Do both have the same table?  (Where the pairs lie does not matter to it.) */
static bool same_rope(const mn_rope *a, const mn_rope *b)
{
    return a->n_dims == b->n_dims && a->magnitude == b->magnitude &&
           a->magnitude_long == b->magnitude_long && a->switch_at == b->switch_at &&
           a->long_by_context == b->long_by_context &&
           same_frequencies(a->inv_freq, b->inv_freq, a->n_dims) &&
           same_frequencies(a->inv_freq_long, b->inv_freq_long, a->n_dims);
}

static minerva_status find_ropes(mn_engine *e, minerva_error *err)
{
    size_t n = (size_t)e->plan->n_layers + 1;
    e->rope_of = mn_arena_array(&e->arena, n, sizeof *e->rope_of);
    e->ropes = mn_arena_array(&e->arena, n, sizeof *e->ropes);
    if (!e->rope_of || !e->ropes) return mn_fail_memory(err, n * sizeof *e->ropes);
    for (int32_t i = 0; i < e->plan->n_layers; i++) {
        const mn_rope *rope = layer_rope(&e->plan->layers[i]);
        e->rope_of[i] = -1;
        if (!rope || !rope->n_dims) continue;
        int32_t k = 0;
        while (k < e->n_ropes && !same_rope(&e->ropes[k].rope, rope)) k++;
        if (k == e->n_ropes) e->ropes[e->n_ropes++].rope = *rope;
        e->rope_of[i] = k;
    }
    return MINERVA_OK;
}

/* ---- latent attention with a fused kv_b --------------------------------------------- */

/* k_b[h][r][c] = kv_b[h * (nope + v) + c][r] */
static minerva_status transpose_keys(mn_engine *e, const mn_mla *a, mn_weight *out,
                                     minerva_error *err)
{
    bool wide = e->cpu.precise || a->kv_b.type == MN_F32;
    size_t item = wide ? 4 : 2, rank = (size_t)a->kv_rank, nope = (size_t)a->nope_dim;
    size_t bytes = (size_t)a->n_heads * rank * nope * item;
    uint8_t *data = mn_arena_alloc_aligned(&e->arena, bytes, MN_ALIGN);
    float *row = malloc(rank * sizeof *row);
    if (!data || !row) {
        free(row);
        return mn_fail_memory(err, bytes);
    }
    bool half = a->kv_b.type == MN_F16;
    for (size_t h = 0; h < (size_t)a->n_heads; h++) {
        for (size_t c = 0; c < nope; c++) {
            int64_t from = (int64_t)h * (a->nope_dim + a->v_dim) + (int64_t)c;
            mn_weight_decode(&a->kv_b, 0, from, 0, a->kv_rank, row);
            for (size_t r = 0; r < rank; r++) {
                size_t at = (h * rank + r) * nope + c;
                if (wide) ((float *)data)[at] = row[r];
                else ((uint16_t *)data)[at] = half ? mn_f32_to_f16(row[r]) : mn_f32_to_bf16(row[r]);
            }
        }
    }
    free(row);
    *out = (mn_weight){ .type = wide ? MN_F32 : half ? MN_F16 : MN_BF16, .rows = a->kv_rank,
                        .cols = a->nope_dim, .n_experts = a->n_heads, .data = data,
                        .row_bytes = nope * item, .expert_bytes = rank * nope * item };
    return MINERVA_OK;
}

static mn_weight value_view(const mn_mla *a)
{
    size_t rows = (size_t)(a->nope_dim + a->v_dim);
    mn_weight v = mn_weight_rows(&a->kv_b, a->nope_dim, a->kv_b.rows - a->nope_dim);
    v.rows = a->v_dim;
    v.n_experts = a->n_heads;
    v.expert_bytes = rows * v.row_bytes;
    v.scale_expert_bytes = rows * v.scale_row_bytes;
    return v;
}

static minerva_status split_latents(mn_engine *e, minerva_error *err)
{
    for (int32_t i = 0; i < e->plan->n_layers; i++) {
        const mn_mixer *m = &e->plan->layers[i].mixer;
        if (m->kind != MN_MIXER_MLA || mn_weight_present(&m->u.mla.k_b)) continue;
        size_t n = (size_t)e->plan->n_layers;
        if (!e->mla) e->mla = mn_arena_array(&e->arena, n, sizeof *e->mla);
        if (!e->mla) return mn_fail_memory(err, n * sizeof *e->mla);
        minerva_status st = transpose_keys(e, &m->u.mla, &e->mla[i].k_b, err);
        if (st) return st;
        e->mla[i].v_b = value_view(&m->u.mla);
    }
    return MINERVA_OK;
}

/* ---- convolutions -------------------------------------------------------------------- */

/* The plan's taps lie [channels][width]; vectors over channels want [width][channels]. */
static float *turned_taps(mn_arena *arena, const float *taps, size_t channels, size_t width)
{
    float *to = mn_arena_array(arena, channels * width, sizeof *to);
    for (size_t c = 0; to && c < channels; c++)
        for (size_t w = 0; w < width; w++) to[w * channels + c] = taps[c * width + w];
    return to;
}

static minerva_status transpose_taps(mn_engine *e, minerva_error *err)
{
    for (int32_t i = 0; i < 2 * e->plan->n_layers; i++) {
        const mn_layer *layer = &e->plan->layers[i / 2];
        const mn_mixer *m = i % 2 ? &layer->parallel_mixer : &layer->mixer;
        const float *taps;
        size_t channels, width;
        if (m->kind == MN_MIXER_GATED_DELTA) {
            const mn_gated_delta *d = &m->u.delta;
            taps = d->conv;
            width = (size_t)d->conv_width;
            channels = (size_t)(2 * d->n_k_heads * d->key_dim + d->n_v_heads * d->value_dim);
        } else if (m->kind == MN_MIXER_MAMBA2) {
            const mn_mamba2 *s = &m->u.mamba2;
            taps = s->conv;
            width = (size_t)s->conv_width;
            channels = (size_t)(s->n_heads * s->head_dim + 2 * s->n_groups * s->state_dim);
        } else if (m->kind == MN_MIXER_SHORT_CONV) {
            taps = m->u.conv.conv;
            width = (size_t)m->u.conv.width;
            channels = (size_t)m->u.conv.in.w.rows / 3;
        } else {
            continue;
        }
        if (width < 1 || width > MN_MAX_TAPS)
            return mn_fail(err, MINERVA_UNSUPPORTED,
                           "layer %d: a convolution over 1 to %d positions expected, %zu found",
                           i / 2, MN_MAX_TAPS, width);
        e->states[i].taps = turned_taps(&e->arena, taps, channels, width);
        if (!e->states[i].taps) return mn_fail_memory(err, channels * width * sizeof *taps);
    }
    return MINERVA_OK;
}

/* ---- memory ------------------------------------------------------------------------- */

static int32_t context_of(const mn_plan *plan, const mn_load_options *options)
{
    int32_t context = options->context > 0 ? options->context : plan->context_train;
    if (context <= 0) context = 4096;
    if (mn_weight_present(&plan->pos_embed) && plan->pos_embed.rows < context)
        context = (int32_t)plan->pos_embed.rows;
    return context;
}

static int32_t batch_of(const mn_load_options *options)
{
    return options->max_batch > 0 ? options->max_batch : DEFAULT_BATCH;
}

static mn_kv_type kv_type_of(const mn_load_options *options)
{
    if (options->precise && options->kv_type == MN_KV_F16) return MN_KV_F32;
    return options->kv_type;
}

static size_t aligned(size_t n) { return (n + MN_ALIGN - 1) / MN_ALIGN * MN_ALIGN; }

static minerva_status allocate_memory(mn_engine *e, minerva_error *err)
{
    mn_needs needs = { .n_threads = mn_pool_size(e->pool) };
    size_t n = (size_t)e->max_batch, tables = 0, threads = (size_t)needs.n_threads;
    mn_run_needs(&needs, e->plan, e->max_batch);
    for (int32_t k = 0; k < e->n_ropes; k++)
        tables += aligned(n * (size_t)e->ropes[k].rope.n_dims * sizeof(float));
    size_t ints = aligned(n * sizeof(int32_t)), pack = aligned(needs.pack_bytes);
    size_t matmul = aligned(mn_matmul_scratch_bytes());
    e->scratch_bytes = aligned(needs.scratch.peak);
    e->thread_bytes = matmul + aligned(needs.thread_bytes);
    e->memory_bytes = e->scratch_bytes + tables + 3 * ints + 2 * pack + threads * e->thread_bytes;
    void *memory;
    if (posix_memalign(&memory, HUGE_PAGE, e->memory_bytes))
        return mn_fail_memory(err, e->memory_bytes);
    e->memory = memory;
#ifdef MADV_HUGEPAGE
    madvise(memory, e->memory_bytes, MADV_HUGEPAGE);
#endif
    uint8_t *at = e->memory + e->scratch_bytes;
    for (int32_t k = 0; k < e->n_ropes; k++) {
        e->ropes[k].table = (float *)at;
        at += aligned(n * (size_t)e->ropes[k].rope.n_dims * sizeof(float));
    }
    e->pos = (int32_t *)at;
    e->span_of = (int32_t *)(at + ints);
    e->wanted = (int32_t *)(at + 2 * ints);
    at += 3 * ints;
    mn_pack_init(&e->packs.input, at, pack);
    mn_pack_init(&e->packs.inner, at + pack, pack);
    e->thread_memory = at + 2 * pack;
    return MINERVA_OK;
}

static minerva_status make_page_pool(mn_engine *e, minerva_error *err)
{
    for (int32_t g = 0; g < e->kv.n_groups; g++)
        mn_page_pool_add(&e->pages, e->kv.groups[g].page_bytes);
    size_t slots = 2 * (size_t)e->plan->n_layers + 1;
    e->states = mn_arena_array(&e->arena, slots, sizeof *e->states);
    if (!e->states) return mn_fail_memory(err, slots * sizeof *e->states);
    size_t floats = place_states(e->plan, e->states);
    e->state_class = -1;
    if (floats) {
        e->state_class = mn_page_pool_add(&e->pages, floats * sizeof(float));
        minerva_status st = mn_page_acquire(&e->pages, e->state_class, &e->zero_state, err);
        if (st) return st;
    }
    if (e->options.state_limit_bytes)
        e->pages.limit_bytes = e->options.state_limit_bytes + e->pages.used_bytes;
    return MINERVA_OK;
}

minerva_status mn_engine_create(mn_engine **out, mn_plan *plan, bool owns_plan,
                                const mn_load_options *options, minerva_error *err)
{
    if (batch_of(options) > LARGEST_BATCH)
        return mn_fail(err, MINERVA_INVALID, "max_batch: at most %d tokens expected, %d found",
                       LARGEST_BATCH, options->max_batch);
    mn_engine *e = calloc(1, sizeof *e);
    if (!e) return mn_fail_memory(err, sizeof *e);
    minerva_status st;
    e->plan = plan;
    e->options = *options;
    e->context = context_of(plan, options);
    e->max_batch = batch_of(options);
    if ((st = mn_cpu_init(&e->cpu, options->isa, options->precise, err))) goto fail;
    mn_cpu exact = e->cpu;
    exact.precise = true;
    mn_matmul_init(&e->matmul, &e->cpu);
    mn_matmul_init(&e->exact, &exact);
    mn_cpu_ops_init(&e->ops, &e->cpu);
    if ((st = mn_pool_create(&e->pool, options->n_threads, err))) goto fail;
    if ((st = mn_pool_create(&e->solo, 1, err))) goto fail;
    e->shared_from_ns = SHARED_FROM_NS;
    e->bytes_per_token = (double)mn_plan_bytes_per_token(plan);
    e->macs_per_token = (double)mn_plan_macs_per_token(plan);
    if ((st = mn_kv_layout_init(&e->kv, plan, kv_type_of(options), &e->ops, &e->arena,
                                err))) goto fail;
    if ((st = make_page_pool(e, err))) goto fail;
    if ((st = find_ropes(e, err))) goto fail;
    if ((st = split_latents(e, err))) goto fail;
    if ((st = transpose_taps(e, err))) goto fail;
    if ((st = allocate_memory(e, err))) goto fail;
    e->owns_plan = owns_plan;
    *out = e;
    return MINERVA_OK;
fail:
    mn_engine_free(e);
    return st;
}

void mn_engine_free(mn_engine *e)
{
    if (!e) return;
    mn_page_release(&e->pages, e->zero_state);
    mn_page_pool_clear(&e->pages);
    mn_pool_free(e->pool);
    mn_pool_free(e->solo);
    free(e->memory);
    free(e->logits);
    free(e->hidden);
    if (e->owns_plan) mn_plan_free(e->plan);
    mn_arena_clear(&e->arena);
    free(e);
}

minerva_status mn_engine_sizes(const mn_plan *plan, const mn_load_options *options, mn_fit *out,
                               minerva_error *err)
{
    mn_arena arena = { 0 };
    mn_kv_layout kv;
    minerva_status st = mn_kv_layout_init(&kv, plan, kv_type_of(options), NULL, &arena, err);
    if (st == MINERVA_OK) {
        mn_needs needs = { .n_threads = options->n_threads > 0 ? options->n_threads
                                                               : mn_cpu_count() };
        size_t threads = (size_t)needs.n_threads;
        mn_run_needs(&needs, plan, batch_of(options));
        out->state_bytes_per_position = mn_kv_layout_bytes_per_position(&kv);
        out->state_bytes_fixed = place_states(plan, NULL) * sizeof(float);
        out->scratch_bytes = needs.scratch.peak + 2 * needs.pack_bytes +
                             threads * (needs.thread_bytes + mn_matmul_scratch_bytes());
    }
    mn_arena_clear(&arena);
    return st;
}
