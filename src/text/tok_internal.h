/* What the tokenizer's files share: the pipeline as data.
 *
 *   tok_added.c        finds added tokens in the text
 *   tok_normalize.c    text -> normalised text            (tok_charsmap.c: SentencePiece maps)
 *   tok_pretokenize.c  normalised text -> words           (tok_split.c: known patterns by
 *                                                          hand, tok_regex.c: the rest)
 *   tok_bpe.c, tok_unigram.c, tok_wordpiece.c             word -> ids
 *   detokenizer.c      ids -> text
 *   tokenizer.c        joins them, and answers questions about the vocabulary
 *   tok_json.c, tok_gguf.c, tok_sentencepiece.c           build them from files
 *
 * (1) A tokenizer is constant once built; everything an encode call changes is in its
 *     tok_call.
 * (2) Ids in [0, n_tokens) are real.  A BPE model may know further symbols ("virtual"
 *     ids from n_tokens on): pieces that merges go through but that are no tokens.
 * (3) Texts that reach a model are either any bytes (bytewise models) or valid UTF-8.
 */
#ifndef MN_TEXT_TOK_INTERNAL_H
#define MN_TEXT_TOK_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "text/tok_unicode.h"
#include "text/tokenizer.h"

#include <string.h>

/* ---- maps and tries (tok_vocab.c) ---------------------------------------------------- */

/* Open addressing from byte strings to ids.  Keys of up to 8 bytes are in the slots
 * themselves; longer ones are compared in `keys`, an array that the caller hands to every
 * call and in which a slot's id is the index. */
typedef struct {
    uint64_t head;              /* tok_head of a key of up to 8 bytes */
    uint32_t tag;               /* hash bits over the length (63: 63 or more) */
    int32_t id;                 /* -1: free */
} tok_slot;
typedef struct {
    tok_slot *slots;            /* owned */
    uint32_t mask, n;
} tok_map;

bool tok_map_init(tok_map *m, size_t n_expected);
void tok_map_clear(tok_map *m);
/* The id of an equal key that is there already, else `id` after inserting it; -1: no
 * memory. */
int32_t tok_map_put(tok_map *m, const mn_str *keys, int32_t id);
int32_t tok_map_find_hashed(const tok_map *m, const mn_str *keys, const char *s, size_t len,
                            uint64_t hash);

/* Up to 8 bytes as one word; different strings of one length give different words. */
static inline uint64_t tok_head(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    uint32_t low, high;
    if (len < 4)
        return len ? (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1] : 0;
    memcpy(&low, p, 4);
    memcpy(&high, p + len - 4, 4);
    return (uint64_t)high << 32 | low;
}

static inline uint64_t tok_fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t tok_map_hash(const char *s, size_t len)
{
    if (len > 8) return mn_hash64(s, len, 0);
    return tok_fold(tok_head(s, len) ^ UINT64_C(0xe7037ed1a0b428db),
                    UINT64_C(0x8ebc6af09c88c6e3) ^ len);
}

static inline int32_t tok_map_find(const tok_map *m, const mn_str *keys, const char *s, size_t len)
{
    return tok_map_find_hashed(m, keys, s, len, tok_map_hash(s, len));
}

/* A lookup with this hash comes soon. */
static inline void tok_map_prefetch(const tok_map *m, uint64_t hash)
{
    __builtin_prefetch(&m->slots[hash & m->mask]);
}

/* Byte trie in one hash table of (node, byte) -> node. */
typedef struct {
    uint64_t *slots;            /* key << 32 | child; 0: free */
    uint32_t mask, n_slots;
    int32_t *values;            /* [n_nodes] id or -1 */
    uint32_t n_nodes, capacity_nodes;
    uint8_t first[256];         /* 1: some key starts with this byte */
} tok_trie;

bool tok_trie_init(tok_trie *t);
void tok_trie_clear(tok_trie *t);
/* An existing key keeps its value unless `replace`.  false: no memory, or too large. */
bool tok_trie_put(tok_trie *t, const char *s, size_t len, int32_t value, bool replace);

static inline uint32_t tok_trie_slot(uint32_t mask, uint32_t key)
{
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
}

/* The node below `node` along `byte`; 0: none. */
static inline uint32_t tok_trie_child(const tok_trie *t, uint32_t node, unsigned char byte)
{
    uint32_t key = node << 8 | byte;
    for (uint32_t i = tok_trie_slot(t->mask, key);; i = (i + 1) & t->mask) {
        uint64_t slot = t->slots[i];
        if (slot == 0) return 0;
        if (slot >> 32 == key) return (uint32_t)slot;
    }
}

/* How many bytes of s the trie has as the start of some key. */
size_t tok_trie_path(const tok_trie *t, const char *s, size_t len);
/* Longest key that is a prefix of s; its length, 0 if none. */
size_t tok_trie_longest(const tok_trie *t, const char *s, size_t len, int32_t *value);

/* ---- normalisers (tok_normalize.c, tok_charsmap.c) ----------------------------------- */

/* Text with its start traced: the first `n_zero` bytes stem from offset 0 of the text
 * that was to be encoded (Metaspace's "first" asks for it). */
typedef struct {
    const char *s;
    size_t len, n_zero;
} tok_text;

/* SentencePiece's precompiled_charsmap: a Darts double array and replacement strings. */
typedef struct {
    uint32_t *units;
    size_t n_units;
    char *replacements;
    size_t replacements_len;
    bool plain[128];            /* no key is this character, alone or before another of ASCII */
} tok_charsmap;

minerva_status tok_charsmap_init(tok_charsmap *m, mn_arena *arena, const void *bytes,
                                 size_t len, minerva_error *err);
/* Replacement of the longest (shortest = true: of the shortest) prefix of s that the map
 * has: its length, or 0. */
size_t tok_charsmap_match(const tok_charsmap *m, const char *s, size_t len, bool shortest,
                          mn_str *replacement);

typedef struct tok_regex tok_regex;
typedef enum {
    TOK_NORM_NFC, TOK_NORM_NFD, TOK_NORM_NFKC, TOK_NORM_NFKD, TOK_NORM_LOWERCASE,
    TOK_NORM_STRIP, TOK_NORM_STRIP_ACCENTS, TOK_NORM_STRIP_NONSPACING, TOK_NORM_REPLACE,
    TOK_NORM_REPLACE_REGEX, TOK_NORM_PREPEND, TOK_NORM_APPEND, TOK_NORM_NMT,
    TOK_NORM_CHARSMAP, TOK_NORM_BERT_CLEAN, TOK_NORM_BERT_CHINESE, TOK_NORM_BYTE_LEVEL,
    TOK_NORM_SENTENCEPIECE, TOK_NORM_LLAMA_UGM, TOK_NORM_LLAMA_BERT, TOK_NORM_NFD_FIRST,
    TOK_NORM_LLAMA_MARKS, TOK_NORM_LLAMA_LOWER
} tok_norm_kind;

typedef struct {
    tok_norm_kind kind;
    bool left, right;           /* strip */
    mn_str pattern, content;    /* replace, prepend, append */
    tok_regex *regex;
    tok_charsmap charsmap;
    tok_trie *user_defined;     /* sentencepiece, llama-ugm: pieces left as they are */
    bool add_space, remove_extra_spaces, escape_spaces, space_behind;
    bool partial_matches;       /* llama.cpp: any start of a user-defined piece counts */
    bool first_only;            /* add_space at the start of the whole text alone */
} tok_norm;

void tok_sentencepiece_normalize(const tok_norm *n, tok_text in, mn_buffer *out);
void tok_llama_ugm_normalize(const tok_norm *n, tok_text in, mn_buffer *out);

/* ---- splitting (tok_split.c, tok_regex.c, tok_pretokenize.c) ------------------------- */

typedef enum { TOK_REMOVED, TOK_ISOLATED, TOK_MERGED_WITH_PREVIOUS, TOK_MERGED_WITH_NEXT,
               TOK_CONTIGUOUS } tok_behavior;

/* How the patterns of GPT-2 and its heirs differ (tok_split.c tells what each value
 * means). */
typedef struct {
    uint8_t contraction, word, digits, punct, newline, space;
    bool long_s;
    uint8_t common;             /* 1, 2, 3: GPT-2's, Llama 3's, Qwen 2's (tok_pattern_settle) */
} tok_rule;

/* A set of characters: by class, and by ranges; without those of `except`. */
typedef struct {
    uint32_t bits;              /* tok_unicode.h */
    const tok_range *ranges, *except;
    int n_ranges, n_except;
} tok_set;

typedef enum {
    TOK_PAT_RULE,               /* `rule` */
    TOK_PAT_SET,                /* "SET{least,most}", `lead` before it */
    TOK_PAT_WORDS,              /* "\\w+|[^\\w\\s]+" */
    TOK_PAT_GROUPS,             /* runs of digits in threes from their end */
    TOK_PAT_GROUP_BORDERS,      /* the empty places between such groups */
    TOK_PAT_TRAILING_SPACE,     /* "\\s+$" */
    TOK_PAT_LITERAL, TOK_PAT_REGEX
} tok_pattern_kind;

typedef struct {
    tok_pattern_kind kind;
    tok_rule rule;
    tok_set set;                /* groups: the digits; no bits: 0-9 */
    bool negated;               /* what is not in the set */
    char lead;                  /* may stand before: ' ' or 's' (any space); 0: nothing */
    bool bounded, merge_before; /* groups */
    size_t least, most;
    bool settled;
    uint64_t ascii[2];          /* the ASCII characters that the set (or its negation) has */
    mn_str literal;
    tok_regex *regex;
} tok_pattern;

typedef struct tok_call tok_call;

/* A walk through the matches in one text: all of it belongs to that text. */
typedef struct {
    size_t pos;                 /* where the search goes on */
    bool found;                 /* some match was found; it ended at pos */
    size_t run_start, run_end;  /* tok_regex.c: valid UTF-8 around pos */
    size_t spaces_from, spaces_to;      /* tok_split.c: white space without a newline */
    size_t digits_at, digits_left;      /* a place inside a run of digits, and how many
                                           follow from there */
} tok_scan;

/* The next match of the walk; false: none. */
bool tok_pattern_next(const tok_pattern *p, tok_call *c, const char *s, size_t len,
                      tok_scan *scan, size_t *start, size_t *end);
/* Precomputes what makes matching faster. */
void tok_pattern_settle(tok_pattern *p);
/* The hand-written pattern that means the same as this regular expression. */
bool tok_pattern_known(const char *regex, size_t len, tok_pattern *out);

minerva_status tok_regex_compile(tok_regex **out, const char *pattern, size_t len,
                                 minerva_error *err);
void tok_regex_free(tok_regex *r);
/* The same for an expression.  An empty match where the one before ended does not count. */
bool tok_regex_find(const tok_regex *r, tok_call *c, const char *s, size_t len,
                    tok_scan *scan, size_t *start, size_t *end);

typedef enum { TOK_PRE_SPLIT, TOK_PRE_PREFIX_SPACE, TOK_PRE_BYTE_MAP, TOK_PRE_METASPACE,
               TOK_PRE_SCRIPTS, TOK_PRE_FIXED_LENGTH } tok_pre_kind;
typedef enum { TOK_PREPEND_ALWAYS, TOK_PREPEND_FIRST, TOK_PREPEND_NEVER } tok_prepend;

typedef struct {
    tok_pre_kind kind;
    tok_pattern pattern;
    tok_behavior behavior;
    bool invert;
    mn_str replacement;         /* metaspace */
    tok_prepend prepend;
    bool split;
    size_t length;              /* fixed length */
} tok_pre;

/* ---- models -------------------------------------------------------------------------- */

typedef enum { TOK_BPE, TOK_SCORE_BPE, TOK_UNIGRAM, TOK_WORDPIECE, TOK_LLAMA_WORDPIECE,
               TOK_WORDLEVEL, TOK_CHARS, TOK_GREEDY, TOK_PLAMO2 } tok_model_kind;

typedef struct {
    uint32_t left, right, rank;
    int32_t id;                 /* -1: free slot */
} tok_pair;

typedef struct {
    tok_model_kind kind;
    mn_str *keys;               /* [n_keys] what the model looks up, by id */
    int32_t n_keys, capacity_keys;
    tok_map map;
    int32_t unk;                /* -1: none */
    int32_t byte_id[256];       /* tokens for single bytes, or -1 */

    /* BPE */
    bool bytewise;              /* symbols start as bytes, else as code points */
    bool byte_fallback, fuse_unk, ignore_merges;
    bool late_bytes;            /* unknown symbols become byte tokens after merging, */
    bool late_unk;              /* or `unk` if not all of their bytes are tokens */
    bool cut_at_space;          /* no merge joins X with a following U+2581 */
    bool newlines_whole;        /* a word of newlines alone may be one token */
    bool join_unk;              /* runs of unknown ids are one id (SentencePiece) */
    mn_str prefix, suffix;      /* continuing_subword_prefix, end_of_word_suffix */
    tok_pair *pairs;
    uint32_t pairs_mask, n_pairs;
    int32_t byte_symbol[256];   /* bytewise: the symbol a byte starts as, or -1 */
    int32_t ascii_symbol[128];  /* else: the same for ASCII characters */
    uint32_t *score_key;        /* [n_tokens] score BPE: smaller is merged first */
    size_t max_key_len;

    /* Unigram, WordPiece, greedy */
    double *scores;             /* [n_tokens] */
    double unk_score;
    bool float_sums;            /* scores are added in single precision */
    bool lead_lengths;          /* characters are as long as their first byte says */
    tok_trie trie, trie_inner;
    int64_t max_word_chars;
} tok_model;

/* ---- decoders (detokenizer.c) -------------------------------------------------------- */

typedef enum {
    TOK_DEC_BYTE_LEVEL,         /* pieces in GPT-2's alphabet */
    TOK_DEC_BYTES,              /* pieces that are bytes already; start: spaces to drop */
    TOK_DEC_BYTE_FALLBACK, TOK_DEC_METASPACE, TOK_DEC_WORDPIECE, TOK_DEC_REPLACE,
    TOK_DEC_REPLACE_REGEX, TOK_DEC_FUSE, TOK_DEC_STRIP, TOK_DEC_CTC, TOK_DEC_BPE,
    TOK_DEC_JOIN_SPACES, TOK_DEC_SENTENCEPIECE
} tok_dec_kind;

typedef struct {
    tok_dec_kind kind;
    mn_str a, b;                /* pattern and content; prefix; suffix; pad and delimiter */
    tok_regex *regex;
    size_t start, stop;         /* strip */
    bool cleanup;               /* wordpiece, ctc */
    bool drop_first;            /* metaspace: marks in the first piece vanish */
    bool drop_all;              /* sentencepiece: all spaces at the start, not one */
} tok_dec;

/* ---- the tokenizer -------------------------------------------------------------------- */

enum { TOK_SPECIAL = 1, TOK_ADDED = 2, TOK_BYTE = 4, TOK_CONTROL = 8, TOK_UNKNOWN = 16,
       TOK_LSTRIP = 32, TOK_RSTRIP = 64, TOK_SINGLE_WORD = 128,
       TOK_KEPT = 256 };       /* special, but decoding does not skip it */

struct mn_tokenizer {
    mn_arena arena;
    int32_t n_tokens;
    mn_str *text;               /* [n_tokens] as spelled; data NULL: no such id */
    mn_str *bytes;              /* [n_tokens] in running text */
    mn_str *pieces;             /* [n_tokens] what decoding starts from; may be `bytes` */
    uint16_t *flags;            /* [n_tokens] TOK_SPECIAL ... */
    tok_model model;
    tok_trie added, added_normalized;
    bool has_added, has_added_normalized;
    tok_norm *norms;
    int n_norms;
    tok_pre *pres;
    int n_pres;
    bool ascii_spaces;          /* what lstrip and rstrip tokens take: ASCII spaces only */
    bool keeps_bytes;           /* broken UTF-8 goes through as it is, else as U+FFFD */
    tok_dec *decs;
    int n_decs;
    int32_t *prefix_ids, *suffix_ids;
    int n_prefix_ids, n_suffix_ids;
    mn_tokenizer_info info;
};

typedef struct tok_cache tok_cache;

struct tok_call {
    const mn_tokenizer *t;
    mn_ids *out;
    size_t first_out;           /* where this call's ids start */
    bool plain, failed;
    bool joins_unk;             /* the model's join_unk */
    bool after_unk, saw_unk;    /* then: the id before was; some was since cleared */
    tok_cache *cache;
    mn_buffer norm[2];
    mn_buffer *pre;             /* [n_pres] texts that steps rewrote */
    char *work;                 /* models' scratch memory */
    size_t work_bytes;
    void *match_data;           /* tok_regex.c's */
};

/* Room for `bytes` in c->work; NULL and c->failed on exhaustion. */
void *tok_call_work(tok_call *c, size_t bytes);
void tok_call_push(tok_call *c, int32_t id);

tok_text tok_normalize(tok_call *c, const tok_norm *norms, int n, tok_text in);
void tok_pretokenize(tok_call *c, int step, tok_text in);
void tok_model_word(tok_call *c, const char *s, size_t len);    /* through the cache */
void tok_bpe_word(tok_call *c, const char *s, size_t len);
void tok_unigram_word(tok_call *c, const char *s, size_t len);
void tok_wordpiece_word(tok_call *c, const char *s, size_t len);
void tok_llama_wordpiece_word(tok_call *c, const char *s, size_t len);
void tok_greedy_word(tok_call *c, const char *s, size_t len);
void tok_plamo2_word(tok_call *c, const char *s, size_t len);
void tok_regex_call_end(tok_call *c);

/* Added tokens in a text, left to right, the longest at each place. */
typedef struct {
    size_t scan;                /* where the search goes on */
    size_t done;                /* all before this has been given out */
} tok_added_scan;

/* false: no more.  [*start, *end) includes the spaces that the token takes with it. */
bool tok_added_next(tok_call *c, const tok_trie *trie, const char *s, size_t len,
                    tok_added_scan *scan, size_t *start, size_t *end, int32_t *id);

/* ---- building (used by the three sources) -------------------------------------------- */

mn_tokenizer *tok_new(void);
/* Arrays of n ids in the arena, all unused. */
bool tok_alloc_ids(mn_tokenizer *t, int64_t n);
mn_str tok_str(mn_arena *a, const char *s, size_t len);         /* copy; data NULL: no memory */
minerva_status tok_bpe_reserve_pairs(tok_model *m, size_t n, minerva_error *err);
/* false: no memory.  An existing pair keeps its rank unless `replace`. */
bool tok_bpe_put_pair(tok_model *m, uint32_t left, uint32_t right, uint32_t rank, int32_t id,
                      bool replace);
void tok_bpe_prefetch_pair(const tok_model *m, uint32_t left, uint32_t right);
/* Id of a key, after adding it as a virtual one if need be; -1: no memory. */
int32_t tok_model_symbol(mn_tokenizer *t, const char *s, size_t len);
void tok_bpe_finish(mn_tokenizer *t);
/* Single bytes of GPT-2's printable alphabet: code point -> byte, or -1; byte -> code
 * point. */
int tok_byte_of_alphabet(uint32_t cp);
uint32_t tok_alphabet_of_byte(unsigned char byte);
/* Writes the raw bytes of a token spelled in that alphabet to out (len bytes of room);
 * -1 if some character is not of it. */
long tok_alphabet_decode(const char *s, size_t len, char *out);
bool tok_byte_token(mn_str text, unsigned char *byte);          /* "<0x0A>" */
uint32_t tok_score_key(float score);    /* rising numbers for falling scores */

#define TOK_STR(s) ((mn_str){ "" s, sizeof s - 1 })
static inline bool tok_eq(mn_str a, const char *b)
{
    size_t n = 0;
    while (b[n]) n++;
    if (a.len != n) return false;
    for (size_t i = 0; i < n; i++)
        if (a.data[i] != b[i]) return false;
    return true;
}

#endif
