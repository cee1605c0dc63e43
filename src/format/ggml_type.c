/* ggml's type numbers; see ggml_type.h.  Source: enum ggml_type in ggml.h. */
#include "format/ggml_type.h"

#define WEIGHT(type, name) { name, NULL, MN_STORED_WEIGHT, type }
#define NUMBER(kind, name) { name, NULL, kind, MN_F32 }
#define REFUSED(name, why) { name, why, MN_STORED_WEIGHT, MN_F32 }

static const char removed[] = "removed from the format",
                  repacked[] = "a processor's own order, removed from the format",
                  internal[] = "an intermediate type that model files do not hold",
                  unreadable[] = "not supported";

static const mn_ggml_type types[] = {
    [0] = WEIGHT(MN_F32, "F32"),
    [1] = WEIGHT(MN_F16, "F16"),
    [2] = WEIGHT(MN_Q4_0, "Q4_0"),
    [3] = WEIGHT(MN_Q4_1, "Q4_1"),
    [4] = REFUSED("Q4_2", removed),
    [5] = REFUSED("Q4_3", removed),
    [6] = WEIGHT(MN_Q5_0, "Q5_0"),
    [7] = WEIGHT(MN_Q5_1, "Q5_1"),
    [8] = WEIGHT(MN_Q8_0, "Q8_0"),
    [9] = REFUSED("Q8_1", internal),
    [10] = WEIGHT(MN_Q2_K, "Q2_K"),
    [11] = WEIGHT(MN_Q3_K, "Q3_K"),
    [12] = WEIGHT(MN_Q4_K, "Q4_K"),
    [13] = WEIGHT(MN_Q5_K, "Q5_K"),
    [14] = WEIGHT(MN_Q6_K, "Q6_K"),
    [15] = REFUSED("Q8_K", internal),
    [16] = WEIGHT(MN_IQ2_XXS, "IQ2_XXS"),
    [17] = WEIGHT(MN_IQ2_XS, "IQ2_XS"),
    [18] = WEIGHT(MN_IQ3_XXS, "IQ3_XXS"),
    [19] = WEIGHT(MN_IQ1_S, "IQ1_S"),
    [20] = WEIGHT(MN_IQ4_NL, "IQ4_NL"),
    [21] = WEIGHT(MN_IQ3_S, "IQ3_S"),
    [22] = WEIGHT(MN_IQ2_S, "IQ2_S"),
    [23] = WEIGHT(MN_IQ4_XS, "IQ4_XS"),
    [24] = NUMBER(MN_STORED_I8, "I8"),
    [25] = NUMBER(MN_STORED_I16, "I16"),
    [26] = NUMBER(MN_STORED_I32, "I32"),
    [27] = NUMBER(MN_STORED_I64, "I64"),
    [28] = NUMBER(MN_STORED_F64, "F64"),
    [29] = WEIGHT(MN_IQ1_M, "IQ1_M"),
    [30] = WEIGHT(MN_BF16, "BF16"),
    [31] = REFUSED("Q4_0_4_4", repacked),
    [32] = REFUSED("Q4_0_4_8", repacked),
    [33] = REFUSED("Q4_0_8_8", repacked),
    [34] = WEIGHT(MN_TQ1_0, "TQ1_0"),
    [35] = WEIGHT(MN_TQ2_0, "TQ2_0"),
    [36] = REFUSED("IQ4_NL_4_4", repacked),
    [37] = REFUSED("IQ4_NL_4_8", repacked),
    [38] = REFUSED("IQ4_NL_8_8", repacked),
    [39] = WEIGHT(MN_MXFP4, "MXFP4"),
    [40] = REFUSED("NVFP4", unreadable),
    [41] = REFUSED("Q1_0", unreadable),
    [42] = REFUSED("Q2_0", unreadable),
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const mn_ggml_type *mn_ggml_type_get(uint32_t number)
{
    static const mn_ggml_type unknown = { NULL, "unknown", MN_STORED_WEIGHT, MN_F32 };
    return number < N_TYPES ? &types[number] : &unknown;
}

int mn_ggml_type_number_of(const mn_tensor_ref *t)
{
    for (int i = 0; i < N_TYPES; i++)
        if (!types[i].refused && types[i].kind == t->kind
            && (t->kind != MN_STORED_WEIGHT || types[i].wtype == t->wtype))
            return i;
    return -1;
}

int mn_ggml_type_number(mn_wtype type)
{
    return mn_ggml_type_number_of(
        &(mn_tensor_ref){ .kind = MN_STORED_WEIGHT, .wtype = type });
}
