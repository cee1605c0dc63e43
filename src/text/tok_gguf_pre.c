/* llama.cpp's pre-tokenisers by name, and the steps each is made of.
 *
 * A name leads to a scheme, a scheme to up to six steps that split one after the other;
 * what matches is a piece of its own, and so is what lies between.  The patterns are
 * llama.cpp's adaptations where they differ from the models' own (its classes U and D for
 * cased words, say), because a GGUF file is read as llama.cpp reads it.
 */
#include "text/tok_gguf.h"

#include <string.h>

typedef struct {
    tok_pattern pattern;
    const char *regex;          /* or this one, by PCRE2 */
} step;

#define RULE(...) { .pattern = { .kind = TOK_PAT_RULE, .rule = { __VA_ARGS__ } } }
#define BITS(b, most_) \
    { .pattern = { .kind = TOK_PAT_SET, .set = { .bits = b }, .least = 1, .most = most_ } }
#define RANGES(b, r, lead_, negated_)                                                     \
    { .pattern = { .kind = TOK_PAT_SET, .least = 1, .most = SIZE_MAX, .lead = lead_,      \
                   .negated = negated_,                                                   \
                   .set = { .bits = b, .ranges = r, .n_ranges = sizeof r / sizeof *r } } }
#define GPT2 RULE(.contraction = 1, .word = 1, .digits = 1, .punct = 1)
#define LINES RANGES(0, newline, 0, false)
#define DEEPSEEK3 RULE(.word = 4, .punct = 5, .newline = 1)

static const tok_range newline[] = { { '\n', '\n' } };
static const tok_range newlines[] = { { '\n', '\n' }, { '\r', '\r' } };
static const tok_range digits[] = { { '0', '9' } };
static const tok_range falcon[] = { { '$', '$' }, { '+', '+' }, { '<', '>' }, { '^', '^' },
                                    { '`', '`' }, { '|', '|' }, { '~', '~' } };
static const tok_range fallback[] = { { '$', '$' }, { '+', '+' }, { '<', '>' }, { '^', '^' },
                                      { '|', '|' }, { '~', '~' } };
static const tok_range cjk_kana[] = { { 0x4E00, 0x9FA5 }, { 0x3040, 0x30FF } };
static const tok_range east_asian[] = { { 0x0800, 0x9FA5 }, { 0xAC00, 0xD7FF } };
static const tok_range hangul[] = { { 0xAC00, 0xD7A3 }, { 0x3131, 0x318E } };
static const tok_range youtu_marks[] = {
    { 0xFF01, 0xFF01 }, { 0x2026, 0x2026 }, { 0x201C, 0x201D }, { 0x2018, 0x2019 },
    { 0x2014, 0x2014 }, { 0xFF1A, 0xFF1B }, { 0xFF0C, 0xFF0C }, { 0x3001, 0x303F },
    { 0xFE30, 0xFE4F },
};
static const tok_range bopomofo[] = { { 0x3105, 0x312F } };
static const tok_range bloom[] = {
    { '(', ')' }, { '|', '|' }, { '.', '.' }, { ',', ',' }, { '!', '!' }, { '?', '?' },
    { 0x2026, 0x2026 }, { 0x3001, 0x3002 }, { 0xFF0C, 0xFF0C }, { 0x0964, 0x0964 },
    { 0x06D4, 0x06D4 }, { 0x060C, 0x060C },
};
static const tok_range afmoe_scripts[] = {
    { 0x4E00, 0x9FFF }, { 0x3400, 0x4DBF }, { 0xF900, 0xFAFF }, { 0x3040, 0x30FF },
    { 0xFF65, 0xFF9F }, { 0x2F00, 0x2FDF }, { 0x0E00, 0x0EFF }, { 0x1780, 0x17FF },
    { 0x1000, 0x109F }, { 0xAA60, 0xAA7F }, { 0xA9E0, 0xA9FF }, { 0xAC00, 0xD7AF },
    { 0x1100, 0x11FF },
};
static const tok_range deepseek_marks[] = {
    { 0x21, 0x2F }, { 0x3A, 0x7E }, { 0xFF01, 0xFF0F }, { 0xFF1A, 0xFF5E }, { 0x2018, 0x201F },
    { 0x3001, 0x3002 },
};
/* The letters with case, of the Latin to Deseret blocks. */
static const tok_range deepseek_letters[] = {
    { 'A', 'Z' }, { 'a', 'z' }, { 0xB5, 0xB5 }, { 0xC0, 0xD6 }, { 0xD8, 0xF6 },
    { 0xF8, 0x1BA }, { 0x1BC, 0x1BF }, { 0x1C4, 0x293 }, { 0x295, 0x2AF }, { 0x370, 0x373 },
    { 0x376, 0x377 }, { 0x37B, 0x37D }, { 0x37F, 0x37F }, { 0x386, 0x386 }, { 0x388, 0x38A },
    { 0x38C, 0x38C }, { 0x38E, 0x3A1 }, { 0x3A3, 0x3F5 }, { 0x3F7, 0x481 }, { 0x48A, 0x52F },
    { 0x531, 0x556 }, { 0x10A0, 0x10C5 }, { 0x13A0, 0x13F5 }, { 0x13F8, 0x13FD },
    { 0x1C90, 0x1CBA }, { 0x1CBD, 0x1CBF }, { 0x1D00, 0x1D2B }, { 0x1D6B, 0x1D77 },
    { 0x1D79, 0x1D9A }, { 0x1E00, 0x1F15 }, { 0x1F18, 0x1F1D }, { 0x1F20, 0x1F45 },
    { 0x1F48, 0x1F4D }, { 0x1F50, 0x1F57 }, { 0x1F59, 0x1F59 }, { 0x1F5B, 0x1F5B },
    { 0x1F5D, 0x1F5D }, { 0x1F5F, 0x1F7D }, { 0x1F80, 0x1FB4 }, { 0x1FB6, 0x1FBC },
    { 0x1FBE, 0x1FBE }, { 0x1FC2, 0x1FC4 }, { 0x1FC6, 0x1FCC }, { 0x1FD0, 0x1FD3 },
    { 0x1FD6, 0x1FDB }, { 0x1FE0, 0x1FEC }, { 0x1FF2, 0x1FF4 }, { 0x1FF6, 0x1FFC },
    { 0x2102, 0x2102 }, { 0x2107, 0x2107 }, { 0x210A, 0x2113 }, { 0x2115, 0x2115 },
    { 0x2119, 0x211D }, { 0x2124, 0x2124 }, { 0x2126, 0x2126 }, { 0x2128, 0x2128 },
    { 0x212A, 0x212D }, { 0x212F, 0x2134 }, { 0x2139, 0x2139 }, { 0x213C, 0x213F },
    { 0x2145, 0x2149 }, { 0x214E, 0x214E }, { 0x2183, 0x2184 }, { 0x2C00, 0x2C7B },
    { 0x2C7E, 0x2CE4 }, { 0x2CEB, 0x2CEE }, { 0x2CF2, 0x2CF3 }, { 0xA640, 0xA66D },
    { 0xA680, 0xA69B }, { 0xA722, 0xA76F }, { 0xA771, 0xA787 }, { 0xA78B, 0xA78E },
    { 0xAB70, 0xABBF }, { 0xFB00, 0xFB06 }, { 0xFB13, 0xFB17 }, { 0xFF21, 0xFF3A },
    { 0xFF41, 0xFF5A }, { 0x10400, 0x1044F }, { 0x104B0, 0x104D3 }, { 0x104D8, 0x104FB },
    { 0x10C80, 0x10CB2 }, { 0x10CC0, 0x10CF2 }, { 0x118A0, 0x118DF }, { 0x1E900, 0x1E943 },
};

enum { IGNORE_MERGES = 1, ADD_BOS = 2, ALWAYS_BOS = 4, NO_BOS = 8, CHARACTERS = 16, ESCAPE = 32,
       NEWLINES = 64 };

/* One scheme: a list of names that end in NULL, and its steps. */
typedef struct {
    const char *names[12];
    step steps[TOK_GGUF_MAX_STEPS - 2];
    int n_steps, flags;
} scheme;

static const scheme schemes[] = {
    { { "default" },
      { RANGES(TOK_P, fallback, 0, false), GPT2, BITS(TOK_N, SIZE_MAX),
        { .pattern = { .kind = TOK_PAT_SET, .set = { .ranges = digits, .n_ranges = 1 },
                       .least = 3, .most = 3 } } }, 4, 0 },
    { { "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano" },
      { RULE(.contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1) }, 1,
      IGNORE_MERGES | ADD_BOS },
    { { "dbrx", "smaug-bpe" },
      { RULE(.contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1) }, 1, 0 },
    { { "glm4", "chatglm-bpe" },
      { RULE(.contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1) }, 1, NO_BOS },
    { { "jais-2" },
      { RULE(.contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1, .space = 1) }, 1, 0 },
    { { "minicpm5" },
      { BITS(TOK_N, 3), RULE(.contraction = 2, .word = 2, .digits = 4, .punct = 2, .newline = 1) },
      2, IGNORE_MERGES },
    { { "deepseek-llm" },
      { { .pattern = { .kind = TOK_PAT_SET, .set = { .ranges = newlines, .n_ranges = 2 },
                       .least = 1, .most = 1 } },
        RANGES(0, deepseek_letters, 's', false), RANGES(0, deepseek_marks, 's', false),
        { .pattern = { .kind = TOK_PAT_TRAILING_SPACE } }, RANGES(0, east_asian, 0, false),
        BITS(TOK_N, SIZE_MAX) }, 6, 0 },
    { { "deepseek-coder" },
      { { .pattern = { .kind = TOK_PAT_SET, .set = { .ranges = newlines, .n_ranges = 2 },
                       .least = 1, .most = 1 } },
        { .pattern = { .kind = TOK_PAT_SET, .set = { .bits = TOK_L }, .lead = 's', .least = 1,
                       .most = SIZE_MAX } },
        { .pattern = { .kind = TOK_PAT_SET, .set = { .bits = TOK_P }, .lead = 's', .least = 1,
                       .most = SIZE_MAX } },
        RANGES(0, east_asian, 0, false), BITS(TOK_N, 1) }, 5, 0 },
    { { "deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4" },
      { BITS(TOK_N, 3), RANGES(0, cjk_kana, 0, false), DEEPSEEK3 }, 3, 0 },
    { { "spark2_5" },
      { BITS(TOK_N, 3), RANGES(0, cjk_kana, 0, false), RULE(.word = 4, .punct = 8, .newline = 3),
        BITS(TOK_N, 1) }, 4, 0 },
    { { "youtu" },
      { RANGES(0, hangul, 0, false), RANGES(0, youtu_marks, 0, false), RANGES(0, bopomofo, 0, false),
        RANGES(0, cjk_kana, 0, false),
        RULE(.contraction = 3, .word = 3, .digits = 2, .punct = 3, .newline = 1) }, 5, IGNORE_MERGES },
    { { "falcon" },
      { RANGES(TOK_P, falcon, 0, false), GPT2,
        { .pattern = { .kind = TOK_PAT_SET, .set = { .ranges = digits, .n_ranges = 1 },
                       .least = 3, .most = 3 } } }, 3, 0 },
    { { "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2" },
      { BITS(TOK_N, 1), GPT2 }, 2, 0 },
    { { "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0",
        "mellum", "modern-bert", "exaone4" }, { GPT2 }, 1, 0 },
    { { "mpt", "olmo", "jais", "trillion", "granite-docling", "jina-v1-en", "jina-v2-code",
        "roberta-bpe" }, { GPT2 }, 1, 0 },
    { { "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open",
        "megrez", "grok-2" },
      { RULE(.contraction = 2, .word = 2, .digits = 2, .punct = 2, .newline = 1) }, 1, 0 },
    { { "qwen35" }, { RULE(.contraction = 2, .word = 3, .digits = 2, .punct = 4, .newline = 1) }, 1, 0 },
    { { "poro-chat", "bloom", "gpt3-finnish" }, { RANGES(TOK_WS, bloom, ' ', true) }, 1, 0 },
    { { "viking" }, { RANGES(TOK_WS, bloom, ' ', true), BITS(TOK_N, 1) }, 2, 0 },
    { { "tekken" }, { RULE(.word = 6, .digits = 2, .punct = 3, .newline = 1) }, 1,
      IGNORE_MERGES | ADD_BOS },
    { { "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2" },
      { RULE(.contraction = 3, .word = 6, .digits = 3, .punct = 3, .newline = 1) }, 1, 0 },
    { { "granite-embed-multi-97m" },
      { RULE(.contraction = 3, .word = 7, .digits = 3, .punct = 3, .newline = 1) }, 1, IGNORE_MERGES },
    { { "tiny_aya", "cohere2moe" },
      { { .pattern = { .kind = TOK_PAT_GROUPS, .set = { .bits = TOK_N }, .merge_before = true } },
        RULE(.contraction = 3, .word = 3, .digits = 3, .punct = 3, .newline = 1) }, 2, 0 },
    { { "kimi-k2" }, { RULE(.contraction = 3, .word = 8, .digits = 3, .punct = 2, .newline = 1) }, 1, 0 },
    { { "superbpe" }, { BITS(TOK_N, SIZE_MAX), { .pattern = { .kind = TOK_PAT_GROUP_BORDERS } } }, 2, 0 },
    { { "bailingmoe", "bailingmoe2", "llada-moe" },
      { RULE(.contraction = 2, .word = 2, .digits = 2, .punct = 2, .newline = 2) }, 1, 0 },
    { { "seed-coder" }, { RULE(.contraction = 2, .word = 2, .digits = 2, .punct = 6, .newline = 1) }, 1, 0 },
    { { "ufakzeka" }, { RULE(.word = 2, .digits = 2, .punct = 2, .newline = 1) }, 1, 0 },
    { { "afmoe" },
      { { .pattern = { .kind = TOK_PAT_GROUPS, .set = { .bits = TOK_N }, .merge_before = true } },
        RANGES(0, afmoe_scripts, 0, false), DEEPSEEK3 }, 3, 0 },
    { { "laguna" },
      { LINES, RULE(.contraction = 2, .word = 2, .digits = 2, .punct = 2, .newline = 1) }, 2, 0 },
    { { "exaone-moe" }, { RULE(.contraction = 2, .word = 9, .digits = 2, .punct = 7, .newline = 2) }, 1, 0 },
    { { "chameleon" },
      { { .regex = "<sentinel:[0-9]+>" }, { .regex = "IMGIMG[A-I]{1,4}Z" },
        { .regex = "[\\t\\n]|    |  " }, BITS(TOK_N, 1),
        { .pattern = { .kind = TOK_PAT_SET, .set = { .bits = TOK_P, .ranges = falcon, .n_ranges = 7 }, .least = 1, .most = 1 } },
        GPT2 }, 6, ADD_BOS },
    { { "gemma4", "granite-embed-multi-311m" }, { LINES }, 1,
      CHARACTERS | ESCAPE | NEWLINES | ALWAYS_BOS },
    { { "sarvam-moe" }, { LINES }, 1, CHARACTERS | ESCAPE },
    { { "whitespace" }, { RANGES(TOK_WS, newline, 0, true) }, 1, CHARACTERS },
};

static minerva_status append(mn_tokenizer *t, const scheme *s, minerva_error *err)
{
    for (int i = 0; i < s->n_steps; i++) {
        tok_pre *p = &t->pres[t->n_pres++];
        *p = (tok_pre){ .kind = TOK_PRE_SPLIT, .behavior = TOK_ISOLATED, .pattern = s->steps[i].pattern };
        tok_pattern_settle(&p->pattern);
        if (!s->steps[i].regex) continue;
        p->pattern.kind = TOK_PAT_REGEX;
        minerva_status st = tok_regex_compile(&p->pattern.regex, s->steps[i].regex,
                                              strlen(s->steps[i].regex), err);
        if (st) return st;
    }
    return MINERVA_OK;
}

minerva_status tok_gguf_pre_find(tok_gguf_pre *out, mn_tokenizer *t, mn_str name,
                                 minerva_error *err)
{
    if (!name.len) name = TOK_STR("default");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const scheme *s = &schemes[i];
        for (int k = 0; k < 12 && s->names[k]; k++) {
            if (!tok_eq(name, s->names[k])) continue;
            *out = (tok_gguf_pre){
                .name = s->names[k], .ignore_merges = s->flags & IGNORE_MERGES,
                .add_bos = s->flags & ADD_BOS, .always_bos = s->flags & ALWAYS_BOS,
                .no_bos = s->flags & NO_BOS, .characters = s->flags & CHARACTERS,
                .escape_spaces = s->flags & ESCAPE, .newlines_whole = s->flags & NEWLINES,
            };
            return append(t, s, err);
        }
    }
    return mn_fail(err, MINERVA_UNSUPPORTED, "tokenizer.ggml.pre: \"%.*s\" is not known here",
                   (int)(name.len < 60 ? name.len : 60), name.data);
}
