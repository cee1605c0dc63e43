#include "text/tok_unicode.h"
int tok_script(uint32_t cp) { return (int)(cp >> 8); }
