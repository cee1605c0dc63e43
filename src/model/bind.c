/* Binding: from a name and the shape that the config promises to an mn_weight.
 *
 * A matrix may lie in the file as GGUF blocks, as plain floats, as an MLX-quantised module
 * (codes, scales and perhaps biases in three tensors), as FP8 with scales beside it, or as
 * OpenAI's MXFP4 blocks.  All of them become views; only scales that are coarser than one
 * per row and group are expanded, and only tensors stored [in, out] are copied.
 *
 * (1) Every tensor's shape is compared with the expected one before anything is read, so a
 *     bound weight lies inside its file whatever the config says.
 * (2) Missing leading dimensions of 1 are forgiven ([hidden] for [1, hidden]).
 * (3) Which MLX format a module has follows from its shapes and types; config.json's
 *     `quantization` must agree, and a disagreement is an error that names both.
 */
#include "model/build.h"
#include "model/outline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------- */

void mn_bind_index(mn_build *b)
{
    const mn_safetensors *st = b->weights;
    if (!b->gguf && !st) {
        mn_build_invalid(b, "model*.safetensors: expected in the model's directory, but there "
                         "are none");
        return;
    }
    b->n_tensors = b->gguf ? mn_gguf_n_tensors(b->file) : mn_safetensors_n_tensors(st);
    b->tensors = mn_build_alloc(b, (size_t)b->n_tensors, sizeof *b->tensors);
    b->used = mn_build_alloc(b, (size_t)b->n_tensors, 1);
    if (b->status) return;
    bool ok = mn_map_reserve(&b->names, (size_t)b->n_tensors);
    for (int64_t i = 0; ok && i < b->n_tensors; i++) {
        b->tensors[i] = b->gguf ? mn_gguf_tensor_at(b->file, i)
                                : mn_safetensors_at(st, i);
        ok = mn_map_put(&b->names, b->tensors[i]->name, b->tensors[i]->name_len, (uint32_t)i,
                        NULL);
    }
    if (!ok) b->status = mn_fail_memory(b->err, (size_t)b->n_tensors * sizeof(mn_map_entry));
}

/* The idx-th of "a|b" as a full tensor name; false if there is no such alternative. */
static bool full_name(const mn_build *b, const char *gguf, const char *hf, const char *suffix,
                      int idx, char out[MN_NAME_MAX])
{
    const char *p = b->gguf ? gguf : hf;
    if (!p) return false;
    for (; idx > 0; idx--) {
        p = strchr(p, '|');
        if (!p) return false;
        p++;
    }
    int n = (int)strcspn(p, "|");
    if (b->gguf) {
        if (b->layer < 0) snprintf(out, MN_NAME_MAX, "%.*s%s", n, p, suffix);
        else snprintf(out, MN_NAME_MAX, "blk.%d.%.*s%s", b->layer, n, p, suffix);
    } else if (*p == '/') {
        snprintf(out, MN_NAME_MAX, "%s%.*s%s", b->top, n - 1, p + 1, suffix);
    } else if (b->layer < 0) {
        snprintf(out, MN_NAME_MAX, "%s%.*s%s", b->root, n, p, suffix);
    } else {
        snprintf(out, MN_NAME_MAX, "%s%s.%d.%.*s%s", b->root, b->layers_name, b->layer, n, p,
                 suffix);
    }
    return true;
}

const char *mn_bind_prefixed(const char *prefix, const char *names, char out[MN_NAME_MAX])
{
    size_t at = 0;
    out[0] = 0;
    for (const char *p = names; *p && at < MN_NAME_MAX - 100;) {
        int n = (int)strcspn(p, "|");
        at += (size_t)snprintf(out + at, MN_NAME_MAX - at, "%s%.48s%.*s", at ? "|" : "", prefix,
                               n < 40 ? n : 40, p);
        p += n;
        if (*p) p++;
    }
    return out;
}

static const mn_tensor_ref *look_up(mn_build *b, const char *name, bool mark)
{
    uint32_t i;
    if (!mn_map_get(&b->names, name, strlen(name), &i)) return NULL;
    if (mark) b->used[i] = 1;
    return b->tensors[i];
}

/* The tensor, its full name in `name` (the first alternative's if there is none). */
static const mn_tensor_ref *find(mn_build *b, const char *gguf, const char *hf,
                                 const char *suffix, bool mark, char name[MN_NAME_MAX])
{
    name[0] = 0;
    for (int i = 0; full_name(b, gguf, hf, suffix, i, name); i++) {
        const mn_tensor_ref *t = look_up(b, name, mark);
        if (t) return t;
    }
    full_name(b, gguf, hf, suffix, 0, name);
    return NULL;
}

const mn_tensor_ref *mn_bind_find(mn_build *b, const char *gguf, const char *hf,
                                  const char *suffix)
{
    /* converted files are known by a convolution of [channels, width, 1] */
    static const mn_tensor_ref some = { .name = "", .n_dims = 3, .dims = { 2, 2, 1 } };
    char name[MN_NAME_MAX];
    if (b->outline && !b->status)
        return mn_outline_choose(b, gguf, hf, false) >= 0 ? &some : NULL;
    return b->status ? NULL : find(b, gguf, hf, suffix, true, name);
}

bool mn_bind_has(mn_build *b, const char *gguf, const char *hf)
{
    char name[MN_NAME_MAX];
    if (b->outline) return !b->status && mn_outline_choose(b, gguf, hf, false) >= 0;
    return !b->status && find(b, gguf, hf, ".weight", false, name);
}

/* ---- shapes --------------------------------------------------------------------------- */

static void shape_text(const int64_t *dims, int n, char out[96])
{
    int at = snprintf(out, 96, "[");
    for (int i = 0; i < n && at < 90; i++)
        at += snprintf(out + at, (size_t)(96 - at), i ? ", %lld" : "%lld", (long long)dims[i]);
    if (at < 94) snprintf(out + at, (size_t)(96 - at), "]");
}

/* Does t have exactly these dimensions, leading ones of 1 aside? */
static bool check_shape(mn_build *b, const mn_tensor_ref *t, const char *name, int n,
                        const int64_t *dims)
{
    int extra = t->n_dims - n, bad = 0;
    for (int i = 0; i < extra; i++) bad |= t->dims[i] != 1;
    for (int i = 0; i < n; i++) bad |= (i + extra < 0 ? 1 : t->dims[i + extra]) != dims[i];
    if (!bad) return true;
    char want[96], have[96];
    shape_text(dims, n, want);
    shape_text(t->dims, t->n_dims, have);
    mn_build_invalid(b, "tensor %s: shape %s expected, %s found", name, want, have);
    return false;
}

static bool is_float(const mn_tensor_ref *t)
{
    return t->kind == MN_STORED_WEIGHT &&
           (t->wtype == MN_F32 || t->wtype == MN_F16 || t->wtype == MN_BF16);
}

static void missing(mn_build *b, const char *name, const int64_t *dims, int n)
{
    char want[96];
    shape_text(dims, n, want);
    mn_build_invalid(b, "tensor %s: shape %s expected, but the file has no such tensor",
                     name, want);
}

/* ---- MLX modules ---------------------------------------------------------------------- */

typedef struct { int bits, group; const char *mode; bool said; } mlx_form;

/* What config.json says of a module; said = false: nothing. */
static mlx_form mlx_declared(mn_build *b, const char *module)
{
    mlx_form f = { 0 };
    const json_t *q = json_object_get(b->quant, module), *from = b->quant;
    if (json_is_object(q)) from = q;
    else if (json_is_boolean(q) && !json_is_true(q)) from = NULL;
    if (!json_is_object(from)) return f;
    const json_t *bits = json_object_get(from, "bits");
    const json_t *group = json_object_get(from, "group_size");
    const char *mode = json_string_value(json_object_get(from, "mode"));
    f.bits = json_is_integer(bits) ? (int)json_integer_value(bits) : 4;
    f.group = json_is_integer(group) ? (int)json_integer_value(group) : 64;
    f.mode = mode ? mode : "affine";
    f.said = true;
    return f;
}

static bool plane_is(const mn_tensor_ref *t, int n, int64_t experts, int64_t rows, int64_t cols)
{
    if (!t || t->n_dims != n) return false;
    const int64_t *d = t->dims + (n - 2);
    return d[0] == rows && d[1] == cols && (n == 2 || t->dims[0] == experts);
}

/* Codes, scales and biases have fitting shapes; fill w or name what does not fit. */
static void bind_mlx(mn_build *b, mn_weight *w, const char *module, const mn_tensor_ref *t,
                     const mn_tensor_ref *scales, const mn_tensor_ref *biases,
                     int64_t experts, int64_t rows, int64_t cols)
{
    int n = experts ? 3 : 2;
    int64_t words = t->n_dims == n ? t->dims[n - 1] : 0;
    int64_t groups = scales->n_dims == n ? scales->dims[n - 1] : 0;
    int64_t bits = words > 0 && words < INT64_MAX / 32 ? words * 32 / cols : 0;
    int64_t group = groups > 0 ? cols / groups : 0;
    char want[96], have[96];
    if (t->kind != MN_STORED_U32 || !plane_is(t, n, experts, rows, words) || bits < 1 ||
        bits > 8 || bits * cols != words * 32 ||
        !plane_is(scales, n, experts, rows, groups) || group < 1 || group * groups != cols) {
        shape_text(t->dims, t->n_dims, want);
        shape_text(scales->dims, scales->n_dims, have);
        mn_build_invalid(b, "tensor %s.weight: MLX codes and scales of a [%lld, %lld] matrix "
                         "expected, %s %s with scales %s found", module, (long long)rows,
                         (long long)cols, mn_tensor_ref_type_name(t), want, have);
        return;
    }
    const char *mode = "affine";
    if (scales->kind == MN_STORED_U8)
        mode = bits == 8 ? "mxfp8" : group == 16 ? "nvfp4" : "mxfp4";
    mlx_form said = mlx_declared(b, module);
    if (said.said && (said.bits != bits || said.group != group || strcmp(said.mode, mode))) {
        mn_build_invalid(b, "tensor %s.weight: config.json says %.12s, %d bits, groups of %d; "
                         "its shapes say %s, %lld bits, groups of %lld", module, said.mode,
                         said.bits, said.group, mode, (long long)bits, (long long)group);
        return;
    }
    w->type = MN_MLX_AFFINE;
    w->bits = (uint8_t)bits;
    if (scales->kind == MN_STORED_U8) {
        w->type = bits == 8 ? MN_MLX_MXFP8 : group == 16 ? MN_MLX_NVFP4 : MN_MLX_MXFP4;
        if ((bits != 8 && bits != 4) || group != (w->type == MN_MLX_NVFP4 ? 16 : 32) || biases)
            mn_build_unsupported(b, "tensor %s.weight: %lld-bit floats in groups of %lld%s are "
                                 "no MLX format", module, (long long)bits, (long long)group,
                                 biases ? " with biases" : "");
    } else if (!biases || !is_float(scales) || biases->kind != scales->kind ||
               biases->wtype != scales->wtype ||
               !plane_is(biases, n, experts, rows, groups)) {
        mn_build_invalid(b, "tensor %s.biases: %s like the scales expected, %s found", module,
                         mn_tensor_ref_type_name(scales),
                         biases ? mn_tensor_ref_type_name(biases) : "nothing");
    } else if (bits == 1 || bits == 7 || (group != 32 && group != 64 && group != 128)) {
        mn_build_unsupported(b, "tensor %s.weight: %lld bits in groups of %lld (2, 3, 4, 5, 6 or "
                             "8 bits in groups of 32, 64 or 128 are known)", module,
                             (long long)bits, (long long)group);
    } else {
        w->scale_type = (uint8_t)scales->wtype;
        w->biases = biases->data;
    }
    if (b->status) return;
    w->group = (int16_t)group;
    w->data = t->data;
    w->row_bytes = (size_t)words * 4;
    w->scales = scales->data;
    size_t scale_bytes = scales->kind == MN_STORED_U8 ? 1 : scales->wtype == MN_F32 ? 4 : 2;
    w->scale_row_bytes = (size_t)groups * scale_bytes;
    w->scale_expert_bytes = w->scale_row_bytes * (size_t)rows;
}

/* ---- FP8 with scales ------------------------------------------------------------------ */

/* Scales may be one per tensor, one per row, or one per block of rows and columns.  They
 * are expanded to one f32 per row and group of columns, which decoders read. */
static void bind_fp8(mn_build *b, mn_weight *w, const char *module, const mn_tensor_ref *s,
                     int64_t experts, int64_t rows, int64_t cols)
{
    int64_t n_experts = experts ? experts : 1, sr = 1, sc = 1, se = 1;
    if (s->n_dims >= 2) sr = s->dims[s->n_dims - 2], sc = s->dims[s->n_dims - 1];
    else if (s->n_dims == 1) sr = s->dims[0];
    if (s->n_dims == 3) se = s->dims[0];
    int64_t group = 128;
    while (group > 16 && cols % group) group /= 2;
    /* a block covers ceil(rows / sr) rows: 128 in every checkpoint that has blocks */
    int64_t block_rows = sr == rows || sr == 1 ? (sr == 1 ? rows : 1) : 128;
    int64_t block_cols = sc == 1 ? cols : 128;
    bool fits = is_float(s) && s->n_dims <= 3 && (se == 1 || se == n_experts) &&
                sr == (rows + block_rows - 1) / block_rows &&
                sc == (cols + block_cols - 1) / block_cols && cols % group == 0;
    if (!fits) {
        char have[96];
        shape_text(s->dims, s->n_dims, have);
        mn_build_unsupported(b, "tensor %s: scales of FP8 weights [%lld, %lld] per tensor, row "
                             "or 128 x 128 block expected, %s %s found", module,
                             (long long)rows, (long long)cols, mn_tensor_ref_type_name(s), have);
        return;
    }
    int64_t groups = cols / group;
    float *plane = mn_build_alloc(b, (size_t)(n_experts * rows * groups), sizeof *plane);
    float *row = mn_build_alloc(b, (size_t)sc, sizeof *row);
    if (!plane || !row) return;
    mn_weight sw = { .type = s->wtype, .rows = se * sr, .cols = sc, .n_experts = 1,
                     .data = s->data, .row_bytes = mn_wtype_row_bytes(s->wtype, 0, sc) };
    for (int64_t e = 0; e < n_experts; e++)
        for (int64_t r = 0; r < rows; r++) {
            if (r % block_rows == 0)
                mn_weight_decode(&sw, 0, (se == 1 ? 0 : e * sr) + r / block_rows, 0, sc, row);
            for (int64_t g = 0; g < groups; g++)
                plane[(e * rows + r) * groups + g] = row[g * group / block_cols];
        }
    w->scales = (const uint8_t *)plane;
    w->scale_type = MN_F32;
    w->group = (int16_t)group;
    w->scale_row_bytes = (size_t)groups * sizeof *plane;
    w->scale_expert_bytes = w->scale_row_bytes * (size_t)rows;
}

/* ---- matrices ------------------------------------------------------------------------- */

/* `module` is the full name without ".weight"; t its weight tensor. */
static void bind_matrix(mn_build *b, mn_weight *out, const char *module, const char *name,
                        const mn_tensor_ref *t, int64_t experts, int64_t rows, int64_t cols)
{
    char other[MN_NAME_MAX + 32];
    mn_weight w = { .rows = rows, .cols = cols, .n_experts = experts ? experts : 1 };
    const mn_tensor_ref *scales = NULL;
    if (!b->gguf) {
        snprintf(other, sizeof other, "%s.scales", module);
        scales = look_up(b, other, true);
    }
    if (scales) {
        snprintf(other, sizeof other, "%s.biases", module);
        bind_mlx(b, &w, module, t, scales, look_up(b, other, true), experts, rows, cols);
    } else {
        const int64_t dims[3] = { experts, rows, cols };
        if (!check_shape(b, t, name, experts ? 3 : 2, dims + !experts)) return;
        if (t->kind != MN_STORED_WEIGHT) {
            mn_build_unsupported(b, "tensor %s: floats or a known quantised type expected, %s "
                                 "found", name, mn_tensor_ref_type_name(t));
            return;
        }
        w.type = t->wtype;
        w.data = t->data;
        w.row_bytes = mn_wtype_row_bytes(t->wtype, 0, cols);
        if (!w.row_bytes) {
            mn_build_invalid(b, "tensor %s: %s needs whole blocks, but a row has %lld columns",
                             name, mn_tensor_ref_type_name(t), (long long)cols);
            return;
        }
        if (t->wtype == MN_F8_E4M3 && !b->gguf) {
            const mn_tensor_ref *s = NULL;
            static const char *const suffixes[] = { "weight_scale_inv", "weight_scale", "scale" };
            for (int i = 0; i < 3 && !s; i++) {
                snprintf(other, sizeof other, "%s.%s", module, suffixes[i]);
                s = look_up(b, other, true);
            }
            snprintf(other, sizeof other, "%s.input_scale", module);
            look_up(b, other, true);    /* of activations: we keep them in floats */
            if (s) bind_fp8(b, &w, module, s, experts, rows, cols);
        }
    }
    if (b->status) return;
    w.expert_bytes = w.row_bytes * (size_t)rows;
    *out = w;
}

/* "model.x.weight" -> "model.x" */
static void module_of(const char *name, char out[MN_NAME_MAX])
{
    snprintf(out, MN_NAME_MAX, "%s", name);
    size_t n = strlen(out);
    if (n > 7 && !strcmp(out + n - 7, ".weight")) out[n - 7] = 0;
}

static bool bind_named(mn_build *b, mn_weight *out, const char *gguf, const char *hf,
                       int64_t experts, int64_t rows, int64_t cols, bool optional,
                       char module[MN_NAME_MAX])
{
    char name[MN_NAME_MAX];
    module[0] = 0;
    if (b->status) return false;
    if (b->outline) {
        int which = mn_outline_choose(b, gguf, hf, !optional);
        if (which < 0 || !full_name(b, gguf, hf, "", which, module)) return false;
        snprintf(name, sizeof name, "%.240s.weight", module);
        mn_outline_matrix(b, out, name, experts, rows, cols, optional);
        return !b->status;
    }
    const mn_tensor_ref *t = find(b, gguf, hf, ".weight", true, name);
    /* stacks of HF mixtures are bare parameters: "mlp.experts.gate_up_proj" */
    if (!t && experts && !b->gguf) t = find(b, gguf, hf, "", true, name);
    if (!t) {
        const int64_t dims[3] = { experts, rows, cols };
        find(b, gguf, hf, ".weight", false, name);
        if (!optional) missing(b, name, dims + !experts, experts ? 3 : 2);
        return false;
    }
    module_of(name, module);
    bind_matrix(b, out, module, name, t, experts, rows, cols);
    return !b->status;
}

void mn_bind_weight(mn_build *b, mn_weight *out, const char *gguf, const char *hf,
                    int64_t n_experts, int64_t rows, int64_t cols)
{
    char module[MN_NAME_MAX];
    bind_named(b, out, gguf, hf, n_experts, rows, cols, false, module);
}

/* n floats of tensor t, whatever its other dimensions of 1. */
static float *read_floats(mn_build *b, const mn_tensor_ref *t, const char *name, int64_t n)
{
    char have[96];
    if (mn_tensor_ref_n_elements(t) != n) {
        shape_text(t->dims, t->n_dims, have);
        mn_build_invalid(b, "tensor %s: %lld elements expected, shape %s found", name,
                         (long long)n, have);
        return NULL;
    }
    if (t->kind != MN_STORED_WEIGHT || !mn_wtype_row_bytes(t->wtype, 0, n)) {
        mn_build_unsupported(b, "tensor %s: floats expected, %s found", name,
                             mn_tensor_ref_type_name(t));
        return NULL;
    }
    float *out = mn_build_alloc(b, (size_t)n, sizeof *out);
    if (!out || !n) return out;
    mn_weight w = { .type = t->wtype, .rows = 1, .cols = n, .n_experts = 1, .data = t->data,
                    .row_bytes = mn_wtype_row_bytes(t->wtype, 0, n) };
    mn_weight_decode(&w, 0, 0, 0, n, out);
    return out;
}

static void bind_linear(mn_build *b, mn_linear *out, const char *gguf, const char *hf,
                        int64_t rows, int64_t cols, bool optional)
{
    char module[MN_NAME_MAX], name[MN_NAME_MAX + 16];
    mn_linear l = { 0 };
    if (!bind_named(b, &l.w, gguf, hf, 0, rows, cols, optional, module)) return;
    snprintf(name, sizeof name, "%s.bias", module);
    if (b->outline) {
        l.bias = mn_outline_floats(b, name, 0, rows, true, 0);
        if (!b->status) *out = l;
        return;
    }
    const mn_tensor_ref *t = look_up(b, name, true);
    if (t) l.bias = read_floats(b, t, name, rows);
    if (b->gguf && !b->status) {        /* one factor for the whole matrix (bitnet) */
        snprintf(name, sizeof name, "%s.scale", module);
        t = look_up(b, name, true);
        const float *s = t ? read_floats(b, t, name, 1) : NULL;
        if (s) l.scale = *s;
    }
    if (!b->status) *out = l;
}

void mn_bind_linear(mn_build *b, mn_linear *out, const char *gguf, const char *hf,
                    int64_t rows, int64_t cols)
{
    bind_linear(b, out, gguf, hf, rows, cols, false);
}

void mn_bind_linear_optional(mn_build *b, mn_linear *out, const char *gguf, const char *hf,
                             int64_t rows, int64_t cols)
{
    bind_linear(b, out, gguf, hf, rows, cols, true);
}

void mn_bind_gather(mn_build *b, mn_linear *out, const mn_linear *l, const int32_t *index,
                    int32_t n)
{
    const mn_weight *w = &l->w;
    if (b->status || !mn_weight_present(w)) return;
    uint8_t *codes = mn_build_alloc(b, (size_t)n, w->row_bytes);
    uint8_t *scales = w->scales ? mn_build_alloc(b, (size_t)n, w->scale_row_bytes) : NULL;
    uint8_t *biases = w->biases ? mn_build_alloc(b, (size_t)n, w->scale_row_bytes) : NULL;
    float *bias = l->bias ? mn_build_alloc(b, (size_t)n, sizeof *bias) : NULL;
    if (b->status) return;
    size_t size = w->row_bytes, scale_size = w->scale_row_bytes;
    for (int32_t i = 0; i < n; i++) {
        size_t from = (size_t)index[i], to = (size_t)i;
        memcpy(codes + to * size, w->data + from * size, size);
        if (scales) memcpy(scales + to * scale_size, w->scales + from * scale_size, scale_size);
        if (biases) memcpy(biases + to * scale_size, w->biases + from * scale_size, scale_size);
        if (bias) bias[i] = l->bias[from];
    }
    *out = *l;
    out->w.rows = n;
    out->w.data = codes;
    out->w.expert_bytes = size * (size_t)n;
    out->w.scales = scales;
    out->w.biases = biases;
    out->w.scale_expert_bytes = scale_size * (size_t)n;
    out->bias = bias;
}

mn_linear mn_linear_rows(const mn_linear *l, int64_t first, int64_t n)
{
    mn_linear out = *l;
    if (!mn_linear_present(l)) return out;
    out.w = mn_weight_rows(&l->w, first, n);
    if (l->bias) out.bias = l->bias + first;
    if (l->row_scale) out.row_scale = l->row_scale + first;
    return out;
}

/* ---- stacks of experts ---------------------------------------------------------------- */

/* "mlp.experts.%d.up_proj|mlp.experts.%d.w3" with the expert's number. */
static void expert_name(const char *pattern, int64_t e, char out[MN_NAME_MAX])
{
    size_t at = 0;
    out[0] = 0;
    for (const char *p = pattern; *p && at + 24 < MN_NAME_MAX;) {
        if (p[0] == '%' && p[1] == 'd') {
            at += (size_t)snprintf(out + at, MN_NAME_MAX - at, "%lld", (long long)e);
            p += 2;
        } else {
            out[at++] = *p++;
            out[at] = 0;
        }
    }
}

static void bind_parts(mn_build *b, mn_weight *out, const char *gguf, const char *hf_each,
                       int64_t n_experts, int64_t rows, int64_t cols)
{
    const uint8_t **parts = mn_build_alloc(b, (size_t)n_experts, sizeof *parts);
    mn_weight first = { 0 };
    float *plane = NULL;
    for (int64_t e = 0; e < n_experts && !b->status; e++) {
        char name[MN_NAME_MAX], module[MN_NAME_MAX];
        mn_weight w = { 0 };
        expert_name(b->gguf ? gguf : hf_each, e, name);
        if (!bind_named(b, &w, name, name, 0, rows, cols, false, module)) return;
        if (e == 0) first = w;
        if (w.type != first.type || w.bits != first.bits || w.group != first.group ||
            !w.scales != !first.scales || w.biases) {
            mn_build_unsupported(b, "tensor %s.weight: experts of one layer stored one by one "
                                 "must be floats or blocks of one type; %s and %s found", module,
                                 mn_wtype_get(first.type)->name, mn_wtype_get(w.type)->name);
            return;
        }
        parts[e] = w.data;
        if (!w.scales) continue;
        size_t size = w.scale_row_bytes * (size_t)rows;     /* FP8: planes side by side */
        if (!plane) plane = mn_build_alloc(b, (size_t)n_experts, size);
        if (plane) memcpy((uint8_t *)plane + (size_t)e * size, w.scales, size);
    }
    if (b->status || !parts) return;
    *out = first;
    out->n_experts = n_experts;
    out->parts = parts;
    if (plane) out->scales = (const uint8_t *)plane;
}

void mn_bind_experts(mn_build *b, mn_weight *out, const float **bias, const char *gguf,
                     const char *hf, const char *hf_each, int64_t n_experts, int64_t rows,
                     int64_t cols)
{
    char module[MN_NAME_MAX], name[MN_NAME_MAX], each[MN_NAME_MAX], old[64];
    if (b->status) return;
    /* "ffn_gate_exps" in old files: "ffn_gate.0", "ffn_gate.1", ... */
    size_t stem = gguf && strlen(gguf) > 5 ? strlen(gguf) - 5 : 0;
    snprintf(old, sizeof old, "%.*s.%%d", (int)stem, gguf ? gguf : "");
    const char *pattern = b->gguf ? old : hf_each;
    if (b->outline) {
        if (!bind_named(b, out, gguf, hf, n_experts, rows, cols, false, module) || !bias) return;
        snprintf(name, sizeof name, "%.240s.bias", module);
        *bias = mn_outline_floats(b, name, n_experts, n_experts * rows, true, 0);
        return;
    }
    if (pattern) {
        expert_name(pattern, 0, each);
        bool one_by_one = find(b, each, each, ".weight", false, name) &&
                          !find(b, gguf, hf, ".weight", false, name);
        if (one_by_one) {
            bind_parts(b, out, old, hf_each, n_experts, rows, cols);
            return;
        }
    }
    if (!bind_named(b, out, gguf, hf, n_experts, rows, cols, false, module) || !bias) return;
    static const char *const suffixes[] = { ".bias", "_bias" };
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%.200s%s", module, suffixes[i]);
        const mn_tensor_ref *t = look_up(b, name, true);
        if (t) *bias = read_floats(b, t, name, n_experts * rows);
    }
}

void mn_bind_transposed(mn_build *b, mn_weight *out, const char *hf, int64_t n_experts,
                        int64_t rows, int64_t cols)
{
    char name[MN_NAME_MAX];
    if (b->status) return;
    const mn_tensor_ref *t = find(b, hf, hf, "", true, name);
    if (!t) t = find(b, hf, hf, ".weight", true, name);
    int64_t experts = n_experts ? n_experts : 1;
    const int64_t dims[3] = { experts, cols, rows };
    int skip = n_experts ? 0 : 1;
    if (!t) {
        missing(b, name, dims + skip, 3 - skip);
        return;
    }
    if (!check_shape(b, t, name, 3 - skip, dims + skip)) return;
    if (!is_float(t)) {
        mn_build_unsupported(b, "tensor %s: floats expected, %s found", name,
                             mn_tensor_ref_type_name(t));
        return;
    }
    size_t item = t->wtype == MN_F32 ? 4 : 2;
    uint8_t *copy = mn_build_alloc(b, (size_t)(experts * rows * cols), item);
    if (!copy) return;
    for (int64_t e = 0; e < experts; e++) {
        const uint8_t *from = t->data + (size_t)(e * rows * cols) * item;
        uint8_t *to = copy + (size_t)(e * rows * cols) * item;
        for (int64_t c = 0; c < cols; c++)
            for (int64_t r = 0; r < rows; r++)
                memcpy(to + (size_t)(r * cols + c) * item, from + (size_t)(c * rows + r) * item,
                       item);
    }
    *out = (mn_weight){ .type = t->wtype, .rows = rows, .cols = cols, .n_experts = experts,
                        .data = copy, .row_bytes = (size_t)cols * item,
                        .expert_bytes = (size_t)(rows * cols) * item };
}

void mn_bind_mxfp4_blocks(mn_build *b, mn_weight *out, const char *hf, int64_t n_experts,
                          int64_t rows, int64_t cols)
{
    char name[MN_NAME_MAX], scale_name[MN_NAME_MAX];
    if (b->status) return;
    const mn_tensor_ref *t = find(b, hf, hf, "_blocks", true, name);
    const mn_tensor_ref *s = find(b, hf, hf, "_scales", true, scale_name);
    const int64_t dims[4] = { n_experts, rows, cols / 32, 16 };
    if (cols % 32) mn_build_invalid(b, "tensor %s: %lld columns are no multiple of 32", name,
                                    (long long)cols);
    else if (!t) missing(b, name, dims, 4);
    else if (!s) missing(b, scale_name, dims, 3);
    else if (t->kind != MN_STORED_U8 || s->kind != MN_STORED_U8)
        mn_build_invalid(b, "tensor %s: U8 blocks and scales expected, %s and %s found", name,
                         mn_tensor_ref_type_name(t), mn_tensor_ref_type_name(s));
    else if (check_shape(b, t, name, 4, dims) && check_shape(b, s, scale_name, 3, dims))
        *out = (mn_weight){ .type = MN_MLX_MXFP4, .bits = 4, .group = 32, .rows = rows,
                            .cols = cols, .n_experts = n_experts, .data = t->data,
                            .row_bytes = (size_t)cols / 2,
                            .expert_bytes = (size_t)(rows * cols) / 2, .scales = s->data,
                            .scale_row_bytes = (size_t)cols / 32,
                            .scale_expert_bytes = (size_t)(rows * cols) / 32 };
}

/* ---- vectors -------------------------------------------------------------------------- */

const float *mn_bind_vector(mn_build *b, const char *gguf, const char *hf, int64_t n,
                            unsigned flags)
{
    char name[MN_NAME_MAX];
    bool optional = flags & MN_VECTOR_OPTIONAL;
    if (b->status) return NULL;
    if (b->outline) {
        int which = mn_outline_choose(b, gguf, hf, !optional);
        if (which < 0 || !full_name(b, gguf, hf, "", which, name)) return NULL;
        return mn_outline_floats(b, name, 0, n, optional, flags);
    }
    const mn_tensor_ref *t = find(b, gguf, hf, "", true, name);
    if (!t) {
        if (!optional) missing(b, name, &n, 1);
        return NULL;
    }
    float *v = read_floats(b, t, name, n);
    if (!v) return NULL;
    for (int64_t i = 0; i < n; i++) {
        if (flags & MN_VECTOR_PLUS_ONE) v[i] += 1.0f;
        if (flags & MN_VECTOR_NEG_EXP) v[i] = -expf(v[i]);
    }
    return v;
}

void mn_bind_norm(mn_build *b, mn_norm *out, mn_norm_kind kind, double eps, const char *gguf,
                  const char *hf, int64_t n, unsigned flags)
{
    char name[MN_NAME_MAX], module[MN_NAME_MAX];
    if (b->status) return;
    if (b->outline) {
        bool optional = flags & MN_VECTOR_OPTIONAL;
        int which = mn_outline_choose(b, gguf, hf, !optional);
        if (which < 0 || !full_name(b, gguf, hf, ".weight", which, name)) return;
        module_of(name, module);
        *out = (mn_norm){ .kind = kind, .eps = (float)eps, .n = (int32_t)n };
        out->weight = mn_outline_floats(b, name, 0, n, optional, flags);
        snprintf(name, sizeof name, "%.240s.bias", module);
        out->bias = mn_outline_floats(b, name, 0, n, true, 0);
        return;
    }
    const mn_tensor_ref *t = find(b, gguf, hf, ".weight", true, name);
    if (!t && b->gguf) t = find(b, gguf, hf, "", true, name);   /* falcon-h1's "ffn_norm" */
    if (!t) {
        find(b, gguf, hf, ".weight", false, name);
        if (!(flags & MN_VECTOR_OPTIONAL)) missing(b, name, &n, 1);
        return;
    }
    module_of(name, module);
    float *w = read_floats(b, t, name, n);
    for (int64_t i = 0; w && i < n && (flags & MN_VECTOR_PLUS_ONE); i++) w[i] += 1.0f;
    snprintf(name, sizeof name, "%.240s.bias", module);
    t = look_up(b, name, true);
    const float *bias = t ? read_floats(b, t, name, n) : NULL;
    if (!b->status)
        *out = (mn_norm){ .kind = kind, .eps = (float)eps, .n = (int32_t)n, .weight = w,
                          .bias = bias };
}
