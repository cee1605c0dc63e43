/* Golden models: opening them, their reference numbers, and running token sequences
 * through a backend.  Used by the tests of the executor and of its plug-ins. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "backend/backend.h"
#include "base/status.h"
#include "format/model_dir.h"
#include "tests/check.h"

#include <dirent.h>

enum { GOLDEN_SEQUENCES = 3, GOLDEN_GREEDY = 16, GOLDEN_MAX = 256 };

typedef struct {
    int32_t n;
    const int32_t *tokens;      /* [n] */
    const float *logits;        /* [n][vocab] */
    const int32_t *greedy;      /* [GOLDEN_GREEDY] */
} golden_sequence;

typedef struct {
    mn_safetensors *file;
    golden_sequence seq[GOLDEN_SEQUENCES];
} golden_data;

static inline const void *golden_tensor(mn_safetensors *file, const char *what, int i, int64_t *n)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%d", what, i);
    const mn_tensor_ref *t = mn_safetensors_find(file, name);
    if (!t) fail_msg("golden data: %s is missing", name);
    if (n) *n = t->dims[0];
    return t->data;
}

static inline void golden_open(golden_data *g, const char *path)
{
    assert_ok(mn_safetensors_open(&g->file, &path, 1, err));
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) {
        int64_t n;
        g->seq[i].tokens = golden_tensor(g->file, "tokens", i, &n);
        g->seq[i].n = (int32_t)n;
        g->seq[i].logits = golden_tensor(g->file, "logits", i, NULL);
        g->seq[i].greedy = golden_tensor(g->file, "greedy", i, NULL);
    }
}

static inline void golden_close(golden_data *g) { mn_safetensors_close(g->file); }

/* Calls fn(model path, golden path, name) for every golden model: hf, gguf, mlx. */
typedef void golden_fn(void *ctx, const char *model, const char *golden, const char *name);

static inline bool golden_ends(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

static inline int golden_not_hidden(const struct dirent *d) { return d->d_name[0] != '.'; }

static inline void golden_gguf_files(const char *family, golden_fn *fn, void *ctx)
{
    char folder[512], model[1024], reference[1024], name[600];
    struct dirent **files;
    snprintf(folder, sizeof folder, "%s/golden/models/%s/gguf", shared_root(), family);
    int n = scandir(folder, &files, golden_not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        if (golden_ends(files[i]->d_name, ".gguf")) {
            int len = (int)strlen(files[i]->d_name) - 5;
            snprintf(model, sizeof model, "%s/%s", folder, files[i]->d_name);
            snprintf(reference, sizeof reference, "%s/%.*s.golden.safetensors", folder, len,
                     files[i]->d_name);
            snprintf(name, sizeof name, "models/%s/gguf/%s", family, files[i]->d_name);
            fn(ctx, model, reference, name);
        }
        free(files[i]);
    }
    if (n >= 0) free(files);
}

static inline void golden_each(golden_fn *fn, void *ctx)
{
    char folder[512], model[1024], reference[1024], name[600];
    struct dirent **dirs;
    snprintf(folder, sizeof folder, "%s/golden/models", shared_root());
    int n = scandir(folder, &dirs, golden_not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(model, sizeof model, "%s/%s/hf", folder, dirs[i]->d_name);
        snprintf(reference, sizeof reference, "%s/%s/golden.safetensors", folder,
                 dirs[i]->d_name);
        snprintf(name, sizeof name, "models/%s/hf", dirs[i]->d_name);
        fn(ctx, model, reference, name);
        golden_gguf_files(dirs[i]->d_name, fn, ctx);
        free(dirs[i]);
    }
    if (n >= 0) free(dirs);
    snprintf(folder, sizeof folder, "%s/golden/mlx", shared_root());
    n = scandir(folder, &dirs, golden_not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        if (!golden_ends(dirs[i]->d_name, ".safetensors")) {
            snprintf(model, sizeof model, "%s/%s", folder, dirs[i]->d_name);
            snprintf(reference, sizeof reference, "%s/%s.golden.safetensors", folder,
                     dirs[i]->d_name);
            snprintf(name, sizeof name, "mlx/%s", dirs[i]->d_name);
            fn(ctx, model, reference, name);
        }
        free(dirs[i]);
    }
    if (n >= 0) free(dirs);
}

/* ---- running ------------------------------------------------------------------------ */

typedef struct {
    const mn_backend *backend;
    mn_model_source *source;
    mn_engine *engine;
} golden_engine;

static inline minerva_status golden_load(golden_engine *g, const char *path,
                                         const mn_load_options *options, minerva_error *err)
{
    *g = (golden_engine){ .backend = mn_backend_find("native") };
    minerva_status st = mn_source_open(&g->source, path, NULL, err);
    if (st == MINERVA_OK) st = g->backend->load(g->source, options, &g->engine, err);
    if (st) mn_source_close(g->source);
    return st;
}

static inline void golden_unload(golden_engine *g)
{
    g->backend->unload(g->engine);
    mn_source_close(g->source);
}

static inline mn_seq *golden_seq(golden_engine *g)
{
    mn_seq *s = NULL;
    assert_ok(g->backend->seq_create(g->engine, &s, err));
    return s;
}

/* Appends n tokens in pieces of `chunk` (0: all at once); all logits into out [n][vocab]
 * where out is given. */
static inline void golden_feed(golden_engine *g, mn_seq *s, const int32_t *tokens, int32_t n,
                               int32_t chunk, float *out)
{
    size_t vocab = (size_t)g->backend->vocab(g->engine);
    uint8_t want[GOLDEN_MAX];
    memset(want, out != NULL, sizeof want);
    for (int32_t at = 0; at < n;) {
        int32_t k = chunk && chunk < n - at ? chunk : n - at;
        mn_span span = { s, 0, k };
        mn_batch batch = { .tokens = tokens + at, .n_tokens = k, .spans = &span, .n_spans = 1,
                           .want = want };
        mn_output o;
        assert_ok(g->backend->forward(g->engine, &batch, &o, err));
        if (out) memcpy(out + (size_t)at * vocab, o.logits, (size_t)k * vocab * sizeof *out);
        at += k;
    }
}

static inline int32_t golden_best(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static inline double golden_nmse(const float *x, const float *reference, int64_t n)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - reference[i];
        off += d * d;
        all += (double)reference[i] * reference[i];
    }
    return off == off ? off / all : INFINITY;
}

#endif
