/* Tokenizers from broken files and odd vocabularies: clear errors, no faults. */
#include "tests/tokenizer_cases.h"

/* A tokenizer.json from its parts, with ' for ". */
static char *json_of(const char *model, const char *rest)
{
    static char text[4096];
    snprintf(text, sizeof text, "{'version':'1.0','model':%s%s%s}", model, *rest ? "," : "", rest);
    for (char *p = text; *p; p++)
        if (*p == '\'') *p = '"';
    return text;
}

static minerva_status load(mn_tokenizer **t, const char *model, const char *rest, minerva_error *err)
{
    const char *json = json_of(model, rest);
    return mn_tokenizer_from_json(t, json, strlen(json), NULL, 0, err);
}

#define BPE "{'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':['a b']}"
#define WORDS "{'type':'WordLevel','vocab':{'u':0,'a':1},'unk_token':'u'}"

static const struct {
    const char *model, *rest, *wanted;
} broken[] = {
    { "[]", "", "model: an object expected, an array found" },
    { "{'type':'Lattice'}", "", "\"Lattice\" is not known" },
    { "{'type':'BPE','vocab':[],'merges':[]}", "", "vocab: an object expected" },
    { "{'type':'BPE','vocab':{'a':'x'},'merges':[]}", "", "a whole number expected, a string found" },
    { "{'type':'BPE','vocab':{'a':-1},'merges':[]}", "", "a whole number expected" },
    { "{'type':'BPE','vocab':{'a':99999999},'merges':[]}", "", "ids below" },
    { "{'type':'BPE','vocab':{'a':9223372036854775807},'merges':[]}", "", "ids below" },
    { "{'type':'BPE','vocab':{'a':0,'b':0},'merges':[]}", "", "one token with the id 0" },
    { "{'type':'BPE','vocab':{'a':0,'a':1},'merges':[]}", "", "duplicate" },
    { "{'type':'BPE','vocab':{'a':0},'merges':{}}", "", "merges: an array expected" },
    { "{'type':'BPE','vocab':{'a':0},'merges':['a']}", "", "two tokens expected" },
    { "{'type':'BPE','vocab':{'a':0},'merges':[['a']]}", "", "two tokens expected" },
    { "{'type':'BPE','vocab':{'a':0},'merges':[3]}", "", "two tokens expected" },
    { "{'type':'BPE','vocab':{'a':0},'merges':['a z']}", "", "tokens of the vocabulary expected" },
    { "{'type':'BPE','vocab':{'a':0,'b':1},'merges':['a b']}", "", "which make none together" },
    { "{'type':'BPE','vocab':{'a':0},'merges':[],'dropout':0.5}", "", "dropout" },
    { "{'type':'BPE','vocab':{'a':0},'merges':[],'fuse_unk':'yes'}", "", "a boolean expected" },
    { "{'type':'BPE','vocab':{'a':0},'merges':[],'unk_token':7}", "", "a string expected" },
    { "{'type':'Unigram','vocab':{'a':0}}", "", "vocab: an array expected" },
    { "{'type':'Unigram','vocab':[['a']]}", "", "a token and its score expected" },
    { "{'type':'Unigram','vocab':[['a',0]],'unk_id':1}", "", "unk_id" },
    { "{'type':'Unigram','vocab':[['a',0]],'unk_id':-1}", "", "unk_id" },
    { "{'type':'WordPiece','vocab':{'a':0}}", "", "continuing_subword_prefix: a string expected" },
    { WORDS, "'added_tokens':{}", "added_tokens: an array expected" },
    { WORDS, "'added_tokens':[1]", "added_tokens: an object expected, a number found" },
    { WORDS, "'added_tokens':[{'id':1}]", "content: a string expected" },
    { WORDS, "'added_tokens':[{'content':'x','special':1}]", "special: a boolean expected" },
    { WORDS, "'normalizer':3", "normalizer: an object expected, a number found" },
    { WORDS, "'normalizer':{'type':'Upside'}", "normalizer: the type \"Upside\" is not known" },
    { WORDS, "'normalizer':{'type':'Replace','pattern':'x'}", "pattern: an object expected" },
    { WORDS, "'normalizer':{'type':'Replace','pattern':{},'content':''}", "either String or Regex" },
    { WORDS, "'normalizer':{'type':'Replace','pattern':{'Regex':'('},'content':''}", "regular expression" },
    { WORDS, "'normalizer':{'type':'Precompiled','precompiled_charsmap':'AAAA'}", "double array" },
    { WORDS, "'normalizer':{'type':'Precompiled','precompiled_charsmap':'////////'}", "double array" },
    { WORDS, "'pre_tokenizer':{'type':'Guess'}", "pre_tokenizer: the type \"Guess\" is not known" },
    { WORDS, "'pre_tokenizer':{'type':'Sequence'}", "pretokenizers: an array expected" },
    { WORDS, "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(?~x)'},'behavior':'Removed','invert':false}",
      "absent operator" },
    { WORDS, "'pre_tokenizer':{'type':'Split','pattern':{'String':'x'},'behavior':'Odd','invert':false}",
      "behavior: the value \"Odd\" is not known" },
    { WORDS, "'pre_tokenizer':{'type':'Metaspace','replacement':'xy'}", "one character expected" },
    { WORDS, "'pre_tokenizer':{'type':'FixedLength','length':0}", "at least 1 expected" },
    { WORDS, "'decoder':{'type':'Oracle'}", "decoder: the type \"Oracle\" is not known" },
    { WORDS, "'decoder':{'type':'Strip','content':' ','start':-1,'stop':0}", "a whole number expected" },
    { WORDS, "'post_processor':{'type':'Magic'}", "post_processor: the type \"Magic\" is not known" },
    { WORDS, "'post_processor':{'type':'TemplateProcessing','single':[],'special_tokens':{}}",
      "the text once" },
    { WORDS, "'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'x'}},"
             "{'Sequence':{'id':'A'}}],'special_tokens':{}}", "ids of \"x\"" },
    { WORDS, "'post_processor':{'type':'BertProcessing','sep':['s',1000],'cls':['c',0]}", "ids below" },
};

static void broken_files_are_refused_with_what_was_expected(void **state)
{
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        mn_tokenizer *t = NULL;
        minerva_error err = { 0 };
        if (!load(&t, broken[i].model, broken[i].rest, &err))
            fail_msg("accepted: %s, %s", broken[i].model, broken[i].rest);
        if (!strstr(err.message, broken[i].wanted))
            fail_msg("%s, %s: \"%s\" expected in: %s", broken[i].model, broken[i].rest,
                     broken[i].wanted, err.message);
    }
}

static void deep_sequences_are_refused(void **state)
{
    char json[8000] = "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0},\"unk_token\":\"u\"},"
                      "\"normalizer\":";
    for (int i = 0; i < 100; i++) strcat(json, "{\"type\":\"Sequence\",\"normalizers\":[");
    strcat(json, "{\"type\":\"NFC\"}");
    for (int i = 0; i < 100; i++) strcat(json, "]}");
    strcat(json, "}");
    mn_tokenizer *t;
    minerva_error err = { 0 };
    assert_int_equal(mn_tokenizer_from_json(&t, json, strlen(json), NULL, 0, &err),
                     MINERVA_UNSUPPORTED);
}

/* Cuts and flips of a real file: whatever comes of them must not fault. */
static void damaged_json_never_faults(void **state)
{
    size_t len;
    char *json = slurp(data("tokenizers/wordpiece_uncased/tokenizer.json"), &len);
    char *copy = malloc(len);
    uint32_t seed = 1;
    for (int i = 0; i < 300; i++) {
        size_t n = len;
        memcpy(copy, json, len);
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            copy[seed % 3000] = "{}[]\",:0-nt"[seed >> 24 & 7];
        }
        if (i % 3 == 0) n = seed % len;
        mn_tokenizer *t = NULL;
        minerva_error err = { 0 };
        if (!mn_tokenizer_from_json(&t, copy, n, NULL, 0, &err)) mn_tokenizer_free(t);
        else assert_true(err.message[0]);
    }
    free(copy);
    free(json);
}

static void damaged_models_never_fault(void **state)
{
    size_t len;
    char *model = slurp(data("tokenizers/spm_llama2/tokenizer.model"), &len);
    char *copy = malloc(len);
    uint32_t seed = 7;
    mn_ids ids = { 0 };
    for (size_t i = 0; i < 600; i++) {
        mn_tokenizer *t = NULL;
        minerva_error err = { 0 };
        size_t n = len;
        memcpy(copy, model, len);
        seed = seed * 1664525u + 1013904223u;
        if (i % 2) n = seed % len;
        else copy[seed % len] ^= (char)(1 << (seed >> 28 & 7));
        if (mn_tokenizer_from_sentencepiece(&t, copy, n, NULL, 0, &err)) {
            assert_true(err.message[0]);
            continue;
        }
        ids.n = 0;
        assert_int_equal(0, mn_tokenizer_encode(t, "Hello \xe2\x96\x81 w\xffrld", 15, NULL, &ids,
                                                &err));
        mn_tokenizer_free(t);
    }
    mn_ids_clear(&ids);
    free(copy);
    free(model);
}

static void refused_model(const char *bytes, size_t len, const char *wanted)
{
    mn_tokenizer *t;
    minerva_error err = { 0 };
    assert_true(mn_tokenizer_from_sentencepiece(&t, bytes, len, NULL, 0, &err) != MINERVA_OK);
    if (!strstr(err.message, wanted)) fail_msg("\"%s\" expected in: %s", wanted, err.message);
}

static void broken_models_are_refused_with_what_was_expected(void **state)
{
    refused_model("", 0, "pieces expected, none found");
    refused_model("\x0a\x05\x0a\x01", 4, "a protocol buffer field expected");
    refused_model("\x0a\x02\x18\x01", 4, "a text expected");
    refused_model("\x0a\x05\x0a\x01" "a\x18\x09", 7, "a type from 1 to 6 expected, 9 found");
    refused_model("\x0a\x03\x0a\x01" "a", 5, "an unknown piece expected");
    refused_model("\x0a\x05\x0a\x01u\x18\x02\x0a\x05\x0a\x01v\x18\x02", 14, "several found");
    refused_model("\x0a\x05\x0a\x01u\x18\x02\x0a\x05\x0a\x01" "b\x18\x06", 14, "byte piece b");
    refused_model("\x0a\x05\x0a\x01u\x18\x02\x12\x02\x18\x07", 11, "model_type: 1 to 4 expected, 7");
    refused_model("\x0a\x05\x0a\x01u\x18\x02\x12\x03\x98\x02\x01", 12, "<0x00> is missing");
    refused_model("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, "a protocol buffer field");
    refused_model("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, "a protocol buffer field");
}

static mn_gguf_vocab small_gguf(const mn_str *tokens, int64_t n, const mn_str *merges, int64_t n_merges)
{
    return (mn_gguf_vocab){
        .model = { "gpt2", 4 }, .pre = { "gpt-2", 5 }, .token_text = tokens, .n_tokens = n,
        .merges = merges, .n_merges = n_merges, .bos = -1, .eos = -1, .eot = -1, .eom = -1,
        .unk = -1, .sep = -1, .pad = -1, .cls = -1, .mask = -1, .add_bos = -1, .add_eos = -1,
        .add_sep = -1, .add_space_prefix = -1,
    };
}

#define STR(s) { s, sizeof s - 1 }

static void gguf_merges_may_go_through_pieces_that_are_no_tokens(void **state)
{
    static const mn_str tokens[] = { STR("a"), STR("b"), STR("c"), STR("abc"), STR(""), STR("a") };
    static const mn_str merges[] = { STR("a b"), STR("ab c"), STR(""), STR("x"), STR(" "), STR("q r") };
    mn_gguf_vocab v = small_gguf(tokens, 6, merges, 6);
    mn_tokenizer *t;
    mn_ids ids = { 0 };
    assert_ok(mn_tokenizer_from_gguf(&t, &v, err));
    assert_ok(mn_tokenizer_encode(t, "abcabqr", 7, NULL, &ids, err));
    /* "abc" is a token; "ab" is none and falls apart; "qr" has nothing to fall to. */
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.ids[0], 3);
    assert_int_equal(ids.ids[1], 0);
    assert_int_equal(ids.ids[2], 1);
    assert_int_equal(mn_tokenizer_find(t, "c", 1), 2);
    assert_int_equal(mn_tokenizer_find(t, "zzz", 3), -1);
    assert_int_equal(mn_tokenizer_text(t, 4).len, 0);
    assert_int_equal(mn_tokenizer_bytes(t, -5).len, 0);
    assert_int_equal(mn_tokenizer_bytes(t, 1000).len, 0);
    mn_ids_clear(&ids);
    mn_tokenizer_free(t);
}

static void unknown_gguf_names_are_refused(void **state)
{
    static const mn_str tokens[] = { STR("a") };
    mn_gguf_vocab v = small_gguf(tokens, 1, NULL, 0);
    mn_tokenizer *t;
    minerva_error err = { 0 };
    v.pre = (mn_str){ "nonesuch", 8 };
    assert_int_equal(mn_tokenizer_from_gguf(&t, &v, &err), MINERVA_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokenizer.ggml.pre: \"nonesuch\" is not known"));
    err = (minerva_error){ 0 };
    v.model = (mn_str){ "hybriddna", 9 };
    assert_int_equal(mn_tokenizer_from_gguf(&t, &v, &err), MINERVA_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokenizer.ggml.model: \"hybriddna\""));
    err = (minerva_error){ 0 };
    v.n_tokens = 0;
    assert_int_equal(mn_tokenizer_from_gguf(&t, &v, &err), MINERVA_INVALID);
}

static void vocabularies_without_byte_tokens_still_encode(void **state)
{
    static const mn_str tokens[] = { STR("<unk>"), STR("\xe2\x96\x81" "a"), STR("a"), STR("\xe2\x96\x81") };
    static const float scores[] = { 0, -1, -2, -3 };
    static const int32_t types[] = { 2, 1, 1, 1 };
    mn_gguf_vocab v = small_gguf(tokens, 4, NULL, 0);
    v.model = (mn_str){ "llama", 5 };
    v.scores = scores;
    v.types = types;
    mn_tokenizer *t;
    mn_ids ids = { 0 };
    mn_buffer out = { 0 };
    assert_ok(mn_tokenizer_from_gguf(&t, &v, err));
    assert_ok(mn_tokenizer_encode(t, "a\xff z", 4, &(mn_encode_options){ .no_special = true }, &ids, err));
    assert_true(ids.n >= 3);
    assert_int_equal(ids.ids[0], 1);
    assert_int_equal(ids.ids[1], 0);
    assert_ok(mn_tokenizer_decode(t, ids.ids, 1, true, &out, err));
    assert_string_equal(out.data, "a");
    mn_buffer_clear(&out);
    mn_ids_clear(&ids);
    mn_tokenizer_free(t);
}

static void gaps_between_ids_are_unused_ids(void **state)
{
    mn_tokenizer *t;
    mn_buffer out = { 0 };
    assert_ok(load(&t, "{'type':'WordLevel','vocab':{'u':0,'a':500},'unk_token':'u'}", "", err));
    assert_int_equal(mn_tokenizer_n_tokens(t), 501);
    assert_int_equal(mn_tokenizer_text(t, 250).len, 0);
    assert_ok(mn_tokenizer_decode(t, (int32_t[]){ 250, 500, -1, 501, INT32_MAX }, 5, false, &out, err));
    assert_string_equal(out.data, "a");
    mn_buffer_clear(&out);
    mn_tokenizer_free(t);
}

static void configuration_adds_tokens_and_names_them(void **state)
{
    static const char config[] = "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\","
        "\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":true,\"add_eos_token\":false,"
        "\"added_tokens_decoder\":{\"4\":{\"content\":\"</s>\",\"special\":true},"
        "\"3\":{\"content\":\"<s>\",\"special\":true}}}";
    char *json = json_of(BPE, "");
    mn_tokenizer *t;
    mn_tokenizer_info info;
    mn_ids ids = { 0 };
    assert_ok(mn_tokenizer_from_json(&t, json, strlen(json), config, sizeof config - 1, err));
    mn_tokenizer_info_get(t, &info);
    assert_int_equal(info.bos, 3);
    assert_int_equal(info.eos, 4);
    assert_true(info.adds_bos);
    assert_false(info.adds_eos);
    assert_true(mn_tokenizer_is_special(t, 4));
    assert_ok(mn_tokenizer_encode(t, "ab</s>", 6, NULL, &ids, err));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.ids[0], 3);
    assert_int_equal(ids.ids[1], 2);
    assert_int_equal(ids.ids[2], 4);
    mn_ids_clear(&ids);
    mn_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_files_are_refused_with_what_was_expected),
        cmocka_unit_test(deep_sequences_are_refused),
        cmocka_unit_test(damaged_json_never_faults),
        cmocka_unit_test(damaged_models_never_fault),
        cmocka_unit_test(broken_models_are_refused_with_what_was_expected),
        cmocka_unit_test(gguf_merges_may_go_through_pieces_that_are_no_tokens),
        cmocka_unit_test(unknown_gguf_names_are_refused),
        cmocka_unit_test(vocabularies_without_byte_tokens_still_encode),
        cmocka_unit_test(gaps_between_ids_are_unused_ids),
        cmocka_unit_test(configuration_adds_tokens_and_names_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
