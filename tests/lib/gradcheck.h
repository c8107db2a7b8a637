/* gradcheck.h - gradients against finite differences of the loss, in double.
 *
 * Only tests of the double build (tests/unit/worker64) can hold a tolerance like 1e-7.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct gradcheck {
    double *x;                  /* n values that the loss depends on; restored afterwards */
    const double *dx;           /* the gradient to check; read before the first call of loss */
    size_t n;
    double (*loss)(void *ctx);  /* a function of x alone; may overwrite dx */
    void *ctx;
};

/* Largest relative error over `dirs` random directions; NaN if anything is not finite.
 *
 * Per direction, the best of several step sizes counts: large steps are exact for smooth losses,
 * small ones avoid kinks (ReLU, top-k).  A wrong gradient agrees at none.  The error is relative
 * to the directional derivative, but at least to 1e-3 of the gradient's length and to 1e-4. */
double gradcheck_worst(const struct gradcheck *c, int dirs, uint64_t seed);
