/* Grammars: GBNF, EBNF and Lark texts over the corpus in tests/data/grammars, against a
 * recogniser by brute force, and with masks against every token tried one by one. */
#include "constrain_vocab.h"

#include <dirent.h>
#include <time.h>

/* ---- the corpus ------------------------------------------------------------------------ */

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = malloc(1 << 16);
    *len = fread(text, 1, (1 << 16) - 1, f);
    text[*len] = 0;
    fclose(f);
    return text;
}

static mn_constraint_kind kind_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return !strcmp(dot, ".lark") ? MN_CONSTRAINT_LARK : !strcmp(dot, ".ebnf") ? MN_CONSTRAINT_EBNF
        : MN_CONSTRAINT_GBNF;
}

typedef struct {
    char name[300];
    char *grammar, *cases;
    size_t len, cases_len;
    mn_constraint_kind kind;
} subject;

static int by_name(const void *a, const void *b) { return strcmp(((const subject *)a)->name, ((const subject *)b)->name); }

static int load_corpus(subject out[64])
{
    int n = 0;
    DIR *d = opendir(data("grammars"));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || (strcmp(dot, ".gbnf") && strcmp(dot, ".ebnf") && strcmp(dot, ".lark"))) continue;
        char path[512];
        snprintf(out[n].name, sizeof out[n].name, "%s", e->d_name);
        snprintf(path, sizeof path, "grammars/%s", e->d_name);
        out[n].grammar = read_file(data(path), &out[n].len);
        snprintf(path, sizeof path, "grammars/%.*s.cases", (int)(dot - e->d_name), e->d_name);
        out[n].cases = read_file(data(path), &out[n].cases_len);
        out[n].kind = kind_of(e->d_name);
        assert_non_null(out[n].cases);
        n++;
    }
    closedir(d);
    qsort(out, (size_t)n, sizeof *out, by_name);
    return n;
}

static void free_corpus(subject *s, int n)
{
    for (int i = 0; i < n; i++) {
        free(s[i].grammar);
        free(s[i].cases);
    }
}

/* The next case: '+' or '-', and its text with \n and \\ undone; NULL at the end. */
static char *next_case(const char **p, bool *accepted, size_t *len)
{
    if (!**p) return NULL;
    *accepted = *(*p)++ == '+';
    size_t n = strcspn(*p, "\n"), k = 0;
    char *text = malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c == '\\' && i + 1 < n) {
            c = (*p)[++i];
            if (c == 'n') c = '\n';
        }
        text[k++] = c;
    }
    text[k] = 0;
    *len = k;
    *p += n + ((*p)[n] == '\n');
    return text;
}

static bool accepts(mn_constraint *c, const char *text, size_t len)
{
    mn_matcher *m;
    assert_ok(mn_matcher_create(&m, c, err));
    bool yes = mn_matcher_accept_bytes(m, text, len, NULL, NULL) == MINERVA_OK && mn_matcher_is_accepting(m);
    mn_matcher_free(m);
    return yes;
}

static mn_constraint *compile(const mn_vocab_trie *trie, mn_constraint_kind kind, const char *text, size_t len)
{
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    if (mn_constraint_compile(&c, trie, kind, text, len, NULL, &err) != MINERVA_OK)
        fail_msg("%.60s: %s", text, err.message);
    return c;
}

static void every_grammar_accepts_and_rejects_its_cases(void **state)
{
    subject s[64];
    int n = load_corpus(s);
    assert_true(n >= 10);
    for (int i = 0; i < n; i++) {
        mn_constraint *c = compile(NULL, s[i].kind, s[i].grammar, s[i].len);
        const char *p = s[i].cases;
        size_t len;
        bool expected;
        for (char *text; (text = next_case(&p, &expected, &len)); free(text))
            if (accepts(c, text, len) != expected)
                fail_msg("%s: \"%s\" should be %s", s[i].name, text, expected ? "accepted" : "rejected");
        mn_constraint_release(c);
    }
    free_corpus(s, n);
}

/* ---- masks ------------------------------------------------------------------------------- */

static const char *const specials[] = { "<tool_call>", "</tool_call>", "<think>", "</think>", NULL };

static void make_vocab(test_vocab *v, const subject *s, int n, int longest, uint64_t seed)
{
    char *text = malloc(1 << 20);
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        const char *p = s[i].cases;
        size_t k;
        bool accepted;
        for (char *one; (one = next_case(&p, &accepted, &k)); free(one)) {
            memcpy(text + len, one, k);
            len += k;
        }
    }
    test_vocab_make(v, text, len, 500, longest, specials, seed);
    free(text);
}

static void masks_agree_with_trying_every_token(void **state)
{
    subject s[64];
    int n = load_corpus(s);
    for (int longest = 3; longest <= 9; longest += 6) {
        test_vocab v;
        make_vocab(&v, s, n, longest, (uint64_t)longest);
        for (int i = 0; i < n; i++) {
            mn_constraint *c = compile(v.trie, s[i].kind, s[i].grammar, s[i].len);
            mn_matcher *m;
            assert_ok(mn_matcher_create(&m, c, err));
            const char *p = s[i].cases;
            size_t len;
            bool expected;
            for (char *text; (text = next_case(&p, &expected, &len)); free(text)) {
                mn_matcher_reset(m);
                for (size_t at = 0; at < len; at++) {
                    test_mask_oracle(&v, m, s[i].name);
                    if (mn_matcher_accept_bytes(m, text + at, 1, NULL, NULL)) break;
                }
            }
            mn_matcher_free(m);
            mn_constraint_release(c);
        }
        test_vocab_clear(&v);
    }
    free_corpus(s, n);
}

static void random_walks_have_no_dead_ends_and_end_in_accepted_texts(void **state)
{
    subject s[64];
    int n = load_corpus(s);
    test_vocab v;
    make_vocab(&v, s, n, 6, 77);
    for (int i = 0; i < n; i++) {
        mn_constraint *c = compile(v.trie, s[i].kind, s[i].grammar, s[i].len);
        mn_matcher *m;
        int finished = 0;
        assert_ok(mn_matcher_create(&m, c, err));
        char text[4096];
        size_t len = 0;
        for (int steps = 0; steps < 3000; steps++) {
            const uint32_t *mask;
            assert_ok(mn_matcher_mask(m, &mask, err));
            /* Now and then the end, wherever it is allowed. */
            int32_t t = test_mask_has(mask, v.eog) && test_random(&v.random) % 4 == 0 ? v.eog
                : test_mask_choose(&v, mask);
            if (t < 0) fail_msg("%s: a dead end behind \"%.*s\"", s[i].name, (int)len, text);
            assert_ok(mn_matcher_accept(m, t, err));
            if (t != v.eog && len + v.tokens[t].len < 300) {
                memcpy(text + len, v.tokens[t].bytes, v.tokens[t].len);
                len += v.tokens[t].len;
                continue;
            }
            if (t == v.eog) {
                finished++;
                if (!accepts(c, text, len)) fail_msg("%s: \"%.*s\" was finished", s[i].name, (int)len, text);
            }
            mn_matcher_reset(m);
            len = 0;
        }
        (void)finished;
        mn_matcher_free(m);
        mn_constraint_release(c);
    }
    test_vocab_clear(&v);
    free_corpus(s, n);
}

/* ---- brute force --------------------------------------------------------------------------- */

/* Random grammars over {a, b}, and the texts of at most 5 letters that each rule derives,
 * as a bit set: text t of length n is bit 2^n - 1 + t. */
enum { LONGEST = 5, N_TEXTS = 63, MAX_RULES = 4 };
typedef struct { char kind; int rule, min, max; } item;        /* kind: 'a', 'b', 'R'; max -1: no end */
typedef struct { item items[4]; int n; } production;
typedef struct { production alt[3]; int n; } rule;
typedef struct { rule rules[MAX_RULES]; int n; } random_grammar;

static int text_length(int t)
{
    int n = 0;
    while (t >= (2 << n) - 1) n++;
    return n;
}

static uint64_t concatenate(uint64_t a, uint64_t b)
{
    uint64_t r = 0;
    for (int i = 0; i < N_TEXTS; i++) {
        if (!(a >> i & 1)) continue;
        int n = text_length(i), x = i - ((1 << n) - 1);
        for (int k = 0; k < N_TEXTS; k++) {
            int m = text_length(k);
            if (!(b >> k & 1) || n + m > LONGEST) continue;
            r |= UINT64_C(1) << ((1 << (n + m)) - 1 + (x << m | (k - ((1 << m) - 1))));
        }
    }
    return r;
}

static uint64_t item_texts(const item *it, const uint64_t *of)
{
    uint64_t one = it->kind == 'a' ? 2 : it->kind == 'b' ? 4 : of[it->rule], r = 0, power = 1;
    int max = it->max < 0 ? it->min + LONGEST : it->max;
    for (int i = 0; i <= max; i++) {
        if (i >= it->min) r |= power;
        power = concatenate(power, one);
    }
    return r;
}

static void solve(const random_grammar *g, uint64_t *of)
{
    memset(of, 0, MAX_RULES * sizeof *of);
    for (bool changed = true; changed;) {
        changed = false;
        for (int r = 0; r < g->n; r++)
            for (int a = 0; a < g->rules[r].n; a++) {
                uint64_t all = 1;
                const production *p = &g->rules[r].alt[a];
                for (int i = 0; i < p->n; i++) all = concatenate(all, item_texts(&p->items[i], of));
                if (all & ~of[r]) changed = true;
                of[r] |= all;
            }
    }
}

static void make_grammar(random_grammar *g, uint64_t *random, char *text, size_t size)
{
    size_t n = 0;
    g->n = 1 + (int)(test_random(random) % MAX_RULES);
    for (int r = 0; r < g->n; r++) {
        n += (size_t)snprintf(text + n, size - n, "%s%d ::= ", r ? "r" : "root\nroot ::= r", r);
        if (!r) n = (size_t)snprintf(text, size, "root ::= r0\nr0 ::= ");
        g->rules[r].n = 1 + (int)(test_random(random) % 3);
        for (int a = 0; a < g->rules[r].n; a++) {
            production *p = &g->rules[r].alt[a];
            p->n = (int)(test_random(random) % 4);
            n += (size_t)snprintf(text + n, size - n, "%s", a ? " | " : "");
            if (!p->n) n += (size_t)snprintf(text + n, size - n, "\"\"");
            for (int i = 0; i < p->n; i++) {
                static const char *const counts[] = { "", "", "", "", "?", "*", "+", "{2}", "{0,2}", "{1,3}" };
                static const int min[] = { 1, 1, 1, 1, 0, 0, 1, 2, 0, 1 }, max[] = { 1, 1, 1, 1, 1, -1, -1, 2, 2, 3 };
                uint32_t k = test_random(random) % 10, what = test_random(random) % 5;
                item *it = &p->items[i];
                *it = (item){ what == 0 ? 'a' : what == 1 ? 'b' : 'R', (int)(test_random(random) % (uint32_t)g->n),
                              min[k], max[k] };
                if (it->kind == 'R') n += (size_t)snprintf(text + n, size - n, "r%d%s ", it->rule, counts[k]);
                else n += (size_t)snprintf(text + n, size - n, "\"%c\"%s ", it->kind, counts[k]);
            }
        }
        n += (size_t)snprintf(text + n, size - n, "\n");
    }
}

static void random_grammars_agree_with_brute_force(void **state)
{
    uint64_t random = 42;
    int empty = 0;
    for (int round = 0; round < 4000; round++) {
        random_grammar g;
        char text[4096];
        uint64_t of[MAX_RULES];
        make_grammar(&g, &random, text, sizeof text);
        solve(&g, of);
        mn_constraint *c = compile(NULL, MN_CONSTRAINT_GBNF, text, strlen(text));
        empty += mn_constraint_is_empty(c);
        for (int t = 0; t < N_TEXTS; t++) {
            int n = text_length(t), x = t - ((1 << n) - 1);
            char word[LONGEST + 1] = "";
            for (int i = 0; i < n; i++) word[i] = x >> (n - 1 - i) & 1 ? 'b' : 'a';
            bool expected = of[0] >> t & 1, got = accepts(c, word, (size_t)n);
            if (got != expected) fail_msg("round %d: \"%s\": %d expected, %d found\n%s", round, word, expected, got, text);
        }
        mn_constraint_release(c);
    }
    assert_true(empty > 0);
}

/* ---- what is refused -------------------------------------------------------------------------- */

static void check_refused(mn_constraint_kind kind, const char *text, minerva_status status, const char *part)
{
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    minerva_status st = mn_constraint_compile(&c, NULL, kind, text, strlen(text), NULL, &err);
    if (st != status || !strstr(err.message, part))
        fail_msg("%.80s: status %d and \"%s\" expected, %d and \"%s\" found", text, status, part, st, err.message);
}

static void faults_are_told_with_line_and_column(void **state)
{
    const mn_constraint_kind g = MN_CONSTRAINT_GBNF, e = MN_CONSTRAINT_EBNF;
    check_refused(g, "", MINERVA_INVALID, "a rule expected, end of text found");
    check_refused(g, "x ::= \"a\"", MINERVA_INVALID, "a rule \"root\" to start with");
    check_refused(g, "root ::= \"a\" b", MINERVA_INVALID, "1:14: rule \"b\" is not defined");
    check_refused(g, "root ::= \"a\"\nroot ::= \"b\"", MINERVA_INVALID, "2:1: rule \"root\" is defined twice (first at 1:1)");
    check_refused(g, "root ::= \"a", MINERVA_INVALID, "1:12: end of literal expected");
    check_refused(g, "root ::= (\n  \"a\"", MINERVA_INVALID, "2:6: ')' expected, end of text");
    check_refused(g, "root ::= \"a\")", MINERVA_INVALID, "1:13: the end of the rule expected, ')' found");
    check_refused(g, "root ::= [a", MINERVA_INVALID, "']' expected");
    check_refused(g, "root ::= [z-a]", MINERVA_INVALID, "1:14: a range in order");
    check_refused(g, "root ::= \"\\q\"", MINERVA_INVALID, "1:12: a known escape expected, 'q' found");
    check_refused(g, "root ::= \"\\ud800\"", MINERVA_INVALID, "the number of a character");
    check_refused(g, "root ::= *", MINERVA_INVALID, "1:10: a rule's name, a literal");
    check_refused(g, "root ::= \"a\"{3,2}", MINERVA_INVALID, "{m,n} with m <= n");
    check_refused(g, "root ::= \"a\"{x}", MINERVA_INVALID, "1:14: a number expected, 'x' found");
    check_refused(g, "root = \"a\"", MINERVA_INVALID, "1:6: '::=' expected");
    check_refused(g, "root ::= \"\xff\"", MINERVA_INVALID, "1:11: valid UTF-8");
    check_refused(g, "root ::= <think> \"a\"", MINERVA_UNSUPPORTED, "1:10: tokens by number or name");
    check_refused(e, "a ::= b - 'x'\nb ::= 'y'", MINERVA_UNSUPPORTED, "1:9: '-' with rules");
    check_refused(e, "a ::= 'x' /* open", MINERVA_INVALID, "end of comment expected");
    const mn_constraint_kind l = MN_CONSTRAINT_LARK;
    check_refused(l, "", MINERVA_INVALID, "a rule \"start\" to start with");
    check_refused(l, "start: \"a\" b", MINERVA_INVALID, "1:12: rule");
    check_refused(l, "start: A", MINERVA_INVALID, "1:8: this terminal is not defined");
    check_refused(l, "start: A\nA: \"x\" B\nB: A?", MINERVA_INVALID, "this terminal leads to itself");
    check_refused(l, "start: A\nA: start", MINERVA_INVALID, "2:4: terminals are made of terminals");
    check_refused(l, "start: \"a", MINERVA_INVALID, "1:10: the end of the string expected");
    check_refused(l, "start: /a", MINERVA_INVALID, "1:10: '/' at the end of the pattern");
    check_refused(l, "start: /(a/", MINERVA_INVALID, "1:8: pattern");
    check_refused(l, "start: /(?<=a)b/", MINERVA_UNSUPPORTED, "1:8: pattern");
    check_refused(l, "start: /a*?b+/", MINERVA_UNSUPPORTED, "1:8: a pattern with a lazy quantifier");
    check_refused(l, "start: \"a\"~3..2", MINERVA_INVALID, "~m..n with m <= n");
    check_refused(l, "start: (\"a\"", MINERVA_INVALID, "')' expected, end of text");
    check_refused(l, "start: sep{\"a\"}", MINERVA_UNSUPPORTED, "1:11: templates are not enforced");
    check_refused(l, "%import python.NAME\nstart: NAME", MINERVA_UNSUPPORTED, "1:9: %import: common is the only module");
    check_refused(l, "%import common.NAMES\nstart: NAMES", MINERVA_UNSUPPORTED, "1:16: %import: no terminal");
    check_refused(l, "%declare A\nstart: A", MINERVA_UNSUPPORTED, "1:1: of the directives");
    check_refused(l, "start: \"a\" }", MINERVA_INVALID, "1:12: a name, a string");
}

/* ---- killers ----------------------------------------------------------------------------------- */

/* Of this process: the machine may be busy. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Compiles (or is refused as a limit) and reads the text, in a second and 64 MiB; returns
 * the seconds it took. */
static double try_to_survive(const char *what, const char *grammar, size_t len, const char *text, size_t text_len, bool accepted)
{
    mn_constraint *c = NULL;
    minerva_error err = { 0 };
    double start = seconds();
    minerva_status st = mn_constraint_compile(&c, NULL, MN_CONSTRAINT_GBNF, grammar, len, NULL, &err);
    if (st != MINERVA_OK) {
        if (st != MINERVA_LIMIT) fail_msg("%s: %s", what, err.message);
    } else {
        mn_matcher *m;
        if (mn_matcher_create(&m, c, &err)) fail_msg("%s: %s", what, err.message);
        st = mn_matcher_accept_bytes(m, text, text_len, NULL, &err);
        if (st == MINERVA_OK && mn_matcher_is_accepting(m) != accepted) fail_msg("%s: accepting is %d", what, !accepted);
        if (st != MINERVA_OK && st != MINERVA_LIMIT && accepted) fail_msg("%s: %s", what, err.message);
        size_t size = mn_constraint_size_bytes(c);
        if (size > (64u << 20)) fail_msg("%s: %zu bytes", what, size);
        mn_matcher_free(m);
        mn_constraint_release(c);
    }
    double took = seconds() - start;
    if (getenv("MINERVA_TEST_VERBOSE")) printf("  %-28s %7.1f ms%s%s\n", what, 1e3 * took, st ? ", refused: " : "", err.message);
    return took;
}

/* A machine that is short of memory and time gets three tries. */
static void survive(const char *what, const char *grammar, size_t len, const char *text, size_t text_len, bool accepted)
{
    double best = 1e9;
    for (int i = 0; i < 3 && best > 1.2; i++) {
        double took = try_to_survive(what, grammar, len, text, text_len, accepted);
        if (took < best) best = took;
    }
#if !defined(__SANITIZE_ADDRESS__)
    if (best > 1.2) fail_msg("%s: %.2f s", what, best);
#endif
}

typedef struct { char *s; size_t n; } text;

static text repeat(const char *part, size_t times)
{
    size_t len = strlen(part);
    text t = { malloc(len * times + 1), len * times };
    for (size_t i = 0; i < times; i++) memcpy(t.s + i * len, part, len);
    t.s[t.n] = 0;
    return t;
}

static text nested(const char *open, size_t times, const char *middle, const char *close)
{
    text a = repeat(open, times), b = repeat(close, times);
    text t = { malloc(a.n + b.n + strlen(middle) + 1), 0 };
    t.n = (size_t)sprintf(t.s, "%s%s%s", a.s, middle, b.s);
    free(a.s);
    free(b.s);
    return t;
}

static void survive_text(const char *what, const char *grammar, text t, bool accepted)
{
    survive(what, grammar, strlen(grammar), t.s, t.n, accepted);
    free(t.s);
}

static text chain(int n, bool forward, const char *last)
{
    text t = { malloc((size_t)n * 32 + 64), 0 };
    t.n += (size_t)sprintf(t.s, "root ::= r%d\n", forward ? 0 : n - 1);
    for (int i = 0; i < n; i++) {
        int to = forward ? i + 1 : i - 1;
        if (to < 0 || to == n) t.n += (size_t)sprintf(t.s + t.n, "r%d ::= %s\n", i, last);
        else t.n += (size_t)sprintf(t.s + t.n, "r%d ::= r%d\n", i, to);
    }
    return t;
}

static void killers_are_survived_within_a_second_and_64_mib(void **state)
{
    survive_text("60,000 nested", "root ::= \"(\" root \")\" | \"x\"", nested("(", 60000, "x", ")"), true);
    survive_text("20,000 nested lists", "root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\" | [0-9]+",
                 nested("[", 20000, "", "]"), true);
    survive_text("right recursion", "root ::= \"<\" l \">\"\nl ::= v \",\" l | v\nv ::= \"(\" l \")\" | \"x\"",
                 nested("<", 1, "x", ""), false);
    survive_text("ambiguous sums", "root ::= \"<\" e \">\"\ne ::= e \"+\" e | \"(\" e \")\" | [0-9]",
                 nested("<1", 1, "+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", ">"), true);
    survive_text("ambiguous runs", "root ::= s | \"(\" root \")\"\ns ::= s s | \"a\" | \"[\" s \"]\"", repeat("a", 20000), true);
    survive_text("ambiguity through two rules", "root ::= s | \"(\" root \")\"\ns ::= t \"a\" | \"a\" | \"[\" s \"]\"\nt ::= s s | s",
                 repeat("a", 300), true);
    survive_text("(a+)+", "root ::= (\"a\"+)+ \"b\"", repeat("a", 20000), false);
    survive_text("nested {0,99999}", "root ::= ((\"a\"{0,99999}){0,99999}){0,99999}", repeat("a", 5000), true);
    survive_text("nested {0,9999} of a rule", "root ::= (x{0,9999}){0,9999}\nx ::= \"(\" x? \")\"", repeat("()", 2000), true);
    survive_text("{1000000} of a rule", "root ::= x{1000000}\nx ::= \"(\" x? \")\"", repeat("()", 10), false);
    survive_text("nullable loops", "root ::= (a* b*)* \".\"\na ::= (\"x\"? | a \"y\")*\nb ::= a? (\"z\" a \"w\")?", repeat("xzyw", 500), false);
    text doubling = { malloc(4096), 0 };
    doubling.n = (size_t)sprintf(doubling.s, "root ::= r0\n");
    for (int i = 0; i < 60; i++) doubling.n += (size_t)sprintf(doubling.s + doubling.n, "r%d ::= r%d r%d\n", i, i + 1, i + 1);
    doubling.n += (size_t)sprintf(doubling.s + doubling.n, "r60 ::= \"ab\"\n");
    survive("r0 = r1 r1, ...", doubling.s, doubling.n, "abab", 4, false);
    free(doubling.s);
    for (int i = 0; i < 4; i++) {
        text t = chain(100000, i & 1, i & 2 ? "\"(\" root \")\" | \"x\"" : "\"x\"");
        survive(i & 2 ? "100,000 rules in a recursive chain" : "100,000 rules in a chain", t.s, t.n, "x", 1, true);
        free(t.s);
    }
    text deep = nested("(", 60000, "\"x\"", ")");
    text grammar = { malloc(deep.n + 16), 0 };
    grammar.n = (size_t)sprintf(grammar.s, "root ::= %s", deep.s);
    survive("60,000 groups", grammar.s, grammar.n, "x", 1, true);
    free(deep.s);
    free(grammar.s);
    text wide = { malloc(1 << 20), 0 };
    for (int kind = 0; kind < 2; kind++) {      /* literals; literals with something behind that is not regular */
        wide.n = (size_t)sprintf(wide.s, "root ::= x*\nx ::= \"(\" x \")\"");
        for (int i = 0; i < 5000; i++)
            wide.n += (size_t)sprintf(wide.s + wide.n, " | \"word%d\"%s", i * 7919 % 100003, kind ? " x?" : "");
        survive(kind ? "5,000 that go on" : "5,000 alternatives", wide.s, wide.n, "(word7919)word0", 15, true);
    }
    free(wide.s);
}

/* ---- matchers ----------------------------------------------------------------------------------- */

static void rollback_and_clones_return_to_the_same_masks(void **state)
{
    subject s[64];
    int n = load_corpus(s);
    test_vocab v;
    make_vocab(&v, s, n, 5, 5);
    size_t bytes = mn_vocab_trie_mask_words(v.trie) * sizeof(uint32_t);
    for (int i = 0; i < n; i++) {
        mn_constraint *c = compile(v.trie, s[i].kind, s[i].grammar, s[i].len);
        mn_matcher *m, *copy;
        const uint32_t *mask;
        uint32_t *masks[40];
        int steps = 0;
        assert_ok(mn_matcher_create(&m, c, err));
        for (; steps < 40; steps++) {
            assert_ok(mn_matcher_mask(m, &mask, err));
            masks[steps] = malloc(bytes);
            memcpy(masks[steps], mask, bytes);
            int32_t t = test_mask_choose(&v, mask);
            assert_ok(mn_matcher_accept(m, t, err));
            if (t == v.eog) break;
        }
        int kept = steps < 40 ? steps + 1 : 40, accepted = kept;
        assert_ok(mn_matcher_clone(&copy, m, err));
        while (accepted > 0) {
            int back = 1 + (int)(test_random(&v.random) % (uint32_t)accepted);
            assert_ok(mn_matcher_rollback(m, back, err));
            accepted -= back;
            assert_ok(mn_matcher_mask(m, &mask, err));
            assert_memory_equal(mask, masks[accepted], bytes);
        }
        assert_ok(mn_matcher_rollback(copy, kept, err));
        assert_ok(mn_matcher_mask(copy, &mask, err));
        assert_memory_equal(mask, masks[0], bytes);
        for (int k = 0; k < kept; k++) free(masks[k]);
        mn_matcher_free(copy);
        mn_matcher_free(m);
        mn_constraint_release(c);
    }
    test_vocab_clear(&v);
    free_corpus(s, n);
}

static void forced_bytes_are_those_that_must_come(void **state)
{
    static const char grammar[] = "root ::= \"BEGIN \" list \" END\"\nlist ::= item | \"(\" list \")\"\nitem ::= \"apple\" | \"apricot\"";
    mn_constraint *c = compile(NULL, MN_CONSTRAINT_GBNF, grammar, sizeof grammar - 1);
    mn_matcher *m;
    mn_buffer b = { 0 };
    assert_ok(mn_matcher_create(&m, c, err));
    assert_ok(mn_matcher_forced(m, &b, 100, err));
    assert_int_equal(b.len, 6);
    assert_memory_equal(b.data, "BEGIN ", 6);
    assert_ok(mn_matcher_accept_bytes(m, "BEGIN (a", 8, NULL, err));
    b.len = 0;
    assert_ok(mn_matcher_forced(m, &b, 100, err));
    assert_memory_equal(b.data, "p", 1);
    assert_ok(mn_matcher_accept_bytes(m, "pr", 2, NULL, err));
    b.len = 0;
    assert_ok(mn_matcher_forced(m, &b, 100, err));
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "icot) END", 9);
    mn_buffer_clear(&b);
    mn_matcher_free(m);
    mn_constraint_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_grammar_accepts_and_rejects_its_cases),
        cmocka_unit_test(random_grammars_agree_with_brute_force),
        cmocka_unit_test(masks_agree_with_trying_every_token),
        cmocka_unit_test(random_walks_have_no_dead_ends_and_end_in_accepted_texts),
        cmocka_unit_test(rollback_and_clones_return_to_the_same_masks),
        cmocka_unit_test(forced_bytes_are_those_that_must_come),
        cmocka_unit_test(faults_are_told_with_line_and_column),
        cmocka_unit_test(killers_are_survived_within_a_second_and_64_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
