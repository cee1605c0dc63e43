/* Splitting patterns matched by hand against the same patterns run by PCRE2. */
#include "tests/check.h"
#include "text/tok_internal.h"
#include "text/tok_unicode.h"

#define S "\\s+(?!\\S)|\\s+"
#define C "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define U6 "((?=[\\p{L}])([^a-z]))"
#define D6 "((?=[\\p{L}])([^A-Z]))"
#define U7 "((?=[\\p{L}\\p{M}])([^a-z]))"
#define D7 "((?=[\\p{L}\\p{M}])([^A-Z]))"

/* Patterns as the models or llama.cpp spell them, and the rule for each. */
static const struct {
    const char *regex;
    tok_rule rule;
} rules[] = {
    { "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|" S,
      { .contraction = 1, .word = 1, .digits = 1, .punct = 1 } },
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
      "[\\r\\n]*|\\s*[\\r\\n]+|" S,
      { .contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1, .long_s = true } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" S,
      { .contraction = 2, .word = 2, .digits = 2, .punct = 2, .newline = 1 } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
      "\\s*[\\r\\n]+|" S, { .contraction = 2, .word = 3, .digits = 2, .punct = 4, .newline = 1 } },
    { "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
      "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|" S,
      { .word = 4, .punct = 5, .newline = 1 } },
    { "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
      "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|" S, { .word = 4, .punct = 8, .newline = 3 } },
    { "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
      "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" S,
      { .contraction = 3, .word = 5, .digits = 3, .punct = 3, .newline = 1, .long_s = true } },
    { "[^\\r\\n\\p{L}\\p{N}]?" U6 "*" D6 "+|[^\\r\\n\\p{L}\\p{N}]?" U6 "+" D6 "*|\\p{N}|"
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" S,
      { .word = 6, .digits = 2, .punct = 3, .newline = 1 } },
    { "[^\\r\\n\\p{L}\\p{N}]?" U7 "*" D7 "+" C "?|[^\\r\\n\\p{L}\\p{N}]?" U7 "+" D7 "*" C "?|"
      "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" S,
      { .contraction = 3, .word = 7, .digits = 3, .punct = 3, .newline = 1 } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
      "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|"
      "\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}",
      { .contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1, .space = 1 } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+"
      "[\\r\\n/]?|\\s*[\\r\\n]|" S, { .contraction = 2, .word = 9, .digits = 2, .punct = 7, .newline = 2 } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|" S,
      { .contraction = 2, .word = 2, .digits = 2, .punct = 6, .newline = 1 } },
    { "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+" C "?|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
      "\\s*[\\r\\n]+|" S, { .contraction = 3, .word = 3, .digits = 2, .punct = 3, .newline = 1 } },
    { C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" S,
      { .contraction = 2, .word = 2, .digits = 4, .punct = 2, .newline = 1 } },
};

/* Small alphabets that meet all classes; texts are drawn from one or all of them. */
static const char *const alphabets[][24] = {
    { "a", "b", "A", "Z", " ", "'", "s", "S", "r", "e", "l", "L", "t" },
    { " ", " ", "\n", "\r", "\t", "\xc2\xa0", "\xe3\x80\x80", "x" },
    { "1", "2", "3", "\xd9\xa3", "\xe2\x85\xa7", "\xc2\xbd", " ", "a" },
    { "!", "?", "/", "~", "$", "\n", "\r", " ", "\xe2\x82\xac", "\xe3\x80\x82", "-", "_" },
    { "\xc3\xa9", "\xc3\x89", "\xcc\x81", "\xe0\xa4\x95", "\xe0\xa4\xbe", "\xe4\xb8\xad", "\xca\xb0",
      "\xc7\x85", "\xc5\xbf", "a", "B", "'", " ", "\xf0\x9f\x98\x80", "\xe2\x80\x8d", "\xd0\x96",
      "\xd0\xb6" },
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t random_text(uint32_t *seed, char *out)
{
    size_t len = 0, n = next_random(seed) % 24;
    size_t fixed = next_random(seed) % 8;
    for (size_t i = 0; i < n; i++) {
        size_t a = fixed < 5 ? fixed : next_random(seed) % 5, k = 0;
        while (k < 24 && alphabets[a][k]) k++;
        const char *s = alphabets[a][next_random(seed) % k];
        memcpy(out + len, s, strlen(s));
        len += strlen(s);
    }
    return len;
}

static void compare(const tok_pattern *hand, const tok_pattern *regex, const char *name,
                    const char *s, size_t len)
{
    mn_tokenizer *t = tok_new();
    tok_call c = { .t = t };
    tok_scan scan[2] = { { 0 } };
    size_t start[2], end[2];
    for (;;) {
        bool a = tok_pattern_next(hand, &c, s, len, &scan[0], &start[0], &end[0]);
        bool b = tok_pattern_next(regex, &c, s, len, &scan[1], &start[1], &end[1]);
        if (a != b || (a && (start[0] != start[1] || end[0] != end[1])))
            fail_msg("%s\non \"%.*s\": by hand %d %zu-%zu, by PCRE2 %d %zu-%zu", name, (int)len, s, a,
                     start[0], end[0], b, start[1], end[1]);
        if (!a) break;
    }
    tok_regex_call_end(&c);
    mn_tokenizer_free(t);
}

static void compare_on_random_texts(tok_pattern hand, const char *regex)
{
    tok_pattern p = { .kind = TOK_PAT_REGEX };
    char text[200];
    uint32_t seed = 12345;
    assert_ok(tok_regex_compile(&p.regex, regex, strlen(regex), err));
    for (int i = 0; i < 4000; i++) {
        size_t len = random_text(&seed, text);
        compare(&hand, &p, regex, text, len);
    }
    tok_regex_free(p.regex);
}

static void rules_match_what_their_patterns_match(void **state)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        tok_pattern hand = { .kind = TOK_PAT_RULE, .rule = rules[i].rule };
        compare_on_random_texts(hand, rules[i].regex);
        tok_pattern_settle(&hand);
        compare_on_random_texts(hand, rules[i].regex);
    }
}

static void sets_match_what_their_patterns_match(void **state)
{
    static const tok_range cjk[] = { { 0x4E00, 0x9FA5 }, { 0x3040, 0x30FF } };
    static const tok_range ascii[] = { { '0', '9' } };
    static const tok_range marks[] = { { '!', '/' }, { '.', '.' } };
    static const struct {
        const char *regex;
        tok_pattern hand;
    } sets[] = {
        { "\\p{N}", { .kind = TOK_PAT_SET, .set = { .bits = TOK_N }, .least = 1, .most = 1 } },
        { "\\p{N}{1,3}", { .kind = TOK_PAT_SET, .set = { .bits = TOK_N }, .least = 1, .most = 3 } },
        { "[0-9][0-9][0-9]", { .kind = TOK_PAT_SET, .set = { .ranges = ascii, .n_ranges = 1 },
                               .least = 3, .most = 3 } },
        { "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x83\xbf]+",
          { .kind = TOK_PAT_SET, .set = { .ranges = cjk, .n_ranges = 2 }, .least = 1, .most = SIZE_MAX } },
        { "\\s?\\p{L}+", { .kind = TOK_PAT_SET, .set = { .bits = TOK_L }, .lead = 's', .least = 1,
                           .most = SIZE_MAX } },
        { " ?[^\\s!-/.]+", { .kind = TOK_PAT_SET, .set = { .bits = TOK_WS, .ranges = marks, .n_ranges = 2 }, .lead = ' ',
                             .negated = true, .least = 1, .most = SIZE_MAX } },
        { "\\d{1,3}(?=(?:\\d{3})*\\b)", { .kind = TOK_PAT_GROUPS, .set = { .bits = TOK_CAT(ND) },
                                          .bounded = true } },
        { "(?=([0-9]{3})+(?![0-9]))", { .kind = TOK_PAT_GROUP_BORDERS } },
        { "\\s+\\z", { .kind = TOK_PAT_TRAILING_SPACE } },
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        tok_pattern hand = sets[i].hand;
        compare_on_random_texts(hand, sets[i].regex);
        tok_pattern_settle(&hand);
        compare_on_random_texts(hand, sets[i].regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_match_what_their_patterns_match),
        cmocka_unit_test(sets_match_what_their_patterns_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
