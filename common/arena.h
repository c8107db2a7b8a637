/* arena.h - bump allocator with marks and a recorded peak.
 *
 * Memory is 64-byte aligned and zeroed when handed out.  An arena has a fixed size,
 * reserved (not touched) when opened; overflow is our bug and aborts with a message.
 */
#pragma once
#include <stddef.h>

#include "common/err.h"

struct arena {
    const char *name;
    char *base;
    size_t size, used, peak;
};

MUST_CHECK enum err_code arena_open(struct arena *a, const char *name, size_t size, struct err *e);
void arena_close(struct arena *a); /* no-op if not open */
void *arena_alloc(struct arena *a, size_t n, size_t size);
size_t arena_mark(const struct arena *a);
void arena_reset(struct arena *a, size_t mark);

#define arena_new(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

/* Bytes that arena_alloc takes for n items of `size`: for plans. */
size_t arena_need(size_t n, size_t size);
