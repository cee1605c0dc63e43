/* Arrays: which items may come; see pda.h. */
#include "constrain/pda.h"

const mn_run_array *mn_run_array_of(mn_pda_program *p, uint32_t array)
{
    mn_schema *s = p->schema;
    if (s->arrays.at[array].run) return &p->arrays.at[s->arrays.at[array].run - 1];
    mn_array a = s->arrays.at[array];
    mn_run_array r = { .array = array, .min = a.min, .max = a.max, .n_prefix = a.prefix.n, .last = a.prefix.n,
                       .longest = MN_RX_INF, .n_contains = a.contains.n, .unique = a.unique };
    for (uint32_t i = 0; i < a.contains.n; i++)
        if (s->contains.at[a.contains.off + i].from > r.last) r.last = s->contains.at[a.contains.off + i].from;
    for (uint32_t i = 0; i <= a.prefix.n; i++)
        if (!mn_e_inhabited(s, mn_a_item(s, array, i))) {
            r.longest = i;
            break;
        }
    mn_vec_push(p->cx, &p->arrays, r);
    s->arrays.at[array].run = p->arrays.n;
    return &p->arrays.at[p->arrays.n - 1];
}

uint32_t mn_array_open(mn_pda *m, uint32_t parent, uint32_t array)
{
    const mn_run_array *r = mn_run_array_of(m->p, array);
    return mn_frame_push(m, (mn_frame){ .kind = MN_FR_ARRAY, .parent = parent,
        .strings = mn_frame_at(m, parent)->strings, .id = (uint32_t)(r - m->p->arrays.at), .track = mn_frame_at(m, parent)->track || r->unique });
}

bool mn_array_may_close(mn_pda *m, uint32_t frame)
{
    const mn_frame *f = mn_frame_at(m, frame);
    const mn_run_array *r = &m->p->arrays.at[f->id];
    if (f->count < r->min) return false;
    mn_span c = m->p->schema->arrays.at[r->array].contains;
    for (uint32_t i = 0; i < c.n; i++)
        if (f->counts[i] < m->p->schema->contains.at[c.off + i].min) return false;
    return true;
}

static void push_item(mn_pda *m, mn_frame f, mn_eid item, uint32_t blanks, mn_cfgs *out)
{
    mn_cfg c = { .frame = mn_frame_push(m, f), .phase = MN_PH_VALUE, .lex = item, .count = blanks };
    mn_vec_push(m->p->cx, out, c);
}

/* One configuration per choice of which contains the item counts for.  A minimum that is
 * met needs no choice; one that is not has two. */
static void begin_choices(mn_pda *m, mn_frame f, uint32_t index, uint32_t blanks, mn_cfgs *out)
{
    mn_schema *s = m->p->schema;
    mn_run_array r = m->p->arrays.at[f.id];
    mn_span c = s->arrays.at[r.array].contains;
    uint32_t active = mn_a_active(s, r.array, index);
    for (uint32_t i = 0; i < c.n; i++) {
        mn_contains k = s->contains.at[c.off + i];
        if (k.max == MN_RX_INF && f.counts[i] >= k.min) active &= ~(1u << i);
    }
    for (uint32_t mask = active;; mask = (mask - 1) & active) {
        mn_frame g = f;
        uint32_t counts[MN_CONTAINS_MAX] = { 0 };
        bool fits = true;
        for (uint32_t i = 0; i < c.n; i++) {
            counts[i] = g.counts[i] + (mask >> i & 1);
            fits &= counts[i] <= s->contains.at[c.off + i].max && counts[i] < UINT16_MAX;
            g.counts[i] = (uint16_t)counts[i];
        }
        if (fits) {
            mn_eid item = mn_a_choice(s, r.array, index, mask);
            if (mn_e_inhabited(s, item) && mn_a_live(s, r.array, index + 1, counts))
                push_item(m, g, item, blanks, out);
        }
        if (!mask) break;
    }
}

void mn_array_begin_item(mn_pda *m, uint32_t frame, uint32_t blanks, mn_cfgs *out)
{
    mn_frame f = *mn_frame_at(m, frame);
    mn_run_array r = m->p->arrays.at[f.id];
    uint32_t index = f.count;
    if (index >= r.max || index >= r.longest) return;
    /* Where counting has no more to say, it stops. */
    uint32_t stop = r.last > r.min ? r.last : r.min;
    if (r.max != MN_RX_INF || f.count < stop) f.count++;
    if (!r.n_contains) push_item(m, f, mn_a_item(m->p->schema, r.array, index), blanks, out);
    else begin_choices(m, f, index, blanks, out);
}
