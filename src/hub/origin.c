/* Records of origin; see origin.h. */
#include "hub/origin.h"
#include "base/status.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void record_path(char out[PATH_MAX], const char *folder)
{
    snprintf(out, PATH_MAX, "%.4000s/" MN_ORIGIN_FILE, folder);
}

json_t *mn_origin_read(const char *folder)
{
    char path[PATH_MAX];
    record_path(path, folder);
    json_t *o = mn_read_json(path);
    if (json_is_object(o) && json_is_object(json_object_get(o, "files"))) return o;
    json_decref(o);
    return NULL;
}

minerva_status mn_origin_note(const char *folder, const mn_repo *r, const char *endpoint,
                              const mn_repo_file *const *files, int64_t n_files,
                              minerva_error *err)
{
    char path[PATH_MAX];
    json_t *old = mn_origin_read(folder);
    json_t *list = old ? json_incref(json_object_get(old, "files")) : json_object();
    for (int64_t i = 0; i < n_files; i++)
        json_object_set_new(list, files[i]->path, json_pack("{s:I, s:s}", "size",
                            (json_int_t)files[i]->size_bytes, "digest", files[i]->digest));
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", r->id, "commit", r->commit,
                          "license", r->license, "endpoint", endpoint, "files", list);
    record_path(path, folder);
    minerva_status st = o ? mn_write_json(path, o, err) : mn_fail_memory(err, 1);
    json_decref(o);
    json_decref(old);
    return st;
}

bool mn_origin_has(const json_t *origin, const char *folder, const mn_repo_file *f)
{
    char path[PATH_MAX];
    struct stat st;
    const json_t *e = json_object_get(json_object_get(origin, "files"), f->path);
    const char *digest = json_string_value(json_object_get(e, "digest"));
    if (!digest || strcmp(digest, f->digest)) return false;
    snprintf(path, sizeof path, "%.2000s/%.2000s", folder, f->path);
    return !stat(path, &st) && st.st_size == f->size_bytes;
}

void mn_origin_forget(const char *folder, const char *file)
{
    char path[PATH_MAX];
    json_t *o = mn_origin_read(folder), *files = json_object_get(o, "files");
    if (!o) return;
    json_object_del(files, file);
    record_path(path, folder);
    if (json_object_size(files)) mn_write_json(path, o, NULL);
    else unlink(path);
    json_decref(o);
}
