/* Stored tensors: counting and naming. */
#include "format/tensor_ref.h"

int64_t mn_tensor_ref_n_elements(const mn_tensor_ref *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->n_dims; i++) n *= t->dims[i];
    return n;
}

const char *mn_tensor_ref_type_name(const mn_tensor_ref *t)
{
    switch (t->kind) {
    case MN_STORED_WEIGHT:  return mn_wtype_get(t->wtype)->name;
    case MN_STORED_I8:      return "I8";
    case MN_STORED_U8:      return "U8";
    case MN_STORED_I16:     return "I16";
    case MN_STORED_U16:     return "U16";
    case MN_STORED_I32:     return "I32";
    case MN_STORED_U32:     return "U32";
    case MN_STORED_I64:     return "I64";
    case MN_STORED_U64:     return "U64";
    case MN_STORED_F64:     return "F64";
    case MN_STORED_BOOL:    return "BOOL";
    case MN_STORED_F8_E5M2: return "F8_E5M2";
    }
    return "unknown";
}

size_t mn_stored_kind_bytes(mn_stored_kind kind)
{
    switch (kind) {
    case MN_STORED_I8: case MN_STORED_U8: case MN_STORED_BOOL: case MN_STORED_F8_E5M2:
        return 1;
    case MN_STORED_I16: case MN_STORED_U16: return 2;
    case MN_STORED_I32: case MN_STORED_U32: return 4;
    case MN_STORED_I64: case MN_STORED_U64: case MN_STORED_F64: return 8;
    case MN_STORED_WEIGHT: break;
    }
    return 0;
}
