/* What must hold of every tokenizer that opened, whatever file it came from. */
#ifndef FUZZ_TOKENIZER_CHECKS_H
#define FUZZ_TOKENIZER_CHECKS_H

#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static inline void check(bool holds)
{
    if (!holds) abort();
}

/* A stream gives decode()'s text, in pieces of whole characters. */
static inline void check_stream(const mn_tokenizer *t, const int32_t *ids, size_t n,
                                bool skip_special)
{
    mn_buffer whole = { 0 }, pieces = { 0 };
    mn_detokenizer *d = NULL;
    minerva_error err = { 0 };
    check(!mn_tokenizer_decode(t, ids, n, skip_special, &whole, &err));
    check(!mn_detokenizer_create(&d, t, skip_special, &err));
    for (size_t i = 0; i <= n; i++) {
        size_t from = pieces.len;
        check(i < n ? !mn_detokenizer_feed(d, ids[i], &pieces, &err)
                    : !mn_detokenizer_finish(d, &pieces, &err));
        check(pieces.len == from || mn_utf8_valid(pieces.data + from, pieces.len - from));
    }
    check(pieces.len == whole.len);
    check(!whole.len || !memcmp(pieces.data, whole.data, whole.len));
    mn_detokenizer_free(d);
    mn_buffer_clear(&pieces);
    mn_buffer_clear(&whole);
}

static inline void check_text(const mn_tokenizer *t, const char *text, size_t len)
{
    minerva_error err = { 0 };
    int32_t n_tokens = mn_tokenizer_n_tokens(t);
    for (int mode = 0; mode < 4; mode++) {
        mn_encode_options o = { .no_special = mode & 1, .plain = mode >> 1 & 1 };
        mn_ids ids = { 0 };
        if (mn_tokenizer_encode(t, text, len, &o, &ids, &err)) {
            check(err.message[0]);
        } else {
            for (size_t i = 0; i < ids.n; i++)
                check(ids.ids[i] >= 0 && ids.ids[i] < n_tokens);
            check_stream(t, ids.ids, ids.n, mode & 1);
        }
        mn_ids_clear(&ids);
    }
}

/* Encodes and decodes the text, and decodes its bytes as ids. */
static inline void check_tokenizer(const mn_tokenizer *t, const uint8_t *text, size_t len)
{
    int32_t ids[64];
    size_t n = len < 64 ? len : 64;
    volatile size_t all = 0;
    check(mn_tokenizer_n_tokens(t) >= 0);
    for (int32_t i = 0; i < mn_tokenizer_n_tokens(t) && i < 1000; i++) {
        mn_str bytes = mn_tokenizer_bytes(t, i), spelled = mn_tokenizer_text(t, i);
        if (bytes.len) all += (unsigned char)bytes.data[bytes.len - 1];
        if (spelled.len) all += (unsigned char)spelled.data[spelled.len - 1];
        if (spelled.len) mn_tokenizer_find(t, spelled.data, spelled.len);
    }
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)text[i] - 2;
    check_stream(t, ids, n, false);
    check_stream(t, ids, n, true);
    check_text(t, (const char *)text, len);
    check_text(t, "Hello  w\xc3\xb6rld\n\n\xe2\x96\x81 '\xff 12345 \xf0\x9f\x98\x80 <s>", 35);
}

#endif
