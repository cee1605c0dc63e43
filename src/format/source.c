/* What lies at a path: finding the model, or saying what was found instead.
 *
 * A file is judged by its first bytes, not by its name (Ollama's blobs have no ending).
 * A directory is a model if it holds config.json or tokenizer files, otherwise the one
 * model in it is taken, looking MAX_DEPTH levels down through directories that hold
 * nothing else (a hub cache keeps models in models--A--B/snapshots/REVISION).
 */
#include "format/source.h"
#include "base/mapfile.h"
#include "base/status.h"
#include "format/quoted.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 3 };

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcasecmp(s + n - m, end);
}

/* ---- files ------------------------------------------------------------------------ */

static bool starts_with(const mn_mapfile *f, const char *text)
{
    size_t n = strlen(text);
    return f->size_bytes >= n && !memcmp(f->data, text, n);
}

static bool contains(const mn_mapfile *f, const char *text)
{
    size_t n = f->size_bytes < 4096 ? f->size_bytes : 4096;
    return memmem(f->data, n, text, strlen(text)) != NULL;
}

static bool unfinished_name(const char *path)
{
    static const char *const ends[] = { ".part", ".partial", ".incomplete", ".crdownload",
                                        ".aria2", ".download", ".tmp" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(path, ends[i])) return true;
    return false;
}

/* What a file that is no GGUF is, as the end of a sentence. */
static const char *describe_file(const char *path, const mn_mapfile *f)
{
    bool pickle_name = ends_with(path, ".bin") || ends_with(path, ".pt")
                       || ends_with(path, ".pth") || ends_with(path, ".ckpt");
    if (unfinished_name(path)) return "an unfinished download";
    if (f->size_bytes == 0) return "an empty file";
    if (starts_with(f, "version https://git-lfs"))
        return "a Git LFS pointer: the file itself was not downloaded (git lfs pull)";
    if (starts_with(f, "\x80\x02") || (starts_with(f, "PK\x03\x04") && pickle_name))
        return "a PyTorch pickle, which can run code when it is read; use the model's "
               "safetensors or GGUF files";
    if (starts_with(f, "PK\x03\x04")) return "a zip archive";
    if (starts_with(f, "lmgg") || starts_with(f, "fmgg") || starts_with(f, "tjgg")
        || starts_with(f, "algg"))
        return "a ggml file from before GGUF (August 2023)";
    if (contains(f, "<!DOCTYPE html") || contains(f, "<!doctype html")
        || contains(f, "<html"))
        return "a web page (a download that went wrong?)";
    if (contains(f, "application/vnd.ollama.image.model"))
        return "an Ollama manifest: the model itself is the file blobs/sha256-... that "
               "it names";
    if (f->size_bytes > 9 && f->data[8] == '{' && ends_with(path, ".safetensors"))
        return "one safetensors file: give the directory with its config.json";
    if (ends_with(path, ".json")) return "a JSON file: give the directory it is in";
    return "something else";
}

static minerva_status open_file(mn_model_source *s, const char *path, minerva_error *err)
{
    mn_mapfile f;
    minerva_status status = mn_mapfile_open(&f, path, err);
    if (status != MINERVA_OK) return status;
    if (!starts_with(&f, "GGUF") || unfinished_name(path))
        status = mn_fail(err, MINERVA_UNSUPPORTED,
                         "%s: a .gguf file or a model directory expected, %s found", path,
                         describe_file(path, &f));
    mn_mapfile_close(&f);
    if (status == MINERVA_OK) status = mn_gguf_open(&s->gguf, path, err);
    if (status != MINERVA_OK) return status;
    s->kind = MN_SOURCE_GGUF;
    s->size_bytes = mn_gguf_size_bytes(s->gguf);
    return MINERVA_OK;
}

/* ---- directories ------------------------------------------------------------------ */

/* What a directory holds.  The names are of the first such entry. */
typedef struct {
    bool config, tokenizer, safetensors;
    int n_gguf, n_projectors, n_pickles, n_unfinished, n_dirs;
    bool ollama;
    char gguf[NAME_MAX + 1], projector[NAME_MAX + 1], pickle[NAME_MAX + 1],
        unfinished[NAME_MAX + 1], dir[NAME_MAX + 1];
} inventory;

static void note(int *n, char *first, const char *name)
{
    if ((*n)++ == 0) snprintf(first, NAME_MAX + 1, "%s", name);
}

/* A later part of a split model: parts count once, as their first one. */
static bool later_part(const char *name)
{
    size_t n = strlen(name);
    return n > 20 && !strncmp(name + n - 14, "-of-", 4) && name[n - 20] == '-'
           && strncmp(name + n - 19, "00001", 5) != 0;
}

static void take_stock(inventory *in, const char *dir, const struct dirent *e)
{
    char path[PATH_MAX];
    struct stat st;
    const char *name = e->d_name;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (name[0] == '.' || n < 0 || (size_t)n >= sizeof path || stat(path, &st)) return;
    if (S_ISDIR(st.st_mode)) {
        if (!strcmp(name, "manifests")) in->ollama = true;
        if (strcmp(name, "blobs") && strcmp(name, "refs"))
            note(&in->n_dirs, in->dir, name);
        return;
    }
    if (!strcmp(name, "config.json")) in->config = true;
    if (!strcmp(name, "tokenizer.json") || !strcmp(name, "tokenizer.model"))
        in->tokenizer = true;
    if (ends_with(name, ".safetensors")) in->safetensors = true;
    if (ends_with(name, ".gguf") && !strncmp(name, "mmproj", 6))
        note(&in->n_projectors, in->projector, name);
    else if (ends_with(name, ".gguf") && !later_part(name))
        note(&in->n_gguf, in->gguf, name);
    if (ends_with(name, ".bin") || ends_with(name, ".pt") || ends_with(name, ".pth"))
        note(&in->n_pickles, in->pickle, name);
    if (unfinished_name(name)) note(&in->n_unfinished, in->unfinished, name);
}

static minerva_status look_into(inventory *in, const char *path, minerva_error *err)
{
    *in = (inventory){ 0 };
    DIR *dir = opendir(path);
    if (!dir) return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(dir));) take_stock(in, path, e);
    closedir(dir);
    return MINERVA_OK;
}

static minerva_status refuse_dir(const char *path, const inventory *in,
                                 minerva_error *err)
{
    static const char expected[] = "one .gguf model or a model directory expected";
    if (in->n_unfinished)
        return mn_fail(err, MINERVA_UNSUPPORTED,
                       "%s: %s, an unfinished download found (%s)", path, expected,
                       mn_quoted_name(in->unfinished).text);
    if (in->n_pickles)
        return mn_fail(
            err, MINERVA_UNSUPPORTED,
            "%s: %s, weights as a PyTorch pickle found (%s), which can run code "
            "when they are read",
            path, expected, mn_quoted_name(in->pickle).text);
    if (in->n_gguf > 1)
        return mn_fail(err, MINERVA_UNSUPPORTED,
                       "%s: %s, %d .gguf models found: name one of "
                       "them (for instance %s)",
                       path, expected, in->n_gguf, mn_quoted_name(in->gguf).text);
    if (in->ollama)
        return mn_fail(err, MINERVA_UNSUPPORTED,
                       "%s: %s, an Ollama store found: its models "
                       "are the large files in blobs/",
                       path, expected);
    if (in->config || in->tokenizer)
        return mn_fail(err, MINERVA_NOT_FOUND,
                       "%s: %s, but there are no weights beside its "
                       "%s",
                       path, expected, in->config ? "config.json" : "tokenizer");
    if (in->safetensors)
        return mn_fail(err, MINERVA_NOT_FOUND,
                       "%s: %s, safetensors without config.json found", path, expected);
    if (in->n_dirs > 1)
        return mn_fail(err, MINERVA_UNSUPPORTED,
                       "%s: %s, %d directories found: name one of "
                       "them (for instance %s)",
                       path, expected, in->n_dirs, mn_quoted_name(in->dir).text);
    return mn_fail(err, MINERVA_NOT_FOUND, "%s: %s, nothing of that kind found", path,
                   expected);
}

static minerva_status open_dir(mn_model_source *s, const char *path, bool weights,
                               minerva_error *err)
{
    minerva_status status = mn_model_dir_open(&s->dir, path, weights, err);
    if (status != MINERVA_OK) return status;
    s->kind = MN_SOURCE_DIR;
    if (weights) s->size_bytes = mn_safetensors_size_bytes(mn_model_dir_weights(s->dir));
    return MINERVA_OK;
}

/* `path` (of PATH_MAX bytes) becomes what was opened. */
static minerva_status find_model(mn_model_source *s, char *path, bool metadata_only,
                                 minerva_error *err)
{
    for (int depth = 0;; depth++) {
        inventory in;
        minerva_status status = look_into(&in, path, err);
        if (status != MINERVA_OK) return status;
        bool described = in.config || (in.tokenizer && metadata_only);
        if (described && in.safetensors) return open_dir(s, path, true, err);
        int n_gguf = in.n_gguf ? in.n_gguf : in.n_projectors;
        const char *next = in.n_gguf ? in.gguf : in.projector;
        if (n_gguf != 1) {
            if (described && metadata_only && !n_gguf)
                return open_dir(s, path, false, err);
            if (n_gguf || in.config || in.n_dirs != 1 || in.ollama || depth == MAX_DEPTH)
                return refuse_dir(path, &in, err);
            next = in.dir;
        }
        size_t len = strlen(path);
        if ((size_t)snprintf(path + len, PATH_MAX - len, "/%s", next) >= PATH_MAX - len)
            return mn_fail(err, MINERVA_INVALID, "%s: the path is too long", path);
        if (n_gguf == 1) return open_file(s, path, err);
    }
}

minerva_status mn_source_open(mn_model_source **out, const char *path,
                              const mn_source_options *options, minerva_error *err)
{
    bool metadata_only = options && options->metadata_only;
    struct stat st;
    char found[PATH_MAX];
    size_t len = strlen(path);
    *out = NULL;
    if (len == 0 || len >= sizeof found)
        return mn_fail(err, MINERVA_INVALID,
                       "the path of a model expected, %zu bytes found", len);
    if (stat(path, &st))
        return mn_fail(err, errno == ENOENT ? MINERVA_NOT_FOUND : MINERVA_IO, "%s: %s",
                       path, strerror(errno));
    memcpy(found, path, len + 1);
    while (len > 1 && found[len - 1] == '/') found[--len] = 0;
    mn_model_source *s = calloc(1, sizeof *s);
    if (!s) return mn_fail_memory(err, sizeof *s);
    minerva_status status = S_ISDIR(st.st_mode) ? find_model(s, found, metadata_only, err)
                                                : open_file(s, found, err);
    if (status == MINERVA_OK && s->gguf && !metadata_only && !mn_gguf_n_tensors(s->gguf))
        status = mn_fail(
            err, MINERVA_UNSUPPORTED,
            "%s: a model with weights expected, a vocabulary without any found", found);
    if (status == MINERVA_OK && !(s->path = strdup(found)))
        status = mn_fail_memory(err, len);
    if (status != MINERVA_OK) {
        mn_source_close(s);
        return status;
    }
    *out = s;
    return MINERVA_OK;
}

void mn_source_close(mn_model_source *s)
{
    if (!s) return;
    mn_gguf_close(s->gguf);
    mn_model_dir_close(s->dir);
    free(s->path);
    free(s);
}

const mn_tensor_ref *mn_source_tensor(const mn_model_source *s, const char *name)
{
    if (s->kind == MN_SOURCE_GGUF) return mn_gguf_tensor(s->gguf, name);
    const mn_safetensors *weights = mn_model_dir_weights(s->dir);
    return weights ? mn_safetensors_find(weights, name) : NULL;
}
