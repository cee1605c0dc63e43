/* The families' builders, and the two headers that each of them needs. */
#ifndef MN_MODEL_ARCH_H
#define MN_MODEL_ARCH_H

#include "model/build.h"
#include "model/rope.h"

/* Is the model's own family name one of these (space-separated)? */
bool mn_is(const mn_build *b, const char *names);

/* 1 for layers that are mixtures by decoder_sparse_step and mlp_only_layers (Qwen). */
const int32_t *mn_build_sparse_layers(mn_build *b, int32_t n_layers);

void mn_arch_cohere(mn_build *b);
void mn_arch_deepseek(mn_build *b);
void mn_arch_falcon_h1(mn_build *b);
void mn_arch_gemma(mn_build *b);
void mn_arch_gemma4(mn_build *b);
void mn_arch_glm(mn_build *b);
void mn_arch_gpt(mn_build *b);
void mn_arch_gpt_oss(mn_build *b);
void mn_arch_granite(mn_build *b);
void mn_arch_kin(mn_build *b);
void mn_arch_lfm2(mn_build *b);
void mn_arch_llama(mn_build *b);
void mn_arch_nemotron_h(mn_build *b);
void mn_arch_olmo(mn_build *b);
void mn_arch_phi3(mn_build *b);
void mn_arch_qwen(mn_build *b);
void mn_arch_qwen3_next(mn_build *b);
void mn_arch_starcoder2(mn_build *b);

#endif
