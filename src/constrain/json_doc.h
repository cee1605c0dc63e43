/* JSON text as a tree that keeps what a schema needs: the order of members, numbers as
 * they are written, and the place of each value.
 *
 * jansson turns numbers into doubles and int64; schema bounds need their digits.
 * (1) Strings are decoded UTF-8; lone surrogates and duplicate keys are refused.
 * (2) At most MN_JSON_DEPTH levels, MN_JSON_VALUES values, MN_JSON_BYTES bytes.
 * (3) The tree and its strings live in the context; nothing points into the source but
 *     numbers and strings without escapes, so the source must be kept by the caller.
 */
#ifndef MN_CONSTRAIN_JSON_DOC_H
#define MN_CONSTRAIN_JSON_DOC_H

#include "base/buffer.h"
#include "constrain/cx.h"

enum { MN_JSON_DEPTH = 256, MN_JSON_VALUES = 500000, MN_JSON_BYTES = 4 << 20 };

typedef enum { MN_J_NULL, MN_J_FALSE, MN_J_TRUE, MN_J_NUMBER, MN_J_STRING, MN_J_ARRAY,
               MN_J_OBJECT } mn_jtype;

typedef struct mn_jv mn_jv;
typedef struct mn_jmember mn_jmember;
struct mn_jv {
    uint8_t type;
    bool met;               /* used by the schema compiler: keywords here were looked at */
    uint16_t resource;      /* used by the schema compiler: index into its resources */
    uint32_t n;             /* bytes of a string or number; items; members */
    uint32_t expr, expr_value;  /* used by the schema compiler: ids of this value's
                                   expressions, as a schema and as an instance */
    union {
        const char *str;    /* string; or number text */
        mn_jv *items;
        mn_jmember *members;
    };
};
struct mn_jmember {
    const char *key;
    uint32_t key_len;
    mn_jv value;
};

/* Raises MINERVA_INVALID (with the byte offset in the message) or MINERVA_LIMIT. */
mn_jv *mn_jdoc_parse(mn_cx *cx, const char *text, size_t len);
/* Member by name, or NULL (also when v is no object). */
mn_jv *mn_jdoc_get(const mn_jv *v, const char *key);
mn_jv *mn_jdoc_get_n(const mn_jv *v, const char *key, size_t len);
static inline bool mn_jdoc_is(const mn_jv *v, const char *s)
{
    return v && v->type == MN_J_STRING && v->n == strlen(s) && !memcmp(v->str, s, v->n);
}
/* Compact text with ", " and ": "; strings with the fewest escapes. */
void mn_jdoc_write(mn_buffer *out, const mn_jv *v);
/* JSON pointer of `target` inside `root` ("" for the root), or false. */
bool mn_jdoc_path(const mn_jv *root, const mn_jv *target, mn_buffer *out);

#endif
