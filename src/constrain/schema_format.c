/* Formats that are asserted, as patterns.
 *
 * Each is the grammar of its standard, as far as it is regular: RFC 3339 (with the length
 * of months and leap years), RFC 5321 mailboxes, RFC 1123 host names, RFC 3986 and 3987
 * identifiers, RFC 4122, 4291, 6570, 6901.  Leap seconds are accepted at 23:59:60 UTC.
 * What is not regular, or what validators disagree on, is cut to what all of them take:
 * no quoted mailboxes and address literals, no host labels with "--" in third place
 * (Punycode), regular expressions with groups two deep and no back-references.
 * "idn-hostname" stays an annotation, like every name that is not in the table.
 */
#include "constrain/schema.h"

#define DAY31 "(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])"
#define DAY30 "(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)"
#define DAY28 "02-(?:0[1-9]|1\\d|2[0-8])"
#define LEAP_YEAR "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
#define DATE "(?:\\d{4}-(?:" DAY31 "|" DAY30 "|" DAY28 ")|" LEAP_YEAR "-02-29)"
#define ZONE "(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define TIME "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?" ZONE \
             "|23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))"
#define TIME_PART "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)"
#define DURATION "P(?:\\d+W|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:" TIME_PART ")?|" TIME_PART ")"

#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4 OCTET "\\." OCTET "\\." OCTET "\\." OCTET
#define H16 "[0-9A-Fa-f]{1,4}"
#define LS32 "(?:" H16 ":" H16 "|" IPV4 ")"
#define IPV6 "(?:(?:" H16 ":){6}" LS32 "|::(?:" H16 ":){5}" LS32 "|(?:" H16 ")?::(?:" H16 ":){4}" LS32 \
    "|(?:(?:" H16 ":){0,1}" H16 ")?::(?:" H16 ":){3}" LS32 "|(?:(?:" H16 ":){0,2}" H16 ")?::(?:" H16 ":){2}" LS32 \
    "|(?:(?:" H16 ":){0,3}" H16 ")?::" H16 ":" LS32 "|(?:(?:" H16 ":){0,4}" H16 ")?::" LS32 \
    "|(?:(?:" H16 ":){0,5}" H16 ")?::" H16 "|(?:(?:" H16 ":){0,6}" H16 ")?::)"

#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,2}[A-Za-z0-9]|[A-Za-z0-9-](?:[A-Za-z0-9][A-Za-z0-9-]|-[A-Za-z0-9])" \
    "[A-Za-z0-9-]{0,58}[A-Za-z0-9])?"
#define HOSTNAME LABEL "(?:\\." LABEL ")*"
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define EMAIL ATEXT "+(?:\\." ATEXT "+)*@" LABEL "(?:\\." LABEL ")+"
#define U_LABEL "[A-Za-z0-9\\u0080-\\u{10FFFF}](?:[A-Za-z0-9\\u0080-\\u{10FFFF}-]{0,61}[A-Za-z0-9\\u0080-\\u{10FFFF}])?"
#define U_ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\u{10FFFF}-]"
#define IDN_EMAIL U_ATEXT "+(?:\\." U_ATEXT "+)*@" U_LABEL "(?:\\." U_LABEL ")*"

#define PCT "%[0-9A-Fa-f]{2}"
#define UCS "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}" \
    "\\u{30000}-\\u{3FFFD}\\u{40000}-\\u{4FFFD}\\u{50000}-\\u{5FFFD}\\u{60000}-\\u{6FFFD}" \
    "\\u{70000}-\\u{7FFFD}\\u{80000}-\\u{8FFFD}\\u{90000}-\\u{9FFFD}\\u{A0000}-\\u{AFFFD}" \
    "\\u{B0000}-\\u{BFFFD}\\u{C0000}-\\u{CFFFD}\\u{D0000}-\\u{DFFFD}\\u{E1000}-\\u{EFFFD}"
/* `u`: more characters that count as unreserved (none, or UCS). */
#define NAME_CHAR(u, more) "(?:[A-Za-z0-9._~!$&'()*+,;=" more u "-]|" PCT ")"
#define SEGMENT(u) NAME_CHAR(u, ":@")
#define AUTHORITY(u) "(?:" NAME_CHAR(u, ":") "*@)?(?:\\[(?:" IPV6 "|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]|" \
    NAME_CHAR(u, "") "*)(?::\\d*)?"
#define ABEMPTY(u) "(?:/" SEGMENT(u) "*)*"
#define TAIL(u) "(?:\\?(?:" SEGMENT(u) "|[/?])*)?(?:#(?:" SEGMENT(u) "|[/?])*)?"
#define SCHEME "[A-Za-z][A-Za-z0-9+.-]*:"
#define ABSOLUTE(u) SCHEME "(?://" AUTHORITY(u) ABEMPTY(u) "|/?" SEGMENT(u) "+" ABEMPTY(u) "|/)" TAIL(u)
#define RELATIVE(u) "(?://" AUTHORITY(u) ABEMPTY(u) "|/(?:" SEGMENT(u) "+" ABEMPTY(u) ")?|" \
    NAME_CHAR(u, "@") "+" ABEMPTY(u) "|)" TAIL(u)

#define VARNAME "(?:[A-Za-z0-9_]|" PCT ")+"
#define VARSPEC VARNAME "(?::[1-9]\\d{0,3}|\\*)?"
#define EXPRESSION "\\{[+#./;?&=,!@|]?" VARSPEC "(?:," VARSPEC ")*\\}"
#define TEMPLATE_CHAR "(?:[!#$&(-;=?-\\[\\]_a-z~" UCS "\\uE000-\\uF8FF]|" PCT ")"
#define POINTER "(?:/(?:[^~/]|~[01])*)*"

#define RE_ESCAPE "\\\\(?:[dDwWsStnrfv^$\\\\.*+?()\\[\\]{}|/]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
#define RE_CLASS "\\[\\^?(?:a-[a-z]|A-[A-Z]|[01]-[1-9]|\\\\-|" RE_ESCAPE "|[^\\\\\\[\\]^-])+-?\\]"
#define RE_TIMES "(?:(?:[*+?]|\\{(?:\\d{1,3},?|[01],[1-9]\\d{0,2}|[2-9],[1-9]\\d{1,2}|2,[2-9]|3,[3-9]|4,[4-9]|5,[5-9])\\})\\?" "?)?"
#define RE_ATOM "(?:[^\\\\()\\[\\]{}*+?|^$]|" RE_ESCAPE "|" RE_CLASS ")" RE_TIMES "|[\\^$]|\\\\[bB]"
#define RE_LIST(term) "(?:" term ")*(?:\\|(?:" term ")*)*"
#define RE_GROUP(list) "\\((?:\\?:)?" list "\\)" RE_TIMES "|\\(\\?[=!]" list "\\)"
#define RE_LIST1 RE_LIST(RE_ATOM "|" RE_GROUP(RE_LIST(RE_ATOM)))
#define RE_LIST2 RE_LIST(RE_ATOM "|" RE_GROUP(RE_LIST1))

static const struct { const char *name, *pattern; } formats[] = {
    { "date-time", "^" DATE "[Tt]" TIME "$" },
    { "date", "^" DATE "$" },
    { "time", "^" TIME "$" },
    { "duration", "^" DURATION "$" },
    { "email", "^" EMAIL "$" },
    { "idn-email", "^" IDN_EMAIL "$" },
    { "hostname", "^(?=[^]{1,253}$)" HOSTNAME "$" },
    { "ipv4", "^" IPV4 "$" },
    { "ipv6", "^" IPV6 "$" },
    { "uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$" },
    { "uri", "^" ABSOLUTE("") "$" },
    { "uri-reference", "^(?:" ABSOLUTE("") "|" RELATIVE("") ")$" },
    { "iri", "^" ABSOLUTE(UCS) "$" },
    { "iri-reference", "^(?:" ABSOLUTE(UCS) "|" RELATIVE(UCS) ")$" },
    { "uri-template", "^(?:" TEMPLATE_CHAR "|" EXPRESSION ")*$" },
    { "json-pointer", "^" POINTER "$" },
    { "regex", "^(?:" RE_LIST2 ")$" },
    { "relative-json-pointer", "^(?:0|[1-9]\\d*)(?:#|" POINTER ")$" },
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

bool mn_schema_format_is_known(const char *name, size_t len)
{
    for (uint32_t i = 0; i < N_FORMATS; i++)
        if (strlen(formats[i].name) == len && !memcmp(formats[i].name, name, len)) return true;
    return false;
}

uint32_t mn_schema_format(mn_schema *s, const char *name, size_t len)
{
    for (uint32_t i = 0; i < N_FORMATS; i++) {
        if (strlen(formats[i].name) != len || memcmp(formats[i].name, name, len)) continue;
        return mn_schema_pattern(s, NULL, "format", formats[i].pattern, (uint32_t)strlen(formats[i].pattern));
    }
    return UINT32_MAX;
}

const char *const *mn_constraint_formats(void)
{
    static const char *const names[] = {
        "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "ipv4", "ipv6", "uuid",
        "uri", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer",
        "regex", "relative-json-pointer", NULL };
    _Static_assert(sizeof names / sizeof *names == N_FORMATS + 1, "one name per format");
    return names;
}
