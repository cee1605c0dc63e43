/* The keywords: their names, the drafts that have them, what becomes of them.
 *
 * The one table behind the compiler and docs/structured-output.md, which
 * tests/test_structured_docs.c compares.
 */
#include "constrain/schema.h"

enum { D4 = 1, D6 = 2, D7 = 4, D19 = 8, D20 = 16, ALL = 31, FROM6 = 30, FROM7 = 28, FROM19 = 24,
       UNTIL7 = 7 };

typedef struct {
    const char *name;
    uint8_t keyword, drafts;
} entry;

/* Sorted by length, so that a look-up compares two or three names. */
static const entry table[] = {
    { "id", MN_KW_OLD_ID, D4 },
    { "if", MN_KW_IF, FROM7 },
    { "$id", MN_KW_ID, FROM6 },
    { "not", MN_KW_NOT, ALL },
    { "$ref", MN_KW_REF, ALL },
    { "type", MN_KW_TYPE, ALL },
    { "enum", MN_KW_ENUM, ALL },
    { "then", MN_KW_THEN, FROM7 },
    { "else", MN_KW_ELSE, FROM7 },
    { "const", MN_KW_CONST, FROM6 },
    { "items", MN_KW_ITEMS, ALL },
    { "allOf", MN_KW_ALL_OF, ALL },
    { "anyOf", MN_KW_ANY_OF, ALL },
    { "oneOf", MN_KW_ONE_OF, ALL },
    { "$defs", MN_KW_DEFS, ALL },
    { "format", MN_KW_FORMAT, ALL },
    { "minimum", MN_KW_MINIMUM, ALL },
    { "maximum", MN_KW_MAXIMUM, ALL },
    { "pattern", MN_KW_PATTERN, ALL },
    { "$schema", MN_KW_SCHEMA, ALL },
    { "$anchor", MN_KW_ANCHOR, FROM19 },
    { "minItems", MN_KW_MIN_ITEMS, ALL },
    { "maxItems", MN_KW_MAX_ITEMS, ALL },
    { "contains", MN_KW_CONTAINS, FROM6 },
    { "required", MN_KW_REQUIRED, ALL },
    { "minLength", MN_KW_MIN_LENGTH, ALL },
    { "maxLength", MN_KW_MAX_LENGTH, ALL },
    { "multipleOf", MN_KW_MULTIPLE_OF, ALL },
    { "properties", MN_KW_PROPERTIES, ALL },
    { "$dynamicRef", MN_KW_DYNAMIC_REF, D20 },
    { "prefixItems", MN_KW_PREFIX_ITEMS, D20 },
    { "uniqueItems", MN_KW_UNIQUE_ITEMS, ALL },
    { "minContains", MN_KW_MIN_CONTAINS, FROM19 },
    { "maxContains", MN_KW_MAX_CONTAINS, FROM19 },
    { "definitions", MN_KW_DEFINITIONS, ALL },
    { "$vocabulary", MN_KW_VOCABULARY, FROM19 },
    { "dependencies", MN_KW_DEPENDENCIES, ALL },
    { "$recursiveRef", MN_KW_RECURSIVE_REF, D19 },
    { "propertyNames", MN_KW_PROPERTY_NAMES, FROM6 },
    { "minProperties", MN_KW_MIN_PROPERTIES, ALL },
    { "maxProperties", MN_KW_MAX_PROPERTIES, ALL },
    { "$dynamicAnchor", MN_KW_DYNAMIC_ANCHOR, D20 },
    { "additionalItems", MN_KW_ADDITIONAL_ITEMS, ALL },
    { "exclusiveMinimum", MN_KW_EXCLUSIVE_MINIMUM, ALL },
    { "exclusiveMaximum", MN_KW_EXCLUSIVE_MAXIMUM, ALL },
    { "dependentSchemas", MN_KW_DEPENDENT_SCHEMAS, FROM19 },
    { "unevaluatedItems", MN_KW_UNEVALUATED_ITEMS, FROM19 },
    { "$recursiveAnchor", MN_KW_RECURSIVE_ANCHOR, D19 },
    { "patternProperties", MN_KW_PATTERN_PROPERTIES, ALL },
    { "dependentRequired", MN_KW_DEPENDENT_REQUIRED, FROM19 },
    { "additionalProperties", MN_KW_ADDITIONAL_PROPERTIES, ALL },
    { "unevaluatedProperties", MN_KW_UNEVALUATED_PROPERTIES, FROM19 },
};
enum { N_ENTRIES = sizeof table / sizeof *table, LONGEST = 21 };

/* first[n] is the first entry of n or more bytes. */
static const uint8_t first[LONGEST + 2] = { 0, 0, 0, 2, 4, 9, 15, 16, 21, 25, 27, 29, 36, 37, 41, 42,
                                            43, 48, 50, 50, 50, 51, 52 };

mn_keyword mn_keyword_find(const char *name, size_t len)
{
    if (len > LONGEST) return MN_KW_NONE;
    for (uint32_t i = first[len]; i < first[len + 1]; i++)
        if (!memcmp(table[i].name, name, len)) return (mn_keyword)table[i].keyword;
    return MN_KW_NONE;
}

static const entry *entry_of(mn_keyword k)
{
    for (uint32_t i = 0; i < N_ENTRIES; i++)
        if (table[i].keyword == k) return &table[i];
    return NULL;
}

mn_holds mn_keyword_holds(mn_keyword k)
{
    switch (k) {
    case MN_KW_ITEMS: return MN_HOLDS_EITHER;
    case MN_KW_ADDITIONAL_ITEMS: case MN_KW_CONTAINS: case MN_KW_ADDITIONAL_PROPERTIES:
    case MN_KW_PROPERTY_NAMES: case MN_KW_NOT: case MN_KW_IF: case MN_KW_THEN: case MN_KW_ELSE:
    case MN_KW_UNEVALUATED_ITEMS: case MN_KW_UNEVALUATED_PROPERTIES:
        return MN_HOLDS_SCHEMA;
    case MN_KW_PREFIX_ITEMS: case MN_KW_ALL_OF: case MN_KW_ANY_OF: case MN_KW_ONE_OF:
    case MN_KW_PROPERTIES: case MN_KW_PATTERN_PROPERTIES: case MN_KW_DEPENDENCIES:
    case MN_KW_DEPENDENT_SCHEMAS: case MN_KW_DEFS: case MN_KW_DEFINITIONS:
        return MN_HOLDS_SCHEMAS;
    default: return MN_HOLDS_NONE;
    }
}

bool mn_keyword_in_draft(mn_keyword k, int draft)
{
    static uint8_t const bit_of[] = { D4, D6, D7, D19, D20 };
    int i = draft == 4 ? 0 : draft == 6 ? 1 : draft == 7 ? 2 : draft == 2019 ? 3 : 4;
    const entry *e = entry_of(k);
    return e && (e->drafts & bit_of[i]);
}

void mn_schema_keywords(const mn_schema *s, const mn_jv *v, mn_keywords *out)
{
    memset(out, 0, sizeof *out);
    if (v->type != MN_J_OBJECT) return;
    uint8_t bit = s->draft == 4 ? D4 : s->draft == 6 ? D6 : s->draft == 7 ? D7 : s->draft == 2019 ? D19 : D20;
    for (uint32_t i = 0; i < v->n; i++) {
        const mn_jmember *m = &v->members[i];
        if (m->key_len > LONGEST) continue;
        for (uint32_t e = first[m->key_len]; e < first[m->key_len + 1]; e++) {
            if (memcmp(table[e].name, m->key, m->key_len)) continue;
            if (!(table[e].drafts & bit)) break;
            out->at[table[e].keyword] = &m->value;
            out->n_assertions += table[e].keyword <= MN_KW_UNEVALUATED_PROPERTIES;
            break;
        }
    }
    const mn_jv *ref = out->at[MN_KW_REF];
    if (ref && s->draft <= 7 && ref->type == MN_J_STRING) {
        memset(out, 0, sizeof *out);
        out->at[MN_KW_REF] = ref;
        out->n_assertions = 1;
    }
}

/* ---- what users see ------------------------------------------------------------------------ */

#define EVERY "4 6 7 2019-09 2020-12"
static const mn_keyword_info infos[] = {
    { "type", EVERY, "enforced", "1.0 is an integer" },
    { "enum", EVERY, "enforced", "" },
    { "const", "6 7 2019-09 2020-12", "enforced", "" },
    { "minimum", EVERY, "enforced", "decided on decimal digits" },
    { "maximum", EVERY, "enforced", "decided on decimal digits" },
    { "exclusiveMinimum", EVERY, "enforced", "a number, or a boolean beside minimum as in draft 4" },
    { "exclusiveMaximum", EVERY, "enforced", "a number, or a boolean beside maximum as in draft 4" },
    { "multipleOf", EVERY, "enforced", "decided on decimal digits; steps of up to 17 digits" },
    { "minLength", EVERY, "enforced", "code points" },
    { "maxLength", EVERY, "enforced", "code points" },
    { "pattern", EVERY, "enforced", "ECMA-262; look-behind, back-references and inline flags are refused" },
    { "format", EVERY, "enforced", "those that are known; others are annotations" },
    { "items", EVERY, "enforced", "a list is taken as prefixItems, also where 2020-12 has none" },
    { "prefixItems", "2020-12", "enforced", "" },
    { "additionalItems", EVERY, "enforced", "beside a list of items" },
    { "minItems", EVERY, "enforced", "" },
    { "maxItems", EVERY, "enforced", "" },
    { "uniqueItems", EVERY, "enforced", "refused under not, if and overlapping oneOf" },
    { "contains", "6 7 2019-09 2020-12", "enforced", "up to 4 on one array" },
    { "minContains", "2019-09 2020-12", "enforced", "" },
    { "maxContains", "2019-09 2020-12", "enforced", "" },
    { "properties", EVERY, "enforced", "in any order, or in the order of the schema" },
    { "patternProperties", EVERY, "enforced", "patterns may overlap in up to 64 ways" },
    { "additionalProperties", EVERY, "enforced", "" },
    { "propertyNames", "6 7 2019-09 2020-12", "enforced", "" },
    { "required", EVERY, "enforced", "" },
    { "minProperties", EVERY, "enforced", "" },
    { "maxProperties", EVERY, "enforced", "" },
    { "dependencies", EVERY, "enforced", "also where 2019-09 and later have none" },
    { "dependentRequired", "2019-09 2020-12", "enforced", "" },
    { "dependentSchemas", "2019-09 2020-12", "enforced", "" },
    { "allOf", EVERY, "enforced", "" },
    { "anyOf", EVERY, "enforced", "" },
    { "oneOf", EVERY, "enforced", "exactly one; branches that overlap are told apart by complements" },
    { "not", EVERY, "enforced", "up to 512 alternatives" },
    { "if", "7 2019-09 2020-12", "enforced", "" },
    { "then", "7 2019-09 2020-12", "enforced", "" },
    { "else", "7 2019-09 2020-12", "enforced", "" },
    { "unevaluatedItems", "2019-09 2020-12", "enforced", "" },
    { "unevaluatedProperties", "2019-09 2020-12", "enforced", "" },
    { "$ref", EVERY, "enforced", "inside the document; recursion is fine" },
    { "$dynamicRef", "2020-12", "enforced", "refused where several anchors can be meant" },
    { "$recursiveRef", "2019-09", "enforced", "refused where several anchors can be meant" },
    { "$schema", EVERY, "enforced", "chooses the draft; an unknown one means 2020-12" },
    { "$id", "6 7 2019-09 2020-12", "enforced", "base of references (id in draft 4)" },
    { "$anchor", "2019-09 2020-12", "enforced", "target of references" },
    { "$dynamicAnchor", "2020-12", "enforced", "target of references" },
    { "$recursiveAnchor", "2019-09", "enforced", "target of references" },
    { "$defs", EVERY, "enforced", "target of references (definitions)" },
    { "$vocabulary", "2019-09 2020-12", "annotation", "" },
    { "contentEncoding", "7 2019-09 2020-12", "annotation", "" },
    { "contentMediaType", "7 2019-09 2020-12", "annotation", "" },
    { "contentSchema", "2019-09 2020-12", "annotation", "" },
    { "title, description, default, examples, deprecated, readOnly, writeOnly, $comment", EVERY,
      "annotation", "" },
    { "any other keyword", EVERY, "annotation", "as JSON Schema has it" },
    { NULL, NULL, NULL, NULL },
};

const mn_keyword_info *mn_constraint_keywords(void) { return infos; }

/* The row that names it, alone or in a list; NULL: no keyword that is known. */
const mn_keyword_info *mn_keyword_info_of(const char *name, size_t len)
{
    for (const mn_keyword_info *k = infos; k->name; k++) {
        for (const char *at = k->name; at;) {
            size_t n = strcspn(at, ",");
            if (n == len && !memcmp(at, name, len)) return k;
            at = at[n] ? at + n + 2 : NULL;
        }
    }
    /* Two older names share the row of what replaced them. */
    if (len == 2 && !memcmp(name, "id", 2)) return mn_keyword_info_of("$id", 3);
    if (len == 11 && !memcmp(name, "definitions", 11)) return mn_keyword_info_of("$defs", 5);
    return NULL;
}
