/* unicode.c - see unicode.h.  Hangul syllables are algorithmic (Unicode 9.0, section 3.12). */
#include "worker/data/unicode.h"

#include <stdlib.h>

#include "worker/data/unicode_tables.h"

enum {
    S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7,
    L_COUNT = 19, V_COUNT = 21, T_COUNT = 28, S_COUNT = L_COUNT * V_COUNT * T_COUNT
};

uint8_t unicode_ccc_of(uint32_t c)
{
    size_t low = 0, high = unicode_n_ccc;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (unicode_ccc[mid].last < c)
            low = mid + 1;
        else
            high = mid;
    }
    return low < unicode_n_ccc && unicode_ccc[low].first <= c ? unicode_ccc[low].ccc : 0;
}

size_t unicode_decompose(uint32_t c, uint32_t out[2])
{
    size_t low = 0, high = unicode_n_decomp;

    if (c - S_BASE < S_COUNT) {
        uint32_t s = c - S_BASE, t = s % T_COUNT;

        out[0] = t ? c - t : L_BASE + s / (V_COUNT * T_COUNT);
        out[1] = t ? T_BASE + t : V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
        return 2;
    }
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (unicode_decomp[mid][0] < c)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == unicode_n_decomp || unicode_decomp[low][0] != c)
        return 0;
    out[0] = unicode_decomp[low][1];
    out[1] = unicode_decomp[low][2];
    return out[1] ? 2 : 1;
}

static uint32_t hangul_composite(uint32_t a, uint32_t b)
{
    if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b - T_BASE - 1 < T_COUNT - 1)
        return a + (b - T_BASE);
    return 0;
}

uint32_t unicode_composite(uint32_t first, uint32_t second)
{
    size_t low = 0, high = unicode_n_compose;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const uint32_t *row = unicode_decomp[unicode_compose[mid]];

        if (row[1] < first || (row[1] == first && row[2] < second))
            low = mid + 1;
        else
            high = mid;
    }
    if (low < unicode_n_compose) {
        const uint32_t *row = unicode_decomp[unicode_compose[low]];

        if (row[1] == first && row[2] == second)
            return row[0];
    }
    return hangul_composite(first, second);
}

static uint32_t first_of_full(uint32_t c)
{
    uint32_t part[2];

    while (unicode_decompose(c, part))
        c = part[0];
    return c;
}

static void mark_normalisation(uint8_t *flags)
{
    uint32_t part[2];

    for (size_t i = 0; i < unicode_n_ccc; i++)
        for (uint32_t c = unicode_ccc[i].first; c <= unicode_ccc[i].last; c++)
            flags[c] |= UNICODE_UNSTABLE | UNICODE_JOINS;
    for (size_t i = 0; i < unicode_n_compose; i++)
        flags[unicode_decomp[unicode_compose[i]][2]] |= UNICODE_UNSTABLE | UNICODE_JOINS;
    for (uint32_t c = V_BASE; c < V_BASE + V_COUNT; c++)
        flags[c] |= UNICODE_UNSTABLE | UNICODE_JOINS;
    for (uint32_t c = T_BASE + 1; c < T_BASE + T_COUNT; c++)
        flags[c] |= UNICODE_UNSTABLE | UNICODE_JOINS;
    for (size_t i = 0; i < unicode_n_decomp; i++) {
        uint32_t c = unicode_decomp[i][0];

        if (unicode_decompose(c, part) == 1 || unicode_composite(part[0], part[1]) != c)
            flags[c] |= UNICODE_UNSTABLE;
        flags[c] |= flags[first_of_full(c)] & UNICODE_JOINS;
        if (flags[c] & UNICODE_JOINS)
            flags[c] |= UNICODE_UNSTABLE;
    }
}

enum err_code unicode_open(struct unicode *u, struct err *e)
{
    u->flags = calloc(UNICODE_MAX + 1, 1);
    if (!u->flags)
        return err_set(e, ERR_NOMEM, "Unicode tables: %d bytes", UNICODE_MAX + 1);
    for (size_t i = 0; i < unicode_n_class_starts; i++) {
        uint32_t first = unicode_class_start[i] >> 2;
        uint32_t end = i + 1 < unicode_n_class_starts ? unicode_class_start[i + 1] >> 2 : first + 1;
        uint8_t kind = unicode_class_start[i] & UNICODE_CLASS;

        for (uint32_t c = first; kind && c < end; c++)
            u->flags[c] = kind;
    }
    mark_normalisation(u->flags);
    return ERR_OK;
}

void unicode_close(struct unicode *u)
{
    free(u->flags);
    u->flags = NULL;
}
