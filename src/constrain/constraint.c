/* Compiling: from a source and options to what a matcher runs on; see constraint.h. */
#include <stdlib.h>

#include "constrain/core.h"

enum { RUN_BYTES = 256 << 20, CACHE_BYTES = 6 << 20,
       BLANKS_MAX = 64 };

typedef struct {
    mn_constraint *c;
    const char *source;
    size_t len;
    mn_constraint_options o;
} job;

typedef struct {
    mn_constraint *c;
    mn_pda pda;
    mn_cfgs out;
} kept_check;

/* ---- blanks between tokens ---------------------------------------------------------------- */

static uint32_t blanks_state(mn_constraint *c, mn_rid re)
{
    return re == MN_RX_EPS || re == MN_RX_NONE ? 0 : mn_lex_re(&c->lx, re, false);
}

static void set_blanks(mn_constraint *c, const mn_constraint_options *o)
{
    mn_rx *rx = &c->schema.rx;
    uint32_t most = o->whitespace_max ? o->whitespace_max : BLANKS_MAX;
    static const mn_range ranges[] = { { 9, 10 }, { 13, 13 }, { 32, 32 } };
    mn_rid any = mn_rx_rep(rx, mn_rx_set(rx, ranges, 3, false), 0, most);
    mn_pda_program *p = &c->program;
    if (o->whitespace_pattern) {
        size_t len = strlen(o->whitespace_pattern);
        mn_rid re = mn_rx_and2(rx, any, mn_rx_parse(rx, o->whitespace_pattern, len, true));
        if (!mn_rx_live(rx, re))
            mn_cx_raise(&c->cx, MINERVA_INVALID, "whitespace pattern \"%.100s\": nothing but blanks, "
                        "tabs and line ends expected", o->whitespace_pattern);
        p->blanks = p->separator_blanks = blanks_state(c, re);
    } else if (o->whitespace == MN_WHITESPACE_FLEXIBLE) {
        p->blanks = p->separator_blanks = blanks_state(c, any);
    } else if (o->whitespace == MN_WHITESPACE_DEFAULT) {
        p->separator_blanks = blanks_state(c, mn_rx_rep(rx, mn_rx_char(rx, ' '), 0, 1));
    }
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static void compile_schema(mn_constraint *c, const char *text, size_t len, const mn_constraint_options *o)
{
    const mn_jv *root = mn_jdoc_parse(&c->cx, text, len);
    c->schema.format_annotation = o->format_annotation;
    c->root = mn_schema_compile(&c->schema, root, o->draft);
    c->empty = !mn_e_inhabited(&c->schema, c->root);
    c->program.schema_order = o->key_order == MN_KEYS_SCHEMA_ORDER;
}

/* The strings of a choice as a litset's owner. */
static uint32_t choices(mn_constraint *c, const char *text, size_t len)
{
    const mn_jv *list = mn_jdoc_parse(&c->cx, text, len);
    if (list->type != MN_J_ARRAY || !list->n)
        mn_cx_raise(&c->cx, MINERVA_INVALID, "choice: a JSON array of at least one string expected");
    mn_text *texts = mn_cx_alloc(&c->cx, list->n, sizeof *texts);
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].type != MN_J_STRING)
            mn_cx_raise(&c->cx, MINERVA_INVALID, "choice: item %u: a string expected", i);
        texts[i] = (mn_text){ list->items[i].str, list->items[i].n };
    }
    return mn_ss_lits(&c->schema.ss, texts, list->n);
}

static void compile_choice(mn_constraint *c, const char *text, size_t len)
{
    uint32_t set = choices(c, text, len);
    c->text_start = mn_lex_start(&c->lx, set, false);
}

static void compile_regex(mn_constraint *c, const char *text, size_t len)
{
    c->text_start = mn_lex_re(&c->lx, mn_rx_parse(&c->schema.rx, text, len, true), false);
    c->empty = !c->text_start;
}

static void compile_plain(mn_constraint *c, const mn_constraint_options *o, const char *text, size_t len)
{
    if (c->kind == MN_CONSTRAINT_REGEX) compile_regex(c, text, len);
    else if (c->kind == MN_CONSTRAINT_CHOICE) compile_choice(c, text, len);
    else compile_schema(c, text, len, o);
}

/* ---- grammars ---------------------------------------------------------------------------------- */

/* The constraint itself as a tree, for what comes behind a trigger. */
static mn_g_node *as_tree(mn_constraint *c, const mn_constraint_options *o, const char *text, size_t len)
{
    mn_grammar *g = &c->grammar;
    switch (c->kind) {
    case MN_CONSTRAINT_REGEX: return mn_g_language(g, mn_rx_parse(g->rx, text, len, true), false, false);
    case MN_CONSTRAINT_CHOICE: {
        uint32_t set = choices(c, text, len);
        return mn_g_language(g, mn_ss_to_re(&c->schema.ss, set), false, false);
    }
    case MN_CONSTRAINT_GBNF: return mn_g_ref(g, mn_grammar_read_gbnf(g, text, len, o->start, 0));
    case MN_CONSTRAINT_EBNF: return mn_g_ref(g, mn_grammar_read_ebnf(g, text, len, o->start, 0));
    case MN_CONSTRAINT_LARK: return mn_g_ref(g, mn_grammar_read_lark(g, text, len, o->start, 0));
    case MN_CONSTRAINT_STRUCTURAL_TAG:
        if (o->n_triggers)
            mn_cx_raise(&c->cx, MINERVA_UNSUPPORTED, "structural tags have triggers of their own: no others expected");
        return mn_g_ref(g, mn_constraint_structural(c, mn_jdoc_parse(&c->cx, text, len), o->draft));
    default:
        compile_schema(c, text, len, o);
        if (c->empty) return mn_g_make(g, MN_G_ALT);
        return mn_g_terminal(g, mn_grammar_terminal(g, (mn_terminal){ .kind = MN_TK_JSON, .a = c->root }));
    }
}

/* Free text, a trigger, then the tree. */
static mn_g_node *behind_triggers(mn_constraint *c, const mn_constraint_options *o, mn_g_node *tree)
{
    mn_grammar *g = &c->grammar;
    uint32_t n = (uint32_t)o->n_triggers;
    mn_text *texts = mn_cx_alloc(&c->cx, n, sizeof *texts);
    for (uint32_t i = 0; i < n; i++) texts[i] = (mn_text){ o->triggers[i], (uint32_t)strlen(o->triggers[i]) };
    uint32_t first = mn_grammar_until(g, texts, n, o->keep_trigger);
    mn_g_node *found = mn_g_make(g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(found);
    for (uint32_t i = 0; i < n; i++) mn_g_list_add(&l, mn_g_terminal(g, first + i));
    mn_g_node *all = mn_g_pair(g, found, tree);
    return o->trigger_required ? all : mn_g_rep(g, all, 0, 1);
}

/* A trigger that is kept must be able to begin what follows. */
static void check_kept(void *arg)
{
    kept_check *k = arg;
    mn_constraint *c = k->c;
    const mn_grammar *g = &c->grammar;
    mn_pda_start_grammar(&k->pda, &k->out);
    if (!k->out.n) return;
    mn_cfg at = { .phase = MN_PH_TERM, .set = k->out.at[0].set };
    for (uint32_t i = 0; i < g->terminals.n; i++) {
        mn_terminal t = g->terminals.at[i];
        if (t.kind != MN_TK_UNTIL || !t.replay) continue;
        const mn_text text = c->lx.seekers.at[t.a].texts[t.hit];
        at.part = t.first;
        at.lex = t.start;
        k->out.n = 0;
        for (uint32_t b = 0; b < text.len; b++) {
            uint32_t to = mn_lex_next(&c->lx, at.lex, (uint8_t)text.s[b]);
            if (b + 1 == text.len) mn_pda_hit(&k->pda, &at, to, &k->out);
            at.lex = to;
            if (!to || mn_lex_hit(&c->lx, to)) break;
        }
        if (!k->out.n)
            mn_cx_raise(&c->cx, MINERVA_INVALID, "trigger \"%.60s\" is kept, but what follows it cannot begin with it",
                        text.s);
    }
}

static void compile_grammar(mn_constraint *c, const mn_constraint_options *o, const char *text, size_t len)
{
    mn_grammar *g = &c->grammar;
    mn_grammar_init(g, &c->cx, &c->schema.rx, &c->lx);
    mn_g_node *tree = as_tree(c, o, text, len);
    if (o->n_triggers) tree = behind_triggers(c, o, tree);
    uint32_t start = tree->kind == MN_G_REF ? tree->id : mn_grammar_fresh(g, tree, (mn_g_place){ 0, 0 });
    mn_rid whole;
    if (mn_grammar_build(g, start, &whole)) {
        c->text_start = mn_lex_re(&c->lx, whole, false);
        c->empty = !c->text_start;
        return;
    }
    c->program.grammar = g;
    c->empty = mn_grammar_start(g) == UINT32_MAX;
    if (!o->keep_trigger || c->empty) return;
    kept_check k = { .c = c, .pda = { .p = &c->program } };
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(&c->cx, &err, check_kept, &k);
    mn_pda_clear(&k.pda);
    mn_vec_clear(&c->cx, &k.out);
    if (st) mn_cx_raise(&c->cx, st, "%s", err.message);
}

static bool needs_grammar(const mn_constraint *c, const mn_constraint_options *o)
{
    return o->n_triggers || c->kind >= MN_CONSTRAINT_GBNF;
}

static void compile(void *arg)
{
    job *j = arg;
    mn_constraint *c = j->c;
    mn_schema_init(&c->schema, &c->cx);
    mn_lex_init(&c->lx, &c->cx, &c->schema.rx, &c->schema.ss);
    mn_pda_program_init(&c->program, &c->cx, &c->schema, &c->lx);
    char *source = mn_cx_strndup(&c->cx, j->source, j->len);
    if (c->kind == MN_CONSTRAINT_JSON_OBJECT) source = "{\"type\":\"object\"}";
    if (c->kind == MN_CONSTRAINT_JSON) source = "true";
    if (c->kind == MN_CONSTRAINT_JSON_OBJECT || c->kind == MN_CONSTRAINT_JSON) j->len = strlen(source);
    if (needs_grammar(c, &j->o)) compile_grammar(c, &j->o, source, j->len);
    else compile_plain(c, &j->o, source, j->len);
    set_blanks(c, &j->o);
}

static void destroy(mn_constraint *c)
{
    mn_mask_cache_clear(&c->masks);
    mn_grammar_clear(&c->grammar);
    mn_pda_program_clear(&c->program);
    mn_lex_clear(&c->lx);
    mn_schema_clear(&c->schema);
    mn_arena_clear(&c->cx.arena);
    free(c);
}

minerva_status mn_constraint_compile(mn_constraint **out, const mn_vocab_trie *trie, mn_constraint_kind kind,
                                     const char *source, size_t len, const mn_constraint_options *options,
                                     minerva_error *err)
{
    mn_constraint *c = calloc(1, sizeof *c);
    if (!c) return mn_fail_memory(err, sizeof *c);
    job j = { .c = c, .source = source, .len = len };
    if (options) j.o = *options;
    c->refs = 1;
    c->kind = kind;
    c->trie = trie;
    mn_cx_limit_compile(&c->cx, j.o.compile_ms);
    minerva_status st = mn_cx_protect(&c->cx, err, compile, &j);
    if (st) {
        destroy(c);
        return st;
    }
    c->cx.deadline_ns = 0;
    c->cx.limit_bytes = RUN_BYTES;
    size_t cache = j.o.cache_bytes ? j.o.cache_bytes : CACHE_BYTES;
    mn_mask_cache_init(&c->masks, &c->cx, trie ? mn_vocab_trie_mask_words(trie) : 0, cache);
    *out = c;
    return MINERVA_OK;
}

void mn_constraint_start(mn_constraint *c, mn_pda *m, mn_cfgs *out)
{
    if (c->program.grammar)
        mn_pda_start_grammar(m, out);
    else if (c->kind == MN_CONSTRAINT_REGEX || c->kind == MN_CONSTRAINT_CHOICE || c->kind >= MN_CONSTRAINT_GBNF)
        mn_pda_start_text(m, c->text_start, out);
    else
        mn_pda_start(m, c->root, out);
}

mn_constraint *mn_constraint_acquire(mn_constraint *c)
{
    c->refs++;
    return c;
}

void mn_constraint_release(mn_constraint *c)
{
    if (c && --c->refs == 0) destroy(c);
}

bool mn_constraint_is_empty(const mn_constraint *c) { return c->empty; }

size_t mn_constraint_size_bytes(const mn_constraint *c)
{
    return sizeof *c + c->cx.vector_bytes + c->cx.arena.used_bytes;
}

void mn_constraint_stats_get(const mn_constraint *c, mn_constraint_stats *out)
{
    *out = (mn_constraint_stats){ .mask_hits = c->masks.hits, .mask_misses = c->masks.misses,
        .evictions = c->masks.evictions, .mask_bytes = c->masks.bytes,
        .table_bytes = mn_constraint_size_bytes(c) - c->masks.bytes };
}

/* ---- instances ----------------------------------------------------------------------------------- */

typedef struct { mn_cx cx; const char *text; size_t len; mn_buffer *out; } compact_job;

static void compact(void *arg)
{
    compact_job *j = arg;
    mn_jdoc_write(j->out, mn_jdoc_parse(&j->cx, j->text, j->len));
}

minerva_status mn_json_compact(mn_buffer *out, const char *json, size_t len, minerva_error *err)
{
    compact_job j = { .text = json, .len = len, .out = out };
    minerva_status st = mn_cx_protect(&j.cx, err, compact, &j);
    mn_arena_clear(&j.cx.arena);
    if (st) return st;
    return out->failed ? mn_fail_memory(err, out->len) : MINERVA_OK;
}
