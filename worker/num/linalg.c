/* linalg.c - see linalg.h. */
#include "worker/num/linalg.h"

#include "worker/num/blas.h"

void linalg_gram_add(double *c, const double *x, size_t n, size_t d)
{
    blas_syrk_f64(c, x, n, d);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < i; j++)
            c[i * d + j] = c[j * d + i];
}

bool linalg_eigen(double *a, double *w, size_t d, bool vectors)
{
    return d == 0 || blas_eigen_f64(a, w, d, vectors);
}
