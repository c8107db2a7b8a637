/* unicode_tables.h - generated tables behind unicode.c; nobody else includes this. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct unicode_ccc {
    uint32_t first, last;
    uint8_t ccc;
};

extern const uint32_t unicode_class_start[]; /* first << 2 | class; the range ends before the next */
extern const size_t unicode_n_class_starts;
extern const struct unicode_ccc unicode_ccc[];
extern const size_t unicode_n_ccc;
extern const uint32_t unicode_decomp[][3];
extern const size_t unicode_n_decomp;
extern const uint16_t unicode_compose[];
extern const size_t unicode_n_compose;
