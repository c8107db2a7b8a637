/* bpe_alphabet.c - how a tokeniser file spells bytes: visible ones as themselves, the other 68 as
 * U+0100, U+0101, ... in increasing order (GPT-2's bytes_to_unicode).
 */
#include <string.h>

#include "worker/data/bpe_parts.h"
#include "worker/data/utf8.h"

void bpe_alphabet_init(struct bpe_alphabet *a)
{
    uint32_t next = 0x100;

    for (size_t c = 0; c < ARRAY_LEN(a->byte); c++)
        a->byte[c] = -1;
    for (uint32_t i = 0; i < 256; i++) {
        bool is_itself = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;

        a->character[i] = is_itself ? i : next++;
        a->byte[a->character[i]] = (int16_t)i;
    }
}

void bpe_text_bytes(const struct bpe_alphabet *a, const char *text, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = strlen(text), from = out->len, len;

    for (size_t i = 0; i < n; i += len) {
        uint32_t c = utf8_get(p + i, &len);

        if (c >= ARRAY_LEN(a->byte) || a->byte[c] < 0) {
            out->len = from;
            buf_add(out, text, n);
            return;
        }
        buf_char(out, (char)a->byte[c]);
    }
}
