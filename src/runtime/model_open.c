/* Opening and closing models, and the small questions about them.
 *
 * open: source (mapped) -> tokenizer -> templates -> end tokens -> engine.  The engine is
 * the backend named, or the first in the registry's order that says it can run the model.
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

const char *minerva_version(void) { return MINERVA_VERSION; }

void minerva_free(void *memory) { free(memory); }

static minerva_status choose_backend(const minerva_model *m, const minerva_model_options *o,
                                     const mn_load_options *load, const mn_backend **out,
                                     minerva_error *err)
{
    const mn_backend *const *all = mn_backends();
    mn_backend_info info = { 0 };
    if (o->backend) {
        const mn_backend *b = mn_backend_find(o->backend);
        if (!b) return mn_fail(err, MINERVA_NOT_FOUND, "no backend named %s", o->backend);
        if (b->probe(&info) != MINERVA_OK)
            return mn_fail(err, MINERVA_UNSUPPORTED, "backend %s: %s", b->name, info.why_not);
        *out = b;
        return MINERVA_OK;
    }
    minerva_error first = { 0 };
    for (; *all; all++) {
        mn_fit fit = { 0 };
        minerva_error why = { 0 };
        if ((*all)->probe(&info) != MINERVA_OK) continue;
        minerva_status st = (*all)->fit(m->source, load, &fit, &why);
        if (st == MINERVA_OK && fit.runs) {
            *out = *all;
            return MINERVA_OK;
        }
        if (first.code == MINERVA_OK) {
            first = why;
            if (st == MINERVA_OK) mn_fail(&first, MINERVA_UNSUPPORTED, "%s", fit.why);
        }
    }
    if (first.code == MINERVA_OK) mn_fail(&first, MINERVA_UNSUPPORTED, "no backend is there");
    if (err) *err = first;
    return first.code;
}

static minerva_status load_engine(minerva_model *m, const minerva_model_options *o,
                                  minerva_error *err)
{
    m->max_batch = o->max_batch ? o->max_batch : 512;
    mn_load_options load = {
        .n_threads = o->n_threads, .isa = o->isa, .precise = o->precise,
        .kv_type = (mn_kv_type)o->kv_type, .context = o->context, .max_batch = m->max_batch,
        .state_limit_bytes = o->state_limit_bytes, .log = m->log,
    };
    if (o->precise && o->kv_type == MINERVA_KV_F16) load.kv_type = MN_KV_F32;
    minerva_status st = choose_backend(m, o, &load, &m->backend, err);
    if (st != MINERVA_OK) return st;
    m->engine_key = mn_engine_key(m->backend->name, &load);
    return m->backend->load(m->source, &load, &m->engine, err);
}

static minerva_status check_options(const minerva_model_options *o, minerva_error *err)
{
    const struct { const char *name; int64_t value, most; } ranges[] = {
        { "threads", o->n_threads, 1024 },
        { "context", o->context, INT32_MAX },
        { "max_batch", o->max_batch, 1 << 16 },
        { "kv_type", o->kv_type, MINERVA_KV_Q8_0 },
        { "mode", o->mode, MINERVA_OPEN_DESCRIBE },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < 0 || ranges[i].value > ranges[i].most)
            return mn_fail(err, MINERVA_INVALID, "%s: 0 to %lld expected, %lld found",
                           ranges[i].name, (long long)ranges[i].most,
                           (long long)ranges[i].value);
    return MINERVA_OK;
}

/* "tokenizer.json", "spiece.model": for OPEN_TEXT a tokenizer file will do. */
static bool is_tokenizer_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    return !strcmp(name, "tokenizer.json") || (n > 6 && !strcmp(name + n - 6, ".model"));
}

/* Everything but the engine. */
static minerva_status open_text(minerva_model *m, const char *path, minerva_error *err)
{
    mn_source_options how = { .metadata_only = m->mode != MINERVA_OPEN_RUN };
    if (m->mode == MINERVA_OPEN_TEXT && is_tokenizer_file(path))
        return mn_runtime_tokenizer_file(&m->tokenizer, path, err);
    minerva_status st = mn_source_open(&m->source, path, &how, err);
    if (st != MINERVA_OK) return st;
    if (mn_runtime_load_tokenizer(&m->tokenizer, m->source, &m->no_tokenizer) != MINERVA_OK)
        mn_log_line(&m->log, MINERVA_LOG_WARNING, "%s", m->no_tokenizer.message);
    mn_runtime_load_pooling(m);
    st = mn_runtime_load_templates(m, err);
    return st == MINERVA_OK ? mn_runtime_load_ends(m, err) : st;
}

minerva_status minerva_model_open(minerva_model **out, const char *path,
                                  const minerva_model_options *options, minerva_error *err)
{
    static const minerva_model_options defaults;
    const minerva_model_options *o = options ? options : &defaults;
    minerva_status st = check_options(o, err);
    if (st != MINERVA_OK) return st;
    minerva_model *m = calloc(1, sizeof *m);
    if (!m) return mn_fail_memory(err, sizeof *m);
    m->mode = o->mode;
    m->log = (mn_log){ o->log, o->log_ctx };
    pthread_mutex_init(&m->engine_lock, NULL);
    pthread_mutex_init(&m->trie_lock, NULL);

    if ((st = open_text(m, path, err)) != MINERVA_OK) goto fail;
    if (o->progress && !o->progress(o->progress_ctx, 0.1f)) {
        st = mn_fail(err, MINERVA_CANCELLED, "loading was cancelled");
        goto fail;
    }
    if (o->mode == MINERVA_OPEN_RUN && (st = load_engine(m, o, err)) != MINERVA_OK) goto fail;
    if (o->progress) o->progress(o->progress_ctx, 1.0f);
    *out = m;
    return MINERVA_OK;
fail:
    if (err && strncmp(err->message, path, strlen(path))) mn_fail_context(err, "%s", path);
    minerva_model_close(m);
    return st;
}

void minerva_model_close(minerva_model *m)
{
    if (!m) return;
    if (m->engine) m->backend->unload(m->engine);
    for (int i = 0; i < m->n_templates; i++) mn_template_free(m->templates[i].parsed);
    mn_vocab_trie_free(m->trie);
    mn_tokenizer_free(m->tokenizer);
    mn_source_close(m->source);
    mn_arena_clear(&m->arena);
    pthread_mutex_destroy(&m->engine_lock);
    pthread_mutex_destroy(&m->trie_lock);
    free(m);
}

minerva_status mn_runtime_need_engine(const minerva_model *m, minerva_error *err)
{
    if (m->engine) return MINERVA_OK;
    return mn_fail(err, MINERVA_INVALID, "the model was opened without an engine");
}

minerva_status mn_runtime_need_tokenizer(const minerva_model *m, minerva_error *err)
{
    if (m->tokenizer) return MINERVA_OK;
    if (err && err->code == MINERVA_OK) *err = m->no_tokenizer;
    return m->no_tokenizer.code;
}

int32_t minerva_model_vocab(const minerva_model *m)
{
    if (m->engine) return m->backend->vocab(m->engine);
    return m->tokenizer ? mn_tokenizer_n_tokens(m->tokenizer) : 0;
}

int32_t minerva_model_context(const minerva_model *m)
{
    return m->engine ? m->backend->context(m->engine) : 0;
}

int32_t minerva_model_hidden(const minerva_model *m)
{
    return m->engine ? m->backend->hidden(m->engine) : 0;
}

/* ---- tokens and text --------------------------------------------------------------- */

minerva_status minerva_tokenize(const minerva_model *m, const char *text, size_t len,
                                const minerva_tokenize_options *options, int32_t **ids,
                                size_t *n, minerva_error *err)
{
    minerva_status st = mn_runtime_need_tokenizer(m, err);
    if (st != MINERVA_OK) return st;
    mn_encode_options how = { 0 };
    if (options) how = (mn_encode_options){ options->no_special, options->plain };
    mn_ids list = { 0 };
    st = mn_tokenizer_encode(m->tokenizer, text, len, &how, &list, err);
    if (st == MINERVA_OK && !list.ids && !(list.ids = malloc(sizeof *list.ids)))
        st = mn_fail_memory(err, sizeof *list.ids);
    if (st != MINERVA_OK) {
        mn_ids_clear(&list);
        return st;
    }
    *ids = list.ids;
    *n = list.n;
    return MINERVA_OK;
}

minerva_status minerva_detokenize(const minerva_model *m, const int32_t *ids, size_t n,
                                  bool skip_special, char **text, size_t *len,
                                  minerva_error *err)
{
    minerva_status st = mn_runtime_need_tokenizer(m, err);
    if (st != MINERVA_OK) return st;
    /* A model's vocabulary may be padded past its tokenizer's; such ids are empty. */
    int32_t most = minerva_model_vocab(m);
    if (mn_tokenizer_n_tokens(m->tokenizer) > most) most = mn_tokenizer_n_tokens(m->tokenizer);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= most)
            return mn_fail(err, MINERVA_INVALID, "ids[%zu]: 0 to %d expected, %d found", i,
                           most - 1, ids[i]);
    mn_buffer out = { 0 };
    st = mn_tokenizer_decode(m->tokenizer, ids, n, skip_special, &out, err);
    if (st == MINERVA_OK && !(*text = mn_buffer_take(&out, len))) st = mn_fail_memory(err, 1);
    mn_buffer_clear(&out);
    return st;
}

const char *minerva_token_text(const minerva_model *m, int32_t token, size_t *len)
{
    if (!m->tokenizer || token < 0 || token >= mn_tokenizer_n_tokens(m->tokenizer)) return NULL;
    mn_str s = mn_tokenizer_text(m->tokenizer, token);
    if (len) *len = s.len;
    return s.data;
}
