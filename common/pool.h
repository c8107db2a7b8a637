/* pool.h - memory that is freed all at once, for trees of small records.
 *
 * `struct pool p = {0};` is empty.  Memory is zeroed and 16-byte aligned.  Running out of memory
 * aborts, as in buf.h: what a pool holds is bounded by its callers.
 */
#pragma once
#include <stddef.h>

struct pool {
    struct pool_block *head;
    size_t used, size; /* of the head */
};

void *pool_alloc(struct pool *p, size_t n, size_t size);
char *pool_str(struct pool *p, const char *s);
char *pool_strn(struct pool *p, const char *s, size_t n);
void pool_free(struct pool *p);

#define pool_new(p, type, n) ((type *)pool_alloc((p), (n), sizeof(type)))
