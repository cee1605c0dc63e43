/* Schema objects to normal forms, keyword by keyword; see schema.h. */
#include "constrain/schema.h"

_Noreturn static void bad(mn_schema *s, const mn_jv *v, const char *keyword, const char *expected)
{
    mn_schema_fail(s, MINERVA_INVALID, v, keyword, expected);
}

/* ---- values of keywords -------------------------------------------------------------------- */

/* A count: a non-negative integer (2.0 is one); what is too large for us is endless. */
static uint32_t count_of(mn_schema *s, const mn_jv *v, const mn_jv *n, const char *keyword, uint32_t absent)
{
    if (!n) return absent;
    if (n->type != MN_J_NUMBER) bad(s, v, keyword, "a non-negative integer expected");
    mn_dec d = mn_dec_parse(s->cx, n->str, n->n);
    int64_t i;
    if (d.negative || !mn_dec_is_integer(&d)) bad(s, v, keyword, "a non-negative integer expected");
    if (!mn_dec_to_i64(&d, &i) || i >= MN_RX_INF) return MN_RX_INF - 1;
    return (uint32_t)i;
}

typedef struct { mn_schema *s; const char *p; uint32_t len, set; } pattern_job;

static void compile_pattern(void *arg)
{
    pattern_job *job = arg;
    mn_schema *s = job->s;
    job->set = mn_ss_re(&s->ss, mn_rx_parse(&s->rx, job->p, job->len, false));
}

uint32_t mn_schema_pattern(mn_schema *s, const mn_jv *at, const char *keyword, const char *pattern, uint32_t len)
{
    uint32_t index;
    if (mn_map_get(&s->patterns, pattern, len, &index)) return s->pattern_cache.at[index];
    pattern_job job = { s, pattern, len, 0 };
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(s->cx, &err, compile_pattern, &job);
    if (st) mn_schema_fail(s, st, at, keyword, err.message);
    mn_vec_push(s->cx, &s->pattern_cache, job.set);
    if (!mn_map_put(&s->patterns, pattern, len, s->pattern_cache.n - 1, NULL))
        mn_cx_raise(s->cx, MINERVA_MEMORY, "out of memory");
    return job.set;
}

/* ---- types ------------------------------------------------------------------------------------ */

enum { T_NULL = 1, T_BOOLEAN = 2, T_INTEGER = 4, T_NUMBER = 8, T_STRING = 16, T_ARRAY = 32, T_OBJECT = 64,
       T_ANY = T_NULL | T_BOOLEAN | T_NUMBER | T_STRING | T_ARRAY | T_OBJECT };

static uint8_t type_bit(mn_schema *s, const mn_jv *v, const mn_jv *name)
{
    static const struct { const char *name; uint8_t bit; } types[] = {
        { "null", T_NULL }, { "boolean", T_BOOLEAN }, { "integer", T_INTEGER }, { "number", T_NUMBER },
        { "string", T_STRING }, { "array", T_ARRAY }, { "object", T_OBJECT } };
    for (int i = 0; i < 7; i++)
        if (mn_jdoc_is(name, types[i].name)) return types[i].bit;
    if (name->type == MN_J_STRING && mn_jdoc_is(name, "any"))
        mn_schema_fail(s, MINERVA_UNSUPPORTED, v, "type", "\"any\" is no type since draft 4");
    bad(s, v, "type", "one of null, boolean, integer, number, string, array, object expected");
}

static uint8_t types_of(mn_schema *s, const mn_jv *v, const mn_jv *type)
{
    if (!type) return T_ANY;
    if (type->type != MN_J_ARRAY) return type_bit(s, v, type);
    uint8_t bits = 0;
    for (uint32_t i = 0; i < type->n; i++) bits |= type_bit(s, v, &type->items[i]);
    return bits;
}

/* ---- strings and numbers ------------------------------------------------------------------------ */

static uint32_t string_set(mn_schema *s, const mn_jv *v, const mn_keywords *k)
{
    uint32_t min = count_of(s, v, k->at[MN_KW_MIN_LENGTH], "minLength", 0);
    uint32_t max = count_of(s, v, k->at[MN_KW_MAX_LENGTH], "maxLength", MN_RX_INF);
    uint32_t set = mn_ss_any(&s->ss, min, max, 0);
    const mn_jv *p = k->at[MN_KW_PATTERN], *f = k->at[MN_KW_FORMAT];
    if (p) {
        if (p->type != MN_J_STRING) bad(s, v, "pattern", "a string expected");
        set = mn_ss_and(&s->ss, set, mn_schema_pattern(s, v, "pattern", p->str, p->n));
    }
    if (f && f->type == MN_J_STRING && !s->format_annotation) {
        uint32_t format = mn_schema_format(s, f->str, f->n);
        if (format != UINT32_MAX) set = mn_ss_and(&s->ss, set, format);
    }
    return set;
}

static bool number_at(mn_schema *s, const mn_jv *v, const mn_jv *n, const char *keyword, mn_dec *out)
{
    if (!n) return false;
    if (n->type != MN_J_NUMBER) bad(s, v, keyword, "a number expected");
    *out = mn_dec_parse(s->cx, n->str, n->n);
    return true;
}

/* minimum and exclusiveMinimum, or the two maxima (sign -1). */
static void bound(mn_schema *s, const mn_jv *v, const mn_jv *closed, const mn_jv *open, const char *closed_name,
                  const char *open_name, int sign, bool *has, mn_dec *at, bool *is_open)
{
    *has = number_at(s, v, closed, closed_name, at);
    if (!open) return;
    if (open->type == MN_J_TRUE || open->type == MN_J_FALSE) {      /* draft 4 */
        *is_open = *has && open->type == MN_J_TRUE;
        return;
    }
    mn_dec d;
    number_at(s, v, open, open_name, &d);
    if (*has && sign * mn_dec_cmp(&d, at) < 0) return;
    *has = *is_open = true;
    *at = d;
}

static uint32_t number_set(mn_schema *s, const mn_jv *v, const mn_keywords *k, bool integer)
{
    mn_numset n = { 0 };
    if (integer) n.step = (mn_step){ 1, 0 };
    bound(s, v, k->at[MN_KW_MINIMUM], k->at[MN_KW_EXCLUSIVE_MINIMUM], "minimum", "exclusiveMinimum", 1,
          &n.has_lo, &n.lo, &n.lo_open);
    bound(s, v, k->at[MN_KW_MAXIMUM], k->at[MN_KW_EXCLUSIVE_MAXIMUM], "maximum", "exclusiveMaximum", -1,
          &n.has_hi, &n.hi, &n.hi_open);
    uint32_t set = mn_ns_range(&s->ns, &n);
    mn_dec step;
    if (number_at(s, v, k->at[MN_KW_MULTIPLE_OF], "multipleOf", &step)) {
        mn_numset m = { 0 };
        if (step.negative || !step.n) bad(s, v, "multipleOf", "a number greater than 0 expected");
        if (!mn_dec_to_scaled(&step, &m.step.m, &m.step.s))
            mn_schema_fail(s, MINERVA_LIMIT, v, "multipleOf", "at most 18 digits expected");
        set = mn_ns_and(&s->ns, set, mn_ns_range(&s->ns, &m));
    }
    return set;
}

/* ---- arrays ------------------------------------------------------------------------------------- */

static uint32_t array_set(mn_schema *s, const mn_jv *v, const mn_keywords *k)
{
    mn_array_parts p = { .rest = MN_E_TRUE };
    p.min = count_of(s, v, k->at[MN_KW_MIN_ITEMS], "minItems", 0);
    p.max = count_of(s, v, k->at[MN_KW_MAX_ITEMS], "maxItems", MN_RX_INF);
    p.unique = k->at[MN_KW_UNIQUE_ITEMS] && k->at[MN_KW_UNIQUE_ITEMS]->type == MN_J_TRUE;
    const mn_jv *list = k->at[MN_KW_PREFIX_ITEMS], *rest = k->at[MN_KW_ITEMS];
    if (!list && rest && rest->type == MN_J_ARRAY) {
        list = rest;
        rest = k->at[MN_KW_ADDITIONAL_ITEMS];
    }
    if (list) {
        if (list->type != MN_J_ARRAY) bad(s, v, "prefixItems", "an array of schemas expected");
        mn_eid *prefix = mn_cx_alloc(s->cx, list->n, sizeof *prefix);
        for (uint32_t i = 0; i < list->n; i++) prefix[i] = mn_e_place(s, &list->items[i]);
        p.prefix = prefix;
        p.n_prefix = list->n;
    }
    if (rest) p.rest = mn_e_place(s, rest);
    mn_contains c = { .from = 0 };
    if (k->at[MN_KW_CONTAINS]) {
        c.value = mn_e_place(s, k->at[MN_KW_CONTAINS]);
        c.min = count_of(s, v, k->at[MN_KW_MIN_CONTAINS], "minContains", 1);
        c.max = count_of(s, v, k->at[MN_KW_MAX_CONTAINS], "maxContains", MN_RX_INF);
        p.contains = &c;
        p.n_contains = 1;
    }
    return mn_a_make(s, &p);
}

/* ---- objects ------------------------------------------------------------------------------------ */

static uint32_t find_name(const mn_literal *l, uint32_t n, const mn_jv *properties, uint32_t n_properties,
                          const char *name, uint32_t len)
{
    const mn_jv *declared = properties ? mn_jdoc_get_n(properties, name, len) : NULL;
    if (declared) {
        const char *value = (const char *)declared - offsetof(mn_jmember, value);
        return (uint32_t)((const mn_jmember *)(const void *)value - properties->members);
    }
    for (uint32_t i = n_properties; i < n; i++)
        if (l[i].name.len == len && !memcmp(l[i].name.s, name, len)) return i;
    return UINT32_MAX;
}

typedef struct {
    mn_schema *s;
    const mn_jv *v, *properties;
    mn_literal *l;
    uint32_t n, n_properties;
    mn_dep *deps;
    uint32_t n_deps;
} names;

static uint32_t name_index(names *b, const mn_jv *name, const char *key, uint32_t len, const char *keyword)
{
    if (name) {
        if (name->type != MN_J_STRING) bad(b->s, b->v, keyword, "an array of strings expected");
        key = name->str;
        len = name->n;
    }
    mn_cx_tick(b->s->cx);
    uint32_t at = find_name(b->l, b->n, b->properties, b->n_properties, key, len);
    if (at != UINT32_MAX) return at;
    b->l[b->n] = (mn_literal){ { key, len }, MN_E_UNDECLARED, false, ++b->s->next_order };
    return b->n++;
}

static void add_required(names *b, const mn_jv *list)
{
    if (!list) return;
    if (list->type != MN_J_ARRAY) bad(b->s, b->v, "required", "an array of strings expected");
    for (uint32_t i = 0; i < list->n; i++)
        b->l[name_index(b, &list->items[i], NULL, 0, "required")].required = true;
}

/* Implications between names, of dependentRequired or dependencies. */
static void add_dependencies(names *b, const mn_jv *map, const char *keyword)
{
    if (!map) return;
    if (map->type != MN_J_OBJECT) bad(b->s, b->v, keyword, "an object expected");
    for (uint32_t i = 0; i < map->n; i++) {
        const mn_jv *list = &map->members[i].value;
        bool one = list->type == MN_J_STRING;       /* draft 3's short form, still in use */
        if (list->type != MN_J_ARRAY && !one) continue;
        uint32_t n = one ? 1 : list->n;
        if (!n) continue;
        uint32_t from = name_index(b, NULL, map->members[i].key, map->members[i].key_len, keyword);
        for (uint32_t j = 0; j < n; j++)
            b->deps[b->n_deps++] = (mn_dep){ from, name_index(b, one ? list : &list->items[j], NULL, 0, keyword) };
    }
}

static uint32_t most_dependencies(const mn_jv *map, uint32_t *n_deps)
{
    uint32_t n = 0;
    if (!map || map->type != MN_J_OBJECT) return 0;
    for (uint32_t i = 0; i < map->n; i++) {
        uint32_t m = map->members[i].value.type == MN_J_ARRAY ? map->members[i].value.n : 1;
        *n_deps += m;
        n += 1 + m;
    }
    return n;
}

/* Keys that propertyNames forbids, as patterns without values. */
static uint32_t forbidden_names(mn_schema *s, const mn_jv *schema, mn_pattern out[3])
{
    uint32_t n, form = mn_e_normal(s, mn_e_place(s, schema));
    const uint32_t *ids = mn_f_ids(s, form, MN_T_STR, &n);
    uint32_t allowed = n ? ids[0] : MN_SS_NONE;
    if (n > 1) {
        mn_rid *kids = mn_cx_alloc(s->cx, n, sizeof *kids);
        for (uint32_t i = 0; i < n; i++) kids[i] = mn_ss_to_re(&s->ss, mn_f_ids(s, form, MN_T_STR, &n)[i]);
        allowed = mn_ss_re(&s->ss, mn_rx_alt(&s->rx, kids, n));
    }
    uint32_t sets[3];
    int k = allowed == MN_SS_ALL ? 0 : mn_ss_not(&s->ss, allowed, sets);
    for (int i = 0; i < k; i++) out[i] = (mn_pattern){ sets[i], MN_E_FALSE };
    return (uint32_t)k;
}

static uint32_t object_set(mn_schema *s, const mn_jv *v, const mn_keywords *k)
{
    const mn_jv *props = k->at[MN_KW_PROPERTIES], *pats = k->at[MN_KW_PATTERN_PROPERTIES];
    const mn_jv *required = k->at[MN_KW_REQUIRED], *extra = k->at[MN_KW_ADDITIONAL_PROPERTIES];
    if (props && props->type != MN_J_OBJECT) bad(s, v, "properties", "an object of schemas expected");
    if (pats && pats->type != MN_J_OBJECT) bad(s, v, "patternProperties", "an object of schemas expected");
    names b = { .s = s, .v = v, .properties = props, .n_properties = props ? props->n : 0 };
    uint32_t most_deps = 0, most = b.n_properties;
    if (required && required->type == MN_J_ARRAY) most += required->n;
    most += most_dependencies(k->at[MN_KW_DEPENDENCIES], &most_deps);
    most += most_dependencies(k->at[MN_KW_DEPENDENT_REQUIRED], &most_deps);
    b.l = mn_cx_alloc(s->cx, most + 1, sizeof *b.l);
    b.deps = mn_cx_alloc(s->cx, most_deps + 1, sizeof *b.deps);
    for (; b.n < b.n_properties; b.n++) {
        const mn_jmember *m = &props->members[b.n];
        b.l[b.n] = (mn_literal){ { m->key, m->key_len }, mn_e_place(s, &m->value), false, ++s->next_order };
    }
    add_required(&b, required);
    add_dependencies(&b, k->at[MN_KW_DEPENDENCIES], "dependencies");
    add_dependencies(&b, k->at[MN_KW_DEPENDENT_REQUIRED], "dependentRequired");
    uint32_t n_patterns = 0;
    mn_pattern *patterns = mn_cx_alloc(s->cx, (pats ? pats->n : 0) + 4, sizeof *patterns);
    for (uint32_t i = 0; pats && i < pats->n; i++) {
        const mn_jmember *m = &pats->members[i];
        patterns[n_patterns++] = (mn_pattern){
            mn_schema_pattern(s, v, "patternProperties", m->key, m->key_len), mn_e_place(s, &m->value) };
    }
    if (k->at[MN_KW_PROPERTY_NAMES]) {
        uint32_t before = n_patterns;
        n_patterns += forbidden_names(s, k->at[MN_KW_PROPERTY_NAMES], patterns + n_patterns);
        /* A name that is only required must not count as matched by these. */
        for (uint32_t i = b.n_properties; i < b.n; i++) {
            if (b.l[i].value != MN_E_UNDECLARED || !extra) continue;
            bool matched = false;
            for (uint32_t p = 0; p < before; p++)
                matched |= mn_ss_has(&s->ss, patterns[p].keys, b.l[i].name.s, b.l[i].name.len);
            if (!matched) b.l[i].value = mn_e_place(s, extra);
        }
    }
    return mn_o_map(s, b.l, b.n, patterns, n_patterns, extra ? mn_e_place(s, extra) : MN_E_TRUE,
                    count_of(s, v, k->at[MN_KW_MIN_PROPERTIES], "minProperties", 0),
                    count_of(s, v, k->at[MN_KW_MAX_PROPERTIES], "maxProperties", MN_RX_INF), b.deps, b.n_deps);
}

/* ---- enum, const ---------------------------------------------------------------------------------- */

static uint32_t values_form(mn_schema *s, const mn_jv *const *values, uint32_t n)
{
    uint8_t prims = 0;
    mn_text *strings = mn_cx_alloc(s->cx, n, sizeof *strings);
    mn_dec *numbers = mn_cx_alloc(s->cx, n, sizeof *numbers);
    uint32_t n_strings = 0, n_numbers = 0, form = MN_F_NONE;
    for (uint32_t i = 0; i < n; i++) {
        const mn_jv *v = values[i];
        switch (v->type) {
        case MN_J_NULL: prims |= MN_PRIM_NULL; break;
        case MN_J_FALSE: prims |= MN_PRIM_FALSE; break;
        case MN_J_TRUE: prims |= MN_PRIM_TRUE; break;
        case MN_J_STRING: strings[n_strings++] = (mn_text){ v->str, v->n }; break;
        case MN_J_NUMBER: numbers[n_numbers++] = mn_dec_parse(s->cx, v->str, v->n); break;
        default: form = mn_f_or(s, form, mn_e_normal(s, mn_e_value(s, v)));
        }
    }
    uint32_t str = mn_ss_lits(&s->ss, strings, n_strings);
    uint32_t num = mn_ns_points(&s->ns, numbers, n_numbers);
    return mn_f_or(s, form, mn_f_make(s, prims, (mn_ids){ &str, 1 }, (mn_ids){ &num, 1 }, (mn_ids){ 0 },
                                      (mn_ids){ 0 }));
}

static uint32_t enum_form(mn_schema *s, const mn_jv *v, const mn_jv *list)
{
    if (list->type != MN_J_ARRAY) bad(s, v, "enum", "an array expected");
    const mn_jv **values = mn_cx_alloc(s->cx, list->n, sizeof *values);
    for (uint32_t i = 0; i < list->n; i++) values[i] = &list->items[i];
    return values_form(s, values, list->n);
}

uint32_t mn_schema_own_form(mn_schema *s, const mn_jv *v, const mn_keywords *k)
{
    ((mn_jv *)v)->met = true;
    uint8_t types = types_of(s, v, k->at[MN_KW_TYPE]);
    uint32_t str = 0, num = 0, arr = 0, obj = 0;
    if (types & T_STRING) str = string_set(s, v, k);
    if (types & (T_NUMBER | T_INTEGER)) num = number_set(s, v, k, !(types & T_NUMBER));
    if (types & T_ARRAY) arr = array_set(s, v, k);
    if (types & T_OBJECT) obj = object_set(s, v, k);
    uint8_t prims = (uint8_t)((types & T_NULL ? MN_PRIM_NULL : 0)
                              | (types & T_BOOLEAN ? MN_PRIM_FALSE | MN_PRIM_TRUE : 0));
    uint32_t form = mn_f_make(s, prims, (mn_ids){ &str, 1 }, (mn_ids){ &num, 1 }, (mn_ids){ &arr, 1 },
                              (mn_ids){ &obj, 1 });
    if (k->at[MN_KW_ENUM]) form = mn_f_and(s, form, enum_form(s, v, k->at[MN_KW_ENUM]));
    if (k->at[MN_KW_CONST]) form = mn_f_and(s, form, values_form(s, &k->at[MN_KW_CONST], 1));
    return form;
}

/* ---- what applies in place -------------------------------------------------------------------------- */

const mn_jv *mn_schema_list(mn_schema *s, const mn_jv *v, const mn_jv *list, const char *keyword)
{
    if (list && (list->type != MN_J_ARRAY || !list->n))
        bad(s, v, keyword, "an array of at least one schema expected");
    return list;
}

static uint32_t with(mn_schema *s, uint32_t form, const mn_jv *sub)
{
    return form == MN_F_NONE ? form : mn_f_and(s, form, mn_e_normal(s, mn_e_place(s, sub)));
}

uint32_t mn_schema_one_of(mn_schema *s, const mn_jv *list, uint32_t chosen, uint32_t form)
{
    uint32_t mine = with(s, form, &list->items[chosen]);
    for (uint32_t i = 0; i < list->n && mine != MN_F_NONE; i++) {
        if (i == chosen) continue;
        uint32_t other = mn_e_normal(s, mn_e_place(s, &list->items[i]));
        mn_cx_tick(s->cx);
        if (!mn_f_disjoint(s, mine, other, 3)) mine = mn_f_and(s, mine, mn_f_not(s, other));
    }
    return mine;
}

/* Objects that have (or lack) the key; values of other types are all there (or not). */
static uint32_t having(mn_schema *s, const char *key, uint32_t len, bool has)
{
    mn_literal l = { { key, len }, has ? MN_E_TRUE : MN_E_FALSE, has, ++s->next_order };
    uint32_t id = mn_o_map(s, &l, 1, NULL, 0, MN_E_TRUE, 0, MN_RX_INF, NULL, 0);
    return mn_f_of(s, MN_T_OBJ, id, !has);
}

static uint32_t dependent_schemas(mn_schema *s, const mn_jv *v, const mn_jv *map, const char *keyword, uint32_t form)
{
    if (map->type != MN_J_OBJECT) bad(s, v, keyword, "an object of schemas expected");
    for (uint32_t i = 0; i < map->n; i++) {
        const mn_jmember *m = &map->members[i];
        if (m->value.type == MN_J_ARRAY || m->value.type == MN_J_STRING) continue;
        uint32_t absent = mn_f_and(s, form, having(s, m->key, m->key_len, false));
        uint32_t present = with(s, mn_f_and(s, form, having(s, m->key, m->key_len, true)), &m->value);
        form = mn_f_or(s, absent, present);
    }
    return form;
}

static uint32_t conditional(mn_schema *s, const mn_keywords *k, uint32_t form)
{
    const mn_jv *then = k->at[MN_KW_THEN], *otherwise = k->at[MN_KW_ELSE];
    if (!then && !otherwise) return form;
    uint32_t test = mn_e_normal(s, mn_e_place(s, k->at[MN_KW_IF]));
    uint32_t yes = mn_f_and(s, form, test), no = mn_f_and(s, form, mn_f_not(s, test));
    if (then) yes = with(s, yes, then);
    if (otherwise) no = with(s, no, otherwise);
    return mn_f_or(s, yes, no);
}

/* Faults that do not know their place are this keyword's. */
static void at_work(mn_schema *s, const char *keyword)
{
    if (s->busy.n) s->exprs.at[s->busy.at[s->busy.n - 1]].keyword = keyword;
}

uint32_t mn_schema_place_form(mn_schema *s, const mn_jv *v)
{
    mn_keywords k;
    mn_schema_keywords(s, v, &k);
    if (k.at[MN_KW_UNEVALUATED_ITEMS] || k.at[MN_KW_UNEVALUATED_PROPERTIES])
        return mn_schema_unevaluated(s, v);
    uint32_t form = mn_schema_own_form(s, v, &k);
    static const struct { uint8_t keyword; const char *name; } refs[] = {
        { MN_KW_REF, "$ref" }, { MN_KW_DYNAMIC_REF, "$dynamicRef" }, { MN_KW_RECURSIVE_REF, "$recursiveRef" } };
    for (int i = 0; i < 3; i++)
        if (k.at[refs[i].keyword]) {
            at_work(s, refs[i].name);
            form = with(s, form, mn_schema_resolve(s, v, k.at[refs[i].keyword], refs[i].name));
        }
    if (k.at[MN_KW_ALL_OF]) {
        at_work(s, "allOf");
        const mn_jv *list = mn_schema_list(s, v, k.at[MN_KW_ALL_OF], "allOf");
        for (uint32_t i = 0; i < list->n; i++) form = with(s, form, &list->items[i]);
    }
    if (k.at[MN_KW_ONE_OF]) {
        at_work(s, "oneOf");
        const mn_jv *list = mn_schema_list(s, v, k.at[MN_KW_ONE_OF], "oneOf");
        uint32_t sum = MN_F_NONE;
        for (uint32_t i = 0; i < list->n; i++) sum = mn_f_or(s, sum, mn_schema_one_of(s, list, i, form));
        form = sum;
    }
    if (k.at[MN_KW_ANY_OF]) {
        at_work(s, "anyOf");
        const mn_jv *list = mn_schema_list(s, v, k.at[MN_KW_ANY_OF], "anyOf");
        uint32_t sum = MN_F_NONE;
        for (uint32_t i = 0; i < list->n; i++) sum = mn_f_or(s, sum, with(s, form, &list->items[i]));
        form = sum;
    }
    if (k.at[MN_KW_NOT]) {
        at_work(s, "not");
        form = mn_f_and(s, form, mn_f_not(s, mn_e_normal(s, mn_e_place(s, k.at[MN_KW_NOT]))));
    }
    at_work(s, k.at[MN_KW_IF] ? "if" : NULL);
    if (k.at[MN_KW_IF]) form = conditional(s, &k, form);
    if (k.at[MN_KW_DEPENDENT_SCHEMAS])
        form = dependent_schemas(s, v, k.at[MN_KW_DEPENDENT_SCHEMAS], "dependentSchemas", form);
    if (k.at[MN_KW_DEPENDENCIES])
        form = dependent_schemas(s, v, k.at[MN_KW_DEPENDENCIES], "dependencies", form);
    return form;
}

/* ---- documents ----------------------------------------------------------------------------------------- */

static int draft_of(mn_schema *s, const mn_jv *root)
{
    const mn_jv *uri = mn_jdoc_get(root, "$schema");
    s->guessed = true;
    if (!uri || uri->type != MN_J_STRING) return 2020;
    const char *p = uri->str, *end = p + uri->n;
    if (end > p && end[-1] == '#') end--;
    const char *host = "json-schema.org/";
    size_t n = strlen(host);
    if (end - p > 8 && !memcmp(p, "http", 4)) {
        p += p[4] == 's' ? 8 : 7;
        if ((size_t)(end - p) > n && !memcmp(p, host, n)) {
            static const struct { const char *path; int draft; } known[] = {
                { "draft-03/", 3 }, { "draft-04/", 4 }, { "draft-05/", 4 }, { "draft-06/", 6 },
                { "draft-07/", 7 }, { "draft/2019-09/", 2019 }, { "draft/2020-12/", 2020 } };
            p += n;
            for (int i = 0; i < 7; i++) {
                size_t m = strlen(known[i].path);
                if ((size_t)(end - p) < m || memcmp(p, known[i].path, m)) continue;
                if (known[i].draft == 3)
                    mn_schema_fail(s, MINERVA_UNSUPPORTED, root, "$schema", "draft 4 or later expected");
                s->guessed = false;
                return known[i].draft;
            }
        }
    }
    return 2020;
}

mn_eid mn_schema_load(mn_schema *s, const mn_jv *root, mn_schema_draft draft)
{
    static const int drafts[] = { 0, 4, 6, 7, 2019, 2020 };
    s->root = root;
    s->resources.n = s->anchors.n = 0;      /* of a schema that was loaded before */
    s->draft = draft ? drafts[draft] : draft_of(s, root);
    mn_schema_find_resources(s, root);
    return mn_e_place(s, root);
}
