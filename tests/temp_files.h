/* A directory for files that a test makes; temp_clear() removes it and what is in it. */
#ifndef TESTS_TEMP_FILES_H
#define TESTS_TEMP_FILES_H

#include "tests/check.h"

#include <ftw.h>
#include <sys/stat.h>

typedef struct {
    char path[200];
} temp_dir;

static inline temp_dir temp_make(void)
{
    temp_dir t = { "/tmp/minerva-test-XXXXXX" };
    assert_non_null(mkdtemp(t.path));
    return t;
}

static inline const char *temp_path(const temp_dir *t, const char *name)
{
    return test_path(t->path, name);
}

/* `name` may lie in directories, which are made. */
static inline void temp_write(const temp_dir *t, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", t->path, name);
    for (char *slash = path + strlen(t->path) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (n) assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void temp_write_text(const temp_dir *t, const char *name, const char *text)
{
    temp_write(t, name, text, strlen(text));
}

static inline int temp_remove_one(const char *path, const struct stat *st, int kind,
                                  struct FTW *ftw)
{
    return remove(path);
}

static inline void temp_clear(const temp_dir *t)
{
    nftw(t->path, temp_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
