/* Aliases, pins and last use: home/catalogue.json; see catalogue.h. */
#include "base/status.h"
#include "hub/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static void marks_path(const minerva_hub *h, char out[PATH_MAX], const char *ending)
{
    snprintf(out, PATH_MAX, "%.4000s/catalogue.json%s", h->home, ending);
}

json_t *mn_marks_read(const minerva_hub *h)
{
    static const char *const parts[] = { "aliases", "pins", "last_used" };
    char path[PATH_MAX];
    marks_path(h, path, "");
    json_t *marks = mn_read_json(path);
    if (!json_is_object(marks)) {
        json_decref(marks);
        marks = json_object();
    }
    for (int i = 0; i < 3; i++)
        if (!json_is_object(json_object_get(marks, parts[i])))
            json_object_set_new(marks, parts[i], json_object());
    return marks;
}

minerva_status mn_marks_change(const minerva_hub *h, bool (*change)(json_t *marks, void *ctx),
                               void *ctx, minerva_error *err)
{
    char path[PATH_MAX];
    minerva_status st = mn_make_folders(h->home, err);
    if (st != MINERVA_OK) return st;
    marks_path(h, path, ".lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0 || flock(lock, LOCK_EX)) {
        st = mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
        if (lock >= 0) close(lock);
        return st;
    }
    json_t *marks = mn_marks_read(h);
    marks_path(h, path, "");
    if (change(marks, ctx)) st = mn_write_json(path, marks, err);
    json_decref(marks);
    close(lock);
    return st;
}

static bool note_use(json_t *marks, void *ctx)
{
    json_t *used = json_object_get(marks, "last_used"), *when;
    const char *path;
    void *next;
    json_object_foreach_safe(used, next, path, when) {
        if (access(path, F_OK)) json_object_del(used, path);
    }
    return !json_object_set_new(used, ctx, json_integer((json_int_t)time(NULL)));
}

void minerva_hub_touch(minerva_hub *h, const char *path)
{
    char real[PATH_MAX];
    if (access(h->home, W_OK) || !realpath(path, real)) return;
    mn_marks_change(h, note_use, real, NULL);
}
