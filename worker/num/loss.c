/* loss.c - see loss.h. */
#include "worker/num/loss.h"

#include "worker/num/simd.h"
#include "worker/num/softmax.h"

/* -log softmax(x)[t] = log sum exp(x - top) - (x[t] - top): no overflow, no log of zero */
SIMD_INLINE double xent_row(const real *x, int32_t t, size_t v, int *is_right)
{
    real top = x[0];
    double sum = 0;
    size_t first = 0;

#pragma omp simd reduction(max : top)
    for (size_t j = 0; j < v; j++)
        top = x[j] > top ? x[j] : top;
    for (size_t at = 0; at < v; at += SUM_BLOCK) {
        size_t end = v - at < SUM_BLOCK ? v : at + SUM_BLOCK;
        real part = 0;

#pragma omp simd reduction(+ : part)
        for (size_t j = at; j < end; j++)
            part += simd_exp(x[j] - top);
        sum += (double)part;
    }
    while (first + 1 < v && x[first] < top)
        first++;
    *is_right = first == (size_t)t;
    return log(sum) - (double)(x[t] - top);
}

ISA_CLONES
double xent_fwd(real *p, size_t *n_right, const real *logits, const int32_t *target, size_t n,
                size_t v)
{
    double sum = 0;
    size_t right = 0;

    for (size_t i = 0; i < n; i++) {
        int is_right;

        sum += xent_row(logits + i * v, target[i], v, &is_right);
        right += (size_t)is_right;
    }
    if (p)
        softmax_fwd(p, logits, n, v);
    if (n_right)
        *n_right = right;
    return sum;
}

ISA_CLONES
void xent_bwd(real *restrict dlogits, const real *restrict p, const int32_t *restrict target,
              real scale, size_t n, size_t v)
{
    for (size_t i = 0; i < n; i++) {
        real *d = dlogits + i * v;
        const real *pi = p + i * v;

#pragma omp simd
        for (size_t j = 0; j < v; j++)
            d[j] += scale * pi[j];
        d[target[i]] -= scale;
    }
}
