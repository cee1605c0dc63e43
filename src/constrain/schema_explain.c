/* What becomes of each keyword of a schema, for people; see constraint.h.
 *
 * Nothing is decided here that the compiler decides: the schema is compiled, and then its
 * text is gone through.  A keyword is enforced if the compiler takes it as a keyword of this
 * draft (mn_schema_keywords) at a place that it looked at (mn_jv.met); what it raised is
 * refused.  A compilation ends at its first fault, so after one every place that was asked
 * for is compiled by itself, which finds the others.
 *
 * The few keywords that say nothing without a neighbour are known here (on_its_own).
 */
#include <stdio.h>

#include "constrain/schema.h"

typedef struct {
    mn_cx cx;
    mn_schema s;
    const char *text;
    size_t len;
    const mn_constraint_options *o;
    const mn_schema_listener *to;
    minerva_schema_summary sum;
    minerva_status status;      /* of compiling */
    minerva_error why;
    MN_VEC(mn_fault) faults;
    mn_u32s probed;             /* expressions compiled by themselves */
    bool more;
    bool is_whole;              /* every place that something leads to has been met */
    mn_buffer path;
} job;

/* ---- faults --------------------------------------------------------------------------- */

static void keep_fault(job *j, const mn_fault *f)
{
    for (uint32_t i = 0; i < j->faults.n; i++)
        if (j->faults.at[i].at == f->at && !strcmp(j->faults.at[i].keyword, f->keyword)) return;
    mn_vec_push(&j->cx, &j->faults, *f);
}

static const mn_fault *fault_of(const job *j, const mn_jv *at, const char *keyword, size_t len)
{
    for (uint32_t i = 0; i < j->faults.n; i++) {
        const mn_fault *f = &j->faults.at[i];
        if (f->at == at && strlen(f->keyword) == len && !memcmp(f->keyword, keyword, len)) return f;
    }
    return NULL;
}

typedef struct { job *j; const mn_jv *v; } probe;

static void run_probe(void *arg)
{
    probe *p = arg;
    mn_e_normal(&p->j->s, mn_e_place(&p->j->s, p->v));
}

static void run_ask(void *arg)
{
    probe *p = arg;
    mn_e_place(&p->j->s, p->v);
}

static void ask_for(job *j, const mn_jv *v)
{
    probe p = { j, v };
    minerva_error err = { 0 };
    if (mn_cx_protect(&j->cx, &err, run_ask, &p) && j->s.fault.at) keep_fault(j, &j->s.fault);
    mn_schema_settle(&j->s);
}

/* A place that failed has not come to asking for all that it is made of. */
static void ask_for_parts(job *j, const mn_jv *v)
{
    mn_keywords all;
    mn_schema_keywords(&j->s, v, &all);
    for (uint32_t k = 0; k < MN_KW_ID; k++) {
        const mn_jv *part = all.at[k];
        mn_holds holds = mn_keyword_holds((mn_keyword)k);
        if (!part || !holds) continue;
        bool is_array = part->type == MN_J_ARRAY;
        if (holds == MN_HOLDS_SCHEMA || (holds == MN_HOLDS_EITHER && !is_array)) {
            ask_for(j, part);
        } else if (is_array || part->type == MN_J_OBJECT) {
            for (uint32_t i = 0; i < part->n; i++) {
                const mn_jv *sub = is_array ? &part->items[i] : &part->members[i].value;
                if (k != MN_KW_DEPENDENCIES || sub->type == MN_J_OBJECT) ask_for(j, sub);
            }
        }
    }
}

static void probe_place(job *j, const mn_jv *v)
{
    mn_schema *s = &j->s;
    uint32_t i = 0;
    while (i < j->probed.n && j->probed.at[i] != v->expr) i++;
    if (i < j->probed.n) return;
    mn_vec_push(&j->cx, &j->probed, v->expr);
    j->more = true;
    probe p = { j, v };
    minerva_error err = { 0 };
    mn_schema_settle(s);
    minerva_status st = mn_cx_protect(&j->cx, &err, run_probe, &p);
    if (st == MINERVA_LIMIT) mn_cx_check_time(&j->cx);      /* no fault of the place, then */
    if (st && !s->fault.at) {
        s->fault = (mn_fault){ .at = v, .keyword = "" };
        const mn_expr *x = s->busy.n ? &s->exprs.at[s->busy.at[s->busy.n - 1]] : NULL;
        if (x && x->kind == MN_EK_PLACE)
            s->fault = (mn_fault){ .at = x->v, .keyword = x->keyword ? x->keyword : "" };
        snprintf(s->fault.what, sizeof s->fault.what, "%.300s", err.message);
    }
    if (st) keep_fault(j, &s->fault);
    mn_schema_settle(s);
    if (st) ask_for_parts(j, v);
}

/* ---- one keyword ---------------------------------------------------------------------- */

/* What it lacks to say anything, or NULL. */
static const char *on_its_own(mn_keyword k, const mn_keywords *all)
{
    const mn_jv *const *at = all->at, *v = at[k];       /* NULL: beside a $ref that hides it */
    bool is_bool = v && (v->type == MN_J_TRUE || v->type == MN_J_FALSE);
    switch (k) {
    case MN_KW_THEN: case MN_KW_ELSE: return at[MN_KW_IF] ? NULL : "says nothing without if";
    case MN_KW_IF:
        return at[MN_KW_THEN] || at[MN_KW_ELSE] ? NULL : "says nothing without then or else";
    case MN_KW_MIN_CONTAINS: case MN_KW_MAX_CONTAINS:
        return at[MN_KW_CONTAINS] ? NULL : "says nothing without contains";
    case MN_KW_ADDITIONAL_ITEMS:
        return !at[MN_KW_PREFIX_ITEMS] && at[MN_KW_ITEMS] && at[MN_KW_ITEMS]->type == MN_J_ARRAY
               ? NULL : "says nothing without a list of items";
    case MN_KW_EXCLUSIVE_MINIMUM:
        return is_bool && !at[MN_KW_MINIMUM] ? "a boolean says nothing without minimum" : NULL;
    case MN_KW_EXCLUSIVE_MAXIMUM:
        return is_bool && !at[MN_KW_MAXIMUM] ? "a boolean says nothing without maximum" : NULL;
    default: return NULL;
    }
}

static void say(job *j, const char *keyword, const char *fate, const char *note)
{
    minerva_schema_line line = { j->path.data ? j->path.data : "", keyword, fate, note };
    if (*fate == 'e') j->sum.n_enforced++;
    else if (*fate == 'a') j->sum.n_annotations++;
    else j->sum.n_refused++;
    if (j->to->on_line) j->to->on_line(j->to->ctx, &line);
}

/* Why it asserts nothing here, or NULL if it is enforced. */
static const char *why_not(job *j, const mn_jv *v, const mn_keywords *all, const mn_jmember *m)
{
    const mn_schema *s = &j->s;
    mn_keyword k = mn_keyword_find(m->key, m->key_len);
    const mn_keyword_info *info = mn_keyword_info_of(m->key, m->key_len);
    if (!info) return "no keyword that is known";
    if (k == MN_KW_NONE || !strcmp(info->status, "annotation")) return info->note;
    if (!mn_keyword_in_draft(k, s->draft)) return "no keyword of this draft";
    bool names_places = k == MN_KW_SCHEMA || k == MN_KW_DEFS || k == MN_KW_DEFINITIONS;
    if (all->at[k] != &m->value && !names_places) return "until draft 7, what stands beside $ref is ignored";
    const char *lacks = on_its_own(k, all);
    if (lacks) return lacks;
    if (k == MN_KW_FORMAT) {
        if (s->format_annotation) return "formats are annotations, as was asked for";
        if (m->value.type != MN_J_STRING) return "a name expected";
        if (!mn_schema_format_is_known(m->value.str, m->value.n)) return "no format that is known";
    }
    if (j->is_whole && !v->met)
        return j->sum.empty ? "not looked at, since no value satisfies the schema" : "nothing leads here";
    return NULL;
}

static void explain_member(job *j, const mn_jv *v, const mn_keywords *all, const mn_jmember *m)
{
    const char *key = mn_cx_strndup(&j->cx, m->key, m->key_len);
    const mn_fault *fault = fault_of(j, v, m->key, m->key_len);
    const char *note = fault ? fault->what : why_not(j, v, all, m);
    if (fault) say(j, key, "refused", note);
    else if (note) say(j, key, "annotation", note);
    else say(j, key, "enforced", mn_keyword_info_of(m->key, m->key_len)->note);
}

/* ---- all places ------------------------------------------------------------------------ */

typedef void visitor(job *j, const mn_jv *v);

static void add_step(job *j, const char *key, size_t len)
{
    mn_buffer_append_byte(&j->path, '/');
    for (size_t i = 0; i < len; i++) {
        if (key[i] == '~') mn_buffer_append_str(&j->path, "~0");
        else if (key[i] == '/') mn_buffer_append_str(&j->path, "~1");
        else mn_buffer_append_byte(&j->path, key[i]);
    }
}

static void step_back(job *j, size_t len)
{
    j->path.len = len;
    if (j->path.data) j->path.data[len] = 0;
}

static void every_place(job *j, const mn_jv *v, visitor *visit);

static void every_part(job *j, const mn_jv *list, visitor *visit)
{
    size_t len = j->path.len;
    char index[16];
    for (uint32_t i = 0; i < list->n; i++) {
        bool is_array = list->type == MN_J_ARRAY;
        const mn_jmember *m = is_array ? NULL : &list->members[i];
        if (is_array) add_step(j, index, (size_t)snprintf(index, sizeof index, "%u", i));
        else add_step(j, m->key, m->key_len);
        every_place(j, is_array ? &list->items[i] : &m->value, visit);
        step_back(j, len);
    }
}

static void every_place(job *j, const mn_jv *v, visitor *visit)
{
    mn_cx_tick(&j->cx);
    visit(j, v);
    if (v->type != MN_J_OBJECT) return;
    size_t len = j->path.len;
    for (uint32_t i = 0; i < v->n; i++) {
        const mn_jmember *m = &v->members[i];
        mn_holds holds = mn_keyword_holds(mn_keyword_find(m->key, m->key_len));
        bool is_list = m->value.type == MN_J_ARRAY || m->value.type == MN_J_OBJECT;
        bool many = holds == MN_HOLDS_SCHEMAS ? is_list
                  : holds == MN_HOLDS_EITHER && m->value.type == MN_J_ARRAY;
        if (!holds || (!many && holds == MN_HOLDS_SCHEMAS)) continue;
        add_step(j, m->key, m->key_len);
        if (many) every_part(j, &m->value, visit);
        else every_place(j, &m->value, visit);
        step_back(j, len);
    }
}

static void probe_visit(job *j, const mn_jv *v)
{
    if (v->type == MN_J_OBJECT && v->expr > MN_E_TRUE) probe_place(j, v);
}

static void explain_visit(job *j, const mn_jv *v)
{
    mn_keywords all;
    const mn_fault *fault = fault_of(j, v, "", 0);
    if (fault) say(j, "", "refused", fault->what);
    if (v->type != MN_J_OBJECT) return;
    mn_schema_keywords(&j->s, v, &all);
    for (uint32_t i = 0; i < v->n; i++) explain_member(j, v, &all, &v->members[i]);
    /* A fault may bear the name of a keyword that is meant and not written. */
    for (uint32_t i = 0; i < j->faults.n; i++) {
        const mn_fault *f = &j->faults.at[i];
        if (f->at == v && *f->keyword && !mn_jdoc_get(v, f->keyword)) say(j, f->keyword, "refused", f->what);
    }
}

/* ---- the document ------------------------------------------------------------------------ */

typedef struct { job *j; const mn_jv *root; mn_eid e; } attempt;

static void run_compile(void *arg)
{
    attempt *a = arg;
    a->e = mn_schema_compile(&a->j->s, a->root, a->j->o->draft);
}

/* Compiling a place asks for further ones, also for such that come before it in the text. */
static void run_find_faults(void *arg)
{
    attempt *a = arg;
    job *j = a->j;
    keep_fault(j, &j->s.fault);
    do {
        j->more = false;
        every_place(j, a->root, probe_visit);
    } while (j->more);
}

static void run_explain(void *arg)
{
    job *j = arg;
    mn_schema_init(&j->s, &j->cx);
    j->s.format_annotation = j->o->format_annotation;
    const mn_jv *root = mn_jdoc_parse(&j->cx, mn_cx_strndup(&j->cx, j->text, j->len), j->len);
    attempt a = { .j = j, .root = root };
    j->status = mn_cx_protect(&j->cx, &j->why, run_compile, &a);
    /* Without a place it was the time, the memory, or something that only the whole shows. */
    minerva_error late = { 0 };
    j->is_whole = !j->status || (j->s.fault.at && !mn_cx_protect(&j->cx, &late, run_find_faults, &a));
    step_back(j, 0);
    j->cx.deadline_ns = 0;
    j->sum.draft = j->s.draft;
    j->sum.empty = !j->status && !mn_e_inhabited(&j->s, a.e);
    every_place(j, root, explain_visit);
}

minerva_status mn_schema_explain(const char *text, size_t len, const mn_constraint_options *options,
                                 const mn_schema_listener *to, minerva_error *err)
{
    job j = { .text = text, .len = len, .o = options, .to = to };
    minerva_error why = { 0 };
    mn_cx_limit_compile(&j.cx, options->compile_ms);
    minerva_status st = mn_cx_protect(&j.cx, &why, run_explain, &j);
    if (j.status) {             /* compiling's own error is the one that counts */
        st = j.status;
        why = j.why;
    }
    if (st == MINERVA_OK && j.path.failed) st = mn_fail_memory(&why, j.path.len);
    if (to->summary) *to->summary = j.sum;
    mn_buffer_clear(&j.path);
    mn_vec_clear(&j.cx, &j.faults);
    mn_vec_clear(&j.cx, &j.probed);
    mn_schema_clear(&j.s);
    mn_arena_clear(&j.cx.arena);
    if (st && err) *err = why;
    return st;
}
