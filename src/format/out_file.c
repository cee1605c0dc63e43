/* Files written as NAME.part and renamed at the end; see out_file.h. */
#include "format/out_file.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

minerva_status mn_out_file_open(mn_out_file *o, const char *path, minerva_error *err)
{
    size_t n = strlen(path);
    *o = (mn_out_file){ .path = strdup(path), .part = malloc(n + 6) };
    if (!o->path || !o->part) {
        mn_out_file_clear(o);
        return mn_fail_memory(err, n);
    }
    memcpy(o->part, path, n);
    memcpy(o->part + n, ".part", 6);
    o->f = fopen(o->part, "wbe");
    if (!o->f) {
        minerva_status status = mn_fail(err, MINERVA_IO, "%s: cannot be written: %s",
                                        o->part, strerror(errno));
        mn_out_file_clear(o);
        return status;
    }
    setvbuf(o->f, NULL, _IOFBF, BUFFER_BYTES);
    return MINERVA_OK;
}

void mn_out_file_write(mn_out_file *o, const void *bytes, size_t n)
{
    if (!n || o->failed) return;
    if (fwrite(bytes, 1, n, o->f) != n) o->failed = errno ? errno : EIO;
    o->written += n;
}

void mn_out_file_pad(mn_out_file *o, uint64_t alignment)
{
    static const char zeros[64];
    uint64_t n = -o->written & (alignment - 1);
    while (n) {
        size_t step = n < sizeof zeros ? (size_t)n : sizeof zeros;
        mn_out_file_write(o, zeros, step);
        n -= step;
    }
}

minerva_status mn_out_file_finish(mn_out_file *o, minerva_error *err)
{
    if (!o->failed && fflush(o->f)) o->failed = errno;
    if (!o->failed && fsync(fileno(o->f)) && errno != EINVAL) o->failed = errno;
    if (fclose(o->f) && !o->failed) o->failed = errno;
    o->f = NULL;
    if (!o->failed && rename(o->part, o->path)) o->failed = errno;
    minerva_status status = MINERVA_OK;
    if (o->failed) {
        status = mn_fail(err, o->failed == ENOSPC ? MINERVA_FULL : MINERVA_IO,
                         "%s: cannot be written: %s", o->path, strerror(o->failed));
        unlink(o->part);
    }
    mn_out_file_clear(o);
    return status;
}

void mn_out_file_clear(mn_out_file *o)
{
    if (o->f) {
        fclose(o->f);
        unlink(o->part);
    }
    free(o->path);
    free(o->part);
    *o = (mn_out_file){ 0 };
}
