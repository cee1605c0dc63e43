/* Low-rank adapters, merged. */
#include "convert/convert.h"

void mn_lora_open(mn_convert *c)
{
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapters cannot be merged yet");
}

void mn_lora_close(mn_convert *c) {}

void mn_lora_add(const mn_target *t, int64_t expert, int64_t row, float *x) {}
