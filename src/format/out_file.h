/* A file that appears under its name only when it is whole: written to NAME.part, renamed
 * by mn_out_file_finish().  Failure sticks (like mn_buffer's): write, then ask once. */
#ifndef MN_FORMAT_OUT_FILE_H
#define MN_FORMAT_OUT_FILE_H

#include "minerva.h"

#include <stdio.h>

typedef struct {
    FILE *f;                    /* NULL: not open */
    char *path, *part;
    uint64_t written;
    int failed;                 /* errno of the first failure */
} mn_out_file;

/* An existing file of that name stays until finish replaces it. */
minerva_status mn_out_file_open(mn_out_file *o, const char *path, minerva_error *err);
void mn_out_file_write(mn_out_file *o, const void *bytes, size_t n);
void mn_out_file_pad(mn_out_file *o, uint64_t alignment);   /* zeros up to a multiple */
minerva_status mn_out_file_finish(mn_out_file *o, minerva_error *err);
/* Nothing if finished; else the part is removed. */
void mn_out_file_clear(mn_out_file *o);

#endif
