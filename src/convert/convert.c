/* minerva_convert(): the steps of a conversion, in order; see convert.h. */
#include "convert/convert.h"
#include "format/ggml_type.h"
#include "format/out_file.h"
#include "format/source.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void mn_convert_fail(mn_convert *c, minerva_status code, const char *fmt, ...)
{
    char text[480];
    va_list args;
    if (c->status) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->status = mn_fail(c->err, code, "%s", text);
}

void mn_convert_warn(mn_convert *c, const char *fmt, ...)
{
    char text[480];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (size_t i = 0; i < json_array_size(c->warnings); i++)
        if (!strcmp(json_string_value(json_array_get(c->warnings, i)), text)) return;
    json_array_append_new(c->warnings, json_string(text));
}

void *mn_convert_alloc(mn_convert *c, size_t n, size_t size_bytes)
{
    if (c->status) return NULL;
    void *p = mn_arena_array(&c->arena, n ? n : 1, size_bytes);
    if (!p) c->status = mn_fail_memory(c->err, n * size_bytes);
    return p;
}

/* ---- opening ---------------------------------------------------------------------------- */

static void open_source(mn_convert *c, const char *path)
{
    if ((c->status = mn_source_open(&c->source, path, NULL, c->err))) return;
    mn_plan_input in = { .log = &c->log };
    if (c->source->kind == MN_SOURCE_GGUF) {
        in.gguf = c->source->gguf;
    } else {
        in.config = mn_model_dir_config(c->source->dir);
        in.weights = mn_model_dir_weights(c->source->dir);
    }
    if ((c->status = mn_plan_build(&c->from, &in, c->err))) return;
    if (!mn_form_arch(c))
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "family \"%s\" has no form as %s", c->from->family,
                        c->to_gguf ? "GGUF" : "a directory");
    if (c->from->n_unused)
        mn_convert_warn(c, "%d tensors that the text model does not use are left out (%.80s%s)",
                        c->from->n_unused, c->from->unused[0], c->from->n_unused > 1 ? ", ..." : "");
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcasecmp(s + n - m, end);
}

static void check_target(mn_convert *c, const char *target)
{
    struct stat here, there;
    if (stat(target, &there)) return;
    if (!stat(c->source->path, &here) && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        mn_convert_fail(c, MINERVA_INVALID, "%s: another place than the source's expected", target);
    else if (!c->options.overwrite)
        mn_convert_fail(c, MINERVA_INVALID, "%s: a new name expected, but it exists", target);
    else if (S_ISDIR(there.st_mode) == c->to_gguf)
        mn_convert_fail(c, MINERVA_INVALID, "%s: a %s expected to replace, a %s found", target,
                        c->to_gguf ? "file" : "directory", c->to_gguf ? "directory" : "file");
}

/* ---- the outline ------------------------------------------------------------------------ */

/* Does the target need tables of rope factors? */
static void look_at_rope(mn_convert *c)
{
    if (!c->to_gguf) return;
    if (c->source->kind == MN_SOURCE_GGUF) {
        c->rope_freqs = mn_gguf_tensor(c->source->gguf, "rope_freqs.weight") != NULL;
        c->rope_factors = mn_gguf_tensor(c->source->gguf, "rope_factors_long.weight") != NULL;
        return;
    }
    char *text = json_dumps(mn_model_dir_config(c->source->dir), JSON_COMPACT);
    for (int32_t i = 0; i < c->from->n_layers; i++) {
        const mn_mixer *m = &c->from->layers[i].mixer;
        if (m->kind == MN_MIXER_ATTENTION && m->u.attention.rope.inv_freq_long)
            c->rope_factors = true;
    }
    c->rope_freqs = !c->rope_factors &&
                    ((text && strstr(text, "\"llama3\"")) || !strcmp(c->from->family, "gemma4"));
    free(text);
}

static void make_keys(mn_convert *c, const char *target)
{
    mn_tensor_writer *w = NULL;
    size_t n = strlen(target) + 16;
    c->key_path = malloc(n);
    if (!c->key_path) {
        c->status = mn_fail_memory(c->err, n);
        return;
    }
    snprintf(c->key_path, n, "%s.keys", target);
    if ((c->status = mn_tensor_writer_create(&w, MN_WRITE_GGUF, c->err))) return;
    mn_gguf_keys_put(c, w);
    if (!c->status) c->status = mn_tensor_writer_begin(w, c->key_path, c->err);
    if (!c->status) c->status = mn_tensor_writer_finish(w, c->err);
    if (!c->status) c->status = mn_gguf_open(&c->keys, c->key_path, c->err);
    unlink(c->key_path);
    mn_tensor_writer_free(w);
}

static void make_outline(mn_convert *c, const char *target)
{
    mn_plan_input in = { 0 };
    c->outline = (mn_outline){ .root = "model.", .top = "", .vocab = c->from->vocab,
                               .choose = mn_form_choose, .ctx = c };
    if (!strcmp(c->from->family, "gpt_neox")) c->outline.root = "gpt_neox.";
    if (!strcmp(c->from->family, "nemotron_h")) c->outline.root = "backbone.";
    if (c->to_gguf) {
        make_keys(c, target);
        in.gguf = c->keys;
    } else {
        c->config = mn_hf_config_make(c);
        in.config = c->config;
    }
    if (c->status) return;
    c->status = mn_plan_outline(&c->to, &c->outline, &in, c->err);
    if (c->status)
        mn_fail_context(c->err, "family \"%s\" cannot be written as %s yet", c->from->family,
                        c->to_gguf ? "GGUF" : "an MLX directory");
}

/* Factors by which the bare frequencies are divided. */
static void fill_rope_table(mn_convert *c, const char *name, bool extended)
{
    const mn_rope *from = NULL, *to = NULL;
    for (int32_t i = 0; i < c->from->n_layers; i++) {
        const mn_attention *a = &c->from->layers[i].mixer.u.attention;
        if (c->from->layers[i].mixer.kind != MN_MIXER_ATTENTION || !a->rope.n_dims) continue;
        if (!strcmp(c->from->family, "gemma4") && a->window) continue;
        from = &a->rope;
        to = &c->to->layers[i].mixer.u.attention.rope;
        break;
    }
    for (int32_t i = 0; from && i < c->outline.n_tensors; i++) {
        mn_target *t = &c->targets[i];
        if (strcmp(t->want->name, name)) continue;
        int64_t n = t->want->rows;
        float *v = mn_convert_alloc(c, (size_t)n, sizeof *v);
        if (!v || n != from->n_dims / 2) return;
        const float *table = extended ? from->inv_freq_long : from->inv_freq;
        for (int64_t k = 0; k < n; k++) {
            double f = table[k] > 0 ? (double)to->inv_freq[k] / (double)table[k] : 1e30;
            double near = round(f * 1e4) / 1e4;
            v[k] = (float)(fabs(f - near) < 2e-7 * f ? near : f);
        }
        t->values = v;
        t->n_values = n;
        return;
    }
}

static void fill_rope_tables(mn_convert *c)
{
    if (c->rope_freqs) fill_rope_table(c, "rope_freqs.weight", false);
    if (!c->rope_factors) return;
    fill_rope_table(c, "rope_factors_short.weight", false);
    fill_rope_table(c, "rope_factors_long.weight", true);
}

/* ---- declaring -------------------------------------------------------------------------- */

static bool is_wanted(const mn_target *t)
{
    return t->want->matrix ? t->n_pieces > 0 : t->values != NULL;
}

static const char *written_name(const mn_convert *c, const mn_target *t, char out[MN_NAME_MAX])
{
    size_t n = strlen(t->want->name);
    snprintf(out, MN_NAME_MAX, "%s", t->want->name);
    /* llama.cpp's name for it has no ending */
    if (c->to_gguf && !strcmp(c->from->family, "falcon_h1") && n > 16 &&
        !strcmp(out + n - 16, ".ffn_norm.weight")) out[n - 7] = 0;
    return out;
}

/* The narrowest float that holds all values; GGUF keeps vectors in F32. */
static mn_wtype vector_type(const mn_convert *c, const mn_target *t)
{
    int64_t n = t->want->rows * (t->want->n_experts ? t->want->n_experts : 1);
    bool bf16 = true, f16 = true;
    if (c->to_gguf) return MN_F32;
    for (int64_t i = 0; i < n; i++) {
        bf16 &= mn_bf16_to_f32(mn_f32_to_bf16(t->values[i])) == t->values[i];
        f16 &= mn_f16_to_f32(mn_f32_to_f16(t->values[i])) == t->values[i];
    }
    return bf16 ? MN_BF16 : f16 ? MN_F16 : MN_F32;
}

static int32_t conv_width(const mn_convert *c, int32_t layer)
{
    const mn_mixer *m = layer >= 0 ? &c->from->layers[layer].mixer : NULL;
    if (!m) return 1;
    return m->kind == MN_MIXER_GATED_DELTA ? m->u.delta.conv_width
           : m->kind == MN_MIXER_MAMBA2 ? m->u.mamba2.conv_width
           : m->kind == MN_MIXER_SHORT_CONV ? m->u.conv.width : 1;
}

/* Vectors that files store with more dimensions than one. */
static int vector_dims(const mn_convert *c, const mn_target *t, int64_t dims[3])
{
    const mn_outline_tensor *w = t->want;
    const mn_mixer *m = w->layer >= 0 ? &c->from->layers[w->layer].mixer : NULL;
    if (strstr(w->name, "conv1d.weight") || strstr(w->name, "conv.conv.weight") ||
        strstr(w->name, "shortconv.conv.weight")) {
        dims[1] = conv_width(c, w->layer);
        dims[0] = w->rows / dims[1];
        dims[2] = 1;
        return c->to_gguf ? 2 : 3;
    }
    bool mamba = m && m->kind == MN_MIXER_MAMBA2;
    if (c->to_gguf && mamba && (strstr(w->name, ".ssm_a") || strstr(w->name, ".ssm_d"))) {
        if (!strstr(w->name, "ssm_dt")) {
            dims[0] = w->rows;
            dims[1] = 1;
            return 2;
        }
    }
    if (c->to_gguf && mamba && strstr(w->name, "ssm_norm")) {
        dims[0] = m->u.mamba2.n_groups;
        dims[1] = w->rows / dims[0];
        return 2;
    }
    bool each = c->to_gguf && m && m->kind == MN_MIXER_ATTENTION &&
                m->u.attention.q_norm.per_group_weight;
    if (each && (strstr(w->name, "attn_q_norm") || strstr(w->name, "attn_k_norm"))) {
        dims[1] = m->u.attention.head_dim;
        dims[0] = w->rows / dims[1];
        return 2;
    }
    dims[0] = w->n_experts;
    dims[w->n_experts > 0] = w->rows;
    return w->n_experts > 0 ? 2 : 1;
}

static void declare_matrix(mn_convert *c, mn_target *t, const char *name)
{
    const mn_outline_tensor *w = t->want;
    const mn_weight *f = &t->format;
    int64_t dims[3] = { w->n_experts, w->rows, w->cols };
    int skip = w->n_experts ? 0 : 1, n = 3 - skip;
    if (c->to_gguf && w->rows == 1 && skip) skip = 2, n = 1;     /* a shared expert's gate */
    bool mlx = f->type >= MN_MLX_AFFINE && f->type <= MN_MLX_NVFP4;
    uint64_t total = (uint64_t)w->rows * (uint64_t)f->n_experts;
    c->all_bytes += total * mn_plane_row_bytes(f, MN_PLANE_CODES);
    if (!mlx) {
        mn_tensor_writer_declare(c->writer, name, MN_STORED_WEIGHT, f->type, n, dims + skip);
        return;
    }
    char plane[MN_NAME_MAX + 16];
    int stem = (int)strlen(name) - 7;           /* ".weight" */
    dims[2] = (int64_t)(mn_plane_row_bytes(f, MN_PLANE_CODES) / 4);
    mn_tensor_writer_declare(c->writer, name, MN_STORED_U32, MN_F32, n, dims + skip);
    dims[2] = w->cols / f->group;
    bool affine = f->type == MN_MLX_AFFINE;
    snprintf(plane, sizeof plane, "%.*s.scales", stem, name);
    mn_tensor_writer_declare(c->writer, plane, affine ? MN_STORED_WEIGHT : MN_STORED_U8,
                             affine ? f->scale_type : MN_F32, n, dims + skip);
    c->all_bytes += total * mn_plane_row_bytes(f, MN_PLANE_SCALES);
    if (!affine) return;
    snprintf(plane, sizeof plane, "%.*s.biases", stem, name);
    mn_tensor_writer_declare(c->writer, plane, MN_STORED_WEIGHT, f->scale_type, n, dims + skip);
    c->all_bytes += total * mn_plane_row_bytes(f, MN_PLANE_BIASES);
}

static void declare_all(mn_convert *c)
{
    for (int32_t i = 0; i < c->outline.n_tensors && !c->status; i++) {
        mn_target *t = &c->targets[i];
        char name[MN_NAME_MAX];
        int64_t dims[3];
        if (!is_wanted(t)) continue;
        written_name(c, t, name);
        if (t->want->matrix) {
            declare_matrix(c, t, name);
            continue;
        }
        t->format.type = vector_type(c, t);
        int n = vector_dims(c, t, dims);
        mn_tensor_writer_declare(c->writer, name, MN_STORED_WEIGHT, t->format.type, n, dims);
        c->all_bytes += (uint64_t)t->want->rows * 4;
    }
}

/* ---- writing ---------------------------------------------------------------------------- */

static void write_vector(mn_convert *c, const mn_target *t)
{
    int64_t n = t->want->rows * (t->want->n_experts ? t->want->n_experts : 1);
    size_t item = t->format.type == MN_F32 ? 4 : 2;
    uint8_t *bytes = malloc((size_t)n * item);
    if (!bytes) {
        c->status = mn_fail_memory(c->err, (size_t)n * item);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint16_t half = t->format.type == MN_BF16 ? mn_f32_to_bf16(t->values[i])
                                                  : mn_f32_to_f16(t->values[i]);
        if (!isfinite(t->values[i]))
            mn_convert_fail(c, MINERVA_INVALID, "tensor %s: finite numbers expected, infinity or "
                            "NaN found", t->want->name);
        memcpy(bytes + (size_t)i * item, item == 4 ? (const void *)&t->values[i] : &half, item);
    }
    mn_tensor_writer_append(c->writer, bytes, (size_t)n * item);
    free(bytes);
}

static void write_all(mn_convert *c)
{
    for (int32_t i = 0; i < c->outline.n_tensors && !c->status; i++) {
        mn_target *t = &c->targets[i];
        if (!is_wanted(t)) continue;
        if (!t->want->matrix) {
            write_vector(c, t);
            continue;
        }
        for (mn_plane p = MN_PLANE_CODES; p <= MN_PLANE_BIASES && !c->status; p++)
            if (mn_plane_row_bytes(&t->format, p)) mn_rows_write(c, t, p);
        c->total_error += t->error;
        c->total_power += t->power;
    }
}

static void check_disk(mn_convert *c, const char *path)
{
    struct statvfs fs;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == dir) slash[1] = 0;
    else if (slash) *slash = 0;
    if (statvfs(slash ? dir : ".", &fs)) return;
    uint64_t there = (uint64_t)fs.f_bavail * fs.f_frsize, need = c->all_bytes + (4 << 20);
    if (there < need)
        mn_convert_fail(c, MINERVA_FULL, "%s: %.1f MB of free disk expected, %.1f MB found", path,
                        (double)need / 1e6, (double)there / 1e6);
}

static void write_weights(mn_convert *c, const char *path)
{
    mn_write_format format = c->to_gguf ? MN_WRITE_GGUF : MN_WRITE_SAFETENSORS;
    if ((c->status = mn_tensor_writer_create(&c->writer, format, c->err))) return;
    if (c->to_gguf) {
        for (int64_t i = 0; i < mn_gguf_n_kv(c->keys); i++)
            mn_tensor_writer_put_kv(c->writer, mn_gguf_kv_at(c->keys, i));
        mn_tensor_writer_put_u32(c->writer, "general.quantization_version", 2);
        mn_tensor_writer_put_u32(c->writer, "general.file_type", mn_types_file_type(c));
        mn_vocab_put_gguf(c, c->writer);
    } else {
        mn_tensor_writer_put_string(c->writer, "format", "mlx");
    }
    declare_all(c);
    if (!c->status) check_disk(c, path);
    if (!c->status) c->status = mn_tensor_writer_begin(c->writer, path, c->err);
    if (!c->status) write_all(c);
    if (!c->status) c->status = mn_tensor_writer_finish(c->writer, c->err);
    mn_tensor_writer_free(c->writer);
    c->writer = NULL;
}

/* ---- config.json's quantization ---------------------------------------------------------- */

static json_t *form_of(const mn_weight *f)
{
    static const char *const modes[] = { "affine", "mxfp4", "mxfp8", "nvfp4" };
    int bits = f->type == MN_MLX_AFFINE ? f->bits : f->type == MN_MLX_MXFP8 ? 8 : 4;
    json_t *o = json_pack("{s:i, s:i}", "group_size", (int)f->group, "bits", bits);
    json_object_set_new(o, "mode", json_string(modes[f->type - MN_MLX_AFFINE]));
    return o;
}

/* The commonest format is the default; modules of another have an entry of their own. */
static void put_quantization(mn_convert *c)
{
    json_t *best = NULL, *all = json_object();
    double most = 0;
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const mn_target *t = &c->targets[i];
        if (!is_wanted(t) || !t->want->matrix || t->format.type < MN_MLX_AFFINE) continue;
        json_t *o = form_of(&t->format);
        char *name = json_dumps(o, JSON_SORT_KEYS);
        double n = json_number_value(json_object_get(all, name)) +
                   (double)t->want->rows * (double)t->want->cols * (double)t->format.n_experts;
        json_object_set_new(all, name, json_real(n));
        if (n > most) {
            most = n;
            json_decref(best);
            best = json_incref(o);
        }
        json_decref(o);
        free(name);
    }
    json_decref(all);
    if (!best) return;
    json_t *q = json_deep_copy(best);
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const mn_target *t = &c->targets[i];
        if (!is_wanted(t) || !t->want->matrix || t->format.type < MN_MLX_AFFINE) continue;
        json_t *o = form_of(&t->format);
        char module[MN_NAME_MAX];
        snprintf(module, sizeof module, "%.*s", (int)strlen(t->want->name) - 7, t->want->name);
        if (!json_equal(o, best)) json_object_set(q, module, o);
        json_decref(o);
    }
    json_decref(best);
    json_object_set(c->config, "quantization", q);
    json_object_set_new(c->config, "quantization_config", q);
}

/* ---- directories ------------------------------------------------------------------------- */

static void write_text(mn_convert *c, const char *dir, const char *name, const json_t *json)
{
    char path[4400];
    mn_out_file f = { 0 };
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!text) c->status = mn_fail_memory(c->err, 4096);
    if (!c->status) c->status = mn_out_file_open(&f, path, c->err);
    if (!c->status) {
        mn_out_file_write(&f, text, strlen(text));
        mn_out_file_write(&f, "\n", 1);
        c->status = mn_out_file_finish(&f, c->err);
    }
    mn_out_file_clear(&f);
    free(text);
}

static const char *const dir_files[] = {
    "model.safetensors", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "generation_config.json", "chat_template.jinja", "config.json",
    "model.safetensors.part", "config.json.part", NULL };

static void remove_part(const char *dir)
{
    char path[4400];
    for (int i = 0; dir_files[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, dir_files[i]);
        unlink(path);
    }
    rmdir(dir);
}

/* DIR.part becomes DIR; into a directory that is there its files are moved, config.json last. */
static void settle_dir(mn_convert *c, const char *part, const char *target)
{
    char from[4400], to[4400];
    struct stat st;
    if (stat(target, &st)) {
        if (rename(part, target))
            mn_convert_fail(c, MINERVA_IO, "%s: %s", target, strerror(errno));
        return;
    }
    for (int i = 0; dir_files[i] && !c->status; i++) {
        snprintf(from, sizeof from, "%s/%s", part, dir_files[i]);
        snprintf(to, sizeof to, "%s/%s", target, dir_files[i]);
        if (stat(from, &st)) unlink(to);
        else if (rename(from, to)) mn_convert_fail(c, MINERVA_IO, "%s: %s", to, strerror(errno));
    }
    rmdir(part);
}

static void write_dir(mn_convert *c, const char *target)
{
    char part[4096], path[4200];
    if ((size_t)snprintf(part, sizeof part, "%s.part", target) >= sizeof part) {
        mn_convert_fail(c, MINERVA_INVALID, "%s: the path is too long", target);
        return;
    }
    remove_part(part);
    if (mkdir(part, 0777)) {
        mn_convert_fail(c, MINERVA_IO, "%s: %s", part, strerror(errno));
        return;
    }
    mn_vocab_write_dir(c, part);
    snprintf(path, sizeof path, "%s/model.safetensors", part);
    if (!c->status) put_quantization(c);
    if (!c->status) write_weights(c, path);
    if (!c->status) write_text(c, part, "config.json", c->config);
    if (!c->status) settle_dir(c, part, target);
    if (c->status) remove_part(part);
}

/* ---- after all --------------------------------------------------------------------------- */

/* Can what was written be read, and is it the same family's model of the same size? */
static void check_written(mn_convert *c, const char *target)
{
    mn_model_source *s = NULL;
    mn_plan *p = NULL;
    minerva_status st = mn_source_open(&s, target, NULL, c->err);
    if (!st) st = mn_plan_create(&p, s, c->err);
    if (st) mn_fail_context(c->err, "what was written cannot be read");
    c->status = st;
    mn_plan_free(p);
    mn_source_close(s);
}

static const char *class_of(const mn_target *t)
{
    static const char *const words[][2] = {
        { "exps", "experts" }, { "switch_mlp", "experts" }, { "mlp.experts", "experts" },
        { "attn", "attention" }, { "linear_attn", "recurrent" }, { "ssm", "recurrent" },
        { "mamba", "recurrent" }, { "mixer", "mixer" }, { "conv", "convolution" },
        { "ffn", "feed-forward" }, { "mlp", "feed-forward" }, { "feed_forward", "feed-forward" },
        { "output", "output" }, { "lm_head", "output" } };
    if (t->want->layer < 0)
        return strstr(t->want->name, "output.weight") || strstr(t->want->name, "lm_head")
                   ? "output" : "embedding";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(t->want->name, words[i][0])) return words[i][1];
    return "other";
}

static void add_type(json_t *types, const mn_weight *f)
{
    char name[48];
    if (f->type == MN_MLX_AFFINE)
        snprintf(name, sizeof name, "%d bits in groups of %d", f->bits, f->group);
    else snprintf(name, sizeof name, "%s", mn_wtype_get(f->type)->name);
    json_int_t n = json_integer_value(json_object_get(types, name));
    json_object_set_new(types, name, json_integer(n + 1));
}

static double ratio(double error, double power) { return power > 0 ? error / power : 0; }

static json_t *describe_classes(mn_convert *c)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const char *class = class_of(&c->targets[i]);
        bool seen = !is_wanted(&c->targets[i]) || !c->targets[i].want->matrix;
        for (size_t k = 0; k < json_array_size(list); k++)
            seen |= !strcmp(class, json_string_value(json_object_get(json_array_get(list, k),
                                                                     "class")));
        if (seen) continue;
        double error = 0, power = 0, worst = 0;
        const char *name = "";
        json_t *types = json_object();
        for (int32_t k = i; k < c->outline.n_tensors; k++) {
            const mn_target *t = &c->targets[k];
            if (!is_wanted(t) || !t->want->matrix || strcmp(class_of(t), class)) continue;
            error += t->error;
            power += t->power;
            add_type(types, &t->format);
            if (ratio(t->error, t->power) <= worst) continue;
            worst = ratio(t->error, t->power);
            name = t->want->name;
        }
        json_array_append_new(list, json_pack("{s:s, s:o, s:f, s:s, s:f}", "class", class, "types",
                                              types, "nmse", ratio(error, power), "worst", name,
                                              "worst_nmse", worst));
    }
    return list;
}

static char *describe(mn_convert *c, const char *target)
{
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:o, s:O}", "source", c->source->path, "target",
        target, "family", c->from->family, "format", c->to_gguf ? "GGUF" : "MLX", "type",
        c->options.type ? c->options.type : "as it was", "size_bytes", (json_int_t)c->all_bytes,
        "nmse", ratio(c->total_error, c->total_power), "classes", describe_classes(c), "warnings",
        c->warnings);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

static void clear(mn_convert *c)
{
    mn_tensor_writer_free(c->writer);
    mn_pool_free(c->pool);
    mn_outline_clear(&c->outline);
    mn_config_log_clear(&c->log);
    mn_plan_free(c->to);
    mn_plan_free(c->from);
    mn_gguf_close(c->keys);
    mn_source_close(c->source);
    json_decref(c->config);
    json_decref(c->warnings);
    mn_arena_clear(&c->arena);
    free(c->key_path);
}

minerva_status minerva_convert(const char *source, const char *target,
                               const minerva_convert_options *options, char **report,
                               minerva_error *err)
{
    mn_convert c = { .err = err, .warnings = json_array(), .to_gguf = ends_with(target, ".gguf") };
    minerva_error own = { 0 };
    if (options) c.options = *options;
    if (!c.err) c.err = &own;
    open_source(&c, source);
    if (!c.status) check_target(&c, target);
    if (!c.status) look_at_rope(&c);
    if (!c.status) make_outline(&c, target);
    if (!c.status) mn_slots_match(&c);
    if (!c.status) mn_compare_plans(&c);
    if (!c.status) fill_rope_tables(&c);
    if (!c.status && c.options.lora) mn_lora_open(&c);
    if (!c.status) mn_types_choose(&c);
    if (!c.status) c.status = mn_pool_create(&c.pool, c.options.n_threads, c.err);
    if (!c.status) {
        if (c.to_gguf) write_weights(&c, target);
        else write_dir(&c, target);
    }
    if (!c.status) check_written(&c, target);
    if (!c.status && report && !(*report = describe(&c, target)))
        c.status = mn_fail_memory(err, 4096);
    minerva_status st = c.status;
    clear(&c);
    return st;
}
