/* Constraints: what a generation may say, as token masks.
 *
 *   mn_vocab_trie     the vocabulary's bytes, once per tokenizer; constant afterwards
 *   mn_constraint     a compiled schema, pattern, grammar, ...; reference-counted
 *   mn_matcher        the state of one generation under a constraint
 *
 * (1) Nothing is dropped in silence: what cannot be enforced is refused when compiling,
 *     with MINERVA_UNSUPPORTED and a message that names the JSON path and the keyword.
 *     Malformed sources give MINERVA_INVALID, those past a limit MINERVA_LIMIT.
 * (2) A mask holds exactly the tokens that lead to a state from which the constraint can
 *     still be met.  End-of-generation tokens are in it exactly at accepting states.  Other
 *     special tokens count as the text they are spelled with in free text, triggers and the
 *     fixed pieces of structural tags (<tool_call>, </think>, ...), and never elsewhere.
 * (3) Masks are immutable and shared between all matchers of a constraint.
 *
 * Threads: a trie may be used by any number of threads.  A constraint fills its tables
 * while it is used: a constraint and all its matchers belong to one thread at a time.
 *
 * The sizes: masks are arrays of uint32 words, token t is bit t % 32 of word t / 32.
 */
#ifndef MN_CONSTRAIN_CONSTRAINT_H
#define MN_CONSTRAIN_CONSTRAINT_H

#include "base/buffer.h"
#include "minerva.h"

/* ---- vocabulary ------------------------------------------------------------------- */

typedef struct mn_vocab_trie mn_vocab_trie;

typedef struct {
    const char *bytes;      /* what the token stands for inside running text */
    uint32_t len;           /* 0: never allowed */
    bool special;           /* control token: see (2) */
} mn_vocab_token;

/* tokens  [n_tokens], borrowed for the call only
 * eog     [n_eog] ids that end a generation; allowed exactly at accepting states */
minerva_status mn_vocab_trie_create(mn_vocab_trie **out, const mn_vocab_token *tokens,
                                    int32_t n_tokens, const int32_t *eog, int32_t n_eog,
                                    minerva_error *err);
void mn_vocab_trie_free(mn_vocab_trie *t);      /* after all constraints compiled with it */
int32_t mn_vocab_trie_n_tokens(const mn_vocab_trie *t);
size_t mn_vocab_trie_size_bytes(const mn_vocab_trie *t);
/* Words of a mask: (n_tokens + 31) / 32. */
size_t mn_vocab_trie_mask_words(const mn_vocab_trie *t);

/* ---- compiling -------------------------------------------------------------------- */

typedef struct mn_constraint mn_constraint;

typedef enum {
    MN_CONSTRAINT_JSON_SCHEMA,      /* source: the schema, JSON text */
    MN_CONSTRAINT_JSON_OBJECT,      /* any JSON object; source unused */
    MN_CONSTRAINT_JSON,             /* any JSON value; source unused */
    MN_CONSTRAINT_REGEX,            /* the whole text matches an ECMA pattern */
    MN_CONSTRAINT_CHOICE,           /* source: a JSON array of strings */
    MN_CONSTRAINT_GBNF,             /* llama.cpp's grammars */
    MN_CONSTRAINT_LARK,
    MN_CONSTRAINT_EBNF,             /* W3C notation: rule ::= ... */
    MN_CONSTRAINT_STRUCTURAL_TAG    /* source: {"structures":[...],"triggers":[...]}, or the newer
                                       {"type":"structural_tag","format":{...}}; structural.c */
} mn_constraint_kind;

typedef enum {
    MN_WHITESPACE_DEFAULT,          /* at most one space after ',' and after ':' */
    MN_WHITESPACE_COMPACT,          /* none */
    MN_WHITESPACE_FLEXIBLE          /* between all tokens, at most whitespace_max bytes */
} mn_whitespace;

typedef enum {
    MN_KEYS_ANY_ORDER,
    MN_KEYS_SCHEMA_ORDER            /* declared keys in the order of the schema, then others */
} mn_key_order;

typedef enum {
    MN_DRAFT_DEFAULT,               /* "$schema" decides; without it 2020-12 */
    MN_DRAFT_4, MN_DRAFT_6, MN_DRAFT_7, MN_DRAFT_2019_09, MN_DRAFT_2020_12
} mn_schema_draft;

typedef struct {
    mn_whitespace whitespace;
    uint32_t whitespace_max;            /* FLEXIBLE and patterns: 0 means 64 */
    const char *whitespace_pattern;     /* ECMA; between all tokens; NULL: as above */
    mn_key_order key_order;
    mn_schema_draft draft;
    bool format_annotation;             /* "format" asserts nothing, as 2019-09 and later have it */
    /* Lazy: free text until one of these strings has been written; what follows the
     * trigger obeys the constraint (with keep_trigger the trigger is its first part), and
     * then the text ends.  For free text with several constrained pieces, each with its own
     * beginning and end, there are structural tags, which take no triggers here. */
    const char *const *triggers;
    int32_t n_triggers;
    bool keep_trigger;
    bool trigger_required;              /* generation may not end before a trigger */
    const char *start;                  /* grammars: the start rule (NULL: "root", "start") */
    uint32_t compile_ms;                /* 0: 1000 */
    size_t cache_bytes;                 /* masks kept; 0: 6 MiB */
} mn_constraint_options;

/* trie     NULL: byte-level use only (no masks)
 * options  NULL: defaults; its strings are borrowed for the call only
 * The constraint comes with one reference. */
minerva_status mn_constraint_compile(mn_constraint **out, const mn_vocab_trie *trie,
                                     mn_constraint_kind kind, const char *source, size_t len,
                                     const mn_constraint_options *options, minerva_error *err);
mn_constraint *mn_constraint_acquire(mn_constraint *c);
void mn_constraint_release(mn_constraint *c);
/* Nothing at all can satisfy it: the mask of its first state is empty. */
bool mn_constraint_is_empty(const mn_constraint *c);
size_t mn_constraint_size_bytes(const mn_constraint *c);

/* The keywords we know, for documentation and tests; ends with name == NULL. */
typedef struct {
    const char *name;
    const char *drafts;     /* "4 6 7 2019-09 2020-12" */
    const char *status;     /* "enforced", "annotation", "refused" */
    const char *note;       /* limits, in a few words; may be "" */
} mn_keyword_info;
const mn_keyword_info *mn_constraint_keywords(void);
/* What becomes of each keyword of one schema (schema_explain.c), in the order of the text.
 * The status is that of compiling it; a schema that does not compile has lines all the
 * same, unless it is no JSON. */
typedef struct {
    void (*on_line)(void *ctx, const minerva_schema_line *line);
    void *ctx;
    minerva_schema_summary *summary;        /* may be NULL */
} mn_schema_listener;
minerva_status mn_schema_explain(const char *text, size_t len, const mn_constraint_options *options,
                                 const mn_schema_listener *to, minerva_error *err);
/* The names of the formats that are asserted; ends with NULL. */
const char *const *mn_constraint_formats(void);

/* A bounded cache of compiled constraints, least recently used out first. */
typedef struct mn_constraint_cache mn_constraint_cache;
minerva_status mn_constraint_cache_create(mn_constraint_cache **out, const mn_vocab_trie *trie,
                                          size_t limit_bytes, minerva_error *err);
void mn_constraint_cache_free(mn_constraint_cache *cache);
/* As mn_constraint_compile; the reference returned is the caller's. */
minerva_status mn_constraint_cache_get(mn_constraint_cache *cache, mn_constraint **out,
                                       mn_constraint_kind kind, const char *source, size_t len,
                                       const mn_constraint_options *options, minerva_error *err);

/* ---- matching --------------------------------------------------------------------- */

typedef struct mn_matcher mn_matcher;

/* Holds a reference to the constraint. */
minerva_status mn_matcher_create(mn_matcher **out, mn_constraint *c, minerva_error *err);
void mn_matcher_free(mn_matcher *m);
void mn_matcher_reset(mn_matcher *m);
/* An independent copy in the same state. */
minerva_status mn_matcher_clone(mn_matcher **out, const mn_matcher *m, minerva_error *err);

/* The tokens allowed now.  *mask is valid until the next call on this matcher.
 * MINERVA_LIMIT: a table of this constraint is full; the generation must end. */
minerva_status mn_matcher_mask(mn_matcher *m, const uint32_t **mask, minerva_error *err);

/* Advance by a token.  MINERVA_INVALID: not allowed here; the state is unchanged. */
minerva_status mn_matcher_accept(mn_matcher *m, int32_t token, minerva_error *err);
/* Advance by bytes (one step for rollback).  *n_accepted (may be NULL): how many bytes
 * could be taken; fewer than len is MINERVA_INVALID and leaves the state unchanged. */
minerva_status mn_matcher_accept_bytes(mn_matcher *m, const char *bytes, size_t len,
                                       size_t *n_accepted, minerva_error *err);
/* How many of these tokens could be accepted one after the other; the state is unchanged. */
int32_t mn_matcher_count_acceptable(mn_matcher *m, const int32_t *tokens, int32_t n);

/* Take back the last n accepted steps (tokens or accept_bytes calls); at least the last
 * 256 can be.  MINERVA_INVALID: more than there are; the state is unchanged. */
minerva_status mn_matcher_rollback(mn_matcher *m, int32_t n, minerva_error *err);

bool mn_matcher_is_accepting(const mn_matcher *m);  /* generation may end here */
bool mn_matcher_is_finished(const mn_matcher *m);   /* an end token was accepted */
/* Free text: before a trigger of a lazy constraint, or outside a structural tag's pieces. */
bool mn_matcher_is_free(const mn_matcher *m);

/* Append the bytes that must come next whatever the model says, at most max_bytes; none
 * at a choice or an accepting state. */
minerva_status mn_matcher_forced(mn_matcher *m, mn_buffer *out, size_t max_bytes,
                                 minerva_error *err);

/* Some allowed token begins with these bytes and goes on behind them: a token that ends
 * there might not be how a tokenizer writes the text in the end. */
bool mn_matcher_extends(mn_matcher *m, const char *bytes, size_t len);

typedef struct {
    uint64_t mask_hits, mask_misses, evictions;
    size_t mask_bytes, table_bytes;
} mn_constraint_stats;
void mn_constraint_stats_get(const mn_constraint *c, mn_constraint_stats *out);

/* ---- instances --------------------------------------------------------------------- */

/* JSON text on one line with ", " and ": " between tokens, numbers spelled as they are in
 * `json`, strings without needless escapes; duplicate keys are refused.  This is how the
 * schema suite writes an instance. */
minerva_status mn_json_compact(mn_buffer *out, const char *json, size_t len,
                               minerva_error *err);

#endif
