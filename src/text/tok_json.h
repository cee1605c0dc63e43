/* What the two halves of the tokenizer.json reader share: tok_json.c (model, vocabulary,
 * added tokens, tokenizer_config.json) and tok_json_parts.c (the components around the
 * model). */
#ifndef MN_TEXT_TOK_JSON_H
#define MN_TEXT_TOK_JSON_H

#include "text/tok_internal.h"

#include <jansson.h>

enum { TOK_MAX_PARTS = 64 };    /* components of one kind, sequences flattened */

/* Members with a wanted type; the default where absent or null.  A wrong type is an
 * error that names `what` and the member. */
minerva_status tok_json_bool(const json_t *o, const char *what, const char *key, bool fallback,
                             bool *out, minerva_error *err);
minerva_status tok_json_str(mn_tokenizer *t, const json_t *o, const char *what, const char *key,
                            mn_str *out, minerva_error *err);    /* required */
minerva_status tok_json_opt_str(mn_tokenizer *t, const json_t *o, const char *what,
                                const char *key, mn_str *out, minerva_error *err);
const char *tok_json_type(const json_t *v);     /* "an object", "a string", ... */

minerva_status tok_json_normalizer(mn_tokenizer *t, const json_t *o, minerva_error *err);
minerva_status tok_json_pre_tokenizer(mn_tokenizer *t, const json_t *o, minerva_error *err);
minerva_status tok_json_decoder(mn_tokenizer *t, const json_t *o, minerva_error *err);
minerva_status tok_json_post_processor(mn_tokenizer *t, const json_t *o, minerva_error *err);

#endif
