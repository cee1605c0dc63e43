/* Constraints of the public API over the constrain room.
 *
 * The token trie of a vocabulary is made once per model, when the first constraint needs
 * it.  Compiled constraints are kept in caches that belong to one thread each: a session's
 * or a scheduler's.
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE_BYTES = 32 << 20 };

struct minerva_matcher {
    mn_matcher *matcher;
    mn_constraint_cache *cache;
};

static const mn_constraint_kind kinds[] = {
    [MINERVA_JSON_SCHEMA] = MN_CONSTRAINT_JSON_SCHEMA,
    [MINERVA_JSON_OBJECT] = MN_CONSTRAINT_JSON_OBJECT,
    [MINERVA_JSON_VALUE] = MN_CONSTRAINT_JSON,
    [MINERVA_REGEX] = MN_CONSTRAINT_REGEX,
    [MINERVA_CHOICE] = MN_CONSTRAINT_CHOICE,
    [MINERVA_GBNF] = MN_CONSTRAINT_GBNF,
    [MINERVA_LARK] = MN_CONSTRAINT_LARK,
    [MINERVA_EBNF] = MN_CONSTRAINT_EBNF,
    [MINERVA_STRUCTURAL_TAG] = MN_CONSTRAINT_STRUCTURAL_TAG,
};

static minerva_status translate(const minerva_constraint *c, mn_constraint_options *o,
                                minerva_error *err)
{
    static const mn_whitespace spaces[] = {
        [MINERVA_SPACE_DEFAULT] = MN_WHITESPACE_DEFAULT,
        [MINERVA_SPACE_NONE] = MN_WHITESPACE_COMPACT,
        [MINERVA_SPACE_FLEXIBLE] = MN_WHITESPACE_FLEXIBLE,
    };
    if (c->kind <= MINERVA_CONSTRAINT_NONE || c->kind > MINERVA_STRUCTURAL_TAG)
        return mn_fail(err, MINERVA_INVALID, "constraint: kind 1 to %d expected, %d found",
                       MINERVA_STRUCTURAL_TAG, c->kind);
    if (c->space < 0 || c->space > MINERVA_SPACE_FLEXIBLE)
        return mn_fail(err, MINERVA_INVALID, "constraint: space 0 to %d expected, %d found",
                       MINERVA_SPACE_FLEXIBLE, c->space);
    if (c->n_triggers > 1000)
        return mn_fail(err, MINERVA_INVALID, "constraint: at most 1000 triggers expected, %zu "
                       "found", c->n_triggers);
    *o = (mn_constraint_options){
        .whitespace = spaces[c->space], .whitespace_pattern = c->space_pattern,
        .key_order = c->schema_order ? MN_KEYS_SCHEMA_ORDER : MN_KEYS_ANY_ORDER,
        .format_annotation = c->format_annotation, .start = c->start,
        .triggers = c->triggers, .n_triggers = (int32_t)c->n_triggers,
        .keep_trigger = c->keep_trigger, .trigger_required = c->trigger_required,
    };
    return MINERVA_OK;
}

minerva_status minerva_constraint_check(const minerva_constraint *c, minerva_error *err)
{
    mn_constraint_options o;
    mn_constraint *compiled = NULL;
    minerva_status st = translate(c, &o, err);
    if (st == MINERVA_OK)
        st = mn_constraint_compile(&compiled, NULL, kinds[c->kind], c->source, c->len, &o, err);
    mn_constraint_release(compiled);
    return st;
}

minerva_status minerva_schema_explain(const minerva_constraint *c,
                                      void (*on_line)(void *ctx, const minerva_schema_line *line),
                                      void *ctx, minerva_schema_summary *summary,
                                      minerva_error *err)
{
    mn_constraint_options o;
    mn_schema_listener to = { on_line, ctx, summary };
    minerva_status st = translate(c, &o, err);
    if (st != MINERVA_OK) return st;
    if (c->kind != MINERVA_JSON_SCHEMA)
        return mn_fail(err, MINERVA_INVALID, "constraint: a JSON Schema expected, kind %d found",
                       c->kind);
    return mn_schema_explain(c->source, c->len, &o, &to, err);
}

/* What each id of the model's vocabulary may contribute to constrained text. */
static minerva_status make_trie(minerva_model *m, minerva_error *err)
{
    int32_t vocab = minerva_model_vocab(m), n = mn_tokenizer_n_tokens(m->tokenizer);
    mn_vocab_token *tokens = calloc((size_t)vocab + 1, sizeof *tokens);
    if (!tokens) return mn_fail_memory(err, (size_t)vocab * sizeof *tokens);
    for (int32_t i = 0; i < n && i < vocab; i++) {
        mn_str bytes = mn_tokenizer_bytes(m->tokenizer, i);
        tokens[i] = (mn_vocab_token){ bytes.data, (uint32_t)bytes.len,
                                      mn_tokenizer_is_special(m->tokenizer, i) };
    }
    minerva_status st = mn_vocab_trie_create(&m->trie, tokens, vocab, m->ends, m->n_ends, err);
    free(tokens);
    return st;
}

minerva_status mn_runtime_matcher(mn_matcher **out, minerva_model *m,
                                  mn_constraint_cache **cache, const minerva_constraint *c,
                                  minerva_error *err)
{
    mn_constraint_options o;
    mn_constraint *compiled = NULL;
    minerva_status st = translate(c, &o, err);
    if (st == MINERVA_OK) st = mn_runtime_need_tokenizer(m, err);
    if (st != MINERVA_OK) return st;
    pthread_mutex_lock(&m->trie_lock);
    if (!m->trie) st = make_trie(m, err);
    pthread_mutex_unlock(&m->trie_lock);
    if (st == MINERVA_OK && !*cache)
        st = mn_constraint_cache_create(cache, m->trie, CACHE_BYTES, err);
    if (st == MINERVA_OK)
        st = mn_constraint_cache_get(*cache, &compiled, kinds[c->kind], c->source, c->len, &o,
                                     err);
    if (st == MINERVA_OK) st = mn_matcher_create(out, compiled, err);
    mn_constraint_release(compiled);
    return st;
}

/* ---- matchers for loops of one's own ----------------------------------------------- */

minerva_status minerva_matcher_create(minerva_matcher **out, minerva_model *model,
                                      const minerva_constraint *constraint, minerva_error *err)
{
    minerva_matcher *m = calloc(1, sizeof *m);
    if (!m) return mn_fail_memory(err, sizeof *m);
    minerva_status st = mn_runtime_matcher(&m->matcher, model, &m->cache, constraint, err);
    if (st != MINERVA_OK) {
        minerva_matcher_free(m);
        return st;
    }
    *out = m;
    return MINERVA_OK;
}

void minerva_matcher_free(minerva_matcher *m)
{
    if (!m) return;
    mn_matcher_free(m->matcher);
    mn_constraint_cache_free(m->cache);
    free(m);
}

minerva_status minerva_matcher_mask(minerva_matcher *m, const uint32_t **mask,
                                    minerva_error *err)
{
    return mn_matcher_mask(m->matcher, mask, err);
}

minerva_status minerva_matcher_accept(minerva_matcher *m, int32_t token, minerva_error *err)
{
    return mn_matcher_accept(m->matcher, token, err);
}

bool minerva_matcher_is_accepting(const minerva_matcher *m)
{
    return mn_matcher_is_accepting(m->matcher);
}

minerva_status minerva_json_compact(const char *json, size_t len, char **out, size_t *out_len,
                                    minerva_error *err)
{
    mn_buffer b = { 0 };
    minerva_status st = mn_json_compact(&b, json, len, err);
    if (st == MINERVA_OK && !(*out = mn_buffer_take(&b, out_len))) st = mn_fail_memory(err, len);
    mn_buffer_clear(&b);
    return st;
}
