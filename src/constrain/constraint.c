/* Compiling: from a source and options to what a matcher runs on; see constraint.h. */
#include <stdlib.h>
#include <time.h>

#include "constrain/core.h"

enum { COMPILE_MS = 1000, COMPILE_BYTES = 64 << 20, RUN_BYTES = 256 << 20, CACHE_BYTES = 6 << 20,
       BLANKS_MAX = 64 };

typedef struct {
    mn_constraint *c;
    const char *source;
    size_t len;
    mn_constraint_options o;
} job;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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
    c->root = mn_schema_load(&c->schema, root, o->draft);
    mn_schema_check(&c->schema, c->root);
    c->empty = !mn_e_inhabited(&c->schema, c->root);
    c->program.schema_order = o->key_order == MN_KEYS_SCHEMA_ORDER;
}

static void compile_choice(mn_constraint *c, const char *text, size_t len)
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
    c->text_start = mn_lex_lits(&c->lx, mn_ss_litset(&c->schema.ss, texts, list->n), false);
}

static void compile_regex(mn_constraint *c, const char *text, size_t len)
{
    c->text_start = mn_lex_re(&c->lx, mn_rx_parse(&c->schema.rx, text, len, true), false);
    c->empty = !c->text_start;
}

static void compile(void *arg)
{
    job *j = arg;
    mn_constraint *c = j->c;
    mn_schema_init(&c->schema, &c->cx);
    mn_lex_init(&c->lx, &c->cx, &c->schema.rx, &c->schema.ss);
    mn_pda_program_init(&c->program, &c->cx, &c->schema, &c->lx);
    char *source = mn_cx_strndup(&c->cx, j->source, j->len);
    switch (c->kind) {
    case MN_CONSTRAINT_JSON_SCHEMA: compile_schema(c, source, j->len, &j->o); break;
    case MN_CONSTRAINT_JSON: compile_schema(c, "true", 4, &j->o); break;
    case MN_CONSTRAINT_JSON_OBJECT: compile_schema(c, "{\"type\":\"object\"}", 17, &j->o); break;
    case MN_CONSTRAINT_REGEX: compile_regex(c, source, j->len); break;
    case MN_CONSTRAINT_CHOICE: compile_choice(c, source, j->len); break;
    default: mn_cx_raise(&c->cx, MINERVA_UNSUPPORTED, "constraint: this kind is not built");
    }
    set_blanks(c, &j->o);
}

static void destroy(mn_constraint *c)
{
    mn_mask_cache_clear(&c->masks);
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
    c->cx.limit_bytes = COMPILE_BYTES;
    c->cx.deadline_ns = now_ns() + (uint64_t)(j.o.compile_ms ? j.o.compile_ms : COMPILE_MS) * 1000000u;
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
    if (c->kind == MN_CONSTRAINT_REGEX || c->kind == MN_CONSTRAINT_CHOICE)
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
