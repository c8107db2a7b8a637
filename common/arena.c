/* arena.c - see arena.h. */
#include "common/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64 };

enum err_code arena_open(struct arena *a, const char *name, size_t size, struct err *e)
{
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    *a = (struct arena){.name = name, .size = size};
    if (size == 0)
        return ERR_OK;
    a->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (a->base == MAP_FAILED) {
        a->base = NULL;
        return err_set(e, ERR_NOMEM, "arena %s: %zu bytes: %s", name, size, strerror(errno));
    }
    return ERR_OK;
}

void arena_close(struct arena *a)
{
    if (a->base)
        munmap(a->base, a->size);
    *a = (struct arena){0};
}

size_t arena_need(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / 2 / size)
        return SIZE_MAX / 2;
    return (n * size + ALIGN - 1) / ALIGN * ALIGN;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t need = arena_need(n, size);

    if (need > a->size - a->used) {
        fprintf(stderr, "arena %s: %zu bytes wanted, %zu of %zu used: the plan is wrong\n", a->name,
                need, a->used, a->size);
        abort();
    }
    char *p = a->base + a->used;
    if (p)
        memset(p, 0, need);
    a->used += need;
    if (a->used > a->peak)
        a->peak = a->used;
    return p;
}

size_t arena_mark(const struct arena *a)
{
    return a->used;
}

void arena_reset(struct arena *a, size_t mark)
{
    a->used = mark;
}
