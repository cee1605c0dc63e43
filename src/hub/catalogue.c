/* Questions to the catalogue: the list, finding by name, removing, aliases, pins.
 *
 * How a name is understood, in this order: an alias; a full name; then by parts (letters'
 * case aside): the name without its quantisation, its last word with or without it, the
 * file's name.  Places are asked in their order, ours first; the first that has a match
 * answers, and several matches there are an error that names them.
 */
#include "base/buffer.h"
#include "base/status.h"
#include "format/quoted.h"
#include "hub/catalogue.h"
#include "hub/origin.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *after_slash(const char *s)
{
    const char *slash = strrchr(s, '/');
    return slash ? slash + 1 : s;
}

/* ---- the list ---------------------------------------------------------------------- */

static json_t *describe(const mn_entry *e, const json_t *marks)
{
    const json_t *aliases = json_object_get(marks, "aliases");
    json_t *mine = json_array();
    const char *alias;
    json_t *name;
    char real[PATH_MAX];
    json_object_foreach((json_t *)aliases, alias, name) {
        if (json_is_string(name) && !strcmp(json_string_value(name), e->name))
            json_array_append_new(mine, json_string(alias));
    }
    const json_t *used = realpath(e->path, real)
                             ? json_object_get(json_object_get(marks, "last_used"), real) : NULL;
    json_t *path = json_string(e->path), *text = json_string(e->name);
    return json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:s, s:s, s:s}",
        "name", text ? text : json_string("?"), "path", path ? path : json_string("?"), "place",
        e->place, "format", e->directory ? "safetensors" : "gguf", "label",
        mn_quoted_name(e->label).text, "size_bytes", (json_int_t)e->size_bytes, "own", e->own,
        "pinned", json_is_true(json_object_get(json_object_get(marks, "pins"), e->name)),
        "aliases", mine, "last_used",
        json_is_integer(used) ? json_integer(json_integer_value(used)) : json_null(), "id",
        mn_quoted_name(e->id).text, "commit", mn_quoted_name(e->commit).text, "license",
        mn_quoted_name(e->license).text);
}

minerva_status minerva_hub_list(minerva_hub *h, char **json, minerva_error *err)
{
    mn_catalogue c;
    minerva_status st = mn_catalogue_fill(&c, h, err);
    if (st == MINERVA_OK) {
        json_t *marks = mn_marks_read(h), *list = json_array();
        for (int64_t i = 0; i < c.n; i++)
            json_array_append_new(list, describe(&c.entries[i], marks));
        json_decref(marks);
        st = mn_json_text(list, json, err);
    }
    mn_catalogue_clear(&c);
    return st;
}

/* ---- finding ----------------------------------------------------------------------- */

/* Is `wanted` the first n letters of `s`, all of them? */
static bool is_text(const char *s, size_t n, const char *wanted)
{
    return strlen(wanted) == n && !strncasecmp(s, wanted, n);
}

static bool matches_in_part(const mn_entry *e, const char *wanted)
{
    const char *last = after_slash(e->name), *file = after_slash(e->path);
    size_t file_len = strlen(file), to_colon = strcspn(e->name, ":");
    if (last > e->name + to_colon) last = e->name;
    return is_text(e->name, to_colon, wanted) || is_text(last, strlen(last), wanted)
           || is_text(last, strcspn(last, ":"), wanted) || is_text(file, file_len, wanted)
           || (file_len > 5 && mn_ends_with(file, ".gguf") && is_text(file, file_len - 5, wanted));
}

static minerva_status several(const mn_catalogue *c, int order, const char *wanted,
                              minerva_error *err)
{
    mn_buffer b = { .limit_bytes = 350 };
    for (int64_t i = 0; i < c->n; i++)
        if (c->entries[i].order == order && matches_in_part(&c->entries[i], wanted))
            mn_buffer_append_fmt(&b, "%s%s", b.len ? ", " : "", c->entries[i].name);
    minerva_status st = mn_fail(err, MINERVA_INVALID, "%s: several models are called so: %s",
                                mn_quoted_name(wanted).text, b.data ? b.data : "");
    mn_buffer_clear(&b);
    return st;
}

static minerva_status find(const mn_catalogue *c, const minerva_hub *h, const char *wanted,
                           const mn_entry **out, minerva_error *err)
{
    json_t *marks = mn_marks_read(h);
    const char *alias = json_string_value(json_object_get(json_object_get(marks, "aliases"),
                                                          wanted));
    const mn_entry *found = NULL;
    const char *name = alias ? alias : wanted;
    bool many = false;
    for (int64_t i = 0; i < c->n && !found; i++)
        if (!strcasecmp(c->entries[i].name, name)) found = &c->entries[i];
    for (int64_t i = 0; i < c->n && (!found || found->order == c->entries[i].order); i++) {
        if (found && !strcasecmp(found->name, name)) break;
        if (!matches_in_part(&c->entries[i], name)) continue;
        many |= found != NULL;
        if (!found) found = &c->entries[i];
    }
    minerva_status st = MINERVA_OK;
    if (many) st = several(c, found->order, name, err);
    else if (!found && alias)
        st = mn_fail(err, MINERVA_NOT_FOUND, "%s is another name of %s, which is not here",
                     mn_quoted_name(wanted).text, mn_quoted_name(alias).text);
    else if (!found)
        st = mn_fail(err, MINERVA_NOT_FOUND, "%s: no such model here",
                     mn_quoted_name(wanted).text);
    json_decref(marks);
    *out = found;
    return st;
}

minerva_status minerva_hub_find(minerva_hub *h, const char *wanted, char **path, char **name,
                                minerva_error *err)
{
    mn_catalogue c;
    const mn_entry *e;
    minerva_status st = mn_catalogue_fill(&c, h, err);
    if (st == MINERVA_OK) st = find(&c, h, wanted, &e, err);
    if (st == MINERVA_OK) {
        *path = strdup(e->path);
        if (name) *name = strdup(e->name);
        if (!*path) st = mn_fail_memory(err, 1);
    }
    mn_catalogue_clear(&c);
    return st;
}

/* ---- removing ---------------------------------------------------------------------- */

/* Does the file lie in our folder, links resolved? */
static bool lies_with_us(const minerva_hub *h, const mn_entry *e)
{
    char ours[PATH_MAX], folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.4000s", e->path);
    *strrchr(folder, '/') = 0;
    char real[PATH_MAX];
    if (!realpath(h->models, ours) || !realpath(folder, real)) return false;
    size_t n = strlen(ours);
    return !strncmp(real, ours, n) && (real[n] == 0 || real[n] == '/');
}

static void forget_file(const mn_entry *e, const char *path)
{
    size_t n = e->folder ? strlen(e->folder) : 0;
    if (n && !strncmp(path, e->folder, n) && path[n] == '/')
        mn_origin_forget(e->folder, path + n + 1);
}

static int64_t remove_file(const mn_entry *e, const char *folder, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.2000s/%.2000s", folder, name);
    int64_t bytes = mn_remove_tree(path);
    forget_file(e, path);
    return bytes;
}

/* All parts of a GGUF model, and the projector with the folder's last model. */
static int64_t remove_gguf(const mn_entry *e, const char *folder, const char *file)
{
    size_t stem, other;
    int part, n_parts, n_left = 0;
    int64_t bytes = 0;
    mn_split_name(file, &stem, &part, &n_parts);
    for (int round = 0; round < 2; round++) {
        DIR *d = opendir(folder);
        for (struct dirent *x; d && (x = readdir(d));) {
            int n;
            bool projector = mn_is_projector(x->d_name);
            bool ours = mn_ends_with(x->d_name, ".gguf") && !projector
                        && mn_split_name(x->d_name, &other, &part, &n) && other == stem
                        && n == n_parts && !strncmp(x->d_name, file, stem);
            if (round == 0 && ours) bytes += remove_file(e, folder, x->d_name);
            else if (round == 0) n_left += mn_ends_with(x->d_name, ".gguf") && !projector;
            else if (projector && !n_left && e->folder)
                bytes += remove_file(e, folder, x->d_name);
        }
        if (d) closedir(d);
    }
    return bytes;
}

/* A model directory; GGUF files in it are models of their own and stay. */
static int64_t remove_directory(const mn_entry *e)
{
    int64_t bytes = 0;
    bool others = false;
    DIR *d = opendir(e->path);
    for (struct dirent *x; d && (x = readdir(d));) others |= mn_ends_with(x->d_name, ".gguf");
    if (d) closedir(d);
    if (!others) return mn_remove_tree(e->path);
    d = opendir(e->path);
    for (struct dirent *x; d && (x = readdir(d));)
        if (x->d_name[0] != '.' && x->d_type != DT_DIR && !mn_ends_with(x->d_name, ".gguf"))
            bytes += remove_file(e, e->path, x->d_name);
    if (d) closedir(d);
    return bytes;
}

static bool forget_marks(json_t *marks, void *ctx)
{
    const mn_entry *e = ctx;
    json_t *aliases = json_object_get(marks, "aliases"), *name;
    const char *alias;
    void *next;
    json_object_foreach_safe(aliases, next, alias, name) {
        if (json_is_string(name) && !strcmp(json_string_value(name), e->name))
            json_object_del(aliases, alias);
    }
    json_object_del(json_object_get(marks, "last_used"), e->path);
    return true;
}

static minerva_status remove_entry(const minerva_hub *h, const mn_entry *e, int64_t *freed,
                                   minerva_error *err)
{
    char folder[PATH_MAX];
    json_t *marks = mn_marks_read(h);
    bool pinned = json_is_true(json_object_get(json_object_get(marks, "pins"), e->name));
    json_decref(marks);
    if (!e->own || !lies_with_us(h, e))
        return mn_fail(err, MINERVA_INVALID, "%s belongs to %s (%s): only models in %s are "
                       "removed here", e->name, e->own ? "another folder" : e->place, e->path,
                       h->models);
    if (pinned)
        return mn_fail(err, MINERVA_INVALID, "%s is pinned: unpin it first (minerva alias "
                       "--unpin)", e->name);
    snprintf(folder, sizeof folder, "%.4000s", e->path);
    *strrchr(folder, '/') = 0;
    int64_t bytes = e->directory ? remove_directory(e)
                                 : remove_gguf(e, folder, after_slash(e->path));
    if (!access(e->path, F_OK) && !e->directory)
        return mn_fail(err, MINERVA_IO, "%s: %s", e->path, strerror(errno));
    while (strlen(folder) > strlen(h->models) && !rmdir(folder)) *strrchr(folder, '/') = 0;
    mn_marks_change(h, forget_marks, (void *)e, NULL);
    if (freed) *freed = bytes;
    return MINERVA_OK;
}

minerva_status minerva_hub_remove(minerva_hub *h, const char *name, int64_t *freed,
                                  minerva_error *err)
{
    mn_catalogue c;
    const mn_entry *e;
    minerva_status st = mn_catalogue_fill(&c, h, err);
    if (st == MINERVA_OK) st = find(&c, h, name, &e, err);
    if (st == MINERVA_OK) st = remove_entry(h, e, freed, err);
    mn_catalogue_clear(&c);
    return st;
}

/* ---- aliases and pins -------------------------------------------------------------- */

typedef struct {
    const char *part, *key, *name;      /* name NULL: remove */
    bool found;
} mark_change;

static bool set_mark(json_t *marks, void *ctx)
{
    mark_change *m = ctx;
    json_t *part = json_object_get(marks, m->part);
    m->found = json_object_get(part, m->key) != NULL;
    if (!m->name) return !json_object_del(part, m->key);
    return !json_object_set_new(part, m->key, *m->name ? json_string(m->name) : json_true());
}

static bool good_alias(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= 100 && s[0] != '-' && s[0] != '.'
           && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:")
                  == n;
}

minerva_status minerva_hub_alias(minerva_hub *h, const char *alias, const char *name,
                                 minerva_error *err)
{
    char *path = NULL, *full = NULL;
    if (!good_alias(alias))
        return mn_fail(err, MINERVA_INVALID, "an alias of letters, digits, '.', '-', '_' and "
                       "':' expected, \"%s\" found", mn_quoted_name(alias).text);
    minerva_status st = name ? minerva_hub_find(h, name, &path, &full, err) : MINERVA_OK;
    if (st != MINERVA_OK) return st;
    mark_change m = { "aliases", alias, full, false };
    st = mn_marks_change(h, set_mark, &m, err);
    if (st == MINERVA_OK && !name && !m.found)
        st = mn_fail(err, MINERVA_NOT_FOUND, "%s: no such alias", alias);
    free(path);
    free(full);
    return st;
}

minerva_status minerva_hub_pin(minerva_hub *h, const char *name, bool pinned, minerva_error *err)
{
    char *path = NULL, *full = NULL;
    minerva_status st = minerva_hub_find(h, name, &path, &full, err);
    if (st != MINERVA_OK) return st;
    mark_change m = { "pins", full, pinned ? "" : NULL, false };
    st = mn_marks_change(h, set_mark, &m, err);
    free(path);
    free(full);
    return st;
}
