/* Files mapped read-only.
 *
 * (1) `data` stays valid and constant until close.  A file that another program shortens
 *     while it is mapped raises SIGBUS on access, as with every mapping; model files are
 *     not edited in place.
 * (2) An empty file maps to data != NULL and size 0.
 */
#ifndef MN_BASE_MAPFILE_H
#define MN_BASE_MAPFILE_H

#include "minerva.h"

typedef struct {
    const uint8_t *data;
    size_t size_bytes;
} mn_mapfile;

minerva_status mn_mapfile_open(mn_mapfile *out, const char *path, minerva_error *err);
void mn_mapfile_close(mn_mapfile *f);
/* Tell the kernel that [offset, offset+size) will be read soon. */
void mn_mapfile_will_need(const mn_mapfile *f, size_t offset, size_t size_bytes);

/* A whole small file in malloc()ed memory with a 0 byte behind it.  More than
 * `limit_bytes` is refused.  The caller frees *out. */
minerva_status mn_read_file(const char *path, size_t limit_bytes, char **out, size_t *len,
                            minerva_error *err);

#endif
