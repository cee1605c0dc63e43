/* Walking JSON text by spans, for sources whose numbers must keep their spelling.  The text
 * is checked as a whole elsewhere (jansson); here only structure is followed. */
#ifndef MN_SERVER_JSON_SPAN_H
#define MN_SERVER_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *text;
    size_t len;
} json_span;

/* The value that `s` begins with (blanks before it skipped); len 0 if there is none. */
json_span json_span_value(json_span s);
/* Step through an array's items or an object's members: *at is the rest to look at, first
 * the container itself.  For arrays key->text is NULL.  false: no more. */
bool json_span_next(json_span *at, json_span *key, json_span *value);
/* A member of an object by its name (written without escapes); len 0 if absent. */
json_span json_span_get(json_span object, const char *name);

#endif
