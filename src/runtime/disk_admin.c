/* Listing and clearing the disk tier's directories from outside; the layout is disk_tier.h's.
 *
 * Files of a running process may be removed under it: it takes them for misses. */
#include "base/mapfile.h"
#include "base/status.h"
#include "runtime/disk_segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096, MAX_INFO = 1 << 16 };

typedef struct {
    char id[17], path[PATH - 256];
    json_t *info;               /* {"name", "path"}; NULL: not readable */
    int64_t n_files, tokens, bytes, last_used;
    bool in_use;
} model_dir;

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && !strcmp(s + n - m, end);
}

static bool is_id(const char *name) { return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16; }

/* Positions that a file adds: to - from. */
static int64_t tokens_of(int fd, size_t size)
{
    uint64_t head[MN_SEGMENT_HEAD / 8];
    mn_segment s;
    size_t need = 0;
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head) return 0;
    if (mn_segment_parse_head(head, sizeof head, size, &s, &need, NULL) != MINERVA_FULL) return 0;
    int32_t range[2];
    memcpy(range, (const char *)head + MN_SEGMENT_RANGE_AT, sizeof range);
    return range[1] - range[0];
}

static void add_file(model_dir *m, const char *name)
{
    char path[PATH];
    struct stat st;
    snprintf(path, sizeof path, "%s/%.100s", m->path, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        m->n_files++;
        m->bytes += st.st_size;
        m->tokens += tokens_of(fd, (size_t)st.st_size);
        if (st.st_mtim.tv_sec > m->last_used) m->last_used = st.st_mtim.tv_sec;
    }
    if (fd >= 0) close(fd);
}

static bool is_locked(const model_dir *m)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/lock", m->path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return locked;
}

static void look_at(model_dir *m)
{
    char path[PATH], *text;
    size_t len;
    snprintf(path, sizeof path, "%s/info.json", m->path);
    if (mn_read_file(path, MAX_INFO, &text, &len, NULL) == MINERVA_OK) {
        m->info = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        free(text);
    }
    DIR *d = opendir(m->path);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (ends_with(e->d_name, ".prefix")) add_file(m, e->d_name);
    if (d) closedir(d);
    m->in_use = is_locked(m);
}

static const char *info_of(const model_dir *m, const char *key)
{
    const char *s = json_string_value(json_object_get(m->info, key));
    return s ? s : "";
}

/* Calls fn for every model's directory; it may remove it.  A missing directory is empty. */
static minerva_status each_model(const char *dir, void (*fn)(void *, model_dir *), void *ctx,
                                 minerva_error *err)
{
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT) return MINERVA_OK;
    if (!d) return mn_fail(err, MINERVA_IO, "%s: %s", dir, strerror(errno));
    for (const struct dirent *e; (e = readdir(d));) {
        model_dir m = { 0 };
        if (!is_id(e->d_name)) continue;
        memcpy(m.id, e->d_name, sizeof m.id);
        if (snprintf(m.path, sizeof m.path, "%s/%s", dir, m.id) >= (int)sizeof m.path) continue;
        look_at(&m);
        fn(ctx, &m);
        json_decref(m.info);
    }
    closedir(d);
    return MINERVA_OK;
}

static void list_one(void *ctx, model_dir *m)
{
    json_array_append_new(ctx, json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "model", info_of(m, "name"), "path",
        info_of(m, "path"), "id", m->id, "files", (json_int_t)m->n_files, "tokens",
        (json_int_t)m->tokens, "bytes", (json_int_t)m->bytes, "last_used",
        (json_int_t)m->last_used, "in_use", (int)m->in_use));
}

minerva_status minerva_cache_list(const char *cache_dir, char **json, minerva_error *err)
{
    json_t *list = json_array();
    minerva_status st = list ? each_model(cache_dir, list_one, list, err) : mn_fail_memory(err, 1);
    if (st == MINERVA_OK && !(*json = json_dumps(list, JSON_INDENT(2)))) st = mn_fail_memory(err, 1);
    json_decref(list);
    return st;
}

typedef struct {
    const char *model;
    size_t bytes;
    int n;
} clearing;

static bool is_named(const model_dir *m, const char *name)
{
    const char *full = info_of(m, "name");
    size_t n = strlen(name);
    return !strcmp(m->id, name) || !strcmp(full, name) || !strcmp(info_of(m, "path"), name)
           || (!strncmp(full, name, n) && !strcmp(full + n, ".gguf"));
}

static void clear_one(void *ctx, model_dir *m)
{
    clearing *c = ctx;
    char path[PATH];
    if (c->model && !is_named(m, c->model)) return;
    c->n++;
    DIR *d = opendir(m->path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        bool ours = ends_with(e->d_name, ".prefix") || (!m->in_use && ends_with(e->d_name, ".tmp"))
                    || (!m->in_use && !strcmp(e->d_name, "info.json"))
                    || (!m->in_use && !strcmp(e->d_name, "lock"));
        if (!ours) continue;
        snprintf(path, sizeof path, "%s/%.100s", m->path, e->d_name);
        size_t size = lstat(path, &st) == 0 ? (size_t)st.st_size : 0;
        if (unlink(path) == 0) c->bytes += size;
    }
    if (d) closedir(d);
    if (!m->in_use) rmdir(m->path);
}

minerva_status minerva_cache_clear(const char *cache_dir, const char *model,
                                   size_t *removed_bytes, minerva_error *err)
{
    clearing c = { .model = model };
    minerva_status st = each_model(cache_dir, clear_one, &c, err);
    if (removed_bytes) *removed_bytes = c.bytes;
    if (st == MINERVA_OK && model && !c.n)
        return mn_fail(err, MINERVA_NOT_FOUND, "%s: nothing is cached of a model of that name",
                       model);
    return st;
}
