/* norm.c - see norm.h; made of the pieces of norm_parts.h. */
#include "worker/num/norm.h"

#include "worker/num/norm_parts.h"

void layernorm_fwd(real *restrict y, real *restrict mean, real *restrict rstd,
                   const real *restrict x, const real *restrict gain, const real *restrict bias,
                   real eps, size_t n, size_t c)
{
    norm_stats(mean, rstd, x, eps, n, c);
    norm_apply(y, x, mean, rstd, gain, bias, n, c);
}

void layernorm_bwd(real *restrict dx, real *restrict dgain, real *restrict dbias,
                   const real *restrict dy, const real *restrict x, const real *restrict mean,
                   const real *restrict rstd, const real *restrict gain, size_t n, size_t c)
{
    norm_dx(dx, &(struct norm_grads){.dy = dy, .gain = gain}, x, mean, rstd, n, c);
    norm_dgain(dgain, dbias, dy, x, mean, rstd, n, c, 0, c);
}
