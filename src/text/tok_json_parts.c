/* tokenizer.json's normalizer, pre_tokenizer, decoder and post_processor as parts of the
 * pipeline.
 *
 * Sequences are flattened, and components that are several of ours become several
 * (BertNormalizer, BertPreTokenizer, ByteLevel).  What is not known is refused by name.
 */
#include "text/tok_json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

/* ---- members -------------------------------------------------------------------------------- */

const char *tok_json_type(const json_t *v)
{
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

static minerva_status wrong_type(minerva_error *err, const char *what, const char *key,
                                 const char *wanted, const json_t *v)
{
    return mn_fail(err, MINERVA_INVALID, "%s: %s: %s expected, %s found", what, key, wanted,
                   tok_json_type(v));
}

minerva_status tok_json_bool(const json_t *o, const char *what, const char *key, bool fallback,
                             bool *out, minerva_error *err)
{
    const json_t *v = json_object_get(o, key);
    *out = fallback;
    if (!v || json_is_null(v)) return MINERVA_OK;
    if (!json_is_boolean(v)) return wrong_type(err, what, key, "a boolean", v);
    *out = json_is_true(v);
    return MINERVA_OK;
}

minerva_status tok_json_opt_str(mn_tokenizer *t, const json_t *o, const char *what,
                                const char *key, mn_str *out, minerva_error *err)
{
    const json_t *v = json_object_get(o, key);
    *out = (mn_str){ NULL, 0 };
    if (!v || json_is_null(v)) return MINERVA_OK;
    if (!json_is_string(v)) return wrong_type(err, what, key, "a string", v);
    *out = tok_str(&t->arena, json_string_value(v), json_string_length(v));
    return out->data ? MINERVA_OK : mn_fail_memory(err, json_string_length(v));
}

minerva_status tok_json_str(mn_tokenizer *t, const json_t *o, const char *what, const char *key,
                            mn_str *out, minerva_error *err)
{
    minerva_status st = tok_json_opt_str(t, o, what, key, out, err);
    if (!st && !out->data) return wrong_type(err, what, key, "a string", json_object_get(o, key));
    return st;
}

static minerva_status count(const json_t *o, const char *what, const char *key, size_t fallback,
                            size_t *out, minerva_error *err)
{
    const json_t *v = json_object_get(o, key);
    *out = fallback;
    if (!v && fallback != SIZE_MAX) return MINERVA_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return wrong_type(err, what, key, "a whole number", v);
    *out = (size_t)json_integer_value(v);
    return MINERVA_OK;
}

static minerva_status type_of(const json_t *o, const char *what, const char **type,
                              minerva_error *err)
{
    if (!json_is_object(o))
        return mn_fail(err, MINERVA_INVALID, "%s: an object expected, %s found", what,
                       tok_json_type(o));
    *type = json_string_value(json_object_get(o, "type"));
    if (!*type) return wrong_type(err, what, "type", "a string", json_object_get(o, "type"));
    return MINERVA_OK;
}

static minerva_status unknown(minerva_error *err, const char *what, const char *type)
{
    return mn_fail(err, MINERVA_UNSUPPORTED, "%s: the type \"%.60s\" is not known here", what, type);
}

/* The parts' arrays have room for TOK_MAX_PARTS each. */
static bool has_room(int n, const char *what, minerva_error *err)
{
    if (n < TOK_MAX_PARTS) return true;
    mn_fail(err, MINERVA_UNSUPPORTED, "%s: at most %d components expected", what, TOK_MAX_PARTS);
    return false;
}

typedef minerva_status part_reader(mn_tokenizer *, const json_t *, int depth, minerva_error *);

static minerva_status sequence(mn_tokenizer *t, const json_t *o, const char *what,
                               const char *key, part_reader *read, int depth, minerva_error *err)
{
    const json_t *list = json_object_get(o, key);
    if (!json_is_array(list)) return wrong_type(err, what, key, "an array", list);
    if (depth >= MAX_DEPTH)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: sequences nested at most %d deep expected",
                       what, MAX_DEPTH);
    for (size_t i = 0; i < json_array_size(list); i++) {
        minerva_status st = read(t, json_array_get(list, i), depth + 1, err);
        if (st) return st;
    }
    return MINERVA_OK;
}

/* {"String": ...} or {"Regex": ...}: exactly one of the results is set. */
static minerva_status pattern_of(mn_tokenizer *t, const json_t *o, const char *what,
                                 mn_str *literal, mn_str *regex, minerva_error *err)
{
    const json_t *p = json_object_get(o, "pattern");
    if (!json_is_object(p)) return wrong_type(err, what, "pattern", "an object", p);
    minerva_status st = tok_json_opt_str(t, p, what, "String", literal, err);
    if (!st) st = tok_json_opt_str(t, p, what, "Regex", regex, err);
    if (!st && !literal->data == !regex->data)
        return mn_fail(err, MINERVA_INVALID, "%s: pattern: either String or Regex expected", what);
    /* An empty string matches between all characters, like an empty expression. */
    if (!st && literal->data && !literal->len) *regex = *literal;
    return st;
}

/* ---- normalizers -------------------------------------------------------------------------------- */

static const char norm_name[] = "normalizer";

static tok_norm *add_norm(mn_tokenizer *t, tok_norm_kind kind, minerva_error *err)
{
    if (!has_room(t->n_norms, norm_name, err)) return NULL;
    tok_norm *n = &t->norms[t->n_norms++];
    n->kind = kind;
    return n;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static minerva_status precompiled(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    const json_t *v = json_object_get(o, "precompiled_charsmap");
    if (!json_is_string(v)) return wrong_type(err, norm_name, "precompiled_charsmap", "a string", v);
    const char *s = json_string_value(v);
    size_t len = json_string_length(v), n = 0;
    unsigned char *bytes = malloc(len + 1);
    if (!bytes) return mn_fail_memory(err, len);
    uint32_t bits = 0;
    int n_bits = 0, digit;
    for (size_t i = 0; i < len && (digit = base64_digit(s[i])) >= 0; i++) {
        bits = bits << 6 | (uint32_t)digit;
        if ((n_bits += 6) >= 8) bytes[n++] = (unsigned char)(bits >> (n_bits -= 8));
    }
    tok_norm *norm = add_norm(t, TOK_NORM_CHARSMAP, err);
    minerva_status st = norm ? tok_charsmap_init(&norm->charsmap, &t->arena, bytes, n, err)
                             : MINERVA_UNSUPPORTED;
    free(bytes);
    return st;
}

static minerva_status bert_normalizer(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    bool clean, chinese, lower, strip;
    minerva_status st;
    if ((st = tok_json_bool(o, norm_name, "clean_text", true, &clean, err))
        || (st = tok_json_bool(o, norm_name, "handle_chinese_chars", true, &chinese, err))
        || (st = tok_json_bool(o, norm_name, "lowercase", true, &lower, err))
        || (st = tok_json_bool(o, norm_name, "strip_accents", lower, &strip, err)))
        return st;
    if (clean && !add_norm(t, TOK_NORM_BERT_CLEAN, err)) return MINERVA_UNSUPPORTED;
    if (chinese && !add_norm(t, TOK_NORM_BERT_CHINESE, err)) return MINERVA_UNSUPPORTED;
    if (strip && (!add_norm(t, TOK_NORM_NFD, err) || !add_norm(t, TOK_NORM_STRIP_NONSPACING, err)))
        return MINERVA_UNSUPPORTED;
    if (lower && !add_norm(t, TOK_NORM_LOWERCASE, err)) return MINERVA_UNSUPPORTED;
    return MINERVA_OK;
}

static minerva_status replace_normalizer(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    mn_str literal, regex;
    minerva_status st = pattern_of(t, o, norm_name, &literal, &regex, err);
    if (st) return st;
    tok_norm *n = add_norm(t, regex.data ? TOK_NORM_REPLACE_REGEX : TOK_NORM_REPLACE, err);
    if (!n) return MINERVA_UNSUPPORTED;
    n->pattern = literal;
    if ((st = tok_json_str(t, o, norm_name, "content", &n->content, err))) return st;
    return regex.data ? tok_regex_compile(&n->regex, regex.data, regex.len, err) : MINERVA_OK;
}

static minerva_status affix_normalizer(mn_tokenizer *t, const json_t *o, tok_norm_kind kind,
                                       const char *key, minerva_error *err)
{
    tok_norm *n = add_norm(t, kind, err);
    return n ? tok_json_str(t, o, norm_name, key, &n->content, err) : MINERVA_UNSUPPORTED;
}

static minerva_status normalizer(mn_tokenizer *t, const json_t *o, int depth, minerva_error *err)
{
    static const struct {
        const char *name;
        tok_norm_kind kind;
    } plain[] = {
        { "NFC", TOK_NORM_NFC }, { "NFD", TOK_NORM_NFD }, { "NFKC", TOK_NORM_NFKC },
        { "NFKD", TOK_NORM_NFKD }, { "Lowercase", TOK_NORM_LOWERCASE },
        { "StripAccents", TOK_NORM_STRIP_ACCENTS }, { "Nmt", TOK_NORM_NMT },
        { "ByteLevel", TOK_NORM_BYTE_LEVEL },
    };
    const char *type;
    minerva_status st = type_of(o, norm_name, &type, err);
    if (st) return st;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(plain[i].name, type))
            return add_norm(t, plain[i].kind, err) ? MINERVA_OK : MINERVA_UNSUPPORTED;
    if (!strcmp(type, "Sequence"))
        return sequence(t, o, norm_name, "normalizers", normalizer, depth, err);
    if (!strcmp(type, "BertNormalizer") || !strcmp(type, "Bert")) return bert_normalizer(t, o, err);
    if (!strcmp(type, "Precompiled")) return precompiled(t, o, err);
    if (!strcmp(type, "Replace")) return replace_normalizer(t, o, err);
    if (!strcmp(type, "Prepend")) return affix_normalizer(t, o, TOK_NORM_PREPEND, "prepend", err);
    if (!strcmp(type, "Append")) return affix_normalizer(t, o, TOK_NORM_APPEND, "append", err);
    if (strcmp(type, "Strip")) return unknown(err, norm_name, type);
    tok_norm *n = add_norm(t, TOK_NORM_STRIP, err);
    if (!n) return MINERVA_UNSUPPORTED;
    if ((st = tok_json_bool(o, norm_name, "strip_left", true, &n->left, err))) return st;
    return tok_json_bool(o, norm_name, "strip_right", true, &n->right, err);
}

minerva_status tok_json_normalizer(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    return !o || json_is_null(o) ? MINERVA_OK : normalizer(t, o, 0, err);
}

/* ---- pre-tokenizers -------------------------------------------------------------------------------- */

static const char pre_name[] = "pre_tokenizer";

static tok_pre *add_pre(mn_tokenizer *t, tok_pre_kind kind, minerva_error *err)
{
    if (!has_room(t->n_pres, pre_name, err)) return NULL;
    tok_pre *p = &t->pres[t->n_pres++];
    p->kind = kind;
    return p;
}

/* A split at single characters of a set. */
static minerva_status split_at(mn_tokenizer *t, tok_set set, tok_behavior behavior,
                               minerva_error *err)
{
    tok_pre *p = add_pre(t, TOK_PRE_SPLIT, err);
    if (!p) return MINERVA_UNSUPPORTED;
    p->pattern = (tok_pattern){ .kind = TOK_PAT_SET, .set = set, .least = 1, .most = 1 };
    tok_pattern_settle(&p->pattern);
    p->behavior = behavior;
    return MINERVA_OK;
}

/* Unicode's punctuation (as it was when the library's tables were made), and all of
 * ASCII's, symbols too. */
static const tok_range more_punctuation[] = {
    { '$', '$' }, { '+', '+' }, { '<', '>' }, { '^', '^' }, { '`', '`' }, { '|', '|' },
    { '~', '~' }, { 0x166D, 0x166D }, { 0x111C9, 0x111C9 },
};
static const tok_set spaces = { .bits = TOK_WS };

static minerva_status split_at_punctuation(mn_tokenizer *t, tok_behavior behavior,
                                           minerva_error *err)
{
    tok_set set = { .bits = TOK_P, .ranges = more_punctuation, .n_ranges = 9,
                    .except = tok_young_punctuation, .n_except = tok_n_young_punctuation };
    return split_at(t, set, behavior, err);
}

static minerva_status behavior_of(const json_t *o, tok_behavior fallback, bool required,
                                  tok_behavior *out, minerva_error *err)
{
    static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous" };
    const json_t *v = json_object_get(o, "behavior");
    *out = fallback;
    if (!v && !required) return MINERVA_OK;
    if (!json_is_string(v)) return wrong_type(err, pre_name, "behavior", "a string", v);
    for (int i = 0; i < 5; i++) {
        if (strcmp(names[i], json_string_value(v))) continue;
        *out = (tok_behavior)i;
        return MINERVA_OK;
    }
    return mn_fail(err, MINERVA_UNSUPPORTED, "pre_tokenizer: behavior: the value \"%.60s\" is not "
                   "known here", json_string_value(v));
}

static minerva_status split(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    mn_str literal, regex;
    minerva_status st = pattern_of(t, o, pre_name, &literal, &regex, err);
    if (st) return st;
    tok_pre *p = add_pre(t, TOK_PRE_SPLIT, err);
    if (!p) return MINERVA_UNSUPPORTED;
    if ((st = behavior_of(o, TOK_ISOLATED, true, &p->behavior, err))
        || (st = tok_json_bool(o, pre_name, "invert", false, &p->invert, err)))
        return st;
    p->pattern = (tok_pattern){ .kind = TOK_PAT_LITERAL, .literal = literal };
    if (!regex.data) return MINERVA_OK;
    if (tok_pattern_known(regex.data, regex.len, &p->pattern)) return MINERVA_OK;
    p->pattern = (tok_pattern){ .kind = TOK_PAT_REGEX };
    return tok_regex_compile(&p->pattern.regex, regex.data, regex.len, err);
}

static minerva_status byte_level(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
                               "|\\s+(?!\\S)|\\s+";
    bool prefix, use_regex;
    minerva_status st;
    if ((st = tok_json_bool(o, pre_name, "add_prefix_space", true, &prefix, err))
        || (st = tok_json_bool(o, pre_name, "use_regex", true, &use_regex, err)))
        return st;
    if (prefix && !add_pre(t, TOK_PRE_PREFIX_SPACE, err)) return MINERVA_UNSUPPORTED;
    if (use_regex) {
        tok_pre *p = add_pre(t, TOK_PRE_SPLIT, err);
        if (!p) return MINERVA_UNSUPPORTED;
        p->behavior = TOK_ISOLATED;
        tok_pattern_known(gpt2, sizeof gpt2 - 1, &p->pattern);
    }
    return add_pre(t, TOK_PRE_BYTE_MAP, err) ? MINERVA_OK : MINERVA_UNSUPPORTED;
}

static minerva_status replacement_of(mn_tokenizer *t, const json_t *o, const char *what,
                                     const char *key, mn_str *out, minerva_error *err)
{
    minerva_status st = tok_json_str(t, o, what, key, out, err);
    uint32_t cp;
    if (!st && (!out->len || (size_t)tok_decode(out->data, out->len, &cp) != out->len))
        return mn_fail(err, MINERVA_INVALID, "%s: %s: one character expected, %zu bytes found",
                       what, key, out->len);
    return st;
}

static minerva_status prepend_scheme(const json_t *o, const char *what, tok_prepend *out,
                                     minerva_error *err)
{
    const json_t *v = json_object_get(o, "prepend_scheme");
    bool prefix;
    minerva_status st = tok_json_bool(o, what, "add_prefix_space", true, &prefix, err);
    if (st) return st;
    *out = prefix ? TOK_PREPEND_ALWAYS : TOK_PREPEND_NEVER;
    if (!v) return MINERVA_OK;
    if (!json_is_string(v)) return wrong_type(err, what, "prepend_scheme", "a string", v);
    const char *s = json_string_value(v);
    if (!strcmp(s, "always")) *out = TOK_PREPEND_ALWAYS;
    else if (!strcmp(s, "first")) *out = TOK_PREPEND_FIRST;
    else if (!strcmp(s, "never")) *out = TOK_PREPEND_NEVER;
    else return mn_fail(err, MINERVA_UNSUPPORTED, "%s: prepend_scheme: the value \"%.60s\" is not "
                        "known here", what, s);
    if (!prefix && *out != TOK_PREPEND_NEVER)
        return mn_fail(err, MINERVA_INVALID, "%s: prepend_scheme: \"never\" expected beside "
                       "add_prefix_space false, \"%s\" found", what, s);
    return MINERVA_OK;
}

static minerva_status metaspace(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    tok_pre *p = add_pre(t, TOK_PRE_METASPACE, err);
    minerva_status st;
    if (!p) return MINERVA_UNSUPPORTED;
    if ((st = replacement_of(t, o, pre_name, "replacement", &p->replacement, err))
        || (st = prepend_scheme(o, pre_name, &p->prepend, err)))
        return st;
    return tok_json_bool(o, pre_name, "split", true, &p->split, err);
}

static minerva_status delimiter(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    tok_pre *p = add_pre(t, TOK_PRE_SPLIT, err);
    if (!p) return MINERVA_UNSUPPORTED;
    p->behavior = TOK_REMOVED;
    p->pattern.kind = TOK_PAT_LITERAL;
    return replacement_of(t, o, pre_name, "delimiter", &p->pattern.literal, err);
}

static minerva_status fixed_length(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    tok_pre *p = add_pre(t, TOK_PRE_FIXED_LENGTH, err);
    if (!p) return MINERVA_UNSUPPORTED;
    minerva_status st = count(o, pre_name, "length", 5, &p->length, err);
    if (!st && !p->length)
        return mn_fail(err, MINERVA_INVALID, "pre_tokenizer: length: at least 1 expected, 0 found");
    return st;
}

static minerva_status pre_tokenizer(mn_tokenizer *t, const json_t *o, int depth, minerva_error *err)
{
    const char *type;
    tok_behavior behavior;
    minerva_status st = type_of(o, pre_name, &type, err);
    if (st) return st;
    if (!strcmp(type, "Sequence"))
        return sequence(t, o, pre_name, "pretokenizers", pre_tokenizer, depth, err);
    if (!strcmp(type, "ByteLevel")) return byte_level(t, o, err);
    if (!strcmp(type, "Split")) return split(t, o, err);
    if (!strcmp(type, "Metaspace")) return metaspace(t, o, err);
    if (!strcmp(type, "CharDelimiterSplit") || !strcmp(type, "Delimiter")) return delimiter(t, o, err);
    if (!strcmp(type, "FixedLength")) return fixed_length(t, o, err);
    if (!strcmp(type, "WhitespaceSplit")) return split_at(t, spaces, TOK_REMOVED, err);
    if (!strcmp(type, "UnicodeScripts"))
        return add_pre(t, TOK_PRE_SCRIPTS, err) ? MINERVA_OK : MINERVA_UNSUPPORTED;
    if (!strcmp(type, "BertPreTokenizer")) {
        if ((st = split_at(t, spaces, TOK_REMOVED, err))) return st;
        return split_at_punctuation(t, TOK_ISOLATED, err);
    }
    if (!strcmp(type, "Punctuation")) {
        if ((st = behavior_of(o, TOK_ISOLATED, false, &behavior, err))) return st;
        return split_at_punctuation(t, behavior, err);
    }
    if (!strcmp(type, "Digits")) {
        bool individual;
        if ((st = tok_json_bool(o, pre_name, "individual_digits", false, &individual, err))) return st;
        static const tok_range newest[] = { { 0x11DE0, 0x11DE9 }, { 0x16FF4, 0x16FF6 } };
        tok_set digits = { .bits = TOK_N, .ranges = newest, .n_ranges = 2 };     /* Unicode 17's */
        return split_at(t, digits, individual ? TOK_ISOLATED : TOK_CONTIGUOUS, err);
    }
    if (strcmp(type, "Whitespace")) return unknown(err, pre_name, type);
    tok_pre *p = add_pre(t, TOK_PRE_SPLIT, err);
    if (!p) return MINERVA_UNSUPPORTED;
    p->pattern.kind = TOK_PAT_WORDS;
    p->behavior = TOK_REMOVED;
    p->invert = true;
    return MINERVA_OK;
}

minerva_status tok_json_pre_tokenizer(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    return !o || json_is_null(o) ? MINERVA_OK : pre_tokenizer(t, o, 0, err);
}

/* ---- decoders ---------------------------------------------------------------------------------------- */

static const char dec_name[] = "decoder";

static minerva_status decoder(mn_tokenizer *t, const json_t *o, int depth, minerva_error *err)
{
    const char *type;
    minerva_status st = type_of(o, dec_name, &type, err);
    if (st) return st;
    if (!strcmp(type, "Sequence")) return sequence(t, o, dec_name, "decoders", decoder, depth, err);
    if (!has_room(t->n_decs, dec_name, err)) return MINERVA_UNSUPPORTED;
    tok_dec *d = &t->decs[t->n_decs++];
    if (!strcmp(type, "ByteLevel")) {
        d->kind = TOK_DEC_BYTE_LEVEL;
    } else if (!strcmp(type, "ByteFallback")) {
        d->kind = TOK_DEC_BYTE_FALLBACK;
    } else if (!strcmp(type, "Fuse")) {
        d->kind = TOK_DEC_FUSE;
    } else if (!strcmp(type, "Metaspace")) {
        tok_prepend prepend;
        d->kind = TOK_DEC_METASPACE;
        if ((st = replacement_of(t, o, dec_name, "replacement", &d->a, err))) return st;
        st = prepend_scheme(o, dec_name, &prepend, err);
        d->drop_first = prepend != TOK_PREPEND_NEVER;
    } else if (!strcmp(type, "WordPiece")) {
        d->kind = TOK_DEC_WORDPIECE;
        if ((st = tok_json_str(t, o, dec_name, "prefix", &d->a, err))) return st;
        st = tok_json_bool(o, dec_name, "cleanup", true, &d->cleanup, err);
    } else if (!strcmp(type, "BPEDecoder")) {
        d->kind = TOK_DEC_BPE;
        st = tok_json_str(t, o, dec_name, "suffix", &d->a, err);
    } else if (!strcmp(type, "CTC")) {
        d->kind = TOK_DEC_CTC;
        if ((st = tok_json_str(t, o, dec_name, "pad_token", &d->a, err))
            || (st = tok_json_str(t, o, dec_name, "word_delimiter_token", &d->b, err)))
            return st;
        st = tok_json_bool(o, dec_name, "cleanup", true, &d->cleanup, err);
    } else if (!strcmp(type, "Strip")) {
        d->kind = TOK_DEC_STRIP;
        if ((st = replacement_of(t, o, dec_name, "content", &d->a, err))
            || (st = count(o, dec_name, "start", SIZE_MAX, &d->start, err)))
            return st;
        st = count(o, dec_name, "stop", SIZE_MAX, &d->stop, err);
    } else if (!strcmp(type, "Replace")) {
        mn_str regex;
        if ((st = pattern_of(t, o, dec_name, &d->a, &regex, err))
            || (st = tok_json_str(t, o, dec_name, "content", &d->b, err)))
            return st;
        d->kind = regex.data ? TOK_DEC_REPLACE_REGEX : TOK_DEC_REPLACE;
        if (regex.data) st = tok_regex_compile(&d->regex, regex.data, regex.len, err);
    } else {
        t->n_decs--;
        st = unknown(err, dec_name, type);
    }
    return st;
}

minerva_status tok_json_decoder(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    if (o && !json_is_null(o)) return decoder(t, o, 0, err);
    t->decs[t->n_decs++].kind = TOK_DEC_JOIN_SPACES;
    return MINERVA_OK;
}

/* ---- post-processors ---------------------------------------------------------------------------------- */

static const char post_name[] = "post_processor";

typedef struct {
    int32_t *ids;
    int n, capacity;
} id_list;

static minerva_status add_id(mn_tokenizer *t, id_list *l, const json_t *v, minerva_error *err)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
        return mn_fail(err, MINERVA_INVALID, "post_processor: a token id expected, %s found",
                       tok_json_type(v));
    if (l->n == l->capacity) {
        int capacity = l->capacity ? l->capacity * 2 : 8;
        int32_t *ids = mn_arena_array(&t->arena, (size_t)capacity, sizeof *ids);
        if (!ids) return mn_fail_memory(err, (size_t)capacity * sizeof *ids);
        if (l->n) memcpy(ids, l->ids, (size_t)l->n * sizeof *ids);
        l->ids = ids;
        l->capacity = capacity;
    }
    l->ids[l->n++] = (int32_t)json_integer_value(v);
    return MINERVA_OK;
}

static minerva_status template(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    const json_t *single = json_object_get(o, "single"), *tokens = json_object_get(o, "special_tokens");
    if (!json_is_array(single)) return wrong_type(err, post_name, "single", "an array", single);
    if (!json_is_object(tokens)) return wrong_type(err, post_name, "special_tokens", "an object", tokens);
    id_list before = { 0 }, behind = { 0 };
    int n_sequences = 0;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *piece = json_array_get(single, i), *part;
        if ((part = json_object_get(piece, "Sequence"))) {
            const char *id = json_string_value(json_object_get(part, "id"));
            if (!id || strcmp(id, "A") || n_sequences++)
                return mn_fail(err, MINERVA_UNSUPPORTED, "post_processor: single: the text once, "
                               "as sequence A, expected");
            continue;
        }
        part = json_object_get(piece, "SpecialToken");
        const char *name = json_string_value(json_object_get(part, "id"));
        if (!name) return mn_fail(err, MINERVA_INVALID, "post_processor: single: Sequence or "
                                  "SpecialToken with an id expected, %s found", tok_json_type(piece));
        const json_t *ids = json_object_get(json_object_get(tokens, name), "ids");
        if (!json_is_array(ids))
            return mn_fail(err, MINERVA_INVALID, "post_processor: special_tokens: ids of \"%.60s\" "
                           "expected, %s found", name, tok_json_type(ids));
        for (size_t k = 0; k < json_array_size(ids); k++) {
            minerva_status st = add_id(t, n_sequences ? &behind : &before, json_array_get(ids, k), err);
            if (st) return st;
        }
    }
    if (!n_sequences)
        return mn_fail(err, MINERVA_UNSUPPORTED, "post_processor: single: the text once, as "
                       "sequence A, expected");
    t->prefix_ids = before.ids;
    t->n_prefix_ids = before.n;
    t->suffix_ids = behind.ids;
    t->n_suffix_ids = behind.n;
    return MINERVA_OK;
}

/* {"sep": ["</s>", 2], "cls": ["<s>", 0]} */
static minerva_status cls_and_sep(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    id_list before = { 0 }, behind = { 0 };
    minerva_status st = add_id(t, &before, json_array_get(json_object_get(o, "cls"), 1), err);
    if (!st) st = add_id(t, &behind, json_array_get(json_object_get(o, "sep"), 1), err);
    t->prefix_ids = before.ids;
    t->n_prefix_ids = before.n;
    t->suffix_ids = behind.ids;
    t->n_suffix_ids = behind.n;
    return st;
}

static minerva_status post_processor(mn_tokenizer *t, const json_t *o, int depth, minerva_error *err)
{
    const char *type;
    minerva_status st = type_of(o, post_name, &type, err);
    if (st) return st;
    if (!strcmp(type, "Sequence"))
        return sequence(t, o, post_name, "processors", post_processor, depth, err);
    if (!strcmp(type, "ByteLevel")) return MINERVA_OK;      /* offsets only */
    bool is_template = !strcmp(type, "TemplateProcessing");
    if (!is_template && strcmp(type, "BertProcessing") && strcmp(type, "RobertaProcessing"))
        return unknown(err, post_name, type);
    if (t->n_prefix_ids || t->n_suffix_ids)
        return mn_fail(err, MINERVA_UNSUPPORTED, "post_processor: one component that adds tokens "
                       "expected, several found");
    return is_template ? template(t, o, err) : cls_and_sep(t, o, err);
}

minerva_status tok_json_post_processor(mn_tokenizer *t, const json_t *o, minerva_error *err)
{
    return !o || json_is_null(o) ? MINERVA_OK : post_processor(t, o, 0, err);
}
