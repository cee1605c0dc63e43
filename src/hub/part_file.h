/* A file on its way: PATH.part holds the bytes, PATH.journal says which of them are there.
 *
 * The journal is text, only ever appended to:
 *
 *     minerva part 1 SIZE CHUNK_BYTES DIGEST
 *     INDEX HASH                 one line per chunk that has arrived whole
 *     whole                      the digest was right; the file has its name
 *
 * (1) A chunk's line is written after its bytes, as one write; a line cut short by a crash
 *     is ignored and cut off.  So killing the process loses no chunk that has a line.
 * (2) When a part is taken up again every chunk is read and compared with its hash: what a
 *     crash of the machine tore is fetched again.
 * (3) Another size or digest (the file changed at the hub) empties the part.
 * (4) The file gets its name only by mn_part_arrive(), which checks the digest.
 */
#ifndef MN_HUB_PART_FILE_H
#define MN_HUB_PART_FILE_H

#include "hub/digest.h"

typedef struct {
    char *path, *part_path, *journal_path;
    int fd, journal;            /* -1: closed */
    int64_t size_bytes, chunk_bytes, n_chunks;
    int64_t n_have, have_bytes; /* chunks that are there */
    uint8_t *have;              /* [n_chunks] */
    mn_digest_kind kind;
    char want[MN_DIGEST_HEX];
    bool whole;                 /* was verified by an earlier run */
    mn_digest *digest;          /* of the first n_digested chunks */
    int64_t n_digested;
    uint8_t *scratch;           /* one chunk */
} mn_part;

/* on_check: called while the chunks of an earlier run are compared; false cancels. */
typedef bool mn_part_progress(void *ctx, int64_t bytes);

/* chunk_bytes: for a new part; an existing one keeps its own. */
minerva_status mn_part_open(mn_part *p, const char *path, int64_t size_bytes,
                            int64_t chunk_bytes, mn_digest_kind kind, const char *digest,
                            mn_part_progress *on_check, void *ctx, minerva_error *err);
void mn_part_close(mn_part *p);
/* Forget every chunk. */
minerva_status mn_part_reset(mn_part *p, minerva_error *err);
/* Bytes of a chunk that is not there yet.  FULL: the disk is. */
minerva_status mn_part_write(mn_part *p, int64_t offset, const void *bytes, size_t n,
                             minerva_error *err);
/* All bytes of chunk `i` have been written. */
minerva_status mn_part_chunk_done(mn_part *p, int64_t i, minerva_error *err);
int64_t mn_part_chunk_size(const mn_part *p, int64_t i);
/* All chunks are there: compare the digest, give the file its name.  INVALID: it differs
 * (nothing has changed). */
minerva_status mn_part_arrive(mn_part *p, mn_part_progress *on_check, void *ctx,
                              minerva_error *err);
/* Bytes of PATH or PATH.part that are on the disk already; 0 if there are none. */
int64_t mn_part_on_disk(const char *path);

#endif
