/* Inside of the chat output parser: the styles of tool calls, and the parser's state.
 *
 * Input waits in `in` from `at` on; step functions take from it what they can decide and
 * return false when they need more (or, once is_final is set, when nothing is left).
 *
 *   TEXT --open--> BLOCK --> JSON | NAMED | XML | PYTHON | GEMMA --> AFTER --> TEXT
 *   TEXT <--> HEADER (gpt-oss: channel and recipient of a message) --> WHOLE, TEXT
 */
#ifndef MN_TEXT_CHAT_PARSER_H
#define MN_TEXT_CHAT_PARSER_H

#include "text/chat_format.h"

enum { CHAT_MOST_HELD = 16 << 20, CHAT_MARKERS = 16 };

typedef enum {
    BODY_AUTO,   /* between <tool_call> tags: JSON, <function=...> or name<arg_key> */
    BODY_JSON,   /* {"name": ..., "arguments": ...}, several, or an array */
    BODY_NAMED,  /* name, marker, JSON arguments */
    BODY_XML,    /* function and parameter tags */
    BODY_PYTHON, /* [f(a=1), g()] */
    BODY_GEMMA   /* call:f{a:1,b:<|"|>x<|"|>} */
} mn_call_body;

/* <function=NAME>  <parameter=KEY>VALUE</parameter>  </function>
 * func  name_end body_open   key  key_end value_open  value_close  func_close */
typedef struct {
    const char *func, *name_end, *body_open;
    const char *key, *key_end, *value_open, *value_close;
    const char *func_close;
    bool trims_newlines;        /* one newline on each side of a value is layout */
    bool has_cdata;
} mn_xml_style;

struct mn_call_style {
    mn_call_body body;
    const char *open, *close;   /* around one or more calls; close may be NULL */
    const char *dropped[6];     /* further markup, never content */
    const mn_xml_style *xml;
    const char *name_end[2];    /* BODY_NAMED: between name and arguments; and, after the
                                   name, before an id that name_end[0] ends */
    bool is_keyed;              /* BODY_JSON: {"f": {arguments}} */
    bool takes_bare_json;       /* a whole answer that is a call needs no marker */
    bool takes_bare_python;
    bool has_headers;           /* gpt-oss: <|channel|>...<|message|>...<|end|> */
    bool has_recipients;        /* functionary v3.2: >>>name\n... */
    bool is_code;               /* <|python_tag|>: what is no call is code */
};

typedef enum {
    CHAT_TEXT,
    CHAT_BLOCK,
    CHAT_JSON,
    CHAT_NAMED,
    CHAT_NAMED_ID,
    CHAT_NAMED_GAP,
    CHAT_RAW_JSON,
    CHAT_XML_FUNC,
    CHAT_XML_NAME,
    CHAT_XML_HEAD,
    CHAT_XML_BODY,
    CHAT_XML_KEY,
    CHAT_XML_KEY_HEAD,
    CHAT_XML_VALUE,
    CHAT_PYTHON,
    CHAT_PYTHON_ARGS,
    CHAT_GEMMA,
    CHAT_WHOLE,
    CHAT_AFTER,
    CHAT_SKIP,
    CHAT_HEADER,
    CHAT_RECIPIENT
} mn_chat_state;

typedef enum {
    VALUE_GUESS,
    VALUE_STRING,
    VALUE_JSON,
    VALUE_NUMBER,
    VALUE_BOOLEAN
} mn_value_kind;

/* JSON with calls in it, byte by byte. */
typedef struct {
    uint8_t state, role;
    uint8_t level;              /* 1: in a call's object, 2: in its "function" object */
    bool in_string, is_escaped, is_scalar, has_args_key;
    int depth;
    uint32_t unit, high;        /* \u escapes */
    int n_hex;
    uint8_t inner;              /* arguments in a string: JSON or plain text? */
    bool inner_in_string, inner_is_escaped;
} mn_json_calls;

struct mn_chat_parser {
    mn_chat_format format;
    mn_chat_sink *sink;
    void *ctx;
    const json_t *tools;
    minerva_status status;

    mn_buffer in;
    size_t at;                  /* of the first byte not yet taken */
    size_t scanned;             /* from `at`: searched already without result */
    bool is_final;
    mn_chat_state state, last_state;

    bool in_reasoning, drops_space, has_content;
    mn_buffer space;            /* white space that may stand before a marker */

    int n_calls;                /* begun so far */
    bool is_open;               /* a call is open */
    bool has_args;              /* some of its arguments were emitted */
    bool is_tentative;          /* bare JSON or Python: perhaps content after all */
    mn_buffer tentative;        /* its text so far */
    mn_buffer name, id, args, key, value, header;
    const json_t *properties;   /* of the open call's parameters, if a schema is known */
    mn_json_calls json;
    const mn_xml_style *xml;
    mn_value_kind value_kind;
    bool is_value_begun;        /* a string's opening quote is out */
    int n_params;
    bool is_body_begun;         /* XML: no bare JSON from here on */
    bool is_first_header;       /* CHAT_HEADER: it begins in the prompt */
    bool is_wrapped; /* CHAT_WHOLE: arguments are text, wrapped as {"code": ...} */
};

/* ---- shared by chat_parser.c, chat_calls.c and chat_json.c ------------------------- */
static inline const char *mn_chat_rest(const mn_chat_parser *p)
{
    return p->in.data + p->at;
}
static inline size_t mn_chat_left(const mn_chat_parser *p) { return p->in.len - p->at; }
void mn_chat_take(mn_chat_parser *p, size_t n);
void mn_chat_skip_space(mn_chat_parser *p);
/* Does the input begin with s?  1 yes, 0 no, -1: more input is needed to tell. */
int mn_chat_begins(const mn_chat_parser *p, const char *s);

typedef struct {
    size_t at, len;             /* where the marker is, and its length */
    size_t safe;                /* bytes before which no marker can begin */
    int which;                  /* -1: none */
} mn_chat_match;
/* The first marker in the input; the longest of those that begin at one place. */
mn_chat_match mn_chat_find(const mn_chat_parser *p, const char *const *markers, int n);
/* Takes the input up to the marker, which is dropped, if it is there. */
bool mn_chat_take_until(mn_chat_parser *p, const char *marker, mn_buffer *before);

void mn_chat_begin_call(mn_chat_parser *p);
void mn_chat_flush_args(mn_chat_parser *p);
void mn_chat_end_call(mn_chat_parser *p, bool is_complete);
void mn_chat_to_text(mn_chat_parser *p);
bool mn_chat_step_call(mn_chat_parser *p);
void mn_chat_start_block(mn_chat_parser *p);
void mn_chat_start_json(mn_chat_parser *p);
bool mn_chat_step_json(mn_chat_parser *p);
bool mn_chat_step_raw_json(mn_chat_parser *p);      /* one value, the arguments */
void mn_chat_abandon(mn_chat_parser *p);    /* what was tentative is content */

/* ---- values (chat_values.c) -------------------------------------------------------- */
mn_value_kind mn_chat_kind_of(const json_t *properties, const char *key, size_t len);
/* A parameter's text as JSON. */
void mn_chat_write_value(mn_buffer *out, mn_value_kind kind, const char *s, size_t len);
void mn_chat_write_escaped(mn_buffer *out, const char *s, size_t len); /* inside quotes */
/* Arguments of a Python call, without the parentheses, or Gemma's object without braces,
 * as a JSON object.  False if they cannot be read. */
bool mn_chat_write_python(mn_buffer *out, const json_t *properties, const char *s,
                          size_t len);
bool mn_chat_write_gemma(mn_buffer *out, const char *s, size_t len);

#endif
