/* What a file's name says of its quantisation and of the split it is part of. */
#ifndef MN_HUB_QUANT_LABEL_H
#define MN_HUB_QUANT_LABEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char text[32];              /* "Q4_K_M", "UD-Q4_K_XL", "BF16"; "" if none was found */
    int bits;                   /* 16, 8, 6 ... 1; 0: unknown */
} mn_quant_label;

/* The last such word of a file or repository name, upper case. */
mn_quant_label mn_quant_label_of(const char *name);

/* NAME-00002-of-00005.gguf: *stem_len is the length of NAME, *part 2, *n_parts 5.  Another
 * name: its length without .gguf, 1, 1.  false: no sensible count. */
bool mn_split_name(const char *name, size_t *stem_len, int *part, int *n_parts);
bool mn_ends_with(const char *s, const char *ending);       /* letters' case aside */
bool mn_is_projector(const char *name);                     /* mmproj-....gguf */

#endif
