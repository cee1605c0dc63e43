/* Folders and small JSON files of the state folder. */
#include "base/mapfile.h"
#include "base/status.h"
#include "format/json_text.h"
#include "hub/hub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STATE_BYTES = 64 << 20, MAX_DEPTH = 32 };

minerva_status mn_make_folders(const char *path, minerva_error *err)
{
    char p[PATH_MAX];
    if ((size_t)snprintf(p, sizeof p, "%s", path) >= sizeof p)
        return mn_fail(err, MINERVA_INVALID, "%.200s...: the path is too long", path);
    for (char *slash = p + 1;; slash++) {
        slash += strcspn(slash, "/");
        char c = *slash;
        *slash = 0;
        if (mkdir(p, 0777) && errno != EEXIST)
            return mn_fail(err, MINERVA_IO, "%s: %s", p, strerror(errno));
        if (!c) return MINERVA_OK;
        *slash = c;
    }
}

static int64_t remove_at(int folder, const char *name, int depth)
{
    struct stat st;
    int64_t bytes = 0;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) return 0;
    if (!S_ISDIR(st.st_mode))
        return unlinkat(folder, name, 0) ? 0 : S_ISREG(st.st_mode) ? st.st_size : 0;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 && depth < MAX_DEPTH ? fdopendir(fd) : NULL;
    if (!d && fd >= 0) close(fd);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            bytes += remove_at(fd, e->d_name, depth + 1);
    if (d) closedir(d);
    unlinkat(folder, name, AT_REMOVEDIR);
    return bytes;
}

int64_t mn_remove_tree(const char *path) { return remove_at(AT_FDCWD, path, 0); }

minerva_status mn_write_json(const char *path, const json_t *value, minerva_error *err)
{
    char temp[PATH_MAX];
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (!text) return mn_fail_memory(err, 1);
    size_t n = strlen(text);
    text[n] = '\n';             /* in place of the 0 byte */
    snprintf(temp, sizeof temp, "%.4000s.%d.tmp", path, (int)getpid());
    FILE *f = fopen(temp, "we");
    bool good = f && fwrite(text, 1, n + 1, f) == n + 1 && !fflush(f) && !fsync(fileno(f));
    if (f && fclose(f)) good = false;
    free(text);
    if (good && !rename(temp, path)) return MINERVA_OK;
    int why = errno;
    unlink(temp);
    return mn_fail(err, why == ENOSPC ? MINERVA_FULL : MINERVA_IO, "%s: %s", path,
                   strerror(why));
}

json_t *mn_read_json(const char *path)
{
    char *text;
    size_t len;
    json_t *value = NULL;
    if (mn_read_file(path, MAX_STATE_BYTES, &text, &len, NULL) != MINERVA_OK) return NULL;
    if (mn_json_parse(&value, text, len, path, NULL) != MINERVA_OK) value = NULL;
    free(text);
    return value;
}
