/* Tests: what stands behind `is`. */
#include "text/jinja_run.h"

#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

typedef const mn_jcall *call_t;

#define TYPE_TEST(name, condition) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        *out = mn_j_bool(condition); \
        return true; \
    }
TYPE_TEST(test_defined, self.type != J_UNDEFINED)
TYPE_TEST(test_undefined, self.type == J_UNDEFINED)
TYPE_TEST(test_none, self.type == J_NONE)
TYPE_TEST(test_boolean, self.type == J_BOOL)
TYPE_TEST(test_true, self.type == J_BOOL && self.b)
TYPE_TEST(test_false, self.type == J_BOOL && !self.b)
TYPE_TEST(test_integer, self.type == J_INT)
TYPE_TEST(test_float, self.type == J_FLOAT)
TYPE_TEST(test_number, mn_j_is_number(self))
TYPE_TEST(test_string, self.type == J_STR)
TYPE_TEST(test_mapping, self.type == J_DICT)
TYPE_TEST(test_iterable, mn_j_is_iterable(self))
TYPE_TEST(test_sequence, self.type == J_STR || self.type == J_LIST || self.type == J_TUPLE
          || self.type == J_DICT || self.type == J_RANGE || self.type == J_UNDEFINED)
TYPE_TEST(test_callable, self.type == J_FUNCTION || self.type == J_METHOD
          || self.type == J_MACRO || self.type == J_LOOP || self.type == J_JOINER
          || self.type == J_BLOCK || self.type == J_UNDEFINED)
TYPE_TEST(test_escaped, self.type == J_STR && self.flags & J_MARKUP)
TYPE_TEST(test_sameas, mn_j_same(self, call->args[0]))
TYPE_TEST(test_filter, self.type == J_STR && mn_j_find_filter(self))
TYPE_TEST(test_test, self.type == J_STR && mn_j_find_test(self))

/* self % divisor == remainder */
static bool remains(mn_jrun *r, mn_jvalue self, mn_jvalue divisor, int64_t remainder,
                    mn_jvalue *out)
{
    bool yes;
    mn_jvalue left;
    if (!mn_j_binary(r, OP_MOD, self, divisor, &left)
        || !mn_j_equal(r, left, mn_j_int(remainder), &yes)) return false;
    *out = mn_j_bool(yes);
    return true;
}

static bool test_odd(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return remains(r, self, mn_j_int(2), 1, out);
}

static bool test_even(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return remains(r, self, mn_j_int(2), 0, out);
}

static bool test_divisibleby(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return remains(r, self, call->args[0], 0, out);
}

static bool of_case(mn_jrun *r, const char *method, mn_jvalue self, mn_jvalue *out)
{
    const mn_jcall none = { 0 };
    return mn_j_to_str(r, self, &self)
        && mn_j_apply(r, mn_j_find_str_method(mn_j_cstr(method)), self, &none, out);
}

static bool test_lower(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return of_case(r, "islower", self, out);
}

static bool test_upper(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return of_case(r, "isupper", self, out);
}

#define COMPARE_TEST(name, op) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        bool yes; \
        if (!mn_j_compare(r, op, self, call->args[0], &yes)) return false; \
        *out = mn_j_bool(yes); \
        return true; \
    }
COMPARE_TEST(test_eq, CMP_EQ)
COMPARE_TEST(test_ne, CMP_NE)
COMPARE_TEST(test_lt, CMP_LT)
COMPARE_TEST(test_le, CMP_LE)
COMPARE_TEST(test_gt, CMP_GT)
COMPARE_TEST(test_ge, CMP_GE)
COMPARE_TEST(test_in, CMP_IN)

static const mn_jbuiltin tests[] = { { "defined", test_defined, "", 0, 0, 0 },
                                     { "undefined", test_undefined, "", 0, 0, 0 },
                                     { "none", test_none, "", 0, 0, 0 },
                                     { "boolean", test_boolean, "", 0, 0, 0 },
                                     { "true", test_true, "", 0, 0, 0 },
                                     { "false", test_false, "", 0, 0, 0 },
                                     { "integer", test_integer, "", 0, 0, 0 },
                                     { "float", test_float, "", 0, 0, 0 },
                                     { "number", test_number, "", 0, 0, 0 },
                                     { "string", test_string, "", 0, 0, 0 },
                                     { "mapping", test_mapping, "", 0, 0, 0 },
                                     { "iterable", test_iterable, "", 0, 0, 0 },
                                     { "sequence", test_sequence, "", 0, 0, 0 },
                                     { "callable", test_callable, "", 0, 0, 0 },
                                     { "escaped", test_escaped, "", 0, 0, 0 },
                                     { "sameas", test_sameas, "other", 1, 0, 0 },
                                     { "filter", test_filter, "", 0, 0, 0 },
                                     { "test", test_test, "", 0, 0, 0 },
                                     { "odd", test_odd, "", 0, 0, 0 },
                                     { "even", test_even, "", 0, 0, 0 },
                                     { "divisibleby", test_divisibleby, "num", 1, 0, 0 },
                                     { "lower", test_lower, "", 0, 0, 0 },
                                     { "upper", test_upper, "", 0, 0, 0 },
                                     { "in", test_in, "seq", 1, 0, 0 },
                                     { "==", test_eq, "?", 1, 0, 0 },
                                     { "eq", test_eq, "?", 1, 0, 0 },
                                     { "equalto", test_eq, "?", 1, 0, 0 },
                                     { "!=", test_ne, "?", 1, 0, 0 },
                                     { "ne", test_ne, "?", 1, 0, 0 },
                                     { ">", test_gt, "?", 1, 0, 0 },
                                     { "gt", test_gt, "?", 1, 0, 0 },
                                     { "greaterthan", test_gt, "?", 1, 0, 0 },
                                     { ">=", test_ge, "?", 1, 0, 0 },
                                     { "ge", test_ge, "?", 1, 0, 0 },
                                     { "<", test_lt, "?", 1, 0, 0 },
                                     { "lt", test_lt, "?", 1, 0, 0 },
                                     { "lessthan", test_lt, "?", 1, 0, 0 },
                                     { "<=", test_le, "?", 1, 0, 0 },
                                     { "le", test_le, "?", 1, 0, 0 } };

const mn_jbuiltin *mn_j_find_test(mn_jvalue name)
{
    return mn_j_find_in(tests, COUNT(tests), name);
}
