/* ids.h - a growable list of token ids.  `struct ids s = {0};` is empty. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct ids {
    uint32_t *id;
    size_t n, cap;
};

static inline void ids_reserve(struct ids *s, size_t more)
{
    if (s->cap - s->n >= more)
        return;
    size_t cap = s->cap ? s->cap : 1024;
    while (cap - s->n < more)
        cap *= 2;
    s->id = realloc(s->id, cap * sizeof *s->id);
    if (!s->id)
        abort(); /* as buf does */
    s->cap = cap;
}

static inline void ids_push(struct ids *s, uint32_t id)
{
    ids_reserve(s, 1);
    s->id[s->n++] = id;
}

static inline void ids_free(struct ids *s)
{
    free(s->id);
    *s = (struct ids){0};
}
