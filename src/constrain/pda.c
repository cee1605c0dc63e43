/* The automaton's steps from byte to byte; see pda.h. */
#include "constrain/pda.h"

static const char *const words[] = { "null", "false", "true" };     /* in the order of MN_PRIM_* */

void mn_pda_program_init(mn_pda_program *p, mn_cx *cx, mn_schema *s, mn_lexer *lx)
{
    *p = (mn_pda_program){ .cx = cx, .schema = s, .lx = lx };
}

void mn_pda_program_clear(mn_pda_program *p)
{
    if (!p->cx) return;
    mn_vec_clear(p->cx, &p->objects);
    mn_vec_clear(p->cx, &p->arrays);
    mn_vec_clear(p->cx, &p->value_starts);
    mn_vec_clear(p->cx, &p->ways);
    *p = (mn_pda_program){ 0 };
}

void mn_pda_clear(mn_pda *m)
{
    if (!m->p) return;
    mn_vec_clear(m->p->cx, &m->frames);
    mn_vec_clear(m->p->cx, &m->words);
    mn_vec_clear(m->p->cx, &m->seen);
    mn_vec_clear(m->p->cx, &m->replay[0]);
    mn_vec_clear(m->p->cx, &m->replay[1]);
    *m = (mn_pda){ 0 };
}

static uint64_t frame_hash(const mn_pda *m, const mn_frame *f)
{
    if (f->kind == MN_FR_GRAMMAR) return mn_mix(m->p->grammar->sets.at[f->id].hash, f->kind);
    uint64_t h = f->parent || f->kind != MN_FR_ROOT ? m->frames.at[f->parent].hash : 0;
    h = mn_mix(h, (uint64_t)f->kind << 32 | f->id);
    h = mn_mix(h, (uint64_t)f->count << 32 | f->order);
    uint64_t seen = f->seen;
    if (f->kind == MN_FR_OBJECT) {
        const mn_run_object *r = &m->p->objects.at[f->id];
        if (r->n_words > 1) seen = mn_hash64(m->words.at + f->seen, r->n_words * sizeof(uint64_t), 1);
    }
    h = mn_mix(h, seen);
    if (f->keys) h = mn_mix(h, m->seen.at[f->keys].sum);
    if (f->exists) h = mn_mix(h + 1, f->exists);
    if (f->kind == MN_FR_ARRAY) {
        uint64_t counts;
        memcpy(&counts, f->counts, sizeof counts);
        if (counts) h = mn_mix(h + 2, counts);
    }
    return f->track ? mn_mix(mn_mix(h + 3, f->content), f->key) : h;
}

uint32_t mn_frame_push(mn_pda *m, mn_frame f)
{
    f.hash = frame_hash(m, &f);
    f.ways = 0;
    mn_vec_push(m->p->cx, &m->frames, f);
    return m->frames.n - 1;
}

uint64_t mn_cfg_hash(const mn_pda *m, const mn_cfg *c)
{
    if (c->phase >= MN_PH_NEXT) return mn_cfg_grammar_hash(m, c);
    uint64_t h = mn_mix(m->frames.at[c->frame].hash, (uint64_t)c->phase << 32 | c->lex);
    h = mn_mix(h, (uint64_t)c->count << 32 | c->set);
    return mn_mix(h, c->hash ^ ((uint64_t)c->scale << 32 | c->part));
}

/* ---- values ------------------------------------------------------------------------------ */

static uint32_t string_start(mn_pda_program *p, uint32_t set)
{
    while (p->value_starts.n <= set) mn_vec_push(p->cx, &p->value_starts, UINT32_MAX);
    if (p->value_starts.at[set] == UINT32_MAX) {
        uint32_t start = mn_lex_start(p->lx, set, true);
        p->value_starts.at[set] = start;
    }
    return p->value_starts.at[set];
}

static void begin_strings(mn_pda *m, uint32_t frame, mn_span sets, mn_cfgs *out)
{
    mn_schema *s = m->p->schema;
    for (uint32_t i = 0; i < sets.n; i++) {
        uint32_t set = s->ids.at[sets.off + i];
        mn_strset x = s->ss.sets.at[set];
        bool counted = x.kind == MN_SK_ANY && (x.min || x.max != MN_RX_INF);
        mn_cfg c = { .frame = frame, .phase = MN_PH_STRING, .lex = string_start(m->p, set),
                     .set = counted ? set : 0, .hash = mn_frame_at(m, frame)->track ? 1 : 0 };
        if (c.lex) mn_vec_push(m->p->cx, out, c);
    }
}

static void begin_numbers(mn_pda *m, uint32_t frame, mn_span sets, uint8_t byte, mn_cfgs *out)
{
    mn_schema *s = m->p->schema;
    for (uint32_t i = 0; i < sets.n; i++) {
        uint32_t start = mn_num_start(&s->ns, s->ids.at[sets.off + i]);
        uint32_t lex = start ? mn_num_next(&s->ns, start, byte) : MN_NUM_DEAD;
        if (!lex) continue;
        mn_cfg c = { .frame = frame, .phase = MN_PH_NUMBER, .lex = lex };
        if (mn_frame_at(m, frame)->track) mn_hash_number_byte(&c, byte);
        mn_vec_push(m->p->cx, out, c);
    }
}

void mn_pda_begin_value(mn_pda *m, uint32_t frame, mn_eid e, uint8_t byte, mn_cfgs *out)
{
    mn_schema *s = m->p->schema;
    const mn_form f = s->forms.at[s->exprs.at[e].form];
    switch (byte) {
    case '"':
        begin_strings(m, frame, f.type[MN_T_STR], out);
        return;
    case '{':
        for (uint32_t i = 0; i < f.type[MN_T_OBJ].n; i++) {
            uint32_t id = s->ids.at[f.type[MN_T_OBJ].off + i];
            if (!s->objects.at[id].inhabited) continue;
            uint32_t object = mn_object_open(m, frame, id);
            mn_cfg c = { .frame = object, .phase = MN_PH_OBJECT_FIRST, .count = m->p->blanks };
            mn_vec_push(m->p->cx, out, c);
        }
        return;
    case '[':
        for (uint32_t i = 0; i < f.type[MN_T_ARR].n; i++) {
            uint32_t id = s->ids.at[f.type[MN_T_ARR].off + i];
            if (!s->arrays.at[id].inhabited) continue;
            uint32_t array = mn_array_open(m, frame, id);
            mn_cfg c = { .frame = array, .phase = MN_PH_ARRAY_FIRST, .count = m->p->blanks };
            mn_vec_push(m->p->cx, out, c);
        }
        return;
    case 'n': case 'f': case 't': {
        uint32_t w = byte == 'n' ? 0 : byte == 'f' ? 1 : 2;
        mn_cfg c = { .frame = frame, .phase = MN_PH_WORD, .lex = w << 8 | 1 };
        if (f.prims >> w & 1) mn_vec_push(m->p->cx, out, c);
        return;
    }
    default:
        if (byte == '-' || (byte >= '0' && byte <= '9')) begin_numbers(m, frame, f.type[MN_T_NUM], byte, out);
    }
}

void mn_pda_value_done(mn_pda *m, uint32_t frame, uint64_t hash, uint32_t strings, mn_cfgs *out)
{
    mn_frame f = *mn_frame_at(m, frame);
    if (f.kind == MN_FR_ROOT) {
        mn_cfg c = { .frame = frame, .phase = MN_PH_DONE };
        mn_vec_push(m->p->cx, out, c);
        return;
    }
    if (f.kind == MN_FR_GRAMMAR) {
        mn_cfg c = { .frame = f.parent, .phase = MN_PH_NEXT, .set = f.id };
        mn_vec_push(m->p->cx, out, c);
        return;
    }
    if (f.track) {
        bool unique = mn_frame_is_unique(m, &f);
        if (unique && f.keys) m->risky = true;
        if (unique && mn_seen_has(m, f.keys, hash)) return;
        if (unique) f.keys = mn_seen_add(m, f.keys, hash);
        /* Members in any order, items in theirs. */
        if (f.kind == MN_FR_ARRAY) f.content = mn_mix(f.content, hash);
        else f.content += mn_mix(f.key, hash);
        f.key = 0;
        f.strings = strings;
        frame = mn_frame_push(m, f);
    }
    mn_cfg c = { .frame = frame, .count = m->p->blanks,
                 .phase = f.kind == MN_FR_ARRAY ? MN_PH_ARRAY_NEXT : MN_PH_OBJECT_NEXT };
    mn_vec_push(m->p->cx, out, c);
}

/* The innermost object or array closes. */
static void close_frame(mn_pda *m, uint32_t frame, mn_cfgs *out)
{
    const mn_frame *f = mn_frame_at(m, frame);
    uint64_t hash = f->track ? mn_mix(f->content, f->kind) : 0;
    mn_pda_value_done(m, f->parent, hash, f->strings, out);
}

/* ---- tokens ------------------------------------------------------------------------------- */

bool mn_pda_at_edge(const mn_pda *m, const mn_cfg *c)
{
    return c->set && c->count == m->p->schema->ss.sets.at[c->set].max && m->p->lx->states.at[c->lex].boundary;
}

static void step_string(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    mn_cfg next = *c;
    if (c->set) {
        const mn_strset *set = &m->p->schema->ss.sets.at[c->set];
        if (m->p->lx->states.at[c->lex].boundary) {
            if (byte == '"' ? c->count < set->min : c->count >= set->max) return;
            if (byte != '"') next.count++;
            /* Past the least, and with no most, counting is over. */
            if (set->max == MN_RX_INF && next.count > set->min) next.count = set->min;
        }
    }
    if (c->hash) mn_hash_string_byte(m, &next, byte);
    next.lex = mn_lex_next(m->p->lx, c->lex, byte);
    if (next.lex == MN_LEX_DEAD) return;
    if (next.lex == MN_LEX_END) {
        const mn_frame *f = mn_frame_at(m, c->frame);
        uint64_t hash = mn_mix(c->hash, MN_PH_STRING);
        uint32_t strings = f->track ? mn_seen_add(m, f->strings, hash) : 0;
        mn_pda_value_done(m, c->frame, hash, strings, out);
        return;
    }
    if (mn_pda_at_edge(m, &next) && !m->p->lx->states.at[next.lex].accepting) return;
    mn_vec_push(m->p->cx, out, next);
}

static void step_number(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    mn_numsets *ns = &m->p->schema->ns;
    mn_cfg next = *c;
    next.lex = mn_num_next(ns, c->lex, byte);
    bool grammar = mn_frame_at(m, c->frame)->kind == MN_FR_GRAMMAR;     /* anything may follow */
    if (next.lex) {
        if (mn_frame_at(m, c->frame)->track) mn_hash_number_byte(&next, byte);
        mn_vec_push(m->p->cx, out, next);
        if (!grammar) return;
    }
    if (byte != ',' && byte != '}' && byte != ']' && byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r'
        && !grammar)
        return;
    if (!mn_num_accepting(ns, c->lex)) return;
    mn_cfgs after = { 0 };
    mn_cfg one[1];
    after.at = one;
    after.cap = 1;
    mn_pda_value_done(m, c->frame, mn_hash_number_end(c), mn_frame_at(m, c->frame)->strings, &after);
    if (after.n) mn_pda_step_one(m, &one[0], byte, out);
}

static void step_word(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    uint32_t w = c->lex >> 8, at = c->lex & 255;
    if ((uint8_t)words[w][at] != byte) return;
    if (!words[w][at + 1]) {
        mn_pda_value_done(m, c->frame, 0xABCD01 + w, mn_frame_at(m, c->frame)->strings, out);
        return;
    }
    mn_cfg next = *c;
    next.lex++;
    mn_vec_push(m->p->cx, out, next);
}

static void push(mn_pda *m, mn_cfgs *out, uint32_t frame, mn_phase phase, uint32_t lex, uint32_t blanks)
{
    mn_cfg c = { .frame = frame, .phase = (uint8_t)phase, .lex = lex, .count = blanks };
    mn_vec_push(m->p->cx, out, c);
}

/* Between tokens: blanks, or the next token. */
static void step_between(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    uint32_t frame = c->frame;
    if (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r') {
        mn_cfg next = *c;
        next.count = c->count ? mn_lex_next(m->p->lx, c->count, byte) : MN_LEX_DEAD;
        if (next.count) mn_vec_push(m->p->cx, out, next);
        return;
    }
    if (c->count && !m->p->lx->states.at[c->count].accepting) return;
    switch ((mn_phase)c->phase) {
    case MN_PH_VALUE: mn_pda_begin_value(m, frame, c->lex, byte, out); return;
    case MN_PH_OBJECT_FIRST:
        if (byte == '"') mn_object_begin_key(m, frame, out);
        if (byte == '}' && mn_object_may_close(m, frame)) close_frame(m, frame, out);
        return;
    case MN_PH_OBJECT_KEY:
        if (byte == '"') mn_object_begin_key(m, frame, out);
        return;
    case MN_PH_COLON:
        if (byte == ':') push(m, out, frame, MN_PH_VALUE, c->lex, m->p->separator_blanks);
        return;
    case MN_PH_OBJECT_NEXT:
        if (byte == ',' && mn_object_may_go_on(m, frame))
            push(m, out, frame, MN_PH_OBJECT_KEY, 0, m->p->separator_blanks);
        if (byte == '}' && mn_object_may_close(m, frame)) close_frame(m, frame, out);
        return;
    case MN_PH_ARRAY_FIRST:
        if (byte == ']') {
            if (mn_array_may_close(m, frame)) close_frame(m, frame, out);
        } else {
            mn_cfgs items = { 0 };
            mn_cfg room[1 << MN_CONTAINS_MAX];
            items.at = room;
            items.cap = 1 << MN_CONTAINS_MAX;
            mn_array_begin_item(m, frame, 0, &items);
            for (uint32_t i = 0; i < items.n; i++) mn_pda_begin_value(m, room[i].frame, room[i].lex, byte, out);
        }
        return;
    case MN_PH_ARRAY_NEXT:
        if (byte == ',') mn_array_begin_item(m, frame, m->p->separator_blanks, out);
        if (byte == ']' && mn_array_may_close(m, frame)) close_frame(m, frame, out);
        return;
    default: return;
    }
}

void mn_pda_step_one(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    uint32_t before = out->n;
    if (m->special && c->phase < MN_PH_NEXT) return;
    switch ((mn_phase)c->phase) {
    case MN_PH_NEXT: mn_pda_step_next(m, c, byte, out); return;
    case MN_PH_TERM: mn_pda_step_term(m, c, byte, out); return;
    case MN_PH_STRING: step_string(m, c, byte, out); break;
    case MN_PH_NUMBER: step_number(m, c, byte, out); break;
    case MN_PH_WORD: step_word(m, c, byte, out); break;
    case MN_PH_KEY: mn_object_step_key(m, c, byte, out); break;
    case MN_PH_DONE: return;
    case MN_PH_TEXT: {
        mn_cfg next = *c;
        next.lex = mn_lex_next(m->p->lx, c->lex, byte);
        if (next.lex) mn_vec_push(m->p->cx, out, next);
        return;
    }
    default: step_between(m, c, byte, out);
    }
    /* Only what can be completed without repeating an item. */
    uint32_t kept = before;
    for (uint32_t i = before; i < out->n; i++) {
        if (mn_frame_at(m, out->at[i].frame)->track) {
            mn_cfg x = out->at[i];
            if (!mn_pda_unique_live(m, &x)) continue;
        }
        out->at[kept++] = out->at[i];
    }
    out->n = kept;
}

static bool same_cfg(const mn_pda *m, const mn_cfg *a, const mn_cfg *b)
{
    return a->phase == b->phase && a->lex == b->lex && a->count == b->count && a->set == b->set
        && a->part == b->part && a->hash == b->hash && a->scale == b->scale
        && (a->frame == b->frame || m->frames.at[a->frame].hash == m->frames.at[b->frame].hash);
}

void mn_pda_step(mn_pda *m, const mn_cfg *in, uint32_t n, uint8_t byte, mn_cfgs *out)
{
    uint32_t base = out->n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = out->n;
        mn_cfg c = in[i];
        mn_pda_step_one(m, &c, byte, out);
        if (from - base > 1024)
            mn_cx_raise(m->p->cx, MINERVA_LIMIT, "more than 1,024 alternatives run side by side");
        if (n == 1 && out->n - from < 2) continue;
        uint32_t kept = from;
        for (uint32_t k = from; k < out->n; k++) {
            bool twice = false;
            for (uint32_t o = base; o < kept && !twice; o++) twice = same_cfg(m, &out->at[o], &out->at[k]);
            if (!twice) out->at[kept++] = out->at[k];
        }
        out->n = kept;
    }
    if (m->p->grammar) mn_pda_unite(m, base, out);
    if (out->n - base > 1024)
        mn_cx_raise(m->p->cx, MINERVA_LIMIT, "more than 1,024 alternatives run side by side");
}

void mn_pda_start(mn_pda *m, mn_eid e, mn_cfgs *out)
{
    if (!mn_e_inhabited(m->p->schema, e)) return;
    uint32_t root = mn_frame_push(m, (mn_frame){ .kind = MN_FR_ROOT });
    push(m, out, root, MN_PH_VALUE, e, 0);
}

void mn_pda_start_text(mn_pda *m, uint32_t lex, mn_cfgs *out)
{
    if (!lex) return;
    uint32_t root = mn_frame_push(m, (mn_frame){ .kind = MN_FR_ROOT });
    push(m, out, root, MN_PH_TEXT, lex, 0);
}

void mn_pda_start_grammar(mn_pda *m, mn_cfgs *out)
{
    uint32_t set = mn_grammar_start(m->p->grammar);
    if (set == UINT32_MAX) return;
    mn_cfg c = { .frame = mn_frame_push(m, (mn_frame){ .kind = MN_FR_ROOT }), .phase = MN_PH_NEXT, .set = set };
    mn_vec_push(m->p->cx, out, c);
}

bool mn_pda_accepting(const mn_pda *m, const mn_cfg *c)
{
    if (c->phase >= MN_PH_NEXT) return mn_pda_grammar_accepting(m, c);
    if (c->phase == MN_PH_DONE) return true;
    if (c->phase == MN_PH_TEXT) return m->p->lx->states.at[c->lex].accepting;
    if (c->phase != MN_PH_NUMBER || !mn_num_accepting(&m->p->schema->ns, c->lex)) return false;
    const mn_frame *f = mn_frame_at(m, c->frame);
    return f->kind == MN_FR_ROOT || (f->kind == MN_FR_GRAMMAR && m->p->grammar->sets.at[f->id].accepting);
}

int mn_cfg_first_bytes(const mn_pda *m, const mn_cfg *c, uint8_t out[256])
{
    static const char *const chars[] = {
        [MN_PH_VALUE] = " \n\t\r\"{[-0123456789tfn", [MN_PH_NUMBER] = " \n\t\r0123456789.eE+-,]}",
        [MN_PH_OBJECT_FIRST] = " \n\t\r\"}", [MN_PH_OBJECT_KEY] = " \n\t\r\"", [MN_PH_COLON] = " \n\t\r:",
        [MN_PH_OBJECT_NEXT] = " \n\t\r,}", [MN_PH_ARRAY_FIRST] = " \n\t\r\"{[-0123456789tfn]",
        [MN_PH_ARRAY_NEXT] = " \n\t\r,]", [MN_PH_WORD] = "nulltrefas", [MN_PH_DONE] = "" };
    if (c->phase >= MN_PH_NEXT) return mn_cfg_grammar_bytes(m, c, out);
    const char *s = c->phase <= MN_PH_DONE ? chars[c->phase] : NULL;
    if (c->phase == MN_PH_NUMBER && mn_frame_at(m, c->frame)->kind == MN_FR_GRAMMAR) s = NULL;
    if (s) {
        int n = (int)strlen(s);
        if (c->phase == MN_PH_WORD) s = "nultrefas", n = 9;
        memcpy(out, s, (size_t)n);
        return n;
    }
    if (c->phase != MN_PH_NUMBER && m->p->lx->states.at[c->lex].kind == MN_LK_LITS) return mn_lex_first_bytes(m->p->lx, c->lex, out);
    for (int i = 0; i < 256; i++) out[i] = (uint8_t)i;
    return 256;
}

/* ---- forgetting frames ----------------------------------------------------------------------- */

/* Keep only what the configurations lead to.  Parents come before their children, so one
 * pass backwards marks and one forwards moves. */
void mn_pda_compact(mn_pda *m, mn_cfg *cfgs, uint32_t n)
{
    mn_cx *cx = m->p->cx;
    mn_u32s to = { 0 };
    mn_vec_reserve(cx, &to, m->frames.n + 1);
    memset(to.at, 0, m->frames.n * sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++) to.at[cfgs[i].frame] = 1;
    for (uint32_t i = m->frames.n; i-- > 1;)
        if (to.at[i]) to.at[m->frames.at[i].parent] = 1;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->frames.n; i++) {
        if (!to.at[i]) continue;
        mn_frame f = m->frames.at[i];
        f.parent = f.kind == MN_FR_ROOT ? 0 : to.at[f.parent];
        to.at[i] = kept;
        m->frames.at[kept++] = f;
    }
    m->frames.n = kept;
    for (uint32_t i = 0; i < n; i++) cfgs[i].frame = to.at[cfgs[i].frame];
    mn_vec_clear(cx, &to);
}
