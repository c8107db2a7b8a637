/* par.h - a few threads for the loops between matrix products.
 *
 * One pool a process, made when first used.  Work is split so that no result depends on which
 * thread did it; par_rows cuts into as many pieces as there are threads, so a sum over a piece
 * does depend on their number (as the bits of a product do).  With one thread everything runs in the
 * caller.  Not to be called from inside itself, nor from two threads.
 */
#pragma once
#include <stddef.h>

/* From the next call on.  The library of products is told to use one thread: mm_*_par split it. */
void par_threads_set(int n);
int par_threads(void);

/* fn(ctx, from, to) for pieces of [0, n) that are multiples of `grain` long, but the last. */
void par_rows(size_t n, size_t grain, void (*fn)(void *ctx, size_t from, size_t to), void *ctx);
/* fn(ctx, i, thread) for every i < n, the next free thread taking the next i. */
void par_each(size_t n, void (*fn)(void *ctx, size_t i, int thread), void *ctx);
