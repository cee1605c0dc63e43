/* Statements of the template language: tokens -> nodes, and mn_template_parse().
 *
 * Ended blocks are parsed by recursion, which J_PARSE_DEPTH bounds.  What needs other
 * templates (include, import, from, extends) or autoescaping is refused by name: a chat
 * template is one text, and its output is no HTML.
 */
#include "base/status.h"
#include "text/jinja_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what both parser files use ---------------------------------------------------- */

void *mn_j_parse_fail(mn_jparser *p, minerva_status status, int line, const char *fmt,
                      ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!p->status)
        p->status = mn_fail(p->err, status, "chat template line %d: %s", line, what);
    return NULL;
}

mn_jnode *mn_j_node(mn_jparser *p, mn_jkind kind, int line)
{
    mn_jnode *n = mn_arena_alloc(&p->t->arena, sizeof *n);
    if (!n) return mn_j_parse_fail(p, MINERVA_MEMORY, line, "out of memory");
    n->kind = (uint8_t)kind;
    n->line = line;
    return n;
}

bool mn_j_is_name(const mn_jtoken *t, const char *name)
{
    return t->type == T_NAME && mn_j_str_is(t->value, name);
}

bool mn_j_skip_name(mn_jparser *p, const char *name)
{
    bool is = mn_j_is_name(p->at, name);
    p->at += is;
    return is;
}

bool mn_j_expect(mn_jparser *p, mn_jtoken_type type)
{
    const mn_jtoken *t = p->at;
    if (t->type == type) {
        p->at += type != T_EOF;
        return true;
    }
    bool is_name = t->type == T_NAME;
    const char *found = is_name ? t->value.s : mn_j_token_name(t->type);
    int n = is_name ? (int)(t->value.len < 80 ? t->value.len : 80) : (int)strlen(found);
    mn_j_parse_fail(p, MINERVA_INVALID, t->line, "'%s' expected, '%.*s' found",
                    mn_j_token_name(type), n, found);
    return false;
}

bool mn_j_enter(mn_jparser *p)
{
    if (++p->depth <= J_PARSE_DEPTH) return true;
    mn_j_parse_fail(p, MINERVA_LIMIT, p->at->line, "nested more than %d deep",
                    J_PARSE_DEPTH);
    return false;
}

int32_t mn_j_name_id(mn_jparser *p, mn_jvalue name)
{
    mn_template *t = p->t;
    for (int32_t i = 0; i < t->n_names; i++)
        if (mn_j_str_equal(t->names[i], name)) return i;
    if ((p->work += t->n_names) > 1000000000) {
        mn_j_parse_fail(p, MINERVA_LIMIT, p->at->line, "too many variables");
        return -1;
    }
    if (t->n_names == p->name_capacity) {
        int32_t capacity = p->name_capacity ? p->name_capacity * 2 : 32;
        mn_jvalue *grown = mn_arena_array(&t->arena, (size_t)capacity, sizeof *grown);
        if (!grown) {
            mn_j_parse_fail(p, MINERVA_MEMORY, p->at->line, "out of memory");
            return -1;
        }
        if (t->n_names) memcpy(grown, t->names, (size_t)t->n_names * sizeof *grown);
        t->names = grown;
        p->name_capacity = capacity;
    }
    t->names[t->n_names] = name;
    return t->n_names++;
}

/* ---- bodies ------------------------------------------------------------------------ */

static mn_jnode *parse_statement(mn_jparser *p);

static const char *tag_name(int kind)
{
    switch (kind) {
    case N_IF: return "if";
    case N_FOR: return "for";
    case N_MACRO: return "macro";
    case N_CALL_BLOCK: return "call";
    case N_FILTER_BLOCK: return "filter";
    case N_SET_BLOCK: return "set";
    case N_WITH: return "with";
    case N_GENERATION: return "generation";
    default: return "block";
    }
}

/* Nodes up to {% end1/end2/end3 %}, at whose name the parser stops; with `ends` NULL up
 * to the end of the template.  An empty body is *out == NULL. */
static bool parse_body(mn_jparser *p, const char *const *ends, mn_jnode **out)
{
    *out = NULL;
    for (mn_jnode **last = out;;) {
        const mn_jtoken *t = p->at++;
        mn_jnode *n;
        switch (t->type) {
        case T_DATA:
            if (!(n = mn_j_node(p, N_TEXT, t->line))) return false;
            n->value = t->value;
            break;
        case T_PRINT_BEGIN:
            if (!(n = mn_j_node(p, N_PRINT, t->line))) return false;
            if (!(n->list.items = mn_j_parse_tuple(p, true, NULL))) return false;
            n->list.n = 1;
            if (!mn_j_expect(p, T_PRINT_END)) return false;
            break;
        case T_BLOCK_BEGIN:
            for (int i = 0; ends && ends[i]; i++)
                if (mn_j_is_name(p->at, ends[i])) return true;
            if (!(n = parse_statement(p)) || !mn_j_expect(p, T_BLOCK_END)) return false;
            break;
        default:
            p->at--;
            if (!ends) return true;
            mn_j_parse_fail(p, MINERVA_INVALID, t->line,
                            "{%% %s %%} expected for the '%s' of line %d, the end of the "
                            "template found", ends[0], tag_name(p->open_tag->kind),
                            p->open_tag->line);
            return false;
        }
        *last = n;
        last = &n->next;
    }
}

/* " %}body{% end": after it the parser stands at the end's name. */
static bool parse_block_body(mn_jparser *p, mn_jnode *tag, const char *const *ends,
                             mn_jnode **out)
{
    if (p->at->type == T_COLON) p->at++;
    if (!mn_j_expect(p, T_BLOCK_END) || !mn_j_enter(p)) return false;
    mn_jnode *outer = p->open_tag;
    p->open_tag = tag;
    bool ok = parse_body(p, ends, out);
    p->open_tag = outer;
    p->depth--;
    return ok;
}

/* The same for a block with one possible end, which is consumed. */
static bool parse_whole_body(mn_jparser *p, mn_jnode *tag, const char *end,
                             mn_jnode **out)
{
    const char *const ends[] = { end, NULL };
    if (!parse_block_body(p, tag, ends, out)) return false;
    p->at++;
    return true;
}

/* ---- statements -------------------------------------------------------------------- */

static mn_jnode *parse_if(mn_jparser *p, mn_jnode *n)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    mn_jnode *first = n;
    for (;;) {
        if (!(n->branch.test = mn_j_parse_tuple(p, false, NULL))) return NULL;
        if (!parse_block_body(p, first, ends, &n->branch.body)) return NULL;
        const mn_jtoken *end = p->at++;
        if (mn_j_is_name(end, "endif")) return first;
        if (mn_j_is_name(end, "else"))
            return parse_whole_body(p, first, "endif", &n->branch.otherwise) ? first
                                                                             : NULL;
        mn_jnode *elif = mn_j_node(p, N_IF, end->line);
        if (!elif) return NULL;
        n->branch.otherwise = elif;
        n = elif;
    }
}

static mn_jnode *parse_for(mn_jparser *p, mn_jnode *n)
{
    static const char *const ends[] = { "endfor", "else", NULL };
    if (!(n->loop.target = mn_j_parse_target(p, "in", false))) return NULL;
    if (!mn_j_skip_name(p, "in"))
        return mn_j_parse_fail(p, MINERVA_INVALID, n->line,
                               "'in' expected after the names of "
                               "{%% for %%}");
    if (!(n->loop.iterable = mn_j_parse_tuple(p, false, "recursive"))) return NULL;
    if (mn_j_skip_name(p, "if") && !(n->loop.test = mn_j_parse_expression(p, true)))
        return NULL;
    n->loop.is_recursive = mn_j_skip_name(p, "recursive");
    if (!parse_block_body(p, n, ends, &n->loop.body)) return NULL;
    if (!mn_j_is_name(p->at++, "else")) return n;
    return parse_whole_body(p, n, "endfor", &n->loop.otherwise) ? n : NULL;
}

/* {% set a.b, c = value %} or {% set a | filter %}text{% endset %} */
static mn_jnode *parse_set(mn_jparser *p, mn_jnode *n)
{
    mn_jnode *target = mn_j_parse_target(p, NULL, true);
    if (!target) return NULL;
    if (p->at->type == T_ASSIGN) {
        p->at++;
        n->set.target = target;
        return (n->set.value = mn_j_parse_tuple(p, true, NULL)) ? n : NULL;
    }
    n->kind = N_SET_BLOCK;
    n->capture.target = target;
    n->capture.filter = mn_j_parse_filters(p, NULL, false);
    if (p->status) return NULL;
    return parse_whole_body(p, n, "endset", &n->capture.body) ? n : NULL;
}

static mn_jnode *parse_with(mn_jparser *p, mn_jnode *n)
{
    mn_jnode **target = &n->with.targets, **value = &n->with.values;
    while (p->at->type != T_BLOCK_END) {
        if (n->with.targets && !mn_j_expect(p, T_COMMA)) return NULL;
        if (!(*target = mn_j_parse_target(p, NULL, false))) return NULL;
        if (!mn_j_expect(p, T_ASSIGN)) return NULL;
        if (!(*value = mn_j_parse_expression(p, true))) return NULL;
        target = &(*target)->next;
        value = &(*value)->next;
    }
    return parse_whole_body(p, n, "endwith", &n->with.body) ? n : NULL;
}

/* (a, b=default) */
static bool parse_signature(mn_jparser *p, mn_jmacro_def *m)
{
    enum { MOST = 250 };
    mn_jnode **param = &m->params, **value = &m->defaults;
    if (!mn_j_expect(p, T_LPAREN)) return false;
    while (p->at->type != T_RPAREN) {
        if (m->n_params && !mn_j_expect(p, T_COMMA)) return false;
        int line = p->at->line;
        mn_jnode *name = mn_j_parse_target_name(p);
        if (!name) return false;
        for (mn_jnode *o = m->params; o; o = o->next)
            if (o->name.id == name->name.id)
                return mn_j_parse_fail(p, MINERVA_INVALID, line,
                                       "a macro names a parameter twice") != NULL;
        if (p->at->type == T_ASSIGN) {
            p->at++;
            if (!(*value = mn_j_parse_expression(p, true))) return false;
            value = &(*value)->next;
            m->n_defaults++;
        } else if (m->n_defaults) {
            return mn_j_parse_fail(p, MINERVA_INVALID, line,
                                   "a parameter without default "
                                   "follows one with default")
                != NULL;
        }
        *param = name;
        param = &name->next;
        if (++m->n_params > MOST)
            return mn_j_parse_fail(p, MINERVA_LIMIT, line,
                                   "a macro has more than %d parameters", MOST)
                != NULL;
    }
    p->at++;
    return true;
}

static mn_jmacro_def *macro_new(mn_jparser *p)
{
    mn_jmacro_def *m = mn_arena_alloc(&p->t->arena, sizeof *m);
    return m ? m : mn_j_parse_fail(p, MINERVA_MEMORY, p->at->line, "out of memory");
}

static mn_jnode *parse_macro(mn_jparser *p, mn_jnode *n)
{
    mn_jmacro_def *m = n->macro = macro_new(p);
    mn_jnode *name = m ? mn_j_parse_target_name(p) : NULL;
    if (!name) return NULL;
    m->name = p->t->names[name->name.id];
    m->name_id = name->name.id;
    return parse_signature(p, m) && parse_whole_body(p, n, "endmacro", &m->body) ? n
                                                                                 : NULL;
}

static mn_jnode *parse_call_block(mn_jparser *p, mn_jnode *n)
{
    mn_jmacro_def *m = n->call_block.macro = macro_new(p);
    if (!m) return NULL;
    m->name = mn_j_none();
    if (p->at->type == T_LPAREN && !parse_signature(p, m)) return NULL;
    if (!(n->call_block.call = mn_j_parse_expression(p, true))) return NULL;
    if (n->call_block.call->kind != N_CALL)
        return mn_j_parse_fail(p, MINERVA_INVALID, n->line, "{%% call %%} needs a call");
    return parse_whole_body(p, n, "endcall", &m->body) ? n : NULL;
}

static mn_jnode *parse_filter_block(mn_jparser *p, mn_jnode *n)
{
    if (!(n->capture.filter = mn_j_parse_filters(p, NULL, true))) return NULL;
    return parse_whole_body(p, n, "endfilter", &n->capture.body) ? n : NULL;
}

static mn_jnode *parse_generation(mn_jparser *p, mn_jnode *n)
{
    return parse_whole_body(p, n, "endgeneration", &n->block.body) ? n : NULL;
}

/* {% print a, b %} */
static mn_jnode *parse_print(mn_jparser *p, mn_jnode *n)
{
    for (mn_jnode **last = &n->list.items; p->at->type != T_BLOCK_END;
         last = &(*last)->next) {
        if (n->list.n++ && !mn_j_expect(p, T_COMMA)) return NULL;
        if (!(*last = mn_j_parse_expression(p, true))) return NULL;
    }
    return n;
}

static mn_jnode *parse_block(mn_jparser *p, mn_jnode *n)
{
    mn_template *t = p->t;
    if (p->at->type != T_NAME) {
        mn_j_expect(p, T_NAME);
        return NULL;
    }
    n->block.name = p->at++->value;
    if (mn_j_is_name(p->at, "scoped") || mn_j_is_name(p->at, "required"))
        return mn_j_parse_fail(p, MINERVA_UNSUPPORTED, n->line,
                               "scoped and required blocks are "
                               "not supported");
    for (int32_t i = 0; i < t->n_blocks; i++)
        if (mn_j_str_equal(t->blocks[i]->block.name, n->block.name))
            return mn_j_parse_fail(p, MINERVA_INVALID, n->line,
                                   "a block is defined twice");
    if (t->n_blocks == p->block_capacity) {
        int32_t capacity = p->block_capacity ? p->block_capacity * 2 : 8;
        if (capacity > 4096)
            return mn_j_parse_fail(p, MINERVA_LIMIT, n->line, "too many blocks");
        mn_jnode **grown = mn_arena_array(&t->arena, (size_t)capacity, sizeof *grown);
        if (!grown) return mn_j_parse_fail(p, MINERVA_MEMORY, n->line, "out of memory");
        if (t->n_blocks) memcpy(grown, t->blocks, (size_t)t->n_blocks * sizeof *grown);
        t->blocks = grown;
        p->block_capacity = capacity;
    }
    t->blocks[t->n_blocks++] = n;
    if (!parse_whole_body(p, n, "endblock", &n->block.body)) return NULL;
    if (p->at->type == T_NAME && mn_j_str_equal(p->at->value, n->block.name)) p->at++;
    return n;
}

static mn_jnode *parse_nothing(mn_jparser *p, mn_jnode *n) { return n; }

static mn_jnode *parse_statement(mn_jparser *p)
{
    static const struct {
        const char *tag;
        mn_jkind kind;
        mn_jnode *(*parse)(mn_jparser *, mn_jnode *);
    } tags[] = { { "if", N_IF, parse_if },
                 { "for", N_FOR, parse_for },
                 { "set", N_SET, parse_set },
                 { "macro", N_MACRO, parse_macro },
                 { "call", N_CALL_BLOCK, parse_call_block },
                 { "filter", N_FILTER_BLOCK, parse_filter_block },
                 { "with", N_WITH, parse_with },
                 { "generation", N_GENERATION, parse_generation },
                 { "block", N_BLOCK, parse_block },
                 { "print", N_PRINT, parse_print },
                 { "break", N_BREAK, parse_nothing },
                 { "continue", N_CONTINUE, parse_nothing } };
    static const char *const refused[] = { "include", "import", "from", "extends",
                                           "autoescape" };
    const mn_jtoken *t = p->at;
    if (t->type != T_NAME) {
        return mn_j_parse_fail(p, MINERVA_INVALID, t->line,
                               "a tag's name expected, '%s' found",
                               mn_j_token_name(t->type));
    }
    p->at++;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (!mn_j_is_name(t, tags[i].tag)) continue;
        mn_jnode *n = mn_j_node(p, tags[i].kind, t->line);
        return n ? tags[i].parse(p, n) : NULL;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (mn_j_is_name(t, refused[i]))
            return mn_j_parse_fail(p, MINERVA_UNSUPPORTED, t->line,
                                   "{%% %s %%} is not supported "
                                   "in chat templates",
                                   refused[i]);
    int n = (int)(t->value.len < 80 ? t->value.len : 80);
    if (!p->open_tag)
        return mn_j_parse_fail(p, MINERVA_INVALID, t->line, "unknown tag '%.*s'", n,
                               t->value.s);
    return mn_j_parse_fail(p, MINERVA_INVALID, t->line,
                           "unknown tag '%.*s'; the '%s' of line %d is still open", n,
                           t->value.s, tag_name(p->open_tag->kind), p->open_tag->line);
}

/* ---- the whole template ------------------------------------------------------------ */

minerva_status mn_template_parse(mn_template **out, const char *source, size_t len,
                                 minerva_error *err)
{
    mn_template *t = calloc(1, sizeof *t);
    if (!t) return mn_fail_memory(err, sizeof *t);
    mn_jtoken *tokens = NULL;
    minerva_status status = mn_j_tokenize(&t->arena, source, len, &tokens, err);
    if (!status) {
        mn_jparser p = { .t = t, .tokens = tokens, .at = tokens, .err = err };
        if (parse_body(&p, NULL, &t->body)) mn_j_bind(&p);
        status = p.status;
    }
    free(tokens);
    if (status) mn_template_free(t);
    else *out = t;
    return status;
}

void mn_template_free(mn_template *t)
{
    if (!t) return;
    mn_arena_clear(&t->arena);
    free(t);
}
