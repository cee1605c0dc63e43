/* Values of the template language, as Python has them.
 *
 * A value is 16 bytes, passed by value.  A string, list or tuple is a pointer and a
 * length in it, so that a substring or a slice with step 1 costs nothing; what they point
 * to lives in the render's arena, in the parsed template or in the caller's JSON.
 *
 * (1) Strings are valid UTF-8; what a template counts in them is code points.
 * (2) Strings, lists, tuples and dicts never change once made (the sandbox forbids every
 *     mutating method), so they may be shared freely.  Namespaces, cyclers, joiners,
 *     loops and iterators do change.
 * (3) J_MISSING never reaches a template: it marks an unset variable or argument.
 * (4) Every function returns false after it has set the run's error, and callers return
 *     at once; nothing needs to be freed on the way (arena).
 */
#ifndef MN_TEXT_JINJA_VALUE_H
#define MN_TEXT_JINJA_VALUE_H

#include "base/buffer.h"
#include "minerva.h"

typedef enum {
    J_MISSING,
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STR,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_RANGE,
    J_VIEW,
    J_ITER,
    J_NAMESPACE,
    J_FUNCTION,
    J_METHOD,
    J_MACRO,
    J_LOOP,
    J_CYCLER,
    J_JOINER,
    J_SELF,
    J_BLOCK
} mn_jtype;

enum {
    J_MARKUP = 1,               /* J_STR: result of |safe or |escape */
    J_GROUP = 1,                /* J_TUPLE: (grouper, list) of |groupby */
    J_KEYS = 0, J_VALUES = 1, J_ITEMS = 2     /* J_VIEW: which */
};

typedef struct mn_jrun mn_jrun;
typedef struct mn_jnode mn_jnode;
typedef struct mn_jvalue mn_jvalue;
typedef struct mn_jdict mn_jdict;
typedef struct mn_jiter mn_jiter;
typedef struct mn_jcall mn_jcall;
typedef struct mn_jbuiltin mn_jbuiltin;
typedef struct mn_jframe mn_jframe;

struct mn_jvalue {
    uint8_t type, flags;
    uint32_t len;               /* J_STR: bytes; J_LIST, J_TUPLE: items */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;
        const mn_jvalue *items;
        mn_jdict *dict;         /* J_DICT, J_VIEW, J_NAMESPACE */
        const struct mn_jundefined *undefined;
        const struct mn_jrange *range;
        mn_jiter *iter;
        const mn_jbuiltin *function;
        const struct mn_jmethod *method;
        const struct mn_jmacro *macro;
        struct mn_jloop *loop;
        struct mn_jcycler *cycler;
        struct mn_jjoiner *joiner;
        const mn_jnode *block;
    };
};

typedef struct mn_jundefined {
    mn_jvalue hint;             /* J_STR, or J_MISSING: told from object and name */
    mn_jvalue object, name;
    bool is_security;           /* an attribute that the sandbox hides */
} mn_jundefined;

typedef struct mn_jrange { int64_t start, stop, step, n; } mn_jrange;
typedef struct mn_jmethod { mn_jvalue self; const mn_jbuiltin *function; } mn_jmethod;
typedef struct mn_jmacro { const mn_jnode *node; mn_jframe *frame; } mn_jmacro;
typedef struct mn_jcycler { const mn_jvalue *items; uint32_t n, at; } mn_jcycler;
typedef struct mn_jjoiner { mn_jvalue separator; bool used; } mn_jjoiner;

/* Insertion-ordered hash table; `index` exists from 9 entries on. */
typedef struct { uint64_t hash; mn_jvalue key, value; } mn_jentry;
struct mn_jdict {
    mn_jentry *entries;
    uint32_t *index;            /* entry number + 1; 0 is free */
    uint32_t n, capacity, index_size;
};

/* ---- iteration --------------------------------------------------------------------- */
/* next() returns 1 and an item, 0 at the end, -1 on error. */
typedef int mn_jnext(mn_jrun *r, mn_jiter *it, mn_jvalue *out);
struct mn_jiter {
    mn_jnext *next;
    mn_jvalue source;
    int64_t at, step, left;     /* of sequences */
    mn_jiter *inner;            /* of lazy filters: what they read from */
    void *state;
    bool is_builtin; /* reversed(...) rather than a generator: only its name differs */
};

/* ---- calls ------------------------------------------------------------------------- */
typedef struct { mn_jvalue name, value; } mn_jkeyword;
struct mn_jcall {
    const mn_jvalue *args;
    uint32_t n_args;
    const mn_jkeyword *keywords;
    uint32_t n_keywords;
};

/* A function written in C: filter, test, method or global.  `self` is what it is applied
 * to.  If `params` is set, the call's arguments have been bound to these names: args has
 * one element per name, J_MISSING where absent ("?" is positional only); with params NULL
 * the call comes as it was written. */
typedef bool mn_jfn(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out);
enum { J_UNSAFE = 1 };
struct mn_jbuiltin {
    const char *name;
    mn_jfn *fn;
    const char *params;
    uint8_t n_required, flags;
    int16_t variant;            /* lets one function serve several names */
};

/* ---- making values ----------------------------------------------------------------- */
static inline mn_jvalue mn_j_none(void) { return (mn_jvalue){ .type = J_NONE }; }
static inline mn_jvalue mn_j_bool(bool b)
{
    return (mn_jvalue){ .type = J_BOOL, .b = b };
}
static inline mn_jvalue mn_j_int(int64_t i)
{
    return (mn_jvalue){ .type = J_INT, .i = i };
}
static inline mn_jvalue mn_j_float(double f)
{
    return (mn_jvalue){ .type = J_FLOAT, .f = f };
}
/* Borrowed bytes. */
static inline mn_jvalue mn_j_str(const char *s, size_t len)
{
    return (mn_jvalue){ .type = J_STR, .len = (uint32_t)len, .s = s };
}
mn_jvalue mn_j_cstr(const char *s);
static inline mn_jvalue mn_j_list(const mn_jvalue *items, size_t n)
{
    return (mn_jvalue){ .type = J_LIST, .len = (uint32_t)n, .items = items };
}
static inline mn_jvalue mn_j_tuple(const mn_jvalue *items, size_t n)
{
    return (mn_jvalue){ .type = J_TUPLE, .len = (uint32_t)n, .items = items };
}
bool mn_j_pair(mn_jrun *r, mn_jvalue a, mn_jvalue b, mn_jvalue *out);
bool mn_j_undefined_hint(mn_jrun *r, const char *hint, mn_jvalue *out);
bool mn_j_undefined_of(mn_jrun *r, mn_jvalue object, mn_jvalue name, bool is_security,
                       mn_jvalue *out);

static inline bool mn_j_is_str(mn_jvalue v) { return v.type == J_STR; }
static inline bool mn_j_is_number(mn_jvalue v)
{
    return v.type == J_INT || v.type == J_FLOAT || v.type == J_BOOL;
}
/* int or bool */
static inline bool mn_j_is_index(mn_jvalue v)
{
    return v.type == J_INT || v.type == J_BOOL;
}
static inline int64_t mn_j_index_of(mn_jvalue v) { return v.type == J_BOOL ? v.b : v.i; }
static inline double mn_j_number_of(mn_jvalue v)
{
    return v.type == J_FLOAT ? v.f : (double)mn_j_index_of(v);
}
static inline bool mn_j_str_is(mn_jvalue v, const char *s)
{
    size_t n = __builtin_strlen(s);
    return v.type == J_STR && v.len == n && !__builtin_memcmp(v.s, s, n);
}

static inline bool mn_j_str_equal(mn_jvalue a, mn_jvalue b)
{
    return a.len == b.len && !__builtin_memcmp(a.s, b.s, a.len);
}

/* ---- questions --------------------------------------------------------------------- */
const char *mn_j_type_name(mn_jvalue v);        /* "str", "NoneType", "dict", ... */
bool mn_j_truth(mn_jrun *r, mn_jvalue v, bool *out);
bool mn_j_same(mn_jvalue a, mn_jvalue b);       /* Python's `is` */
bool mn_j_equal(mn_jrun *r, mn_jvalue a, mn_jvalue b, bool *out);
bool mn_j_less(mn_jrun *r, mn_jvalue a, mn_jvalue b, const char *op, bool or_equal,
               bool *out);
bool mn_j_hash(mn_jrun *r, mn_jvalue v, uint64_t *out);
bool mn_j_length(mn_jrun *r, mn_jvalue v, int64_t *out);    /* len(v) */
bool mn_j_has_length(mn_jvalue v);
bool mn_j_is_iterable(mn_jvalue v);
bool mn_j_contains(mn_jrun *r, mn_jvalue container, mn_jvalue item, bool *out);

/* ---- dicts (and namespaces) -------------------------------------------------------- */
mn_jdict *mn_j_dict_new(mn_jrun *r, size_t n_expected);
bool mn_j_dict_put(mn_jrun *r, mn_jdict *d, mn_jvalue key, mn_jvalue value);
/* *found NULL if not there.  An unhashable key is an error. */
bool mn_j_dict_find(mn_jrun *r, const mn_jdict *d, mn_jvalue key, mn_jentry **found);
mn_jentry *mn_j_dict_find_str(mn_jrun *r, const mn_jdict *d, mn_jvalue key);
/* dict(*args, **keywords) */
bool mn_j_dict_from_call(mn_jrun *r, const mn_jcall *call, mn_jdict **out);

/* ---- iterating --------------------------------------------------------------------- */
bool mn_j_iter_init(mn_jrun *r, mn_jvalue v, mn_jiter *it);
/* The same on the heap, as a value; an iterator is its own iterator. */
bool mn_j_iter_new(mn_jrun *r, mn_jvalue v, mn_jvalue *out);
bool mn_j_reversed(mn_jrun *r, mn_jvalue v, mn_jvalue *out, bool *possible);
int mn_j_next(mn_jrun *r, mn_jiter *it, mn_jvalue *out);
/* list(v): the items, shared if v is a list or tuple. */
bool mn_j_items(mn_jrun *r, mn_jvalue v, const mn_jvalue **items, uint32_t *n);
/* Lazy filter: a generator that reads from v. */
bool mn_j_generator(mn_jrun *r, mn_jvalue v, mn_jnext *next, void *state, mn_jvalue *out);

/* ---- text -------------------------------------------------------------------------- */
/* str(v), repr(v) appended to b. */
bool mn_j_write(mn_jrun *r, mn_buffer *b, mn_jvalue v);
bool mn_j_write_repr(mn_jrun *r, mn_buffer *b, mn_jvalue v);
void mn_j_write_float(mn_buffer *b, double f);
void mn_j_write_str_repr(mn_buffer *b, const char *s, size_t len, bool ascii_only);
bool mn_j_to_str(mn_jrun *r, mn_jvalue v, mn_jvalue *out);          /* str(v) */
bool mn_j_to_soft_str(mn_jrun *r, mn_jvalue v, mn_jvalue *out);     /* keeps J_MARKUP */
bool mn_j_escape(mn_jrun *r, mn_jvalue v, mn_jvalue *out); /* HTML, to J_MARKUP */
void mn_j_write_escaped(mn_buffer *b, const char *s, size_t len);
bool mn_j_parse_int(const char *s, size_t len, int base, int64_t *out, bool *overflow);
bool mn_j_parse_float(const char *s, size_t len, double *out);
/* strtod and printf("%.*f") without regard to the locale. */
double mn_j_strtod(const char *s);
int mn_j_print_float(char *out, size_t size, char conversion, int precision, double f);

/* json.dumps */
typedef struct {
    bool ascii_only, sort_keys;
    bool has_indent;
    mn_jvalue indent;           /* J_STR repeated per level */
    mn_jvalue item_separator, key_separator;
} mn_json_style;
bool mn_j_write_json(mn_jrun *r, mn_buffer *b, mn_jvalue v, const mn_json_style *style);

#endif
