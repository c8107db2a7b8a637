/* unicode.h - what the tokeniser must know of a code point: its class, and its part in NFC.
 *
 * Classes are those of the GPT-2 pattern (\p{L}, \p{N}, \s; Unicode 16.0); normalisation data are
 * those of Unicode 9.0, as in the library that the published tokenisers were made with.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { UNICODE_MAX = 0x10FFFF, UNICODE_BAD = 0xFFFD /* stands for what is not UTF-8 */ };

enum unicode_class { CLASS_OTHER, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE };

enum {
    UNICODE_CLASS = 3,    /* mask of enum unicode_class */
    UNICODE_UNSTABLE = 4, /* NFC may change it, or it may change what stands before it */
    UNICODE_JOINS = 8     /* no NFC boundary before it */
};

struct unicode {
    uint8_t *flags; /* [UNICODE_MAX + 1] */
};

MUST_CHECK enum err_code unicode_open(struct unicode *u, struct err *e);
void unicode_close(struct unicode *u);

uint8_t unicode_ccc_of(uint32_t c);
/* One level of the canonical decomposition: 0 (none), 1 or 2 code points. */
size_t unicode_decompose(uint32_t c, uint32_t out[2]);
/* The primary composite of two code points, or 0. */
uint32_t unicode_composite(uint32_t first, uint32_t second);
