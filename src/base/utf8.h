/* UTF-8, strictly (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF.
 *
 * Invalid input is cut the way the Unicode standard recommends (3.9, "substitution of
 * maximal subparts"): each maximal part of a broken sequence counts as one U+FFFD, which
 * is what Python, browsers and the HuggingFace tokenizers print.
 */
#ifndef MN_BASE_UTF8_H
#define MN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MN_UTF8_REPLACEMENT = 0xFFFD };

/* Decode one code point of s[0..len), len > 0.  Returns the bytes consumed (1-4);
 * for a broken sequence *cp is U+FFFD and the maximal subpart is consumed. */
int mn_utf8_decode(const char *s, size_t len, uint32_t *cp);

/* The same, telling broken input from a real U+FFFD: returns minus the bytes consumed. */
int mn_utf8_decode_strict(const char *s, size_t len, uint32_t *cp);

/* Write 1-4 bytes and return how many; an invalid code point is written as U+FFFD. */
int mn_utf8_encode(uint32_t cp, char out[4]);

bool mn_utf8_valid(const char *s, size_t len);
size_t mn_utf8_count(const char *s, size_t len);    /* code points */

/* Length of the longest prefix of s that does not end inside a sequence which more
 * bytes could still complete.  s[result..len) is at most 3 bytes. */
size_t mn_utf8_complete_prefix(const char *s, size_t len);

#endif
