/* The chat template interpreter against jinja2, and against hostile templates. */
#include "base/mapfile.h"
#include "base/pool.h"
#include "tests/check.h"
#include "text/template.h"

#include <errno.h>
#include <stdatomic.h>

static const struct tm thursday = { .tm_year = 126,
                                    .tm_mon = 0,
                                    .tm_mday = 15,
                                    .tm_hour = 12,
                                    .tm_min = 34,
                                    .tm_sec = 56,
                                    .tm_wday = 4,
                                    .tm_yday = 14 };

typedef struct {
    minerva_status status;
    minerva_error err;
    mn_buffer out;
} rendering;

static rendering render(const char *source, size_t len, const json_t *variables,
                        const mn_render_options *options)
{
    mn_render_options o = options ? *options : (mn_render_options){ 0 };
    rendering r = { 0 };
    mn_template *t = NULL;
    o.now = &thursday;
    r.status = mn_template_parse(&t, source, len, &r.err);
    if (!r.status) r.status = mn_template_render(t, variables, &o, &r.out, NULL, &r.err);
    mn_template_free(t);
    return r;
}

static void assert_renders(const char *source, const char *expected)
{
    rendering r = render(source, strlen(source), NULL, NULL);
    if (r.status) fail_msg("%s: %s", source, r.err.message);
    assert_string_equal(r.out.data ? r.out.data : "", expected);
    mn_buffer_clear(&r.out);
}

/* Ends with that status and a message that contains `part`; nothing is written. */
static void assert_fails(const char *source, size_t len, const mn_render_options *options,
                         minerva_status status, const char *part)
{
    rendering r = render(source, len, NULL, options);
    if (r.status != status || r.err.code != status)
        fail_msg("%.80s: %s expected, %s found: %s", source, minerva_status_name(status),
                 minerva_status_name(r.status), r.err.message);
    if (!strstr(r.err.message, part)) fail_msg("%.80s: %s", source, r.err.message);
    assert_int_equal(r.out.len, 0);
    mn_buffer_clear(&r.out);
}

static void assert_refuses(const char *source, minerva_status status, const char *part)
{
    assert_fails(source, strlen(source), NULL, status, part);
}

/* ---- golden cases ------------------------------------------------------------------ */

typedef struct { const json_t *expected, *message; const char *name; int n_bad; } verdict;

static void check_case(verdict *v, const rendering *r)
{
    const char *text = json_string_value(v->expected);
    const char *out = r->out.data ? r->out.data : "",
               *message = json_string_value(v->message);
    bool ok = text ? !r->status && r->out.len == json_string_length(v->expected)
                     && !memcmp(out, text, r->out.len)
                   : r->status && (!message || !strncmp(message, r->err.message,
                                                        sizeof r->err.message - 1));
    if (ok) return;
    if (v->n_bad++ < 5)
        print_error("%s\n  expected: %s\n  found:    %s\n", v->name,
                    text ? text : message ? message : "an error",
                    r->status ? r->err.message : out);
}

/* Calls `fn` with every line of a JSON Lines file. */
static void each_line(const char *path, void (*fn)(void *ctx, json_t *line), void *ctx)
{
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; (n = getline(&line, &capacity, f)) > 0;) {
        json_error_t e;
        json_t *j = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &e);
        if (!j) fail_msg("%s: %s", path, e.text);
        fn(ctx, j);
        json_decref(j);
    }
    free(line);
    fclose(f);
}

/* "TemplateError: text" is the template's own error, whose text must be right. */
static json_t *own_message(const json_t *error)
{
    const char *s = json_string_value(error);
    return s && !strncmp(s, "TemplateError: ", 15) ? json_string(s + 15) : NULL;
}

typedef struct { int n, n_bad; const char *folder; json_t *variables; } tally;

static void feature(void *ctx, json_t *line)
{
    tally *t = ctx;
    const json_t *source = json_object_get(line, "template_source");
    json_t *message = own_message(json_object_get(line, "error"));
    rendering r = render(json_string_value(source), json_string_length(source),
                         json_object_get(line, "variables"), NULL);
    verdict v = { json_object_get(line, "expected"), message, json_string_value(source),
                  0 };
    check_case(&v, &r);
    t->n_bad += v.n_bad;
    t->n++;
    json_decref(message);
    mn_buffer_clear(&r.out);
}

static void snippet(void *ctx, json_t *line)
{
    tally *t = ctx;
    json_t *variables = json_object_get(line, "variables");
    if (variables) {
        t->variables = json_incref(variables);
        return;
    }
    const json_t *source = json_object_get(line, "source");
    rendering r =
        render(json_string_value(source), json_string_length(source), t->variables, NULL);
    verdict v = { json_object_get(line, "expected"), json_object_get(line, "message"),
                  json_string_value(source), 0 };
    check_case(&v, &r);
    t->n_bad += v.n_bad;
    t->n++;
    mn_buffer_clear(&r.out);
}

static void chat_case(void *ctx, json_t *line)
{
    tally *t = ctx;
    char path[4096], *source;
    size_t len;
    snprintf(path, sizeof path, "%s/%s.jinja", t->folder,
             json_string_value(json_object_get(line, "template")));
    assert_ok(mn_read_file(path, 1 << 20, &source, &len, err));
    json_t *variables = json_deep_copy(json_object_get(line, "kwargs"));
    json_object_set(variables, "messages", json_object_get(line, "messages"));
    json_object_set(variables, "tools", json_object_get(line, "tools"));
    json_object_set_new(variables, "documents", json_null());
    json_t *message = own_message(json_object_get(line, "error"));
    rendering r = render(source, len, variables, NULL);
    snprintf(path + strlen(path), sizeof path - strlen(path), ": %s",
             json_string_value(json_object_get(line, "case")));
    verdict v = { json_object_get(line, "expected"), message, path, 0 };
    check_case(&v, &r);
    t->n_bad += v.n_bad;
    t->n++;
    json_decref(message);
    json_decref(variables);
    mn_buffer_clear(&r.out);
    free(source);
}

static void every_language_feature_renders_as_in_jinja2(void **state)
{
    tally t = { 0 };
    each_line(data("chat/features.jsonl"), feature, &t);
    assert_int_equal(t.n_bad, 0);
    assert_true(t.n >= 70);
}

static void hundreds_of_snippets_render_as_in_jinja2(void **state)
{
    tally t = { 0 };
    each_line(data("chat/snippets.jsonl"), snippet, &t);
    json_decref(t.variables);
    assert_int_equal(t.n_bad, 0);
    assert_true(t.n >= 400);
}

static void published_templates_render_as_in_jinja2(void **state)
{
    tally t = { .folder = data("chat") };
    each_line(data("chat/cases.jsonl"), chat_case, &t);
    assert_int_equal(t.n_bad, 0);
    assert_true(t.n >= 40);
}

static void all_published_templates_render_as_in_jinja2(void **state)
{
    NEED_SHARED();
    tally t = { .folder = shared("golden/chat/templates") };
    each_line(shared("golden/chat/features.jsonl"), feature, &t);
    each_line(shared("golden/chat/cases.jsonl"), chat_case, &t);
    assert_int_equal(t.n_bad, 0);
    assert_true(t.n > 1000);
}

/* ---- what the contract promises ---------------------------------------------------- */

static void raise_exception_gives_the_templates_own_message(void **state)
{
    const char *s = "text{{ raise_exception('roles must ' ~ 'alternate') }}";
    rendering r = render(s, strlen(s), NULL, NULL);
    assert_int_equal(r.status, MINERVA_INVALID);
    assert_string_equal(r.err.message, "roles must alternate");
    assert_int_equal(r.out.len, 0);
    mn_buffer_clear(&r.out);
}

static void errors_name_the_line_and_the_variable(void **state)
{
    assert_refuses("\n\n{{ message.role }}", MINERVA_INVALID,
                   "line 3: 'message' is undefined");
    assert_refuses("{% if x %}\n\n", MINERVA_INVALID, "'if' of line 1");
    assert_refuses("{% set x = {'a': 1} %}{{ x.b.c }}", MINERVA_INVALID,
                   "'dict object' has no attribute 'b'");
    assert_refuses("{{ [1][5].x }}", MINERVA_INVALID, "list object has no element 5");
    assert_refuses("\xff", MINERVA_INVALID, "UTF-8");
}

static void other_templates_are_refused_by_name(void **state)
{
    assert_refuses("{% include 'a' %}", MINERVA_UNSUPPORTED, "include");
    assert_refuses("{% import 'a' as b %}", MINERVA_UNSUPPORTED, "import");
    assert_refuses("{% from 'a' import b %}", MINERVA_UNSUPPORTED, "from");
    assert_refuses("{% extends 'a' %}", MINERVA_UNSUPPORTED, "extends");
    assert_refuses("{% autoescape true %}{% endautoescape %}", MINERVA_UNSUPPORTED,
                   "autoescape");
    assert_refuses("{{ lipsum() }}", MINERVA_UNSUPPORTED, "lipsum");
    assert_refuses("{{ [1]|random }}", MINERVA_UNSUPPORTED, "random");
    assert_refuses("{{ 'a'|urlize }}", MINERVA_UNSUPPORTED, "urlize");
    assert_refuses("{{ 'a'.encode() }}", MINERVA_UNSUPPORTED, "encode");
}

static void integers_never_wrap(void **state)
{
    assert_renders("{{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }}",
                   "9223372036854775807 -9223372036854775808");
    assert_refuses("{{ 9223372036854775808 }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ 9223372036854775807 + 1 }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ 9223372036854775807 * 2 }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ 10 ** 10 ** 10 }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ -(-9223372036854775807 - 1) }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ (-9223372036854775807 - 1) // -1 }}", MINERVA_UNSUPPORTED,
                   "64 bits");
    assert_refuses("{{ '9223372036854775808'|int }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_refuses("{{ 1e300|int }}", MINERVA_UNSUPPORTED, "64 bits");
    assert_renders("{{ (-9223372036854775807 - 1) % -1 }}", "0");
}

static void generation_blocks_are_reported_as_spans(void **state)
{
    const char *s = "user:a {% generation %}yes{% endgeneration %}!{% for i in [1, 2] %}"
                    "{% generation %}{{ i }}{% endgeneration %}.{% endfor %}";
    mn_template *t = NULL;
    mn_buffer out = { 0 }, spans = { 0 };
    assert_ok(mn_template_parse(&t, s, strlen(s), err));
    mn_buffer_append_str(&out, "before ");
    assert_ok(mn_template_render(t, NULL, NULL, &out, &spans, err));
    assert_string_equal(out.data, "before user:a yes!1.2.");
    static const int64_t expected[] = { 14, 17, 18, 19, 20, 21 };
    assert_int_equal(spans.len, sizeof expected);
    assert_memory_equal(spans.data, expected, sizeof expected);
    mn_buffer_clear(&out);
    mn_buffer_clear(&spans);
    mn_template_free(t);
}

static void a_failed_rendering_leaves_the_buffer_as_it_was(void **state)
{
    const char *s = "{% generation %}some text{% endgeneration %}{{ nothing.here }}";
    mn_template *t = NULL;
    minerva_error e = { 0 };
    mn_buffer out = { 0 }, spans = { 0 };
    mn_buffer_append_str(&out, "kept");
    assert_ok(mn_template_parse(&t, s, strlen(s), err));
    assert_int_equal(mn_template_render(t, NULL, NULL, &out, &spans, &e),
                     MINERVA_INVALID);
    assert_string_equal(out.data, "kept");
    assert_int_equal(spans.len, 0);
    mn_buffer_clear(&out);
    mn_buffer_clear(&spans);
    mn_template_free(t);
}

typedef struct {
    const mn_template *t;
    json_t *variables;
    atomic_int n_right;
} shared_work;

static void render_many(void *ctx, int thread, int n_threads)
{
    shared_work *w = ctx;
    for (int i = 0; i < 50; i++) {
        mn_buffer out = { 0 };
        if (!mn_template_render(w->t, w->variables, NULL, &out, NULL, NULL)
            && !strcmp(out.data, "[a][b][a]")) atomic_fetch_add(&w->n_right, 1);
        mn_buffer_clear(&out);
    }
}

static void threads_share_a_parsed_template(void **state)
{
    const char *s =
        "{% macro m(x) %}[{{ x }}]{% endmacro %}{% set c = cycler('a', 'b') %}"
        "{% for i in range(n) %}{{ m(c.next()) }}{% endfor %}";
    mn_template *t = NULL;
    mn_pool *pool = NULL;
    assert_ok(mn_template_parse(&t, s, strlen(s), err));
    assert_ok(mn_pool_create(&pool, 4, err));
    shared_work w = { .t = t, .variables = json_pack("{s:i}", "n", 3) };
    mn_pool_run(pool, render_many, &w);
    assert_int_equal(w.n_right, 200);
    mn_pool_free(pool);
    json_decref(w.variables);
    mn_template_free(t);
}

/* ---- hostile templates ------------------------------------------------------------- */

static void endless_work_ends_at_the_step_budget(void **state)
{
    static const char *const sources[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ range(99999)|sum }}{% endfor %}",
        "{% for a in range(99999) %}{{ range(99999)|map('string')|select|list|length "
        "}}{% endfor %}",
        "{% set s = 'ab' * 9000000 %}{% for a in range(99999) %}{{ s|length }}{% endfor "
        "%}",
        "{% set s = 'ab' * 9000000 %}{% for a in range(99999) %}{{ s == s ~ '' }}{% "
        "endfor %}",
        "{% set s = 'a' * 400000 %}{{ (s ~ s).rfind(s ~ 'b' ~ s[1:]) }}"
        "{% for a in range(99999) %}{{ (s ~ s).rfind('a' ~ s[1:] ~ 'ba') }}{% endfor %}",
        "{% set x = ['a' * 20000] * 1000 %}{% for a in range(99999) %}{{ x|tojson|length "
        "}}{% endfor %}",
        "{% set s = 'x' * 1000000 %}{{ s.strip('abcdefghijklmnopqrstuvw' * 100000 ~ 'x') "
        "}}",
        "{{ ('<>' * 3000000)|striptags }}",
        "{% set ns = namespace(x=[1, 1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, "
        "ns.x] %}"
        "{% endfor %}{{ ns.x == ns.x[:] }}{{ ns.x|string|length }}",
    };
    mn_render_options some = { .max_steps = 3000000 };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        assert_fails(sources[i], strlen(sources[i]), &some, MINERVA_LIMIT, "");
    mn_render_options few = { .max_steps = 100 };
    const char *s = "{% for i in range(1000) %}x{% endfor %}";
    assert_fails(s, strlen(s), &few, MINERVA_LIMIT, "step budget");
}

static void large_values_end_at_the_memory_budget(void **state)
{
    static const char *const sources[] = {
        "{{ 'a' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ (1, 2) * 4000000000 }}",
        "{{ 'a'|center(10**12) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ 'a'.zfill(10**10) }}",
        "{{ '\\t'.expandtabs(10**11) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (10**15, 1) }}",
        "{{ '%.99999d' % 1 }}",
        "{{ '%.999999f' % 1.5 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:0999999999,}'.format(1) }}",
        "{{ '{:.99999f}'.format(1.5) }}",
        "{{ 'a\nb'|indent(10**10) }}",
        "{{ [1]|tojson(indent=10**10) }}",
        "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
        "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
        "{{ ('a' * 1000000)|join('b' * 1000000) }}",
        "{{ [1]|batch(10**9, 'x')|list }}",
        "{{ range(10**12) }}",
        "{{ range(100001) }}",
        "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ "
        "ns.s %}"
        "{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + "
        "ns.l %}"
        "{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [1] + "
        "ns.l %}"
        "{% endfor %}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        assert_refuses(sources[i], MINERVA_LIMIT, "");
}

static void long_output_ends_at_the_output_budget(void **state)
{
    assert_refuses(
        "{% set s = 'x' * 1000000 %}{% for i in range(99999) %}{{ s }}{% endfor %}",
        MINERVA_LIMIT, "output is longer");
    mn_render_options few = { .max_output_bytes = 5 };
    rendering r = render("12345", 5, NULL, &few);
    assert_int_equal(r.status, MINERVA_OK);
    mn_buffer_clear(&r.out);
    assert_fails("123456", 6, &few, MINERVA_LIMIT, "5 bytes");
}

static void recursion_ends_at_the_depth_budget(void **state)
{
    static const char *const sources[] = {
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{% for i in [1] %}{{ [m(n + 1)]|join }}{% endfor %}{% "
        "endif %}"
        "{% endmacro %}{{ m(1) }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro a() %}{% call b() %}{% endcall %}{% endmacro %}{% macro b() %}{{ a() }}"
        "{{ caller() }}{% endmacro %}{{ a() }}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] "
        "%}{% endfor %}"
        "{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = {'a': "
        "ns.x} %}"
        "{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = "
        "[ns.x] %}"
        "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=()) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) "
        "%}{% endfor %}"
        "{{ {ns.x: 1} }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = "
        "ns.x|map('string') %}"
        "{% endfor %}{{ ns.x|list }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources ; i++)
        assert_refuses(sources[i], MINERVA_LIMIT, "");
    mn_render_options shallow = { .max_depth = 5 };
    const char *s =
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(9) }}";
    assert_fails(s, strlen(s), &shallow, MINERVA_LIMIT, "deep");
    assert_renders(
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}.{% endmacro %}{{ m(50) }}",
        "...................................................");
}

/* `open` n times, `middle`, `close` n times. */
static void nested_source_is_refused(const char *before, const char *open,
                                     const char *middle, const char *close,
                                     const char *after)
{
    enum { N = 60000 };
    mn_buffer b = { 0 };
    mn_buffer_append_str(&b, before);
    for (int i = 0; i < N; i++) mn_buffer_append_str(&b, open);
    mn_buffer_append_str(&b, middle);
    for (int i = 0; i < N; i++) mn_buffer_append_str(&b, close);
    mn_buffer_append_str(&b, after);
    assert_fails(b.data, b.len, NULL, MINERVA_LIMIT, "");
    mn_buffer_clear(&b);
}

static void deep_source_is_refused_when_parsed(void **state)
{
    nested_source_is_refused("{{ ", "(", "1", ")", " }}");
    nested_source_is_refused("{{ ", "[", "", "]", " }}");
    nested_source_is_refused("{{ ", "{1:", "1", "}", " }}");
    nested_source_is_refused("{{ ", "- ", "1", "", " }}");
    nested_source_is_refused("{{ ", "not ", "1", "", " }}");
    nested_source_is_refused("{{ ", "x(", "", ")", " }}");
    nested_source_is_refused("{{ ", "x[", "1", "]", " }}");
    nested_source_is_refused("{{ x", ".a", "", "", " }}");
    nested_source_is_refused("{{ x", "|list", "", "", " }}");
    nested_source_is_refused("{{ x", "()", "", "", " }}");
    nested_source_is_refused("{{ 1", " + 1", "", "", " }}");
    nested_source_is_refused("{{ 1", " and 1", "", "", " }}");
    nested_source_is_refused("{{ 1", " if 1 else 1", "", "", " }}");
    nested_source_is_refused("{{ 1", " if 1", "", "", " }}");
    nested_source_is_refused("", "{% if 1 %}", "x", "{% endif %}", "");
    nested_source_is_refused("", "{% for a in b %}", "x", "{% endfor %}", "");
    nested_source_is_refused("", "{% macro m() %}", "x", "{% endmacro %}", "");
    nested_source_is_refused("{% if 1 %}", "{% elif 1 %}", "x", "", "{% endif %}");
    nested_source_is_refused("{% for ", "(", "a", ",)", " in b %}{% endfor %}");
}

static void long_flat_templates_are_fine(void **state)
{
    mn_buffer b = { 0 };
    for (int i = 0; i < 20000; i++)
        mn_buffer_append_str(&b, "{% if 1 %}{{ 'x' ~ 1 }}{% endif %}");
    mn_buffer_append_str(&b, "{{ [");
    for (int i = 0; i < 20000; i++) mn_buffer_append_str(&b, "1,");
    mn_buffer_append_str(&b, "]|length }}");
    rendering r = render(b.data, b.len, NULL, NULL);
    assert_int_equal(r.status, MINERVA_OK);
    assert_int_equal(r.out.len, 40005);
    mn_buffer_clear(&b);
    mn_buffer_clear(&r.out);
}

static void a_thousand_messages_stay_within_the_default_budgets(void **state)
{
    char *source;
    size_t len;
    assert_ok(mn_read_file(data("chat/Qwen3-Coder.jinja"), 1 << 20, &source, &len, err));
    json_t *messages = json_array();
    char text[3000];
    memset(text, 'w', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (int i = 0; i < 1000; i++)
        json_array_append_new(messages,
                              json_pack("{s:s, s:s}", "role",
                                        i % 2 ? "assistant" : "user", "content", text));
    json_t *variables =
        json_pack("{s:o, s:b}", "messages", messages, "add_generation_prompt", 1);
    mn_render_options tight = { .max_memory_bytes = 8 << 20, .max_steps = 300000 };
    rendering r = render(source, len, variables, &tight);
    if (r.status) fail_msg("%s", r.err.message);
    assert_true(r.out.len > 3000000);
    mn_buffer_clear(&r.out);
    json_decref(variables);
    free(source);
}

static void texts_that_grow_in_a_loop_use_linear_memory(void **state)
{
    const char *s =
        "{% set ns = namespace(s='', l=[]) %}{% for i in range(20000) %}"
        "{% set ns.s = ns.s ~ 'some words ' ~ i %}{% set ns.l = ns.l + [i] %}"
        "{% endfor %}{{ ns.s|length }} {{ ns.l|length }} {{ ns.s[:30] }} {{ ns.l[-1] }}";
    mn_render_options tight = { .max_memory_bytes = 16 << 20 };
    rendering r = render(s, strlen(s), NULL, &tight);
    if (r.status) fail_msg("%s", r.err.message);
    assert_string_equal(r.out.data, "308890 20000 some words 0some words 1some w 19999");
    mn_buffer_clear(&r.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_language_feature_renders_as_in_jinja2),
        cmocka_unit_test(hundreds_of_snippets_render_as_in_jinja2),
        cmocka_unit_test(published_templates_render_as_in_jinja2),
        cmocka_unit_test(all_published_templates_render_as_in_jinja2),
        cmocka_unit_test(raise_exception_gives_the_templates_own_message),
        cmocka_unit_test(errors_name_the_line_and_the_variable),
        cmocka_unit_test(other_templates_are_refused_by_name),
        cmocka_unit_test(integers_never_wrap),
        cmocka_unit_test(generation_blocks_are_reported_as_spans),
        cmocka_unit_test(a_failed_rendering_leaves_the_buffer_as_it_was),
        cmocka_unit_test(threads_share_a_parsed_template),
        cmocka_unit_test(endless_work_ends_at_the_step_budget),
        cmocka_unit_test(large_values_end_at_the_memory_budget),
        cmocka_unit_test(long_output_ends_at_the_output_budget),
        cmocka_unit_test(recursion_ends_at_the_depth_budget),
        cmocka_unit_test(deep_source_is_refused_when_parsed),
        cmocka_unit_test(long_flat_templates_are_fine),
        cmocka_unit_test(a_thousand_messages_stay_within_the_default_budgets),
        cmocka_unit_test(texts_that_grow_in_a_loop_use_linear_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
