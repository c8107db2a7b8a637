/* pool.c - see pool.h. */
#include "common/pool.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

enum { ALIGN = 16, BLOCK = 1 << 16 };

struct pool_block {
    struct pool_block *next;
    char pad[ALIGN - sizeof(void *)];
    char data[];
};

void *pool_alloc(struct pool *p, size_t n, size_t size)
{
    size_t need =
        size && n > SIZE_MAX / 4 / size ? SIZE_MAX / 4 : (n * size + ALIGN - 1) / ALIGN * ALIGN;

    if (!p->head || need > p->size - p->used) {
        size_t cap = need > BLOCK ? need : BLOCK;
        struct pool_block *b = calloc(1, sizeof *b + cap);

        if (!b)
            oom_exit("%zu bytes", cap);
        b->next = p->head;
        p->head = b;
        p->used = 0;
        p->size = cap;
    }
    char *at = p->head->data + p->used;
    p->used += need;
    return at;
}

char *pool_strn(struct pool *p, const char *s, size_t n)
{
    char *copy = pool_alloc(p, n + 1, 1);

    memcpy(copy, s, n);
    return copy;
}

char *pool_str(struct pool *p, const char *s)
{
    return pool_strn(p, s, strlen(s));
}

void pool_free(struct pool *p)
{
    for (struct pool_block *b = p->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *p = (struct pool){0};
}
