/* The parsed form of a chat template.
 *
 *   source -> tokens (jinja_lexer.c) -> nodes (jinja_parser.c, jinja_expr.c)
 *          -> names bound to slots, misuse refused (jinja_scope.c)
 *
 * Everything lies in the template's arena and is constant afterwards.  Lists of nodes are
 * chained by `next`.
 *
 * Variables are bound when the template is parsed, exactly as jinja2's compiler does it,
 * because its rules show: a loop body, macro, block, {% with %}, {% filter %} and block
 * {% set %} each open a frame; {% if %} does not.  A name is a slot of a frame, counted
 * outwards in `hops`; entering a frame runs its loads (take the outer variable, look the
 * name up in the context, or leave it unset).
 */
#ifndef MN_TEXT_JINJA_AST_H
#define MN_TEXT_JINJA_AST_H

#include "base/arena.h"
#include "text/jinja_value.h"
#include "text/template.h"

typedef enum {
    /* expressions */
    N_CONST,
    N_NAME,
    N_ATTRIBUTE_TARGET,
    N_TUPLE,
    N_LIST,
    N_DICT,
    N_PAIR,
    N_CONDITIONAL,
    N_FILTER,
    N_TEST,
    N_CALL,
    N_KEYWORD,
    N_GETITEM,
    N_GETATTR,
    N_SLICE,
    N_CONCAT,
    N_COMPARE,
    N_OPERAND,
    N_BINARY,
    N_AND,
    N_OR,
    N_NOT,
    N_NEGATE,
    N_PLUS,
    /* statements */
    N_TEXT,
    N_PRINT,
    N_IF,
    N_FOR,
    N_MACRO,
    N_CALL_BLOCK,
    N_FILTER_BLOCK,
    N_SET,
    N_SET_BLOCK,
    N_WITH,
    N_GENERATION,
    N_BLOCK,
    N_BREAK,
    N_CONTINUE
} mn_jkind;

enum { J_STORE = 1 };           /* op of an N_NAME that is assigned to, or a parameter */
typedef enum {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW
} mn_jbinary_op;
typedef enum {
    CMP_EQ,
    CMP_NE,
    CMP_LT,
    CMP_LE,
    CMP_GT,
    CMP_GE,
    CMP_IN,
    CMP_NOT_IN
} mn_jcompare_op;

/* An attribute's name with the methods it means for each type that has methods. */
typedef struct {
    mn_jvalue name;
    const mn_jbuiltin *of_str, *of_list, *of_tuple, *of_dict, *of_int, *of_float,
        *of_range;
    bool is_internal;           /* __class__ and the like */
} mn_jattribute;

/* What entering a frame does to a slot. */
typedef enum { LOAD_PARAMETER, LOAD_CONTEXT, LOAD_OUTER, LOAD_UNSET } mn_jload_kind;
typedef struct {
    mn_jload_kind kind;
    int32_t slot;
    int32_t name;               /* LOAD_CONTEXT */
    int32_t hops, outer_slot;   /* LOAD_OUTER, from the enclosing frame */
} mn_jload;
typedef struct {
    mn_jload *loads;
    int32_t n_loads, n_slots;
} mn_jscope;

/* Macros and call blocks. */
typedef struct {
    mn_jvalue name;             /* J_NONE for a call block */
    int32_t hops, slot, name_id;    /* where the macro itself is stored */
    bool is_exported;
    mn_jnode *params;           /* N_NAME */
    mn_jnode *defaults;         /* of the last n_defaults parameters */
    int32_t n_params, n_defaults;
    int32_t caller_slot, kwargs_slot, varargs_slot;     /* -1: not used in the body */
    bool has_caller_param;
    mn_jscope scope;
    mn_jnode *body;
} mn_jmacro_def;

struct mn_jnode {
    uint8_t kind;
    uint8_t op;
    int32_t line;
    mn_jnode *next;
    union {
        mn_jvalue value;                            /* CONST, TEXT */
        struct {
            int32_t id, hops, slot;
            bool is_exported;                       /* stores go to the context as well */
            const mn_jundefined *undefined;         /* what an unset one evaluates to */
            mn_jvalue attribute; /* ATTRIBUTE_TARGET: {% set a.b = %} */
        } name;
        struct {
            mn_jnode *items;
            uint32_t n;
        } list; /* TUPLE, LIST, DICT (of PAIR), CONCAT,
                                                           PRINT */
        struct { mn_jnode *left, *right; } pair;        /* BINARY, AND, OR, PAIR, GETITEM,
                                                           NOT/NEGATE/PLUS (left) */
        struct { mn_jnode *test, *yes, *no; } conditional;
        struct { mn_jnode *object; const mn_jattribute *attribute; } getattr;
        struct { mn_jnode *start, *stop, *step; } slice;
        struct { mn_jnode *first, *operands; } compare;
        struct {
            mn_jvalue name;
            mn_jnode *value;
        } keyword; /* KEYWORD; OPERAND (value) */
        struct {
            mn_jnode *target;                       /* NULL: a block's text (FILTER) */
            mn_jnode *args, *keywords, *dyn_args, *dyn_keywords;
            uint16_t n_args, n_keywords;
            const mn_jbuiltin *function;            /* FILTER, TEST; NULL: unknown */
            mn_jvalue name;
        } call;                                     /* CALL, FILTER, TEST */
        struct {
            mn_jnode *test, *body, *otherwise;
        } branch; /* IF; otherwise may be an IF */
        struct {
            mn_jnode *target, *iterable, *test, *body, *otherwise;
            mn_jscope *scope, *test_scope, *else_scope;
            mn_jnode *test_target;                  /* target, bound in test_scope */
            int32_t loop_slot;                      /* -1: body does not use `loop` */
            bool is_recursive;
        } loop;
        mn_jmacro_def *macro;
        struct { mn_jmacro_def *macro; mn_jnode *call; } call_block;
        struct { mn_jnode *filter, *body, *target; mn_jscope *scope; } capture;
                                                    /* FILTER_BLOCK, SET_BLOCK */
        struct { mn_jnode *target, *value; } set;
        struct { mn_jnode *targets, *values, *body; mn_jscope *scope; } with;
        struct {
            mn_jnode *body;
            mn_jscope *scope;
            mn_jvalue name;
            int32_t self_slot;                      /* BLOCK; -1: does not use `self` */
        } block;                                    /* GENERATION, BLOCK */
    };
};

struct mn_template {
    mn_arena arena;
    mn_jnode *body;
    mn_jscope scope;
    mn_jvalue *names;           /* [n_names], by id */
    int32_t n_names;
    int32_t self_slot;          /* -1: `self` is not used */
    mn_jnode **blocks;
    int32_t n_blocks;
};

/* ---- tokens ------------------------------------------------------------------------ */
typedef enum {
    T_EOF,
    T_DATA,
    T_PRINT_BEGIN,
    T_PRINT_END,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INT,
    T_FLOAT,
    T_ADD,
    T_SUB,
    T_DIV,
    T_FLOORDIV,
    T_MUL,
    T_MOD,
    T_POW,
    T_TILDE,
    T_LBRACKET,
    T_RBRACKET,
    T_LPAREN,
    T_RPAREN,
    T_LBRACE,
    T_RBRACE,
    T_EQ,
    T_NE,
    T_GT,
    T_GE,
    T_LT,
    T_LE,
    T_ASSIGN,
    T_DOT,
    T_COLON,
    T_PIPE,
    T_COMMA,
    T_SEMICOLON
} mn_jtoken_type;
typedef struct {
    mn_jtoken_type type;
    int32_t line;
    mn_jvalue value;            /* text of DATA, NAME, STRING; number of INT, FLOAT */
} mn_jtoken;

/* The whole source at once, ended by T_EOF; the caller frees *out. */
minerva_status mn_j_tokenize(mn_arena *arena, const char *source, size_t len,
                             mn_jtoken **out, minerva_error *err);
const char *mn_j_token_name(mn_jtoken_type type);

/* ---- parser ------------------------------------------------------------------------ */
enum { J_PARSE_DEPTH = 200, J_TREE_DEPTH = 1000 };
typedef struct {
    mn_template *t;
    const mn_jtoken *tokens, *at;
    int depth;
    minerva_error *err;
    minerva_status status;
    mn_jnode *open_tag;         /* innermost statement, for messages */
    int32_t name_capacity, block_capacity;
    int64_t work;               /* searches done, against hostile sizes */
} mn_jparser;

/* Set the error with the line and return NULL. */
__attribute__((format(printf, 4, 5))) void *mn_j_parse_fail(mn_jparser *p,
                                                            minerva_status status,
                                                            int line, const char *fmt,
                                                            ...);
mn_jnode *mn_j_node(mn_jparser *p, mn_jkind kind, int line);
bool mn_j_is_name(const mn_jtoken *t, const char *name);
bool mn_j_skip_name(mn_jparser *p, const char *name);
bool mn_j_expect(mn_jparser *p, mn_jtoken_type type);
bool mn_j_enter(mn_jparser *p);     /* depth + 1, or an error */
int32_t mn_j_name_id(mn_jparser *p, mn_jvalue name);     /* -1: out of memory */

mn_jnode *mn_j_parse_expression(mn_jparser *p, bool with_conditional);
/* until: a name that ends the tuple, or NULL */
mn_jnode *mn_j_parse_tuple(mn_jparser *p, bool with_conditional, const char *until);
mn_jnode *mn_j_parse_target(mn_jparser *p, const char *until, bool with_attribute);
mn_jnode *mn_j_parse_target_name(mn_jparser *p);
/* node NULL: the filtered block's text.  `inline_start`: no | before the first. */
mn_jnode *mn_j_parse_filters(mn_jparser *p, mn_jnode *node, bool inline_start);

/* Binds names to slots; refuses what jinja2's compiler refuses. */
bool mn_j_bind(mn_jparser *p);
/* Calls fn for every direct child in source order; stops when it returns false. */
typedef bool mn_jvisit(void *ctx, mn_jnode *child);
bool mn_j_each_child(mn_jnode *node, mn_jvisit *fn, void *ctx);

#endif
