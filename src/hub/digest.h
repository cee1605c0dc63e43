/* Digests by which the hub names file contents: SHA-256 of large files, and Git's name of
 * small ones (SHA-1 of "blob SIZE\0" and the bytes).  OpenSSL computes them. */
#ifndef MN_HUB_DIGEST_H
#define MN_HUB_DIGEST_H

#include "minerva.h"

typedef enum { MN_DIGEST_SHA256, MN_DIGEST_GIT } mn_digest_kind;
typedef struct mn_digest mn_digest;

enum { MN_DIGEST_HEX = 65 };    /* room for either in hexadecimal */

/* size_bytes: of the whole content; for MN_DIGEST_GIT only. */
minerva_status mn_digest_create(mn_digest **out, mn_digest_kind kind, int64_t size_bytes,
                                minerva_error *err);
void mn_digest_add(mn_digest *d, const void *bytes, size_t n);
void mn_digest_finish(mn_digest *d, char hex[MN_DIGEST_HEX]);   /* once */
void mn_digest_free(mn_digest *d);
/* Lower-case hexadecimal of the kind's length? */
bool mn_digest_is_hex(mn_digest_kind kind, const char *s);

#endif
