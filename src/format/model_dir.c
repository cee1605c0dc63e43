/* A HuggingFace or MLX directory: JSON files beside safetensors shards; see model_dir.h.
 *
 * Which files are the weights: all that are named model*.safetensors, as mlx-lm takes
 * them; if there is none, every *.safetensors (adapters, single exports).  That leaves
 * out the second copy in another layout that some repositories hold
 * (consolidated.safetensors).
 *
 * What is missing is noticed twice: a shard whose own name counts (model-00002-of-00003)
 * must have its siblings, and every tensor that the index lists must be in some shard.
 * An index that names files of an earlier sharding does no harm as long as that holds.
 */
#include "base/arena.h"
#include "base/mapfile.h"
#include "base/status.h"
#include "format/json_text.h"
#include "format/model_dir.h"
#include "format/quoted.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JSON_BYTES = 256 << 20, MAX_SHARDS = 100000 };

typedef struct cached {
    struct cached *next;
    const char *name;
    json_t *json;               /* NULL: the file is not there */
} cached;

struct mn_model_dir {
    mn_arena arena;
    const char *path;
    json_t *config;
    cached *files;
    mn_safetensors *weights;
};

static char *join(mn_arena *arena, const char *dir, const char *name)
{
    size_t n = strlen(dir), m = strlen(name);
    char *path = mn_arena_alloc(arena, n + m + 2);
    if (!path) return NULL;
    memcpy(path, dir, n);
    path[n] = '/';
    memcpy(path + n + 1, name, m + 1);
    return path;
}

/* ---- JSON and text files ---------------------------------------------------------- */

minerva_status mn_model_dir_text(const mn_model_dir *d, const char *file_name,
                                 size_t limit, char **out, size_t *len,
                                 minerva_error *err)
{
    char path[PATH_MAX];
    *out = NULL;
    int n = snprintf(path, sizeof path, "%s/%s", d->path, file_name);
    if (n < 0 || (size_t)n >= sizeof path)
        return mn_fail(err, MINERVA_INVALID, "%s: the path is too long", d->path);
    return mn_read_file(path, limit, out, len, err);
}

/* *out NULL: the file is not there. */
static minerva_status load_json(const mn_model_dir *d, const char *file_name,
                                json_t **out, minerva_error *err)
{
    char *text;
    size_t len;
    minerva_error own = { 0 };
    *out = NULL;
    minerva_status status =
        mn_model_dir_text(d, file_name, MAX_JSON_BYTES, &text, &len, &own);
    if (status == MINERVA_NOT_FOUND) return MINERVA_OK;
    if (status == MINERVA_OK) {
        status = mn_json_parse(out, text, len, file_name, &own);
        free(text);
    }
    if (status != MINERVA_OK)
        return mn_fail_at(err, status, own.offset, "%s: %s", d->path, own.message);
    return MINERVA_OK;
}

const json_t *mn_model_dir_json(mn_model_dir *d, const char *file_name,
                                minerva_error *err)
{
    for (const cached *c = d->files; c; c = c->next)
        if (!strcmp(c->name, file_name)) return c->json;
    json_t *json;
    if (load_json(d, file_name, &json, err) != MINERVA_OK) return NULL;
    cached *c = mn_arena_alloc(&d->arena, sizeof *c);
    if (c) c->name = mn_arena_strdup(&d->arena, file_name);
    if (!c || !c->name) {
        json_decref(json);
        mn_fail_memory(err, sizeof *c);
        return NULL;
    }
    c->json = json;
    c->next = d->files;
    d->files = c;
    return json;
}

/* ---- shards ----------------------------------------------------------------------- */

typedef struct {
    const char **names;         /* in the arena */
    size_t n, capacity;
} name_list;

static bool list_add(name_list *list, const char *name)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        const char **grown = realloc(list->names, capacity * sizeof *grown);
        if (!grown) return false;
        list->names = grown;
        list->capacity = capacity;
    }
    list->names[list->n++] = name;
    return true;
}

static bool list_has(const name_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->names[i], name)) return true;
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && !strcmp(s + n - m, end);
}

/* The weight files in the directory, sorted. */
static minerva_status list_shards(mn_model_dir *d, name_list *list, minerva_error *err)
{
    DIR *dir = opendir(d->path);
    if (!dir) return mn_fail(err, MINERVA_IO, "%s: %s", d->path, strerror(errno));
    minerva_status status = MINERVA_OK;
    bool any_model = false;
    for (struct dirent *e; (e = readdir(dir)) && status == MINERVA_OK;) {
        bool model = !strncmp(e->d_name, "model", 5);
        if (e->d_name[0] == '.' || !ends_with(e->d_name, ".safetensors")) continue;
        if (any_model && !model) continue;
        if (model && !any_model) list->n = 0;
        any_model |= model;
        const char *name = mn_arena_strdup(&d->arena, e->d_name);
        if (!name || !list_add(list, name))
            status = mn_fail_memory(err, strlen(e->d_name));
        if (list->n > MAX_SHARDS)
            status = mn_fail(err, MINERVA_LIMIT, "%s: at most %d shards expected",
                             d->path, MAX_SHARDS);
    }
    closedir(dir);
    if (list->n) qsort(list->names, list->n, sizeof *list->names, compare_names);
    return status;
}

/* PREFIX-00002-of-00003.safetensors: each of the three is there. */
static minerva_status check_siblings(const mn_model_dir *d, const name_list *list,
                                     minerva_error *err)
{
    static const char end[] = "-#####-of-#####.safetensors";
    enum { LEN = sizeof end - 1 };
    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->names[i];
        size_t len = strlen(name);
        bool counted = len > LEN && len < NAME_MAX;
        for (size_t k = 0; counted && k < LEN; k++) {
            char c = name[len - LEN + k];
            counted = end[k] == '#' ? c >= '0' && c <= '9' : c == end[k];
        }
        if (!counted) continue;
        char sibling[NAME_MAX + 32];
        int no = atoi(name + len - LEN + 1), count = atoi(name + len - LEN + 10);
        memcpy(sibling, name, len + 1);
        /* The list is sorted, so it is enough that the one before this is there, and the
         * one after. */
        for (int other = no - 1; other <= no + 1; other += 2) {
            if (other < 1 || other > count) continue;
            snprintf(sibling + len - LEN, sizeof sibling - (len - LEN),
                     "-%05d-of-%05d.safetensors", other, count);
            bool there = (i > 0 && !strcmp(list->names[i - 1], sibling))
                         || (i + 1 < list->n && !strcmp(list->names[i + 1], sibling))
                         || list_has(list, sibling);
            if (!there)
                return mn_fail(err, MINERVA_NOT_FOUND,
                               "%s: %s is there, but not %s (is the download complete?)",
                               d->path, mn_quoted_name(name).text,
                               mn_quoted_name(sibling).text);
        }
    }
    return MINERVA_OK;
}

/* Every tensor of the index is in some shard. */
static minerva_status check_index(const mn_model_dir *d, const name_list *list,
                                  minerva_error *err)
{
    json_t *index, *shard;
    const char *tensor;
    minerva_status status = load_json(d, "model.safetensors.index.json", &index, err);
    if (status != MINERVA_OK || !index) return status;
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map))
        status = mn_fail(err, MINERVA_INVALID,
                         "%s: model.safetensors.index.json: an object "
                         "\"weight_map\" expected, none found",
                         d->path);
    json_object_foreach(map, tensor, shard) {
        if (mn_safetensors_find(d->weights, tensor)) continue;
        const char *file = json_is_string(shard) ? json_string_value(shard) : "?";
        status = mn_fail(err, MINERVA_NOT_FOUND,
                         "%s: the index names tensor %s in %s, which %s", d->path,
                         mn_quoted_name(tensor).text, mn_quoted_name(file).text,
                         list_has(list, file) ? "does not hold it" : "is not there");
        break;
    }
    json_decref(index);
    return status;
}

static minerva_status open_weights(mn_model_dir *d, minerva_error *err)
{
    name_list list = { 0 };
    const char **paths = NULL;
    minerva_status status = list_shards(d, &list, err);
    if (status != MINERVA_OK) goto done;
    if (!list.n) {
        status = mn_fail(err, MINERVA_NOT_FOUND,
                         "%s: weights in *.safetensors expected, none "
                         "found",
                         d->path);
        goto done;
    }
    if ((status = check_siblings(d, &list, err))) goto done;
    paths = calloc(list.n, sizeof *paths);
    for (size_t i = 0; paths && i < list.n; i++) {
        paths[i] = join(&d->arena, d->path, list.names[i]);
        if (!paths[i]) status = MINERVA_MEMORY;
    }
    if (!paths || status != MINERVA_OK) {
        status = mn_fail_memory(err, list.n * sizeof *paths);
        goto done;
    }
    if ((status = mn_safetensors_open(&d->weights, paths, (int)list.n, err))) goto done;
    status = check_index(d, &list, err);
done:
    free(paths);
    free(list.names);
    return status;
}

/* ---- the directory ---------------------------------------------------------------- */

minerva_status mn_model_dir_open(mn_model_dir **out, const char *path, bool weights,
                                 minerva_error *err)
{
    mn_model_dir *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return mn_fail_memory(err, sizeof *d);
    minerva_status status = MINERVA_OK;
    d->path = mn_arena_strdup(&d->arena, path);
    if (!d->path) status = mn_fail_memory(err, strlen(path));
    if (status == MINERVA_OK) status = load_json(d, "config.json", &d->config, err);
    if (d->config && !json_is_object(d->config))
        status =
            mn_fail(err, MINERVA_INVALID, "%s: config.json: an object expected", path);
    if (status == MINERVA_OK && weights) status = open_weights(d, err);
    if (status != MINERVA_OK) {
        mn_model_dir_close(d);
        return status;
    }
    *out = d;
    return MINERVA_OK;
}

void mn_model_dir_close(mn_model_dir *d)
{
    if (!d) return;
    mn_safetensors_close(d->weights);
    json_decref(d->config);
    for (const cached *c = d->files; c; c = c->next) json_decref(c->json);
    mn_arena_clear(&d->arena);
    free(d);
}

const char *mn_model_dir_path(const mn_model_dir *d) { return d->path; }
const json_t *mn_model_dir_config(const mn_model_dir *d) { return d->config; }
const mn_safetensors *mn_model_dir_weights(const mn_model_dir *d) { return d->weights; }
