/* SentencePiece's normalisation: its compiled map, and the two programs around it.
 *
 * A precompiled_charsmap is a Darts double array (Yata 2008) from byte strings to offsets
 * into a blob of 0-terminated replacements:
 *
 *   u32 size of the array in bytes | array of u32 units | replacements
 *   unit: value (leaf)  31 bits         label  bit 31 and bits 0-7
 *         offset        bits 10-30, shifted left by 8 more if bit 9 is set
 *         has leaf      bit 8
 *
 * HuggingFace applies it to grapheme clusters (tok_normalize.c), SentencePiece and
 * llama.cpp to the longest prefix at each place, and these two also add, merge and escape
 * spaces, each in its own way.
 * (1) The array comes from a file: every step through it is checked against its size.
 */
#include "text/tok_internal.h"

#include "base/utf8.h"

#include <string.h>

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t unit_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* The unit below the one at `node` along c; 0: none. */
static uint32_t child(const tok_charsmap *m, size_t *node, unsigned char c)
{
    *node ^= c;
    if (*node >= m->n_units) return 0;
    uint32_t unit = m->units[*node];
    if ((unit & (1u << 31 | 0xFF)) != c) return 0;
    *node ^= unit_offset(unit);
    return unit;
}

static void find_plain(tok_charsmap *m)
{
    for (unsigned char c = 1; c < 128; c++) {
        size_t node = unit_offset(m->units[0]), below;
        uint32_t unit = child(m, &node, c);
        m->plain[c] = !(unit >> 8 & 1);
        for (unsigned char d = 1; unit && d < 128; d++) {
            below = node;
            if (child(m, &below, d)) m->plain[c] = false;
        }
    }
}

minerva_status tok_charsmap_init(tok_charsmap *m, mn_arena *arena, const void *bytes,
                                 size_t len, minerva_error *err)
{
    const unsigned char *p = bytes;
    *m = (tok_charsmap){ 0 };
    if (!len) return MINERVA_OK;
    size_t size = len >= 4 ? read_u32(p) : 0;
    if (len < 4 || size > len - 4 || size % 4 || size < 4)
        return mn_fail(err, MINERVA_INVALID, "precompiled_charsmap: a double array inside its "
                       "%zu bytes expected, one of %zu bytes found", len, size);
    m->n_units = size / 4;
    m->units = mn_arena_array(arena, m->n_units, sizeof *m->units);
    m->replacements_len = len - 4 - size;
    m->replacements = mn_arena_strndup(arena, (const char *)p + 4 + size, m->replacements_len);
    if (!m->units || !m->replacements) return mn_fail_memory(err, len);
    for (size_t i = 0; i < m->n_units; i++) m->units[i] = read_u32(p + 4 + 4 * i);
    if (!mn_utf8_valid(m->replacements, m->replacements_len))
        return mn_fail(err, MINERVA_INVALID, "precompiled_charsmap: replacements in UTF-8 "
                       "expected, other bytes found");
    find_plain(m);
    return MINERVA_OK;
}

static bool replacement_at(const tok_charsmap *m, uint32_t value, mn_str *out)
{
    size_t at = value & 0x7FFFFFFF;
    if (at > m->replacements_len || ((unsigned char)m->replacements[at] & 0xC0) == 0x80)
        return false;
    *out = (mn_str){ m->replacements + at, strlen(m->replacements + at) };
    return true;
}

size_t tok_charsmap_match(const tok_charsmap *m, const char *s, size_t len, bool shortest,
                          mn_str *replacement)
{
    size_t best = 0;
    if (!m->n_units) return 0;
    size_t node = unit_offset(m->units[0]);
    for (size_t i = 0; i < len && s[i]; i++) {
        uint32_t unit = child(m, &node, (unsigned char)s[i]);
        if (!unit) break;
        if (!(unit >> 8 & 1)) continue;
        if (node >= m->n_units) break;
        if (replacement_at(m, m->units[node], replacement)) best = i + 1;
        if (shortest && best) break;
    }
    return best;
}

/* ---- one step at a place --------------------------------------------------------------------- */

/* What the next prefix of s becomes; the bytes it takes.  Broken UTF-8 goes byte by byte. */
static size_t next_prefix(const tok_norm *n, const char *s, size_t len, mn_str *out)
{
    int32_t id;
    unsigned char c = (unsigned char)s[0];
    bool lone = c < 0x80 && (n->charsmap.plain[c] || !n->charsmap.n_units)
                && (len == 1 || (unsigned char)s[1] < 0x80);
    if (lone && !(n->user_defined && n->user_defined->first[c])) {
        *out = (mn_str){ s, 1 };
        return 1;
    }
    size_t k = !n->user_defined ? 0
               : n->partial_matches ? tok_trie_path(n->user_defined, s, len)
                                    : tok_trie_longest(n->user_defined, s, len, &id);
    if (k) {
        *out = (mn_str){ s, k };
        return k;
    }
    k = tok_charsmap_match(&n->charsmap, s, len, false, out);
    if (k) return k;
    uint32_t cp;
    int bytes = mn_utf8_decode_strict(s, len, &cp);
    if (bytes < 0) {
        *out = (mn_str){ "\xef\xbf\xbd", 3 };
        return 1;
    }
    *out = (mn_str){ s, (size_t)bytes };
    return (size_t)bytes;
}

static void put_space(const tok_norm *n, mn_buffer *out)
{
    if (n->escape_spaces) mn_buffer_append(out, "\xe2\x96\x81", 3);
    else mn_buffer_append_byte(out, ' ');
}

static void put_escaped(const tok_norm *n, mn_str s, mn_buffer *out)
{
    for (size_t i = 0; i < s.len;) {
        const char *space = memchr(s.data + i, ' ', s.len - i);
        size_t end = space ? (size_t)(space - s.data) : s.len;
        mn_buffer_append(out, s.data + i, end - i);
        if (space) put_space(n, out);
        i = end + (space != NULL);
    }
}

/* SentencePiece's Normalizer::Normalize: spaces at both ends go, and runs of them become
 * one (remove_extra_spaces); then one stands before (or behind) all. */
void tok_sentencepiece_normalize(const tok_norm *n, tok_text in, mn_buffer *out)
{
    size_t i = 0, k;
    mn_str piece;
    for (; n->remove_extra_spaces && i < in.len; i += k) {
        k = next_prefix(n, in.s + i, in.len - i, &piece);
        if (piece.len != 1 || piece.data[0] != ' ') break;
    }
    if (i >= in.len) return;
    bool add_space = n->add_space && (in.n_zero || !n->first_only);
    if (add_space && !n->space_behind) put_space(n, out);
    bool after_space = n->remove_extra_spaces;
    for (; i < in.len; i += k) {
        k = next_prefix(n, in.s + i, in.len - i, &piece);
        while (after_space && piece.len && piece.data[0] == ' ') piece.data++, piece.len--;
        put_escaped(n, piece, out);
        if (piece.len) after_space = piece.data[piece.len - 1] == ' ';
        if (!n->remove_extra_spaces) after_space = false;
    }
    const char *space = n->escape_spaces ? "\xe2\x96\x81" : " ";
    size_t space_len = n->escape_spaces ? 3 : 1;
    while (n->remove_extra_spaces && out->len >= space_len
           && !memcmp(out->data + out->len - space_len, space, space_len))
        out->len -= space_len;
    if (add_space && n->space_behind) put_space(n, out);
}

/* llama.cpp's: a space before each stretch of other characters (remove_extra_spaces), or
 * before the first one only (add_space). */
void tok_llama_ugm_normalize(const tok_norm *n, tok_text in, mn_buffer *out)
{
    bool prepended = false, inside = false;
    mn_str piece;
    for (size_t i = 0; i < in.len;) {
        i += next_prefix(n, in.s + i, in.len - i, &piece);
        for (size_t k = 0; k < piece.len; k++) {
            if (piece.data[k] == ' ') {
                inside = false;
                if (!n->remove_extra_spaces) put_space(n, out);
                continue;
            }
            if (!inside && ((n->add_space && !n->space_behind && !prepended)
                            || n->remove_extra_spaces)) {
                put_space(n, out);
                prepended = true;
            }
            inside = true;
            mn_buffer_append_byte(out, piece.data[k]);
        }
    }
    if (n->add_space && n->space_behind) put_space(n, out);
}
