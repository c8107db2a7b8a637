/* sha256.h - the door to libcrypto. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct sha256 {
    void *ctx;
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[32]);         /* frees the context */
void sha256_of(const void *data, size_t n, uint8_t out[32]);
MUST_CHECK enum err_code sha256_file(const char *path, uint8_t out[32], uint64_t *size,
                                     struct err *e);
char *hex_text(char *out, const uint8_t *bytes, size_t n);  /* 2n+1 chars, lower case */
bool hex_parse(uint8_t *out, size_t n, const char *text);   /* exactly 2n digits */
