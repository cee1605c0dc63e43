/* tokenizer.json from tokenizer.ggml.*. */
#include "convert/convert.h"

void mn_vocab_write_dir(mn_convert *c, const char *dir) {}
