/* Parts and their journals; see part_file.h. */
#include "hub/part_file.h"
#include "base/hash.h"
#include "base/mapfile.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_JOURNAL_BYTES = 256 << 20, HASH_KEY = 0x6d6e };

static minerva_status fail_file(const char *path, minerva_error *err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return mn_fail(err, MINERVA_FULL, "%s: the disk is full; make room and pull again, "
                       "what has arrived is kept", path);
    return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
}

int64_t mn_part_chunk_size(const mn_part *p, int64_t i)
{
    int64_t left = p->size_bytes - i * p->chunk_bytes;
    return left < p->chunk_bytes ? left : p->chunk_bytes;
}

static bool write_all(int fd, const void *bytes, size_t n, int64_t offset)
{
    const char *at = bytes;
    while (n) {
        ssize_t w = offset >= 0 ? pwrite(fd, at, n, offset) : write(fd, at, n);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return false;
        at += w;
        n -= (size_t)w;
        if (offset >= 0) offset += w;
    }
    return true;
}

static bool read_chunk(mn_part *p, int64_t i)
{
    int64_t n = mn_part_chunk_size(p, i), at = i * p->chunk_bytes;
    for (int64_t done = 0; done < n;) {
        ssize_t r = pread(p->fd, p->scratch + done, (size_t)(n - done), at + done);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return false;
        done += r;
    }
    return true;
}

static uint64_t hash_chunk(const mn_part *p, int64_t i)
{
    return mn_hash64(p->scratch, (size_t)mn_part_chunk_size(p, i), HASH_KEY + (uint64_t)i);
}

static void digest_chunk(mn_part *p, int64_t i)
{
    if (i != p->n_digested) return;
    mn_digest_add(p->digest, p->scratch, (size_t)mn_part_chunk_size(p, i));
    p->n_digested++;
}

static void take_chunk(mn_part *p, int64_t i)
{
    if (p->have[i]) return;
    p->have[i] = 1;
    p->n_have++;
    p->have_bytes += mn_part_chunk_size(p, i);
}

/* ---- the journal ------------------------------------------------------------------- */

static int header(const mn_part *p, char out[200])
{
    return snprintf(out, 200, "minerva part 1 %" PRId64 " %" PRId64 " %s\n", p->size_bytes,
                    p->chunk_bytes, p->want);
}

minerva_status mn_part_reset(mn_part *p, minerva_error *err)
{
    char head[200];
    int n = header(p, head);
    if (p->have) memset(p->have, 0, (size_t)p->n_chunks);
    p->n_have = p->have_bytes = p->n_digested = 0;
    mn_digest_free(p->digest);
    minerva_status st = mn_digest_create(&p->digest, p->kind, p->size_bytes, err);
    if (st != MINERVA_OK) return st;
    if (ftruncate(p->journal, 0) || !write_all(p->journal, head, (size_t)n, -1))
        return fail_file(p->journal_path, err);
    if (ftruncate(p->fd, 0) || ftruncate(p->fd, p->size_bytes))
        return fail_file(p->part_path, err);
    /* Room is taken before the first byte, where the file system can promise it. */
    if (p->size_bytes && fallocate(p->fd, 0, 0, p->size_bytes) && errno == ENOSPC)
        return fail_file(p->part_path, err);
    return MINERVA_OK;
}

/* The journal's size and chunk size if it is of this very content. */
static bool same_content(mn_part *p, const char *text)
{
    int64_t size, chunk;
    char want[MN_DIGEST_HEX], head[200];
    if (sscanf(text, "minerva part 1 %" SCNd64 " %" SCNd64 " %64s", &size, &chunk, want) != 3)
        return false;
    if (size != p->size_bytes || strcmp(want, p->want) || chunk < 1 || chunk > 1 << 30)
        return false;
    int64_t mine = p->chunk_bytes;
    p->chunk_bytes = chunk;
    int n = header(p, head);
    if (!strncmp(text, head, (size_t)n)) return true;
    p->chunk_bytes = mine;
    return false;
}

/* Chunks that the journal names, read and compared.  *good: bytes of it that are in order. */
static minerva_status take_lines(mn_part *p, const char *text, size_t *good,
                                 mn_part_progress *on_check, void *ctx, minerva_error *err)
{
    uint64_t *hashes = calloc((size_t)p->n_chunks + 1, sizeof *hashes);
    uint8_t *named = calloc((size_t)p->n_chunks + 1, 1);
    const char *line = strchr(text, '\n') + 1, *end;
    minerva_status st = hashes && named ? MINERVA_OK : mn_fail_memory(err, 1);
    for (; st == MINERVA_OK && (end = strchr(line, '\n')); line = end + 1) {
        int64_t i;
        uint64_t hash;
        int n = 0;
        if (sscanf(line, "%" SCNd64 " %" SCNx64 "%n", &i, &hash, &n) != 2 || line + n != end
            || i < 0 || i >= p->n_chunks)
            break;
        hashes[i] = hash;
        named[i] = 1;
    }
    *good = (size_t)(line - text);
    for (int64_t i = 0, bytes = 0; st == MINERVA_OK && i < p->n_chunks; i++) {
        if (!named[i] || !read_chunk(p, i) || hash_chunk(p, i) != hashes[i]) continue;
        take_chunk(p, i);
        digest_chunk(p, i);
        bytes += mn_part_chunk_size(p, i);
        if (on_check && !on_check(ctx, bytes)) st = mn_fail(err, MINERVA_CANCELLED, "stopped");
    }
    free(hashes);
    free(named);
    return st;
}

/* A file whose journal ends in "whole": it may have been killed just before its renaming. */
static bool has_its_name(const mn_part *p)
{
    struct stat st;
    if (!stat(p->path, &st)) return st.st_size == p->size_bytes;
    return !stat(p->part_path, &st) && st.st_size == p->size_bytes
           && !rename(p->part_path, p->path);
}

static minerva_status take_up(mn_part *p, mn_part_progress *on_check, void *ctx,
                              minerva_error *err)
{
    char *text = NULL;
    size_t len = 0, good = 0;
    minerva_error none = { 0 };
    bool known = mn_read_file(p->journal_path, MAX_JOURNAL_BYTES, &text, &len, &none)
                     == MINERVA_OK
                 && strlen(text) == len && same_content(p, text);
    p->n_chunks = (p->size_bytes + p->chunk_bytes - 1) / p->chunk_bytes;
    p->have = calloc((size_t)p->n_chunks + 1, 1);
    p->scratch = malloc((size_t)(p->size_bytes < p->chunk_bytes ? p->size_bytes
                                                                : p->chunk_bytes) + 1);
    minerva_status status = p->have && p->scratch ? MINERVA_OK : mn_fail_memory(err, 1);
    if (status == MINERVA_OK)
        status = mn_digest_create(&p->digest, p->kind, p->size_bytes, err);
    if (status != MINERVA_OK || !known) goto done;
    if (len > 6 && !strcmp(text + len - 6, "whole\n") && has_its_name(p)) {
        p->whole = true;
    } else if ((p->fd = open(p->part_path, O_RDWR | O_CLOEXEC)) >= 0) {
        status = take_lines(p, text, &good, on_check, ctx, err);
        if (status == MINERVA_OK && truncate(p->journal_path, (off_t)good))
            status = fail_file(p->journal_path, err);
    } else {
        known = false;
    }
done:
    free(text);
    if (status != MINERVA_OK || p->whole) return status;
    p->journal = open(p->journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (p->journal < 0) return fail_file(p->journal_path, err);
    if (p->fd < 0) p->fd = open(p->part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (p->fd < 0) return fail_file(p->part_path, err);
    return known ? MINERVA_OK : mn_part_reset(p, err);
}

static char *with_ending(const char *path, const char *ending)
{
    char *s = malloc(strlen(path) + strlen(ending) + 1);
    if (s) strcat(strcpy(s, path), ending);
    return s;
}

minerva_status mn_part_open(mn_part *p, const char *path, int64_t size_bytes,
                            int64_t chunk_bytes, mn_digest_kind kind, const char *digest,
                            mn_part_progress *on_check, void *ctx, minerva_error *err)
{
    *p = (mn_part){ .fd = -1, .journal = -1, .size_bytes = size_bytes,
                    .chunk_bytes = chunk_bytes, .kind = kind };
    snprintf(p->want, sizeof p->want, "%s", digest);
    p->path = with_ending(path, "");
    p->part_path = with_ending(path, ".part");
    p->journal_path = with_ending(path, ".journal");
    minerva_status st = p->path && p->part_path && p->journal_path
                            ? take_up(p, on_check, ctx, err) : mn_fail_memory(err, 1);
    if (st != MINERVA_OK) mn_part_close(p);
    return st;
}

void mn_part_close(mn_part *p)
{
    if (p->fd >= 0) close(p->fd);
    if (p->journal >= 0) close(p->journal);
    mn_digest_free(p->digest);
    free(p->path);
    free(p->part_path);
    free(p->journal_path);
    free(p->have);
    free(p->scratch);
    *p = (mn_part){ .fd = -1, .journal = -1 };
}

/* ---- bytes ------------------------------------------------------------------------- */

minerva_status mn_part_write(mn_part *p, int64_t offset, const void *bytes, size_t n,
                             minerva_error *err)
{
    if (write_all(p->fd, bytes, n, offset)) return MINERVA_OK;
    return fail_file(p->part_path, err);
}

minerva_status mn_part_chunk_done(mn_part *p, int64_t i, minerva_error *err)
{
    char line[64];
    if (p->have[i]) return MINERVA_OK;
    if (!read_chunk(p, i)) return fail_file(p->part_path, err);
    int n = snprintf(line, sizeof line, "%" PRId64 " %016" PRIx64 "\n", i, hash_chunk(p, i));
    if (!write_all(p->journal, line, (size_t)n, -1)) return fail_file(p->journal_path, err);
    take_chunk(p, i);
    digest_chunk(p, i);
    return MINERVA_OK;
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

minerva_status mn_part_arrive(mn_part *p, mn_part_progress *on_check, void *ctx,
                              minerva_error *err)
{
    char found[MN_DIGEST_HEX];
    for (int64_t i = p->n_digested; i < p->n_chunks; i++) {
        if (!read_chunk(p, i)) return fail_file(p->part_path, err);
        digest_chunk(p, i);
        if (on_check && !on_check(ctx, i * p->chunk_bytes))
            return mn_fail(err, MINERVA_CANCELLED, "stopped");
    }
    mn_digest_finish(p->digest, found);
    if (strcmp(found, p->want))
        return mn_fail(err, MINERVA_INVALID, "%s: content %s expected, %s arrived", p->path,
                       p->want, found);
    if (fsync(p->fd)) return fail_file(p->part_path, err);
    if (!write_all(p->journal, "whole\n", 6, -1)) return fail_file(p->journal_path, err);
    if (rename(p->part_path, p->path)) return fail_file(p->path, err);
    sync_folder(p->path);
    p->whole = true;
    return MINERVA_OK;
}

int64_t mn_part_on_disk(const char *path)
{
    struct stat st;
    char part[PATH_MAX];
    if (!stat(path, &st)) return (int64_t)st.st_blocks * 512;
    snprintf(part, sizeof part, "%s.part", path);
    return stat(part, &st) ? 0 : (int64_t)st.st_blocks * 512;
}
