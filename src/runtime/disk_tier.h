/* Files of the prefix cache: one directory per model, written and read in the background.
 *
 *   DIR/<model>/info.json       what the model is, for people
 *   DIR/<model>/lock            held by the process that uses the directory
 *   DIR/<model>/<key>.prefix    disk_segment.h; key: hash of tenant and tokens
 *   DIR/<model>/<key>.tmp       being written; removed at the next start
 *
 * Two threads: the owner (the scheduler's worker) calls everything below; a thread of the
 * tier's own does the reading, writing, removing and summing.
 *
 * (1) A file gets its name when it is whole: written, fsync()ed, renamed.  So a process that
 *     dies leaves whole files and *.tmp.
 * (2) Files are never trusted: see disk_segment.h; what fails is removed.
 * (3) The bytes of all files, queued ones included, stay below max_bytes; the least recently
 *     used go first.  A file's parents (what its state continues) count as used with it.
 * (4) A failed write turns writing off, with one warning; reading goes on.
 * (5) What a file belongs to is known to its owner only (`owner`); the tier never calls back
 *     from its own thread but for `news`.
 */
#ifndef MN_RUNTIME_DISK_TIER_H
#define MN_RUNTIME_DISK_TIER_H

#include "base/log.h"
#include "runtime/disk_segment.h"

typedef struct mn_disk_tier mn_disk_tier;
typedef struct mn_disk_read mn_disk_read;

typedef struct mn_disk_file mn_disk_file;
struct mn_disk_file {
    uint64_t key[2];
    int32_t from, to, trims_to;
    bool has_logits;
    bool written;               /* there to be read */
    bool gone;                  /* dropped; freed when nobody pins it */
    int32_t pins;
    size_t size_bytes;
    double used_at;             /* seconds since 1970 */
    void *owner;
    mn_disk_file *newer, *older;
};

typedef struct {
    const char *dir;
    uint64_t model;             /* mn_model_identity() */
    const char *info;           /* JSON, for info.json */
    size_t max_bytes;
    mn_log log;
    void (*news)(void *ctx);    /* from the tier's thread: something is finished */
    /* A file is no more (broken, or for want of room): forget it. */
    void (*lost)(void *ctx, mn_disk_file *file);
    void *ctx;
} mn_disk_options;

typedef struct {
    int64_t n_files, size_bytes;
    int64_t written_bytes, read_bytes, n_broken, n_failed_writes;
    bool off;                   /* nothing is written any more */
} mn_disk_stats;

/* IO: the directory cannot be made or is in use; the caller goes on without a tier. */
minerva_status mn_disk_tier_create(mn_disk_tier **out, const mn_disk_options *options,
                                   minerva_error *err);
/* Finishes what is queued for writing. */
void mn_disk_tier_free(mn_disk_tier *t);

/* Reads the beginnings of all files there; `found` sets file->owner, or leaves it NULL,
 * which removes the file.  Parents come before the files that continue them. */
void mn_disk_scan(mn_disk_tier *t,
                  void (*found)(void *ctx, const mn_segment *s, mn_disk_file *file), void *ctx);

/* Can a file be queued now, and is there anything to gain from it? */
bool mn_disk_accepts(const mn_disk_tier *t);
/* Queue a file.  Takes the bytes of `state` (what s->state points to); the rest is copied;
 * s->model is set here.  NULL: there is no room. */
mn_disk_file *mn_disk_store(mn_disk_tier *t, const mn_segment *s, mn_buffer *state, void *owner);
/* Finish what the tier's thread has done, and drop what is too much. */
void mn_disk_turn(mn_disk_tier *t);
bool mn_disk_idle(mn_disk_tier *t);     /* nothing queued or being done */

void mn_disk_touch(mn_disk_tier *t, mn_disk_file *f);
void mn_disk_drop(mn_disk_tier *t, mn_disk_file *f);    /* and its file */
void mn_disk_pin(mn_disk_file *f);
void mn_disk_unpin(mn_disk_file *f);

/* Begin to read a file that is pinned; NULL: no memory. */
mn_disk_read *mn_disk_read_start(mn_disk_tier *t, mn_disk_file *f);
/* MINERVA_OK: *out points into the read's memory.  MINERVA_LIMIT: not yet.  Anything else:
 * there is no such file, or it is broken. */
minerva_status mn_disk_read_poll(mn_disk_tier *t, mn_disk_read *r, mn_segment *out,
                                 minerva_error *err);
void mn_disk_read_free(mn_disk_tier *t, mn_disk_read *r);
/* As measured, sums included; 0: not yet. */
double mn_disk_bytes_per_s(mn_disk_tier *t);
void mn_disk_get_stats(mn_disk_tier *t, mn_disk_stats *out);

#endif
