/* From a source to a plan: which family it is, what surrounds a family's reader, and the
 * error that an unknown model gets.
 *
 * A multimodal HF config keeps its language model in text_config (or llm_config ...); that
 * object is the config here, and its model_type decides where it is known. */
#include "model/arch.h"
#include "model/outline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const mn_family families[] = {
    { "llama", "llama", "llama", mn_arch_llama },
    { "mistral", "", "mistral", mn_arch_llama },
    { "mixtral", "", "mixtral", mn_arch_llama },
    { "ministral", "", "ministral", mn_arch_llama },
    { "ministral3", "mistral3", "ministral3", mn_arch_llama },
    { "smollm3", "smollm3", "smollm3", mn_arch_llama },
    { "granite", "granite", "granite", mn_arch_llama },
    { "granitemoe", "granitemoe", "granitemoe granitemoeshared", mn_arch_granite },
    { "granitemoehybrid", "granitehybrid", "granitemoehybrid", mn_arch_granite },
    { "qwen2", "qwen2 qwen2vl", "qwen2 qwen2_vl qwen2_vl_text qwen2_5_vl qwen2_5_vl_text", mn_arch_qwen },
    { "qwen2_moe", "qwen2moe", "qwen2_moe", mn_arch_qwen },
    { "qwen3", "qwen3 qwen3vl", "qwen3 qwen3_vl_text", mn_arch_qwen },
    { "qwen3_moe", "qwen3moe qwen3vlmoe", "qwen3_moe qwen3_vl_moe_text", mn_arch_qwen },
    { "qwen3_next", "qwen3next", "qwen3_next", mn_arch_qwen3_next },
    { "qwen3_5", "qwen35", "qwen3_5 qwen3_5_text", mn_arch_qwen3_next },
    { "qwen3_5_moe", "qwen35moe", "qwen3_5_moe qwen3_5_moe_text", mn_arch_qwen3_next },
    { "gemma", "gemma", "gemma", mn_arch_gemma },
    { "gemma2", "gemma2", "gemma2", mn_arch_gemma },
    { "gemma3", "gemma3", "gemma3 gemma3_text", mn_arch_gemma },
    { "gemma4", "gemma4", "gemma4 gemma4_text", mn_arch_gemma4 },
    { "phi3", "phi3", "phi3", mn_arch_phi3 },
    { "gpt_oss", "gpt-oss", "gpt_oss", mn_arch_gpt_oss },
    { "olmo2", "olmo2", "olmo2", mn_arch_olmo },
    { "olmo3", "", "olmo3", mn_arch_olmo },
    { "olmoe", "olmoe", "olmoe", mn_arch_olmo },
    { "cohere", "command-r", "cohere", mn_arch_cohere },
    { "cohere2", "cohere2", "cohere2", mn_arch_cohere },
    { "glm", "chatglm", "glm", mn_arch_glm },
    { "glm4", "glm4", "glm4", mn_arch_glm },
    { "glm4_moe", "glm4moe", "glm4_moe", mn_arch_glm },
    { "glm4_moe_lite", "", "glm4_moe_lite", mn_arch_deepseek },
    { "deepseek_v2", "", "deepseek_v2", mn_arch_deepseek },
    { "deepseek_v3", "deepseek2", "deepseek_v3 kimi_k2", mn_arch_deepseek },
    { "starcoder2", "starcoder2", "starcoder2", mn_arch_starcoder2 },
    { "lfm2", "lfm2", "lfm2", mn_arch_lfm2 },
    { "lfm2_moe", "lfm2moe", "lfm2_moe", mn_arch_lfm2 },
    { "falcon_h1", "falcon-h1", "falcon_h1", mn_arch_falcon_h1 },
    { "nemotron_h", "nemotron_h nemotron_h_moe", "nemotron_h", mn_arch_nemotron_h },
    { "minicpm", "minicpm", "minicpm", mn_arch_llama },
    { "seed_oss", "seed_oss", "seed_oss", mn_arch_kin },
    { "helium", "", "helium", mn_arch_kin },
    { "ernie4_5", "ernie4_5", "ernie4_5", mn_arch_kin },
    { "ernie4_5_moe", "ernie4_5-moe", "ernie4_5_moe", mn_arch_kin },
    { "arcee", "arcee", "arcee", mn_arch_kin },
    { "hunyuan_v1_dense", "hunyuan-dense", "hunyuan_v1_dense", mn_arch_kin },
    { "hunyuan_v1_moe", "hunyuan-moe", "hunyuan_v1_moe", mn_arch_kin },
    { "dots1", "dots1", "dots1", mn_arch_kin },
    { "minimax_m2", "minimax-m2", "minimax_m2", mn_arch_kin },
    { "nemotron", "nemotron", "nemotron", mn_arch_kin },
    { "stablelm", "stablelm", "stablelm", mn_arch_kin },
    { "phi", "phi2", "phi", mn_arch_kin },
    { "olmo", "olmo", "olmo", mn_arch_kin },
    { "exaone4", "exaone4", "exaone4", mn_arch_kin },
    { "gpt2", "gpt2", "gpt2", mn_arch_gpt },
    { "gpt_bigcode", "starcoder", "gpt_bigcode", mn_arch_gpt },
    { "gpt_neox", "gptneox", "gpt_neox", mn_arch_gpt },
};

enum { N_FAMILIES = sizeof families / sizeof *families };

const char *mn_plan_family(int i)
{
    return i >= 0 && i < N_FAMILIES ? families[i].name : NULL;
}

const char *mn_plan_family_arch(const char *family, bool gguf)
{
    for (int i = 0; family && i < N_FAMILIES; i++)
        if (!strcmp(families[i].name, family)) return gguf ? families[i].gguf : families[i].hf;
    return NULL;
}

/* Is `word` one of the space-separated `list`? */
static bool is_one_of(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (const char *p = list; n && (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

bool mn_is(const mn_build *b, const char *names)
{
    return is_one_of(b->plan->family, names);
}

static const mn_family *find_family(const char *arch, bool gguf)
{
    for (int i = 0; arch && i < N_FAMILIES; i++)
        if (is_one_of(arch, gguf ? families[i].gguf : families[i].hf)) return &families[i];
    return NULL;
}

static void refuse_family(mn_build *b)
{
    char list[700];
    size_t at = 0;
    for (int i = 0; i < N_FAMILIES && at < sizeof list - 40; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "",
                               families[i].name);
    mn_build_unsupported(b, "model family \"%.60s\" is not known; known are %.310s%s", b->arch,
                         list, at > 310 ? " ..." : "");
}

/* ---- recognising ---------------------------------------------------------------------- */

static const mn_family *recognise_gguf(mn_build *b)
{
    mn_gguf_string s;
    if ((b->status = mn_gguf_get_string(b->file, "general.architecture", &s, b->err)))
        return NULL;
    char *name = mn_build_alloc(b, s.len + 1, 1);
    if (!name) return NULL;
    if (s.len) memcpy(name, s.data, s.len);
    b->arch = name;
    return find_family(name, true);
}

static const mn_family *recognise_dir(mn_build *b)
{
    static const char *const inner[] = { "text_config", "llm_config", "language_config",
                                         "thinker_config", NULL };
    if (!b->config) {
        mn_build_invalid(b, "config.json: expected in the model's directory, but there is none");
        return NULL;
    }
    const char *type = json_string_value(json_object_get(b->config, "model_type"));
    for (int i = 0; inner[i]; i++) {
        const json_t *text = json_object_get(b->config, inner[i]);
        if (!json_is_object(text)) continue;
        b->config = text;
        const char *own = json_string_value(json_object_get(text, "model_type"));
        if (own) type = own;
        i = -1;                                 /* thinker_config holds a text_config */
    }
    if (!type) {
        mn_build_invalid(b, "config.json: model_type: a string expected, but the field is missing");
        return NULL;
    }
    b->arch = type;
    return find_family(type, false);
}

/* MLX's own quantisation, or another producer's that can be read exactly. */
static void read_quantization(mn_build *b)
{
    const json_t *q = json_object_get(b->config_top, "quantization");
    if (!json_is_object(q)) q = json_object_get(b->config_top, "quantization_config");
    if (!json_is_object(q)) q = json_object_get(b->config, "quantization_config");
    if (!json_is_object(q)) return;
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    if (!method) {
        b->quant = q;
        return;
    }
    const char *format = json_string_value(json_object_get(q, "format"));
    if (!strcmp(method, "mxfp4") || !strcmp(method, "fp8") || !strcmp(method, "fbgemm_fp8"))
        return;
    if (!strcmp(method, "compressed-tensors") && format &&
        (!strcmp(format, "float-quantized") || !strcmp(format, "dense")))
        return;
    mn_build_unsupported(b, "config.json: quantization_config: weights quantised by \"%.40s\"%s%.40s"
                         " cannot be read (MLX, mxfp4 and fp8 can)", method,
                         format ? " as " : "", format ? format : "");
}

static void list_unused(mn_build *b)
{
    int32_t n = 0;
    for (int64_t i = 0; i < b->n_tensors; i++) n += !b->used[i];
    const char **list = mn_build_alloc(b, (size_t)n, sizeof *list);
    if (!list) return;
    n = 0;
    for (int64_t i = 0; i < b->n_tensors; i++)
        if (!b->used[i])
            list[n++] = mn_arena_strndup(&b->plan->arena, b->tensors[i]->name,
                                         b->tensors[i]->name_len);
    b->plan->unused = list;
    b->plan->n_unused = n;
}

minerva_status mn_plan_build(mn_plan **out, const mn_plan_input *in, minerva_error *err)
{
    mn_plan *p = calloc(1, sizeof *p);
    if (!p) return mn_fail_memory(err, sizeof *p);
    mn_build b = { .file = in->gguf, .gguf = in->gguf != NULL, .config = in->config,
                   .config_top = in->config, .weights = in->weights, .plan = p, .err = err,
                   .root = "model.", .top = "", .layers_name = "layers", .layer = -1,
                   .outline = in->outline, .log = in->log };
    const mn_family *family = b.gguf ? recognise_gguf(&b) : recognise_dir(&b);
    if (family && b.outline && b.outline->family)
        for (int i = 0; i < N_FAMILIES; i++)
            if (!strcmp(families[i].name, b.outline->family)) family = &families[i];
    if (!b.status && !family) refuse_family(&b);
    if (!b.status) {
        p->family = family->name;
        if (!b.gguf) read_quantization(&b);
    }
    if (!b.status && !b.outline) mn_bind_index(&b);
    if (!b.status) {
        mn_build_root(&b, "embed_tokens");
        family->build(&b);
    }
    if (!b.status) list_unused(&b);
    if (!b.status) b.status = mn_plan_check(p, err);
    mn_map_clear(&b.names);
    if (b.status) {
        mn_plan_free(p);
        return b.status;
    }
    *out = p;
    return MINERVA_OK;
}

minerva_status mn_plan_create(mn_plan **out, const mn_model_source *source, minerva_error *err)
{
    mn_plan_input in = { 0 };
    if (source->kind == MN_SOURCE_GGUF) {
        in.gguf = source->gguf;
    } else {
        in.config = mn_model_dir_config(source->dir);
        in.weights = mn_model_dir_weights(source->dir);
    }
    return mn_plan_build(out, &in, err);
}

void mn_plan_free(mn_plan *p)
{
    if (!p) return;
    mn_arena_clear(&p->arena);
    free(p);
}
