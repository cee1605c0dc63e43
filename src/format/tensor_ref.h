/* One tensor of a file: name, element type, shape, and where its bytes lie.
 * Everything is borrowed from the open file and has been checked against its size. */
#ifndef MN_FORMAT_TENSOR_REF_H
#define MN_FORMAT_TENSOR_REF_H

#include "tensor/weight.h"

enum { MN_MAX_DIMS = 6 };      /* GGUF has at most 4; vision convolutions have 5 */

/* Element type of a stored tensor: a weight format, or an integer plane. */
typedef enum {
    MN_STORED_WEIGHT,           /* `wtype` says which; GGUF blocks and floats */
    MN_STORED_I8, MN_STORED_U8, MN_STORED_I16, MN_STORED_U16,
    MN_STORED_I32, MN_STORED_U32, MN_STORED_I64, MN_STORED_U64,
    MN_STORED_F64, MN_STORED_BOOL, MN_STORED_F8_E5M2
} mn_stored_kind;

typedef struct {
    const char *name;
    uint32_t name_len;
    mn_stored_kind kind;
    mn_wtype wtype;             /* if kind == MN_STORED_WEIGHT (F8_E4M3 included) */
    int n_dims;                 /* 0: a scalar */
    int64_t dims[MN_MAX_DIMS];  /* row-major, outermost first (GGUF's are flipped) */
    const uint8_t *data;
    size_t size_bytes;
} mn_tensor_ref;

/* Product of dims; checked not to overflow when the file was opened. */
int64_t mn_tensor_ref_n_elements(const mn_tensor_ref *t);
/* Bytes of one element; 0 for MN_STORED_WEIGHT, whose type says. */
size_t mn_stored_kind_bytes(mn_stored_kind kind);
/* "F32", "U32", "Q4_K", ... */
const char *mn_tensor_ref_type_name(const mn_tensor_ref *t);

#endif
