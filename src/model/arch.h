/* The families' builders, and the two headers that each of them needs. */
#ifndef MN_MODEL_ARCH_H
#define MN_MODEL_ARCH_H

#include "model/build.h"
#include "model/rope.h"

/* Is the model's own family name one of these (space-separated)? */
bool mn_is(const mn_build *b, const char *names);

void mn_arch_llama(mn_build *b);
void mn_arch_qwen(mn_build *b);

#endif
