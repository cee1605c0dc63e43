/* Where models lie: our folder and those of other programs, read in place.
 *
 *   folder       any depth up to MAX_DEPTH: .gguf files, and directories with config.json
 *                and safetensors; named by their path ("org/name", "org/name:Q4_K_M")
 *   huggingface  models--ORG--NAME/snapshots/COMMIT, refs/main says which; links to blobs
 *   lm studio    ORG/NAME/FILE.gguf or ORG/NAME as an MLX directory: a plain folder
 *   ollama       manifests/HOST/SPACE/MODEL/TAG name blobs/sha256-...
 *   llama.cpp    one flat folder of files named ORG_NAME_FILE.gguf
 */
#include "base/mapfile.h"
#include "base/status.h"
#include "format/json_text.h"
#include "hub/catalogue.h"
#include "hub/origin.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 4, MAX_ENTRIES = 100000, MAX_MANIFEST_BYTES = 4 << 20 };

typedef struct {
    mn_catalogue *c;
    const char *place;
    const char *base;           /* put before names found; "" for plain folders */
    const char *commit;
    int order;
    bool own, flat;
} scan;

mn_entry *mn_catalogue_add(mn_catalogue *c)
{
    if (c->n == MAX_ENTRIES) return NULL;
    if (c->n == c->room) {
        int64_t room = c->room ? 2 * c->room : 64;
        mn_entry *more = mn_arena_array(&c->arena, (size_t)room, sizeof *more);
        if (!more) return NULL;
        if (c->n) memcpy(more, c->entries, (size_t)c->n * sizeof *more);
        c->entries = more;
        c->room = room;
    }
    mn_entry *e = &c->entries[c->n];
    *e = (mn_entry){ .label = "", .id = "", .commit = "", .license = "" };
    return e;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* ---- plain folders ----------------------------------------------------------------- */

typedef struct {
    char **names;
    int n;
    bool config, safetensors;
} listing;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_folder(listing *l, const char *path)
{
    *l = (listing){ 0 };
    DIR *d = opendir(path);
    int room = 0;
    for (struct dirent *e; d && (e = readdir(d)) && l->n < MAX_ENTRIES;) {
        if (e->d_name[0] == '.') continue;
        if (l->n == room) {
            char **more = realloc(l->names, (size_t)(room = room ? 2 * room : 32) * sizeof *more);
            if (!more) break;
            l->names = more;
        }
        if (!(l->names[l->n] = strdup(e->d_name))) break;
        l->config |= !strcmp(e->d_name, "config.json");
        l->safetensors |= mn_ends_with(e->d_name, ".safetensors");
        l->n++;
    }
    if (d) closedir(d);
    if (l->n) qsort(l->names, (size_t)l->n, sizeof *l->names, by_text);
}

static void listing_clear(listing *l)
{
    for (int i = 0; i < l->n; i++) free(l->names[i]);
    free(l->names);
}

static int64_t size_of(const char *folder, const char *name, bool *is_dir)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%.2000s/%.2000s", folder, name);
    if (stat(path, &st)) return -1;
    if (is_dir) *is_dir = S_ISDIR(st.st_mode);
    return S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

/* Bytes of all parts of a split file whose first part is `name`; -1: parts are missing. */
static int64_t size_of_parts(const listing *l, const char *folder, const char *name)
{
    size_t stem, other;
    int part, n_parts, k, n, seen = 0;
    int64_t bytes = 0;
    mn_split_name(name, &stem, &part, &n_parts);
    for (int i = 0; i < l->n; i++) {
        if (strncmp(l->names[i], name, stem) || !mn_ends_with(l->names[i], ".gguf")) continue;
        if (!mn_split_name(l->names[i], &other, &k, &n) || other != stem || n != n_parts)
            continue;
        int64_t size = size_of(folder, l->names[i], NULL);
        if (size < 0) return -1;
        bytes += size;
        seen++;
    }
    return seen == n_parts ? bytes : -1;
}

static bool name_taken(const scan *s, const char *name)
{
    for (int64_t i = 0; i < s->c->n; i++)
        if (s->c->entries[i].order == s->order && !strcmp(s->c->entries[i].name, name))
            return true;
    return false;
}

/* id, commit and licence from the record in the folder (or the one above, for quantisations
 * in folders of their own). */
static void take_origin(mn_entry *e, mn_arena *a, const char *folder, const json_t *origin)
{
    if (!origin) return;
    e->folder = mn_arena_strdup(a, folder);
    e->id = mn_arena_strdup(a, text_of(origin, "id"));
    e->commit = mn_arena_strdup(a, text_of(origin, "commit"));
    e->license = mn_arena_strdup(a, text_of(origin, "license"));
}

static bool finish_entry(scan *s, mn_entry *e, const char *path)
{
    e->path = mn_arena_strdup(&s->c->arena, path);
    e->place = s->place;
    e->order = s->order;
    e->own = s->own;
    if (s->commit) {
        e->id = s->base;
        e->commit = s->commit;
    }
    if (!e->name || !e->path || !e->label || !e->id || !e->commit || !e->license) return false;
    s->c->n++;
    return true;
}

static bool add_gguf(scan *s, const listing *l, const char *folder, const char *relative,
                     const char *name, const char *origin_folder, const json_t *origin)
{
    size_t stem;
    int part, n_parts;
    mn_arena *a = &s->c->arena;
    char path[PATH_MAX];
    if (!mn_split_name(name, &stem, &part, &n_parts) || part != 1) return true;
    int64_t size = size_of_parts(l, folder, name);
    if (size < 0) return true;
    mn_entry *e = mn_catalogue_add(s->c);
    if (!e) return false;
    const char *label = mn_arena_strdup(a, mn_quant_label_of(name).text);
    if (origin) take_origin(e, a, origin_folder, origin);
    const char *base = origin ? e->id : relative;
    e->label = label;
    e->size_bytes = size;
    if (!*base || s->flat) e->name = mn_arena_fmt(a, "%.*s", (int)stem, name);
    else if (label && *label) e->name = mn_arena_fmt(a, "%s:%s", base, label);
    if (*base && (!e->name || name_taken(s, e->name)))
        e->name = mn_arena_fmt(a, "%s:%.*s", base, (int)stem, name);
    snprintf(path, sizeof path, "%.2000s/%.2000s", folder, name);
    return finish_entry(s, e, path);
}

static bool add_directory(scan *s, const listing *l, const char *folder, const char *relative,
                          const json_t *origin)
{
    mn_entry *e = mn_catalogue_add(s->c);
    mn_arena *a = &s->c->arena;
    if (!e) return false;
    const char *slash = strrchr(folder, '/');
    take_origin(e, a, folder, origin);
    e->directory = true;
    e->name = origin ? e->id : *relative ? mn_arena_strdup(a, relative)
                                         : mn_arena_strdup(a, slash ? slash + 1 : folder);
    e->label = mn_arena_strdup(a, mn_quant_label_of(e->name ? e->name : "").text);
    for (int i = 0; i < l->n; i++) {
        int64_t size = mn_ends_with(l->names[i], ".safetensors")
                           ? size_of(folder, l->names[i], NULL) : 0;
        if (size > 0) e->size_bytes += size;
    }
    return finish_entry(s, e, folder);
}

/* `relative`: the folder's path below the place, with the scan's base before it. */
static void scan_folder(scan *s, const char *folder, const char *relative, int depth,
                        const char *origin_folder, const json_t *above)
{
    listing l;
    char path[PATH_MAX], below[PATH_MAX];
    list_folder(&l, folder);
    json_t *own = s->own ? mn_origin_read(folder) : NULL;
    const json_t *origin = own ? own : above;
    if (own) origin_folder = folder;
    bool room = true;
    if (l.config && l.safetensors) room = add_directory(s, &l, folder, relative, own);
    for (int i = 0; i < l.n && room; i++) {
        bool is_dir = false;
        if (size_of(folder, l.names[i], &is_dir) < 0) continue;
        if (is_dir && depth < MAX_DEPTH && !s->flat) {
            snprintf(path, sizeof path, "%.2000s/%.2000s", folder, l.names[i]);
            snprintf(below, sizeof below, "%.2000s%s%.2000s", relative, *relative ? "/" : "",
                     l.names[i]);
            scan_folder(s, path, below, depth + 1, origin_folder, origin);
        } else if (!is_dir && mn_ends_with(l.names[i], ".gguf")
                   && !mn_is_projector(l.names[i])) {
            room = add_gguf(s, &l, folder, relative, l.names[i], origin_folder, origin);
        }
    }
    json_decref(own);
    listing_clear(&l);
}

/* ---- HuggingFace's cache ----------------------------------------------------------- */

static bool read_word(const char *path, char out[100])
{
    char *text;
    size_t len;
    if (mn_read_file(path, 4096, &text, &len, NULL) != MINERVA_OK) return false;
    snprintf(out, 100, "%.*s", (int)strcspn(text, " \r\n"), text);
    free(text);
    return *out && !strchr(out, '/') && out[0] != '.';
}

static void scan_hf_cache(scan *s, const char *root)
{
    listing l;
    list_folder(&l, root);
    for (int i = 0; i < l.n; i++) {
        char path[PATH_MAX], rev[100];
        if (strncmp(l.names[i], "models--", 8)) continue;
        char *id = mn_arena_strdup(&s->c->arena, l.names[i] + 8);
        char *two = id ? strstr(id, "--") : NULL;
        if (two) {
            *two = '/';
            memmove(two + 1, two + 2, strlen(two + 2) + 1);
        }
        snprintf(path, sizeof path, "%.2000s/%.300s/refs/main", root, l.names[i]);
        if (!id || !read_word(path, rev)) continue;
        snprintf(path, sizeof path, "%.2000s/%.300s/snapshots/%s", root, l.names[i], rev);
        s->base = id;
        s->commit = mn_arena_strdup(&s->c->arena, rev);
        scan_folder(s, path, id, 2, NULL, NULL);
    }
    listing_clear(&l);
}

/* ---- Ollama ------------------------------------------------------------------------ */

/* "sha256:HEX" as the name of a blob; false if it is none. */
static bool blob_name(char out[80], const char *digest)
{
    if (strncmp(digest, "sha256:", 7) || !mn_digest_is_hex(MN_DIGEST_SHA256, digest + 7))
        return false;
    snprintf(out, 80, "sha256-%s", digest + 7);
    return true;
}

bool mn_ollama_read_manifest(mn_ollama_model *out, char *text, size_t len)
{
    json_t *o, *layer;
    size_t i;
    bool found = false;
    *out = (mn_ollama_model){ 0 };
    if (mn_json_parse(&o, text, len, "manifest", NULL) != MINERVA_OK) return false;
    blob_name(out->config, text_of(json_object_get(o, "config"), "digest"));
    json_array_foreach(json_object_get(o, "layers"), i, layer) {
        if (found || strcmp(text_of(layer, "mediaType"), "application/vnd.ollama.image.model"))
            continue;
        found = blob_name(out->model, text_of(layer, "digest"));
        out->size_bytes = json_integer_value(json_object_get(layer, "size"));
    }
    json_decref(o);
    return found;
}

static void add_ollama(scan *s, const char *root, const char *manifest, const char *name)
{
    char path[PATH_MAX], *text;
    size_t len;
    mn_ollama_model m;
    if (mn_read_file(manifest, MAX_MANIFEST_BYTES, &text, &len, NULL) != MINERVA_OK) return;
    bool good = mn_ollama_read_manifest(&m, text, len);
    free(text);
    if (!good) return;
    snprintf(path, sizeof path, "%.2000s/blobs", root);
    int64_t size = size_of(path, m.model, NULL);
    mn_entry *e = size > 0 ? mn_catalogue_add(s->c) : NULL;
    if (!e) return;
    e->size_bytes = size;
    e->name = mn_arena_strdup(&s->c->arena, name);
    snprintf(path, sizeof path, "%.2000s/blobs/%s", root, m.config);
    json_t *config = m.config[0] ? mn_read_json(path) : NULL;
    e->label = mn_arena_strdup(&s->c->arena, text_of(config, "file_type"));
    json_decref(config);
    snprintf(path, sizeof path, "%.2000s/blobs/%s", root, m.model);
    finish_entry(s, e, path);
}

/* manifests/HOST/SPACE/MODEL/TAG; `name` grows to "MODEL:TAG", with what is not the usual
 * host and space before it. */
static void scan_manifests(scan *s, const char *root, const char *folder, const char *name,
                           int depth)
{
    static const char *const usual[] = { "registry.ollama.ai", "library" };
    listing l;
    list_folder(&l, folder);
    for (int i = 0; i < l.n; i++) {
        char path[PATH_MAX], longer[1000];
        bool is_dir = false;
        snprintf(path, sizeof path, "%.2000s/%.2000s", folder, l.names[i]);
        if (size_of(folder, l.names[i], &is_dir) < 0 || is_dir != (depth < 3)) continue;
        bool left_out = depth < 2 && !strcmp(l.names[i], usual[depth]);
        snprintf(longer, sizeof longer, "%.400s%s%.400s", name,
                 !*name || left_out ? "" : depth == 3 ? ":" : "/", left_out ? "" : l.names[i]);
        if (is_dir) scan_manifests(s, root, path, longer, depth + 1);
        else add_ollama(s, root, path, longer);
    }
    listing_clear(&l);
}

/* ---- all of them ------------------------------------------------------------------- */

static void scan_place(mn_catalogue *c, const minerva_place *p, int order)
{
    static const char *const names[] = { "folder", "huggingface", "lm-studio", "ollama",
                                         "llama.cpp" };
    char path[PATH_MAX];
    if ((int)p->kind < 0 || p->kind > MINERVA_PLACE_LLAMA_CPP) return;
    scan s = { .c = c, .place = names[p->kind], .base = "", .order = order };
    switch (p->kind) {
    case MINERVA_PLACE_FOLDER:
    case MINERVA_PLACE_LM_STUDIO:
        scan_folder(&s, p->path, "", 0, NULL, NULL);
        break;
    case MINERVA_PLACE_LLAMA_CPP:
        s.flat = true;
        scan_folder(&s, p->path, "", 0, NULL, NULL);
        break;
    case MINERVA_PLACE_HF_CACHE:
        scan_hf_cache(&s, p->path);
        break;
    case MINERVA_PLACE_OLLAMA:
        snprintf(path, sizeof path, "%.2000s/manifests", p->path);
        scan_manifests(&s, p->path, path, "", 0);
        break;
    }
}

static void add_bundled(mn_catalogue *c, const char *path)
{
    scan s = { .c = c, .place = "bundled", .base = "", .order = 1 };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat st;
    if (stat(path, &st)) return;
    mn_entry *e = mn_catalogue_add(c);
    if (!e) return;
    size_t n = strlen(name);
    e->directory = S_ISDIR(st.st_mode);
    e->size_bytes = e->directory ? 0 : (int64_t)st.st_size;
    e->name = mn_arena_fmt(&c->arena, "%.*s", (int)(mn_ends_with(name, ".gguf") ? n - 5 : n),
                           name);
    finish_entry(&s, e, path);
}

minerva_status mn_catalogue_fill(mn_catalogue *c, const minerva_hub *h, minerva_error *err)
{
    *c = (mn_catalogue){ 0 };
    scan ours = { .c = c, .place = "minerva", .base = "", .own = true };
    scan_folder(&ours, h->models, "", 0, NULL, NULL);
    if (h->bundled) add_bundled(c, h->bundled);
    for (size_t i = 0; i < h->n_places; i++) scan_place(c, &h->places[i], 2 + (int)i);
    return MINERVA_OK;
}

void mn_catalogue_clear(mn_catalogue *c)
{
    mn_arena_clear(&c->arena);
    *c = (mn_catalogue){ 0 };
}
