/* What both directions of a vocabulary's conversion share. */
#include "convert/vocab.h"

#include <stdlib.h>
#include <string.h>

/* Words, numbers, contractions, case, spaces, scripts, marks, emoji, code. */
static const char PROBE[] =
    "Hello world, it's 3 o'clock; we'll've SEEN 12345678 things!  Two  spaces,\ttab\n\nlines\r\n"
    " \n  indented  \n don't DON'T I'm\tx=y+z; for(i=0;i<10;++i){a[i]*=2;} 1,000.50 $9 #tag @me\n"
    "CamelCaseWords snake_case_words HTTPServer iPhone\xC2\xA0nbsp 3.14159e-10 0x1F 1st 2nd\n"
    "Gr\xC3\xBC\xC3\x9F""e, na\xC3\xAFve \xC3\x89t\xC3\xA9 \xC3\x85ngstr\xC3\xB6m "
    "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xD0\xBC\xD0\xB8\xD1\x80 "
    "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C\xEF\xBC\x8C\xE5\x86\x8D\xE8\xA7\x81\xE3\x80\x82"
    " \xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF \xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 "
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7 \xE0\xA4\xA8\xE0\xA4\xAE\xE0\xA4\xB8\xE0\xA5\x8D\xE0\xA4\xA4"
    "\xE0\xA5\x87 \xE0\xB8\xAA\xE0\xB8\xA7\xE0\xB8\xB1\xE0\xB8\xAA \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\n"
    "\xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD \xE2\x82\xAC""5 \xC2\xBD \xE2\x85\xA7 "
    "\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4 ...!!!??? --- === ((())) \"quoted\" 'single' `tick` \\back\\ "
    "a/b/c.d <b>x</b> %20 & * ^ ~ | {}[]\n\n\n   end   ";

mn_gguf_vocab mn_vocab_as_gguf(const mn_vocab *v)
{
    static const char gpt2[] = "gpt2", llama[] = "llama";
    mn_gguf_vocab g = { .n_tokens = v->n, .n_merges = v->n_merges, .scores = v->scores,
                        .types = v->types, .token_text = (const mn_str *)v->tokens,
                        .merges = (const mn_str *)v->merges, .escape_whitespaces = true,
                        .add_bos = v->add_bos, .add_eos = v->add_eos, .add_sep = -1,
                        .add_space_prefix = v->add_space, .bos = v->ids[MN_ID_BOS],
                        .eos = v->ids[MN_ID_EOS], .unk = v->ids[MN_ID_UNK],
                        .sep = v->ids[MN_ID_SEP], .pad = v->ids[MN_ID_PAD],
                        .cls = v->ids[MN_ID_CLS], .mask = v->ids[MN_ID_MASK],
                        .eot = v->ids[MN_ID_EOT], .eom = v->ids[MN_ID_EOM] };
    g.model = v->bytewise ? (mn_str){ gpt2, 4 } : (mn_str){ llama, 5 };
    if (v->pre) g.pre = (mn_str){ v->pre, strlen(v->pre) };
    return g;
}

static bool same_ids(const mn_tokenizer *a, const mn_tokenizer *b, const char *text, size_t len,
                     const mn_encode_options *how)
{
    mn_ids x = { 0 }, y = { 0 };
    bool same = mn_tokenizer_encode(a, text, len, how, &x, NULL) == MINERVA_OK &&
                mn_tokenizer_encode(b, text, len, how, &y, NULL) == MINERVA_OK && x.n == y.n &&
                (!x.n || !memcmp(x.ids, y.ids, x.n * sizeof *x.ids));
    mn_ids_clear(&x);
    mn_ids_clear(&y);
    return same;
}

bool mn_vocab_same(const mn_tokenizer *a, const mn_tokenizer *b, bool special)
{
    const mn_encode_options plain = { .no_special = true }, full = { 0 };
    if (!same_ids(a, b, PROBE, sizeof PROBE - 1, &plain)) return false;
    for (const char *p = PROBE; *p; p += strcspn(p, " ") + 1) {
        size_t n = strcspn(p, "\n");        /* from every word to the end of its line */
        if (!same_ids(a, b, p, n, &plain)) return false;
        if (!p[strcspn(p, " ")]) break;
    }
    return !special || same_ids(a, b, "Hello", 5, &full);
}

mn_tokenizer *mn_vocab_open_dir(mn_convert *c)
{
    enum { LIMIT = 512 << 20 };
    const mn_model_dir *d = c->source->dir;
    char *text = NULL, *config = NULL;
    size_t len = 0, config_len = 0;
    mn_tokenizer *t = NULL;
    mn_model_dir_text(d, "tokenizer_config.json", LIMIT, &config, &config_len, NULL);
    if (mn_model_dir_text(d, "tokenizer.json", LIMIT, &text, &len, NULL) == MINERVA_OK)
        c->status = mn_tokenizer_from_json(&t, text, len, config, config_len, c->err);
    else if (mn_model_dir_text(d, "tokenizer.model", LIMIT, &text, &len, NULL) == MINERVA_OK)
        c->status = mn_tokenizer_from_sentencepiece(&t, text, len, config, config_len, c->err);
    free(text);
    free(config);
    return t;
}

/* ---- tokenizer.model ------------------------------------------------------------------------ */

/* Protocol buffers: a key (field << 3 | type), then a varint, 4 or 8 bytes, or a length and
 * bytes.  ModelProto: 1 = pieces {1 text, 2 score, 3 type}, 3 = normaliser {3 dummy prefix}. */
typedef struct {
    const uint8_t *p, *end;
    bool bad;
} reader;

static uint64_t varint(reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        uint8_t byte = *r->p++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return v;
    }
    r->bad = true;
    return 0;
}

/* The next field: its number, 0 at the end; *value or *bytes. */
static int field(reader *r, uint64_t *value, reader *bytes)
{
    if (r->bad || r->p >= r->end) return 0;
    uint64_t key = varint(r), n = key & 7;
    size_t left = (size_t)(r->end - r->p);
    *value = 0;
    *bytes = (reader){ r->p, r->p, false };
    if (n == 0) {
        *value = varint(r);
    } else if (n == 1 || n == 5 || n == 2) {
        uint64_t size = n == 1 ? 8 : n == 5 ? 4 : varint(r);
        left = (size_t)(r->end - r->p);
        if (size > left) r->bad = true;
        else {
            *bytes = (reader){ r->p, r->p + size, false };
            r->p += size;
        }
    } else {
        r->bad = true;
    }
    return r->bad ? 0 : (int)(key >> 3 & 0xffff);
}

static void read_piece(mn_vocab *v, reader piece, int64_t at)
{
    uint64_t value;
    reader bytes;
    v->types[at] = MN_TOKEN_NORMAL;
    for (int f; (f = field(&piece, &value, &bytes));) {
        if (f == 1) v->tokens[at] = (mn_gguf_string){ (const char *)bytes.p,
                                                      (size_t)(bytes.end - bytes.p) };
        if (f == 2 && bytes.end - bytes.p == 4) memcpy(&v->scores[at], bytes.p, 4);
        if (f == 3 && value >= 1 && value <= 6) v->types[at] = (int32_t)value;
    }
}

bool mn_sentencepiece_read(mn_convert *c, mn_vocab *v, const char *bytes, size_t len)
{
    uint64_t value;
    reader all = { (const uint8_t *)bytes, (const uint8_t *)bytes + len, false }, r = all, part;
    int64_t n = 0;
    for (int f; (f = field(&r, &value, &part));) n += f == 1;
    if (r.bad || !n || n > 1 << 24) return false;
    v->tokens = mn_convert_alloc(c, (size_t)n, sizeof *v->tokens);
    v->types = mn_convert_alloc(c, (size_t)n, sizeof *v->types);
    v->scores = mn_convert_alloc(c, (size_t)n, sizeof *v->scores);
    if (c->status) return false;
    r = all;
    for (int f; (f = field(&r, &value, &part));) {
        if (f == 1) read_piece(v, part, v->n++);
        reader inner = part;
        for (int g; f == 3 && (g = field(&inner, &value, &part));)
            if (g == 3) v->add_space = value != 0;
    }
    return true;
}
