/* Structural tags: free text with structured pieces in it, as rules of a grammar.
 *
 *   {"type":"structural_tag","format":FORMAT}, or the older
 *   {"structures":[{"begin","schema","end"}, ...],"triggers":[...]}
 *
 * FORMAT is an object whose "type" says which:
 *
 *   const_string {value}                  regex {pattern}        grammar {grammar, syntax}
 *   json_schema {json_schema}             any_text {excludes}
 *   sequence {elements}                   or {elements}
 *   optional|plus|star {content}          repeat {content, min, max}
 *   tag {begin, content, end}             end: a string, or a list of which one comes
 *   triggered_tags {triggers, tags, at_least_one, stop_after_first, preamble, excludes}
 *   tags_with_separator {tags, separator, at_least_one, stop_after_first}
 *
 * A format is built together with the *ends* that may follow it: free text in the last
 * place of a tag runs up to the first of the tag's ends, and so has to look for them
 * itself.  Where there are no ends, it runs to the end of the generation.
 *
 * Members that are not known are refused, not passed over.
 */
#include <stdio.h>

#include "constrain/core.h"

enum { MAX_DEPTH = 64 };

typedef struct {
    mn_constraint *c;
    mn_grammar *g;
    const mn_jv *root;
    mn_schema_draft draft;
    uint32_t depth, scope;
} builder;

/* What comes behind a format. */
typedef struct {
    const mn_text *ends;        /* one of these; [0]: nothing is known to come */
    uint32_t n;
    bool last;                  /* the text may end behind it (n is 0) */
} follow;

_Noreturn static void refuse(builder *b, minerva_status st, const mn_jv *at, const char *what)
{
    char path[200] = "";
    mn_buffer p = { .limit_bytes = 1 << 16 };
    if (at && mn_jdoc_path(b->root, at, &p) && p.data)
        snprintf(path, sizeof path, "%.*s", (int)(sizeof path - 1), p.data);
    mn_buffer_clear(&p);
    mn_cx_raise(&b->c->cx, st, "structural tag at \"#%s\": %s", path, what);
}

static void check_members(builder *b, const mn_jv *v, const char *const *names)
{
    for (uint32_t i = 0; i < v->n; i++) {
        bool known = false;
        for (int k = 0; names[k] && !known; k++)
            known = strlen(names[k]) == v->members[i].key_len
                && !memcmp(names[k], v->members[i].key, v->members[i].key_len);
        if (known) continue;
        char what[120];
        uint32_t n = v->members[i].key_len;
        snprintf(what, sizeof what, "\"%.*s\" is not known here", n > 60 ? 60 : (int)n, v->members[i].key);
        refuse(b, MINERVA_UNSUPPORTED, v, what);
    }
}

static const mn_jv *need(builder *b, const mn_jv *v, const char *name, mn_jtype type)
{
    static const char *const types[] = { [MN_J_STRING] = "a string", [MN_J_ARRAY] = "an array",
                                         [MN_J_OBJECT] = "an object" };
    const mn_jv *m = mn_jdoc_get(v, name);
    if (m && m->type == type) return m;
    char what[120];
    snprintf(what, sizeof what, "%s \"%s\" expected", types[type], name);
    refuse(b, MINERVA_INVALID, v, what);
}

static bool flag(builder *b, const mn_jv *v, const char *name)
{
    const mn_jv *m = mn_jdoc_get(v, name);
    if (!m || m->type == MN_J_FALSE || m->type == MN_J_NULL) return false;
    if (m->type != MN_J_TRUE) refuse(b, MINERVA_INVALID, m, "true or false expected");
    return true;
}

static mn_text text_of(const mn_jv *v) { return (mn_text){ v->str, v->n }; }

/* A list of strings, none of them empty; with `one` a single string will do, and be empty. */
static const mn_text *texts_of(builder *b, const mn_jv *v, const char *name, bool one, uint32_t *n)
{
    const mn_jv *list = mn_jdoc_get(v, name);
    *n = 0;
    if (!list) return NULL;
    if (one && list->type == MN_J_STRING) {
        mn_text *t = mn_cx_alloc(&b->c->cx, 1, sizeof *t);
        *t = text_of(list);
        *n = 1;
        return t;
    }
    if (list->type != MN_J_ARRAY) refuse(b, MINERVA_INVALID, list, "a list of strings expected");
    mn_text *texts = mn_cx_alloc(&b->c->cx, list->n, sizeof *texts);
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].type != MN_J_STRING || (!one && !list->items[i].n))
            refuse(b, MINERVA_INVALID, &list->items[i], "a string that is not empty expected");
        texts[i] = text_of(&list->items[i]);
    }
    *n = list->n;
    return texts;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static mn_g_node *literal(builder *b, mn_text t)
{
    if (!t.len) return mn_g_make(b->g, MN_G_SEQ);
    return mn_g_language(b->g, mn_rx_literal(b->g->rx, t.s, t.len), false, true);
}

static mn_g_node *one_of(builder *b, const mn_text *texts, uint32_t n)
{
    mn_g_node *alt = mn_g_make(b->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    for (uint32_t i = 0; i < n; i++) mn_g_list_add(&l, literal(b, texts[i]));
    return alt;
}

static mn_g_node *with_ends(builder *b, mn_g_node *n, const follow *f)
{
    return f->n ? mn_g_pair(b->g, n, one_of(b, f->ends, f->n)) : n;
}

static mn_g_node *json_value(builder *b, const mn_jv *at, const mn_jv *schema)
{
    mn_constraint *c = b->c;
    if (schema->type == MN_J_STRING) schema = mn_jdoc_parse(&c->cx, schema->str, schema->n);
    mn_eid e = mn_schema_compile(&c->schema, schema, b->draft);
    if (!mn_e_inhabited(&c->schema, e)) refuse(b, MINERVA_INVALID, at, "no value satisfies the schema");
    return mn_g_terminal(b->g, mn_grammar_terminal(b->g, (mn_terminal){ .kind = MN_TK_JSON, .a = e }));
}

static mn_g_node *grammar_text(builder *b, const mn_jv *v)
{
    const mn_jv *text = need(b, v, "grammar", MN_J_STRING), *syntax = mn_jdoc_get(v, "syntax");
    uint32_t scope = ++b->scope, rule;
    if (mn_jdoc_is(syntax, "lark")) rule = mn_grammar_read_lark(b->g, text->str, text->n, NULL, scope);
    else if (mn_jdoc_is(syntax, "ebnf")) rule = mn_grammar_read_ebnf(b->g, text->str, text->n, NULL, scope);
    else if (!syntax || mn_jdoc_is(syntax, "gbnf"))
        rule = mn_grammar_read_gbnf(b->g, text->str, text->n, NULL, scope);
    else refuse(b, MINERVA_INVALID, syntax, "\"gbnf\", \"lark\" or \"ebnf\" expected");
    return mn_g_ref(b->g, rule);
}

/* ---- free text ------------------------------------------------------------------------------- */

/* The alternatives of free text that ends with texts[from..to); the others are excluded. */
static mn_g_node *until(builder *b, const mn_text *texts, uint32_t n, uint32_t from, uint32_t to)
{
    uint32_t first = mn_grammar_until(b->g, texts, n, false);
    mn_g_node *alt = mn_g_make(b->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    for (uint32_t i = from; i < to; i++) mn_g_list_add(&l, mn_g_terminal(b->g, first + i));
    return alt;
}

static const mn_text *join(builder *b, const mn_text *x, uint32_t n, const mn_text *y, uint32_t k)
{
    mn_text *all = mn_cx_alloc(&b->c->cx, (size_t)n + k, sizeof *all);
    if (n) memcpy(all, x, n * sizeof *all);
    if (k) memcpy(all + n, y, k * sizeof *all);
    return all;
}

static mn_g_node *any_text(builder *b, const mn_jv *v, const follow *f)
{
    uint32_t n;
    const mn_text *excludes = texts_of(b, v, "excludes", false, &n);
    if (f->n) return until(b, join(b, f->ends, f->n, excludes, n), f->n + n, 0, f->n);
    if (f->last) {      /* nothing is found; where the text may end before it, it may end in it */
        uint32_t first = mn_grammar_until(b->g, excludes, n, false);
        return mn_g_rep(b->g, mn_g_terminal(b->g, first + n), 0, 1);
    }
    mn_rx *rx = b->g->rx;
    mn_rid all = MN_RX_ALL;
    for (uint32_t i = 0; i < n; i++) {
        mn_rid inside = mn_rx_cat(rx, MN_RX_ALL, mn_rx_cat(rx, mn_rx_literal(rx, excludes[i].s, excludes[i].len),
                                                           MN_RX_ALL));
        all = mn_rx_and2(rx, all, mn_rx_not(rx, inside));
    }
    return mn_g_language(b->g, all, false, true);
}

/* ---- formats ----------------------------------------------------------------------------------- */

static mn_g_node *format(builder *b, const mn_jv *v, const follow *f);

static mn_g_node *tag_behind(builder *b, const mn_jv *v, uint32_t skip, const follow *f)
{
    static const char *const names[] = { "type", "begin", "content", "end", NULL };
    check_members(b, v, names);
    mn_text begin = text_of(need(b, v, "begin", MN_J_STRING));
    const mn_jv *content = need(b, v, "content", MN_J_OBJECT);
    uint32_t n;
    const mn_text *ends = texts_of(b, v, "end", true, &n);
    if (!n) refuse(b, MINERVA_INVALID, v, "an \"end\" expected");
    bool bare = n == 1 && !ends[0].len;
    for (uint32_t i = 0; i < n && n > 1; i++)
        if (!ends[i].len) refuse(b, MINERVA_INVALID, v, "one empty \"end\", or several that are not, expected");
    mn_g_node *open = literal(b, (mn_text){ begin.s + skip, begin.len - skip });
    if (bare) return mn_g_pair(b->g, open, format(b, content, f));
    follow own = { ends, n, false };
    return with_ends(b, mn_g_pair(b->g, open, format(b, content, &own)), f);
}

static mn_g_node *tag(builder *b, const mn_jv *v, const follow *f) { return tag_behind(b, v, 0, f); }

static mn_g_node *list_of(builder *b, const mn_jv *v, const follow *f, bool sequence)
{
    static const char *const names[] = { "type", "elements", NULL };
    check_members(b, v, names);
    const mn_jv *list = need(b, v, "elements", MN_J_ARRAY);
    if (!list->n) refuse(b, MINERVA_INVALID, list, "at least one element expected");
    mn_g_node *node = mn_g_make(b->g, sequence ? MN_G_SEQ : MN_G_ALT);
    mn_g_list l = mn_g_list_begin(node);
    static const follow between = { NULL, 0, false };
    for (uint32_t i = 0; i < list->n; i++)
        mn_g_list_add(&l, format(b, &list->items[i], sequence && i + 1 < list->n ? &between : f));
    return node;
}

static uint32_t count_of(builder *b, const mn_jv *v, const char *name, uint32_t missing)
{
    const mn_jv *m = mn_jdoc_get(v, name);
    if (!m || m->type == MN_J_NULL) return missing;
    uint32_t n = 0;
    for (uint32_t i = 0; m->type == MN_J_NUMBER && i < m->n; i++) {
        if (m->str[0] == '-' && missing == MN_RX_INF) return MN_RX_INF;      /* -1: no bound */
        if (m->str[i] < '0' || m->str[i] > '9' || n > 100000) break;
        n = n * 10 + (uint32_t)(m->str[i] - '0');
        if (i + 1 == m->n) return n;
    }
    refuse(b, MINERVA_INVALID, m, "a whole number up to 1000000 expected");
}

static mn_g_node *repeated(builder *b, const mn_jv *v, const follow *f, uint32_t min, uint32_t max)
{
    static const char *const names[] = { "type", "content", NULL }, *const counts[] = { "type", "content", "min", "max", NULL };
    bool counted = mn_jdoc_is(mn_jdoc_get(v, "type"), "repeat");
    check_members(b, v, counted ? counts : names);
    if (counted) {
        min = count_of(b, v, "min", 0);
        max = count_of(b, v, "max", MN_RX_INF);
        if (max < min) refuse(b, MINERVA_INVALID, v, "\"min\" is greater than \"max\"");
    }
    static const follow inside = { NULL, 0, false };
    return with_ends(b, mn_g_rep(b->g, format(b, need(b, v, "content", MN_J_OBJECT), &inside), min, max), f);
}

/* ---- tags in free text --------------------------------------------------------------------------- */

/* Which trigger a tag's beginning is found by. */
static uint32_t trigger_of(builder *b, const mn_jv *at, const mn_text *triggers, uint32_t n)
{
    const mn_jv *begin = need(b, at, "begin", MN_J_STRING);
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const mn_text *t = &triggers[i];
        if (t->len > begin->n || memcmp(t->s, begin->str, t->len)) continue;
        if (found == UINT32_MAX || t->len < triggers[found].len) found = i;
    }
    if (found == UINT32_MAX) refuse(b, MINERVA_INVALID, at, "\"begin\" starts with none of the triggers");
    for (uint32_t i = 0; i < n; i++)
        if (i != found && memmem(begin->str, triggers[found].len, triggers[i].s, triggers[i].len))
            refuse(b, MINERVA_INVALID, at, "a trigger stands inside the trigger of this tag");
    return found;
}

static mn_g_node *tags(builder *b, const mn_jv *list, const follow *f)
{
    mn_g_node *alt = mn_g_make(b->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    for (uint32_t i = 0; i < list->n; i++) mn_g_list_add(&l, tag(b, &list->items[i], f));
    return alt;
}

/* As a rule, to be referred to more than once. */
static uint32_t rule_of(builder *b, mn_g_node *n) { return mn_grammar_fresh(b->g, n, (mn_g_place){ 0, 0 }); }

static mn_g_node *triggered_tags(builder *b, const mn_jv *v, const follow *f)
{
    static const char *const names[] = { "type", "triggers", "tags", "at_least_one", "stop_after_first", "preamble",
                                         "excludes", NULL };
    static const follow none = { NULL, 0, false };
    check_members(b, v, names);
    mn_grammar *g = b->g;
    uint32_t n, n_excludes;
    const mn_text *triggers = texts_of(b, v, "triggers", false, &n);
    const mn_text *excludes = texts_of(b, v, "excludes", false, &n_excludes);
    const mn_jv *list = need(b, v, "tags", MN_J_ARRAY);
    bool least = flag(b, v, "at_least_one"), stop = flag(b, v, "stop_after_first");
    bool preamble = flag(b, v, "preamble") || !least;
    if (!n) refuse(b, MINERVA_INVALID, v, "at least one of \"triggers\" expected");
    if (!list->n) refuse(b, MINERVA_INVALID, list, "at least one tag expected");
    if (!f->n && !f->last)
        refuse(b, MINERVA_UNSUPPORTED, v, "triggered tags must stand last, or last inside a tag with an end: "
               "nothing else tells where their free text is over");
    const mn_text *all = join(b, join(b, triggers, n, f->ends, f->n), n + f->n, excludes, n_excludes);
    uint32_t first = mn_grammar_until(g, all, n + f->n + n_excludes, false);
    mn_g_node *found = mn_g_make(g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(found);
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].type != MN_J_OBJECT) refuse(b, MINERVA_INVALID, &list->items[i], "a tag expected");
        uint32_t k = trigger_of(b, &list->items[i], triggers, n);
        mn_g_list_add(&l, mn_g_pair(g, mn_g_terminal(g, first + k), tag_behind(b, &list->items[i], triggers[k].len, &none)));
    }
    uint32_t one = rule_of(b, found);
    mn_g_node *seq = mn_g_make(g, MN_G_SEQ);
    l = mn_g_list_begin(seq);
    if (least) mn_g_list_add(&l, preamble ? mn_g_ref(g, one) : tags(b, list, &none));
    if (!stop) mn_g_list_add(&l, mn_g_rep(g, mn_g_ref(g, one), 0, MN_RX_INF));
    if (!least && stop && !f->n) mn_g_list_add(&l, mn_g_rep(g, mn_g_ref(g, one), 0, 1));
    if (!f->n) return seq;
    mn_g_node *end = mn_g_make(g, MN_G_ALT);        /* in free text, or at once behind the last tag */
    mn_g_list e = mn_g_list_begin(end);
    for (uint32_t i = 0; i < f->n && !(least && stop); i++) mn_g_list_add(&e, mn_g_terminal(g, first + n + i));
    if (least && stop) mn_g_list_add(&e, one_of(b, f->ends, f->n));
    if (!least && stop) mn_g_list_add(&e, mn_g_pair(g, mn_g_ref(g, one), one_of(b, f->ends, f->n)));
    mn_g_list_add(&l, end);
    return seq;
}

static mn_g_node *separated_tags(builder *b, const mn_jv *v, const follow *f)
{
    static const char *const names[] = { "type", "tags", "separator", "at_least_one", "stop_after_first", NULL };
    static const follow none = { NULL, 0, false };
    check_members(b, v, names);
    mn_grammar *g = b->g;
    const mn_jv *list = need(b, v, "tags", MN_J_ARRAY), *separator = need(b, v, "separator", MN_J_STRING);
    if (!list->n) refuse(b, MINERVA_INVALID, list, "at least one tag expected");
    bool least = flag(b, v, "at_least_one"), stop = flag(b, v, "stop_after_first");
    uint32_t one = rule_of(b, tags(b, list, &none));
    mn_g_node *n = mn_g_ref(g, one);
    if (!stop)
        n = mn_g_pair(g, n, mn_g_rep(g, mn_g_pair(g, literal(b, text_of(separator)), mn_g_ref(g, one)), 0, MN_RX_INF));
    return with_ends(b, least ? n : mn_g_rep(g, n, 0, 1), f);
}

static mn_g_node *simple(builder *b, const mn_jv *v, const mn_jv *type, const follow *f)
{
    static const char *const value[] = { "type", "value", NULL }, *const pattern[] = { "type", "pattern", NULL },
                      *const schema[] = { "type", "json_schema", "style", NULL },
                      *const grammar[] = { "type", "grammar", "syntax", NULL };
    if (mn_jdoc_is(type, "const_string")) {
        check_members(b, v, value);
        return with_ends(b, literal(b, text_of(need(b, v, "value", MN_J_STRING))), f);
    }
    if (mn_jdoc_is(type, "regex")) {
        check_members(b, v, pattern);
        const mn_jv *p = need(b, v, "pattern", MN_J_STRING);
        return with_ends(b, mn_g_language(b->g, mn_rx_parse(b->g->rx, p->str, p->n, true), false, false), f);
    }
    if (mn_jdoc_is(type, "grammar")) {
        check_members(b, v, grammar);
        return with_ends(b, grammar_text(b, v), f);
    }
    if (!mn_jdoc_is(type, "json_schema")) refuse(b, MINERVA_UNSUPPORTED, v, "a format of this \"type\" is not known");
    check_members(b, v, schema);
    const mn_jv *s = mn_jdoc_get(v, "json_schema"), *style = mn_jdoc_get(v, "style");
    if (!s) refuse(b, MINERVA_INVALID, v, "a \"json_schema\" expected");
    if (style && !mn_jdoc_is(style, "json")) refuse(b, MINERVA_UNSUPPORTED, style, "\"json\" is the only style");
    return with_ends(b, json_value(b, v, s), f);
}

static mn_g_node *format(builder *b, const mn_jv *v, const follow *f)
{
    static const char *const text[] = { "type", "excludes", NULL };
    if (v->type != MN_J_OBJECT) refuse(b, MINERVA_INVALID, v, "a format expected");
    if (++b->depth > MAX_DEPTH) refuse(b, MINERVA_LIMIT, v, "at most 64 nested formats expected");
    const mn_jv *type = need(b, v, "type", MN_J_STRING);
    mn_g_node *n;
    if (mn_jdoc_is(type, "any_text")) {
        check_members(b, v, text);
        n = any_text(b, v, f);
    } else if (mn_jdoc_is(type, "tag")) {
        n = tag(b, v, f);
    } else if (mn_jdoc_is(type, "sequence") || mn_jdoc_is(type, "or")) {
        n = list_of(b, v, f, type->str[0] == 's');
    } else if (mn_jdoc_is(type, "triggered_tags")) {
        n = triggered_tags(b, v, f);
    } else if (mn_jdoc_is(type, "tags_with_separator")) {
        n = separated_tags(b, v, f);
    } else if (mn_jdoc_is(type, "optional") || mn_jdoc_is(type, "repeat")) {
        n = repeated(b, v, f, 0, 1);
    } else if (mn_jdoc_is(type, "star") || mn_jdoc_is(type, "plus")) {
        n = repeated(b, v, f, type->str[0] == 'p', MN_RX_INF);
    } else {
        n = simple(b, v, type, f);
    }
    b->depth--;
    return n;
}

/* ---- the older form ------------------------------------------------------------------------------- */

static mn_g_node *structures(builder *b, const mn_jv *v)
{
    static const char *const names[] = { "type", "structures", "triggers", "at_least_one", "stop_after_first", NULL },
                      *const item[] = { "begin", "schema", "end", NULL };
    check_members(b, v, names);
    mn_grammar *g = b->g;
    const mn_jv *list = need(b, v, "structures", MN_J_ARRAY);
    uint32_t n;
    const mn_text *triggers = texts_of(b, v, "triggers", false, &n);
    if (!n) refuse(b, MINERVA_INVALID, v, "at least one of \"triggers\" expected");
    if (!list->n) refuse(b, MINERVA_INVALID, list, "at least one structure expected");
    bool least = flag(b, v, "at_least_one"), stop = flag(b, v, "stop_after_first");
    uint32_t first = mn_grammar_until(g, triggers, n, false);
    mn_g_node *found = mn_g_make(g, MN_G_ALT), *forced = mn_g_make(g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(found), m = mn_g_list_begin(forced);
    for (uint32_t i = 0; i < list->n; i++) {
        const mn_jv *s = &list->items[i];
        if (s->type != MN_J_OBJECT) refuse(b, MINERVA_INVALID, s, "an object expected");
        check_members(b, s, item);
        const mn_jv *schema = mn_jdoc_get(s, "schema");
        if (!schema) refuse(b, MINERVA_INVALID, s, "a \"schema\" expected");
        uint32_t k = trigger_of(b, s, triggers, n);
        mn_text begin = text_of(need(b, s, "begin", MN_J_STRING)), end = text_of(need(b, s, "end", MN_J_STRING));
        mn_text rest = { begin.s + triggers[k].len, begin.len - triggers[k].len };
        uint32_t body = rule_of(b, mn_g_pair(g, json_value(b, s, schema), literal(b, end)));
        mn_g_list_add(&l, mn_g_pair(g, mn_g_terminal(g, first + k), mn_g_pair(g, literal(b, rest), mn_g_ref(g, body))));
        mn_g_list_add(&m, mn_g_pair(g, literal(b, begin), mn_g_ref(g, body)));
    }
    uint32_t one = rule_of(b, found);
    mn_g_node *more = mn_g_rep(g, mn_g_ref(g, one), 0, stop ? 1 : MN_RX_INF);
    if (!least) return more;
    return stop ? forced : mn_g_pair(g, forced, more);
}

uint32_t mn_constraint_structural(mn_constraint *c, const mn_jv *source, mn_schema_draft draft)
{
    static const char *const names[] = { "type", "format", NULL };
    builder b = { .c = c, .g = &c->grammar, .root = source, .draft = draft };
    if (source->type != MN_J_OBJECT) refuse(&b, MINERVA_INVALID, source, "an object expected");
    const mn_jv *type = mn_jdoc_get(source, "type");
    if (type && !mn_jdoc_is(type, "structural_tag"))
        refuse(&b, MINERVA_INVALID, type, "\"structural_tag\" expected");
    if (mn_jdoc_get(source, "structures")) return rule_of(&b, structures(&b, source));
    check_members(&b, source, names);
    static const follow end = { NULL, 0, true };
    return rule_of(&b, format(&b, need(&b, source, "format", MN_J_OBJECT), &end));
}
