/* nfc.h - Normalization Form C. */
#pragma once
#include <stdbool.h>

#include "common/buf.h"
#include "worker/data/unicode.h"

/* True if NFC certainly leaves the well-formed text as it is; false: maybe not. */
bool nfc_is_stable(const struct unicode *u, const uint8_t *text, size_t n);
/* Appends the NFC of well-formed UTF-8. */
void nfc_add(const struct unicode *u, struct buf *out, const uint8_t *text, size_t n);
