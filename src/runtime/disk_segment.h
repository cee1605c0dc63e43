/* One file of the prefix cache's disk tier: the state of positions [from, to) of one token
 * sequence, and the tokens that say which.
 *
 *     offset  bytes
 *          0  128         head, below; in this machine's byte order (byte_order says so)
 *        128  4 * to      tokens [0, to), all of them: a hash may collide, tokens do not
 *             pad         zeros to a multiple of 64
 *             state       as mn_backend.seq_export() gave it
 *             logits      [vocab] f32 after the last token, or nothing
 *
 * (1) A file is used only if magic, version, byte order, model, lengths and both checksums
 *     are right; the sums guard against torn writes and failing disks.
 * (2) Reading needs no trust in any number: what parse() returns lies inside the bytes.
 */
#ifndef MN_RUNTIME_DISK_SEGMENT_H
#define MN_RUNTIME_DISK_SEGMENT_H

#include "base/buffer.h"
#include "minerva.h"

enum { MN_SEGMENT_VERSION = 1, MN_SEGMENT_HEAD = 128, MN_SEGMENT_TOKENS = 1 << 24,
       MN_SEGMENT_RANGE_AT = 32 };      /* where `from` and `to` stand */

typedef struct {
    uint64_t model, tenant;
    int32_t from, to;
    int32_t trims_to;           /* a sequence of `to` tokens can be cut back to this many */
    const int32_t *tokens;      /* [to] */
    const void *state;
    size_t state_bytes;
    const void *logits;         /* f32 [vocab], not aligned; NULL: none */
    size_t logits_bytes;
} mn_segment;

/* Bytes before the state. */
size_t mn_segment_head_bytes(int32_t to);
size_t mn_segment_bytes(const mn_segment *s);
/* Everything before the state, appended to `out`. */
void mn_segment_write_head(const mn_segment *s, mn_buffer *out);

/* A whole file.  Pointers go into `bytes`, which must be 8-byte aligned. */
minerva_status mn_segment_parse(const void *bytes, size_t len, mn_segment *out,
                                minerva_error *err);
/* The same of a file's beginning: `have` bytes of `size`.  state and logits stay NULL, and
 * the sum over them is not checked.  MINERVA_FULL: more of it is needed, see *need. */
minerva_status mn_segment_parse_head(const void *bytes, size_t have, size_t size,
                                     mn_segment *out, size_t *need, minerva_error *err);

#endif
