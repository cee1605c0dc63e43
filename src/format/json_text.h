/* JSON of model directories: parsed by jansson, duplicates rejected, as lenient as
 * Python's writer needs. */
#ifndef MN_FORMAT_JSON_TEXT_H
#define MN_FORMAT_JSON_TEXT_H

#include "minerva.h"

#include <jansson.h>

/* `text` may be changed.  `name` is for the error.  Python writes Infinity for infinite
 * numbers, which is no JSON; it is read as 1e308.  *out is the caller's (json_decref). */
minerva_status mn_json_parse(json_t **out, char *text, size_t len, const char *name,
                             minerva_error *err);

#endif
