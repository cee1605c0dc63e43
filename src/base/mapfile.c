/* Mapped files; see mapfile.h. */
#include "base/mapfile.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t nothing[1];

/* An open descriptor on a regular file and its size. */
static minerva_status open_regular(const char *path, int *fd, size_t *size, minerva_error *err)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return mn_fail(err, errno == ENOENT ? MINERVA_NOT_FOUND : MINERVA_IO, "%s: %s", path,
                       strerror(errno));
    minerva_status status = MINERVA_OK;
    if (fstat(*fd, &st))
        status = mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = mn_fail(err, MINERVA_INVALID, "%s: a file expected, %s found", path,
                         S_ISDIR(st.st_mode) ? "a directory" : "something else");
    else
        *size = (size_t)st.st_size;
    if (status != MINERVA_OK) close(*fd);
    return status;
}

minerva_status mn_mapfile_open(mn_mapfile *out, const char *path, minerva_error *err)
{
    *out = (mn_mapfile){ 0 };
    int fd;
    size_t size;
    minerva_status status = open_regular(path, &fd, &size, err);
    if (status != MINERVA_OK) return status;
    void *data = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : (void *)nothing;
    int map_errno = errno;
    close(fd);
    if (data == MAP_FAILED)
        return mn_fail(err, MINERVA_IO, "%s: cannot be mapped: %s", path, strerror(map_errno));
    *out = (mn_mapfile){ .data = data, .size_bytes = size };
    return MINERVA_OK;
}

void mn_mapfile_close(mn_mapfile *f)
{
    if (f->data && f->size_bytes) munmap((void *)f->data, f->size_bytes);
    *f = (mn_mapfile){ 0 };
}

void mn_mapfile_will_need(const mn_mapfile *f, size_t offset, size_t size)
{
    if (offset >= f->size_bytes) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), start = offset / page * page;
    if (size > f->size_bytes - offset) size = f->size_bytes - offset;
    madvise((void *)(f->data + start), size + (offset - start), MADV_WILLNEED);
}

minerva_status mn_read_file(const char *path, size_t limit, char **out, size_t *len,
                            minerva_error *err)
{
    int fd;
    size_t size, have = 0;
    *out = NULL;
    minerva_status status = open_regular(path, &fd, &size, err);
    if (status != MINERVA_OK) return status;
    char *data = NULL;
    if (size > limit) {
        status = mn_fail(err, MINERVA_LIMIT, "%s: at most %zu bytes expected, %zu found", path,
                         limit, size);
        goto done;
    }
    data = malloc(size + 1);
    if (!data) {
        status = mn_fail_memory(err, size + 1);
        goto done;
    }
    while (have < size) {
        ssize_t n = read(fd, data + have, size - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
            goto done;
        }
        if (n == 0) break;
        have += (size_t)n;
    }
    data[have] = 0;
    *out = data;
    *len = have;
    data = NULL;
done:
    free(data);
    close(fd);
    return status;
}
