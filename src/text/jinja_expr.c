/* Expressions of the template language: tokens -> nodes.
 *
 * Precedence, loosest first, as jinja2 parses (it differs from Python in places: ~ binds
 * between + and *, ** is left-associative, filters and tests bind tighter than any
 * operator but unary minus):
 *
 *   x if c else y | or | and | not | comparison, in | + - | ~ | * / // % | ** |
 *   unary + - | .name [item] (call) | filter, is test
 *
 * Every function returns NULL once the error is set.
 */
#include "base/status.h"
#include "text/jinja_run.h"

#include <string.h>

static mn_jnode *parse_unary(mn_jparser *p, bool with_filters);
static mn_jnode *parse_primary(mn_jparser *p, bool with_attribute);
static mn_jnode *parse_postfix(mn_jparser *p, mn_jnode *node);

static mn_jtoken_type type(const mn_jparser *p) { return p->at->type; }
static mn_jtoken_type next_type(const mn_jparser *p)
{
    return p->at->type == T_EOF ? T_EOF : p->at[1].type;
}
static const mn_jtoken *take(mn_jparser *p)
{
    const mn_jtoken *t = p->at;
    if (t->type != T_EOF) p->at++;
    return t;
}

static mn_jnode *unexpected(mn_jparser *p, const char *expected)
{
    const mn_jtoken *t = p->at;
    if (t->type == T_NAME)
        return mn_j_parse_fail(p, MINERVA_INVALID, t->line, "%s expected, '%.*s' found",
                               expected, (int)(t->value.len < 80 ? t->value.len : 80),
                               t->value.s);
    return mn_j_parse_fail(p, MINERVA_INVALID, t->line, "%s expected, '%s' found",
                           expected, mn_j_token_name(t->type));
}

static mn_jnode *binary(mn_jparser *p, mn_jkind kind, int op, mn_jnode *left,
                        mn_jnode *right)
{
    if (!left || !right) return NULL;
    mn_jnode *n = mn_j_node(p, kind, left->line);
    if (!n) return NULL;
    n->op = (uint8_t)op;
    n->pair.left = left;
    n->pair.right = right;
    return n;
}

/* ---- operators --------------------------------------------------------------------- */

static mn_jnode *parse_pow(mn_jparser *p)
{
    mn_jnode *left = parse_unary(p, true);
    while (left && type(p) == T_POW) {
        take(p);
        left = binary(p, N_BINARY, OP_POW, left, parse_unary(p, true));
    }
    return left;
}

static mn_jnode *parse_product(mn_jparser *p)
{
    mn_jnode *left = parse_pow(p);
    while (left) {
        int op;
        switch (type(p)) {
        case T_MUL: op = OP_MUL; break;
        case T_DIV: op = OP_DIV; break;
        case T_FLOORDIV: op = OP_FLOORDIV; break;
        case T_MOD: op = OP_MOD; break;
        default: return left;
        }
        take(p);
        left = binary(p, N_BINARY, op, left, parse_pow(p));
    }
    return NULL;
}

static mn_jnode *parse_concat(mn_jparser *p)
{
    mn_jnode *first = parse_product(p);
    if (!first || type(p) != T_TILDE) return first;
    mn_jnode *n = mn_j_node(p, N_CONCAT, first->line);
    if (!n) return NULL;
    n->list.items = first;
    n->list.n = 1;
    for (mn_jnode *last = first; type(p) == T_TILDE; last = last->next) {
        take(p);
        if (!(last->next = parse_product(p))) return NULL;
        n->list.n++;
    }
    return n;
}

static mn_jnode *parse_sum(mn_jparser *p)
{
    mn_jnode *left = parse_concat(p);
    while (left && (type(p) == T_ADD || type(p) == T_SUB)) {
        int op = take(p)->type == T_ADD ? OP_ADD : OP_SUB;
        left = binary(p, N_BINARY, op, left, parse_concat(p));
    }
    return left;
}

/* Is a comparison next?  Consumes its operator. */
static bool take_comparison(mn_jparser *p, int *op)
{
    switch (type(p)) {
    case T_EQ: *op = CMP_EQ; break;
    case T_NE: *op = CMP_NE; break;
    case T_LT: *op = CMP_LT; break;
    case T_LE: *op = CMP_LE; break;
    case T_GT: *op = CMP_GT; break;
    case T_GE: *op = CMP_GE; break;
    case T_NAME:
        if (mn_j_is_name(p->at, "in")) {
            *op = CMP_IN;
            break;
        }
        if (!mn_j_is_name(p->at, "not") || !mn_j_is_name(p->at + 1, "in")) return false;
        take(p);
        *op = CMP_NOT_IN;
        break;
    default:
        return false;
    }
    take(p);
    return true;
}

static mn_jnode *parse_compare(mn_jparser *p)
{
    mn_jnode *first = parse_sum(p), **last = NULL;
    if (!first) return NULL;
    mn_jnode *n = NULL;
    int op;
    while (take_comparison(p, &op)) {
        if (!n) {
            if (!(n = mn_j_node(p, N_COMPARE, first->line))) return NULL;
            n->compare.first = first;
            last = &n->compare.operands;
        }
        mn_jnode *operand = mn_j_node(p, N_OPERAND, p->at->line);
        if (!operand || !(operand->keyword.value = parse_sum(p))) return NULL;
        operand->op = (uint8_t)op;
        *last = operand;
        last = &operand->next;
    }
    return n ? n : first;
}

static mn_jnode *parse_not(mn_jparser *p)
{
    if (!mn_j_is_name(p->at, "not")) return parse_compare(p);
    int line = take(p)->line;
    if (!mn_j_enter(p)) return NULL;
    mn_jnode *inner = parse_not(p), *n = inner ? mn_j_node(p, N_NOT, line) : NULL;
    p->depth--;
    if (n) n->pair.left = inner;
    return n;
}

static mn_jnode *parse_and(mn_jparser *p)
{
    mn_jnode *left = parse_not(p);
    while (left && mn_j_skip_name(p, "and"))
        left = binary(p, N_AND, 0, left, parse_not(p));
    return left;
}

static mn_jnode *parse_or(mn_jparser *p)
{
    mn_jnode *left = parse_and(p);
    while (left && mn_j_skip_name(p, "or")) left = binary(p, N_OR, 0, left, parse_and(p));
    return left;
}

static mn_jnode *parse_conditional(mn_jparser *p)
{
    if (!mn_j_enter(p)) return NULL;
    mn_jnode *value = parse_or(p);
    while (value && mn_j_skip_name(p, "if")) {
        mn_jnode *n = mn_j_node(p, N_CONDITIONAL, value->line);
        if (!n || !(n->conditional.test = parse_or(p))) return NULL;
        n->conditional.yes = value;
        if (mn_j_skip_name(p, "else") && !(n->conditional.no = parse_conditional(p)))
            return NULL;
        value = n;
    }
    p->depth--;
    return value;
}

mn_jnode *mn_j_parse_expression(mn_jparser *p, bool with_conditional)
{
    return with_conditional ? parse_conditional(p) : parse_or(p);
}

/* ---- calls, filters, tests --------------------------------------------------------- */

static bool parse_argument(mn_jparser *p, mn_jnode *call, mn_jnode ***arg,
                           mn_jnode ***keyword)
{
    bool dynamic = call->call.dyn_args || call->call.dyn_keywords;
    const mn_jtoken *first = p->at;
    if (type(p) == T_MUL || type(p) == T_POW) {
        bool is_args = take(p)->type == T_MUL;
        if (is_args ? dynamic : call->call.dyn_keywords != NULL) goto misplaced;
        mn_jnode *value = mn_j_parse_expression(p, true);
        if (is_args) call->call.dyn_args = value;
        else call->call.dyn_keywords = value;
        return value != NULL;
    }
    if (type(p) == T_NAME && next_type(p) == T_ASSIGN) {
        if (call->call.dyn_keywords) goto misplaced;
        mn_jnode *k = mn_j_node(p, N_KEYWORD, first->line);
        if (!k) return false;
        k->keyword.name = take(p)->value;
        take(p);
        for (mn_jnode *o = call->call.keywords; o; o = o->next)
            if (mn_j_str_equal(o->keyword.name, k->keyword.name))
                return mn_j_parse_fail(p, MINERVA_INVALID, first->line,
                                       "keyword argument '%.*s' is given twice",
                                       (int)k->keyword.name.len, k->keyword.name.s)
                    != NULL;
        if (!(k->keyword.value = mn_j_parse_expression(p, true))) return false;
        **keyword = k;
        *keyword = &k->next;
        call->call.n_keywords++;
        return true;
    }
    if (dynamic || call->call.keywords) goto misplaced;
    mn_jnode *value = mn_j_parse_expression(p, true);
    if (!value) return false;
    **arg = value;
    *arg = &value->next;
    call->call.n_args++;
    return true;
misplaced:
    return mn_j_parse_fail(p, MINERVA_INVALID, first->line,
                           "arguments must come as: positional, named, *list, **dict")
        != NULL;
}

static bool parse_arguments(mn_jparser *p, mn_jnode *call)
{
    enum { MOST = 250 };
    mn_jnode **arg = &call->call.args, **keyword = &call->call.keywords;
    if (!mn_j_expect(p, T_LPAREN)) return false;
    for (bool first = true; type(p) != T_RPAREN; first = false) {
        if (!first) {
            if (!mn_j_expect(p, T_COMMA)) return false;
            if (type(p) == T_RPAREN) break;
        }
        if (call->call.n_args + call->call.n_keywords >= MOST)
            return mn_j_parse_fail(p, MINERVA_LIMIT, p->at->line,
                                   "a call has more than %d arguments", MOST) != NULL;
        if (!parse_argument(p, call, &arg, &keyword)) return false;
    }
    return mn_j_expect(p, T_RPAREN);
}

static mn_jnode *parse_call(mn_jparser *p, mn_jnode *target)
{
    mn_jnode *n = mn_j_node(p, N_CALL, p->at->line);
    if (!n) return NULL;
    n->call.target = target;
    return parse_arguments(p, n) ? n : NULL;
}

/* A filter's or test's name, which may have dots. */
static bool parse_dotted_name(mn_jparser *p, mn_jvalue *out)
{
    if (type(p) != T_NAME) return unexpected(p, "a name") != NULL;
    *out = take(p)->value;
    while (type(p) == T_DOT) {
        take(p);
        if (type(p) != T_NAME) return unexpected(p, "a name") != NULL;
        mn_jvalue part = take(p)->value;
        size_t len = (size_t)out->len + 1 + part.len;
        char *joined = mn_arena_alloc(&p->t->arena, len + 1);
        if (!joined)
            return mn_j_parse_fail(p, MINERVA_MEMORY, p->at->line, "out of memory")
                != NULL;
        memcpy(joined, out->s, out->len);
        joined[out->len] = '.';
        memcpy(joined + out->len + 1, part.s, part.len);
        *out = mn_j_str(joined, len);
    }
    return true;
}

mn_jnode *mn_j_parse_filters(mn_jparser *p, mn_jnode *node, bool inline_start)
{
    while (inline_start || type(p) == T_PIPE) {
        if (!inline_start) take(p);
        inline_start = false;
        mn_jnode *n = mn_j_node(p, N_FILTER, p->at->line);
        if (!n || !parse_dotted_name(p, &n->call.name)) return NULL;
        n->call.target = node;
        n->call.function = mn_j_find_filter(n->call.name);
        if (type(p) == T_LPAREN && !parse_arguments(p, n)) return NULL;
        node = n;
    }
    return node;
}

static mn_jnode *parse_test(mn_jparser *p, mn_jnode *node)
{
    int line = take(p)->line;
    bool negated = mn_j_skip_name(p, "not");
    mn_jnode *n = mn_j_node(p, N_TEST, line);
    if (!n || !parse_dotted_name(p, &n->call.name)) return NULL;
    n->call.target = node;
    n->call.function = mn_j_find_test(n->call.name);
    switch (type(p)) {
    case T_LPAREN:
        if (!parse_arguments(p, n)) return NULL;
        break;
    case T_NAME:
        if (mn_j_is_name(p->at, "else") || mn_j_is_name(p->at, "or")
            || mn_j_is_name(p->at, "and")) break;
        if (mn_j_is_name(p->at, "is"))
            return mn_j_parse_fail(p, MINERVA_INVALID, line,
                                   "tests with 'is' cannot be chained");
        /* fallthrough */
    case T_STRING: case T_INT: case T_FLOAT: case T_LBRACKET: case T_LBRACE:
        n->call.args = parse_primary(p, false);
        if (!n->call.args || !(n->call.args = parse_postfix(p, n->call.args)))
            return NULL;
        n->call.n_args = 1;
        break;
    default:
        break;
    }
    if (!negated) return n;
    mn_jnode *not = mn_j_node(p, N_NOT, line);
    if (not) not->pair.left = n;
    return not;
}

/* ---- subscripts -------------------------------------------------------------------- */

static mn_jnode *parse_subscript_part(mn_jparser *p)
{
    mn_jnode *start = NULL;
    int line = p->at->line;
    if (type(p) != T_COLON) {
        start = mn_j_parse_expression(p, true);
        if (!start || type(p) != T_COLON) return start;
    }
    take(p);
    mn_jnode *n = mn_j_node(p, N_SLICE, line);
    if (!n) return NULL;
    n->slice.start = start;
    bool has_step = type(p) == T_COLON;
    if (!has_step && type(p) != T_RBRACKET && type(p) != T_COMMA) {
        if (!(n->slice.stop = mn_j_parse_expression(p, true))) return NULL;
        has_step = type(p) == T_COLON;
    }
    if (!has_step) return n;
    take(p);
    if (type(p) != T_RBRACKET && type(p) != T_COMMA
        && !(n->slice.step = mn_j_parse_expression(p, true))) return NULL;
    return n;
}

static mn_jnode *parse_brackets(mn_jparser *p, mn_jnode *object)
{
    int line = take(p)->line;
    mn_jnode *first = NULL, **last = &first;
    uint32_t n = 0;
    bool has_slice = false;
    while (type(p) != T_RBRACKET) {
        if (n && !mn_j_expect(p, T_COMMA)) return NULL;
        if (!(*last = parse_subscript_part(p))) return NULL;
        has_slice |= (*last)->kind == N_SLICE;
        last = &(*last)->next;
        n++;
    }
    take(p);
    if (n > 1 && has_slice)
        return mn_j_parse_fail(p, MINERVA_INVALID, line,
                               "a slice cannot be part of a tuple");
    if (n != 1) {
        mn_jnode *tuple = mn_j_node(p, N_TUPLE, line);
        if (!tuple) return NULL;
        tuple->list.items = first;
        tuple->list.n = n;
        first = tuple;
    }
    mn_jnode *node = binary(p, N_GETITEM, 0, object, first);
    if (node) node->line = line;
    return node;
}

static mn_jnode *parse_dot(mn_jparser *p, mn_jnode *object)
{
    int line = take(p)->line;
    if (type(p) == T_INT) {
        mn_jnode *key = mn_j_node(p, N_CONST, line);
        if (!key) return NULL;
        key->value = take(p)->value;
        return binary(p, N_GETITEM, 0, object, key);
    }
    if (type(p) != T_NAME) return unexpected(p, "an attribute's name or number");
    mn_jnode *n = mn_j_node(p, N_GETATTR, line);
    mn_jattribute *a = n ? mn_arena_alloc(&p->t->arena, sizeof *a) : NULL;
    if (!a) return mn_j_parse_fail(p, MINERVA_MEMORY, line, "out of memory");
    mn_j_attribute_init(a, take(p)->value);
    n->getattr.object = object;
    n->getattr.attribute = a;
    return n;
}

static mn_jnode *parse_postfix(mn_jparser *p, mn_jnode *node)
{
    while (node) {
        if (type(p) == T_DOT) node = parse_dot(p, node);
        else if (type(p) == T_LBRACKET) node = parse_brackets(p, node);
        else if (type(p) == T_LPAREN) node = parse_call(p, node);
        else break;
    }
    return node;
}

static mn_jnode *parse_unary(mn_jparser *p, bool with_filters)
{
    mn_jnode *node;
    if (type(p) == T_SUB || type(p) == T_ADD) {
        const mn_jtoken *sign = take(p);
        if (!mn_j_enter(p)) return NULL;
        mn_jnode *inner = parse_unary(p, false);
        p->depth--;
        node = inner ? mn_j_node(p, sign->type == T_SUB ? N_NEGATE : N_PLUS, sign->line)
                     : NULL;
        if (node) node->pair.left = inner;
    } else {
        node = parse_primary(p, false);
    }
    node = parse_postfix(p, node);
    while (with_filters && node) {
        if (type(p) == T_PIPE) node = mn_j_parse_filters(p, node, false);
        else if (mn_j_is_name(p->at, "is")) node = parse_test(p, node);
        else if (type(p) == T_LPAREN) node = parse_call(p, node);
        else break;
    }
    return node;
}

/* ---- literals and names ------------------------------------------------------------ */

static mn_jnode *constant(mn_jparser *p, int line, mn_jvalue v)
{
    mn_jnode *n = mn_j_node(p, N_CONST, line);
    if (n) n->value = v;
    return n;
}

static mn_jnode *parse_name(mn_jparser *p, bool with_attribute)
{
    const mn_jtoken *t = take(p);
    if (mn_j_is_name(t, "true") || mn_j_is_name(t, "True"))
        return constant(p, t->line, mn_j_bool(true));
    if (mn_j_is_name(t, "false") || mn_j_is_name(t, "False"))
        return constant(p, t->line, mn_j_bool(false));
    if (mn_j_is_name(t, "none") || mn_j_is_name(t, "None"))
        return constant(p, t->line, mn_j_none());
    bool is_attribute = with_attribute && type(p) == T_DOT;
    mn_jnode *n = mn_j_node(p, is_attribute ? N_ATTRIBUTE_TARGET : N_NAME, t->line);
    mn_jundefined *u = n ? mn_arena_alloc(&p->t->arena, sizeof *u) : NULL;
    if (!u) return mn_j_parse_fail(p, MINERVA_MEMORY, t->line, "out of memory");
    u->name = t->value;
    n->name.undefined = u;
    if ((n->name.id = mn_j_name_id(p, t->value)) < 0) return NULL;
    if (is_attribute) {
        take(p);
        if (type(p) != T_NAME) return unexpected(p, "an attribute's name");
        n->name.attribute = take(p)->value;
    }
    return n;
}

/* Neighbouring strings are one. */
static mn_jnode *parse_string(mn_jparser *p)
{
    const mn_jtoken *t = take(p);
    if (type(p) != T_STRING) return constant(p, t->line, t->value);
    size_t len = t->value.len;
    const mn_jtoken *end = t + 1;
    for (; end->type == T_STRING; end++) len += end->value.len;
    char *s = mn_arena_alloc_aligned(&p->t->arena, len + 1, 1);
    if (!s) return mn_j_parse_fail(p, MINERVA_MEMORY, t->line, "out of memory");
    size_t at = 0;
    for (const mn_jtoken *k = t; k < end; k++) {
        memcpy(s + at, k->value.s, k->value.len);
        at += k->value.len;
    }
    p->at = end;
    return constant(p, t->line, mn_j_str(s, len));
}

static mn_jnode *parse_list(mn_jparser *p)
{
    mn_jnode *n = mn_j_node(p, N_LIST, take(p)->line);
    if (!n) return NULL;
    for (mn_jnode **last = &n->list.items; type(p) != T_RBRACKET; last = &(*last)->next) {
        if (n->list.n && !mn_j_expect(p, T_COMMA)) return NULL;
        if (type(p) == T_RBRACKET) break;
        if (!(*last = mn_j_parse_expression(p, true))) return NULL;
        n->list.n++;
    }
    take(p);
    return n;
}

static mn_jnode *parse_dict(mn_jparser *p)
{
    mn_jnode *n = mn_j_node(p, N_DICT, take(p)->line);
    if (!n) return NULL;
    for (mn_jnode **last = &n->list.items; type(p) != T_RBRACE; last = &(*last)->next) {
        if (n->list.n && !mn_j_expect(p, T_COMMA)) return NULL;
        if (type(p) == T_RBRACE) break;
        mn_jnode *key = mn_j_parse_expression(p, true);
        if (!key || !mn_j_expect(p, T_COLON)) return NULL;
        if (!(*last = binary(p, N_PAIR, 0, key, mn_j_parse_expression(p, true))))
            return NULL;
        n->list.n++;
    }
    take(p);
    return n;
}

/* What stands between the commas of a tuple. */
typedef enum { FULL, NO_CONDITIONAL, TARGET, TARGET_OR_ATTRIBUTE } tuple_items;

/* One expression, or a tuple if commas follow.  in_parentheses: () is a tuple. */
static mn_jnode *parse_tuple(mn_jparser *p, tuple_items items, const char *until,
                             bool in_parentheses)
{
    mn_jnode *first = NULL, **last = &first;
    int line = p->at->line;
    uint32_t n = 0;
    bool is_tuple = false;
    for (;;) {
        if (n && !mn_j_expect(p, T_COMMA)) return NULL;
        if (type(p) == T_PRINT_END || type(p) == T_BLOCK_END || type(p) == T_RPAREN
            || (until && mn_j_is_name(p->at, until))) break;
        *last = items >= TARGET ? parse_primary(p, items == TARGET_OR_ATTRIBUTE)
                                : mn_j_parse_expression(p, items == FULL);
        if (!*last) return NULL;
        last = &(*last)->next;
        n++;
        if (type(p) != T_COMMA) break;
        is_tuple = true;
    }
    if (!is_tuple && n) return first;
    if (!is_tuple && !in_parentheses) return unexpected(p, "an expression");
    mn_jnode *tuple = mn_j_node(p, N_TUPLE, line);
    if (!tuple) return NULL;
    tuple->list.items = first;
    tuple->list.n = n;
    return tuple;
}

mn_jnode *mn_j_parse_tuple(mn_jparser *p, bool with_conditional, const char *until)
{
    return parse_tuple(p, with_conditional ? FULL : NO_CONDITIONAL, until, false);
}

static mn_jnode *parse_primary(mn_jparser *p, bool with_attribute)
{
    mn_jnode *n;
    switch (type(p)) {
    case T_NAME: return parse_name(p, with_attribute);
    case T_STRING: return parse_string(p);
    case T_INT: case T_FLOAT: {
        const mn_jtoken *t = take(p);
        return constant(p, t->line, t->value);
    }
    case T_LPAREN:
        take(p);
        if (!mn_j_enter(p)) return NULL;
        n = parse_tuple(p, FULL, NULL, true);
        p->depth--;
        return n && mn_j_expect(p, T_RPAREN) ? n : NULL;
    case T_LBRACKET: return parse_list(p);
    case T_LBRACE: return parse_dict(p);
    default: return unexpected(p, "an expression");
    }
}

/* ---- what can be assigned to ------------------------------------------------------- */

static bool check_target(mn_jparser *p, mn_jnode *n)
{
    if (n->kind == N_NAME) n->op = J_STORE;
    if (n->kind == N_NAME || n->kind == N_ATTRIBUTE_TARGET) return true;
    if (n->kind != N_TUPLE)
        return mn_j_parse_fail(p, MINERVA_INVALID, n->line,
                               "only names can be assigned to") != NULL;
    for (mn_jnode *item = n->list.items; item; item = item->next)
        if (!check_target(p, item)) return false;
    return true;
}

mn_jnode *mn_j_parse_target(mn_jparser *p, const char *until, bool with_attribute)
{
    mn_jnode *n =
        parse_tuple(p, with_attribute ? TARGET_OR_ATTRIBUTE : TARGET, until, false);
    return n && check_target(p, n) ? n : NULL;
}

mn_jnode *mn_j_parse_target_name(mn_jparser *p)
{
    if (type(p) != T_NAME) return unexpected(p, "a name");
    mn_jnode *n = parse_name(p, false);
    return n && check_target(p, n) ? n : NULL;
}
