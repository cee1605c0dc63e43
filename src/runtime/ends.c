/* Which tokens end a generation.
 *
 * Directories say it in generation_config.json (eos_token_id, a number or a list), older
 * ones in config.json; the tokenizer's EOS counts always.  GGUF files name eos, eot and
 * eom; many name only one of them, so special tokens that are spelled like a known end of
 * turn count too (the same rule that llama.cpp applies).
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <string.h>

static void add_end(minerva_model *m, int64_t id)
{
    if (id < 0 || id > INT32_MAX || m->n_ends == MN_MAX_ENDS) return;
    for (int i = 0; i < m->n_ends; i++)
        if (m->ends[i] == id) return;
    m->ends[m->n_ends++] = (int32_t)id;
}

static void add_json_ends(minerva_model *m, const json_t *config)
{
    const json_t *ids = json_object_get(config, "eos_token_id");
    if (json_is_integer(ids)) add_end(m, json_integer_value(ids));
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (json_is_integer(json_array_get(ids, i)))
            add_end(m, json_integer_value(json_array_get(ids, i)));
}

static void add_known_spellings(minerva_model *m)
{
    static const char *const spellings[] = {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>",
        "< EOT >", "_<EOT>", "<|end_of_text|>", "<EOT>", "<|return|>", "<|call|>",
        "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<|user|>", "<turn|>", "[EOT]",
        "<|role_end|>", "<｜end▁of▁sentence｜>", "<end_of_utterance>", "<|eot|>",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        int32_t id = mn_tokenizer_find(m->tokenizer, spellings[i], strlen(spellings[i]));
        if (id >= 0 && mn_tokenizer_is_special(m->tokenizer, id)) add_end(m, id);
    }
}

minerva_status mn_runtime_load_ends(minerva_model *m, minerva_error *err)
{
    if (m->source->kind == MN_SOURCE_GGUF) {
        static const char *const keys[] = {
            "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id"
        };
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            int64_t id;
            minerva_status st = mn_gguf_get_int(m->source->gguf, keys[i], -1, &id, err);
            if (st != MINERVA_OK) return st;
            add_end(m, id);
        }
        if (m->tokenizer) add_known_spellings(m);
        return MINERVA_OK;
    }
    minerva_error broken = { 0 };
    const json_t *generation = mn_model_dir_json(m->source->dir, "generation_config.json",
                                                 &broken);
    if (broken.code != MINERVA_OK) {
        if (err) *err = broken;
        return broken.code;
    }
    add_json_ends(m, generation);
    if (!m->n_ends) {
        const json_t *config = mn_model_dir_config(m->source->dir);
        add_json_ends(m, config);
        add_json_ends(m, json_object_get(config, "text_config"));
    }
    if (m->tokenizer) {
        mn_tokenizer_info info;
        mn_tokenizer_info_get(m->tokenizer, &info);
        add_end(m, info.eos);
    }
    return MINERVA_OK;
}

bool minerva_model_is_end(const minerva_model *m, int32_t token)
{
    for (int i = 0; i < m->n_ends; i++)
        if (m->ends[i] == token) return true;
    return false;
}
