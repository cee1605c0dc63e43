/* One rendering: its state, its budgets, and what the parts of the interpreter offer each
 * other.
 *
 * (1) Values live in `arena`, which carries the memory budget.  Nothing is freed before
 *     the end; views (jinja_value.h) and growing in place (mn_j_append) keep ordinary
 *     templates at a small multiple of their input.
 * (2) `scratch` is a stack of unfinished texts: whoever takes a mark ends by taking the
 *     text off again.  Captured bodies (macros, {% set %} blocks) are such texts.
 * (3) Every node, iteration and function call costs a step, long texts one per 64 bytes.
 */
#ifndef MN_TEXT_JINJA_RUN_H
#define MN_TEXT_JINJA_RUN_H

#include "text/jinja_ast.h"
#include "text/template.h"

enum { J_DATA_DEPTH = 500, J_CALL_WEIGHT = 16, J_MAX_RANGE = 100000, J_GROWING = 8 };

struct mn_jframe {
    mn_jframe *outer;
    mn_jvalue slots[];
};

struct mn_jrun {
    const mn_template *t;
    mn_arena arena;
    minerva_error *err;
    minerva_status status;
    int line;
    int64_t steps_left;
    int depth, max_depth;       /* in levels of evaluation; a call weighs J_CALL_WEIGHT */
    int data_depth;             /* of repr, ==, json on nested data */
    mn_buffer *out;             /* the caller's */
    mn_buffer scratch;
    int n_captures;             /* > 0: text goes to scratch */
    mn_buffer *spans;
    size_t out_start;
    mn_jvalue *context;         /* [n_names]: render variables, globals, exported sets */
    const struct tm *now;
    uint64_t hash_key;
    struct { const char *end, *limit; } growing[J_GROWING];
    int next_growing;
};

typedef struct mn_jloop {
    mn_jiter iter;
    mn_jvalue iterable;         /* for its length; J_MISSING: filtered */
    int64_t index0, length;     /* length -1: not yet known */
    int depth0;
    mn_jvalue current, before, after;   /* after: the next item if it was peeked at */
    mn_jvalue changed_value;    /* J_MISSING: never called */
    const mn_jnode *node;
    mn_jframe *frame;           /* the one that holds the for statement */
} mn_jloop;

/* ---- errors and budgets ------------------------------------------------------------ */
__attribute__((format(printf, 3, 4)))
bool mn_j_fail(mn_jrun *r, minerva_status status, const char *fmt, ...);
bool mn_j_fail_undefined(mn_jrun *r, mn_jvalue undefined);
bool mn_j_fail_steps(mn_jrun *r);
bool mn_j_fail_depth(mn_jrun *r);
static inline bool mn_j_spend(mn_jrun *r, int64_t steps)
{
    r->steps_left -= steps;
    return r->steps_left >= 0 || mn_j_fail_steps(r);
}
static inline bool mn_j_spend_bytes(mn_jrun *r, size_t n)
{
    return mn_j_spend(r, (int64_t)(n / 64));
}
static inline bool mn_j_data_enter(mn_jrun *r)
{
    return ++r->data_depth <= J_DATA_DEPTH || mn_j_fail_depth(r);
}
static inline void mn_j_data_leave(mn_jrun *r) { r->data_depth--; }

/* ---- memory ------------------------------------------------------------------------ */
void *mn_j_alloc(mn_jrun *r, size_t n,
                 size_t size_bytes); /* zeroed; NULL: error is set */
/* Unfinished text: append to r->scratch, then take it as a string. */
static inline size_t mn_j_mark(mn_jrun *r) { return r->scratch.len; }
bool mn_j_take(mn_jrun *r, size_t mark, mn_jvalue *out);
/* Has b, r->scratch or r->out, kept within its limit? */
bool mn_j_check(mn_jrun *r, const mn_buffer *b);
/* Would n more bytes fit at all?  Asked before loops that write that many. */
bool mn_j_room(mn_jrun *r, uint64_t n);
bool mn_j_pad(mn_jrun *r, const char *fill, size_t fill_len, uint64_t n);
/* a + b for strings and lists; grows a in place where it ends its block. */
bool mn_j_append(mn_jrun *r, mn_jvalue a, mn_jvalue b, size_t item_size, mn_jvalue *out);

/* ---- operations (jinja_ops.c, jinja_attr.c) ---------------------------------------- */
bool mn_j_binary(mn_jrun *r, mn_jbinary_op op, mn_jvalue a, mn_jvalue b, mn_jvalue *out);
bool mn_j_negate(mn_jrun *r, mn_jvalue v, bool minus, mn_jvalue *out);
bool mn_j_compare(mn_jrun *r, mn_jcompare_op op, mn_jvalue a, mn_jvalue b, bool *out);
/* Sorts by keys, stably: order[i] is the number of the i-th key. */
bool mn_j_sort(mn_jrun *r, const mn_jvalue *keys, uint32_t n, bool reverse,
               uint32_t *order);
bool mn_j_slice(mn_jrun *r, mn_jvalue v, mn_jvalue start, mn_jvalue stop, mn_jvalue step,
                mn_jvalue *out);
void mn_j_attribute_init(mn_jattribute *a, mn_jvalue name);
bool mn_j_getattr(mn_jrun *r, mn_jvalue v, const mn_jattribute *a, mn_jvalue *out);
bool mn_j_getitem(mn_jrun *r, mn_jvalue v, mn_jvalue key, mn_jvalue *out);
/* |attr: attributes only, no items. */
bool mn_j_getattr_only(mn_jrun *r, mn_jvalue v, mn_jvalue name, mn_jvalue *out);
/* The method that v.name() would call, or NULL: look it up as a value. */
const mn_jbuiltin *mn_j_find_method(mn_jvalue v, const mn_jattribute *a);

/* ---- code points (jinja_unicode.c) ------------------------------------------------- */
enum { J_UPPER, J_LOWER, J_TITLE, J_SWAP, J_CASEFOLD };
int mn_j_map_case(uint32_t cp, int how, uint32_t out[4]);   /* code points written */
bool mn_j_is_space(uint32_t cp);
bool mn_j_is_printable(uint32_t cp);
bool mn_j_is_alpha(uint32_t cp);
bool mn_j_is_decimal(uint32_t cp);
bool mn_j_is_digit(uint32_t cp);
bool mn_j_is_numeric(uint32_t cp);
bool mn_j_is_upper(uint32_t cp);
bool mn_j_is_lower(uint32_t cp);
bool mn_j_is_title(uint32_t cp);
bool mn_j_is_word(uint32_t cp);             /* \w */
bool mn_j_is_name_start(uint32_t cp);
bool mn_j_is_name_part(uint32_t cp);
size_t mn_j_offset_of(const char *s, size_t len, int64_t codepoint);    /* byte offset */
int64_t mn_j_count(mn_jvalue s);            /* code points */
mn_jvalue mn_j_strip(mn_jvalue s, const mn_jvalue *chars, bool left, bool right);
bool mn_j_change_case(mn_jrun *r, mn_jvalue s, int how, mn_jvalue *out);
bool mn_j_ignore_case(mn_jrun *r, mn_jvalue v, mn_jvalue *out); /* lower() if a string */

/* ---- string functions shared by methods and filters (jinja_strings.c) -------------- */
bool mn_j_replace(mn_jrun *r, mn_jvalue s, mn_jvalue from, mn_jvalue to, int64_t count,
                  mn_jvalue *out);
bool mn_j_split(mn_jrun *r, mn_jvalue s, const mn_jvalue *separator, int64_t max,
                bool right, mn_jvalue *out);
bool mn_j_splitlines(mn_jrun *r, mn_jvalue s, bool keep_ends, mn_jvalue *out);
bool mn_j_join(mn_jrun *r, mn_jvalue separator, mn_jvalue iterable, bool convert,
               mn_jvalue *out);
bool mn_j_center(mn_jrun *r, mn_jvalue s, mn_jvalue width, mn_jvalue fill, int align,
                 mn_jvalue *out);
bool mn_j_percent_format(mn_jrun *r, mn_jvalue format, mn_jvalue args, mn_jvalue *out);
bool mn_j_brace_format(mn_jrun *r, mn_jvalue format, const mn_jcall *call,
                       const mn_jvalue *mapping, mn_jvalue *out);
bool mn_j_wrap_text(mn_jrun *r, mn_jvalue s, const mn_jcall *call, mn_jvalue *out);
bool mn_j_pretty(mn_jrun *r, mn_jvalue v, mn_jvalue *out);
bool mn_j_strftime(mn_jrun *r, mn_jvalue format, mn_jvalue *out);

/* ---- tables ------------------------------------------------------------------------ */
const mn_jbuiltin *mn_j_find_filter(mn_jvalue name);
const mn_jbuiltin *mn_j_find_test(mn_jvalue name);
const mn_jbuiltin *mn_j_find_global(mn_jvalue name);
const mn_jbuiltin *mn_j_find_text_filter(mn_jvalue name);
const mn_jbuiltin *mn_j_find_str_method(mn_jvalue name);
const mn_jbuiltin *mn_j_find_in(const mn_jbuiltin *table, size_t n, mn_jvalue name);
extern const mn_jbuiltin mn_j_cycler_next, mn_j_cycler_reset, mn_j_loop_cycle,
                         mn_j_loop_changed;

/* ---- evaluation (jinja_eval.c, jinja_exec.c, jinja_call.c) ------------------------- */
bool mn_j_eval(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out);
bool mn_j_eval_call(mn_jrun *r, const mn_jnode *n, mn_jframe *f, const mn_jvalue *caller,
                    mn_jvalue *out);
bool mn_j_eval_filter(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue block_text,
                      mn_jvalue *out);
bool mn_j_apply(mn_jrun *r, const mn_jbuiltin *function, mn_jvalue self,
                const mn_jcall *call, mn_jvalue *out);
bool mn_j_call(mn_jrun *r, mn_jvalue callee, const mn_jcall *call, mn_jvalue *out);
bool mn_j_call_macro(mn_jrun *r, const mn_jmacro *macro, const mn_jcall *call,
                     mn_jvalue *out);
bool mn_j_call_block(mn_jrun *r, const mn_jnode *block, mn_jvalue *out);

typedef enum { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_ERROR } mn_jflow;
mn_jflow mn_j_exec(mn_jrun *r, const mn_jnode *body, mn_jframe *f);
bool mn_j_assign(mn_jrun *r, const mn_jnode *target, mn_jframe *f, mn_jvalue v);
mn_jframe *mn_j_frame_new(mn_jrun *r, const mn_jscope *scope, mn_jframe *outer);
void mn_j_frame_enter(mn_jrun *r, const mn_jscope *scope, mn_jframe *f);
mn_jframe *mn_j_block_frame(mn_jrun *r, const mn_jnode *block, mn_jframe *outer);
mn_jflow mn_j_run_loop(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue iterable,
                       int depth0);
/* Captured text of a body. */
bool mn_j_capture(mn_jrun *r, const mn_jnode *body, mn_jframe *f, mn_jflow *flow,
                  mn_jvalue *out);

/* ---- loops ------------------------------------------------------------------------- */
bool mn_j_loop_attribute(mn_jrun *r, mn_jloop *loop, mn_jvalue name, mn_jvalue *out,
                         bool *found);
bool mn_j_loop_length(mn_jrun *r, mn_jloop *loop, int64_t *out);

#endif
