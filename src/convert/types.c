/* What each matrix is written as.
 *
 * Without a type asked for: what holds its numbers exactly, or a refusal that says which type
 * to ask for.  With one: that type where llama.cpp's quantiser (or mlx-lm's) uses it, with
 * their exceptions: the output and some layers in more bits (the _M mixes), routers and
 * convolutions in F32, rows that a block does not divide in a type with a smaller one. */
#include "convert/convert.h"
#include "tensor/quantize.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    mn_wtype type;
    bool mix;                   /* _M: more bits in some layers */
    uint32_t file_type;
} gguf_type;

/* Numbers: enum llama_ftype. */
static const gguf_type gguf_types[] = {
    { "F32", MN_F32, false, 0 },        { "F16", MN_F16, false, 1 },
    { "Q4_0", MN_Q4_0, false, 2 },      { "Q4_1", MN_Q4_1, false, 3 },
    { "Q8_0", MN_Q8_0, false, 7 },      { "Q5_0", MN_Q5_0, false, 8 },
    { "Q5_1", MN_Q5_1, false, 9 },      { "Q4_K_S", MN_Q4_K, false, 14 },
    { "Q4_K_M", MN_Q4_K, true, 15 },    { "Q5_K_S", MN_Q5_K, false, 16 },
    { "Q5_K_M", MN_Q5_K, true, 17 },    { "Q6_K", MN_Q6_K, false, 18 },
    { "IQ4_NL", MN_IQ4_NL, false, 25 }, { "BF16", MN_BF16, false, 32 },
    { "MXFP4", MN_MXFP4, false, 38 },
};

typedef struct {
    const char *name;
    mn_wtype type;
    uint8_t bits;
} mlx_type;

static const mlx_type mlx_types[] = {
    { "2bit", MN_MLX_AFFINE, 2 },  { "3bit", MN_MLX_AFFINE, 3 },  { "4bit", MN_MLX_AFFINE, 4 },
    { "5bit", MN_MLX_AFFINE, 5 },  { "6bit", MN_MLX_AFFINE, 6 },  { "8bit", MN_MLX_AFFINE, 8 },
    { "mxfp4", MN_MLX_MXFP4, 4 },  { "mxfp8", MN_MLX_MXFP8, 8 },  { "nvfp4", MN_MLX_NVFP4, 4 },
    { "f32", MN_F32, 0 },          { "f16", MN_F16, 0 },          { "bf16", MN_BF16, 0 },
};

static const gguf_type *find_gguf(const char *name)
{
    for (size_t i = 0; i < sizeof gguf_types / sizeof *gguf_types; i++)
        if (!strcasecmp(name, gguf_types[i].name)) return &gguf_types[i];
    return NULL;
}

static const mlx_type *find_mlx(const char *name)
{
    for (size_t i = 0; i < sizeof mlx_types / sizeof *mlx_types; i++)
        if (!strcasecmp(name, mlx_types[i].name)) return &mlx_types[i];
    return NULL;
}

static bool is_float(mn_wtype type) { return type <= MN_BF16; }

/* ---- GGUF: llama.cpp's rules ------------------------------------------------------------- */

typedef struct {
    const gguf_type *asked;
    int n_layers, n_experts, n_v, i_v, i_down, n_down;
    bool tied;
} mix;

static bool more_bits(int i, int n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool is_v(const char *name)
{
    return strstr(name, "attn_v.weight") || strstr(name, "attn_qkv.weight") ||
           strstr(name, "attn_kv_b.weight");
}

/* Kept as it is, or F32. */
static bool stays_float(const char *name)
{
    static const char *const parts[] = { "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_inp_shexp",
                                         "per_layer_model_proj", "position_embd", "ssm_conv1d",
                                         "shortconv.conv.weight", NULL };
    for (int i = 0; parts[i]; i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

static mn_wtype mixed_type(mix *m, const mn_outline_tensor *t)
{
    mn_wtype type = m->asked->type;
    bool output = !strcmp(t->name, "output.weight"), embed = !strcmp(t->name, "token_embd.weight");
    bool per_layer = !strcmp(t->name, "per_layer_token_embd.weight");
    if (output || ((embed || per_layer) && m->tied)) {
        if (type == MN_MXFP4) return MN_Q8_0;
        if (t->cols % mn_wtype_get(type)->block) return MN_Q8_0;
        return type == MN_Q8_0 ? type : t->cols % 256 ? MN_Q8_0 : MN_Q6_K;
    }
    if (type == MN_MXFP4) return t->n_experts > 1 ? MN_MXFP4 : MN_Q8_0;
    if (is_v(t->name)) {
        int i = m->i_v++;
        if (m->n_experts == 8 && (type == MN_Q4_K || type == MN_Q5_K || type == MN_IQ4_NL) &&
            strstr(t->name, "attn_v.weight")) return MN_Q8_0;
        if (m->asked->mix && more_bits(i, m->n_v)) return MN_Q6_K;
        if (type == MN_Q4_K && !m->asked->mix && i < 4) return MN_Q5_K;
    } else if (strstr(t->name, "attn_k.weight")) {
        if (m->n_experts == 8 && m->asked->mix) return MN_Q8_0;
    } else if (strstr(t->name, "ffn_down")) {
        int i = m->n_experts > 1 ? t->layer : m->i_down, n = m->n_experts > 1 ? m->n_layers : m->n_down;
        m->i_down++;
        if (m->asked->mix && more_bits(i, n)) return MN_Q6_K;
        if (type == MN_Q4_K && !m->asked->mix && i < n / 8) return MN_Q5_K;
        if (type == MN_IQ4_NL && i < n / 8) return MN_Q5_K;
    } else if (strstr(t->name, "attn_output.weight")) {
        if (m->n_experts == 8 && (type == MN_Q4_K || type == MN_IQ4_NL)) return MN_Q5_K;
    }
    return type;
}

/* A type whose block divides the row. */
static mn_wtype fitting(mn_wtype type, int64_t cols)
{
    if (cols % mn_wtype_get(type)->block == 0) return type;
    mn_wtype other = type == MN_Q4_K ? MN_Q5_0 : type == MN_Q5_K ? MN_Q5_1 : MN_Q8_0;
    return mn_wtype_get(type)->block == 256 && cols % 32 == 0 ? other : MN_F16;
}

/* ---- choosing ---------------------------------------------------------------------------- */

/* The source's format, if one piece after the other has the same, NULL: several. */
static const mn_weight *common_source(const mn_target *t)
{
    const mn_weight *first = t->pieces[0].from;
    for (int32_t i = 0; i < t->n_pieces; i++) {
        const mn_piece *p = &t->pieces[i];
        const mn_weight *w = p->from;
        if (p->transposed || p->scale != 0 || p->row_scale) return NULL;
        if (w->type != first->type || w->bits != first->bits || w->group != first->group ||
            w->scale_type != first->scale_type) return NULL;
    }
    return t->lora ? NULL : first;
}

/* Are moved columns whole blocks (or groups) of both formats? */
static bool columns_fit(const mn_piece *p, const mn_weight *f)
{
    const mn_weight *both[2] = { p->from, f };
    for (int i = 0; p->columns && i < 2; i++) {
        int32_t block = mn_wtype_get(both[i]->type)->block;
        if (p->column_block % (block ? block : both[i]->group)) return false;
    }
    return true;
}

/* A format that is exact for all pieces. */
static bool exact_format(mn_convert *c, mn_target *t, mn_weight *format)
{
    const mn_weight *first = common_source(t);
    if (!first) return false;
    for (int32_t i = 0; i < t->n_pieces; i++) {
        mn_weight f;
        bool seen = false;
        for (int32_t k = 0; k < i && !seen; k++) seen = t->pieces[k].from == t->pieces[i].from;
        if (seen) continue;
        if (!mn_repack_find(t->pieces[i].from, c->to_gguf,
                            mn_is_mapped(c, t->pieces[i].from), &f)) return false;
        if (!columns_fit(&t->pieces[i], &f)) return false;
        if (!i) *format = f;
        if (f.type == format->type && f.bits == format->bits) continue;
        /* a centred part among others: the more general type holds both */
        bool four = (f.type == MN_Q4_0 || f.type == MN_Q4_1) &&
                    (format->type == MN_Q4_0 || format->type == MN_Q4_1);
        bool five = (f.type == MN_Q5_0 || f.type == MN_Q5_1) &&
                    (format->type == MN_Q5_0 || format->type == MN_Q5_1);
        if (!four && !five) return false;
        format->type = four ? MN_Q4_1 : MN_Q5_1;
    }
    return true;
}

/* Floats whose rows are only moved or scaled: the widest float type among them. */
static bool float_format(const mn_target *t, mn_weight *format)
{
    mn_wtype type = t->pieces[0].from->type;
    for (int32_t i = 0; i < t->n_pieces; i++) {
        if (!is_float(t->pieces[i].from->type)) return false;
        if (t->pieces[i].from->type != type) type = MN_F32;
    }
    *format = (mn_weight){ .type = type };
    return true;
}

static bool scaled(const mn_target *t)
{
    for (int32_t i = 0; i < t->n_pieces; i++)
        if (t->pieces[i].scale != 0 || t->pieces[i].row_scale) return true;
    return t->lora != NULL;
}

static bool quantised(const mn_target *t)
{
    for (int32_t i = 0; i < t->n_pieces; i++)
        if (!is_float(t->pieces[i].from->type)) return true;
    return false;
}

/* Formats that a moved or transposed block of another order must be coded again in. */
static void same_type_again(mn_convert *c, const mn_target *t, mn_weight *format)
{
    const mn_weight *w = t->pieces[0].from;
    *format = (mn_weight){ .type = w->type, .bits = w->bits, .group = w->group,
                           .scale_type = w->scale_type };
    bool mlx = w->type >= MN_MLX_AFFINE && w->type <= MN_MLX_NVFP4;
    if (mlx != c->to_gguf && mn_can_quantize(w->type) && (t->pieces[0].columns || t->lora)) return;
    *format = (mn_weight){ .type = MN_F16 };
}

static void keep(mn_convert *c, mn_target *t, bool force)
{
    const char *name = t->want->name;
    t->exact = true;
    if (exact_format(c, t, &t->format)) return;
    t->exact = false;
    if (float_format(t, &t->format)) {
        t->exact = !scaled(t);
        return;
    }
    if (t->pieces[0].columns || t->pieces[0].transposed || t->lora || scaled(t) || force) {
        same_type_again(c, t, &t->format);
        return;
    }
    const mn_weight *w = t->pieces[0].from;
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "tensor %s: %s%s has no exact form in %s; ask for a type "
                    "(and for requantising) to convert with a loss", name,
                    mn_wtype_get(w->type)->name, w->type == MN_MLX_AFFINE ? " codes" : "",
                    c->to_gguf ? "GGUF" : "MLX");
}

static void ask_gguf(mn_convert *c, mn_target *t, mix *m)
{
    const mn_outline_tensor *want = t->want;
    t->format = (mn_weight){ .type = MN_F32 };
    if (stays_float(want->name)) {
        bool table = strstr(want->name, "per_layer_model_proj") != NULL;
        if (table) t->format.type = MN_BF16;
        mn_weight own;
        if (table && float_format(t, &own)) t->format = own;
    } else {
        t->format.type = fitting(is_float(m->asked->type) ? m->asked->type : mixed_type(m, want),
                                 want->cols);
    }
    const mn_weight *from = common_source(t);
    mn_weight same;
    t->exact = from && mn_repack_find(from, true, mn_is_mapped(c, from), &same) && same.type == t->format.type &&
               columns_fit(&t->pieces[0], &same);
    if (t->format.type == MN_F32 && !scaled(t)) t->exact = true;
}

static void ask_mlx(mn_convert *c, mn_target *t, const mlx_type *asked)
{
    const mn_outline_tensor *want = t->want;
    int group = asked->type == MN_MLX_AFFINE ? c->options.group ? c->options.group : 64
                : asked->type == MN_MLX_NVFP4 ? 16 : 32;
    bool small = strstr(want->name, "conv1d") || strstr(want->name, "conv.conv") ||
                 strstr(want->name, "wpe.");
    if (is_float(asked->type) || small || want->cols % group) {
        t->format = (mn_weight){ .type = is_float(asked->type) ? asked->type : MN_BF16 };
        mn_weight own;
        if ((small || !is_float(asked->type)) && float_format(t, &own)) t->format.type = own.type;
    } else {
        mn_wtype planes = MN_BF16, from = t->pieces[0].from->type;
        if (from == MN_F16 || from == MN_F32) planes = from;
        t->format = (mn_weight){ .type = asked->type, .bits = asked->bits,
                                 .group = (int16_t)group, .scale_type = (uint8_t)planes };
        if (!is_float(from)) t->format.scale_type = MN_F16;
    }
    const mn_weight *from = common_source(t);
    mn_weight same;
    t->exact = from && mn_repack_find(from, false, mn_is_mapped(c, from), &same) && same.type == t->format.type &&
               same.bits == t->format.bits && same.group == t->format.group &&
               columns_fit(&t->pieces[0], &same);
    if (t->exact && same.type == MN_MLX_AFFINE) t->format.scale_type = same.scale_type;
    if (t->format.type == MN_F32 && !scaled(t)) t->exact = true;
}

static bool check_asked(mn_convert *c, const gguf_type *g, const mlx_type *x)
{
    if (c->to_gguf ? g != NULL : x != NULL) {
        int group = c->options.group;
        if (!c->to_gguf && group && group != 32 && group != 64 && group != 128)
            mn_convert_fail(c, MINERVA_INVALID, "group: 32, 64 or 128 expected, %d found", group);
        return !c->status;
    }
    mn_convert_fail(c, MINERVA_INVALID, "type: %s expected, \"%.40s\" found",
                    c->to_gguf ? "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K_S, Q4_K_M, "
                                 "Q5_K_S, Q5_K_M, Q6_K, IQ4_NL or MXFP4"
                               : "2bit, 3bit, 4bit, 5bit, 6bit, 8bit, mxfp4, mxfp8, nvfp4, f32, f16 "
                                 "or bf16", c->options.type);
    return false;
}

static void count(const mn_convert *c, mix *m)
{
    m->n_layers = c->from->n_layers;
    m->tied = c->from->head.w.data == c->from->embed.data;
    for (int32_t i = 0; i < c->from->n_layers; i++)
        if (c->from->layers[i].ffn.kind == MN_FFN_EXPERTS)
            m->n_experts = c->from->layers[i].ffn.experts.n_experts;
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const mn_target *t = &c->targets[i];
        if (!t->n_pieces) continue;
        m->n_v += is_v(t->want->name);
        m->n_down += strstr(t->want->name, "ffn_down") != NULL;
    }
}

void mn_types_choose(mn_convert *c)
{
    const char *type = c->options.type;
    const gguf_type *g = type ? find_gguf(type) : NULL;
    const mlx_type *x = type ? find_mlx(type) : NULL;
    mix m = { .asked = g };
    if (c->status || (type && !check_asked(c, g, x))) return;
    count(c, &m);
    for (int32_t i = 0; i < c->outline.n_tensors && !c->status; i++) {
        mn_target *t = &c->targets[i];
        if (!t->n_pieces) continue;
        if (!type) keep(c, t, false);
        else if (c->to_gguf) ask_gguf(c, t, &m);
        else ask_mlx(c, t, x);
        t->format.rows = t->want->rows;
        t->format.cols = t->want->cols;
        t->format.n_experts = t->want->n_experts ? t->want->n_experts : 1;
        bool coded_again = type && quantised(t) && !t->exact;
        if (coded_again && !c->options.requantize && !is_float(t->format.type))
            mn_convert_fail(c, MINERVA_INVALID, "tensor %s is quantised already (%s); coding it again "
                            "loses more than a conversion from the original would: ask for "
                            "requantising if that is meant", t->want->name,
                            mn_wtype_get(t->pieces[0].from->type)->name);
    }
}

uint32_t mn_types_file_type(const mn_convert *c)
{
    if (c->options.type) return find_gguf(c->options.type)->file_type;
    /* the type of the largest share */
    double weights[MN_N_WTYPES] = { 0 };
    int best = 0;
    for (int32_t i = 0; i < c->outline.n_tensors; i++) {
        const mn_target *t = &c->targets[i];
        if (t->n_pieces && t->want->layer >= 0)
            weights[t->format.type] += (double)t->want->rows * (double)t->want->cols *
                                       (double)t->format.n_experts;
    }
    for (int k = 0; k < MN_N_WTYPES; k++)
        if (weights[k] > weights[best]) best = k;
    for (size_t i = 0; i < sizeof gguf_types / sizeof *gguf_types; i++)
        if (gguf_types[i].type == (mn_wtype)best) return gguf_types[i].file_type;
    return 1024;                /* guessed */
}
