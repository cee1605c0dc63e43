/* Low-rank adapters, merged while rows pass.
 *
 * PEFT:   adapter_model.safetensors, "base_model.model." + module + ".lora_A.weight" [r, in]
 *         and ".lora_B.weight" [out, r]; scale alpha / r (alpha / sqrt(r) with rslora).
 * MLX:    adapters.safetensors, module + ".lora_a" [in, r] and ".lora_b" [r, out]; scale as
 *         written, no division.
 *
 * W'[row] = W[row] + scale * sum_k B[row, k] A[k].  A module is the source's own: a part of
 * an adapter knows rows of the source's tensor, so it is attached to the pieces that come
 * from there.  Adapters are small and held as floats.  What is not a plain pair (DoRA, biases,
 * modules saved whole, experts) is refused by name. */
#include "convert/convert.h"
#include "format/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mn_lora_part {
    mn_lora_part *next;         /* another pair of the same target */
    const mn_weight *from;      /* the slot whose rows it changes */
    int64_t first, n;           /* source rows [first, first + n) are its rows 0 .. n */
    int64_t rank, cols;
    const float *a, *b;         /* a [rank, cols], b [rows, rank] */
    float scale;
};

typedef struct {
    mn_model_dir *dir;
    mn_safetensors *file;
    bool mlx, rslora;
    double scale, alpha, rank;
    int n_used;
} adapter;

/* ---- reading ------------------------------------------------------------------------------ */

static double real_of(const json_t *o, const char *key, double fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

static void read_config(mn_convert *c, adapter *ad)
{
    const json_t *o = mn_model_dir_json(ad->dir, "adapter_config.json", NULL);
    const json_t *p = json_object_get(o, "lora_parameters");
    if (!o) {
        mn_convert_fail(c, MINERVA_NOT_FOUND, "%s: an adapter with adapter_config.json expected, none "
                        "found", c->options.lora);
        return;
    }
    ad->scale = 1;
    if (ad->mlx) {
        ad->scale = real_of(p, "scale", real_of(o, "scale", 20));
        const char *type = json_string_value(json_object_get(o, "fine_tune_type"));
        if (type && strcmp(type, "lora"))
            mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter_config.json: fine_tune_type \"lora\" "
                            "expected, \"%.40s\" found", type);
        return;
    }
    const char *type = json_string_value(json_object_get(o, "peft_type"));
    if (type && strcmp(type, "LORA"))
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter_config.json: peft_type \"LORA\" expected, "
                        "\"%.40s\" found", type);
    static const char *const refused[] = { "rank_pattern", "alpha_pattern" };
    for (int i = 0; i < 2; i++)
        if (json_object_size(json_object_get(o, refused[i])))
            mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter_config.json: %s is not implemented",
                            refused[i]);
    if (json_is_true(json_object_get(o, "use_dora")))
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter_config.json: use_dora is not implemented");
    if (json_is_true(json_object_get(o, "fan_in_fan_out")) )
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter_config.json: fan_in_fan_out is not "
                        "implemented");
    ad->rslora = json_is_true(json_object_get(o, "use_rslora"));
    ad->rank = real_of(o, "r", 8);
    ad->alpha = real_of(o, "lora_alpha", 8);
}

/* All of a tensor as floats, transposed if asked. */
static float *floats_of(mn_convert *c, const mn_tensor_ref *t, bool transpose)
{
    int64_t rows = t->dims[0], cols = t->dims[1];
    float *out = mn_convert_alloc(c, (size_t)(rows * cols), sizeof *out);
    float *row = mn_convert_alloc(c, (size_t)cols, sizeof *row);
    if (!out || !row) return NULL;
    mn_weight w = { .type = t->wtype, .rows = rows, .cols = cols, .n_experts = 1, .data = t->data,
                    .row_bytes = mn_wtype_row_bytes(t->wtype, 0, cols) };
    for (int64_t r = 0; r < rows; r++) {
        mn_weight_decode(&w, 0, r, 0, cols, row);
        for (int64_t k = 0; k < cols; k++) out[transpose ? k * rows + r : r * cols + k] = row[k];
    }
    return out;
}

/* ---- finding the module ---------------------------------------------------------------------- */

/* The tensor of the source with that module name, prefixes of wrappers aside. */
static const mn_tensor_ref *find_module(const mn_convert *c, const char *module)
{
    static const char *const cut[] = { "base_model.model.", "" }, *const add[] = { "", "model." };
    char name[MN_NAME_MAX];
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            size_t n = strlen(cut[i]);
            if (strncmp(module, cut[i], n)) continue;
            snprintf(name, sizeof name, "%s%.200s.weight", add[k], module + n);
            const mn_tensor_ref *t = mn_source_tensor(c->source, name);
            if (t) return t;
        }
    return NULL;
}

/* Attach the pair to every target that has rows of tensor t. */
static int attach(mn_convert *c, const mn_tensor_ref *t, const mn_lora_part *model)
{
    int n = 0;
    for (int32_t i = 0; i < c->outline.n_tensors && !c->status; i++) {
        mn_target *target = &c->targets[i];
        const mn_weight *seen = NULL;
        for (int32_t k = 0; k < target->n_pieces; k++) {
            const mn_weight *w = target->pieces[k].from;
            if (w == seen || !w->row_bytes || w->n_experts != 1) continue;
            if (w->data < t->data || w->data >= t->data + t->size_bytes) continue;
            if (target->pieces[k].transposed) return 0;
            seen = w;
            mn_lora_part *part = mn_convert_alloc(c, 1, sizeof *part);
            if (!part) return n;
            *part = *model;
            part->from = w;
            part->first = (w->data - t->data) / (ptrdiff_t)w->row_bytes;
            part->n = w->rows;
            part->next = target->lora;
            target->lora = part;
            n++;
        }
    }
    return n;
}

static void take_pair(mn_convert *c, adapter *ad, const mn_tensor_ref *a)
{
    const char *end = ad->mlx ? ".lora_a" : ".lora_A.weight";
    char module[MN_NAME_MAX], other[MN_NAME_MAX + 32];
    size_t n = a->name_len - strlen(end);
    if (n >= sizeof module) return;
    memcpy(module, a->name, n);
    module[n] = 0;
    snprintf(other, sizeof other, "%s%s", module, ad->mlx ? ".lora_b" : ".lora_B.weight");
    const mn_tensor_ref *b = mn_safetensors_find(ad->file, other), *t = find_module(c, module);
    if (!b || a->n_dims != 2 || b->n_dims != 2 || a->kind != MN_STORED_WEIGHT ||
        b->kind != MN_STORED_WEIGHT || a->wtype > MN_BF16 || b->wtype > MN_BF16) {
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter: a pair of two-dimensional floats expected "
                        "for %.120s", module);
        return;
    }
    if (!t) {
        mn_convert_fail(c, MINERVA_INVALID, "adapter: module %.120s: the model has no such tensor",
                        module);
        return;
    }
    int64_t rank = a->dims[ad->mlx], cols = a->dims[!ad->mlx], rows = b->dims[ad->mlx];
    bool packed = t->kind != MN_STORED_WEIGHT;      /* MLX codes: columns are not plain */
    if (b->dims[!ad->mlx] != rank || t->n_dims != 2 || t->dims[0] != rows ||
        (!packed && t->dims[1] != cols)) {
        mn_convert_fail(c, MINERVA_INVALID, "adapter: module %.100s: [%lld, %lld] of rank %lld does not "
                        "fit the model's tensor", module, (long long)rows, (long long)cols,
                        (long long)rank);
        return;
    }
    double scale = ad->scale;
    if (!ad->mlx) scale = ad->alpha / (ad->rslora ? sqrt((double)rank) : (double)rank);
    if (c->options.lora_scale != 0) scale *= (double)c->options.lora_scale;
    mn_lora_part part = { .rank = rank, .cols = cols, .scale = (float)scale,
                          .a = floats_of(c, a, ad->mlx), .b = floats_of(c, b, ad->mlx) };
    if (!c->status && !attach(c, t, &part))
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter: module %.120s: a matrix of this kind cannot be "
                        "merged yet", module);
    ad->n_used++;
}

static bool ends_in(const mn_tensor_ref *t, const char *end)
{
    size_t n = strlen(end);
    return t->name_len > n && !memcmp(t->name + t->name_len - n, end, n);
}

static void take_all(mn_convert *c, adapter *ad)
{
    const char *first = ad->mlx ? ".lora_a" : ".lora_A.weight";
    const char *second = ad->mlx ? ".lora_b" : ".lora_B.weight";
    for (int64_t i = 0; i < mn_safetensors_n_tensors(ad->file) && !c->status; i++) {
        const mn_tensor_ref *t = mn_safetensors_at(ad->file, i);
        if (ends_in(t, first)) take_pair(c, ad, t);
        else if (!ends_in(t, second))
            mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapter: tensor %.*s is neither %s nor %s",
                            (int)(t->name_len < 120 ? t->name_len : 120), t->name, first, second);
    }
    if (!c->status && !ad->n_used)
        mn_convert_fail(c, MINERVA_INVALID, "%s: an adapter's matrices expected, none found",
                        c->options.lora);
}

void mn_lora_open(mn_convert *c)
{
    static const char *const names[] = { "adapter_model.safetensors", "adapters.safetensors" };
    adapter ad = { 0 };
    char path[4400];
    const char *one = path;
    if (c->source->kind == MN_SOURCE_GGUF) {
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "adapters name modules as directories do: a HuggingFace "
                        "or MLX directory expected as the source");
        return;
    }
    if ((c->status = mn_model_dir_open(&ad.dir, c->options.lora, false, c->err))) return;
    for (int i = 0; i < 2 && !ad.file; i++) {
        snprintf(path, sizeof path, "%.4096s/%s", c->options.lora, names[i]);
        ad.mlx = i == 1;
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        fclose(f);
        c->status = mn_safetensors_open(&ad.file, &one, 1, c->err);
        break;
    }
    if (!c->status && !ad.file)
        mn_convert_fail(c, MINERVA_NOT_FOUND, "%s: adapter_model.safetensors or adapters.safetensors "
                        "expected, neither found", c->options.lora);
    if (!c->status) read_config(c, &ad);
    if (!c->status) take_all(c, &ad);
    mn_safetensors_close(ad.file);
    mn_model_dir_close(ad.dir);
}

void mn_lora_add(const mn_target *t, const mn_piece *p, int64_t row, float *x)
{
    for (const mn_lora_part *part = t->lora; part; part = part->next) {
        if (part->from != p->from || row >= part->n) continue;
        const float *b = part->b + (part->first + row) * part->rank;
        for (int64_t k = 0; k < part->rank; k++) {
            float s = part->scale * b[k];
            const float *a = part->a + k * part->cols;
            for (int64_t i = 0; i < part->cols; i++) x[i] += s * a[i];
        }
    }
}
