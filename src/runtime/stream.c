/* From sampled tokens to text; see stream.h. */
#include "runtime/stream.h"
#include "base/status.h"

#include <string.h>

static minerva_status check(const minerva_generate_options *o, minerva_error *err)
{
    if (o->max_tokens < 0)
        return mn_fail(err, MINERVA_INVALID, "max_tokens: 0 or more expected, %d found",
                       o->max_tokens);
    if (o->n_stop > MN_MAX_STOPS)
        return mn_fail(err, MINERVA_INVALID, "stop: at most %d strings expected, %zu found",
                       MN_MAX_STOPS, o->n_stop);
    if (o->n_top_logprobs < 0 || o->n_top_logprobs > MN_MAX_TOP_LOGPROBS)
        return mn_fail(err, MINERVA_INVALID, "n_top_logprobs: 0 to %d expected, %d found",
                       MN_MAX_TOP_LOGPROBS, o->n_top_logprobs);
    return MINERVA_OK;
}

minerva_status mn_stream_init(mn_stream *s, const minerva_model *model,
                              const minerva_generate_options *options, minerva_error *err)
{
    *s = (mn_stream){ .model = model, .o = options };
    minerva_status st = check(options, err);
    if (st == MINERVA_OK) st = mn_runtime_need_tokenizer(model, err);
    if (st == MINERVA_OK)
        st = minerva_sampler_create(&s->sampler, options->sampling, minerva_model_vocab(model),
                                    err);
    if (st == MINERVA_OK)
        st = mn_detokenizer_create(&s->detokenizer, model->tokenizer, !options->keep_special,
                                   err);
    if (st != MINERVA_OK) mn_stream_clear(s);
    return st;
}

void mn_stream_clear(mn_stream *s)
{
    mn_matcher_free(s->matcher);
    mn_detokenizer_free(s->detokenizer);
    minerva_sampler_free(s->sampler);
    mn_buffer_clear(&s->text);
    *s = (mn_stream){ 0 };
}

void mn_stream_constrain(mn_stream *s, mn_matcher *matcher)
{
    mn_matcher_free(s->matcher);
    s->matcher = matcher;
}

minerva_status mn_stream_prompt(mn_stream *s, const int32_t *tokens, size_t n,
                                minerva_error *err)
{
    for (size_t i = 0; i < n; i++) {
        minerva_status st = minerva_sampler_accept(s->sampler, tokens[i], err);
        if (st == MINERVA_OK)
            st = mn_detokenizer_feed(s->detokenizer, tokens[i], &s->text, err);
        if (st != MINERVA_OK) return st;
        mn_buffer_reset(&s->text);
    }
    return MINERVA_OK;
}

/* Where the first stop string begins, or SIZE_MAX; *held: bytes at the end that may still
 * become one; *which: 1 + its index. */
static size_t find_stop(const mn_stream *s, size_t *held, size_t *which)
{
    size_t first = SIZE_MAX, len = s->text.len;
    *held = 0;
    for (size_t i = 0; i < s->o->n_stop && len; i++) {
        const char *stop = s->o->stop[i];
        size_t n = strlen(stop);
        if (!n) continue;
        const char *hit = memmem(s->text.data, len, stop, n);
        if (hit && (size_t)(hit - s->text.data) < first) {
            first = (size_t)(hit - s->text.data);
            *which = i + 1;
        }
        for (size_t k = n - 1 < len ? n - 1 : len; k > *held; k--)
            if (!memcmp(s->text.data + len - k, stop, k)) {
                *held = k;
                break;
            }
    }
    return first;
}

static void end(mn_stream *s, minerva_finish why)
{
    if (s->finished) return;
    s->finished = true;
    s->finish = why;
}

/* Hand out the first n bytes of the text with the news of one token (-1: of none). */
static void emit(mn_stream *s, size_t n, int32_t token, float logprob)
{
    if (s->o->on_piece) {
        minerva_piece piece = { .text = s->text.data ? s->text.data : "", .len = n,
                                .token = token, .logprob = logprob, .top = s->top,
                                .n_top = token < 0 ? 0 : (size_t)s->o->n_top_logprobs };
        if (!s->o->on_piece(s->o->ctx, &piece)) end(s, MINERVA_FINISH_CANCELLED);
    }
    if (n) memmove(s->text.data, s->text.data + n, s->text.len - n);
    s->text.len -= n;
}

static bool is_empty(const uint32_t *mask, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++)
        if (mask[i]) return false;
    return true;
}

/* The mask of the constraint's state.  A finished constraint in a model that has no end
 * token allows nothing: that is the end too. */
static minerva_status take_mask(mn_stream *s, const uint32_t **mask, minerva_error *err)
{
    *mask = NULL;
    if (!s->matcher) return MINERVA_OK;
    minerva_status st = mn_matcher_mask(s->matcher, mask, err);
    if (st != MINERVA_OK) return st;
    size_t n_words = ((size_t)minerva_model_vocab(s->model) + 31) / 32;
    if (mn_matcher_is_accepting(s->matcher) && is_empty(*mask, n_words))
        return mn_stream_end(s, MINERVA_FINISH_STOP, err);
    return MINERVA_OK;
}

/* A token that was drawn or forced, and is no end: its text, and the ends it may mean. */
static minerva_status take_token(mn_stream *s, int32_t token, float logprob, minerva_error *err)
{
    const minerva_generate_options *o = s->o;
    minerva_status st = minerva_sampler_accept(s->sampler, token, err);
    if (st == MINERVA_OK) st = mn_detokenizer_feed(s->detokenizer, token, &s->text, err);
    if (st != MINERVA_OK) return st;
    size_t held, stop = find_stop(s, &held, &s->stop);
    if (stop != SIZE_MAX) {
        emit(s, stop, token, logprob);
        s->text.len = 0;
        end(s, MINERVA_FINISH_STOP);
        return MINERVA_OK;
    }
    emit(s, s->text.len - held, token, logprob);
    if (!s->finished && o->max_tokens > 0 && s->n_generated >= (size_t)o->max_tokens)
        return mn_stream_end(s, MINERVA_FINISH_LENGTH, err);
    return MINERVA_OK;
}

static bool wants_probs(const mn_stream *s)
{
    return s->o->on_piece && (s->o->logprobs || s->o->n_top_logprobs);
}

minerva_status mn_stream_step(mn_stream *s, const float *logits, int32_t *token,
                              minerva_error *err)
{
    const minerva_generate_options *o = s->o;
    bool probs = wants_probs(s);
    float logprob = 0;
    const uint32_t *mask;
    minerva_status st = take_mask(s, &mask, err);
    if (st != MINERVA_OK || s->finished) return st;
    st = minerva_sampler_sample(s->sampler, logits, mask, token, probs ? &logprob : NULL,
                                s->top, probs ? (size_t)o->n_top_logprobs : 0, err);
    if (st == MINERVA_OK && s->matcher) st = mn_matcher_accept(s->matcher, *token, err);
    if (st != MINERVA_OK) return st;
    s->n_generated++;
    if ((!o->ignore_end || s->matcher) && minerva_model_is_end(s->model, *token))
        return mn_stream_end(s, MINERVA_FINISH_STOP, err);
    return take_token(s, *token, logprob, err);
}

/* The tokens spell exactly these bytes (some tokenizers put a space before a text). */
static bool spells(const mn_tokenizer *t, const mn_ids *ids, const mn_buffer *bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < ids->n; i++) {
        mn_str s = mn_tokenizer_bytes(t, ids->ids[i]);
        if (s.len > bytes->len - at || (s.len && memcmp(bytes->data + at, s.data, s.len))) return false;
        at += s.len;
    }
    return at == bytes->len;
}

/* Every allowed token spells these bytes, or a part of them: no special token, which a
 * grammar may allow beside text, is passed over. */
static bool all_agree(mn_stream *s, const char *bytes, size_t len)
{
    const uint32_t *mask;
    if (mn_matcher_mask(s->matcher, &mask, NULL) != MINERVA_OK) return false;
    size_t n_words = ((size_t)minerva_model_vocab(s->model) + 31) / 32;
    for (size_t w = 0; w < n_words; w++)
        for (uint32_t bits = mask[w]; bits; bits &= bits - 1) {
            int32_t id = (int32_t)(w * 32) + __builtin_ctz(bits);
            mn_str t = mn_tokenizer_bytes(s->model->tokenizer, id);
            size_t same = t.len < len ? t.len : len;
            if (mn_tokenizer_is_special(s->model->tokenizer, id) || memcmp(t.data, bytes, same)) return false;
        }
    return true;
}

minerva_status mn_stream_forced(mn_stream *s, int32_t *tokens, size_t max, size_t *n,
                                minerva_error *err)
{
    enum { MOST_BYTES = 256 };
    static const mn_encode_options plain = { .no_special = true, .plain = true };
    const mn_tokenizer *t = s->model->tokenizer;
    mn_buffer bytes = { 0 };
    mn_ids ids = { 0 };
    *n = 0;
    if (!s->matcher || s->finished || wants_probs(s)) return MINERVA_OK;
    minerva_status st = mn_matcher_forced(s->matcher, &bytes, MOST_BYTES, err);
    if (st == MINERVA_OK && bytes.len)
        st = mn_tokenizer_encode(t, bytes.data, bytes.len, &plain, &ids, err);
    size_t at = 0;
    bool same = st == MINERVA_OK && spells(t, &ids, &bytes);
    for (size_t i = 0; same && i < ids.n && *n < max && !s->finished; i++) {
        if (!all_agree(s, bytes.data + at, bytes.len - at)
            || mn_matcher_extends(s->matcher, bytes.data + at, bytes.len - at)) break;
        if (mn_matcher_accept(s->matcher, ids.ids[i], NULL) != MINERVA_OK) break;
        at += mn_tokenizer_bytes(t, ids.ids[i]).len;
        tokens[(*n)++] = ids.ids[i];
        s->n_generated++;
        s->n_forced++;
        st = take_token(s, ids.ids[i], 0, err);
        if (st != MINERVA_OK) break;
    }
    mn_buffer_clear(&bytes);
    mn_ids_clear(&ids);
    return st;
}

minerva_status mn_stream_end(mn_stream *s, minerva_finish why, minerva_error *err)
{
    if (s->finished) return MINERVA_OK;
    minerva_status st = mn_detokenizer_finish(s->detokenizer, &s->text, err);
    if (st != MINERVA_OK) return st;
    end(s, why);
    if (s->text.len) emit(s, s->text.len, -1, 0);
    return MINERVA_OK;
}
