/* ggml's type numbers, as GGUF files store them, and what they are here. */
#ifndef MN_FORMAT_GGML_TYPE_H
#define MN_FORMAT_GGML_TYPE_H

#include "format/tensor_ref.h"

typedef struct {
    const char *name;           /* ggml's own; NULL: there is no such number */
    const char *refused;        /* why it cannot be read; NULL: it can */
    mn_stored_kind kind;
    mn_wtype wtype;             /* if kind is MN_STORED_WEIGHT */
} mn_ggml_type;

/* The type of that number, never NULL; look at `name` and `refused`. */
const mn_ggml_type *mn_ggml_type_get(uint32_t number);
/* The number of a weight format, or -1: GGUF has none for it (the MLX formats). */
int mn_ggml_type_number(mn_wtype type);
/* The same for a stored tensor, integers included. */
int mn_ggml_type_number_of(const mn_tensor_ref *t);

#endif
