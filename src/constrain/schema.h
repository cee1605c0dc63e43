/* JSON Schema as an algebra.
 *
 * A schema is an *expression* over its document: a place in it, a constant, and, or, not.
 * An expression is worked out only as far as one level of the instance: its *normal form*
 * says, type by type, which alternatives there are,
 *
 *   null, true, false   three bits
 *   strings, numbers    lists of sets (strset.h, numset.h)
 *   arrays, objects     lists of records whose items and properties are expressions again
 *
 * and a value is valid if it is in one of the alternatives of its type.  Intersection and
 * complement work on normal forms, so allOf, not, if and oneOf leave nothing behind that
 * the matcher would have to know of; recursion stays where it is, in the expressions.
 *
 * (1) Expressions, records and normal forms are hash-consed.
 * (2) Alternatives of strings and numbers are never empty.  Records may be (a required
 *     property without values); schema_check.c finds out by a fixpoint over everything
 *     that can be reached, and the matcher never enters what is empty.
 * (3) What cannot be expressed raises MINERVA_UNSUPPORTED with the path of its keyword.
 */
#ifndef MN_CONSTRAIN_SCHEMA_H
#define MN_CONSTRAIN_SCHEMA_H

#include "constrain/constraint.h"
#include "constrain/json_doc.h"
#include "constrain/numset.h"
#include "constrain/strset.h"

typedef uint32_t mn_eid;
enum { MN_E_FALSE = 0, MN_E_TRUE = 1 };
typedef enum { MN_EK_FALSE, MN_EK_TRUE, MN_EK_PLACE, MN_EK_VALUE, MN_EK_AND, MN_EK_OR, MN_EK_NOT,
               MN_EK_FORM } mn_expr_kind;

typedef struct {
    uint8_t kind;
    bool busy;              /* its normal form is being worked out */
    bool visited, inhabited;    /* schema_check.c */
    const char *keyword;    /* PLACE, while busy: the applicator at work, or NULL */
    const mn_jv *v;         /* PLACE: a schema; VALUE: an instance equal to it */
    uint32_t kids, n;       /* AND, OR, NOT: in the table of kids, sorted */
    uint32_t form;          /* UINT32_MAX: not worked out yet */
} mn_expr;

enum { MN_PRIM_NULL = 1, MN_PRIM_FALSE = 2, MN_PRIM_TRUE = 4, MN_PRIM_ALL = 7 };
enum { MN_F_NONE = 0, MN_F_ALL = 1 };
typedef enum { MN_T_STR, MN_T_NUM, MN_T_ARR, MN_T_OBJ, MN_T_COUNT } mn_form_type;

typedef struct { uint32_t off, n; } mn_span;
typedef struct {
    uint8_t prims;
    mn_span type[MN_T_COUNT];       /* ids, in the table of ids; sorted */
} mn_form;

typedef struct {
    mn_text name;
    mn_eid value;           /* FALSE: must be absent */
    bool required;
    uint32_t order;         /* of declaration */
} mn_literal;
/* Keys that are no literal of the object fall in exactly one class. */
typedef struct { uint32_t keys; mn_eid value; } mn_class;
/* Of the keys that are no literal, at least one is in `keys` and has such a value. */
typedef struct { uint32_t keys; mn_eid value; } mn_exist;
/* If literal `from` is there, so is literal `to`. */
typedef struct { uint32_t from, to; } mn_dep;

enum { MN_O_NONE = 0, MN_O_ALL = 1 };
typedef struct {
    mn_span literals, classes, exists, deps;    /* literals sorted by name */
    uint32_t min, max;
    uint8_t inhabited;      /* schema_check.c: 1 yes */
    bool visited;
    uint32_t run;           /* index + 1 of what the matcher made of it */
} mn_object;

/* min..max of the items from index `from` on are values of it. */
typedef struct { mn_eid value; uint32_t min, max, from; } mn_contains;
enum { MN_A_NONE = 0, MN_A_ALL = 1, MN_CONTAINS_MAX = 4 };
typedef struct {
    mn_span prefix;         /* expressions */
    mn_eid rest;
    uint32_t min, max;
    mn_span contains;
    bool unique;
    uint8_t inhabited;
    bool visited;
    uint32_t run;
} mn_array;

typedef struct {
    const char *uri;        /* absolute or "", without fragment */
    const mn_jv *root;
} mn_resource;
typedef struct {
    uint32_t resource;
    mn_text name;
    const mn_jv *v;
    bool dynamic;
} mn_anchor;

/* What cannot be compiled, and where. */
typedef struct { const mn_jv *at; const char *keyword; char what[320]; } mn_fault;

typedef struct {
    mn_cx *cx;
    mn_rx rx;
    mn_strsets ss;
    mn_numsets ns;
    const mn_jv *root;
    int draft;              /* 4, 6, 7, 2019, 2020 */
    bool guessed;           /* nothing said which */
    bool format_annotation;

    MN_VEC(mn_expr) exprs;
    mn_intern expr_set;
    mn_u32s kids;
    MN_VEC(mn_form) forms;
    mn_intern form_set;
    mn_u32s ids;
    MN_VEC(mn_object) objects;
    mn_intern object_set;
    MN_VEC(mn_literal) literals;
    MN_VEC(mn_class) classes;
    MN_VEC(mn_exist) exists;
    MN_VEC(mn_dep) deps;
    MN_VEC(mn_array) arrays;
    mn_intern array_set;
    mn_u32s prefixes;
    MN_VEC(mn_contains) contains;
    MN_VEC(mn_resource) resources;
    MN_VEC(mn_anchor) anchors;
    mn_u32s scratch;                    /* a stack of ids */
    MN_VEC(mn_literal) literal_scratch; /* stacks while building a record */
    MN_VEC(mn_class) class_scratch;
    mn_u32s pattern_cache;              /* strset ids by pattern, see schema_keyword.c */
    mn_map patterns;
    mn_u32s busy;                       /* expressions whose normal form is being made */
    bool met_cycle;                     /* mn_e_try_normal met one of them again */
    uint32_t trying;                    /* depth of mn_e_try_normal */
    uint32_t next_order;                /* of literals */
    mn_fault fault;                     /* the last that mn_schema_fail() raised */
} mn_schema;

/* ---- expressions and forms (schema_expr.c, schema_form.c) ---------------------------- */

void mn_schema_init(mn_schema *s, mn_cx *cx);
void mn_schema_clear(mn_schema *s);
/* The expression of a schema document; also sets the draft. */
mn_eid mn_schema_load(mn_schema *s, const mn_jv *root, mn_schema_draft draft);

mn_eid mn_e_place(mn_schema *s, const mn_jv *v);
mn_eid mn_e_value(mn_schema *s, const mn_jv *v);
mn_eid mn_e_and(mn_schema *s, mn_eid a, mn_eid b);
mn_eid mn_e_or(mn_schema *s, mn_eid a, mn_eid b);
mn_eid mn_e_not(mn_schema *s, mn_eid a);
mn_eid mn_e_form(mn_schema *s, uint32_t form);
uint32_t mn_e_normal(mn_schema *s, mn_eid e);
/* false: it needs a form that is just being made. */
bool mn_e_try_normal(mn_schema *s, mn_eid e, uint32_t *form);
/* Proven to have no value in common (false: not proven). */
bool mn_e_disjoint(mn_schema *s, mn_eid a, mn_eid b, int depth);
bool mn_f_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth);

/* prims and the four lists, which may be in any order and are copied. */
typedef struct { const uint32_t *at; uint32_t n; } mn_ids;
uint32_t mn_f_make(mn_schema *s, uint8_t prims, mn_ids str, mn_ids num, mn_ids arr, mn_ids obj);
uint32_t mn_f_and(mn_schema *s, uint32_t a, uint32_t b);
uint32_t mn_f_or(mn_schema *s, uint32_t a, uint32_t b);
uint32_t mn_f_not(mn_schema *s, uint32_t a);
static inline const uint32_t *mn_f_ids(const mn_schema *s, uint32_t form, mn_form_type t, uint32_t *n)
{
    mn_span l = s->forms.at[form].type[t];
    *n = l.n;
    return s->ids.at + l.off;
}
/* Only values of the one type; the others are all there (others) or not at all. */
uint32_t mn_f_of(mn_schema *s, mn_form_type t, uint32_t id, bool others);

/* ---- records (schema_object.c, schema_array.c) ----------------------------------------- */

typedef struct {
    const mn_literal *literals; uint32_t n_literals;    /* any order, names distinct */
    const mn_class *classes; uint32_t n_classes;        /* disjoint, cover everything */
    const mn_exist *exists; uint32_t n_exists;
    const mn_dep *deps; uint32_t n_deps;                /* indices into literals as given */
    uint32_t min, max;
} mn_object_parts;
uint32_t mn_o_make(mn_schema *s, const mn_object_parts *p);
/* Properties by name, by pattern (strset), and the rest. */
typedef struct { uint32_t keys; mn_eid value; } mn_pattern;
uint32_t mn_o_map(mn_schema *s, const mn_literal *names, uint32_t n_names, const mn_pattern *patterns,
                  uint32_t n_patterns, mn_eid rest, uint32_t min, uint32_t max,
                  const mn_dep *deps, uint32_t n_deps);
/* Intersection and complement are unions of records; ids are pushed to s->scratch. */
void mn_o_and(mn_schema *s, uint32_t a, uint32_t b);
void mn_o_not(mn_schema *s, uint32_t a);
bool mn_o_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth);
mn_eid mn_o_value_of(mn_schema *s, uint32_t object, const char *key, uint32_t len);

typedef struct {
    const mn_eid *prefix; uint32_t n_prefix;
    mn_eid rest;
    uint32_t min, max;
    const mn_contains *contains; uint32_t n_contains;
    bool unique;
} mn_array_parts;
uint32_t mn_a_make(mn_schema *s, const mn_array_parts *p);
uint32_t mn_a_and(mn_schema *s, uint32_t a, uint32_t b);
void mn_a_not(mn_schema *s, uint32_t a);
bool mn_a_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth);
mn_eid mn_a_item(const mn_schema *s, uint32_t array, uint32_t index);

/* ---- the document (schema_keyword.c, schema_ref.c, schema_uneval.c) --------------------- */

uint32_t mn_schema_place_form(mn_schema *s, const mn_jv *v);
/* The place a $ref leads to from inside v. */
const mn_jv *mn_schema_resolve(mn_schema *s, const mn_jv *v, const mn_jv *ref, const char *keyword);
void mn_schema_find_resources(mn_schema *s, const mn_jv *root);
_Noreturn void mn_schema_fail(mn_schema *s, minerva_status st, const mn_jv *at, const char *keyword,
                              const char *what);
uint32_t mn_schema_format(mn_schema *s, const char *name, size_t len);  /* strset or UINT32_MAX */
bool mn_schema_format_is_known(const char *name, size_t len);
uint32_t mn_schema_pattern(mn_schema *s, const mn_jv *at, const char *keyword, const char *pattern,
                           uint32_t len);

/* The known keywords of one schema object; NULL where absent or not of this draft. */
typedef enum {
    MN_KW_NONE,
    MN_KW_REF, MN_KW_DYNAMIC_REF, MN_KW_RECURSIVE_REF, MN_KW_TYPE, MN_KW_ENUM, MN_KW_CONST,
    MN_KW_MINIMUM, MN_KW_MAXIMUM, MN_KW_EXCLUSIVE_MINIMUM, MN_KW_EXCLUSIVE_MAXIMUM, MN_KW_MULTIPLE_OF,
    MN_KW_MIN_LENGTH, MN_KW_MAX_LENGTH, MN_KW_PATTERN, MN_KW_FORMAT,
    MN_KW_ITEMS, MN_KW_PREFIX_ITEMS, MN_KW_ADDITIONAL_ITEMS, MN_KW_MIN_ITEMS, MN_KW_MAX_ITEMS,
    MN_KW_UNIQUE_ITEMS, MN_KW_CONTAINS, MN_KW_MIN_CONTAINS, MN_KW_MAX_CONTAINS,
    MN_KW_PROPERTIES, MN_KW_PATTERN_PROPERTIES, MN_KW_ADDITIONAL_PROPERTIES, MN_KW_PROPERTY_NAMES,
    MN_KW_REQUIRED, MN_KW_MIN_PROPERTIES, MN_KW_MAX_PROPERTIES, MN_KW_DEPENDENCIES,
    MN_KW_DEPENDENT_REQUIRED, MN_KW_DEPENDENT_SCHEMAS, MN_KW_ALL_OF, MN_KW_ANY_OF, MN_KW_ONE_OF, MN_KW_NOT,
    MN_KW_IF, MN_KW_THEN, MN_KW_ELSE, MN_KW_UNEVALUATED_ITEMS, MN_KW_UNEVALUATED_PROPERTIES,
    MN_KW_ID, MN_KW_OLD_ID, MN_KW_SCHEMA, MN_KW_ANCHOR, MN_KW_DYNAMIC_ANCHOR, MN_KW_RECURSIVE_ANCHOR,
    MN_KW_DEFS, MN_KW_DEFINITIONS, MN_KW_VOCABULARY,
    MN_KW_COUNT
} mn_keyword;
typedef struct { const mn_jv *at[MN_KW_COUNT]; uint32_t n_assertions; } mn_keywords;
mn_keyword mn_keyword_find(const char *name, size_t len);
bool mn_keyword_in_draft(mn_keyword k, int draft);
/* What a keyword's value is made of: no schema; one; an array or map of them; one or an
 * array of them. */
typedef enum { MN_HOLDS_NONE, MN_HOLDS_SCHEMA, MN_HOLDS_SCHEMAS, MN_HOLDS_EITHER } mn_holds;
mn_holds mn_keyword_holds(mn_keyword k);
const mn_keyword_info *mn_keyword_info_of(const char *name, size_t len);
void mn_schema_keywords(const mn_schema *s, const mn_jv *v, mn_keywords *out);

/* What keywords other than in-place applicators and unevaluated* say. */
uint32_t mn_schema_own_form(mn_schema *s, const mn_jv *v, const mn_keywords *k);
/* A non-empty array, or NULL where the keyword is absent. */
const mn_jv *mn_schema_list(mn_schema *s, const mn_jv *v, const mn_jv *list, const char *keyword);
uint32_t mn_schema_one_of(mn_schema *s, const mn_jv *list, uint32_t chosen, uint32_t form);
uint32_t mn_schema_unevaluated(mn_schema *s, const mn_jv *v);

/* ---- what is empty (schema_check.c) ------------------------------------------------------ */

/* Works out everything reachable from e and marks what has values. */
void mn_schema_check(mn_schema *s, mn_eid e);
/* Load and check; sees to it that what is raised names its place.  The root's expression. */
mn_eid mn_schema_compile(mn_schema *s, const mn_jv *root, mn_schema_draft draft);
/* After a raise: nothing is being worked on any more. */
void mn_schema_settle(mn_schema *s);
static inline bool mn_e_inhabited(const mn_schema *s, mn_eid e) { return s->exprs.at[e].inhabited; }

/* Keys that are no literals, cut so finely that a part is wholly inside or outside each
 * exist: bit i of `exists` for the i-th. */
typedef struct { uint32_t keys, exists; mn_eid value; } mn_part;
uint32_t mn_o_parts(mn_schema *s, uint32_t object, mn_part out[64]);
/* The part's value as a witness of the exists in `mask`. */
mn_eid mn_o_witness(mn_schema *s, uint32_t object, const mn_part *p, uint32_t mask);

/* The item at an index, chosen to count for the contains in `mask`, and for no other one
 * that has a maximum. */
mn_eid mn_a_choice(mn_schema *s, uint32_t array, uint32_t index, uint32_t mask);
/* Bits of the contains that begin at or before the index. */
uint32_t mn_a_active(const mn_schema *s, uint32_t array, uint32_t index);
/* Can an array that has `n` items, of which counts[i] count for contains i, be completed? */
bool mn_a_live(mn_schema *s, uint32_t array, uint32_t n, const uint32_t counts[MN_CONTAINS_MAX]);

/* The value of a literal that only `required` names: what patterns and the rest say. */
#define MN_E_UNDECLARED UINT32_MAX

#endif
