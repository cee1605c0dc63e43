/* The golden llama in its forms: original weights, GGUF files, MLX directories. */
#ifndef TESTS_GOLDEN_LLAMA_H
#define TESTS_GOLDEN_LLAMA_H

#include "format/source.h"
#include "tests/check.h"

/* A stored matrix (or stack, as one tall matrix) as a weight. */
static inline mn_weight weight_of_tensor(const mn_tensor_ref *t)
{
    assert_non_null(t);
    int64_t cols = t->dims[t->n_dims - 1];
    size_t row_bytes = mn_wtype_row_bytes(t->wtype, 0, cols);
    return (mn_weight){ .type = t->wtype, .rows = mn_tensor_ref_n_elements(t) / cols,
                        .cols = cols, .n_experts = 1, .data = t->data,
                        .row_bytes = row_bytes };
}

/* A quantised module of an MLX directory as a weight. */
static inline mn_weight weight_of_module(const mn_model_source *s, const char *module,
                                         mn_wtype type, int group)
{
    char name[200];
    const mn_tensor_ref *plane[3];
    static const char *const ends[3] = { "weight", "scales", "biases" };
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.%s", module, ends[i]);
        plane[i] = mn_source_tensor(s, name);
    }
    assert_non_null(plane[0]);
    assert_non_null(plane[1]);
    int64_t cols = plane[1]->dims[1] * group, words = plane[0]->dims[1];
    return (mn_weight){
        .type = type, .bits = (uint8_t)(words * 32 / cols), .group = (int16_t)group,
        .scale_type = (uint8_t)plane[1]->wtype, .rows = plane[0]->dims[0], .cols = cols,
        .n_experts = 1, .data = plane[0]->data, .row_bytes = (size_t)words * 4,
        .scales = plane[1]->data, .biases = plane[2] ? plane[2]->data : NULL,
        .scale_row_bytes = plane[1]->size_bytes / (size_t)plane[1]->dims[0],
    };
}

static const struct { const char *dir; mn_wtype type; int bits, group; double low, high; }
golden_mlx[] = {    /* and the NMSE of its weights that is believable */
    { "llama-2bit-g32", MN_MLX_AFFINE, 2, 32, 5e-2, 1.6e-1 },
    { "llama-3bit-g64", MN_MLX_AFFINE, 3, 64, 1.2e-2, 4e-2 },
    { "llama-4bit-g32", MN_MLX_AFFINE, 4, 32, 2e-3, 9e-3 },
    { "llama-4bit-g64", MN_MLX_AFFINE, 4, 64, 3e-3, 1.2e-2 },
    { "llama-4bit-g128", MN_MLX_AFFINE, 4, 128, 4e-3, 1.5e-2 },
    { "llama-5bit-g64", MN_MLX_AFFINE, 5, 64, 6e-4, 3e-3 },
    { "llama-6bit-g64", MN_MLX_AFFINE, 6, 64, 1.5e-4, 8e-4 },
    { "llama-8bit-g64", MN_MLX_AFFINE, 8, 64, 5e-6, 8e-5 },
    { "llama-mxfp4", MN_MLX_MXFP4, 4, 32, 6e-3, 2.5e-2 },
    { "llama-mxfp8", MN_MLX_MXFP8, 8, 32, 2e-4, 8e-3 },
    { "llama-nvfp4", MN_MLX_NVFP4, 4, 16, 4e-3, 1.5e-2 },
};
enum { N_GOLDEN_MLX = sizeof golden_mlx / sizeof *golden_mlx };

#endif
