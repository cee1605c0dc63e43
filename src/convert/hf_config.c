/* config.json for a model whose metadata are GGUF's. */
#include "convert/convert.h"

json_t *mn_hf_config_make(mn_convert *c)
{
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "an MLX directory cannot be written yet");
    return NULL;
}
