/* Rotary position embedding (Su et al. 2021, 2104.09864).
 *
 * Angles depend on the token's position only, so cosines and sines are made once per run
 * for every kind of rotation in the network (rope tables) and used by all layers and heads.
 * A table row is [cos n_dims/2 | sin n_dims/2], magnitude included; mn_cpu_ops.rotate
 * applies it. */
#include "backend/native/native.h"

#include <math.h>

static void fill_row(const mn_rope *rope, int32_t pos, bool use_long, float *row)
{
    int32_t half = rope->n_dims / 2;
    const float *freq = use_long ? rope->inv_freq_long : rope->inv_freq;
    float magnitude = mn_or_one(use_long ? rope->magnitude_long : rope->magnitude);
    for (int32_t i = 0; i < half; i++) {
        float angle = (float)pos * freq[i];
        row[i] = cosf(angle) * magnitude;
        row[half + i] = sinf(angle) * magnitude;
    }
}

/* Long or short frequencies (longrope) are chosen by the context that the engine was made
 * for.  transformers goes by the sequence's length and computes the whole cache anew when
 * it passes the switch, which caches shared between sequences cannot do; one choice for all
 * keeps every key of a cache comparable. */
static bool wants_long(const mn_engine *e, const mn_rope *rope)
{
    return rope->switch_at && rope->inv_freq_long && e->context > rope->switch_at;
}

void mn_rope_fill(mn_run *r)
{
    int32_t first, end;
    mn_run_rows(r, r->n_tokens, &first, &end);
    for (int32_t k = 0; k < r->e->n_ropes; k++) {
        mn_rope_table *table = &r->e->ropes[k];
        bool use_long = wants_long(r->e, &table->rope);
        for (int32_t t = first; t < end; t++)
            fill_row(&table->rope, r->e->pos[t], use_long,
                     table->table + (int64_t)t * table->rope.n_dims);
    }
}
