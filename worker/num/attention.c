/* attention.c - see attention.h.
 *
 * One query and head at a time, vectorised along the head's dimensions: for the short contexts
 * of algorithmic tasks the scores of a query fit in registers and a matrix product would spend
 * its time packing.  The usual head sizes get their own code with a constant trip count.
 */
#include "worker/num/attention.h"

#include "worker/num/simd.h"

SIMD_INLINE real dot(const real *a, const real *b, size_t e)
{
    real sum = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < e; j++)
        sum += a[j] * b[j];
    return sum;
}

SIMD_INLINE void axpy(real *restrict y, real a, const real *restrict x, size_t e)
{
#pragma omp simd
    for (size_t j = 0; j < e; j++)
        y[j] += a * x[j];
}

/* p[0..len) = softmax(p) */
SIMD_INLINE void softmax_short(real *p, size_t len)
{
    real top = p[0];
    double sum = 0;

    for (size_t s = 1; s < len; s++)
        top = p[s] > top ? p[s] : top;
#pragma omp simd
    for (size_t s = 0; s < len; s++)
        p[s] = simd_exp(p[s] - top);
    for (size_t s = 0; s < len; s++)
        sum += (double)p[s];
    sum = 1 / sum;
    for (size_t s = 0; s < len; s++)
        p[s] *= (real)sum;
}

SIMD_INLINE void fwd(real *restrict z, real *restrict p, const real *restrict q,
                     const real *restrict k, const real *restrict v,
                     const struct attention_paths *a, size_t m, size_t h, size_t e)
{
    const real scale = (real)(1 / sqrt((double)e));
    const size_t d = h * e;

    for (size_t i = 0; i < m; i++) {
        size_t node = a->node ? (size_t)a->node[i] : i, len = (size_t)a->pos[node] + 1;
        const int32_t *path = a->path + node * a->t;

        for (size_t g = 0; g < h; g++) {
            const real *qi = q + i * d + g * e;
            real *zi = z + i * d + g * e, *pi = p + (i * h + g) * a->t;

            for (size_t s = 0; s < len; s++)
                pi[s] = scale * dot(qi, k + (size_t)path[s] * d + g * e, e);
            softmax_short(pi, len);
            for (size_t j = 0; j < e; j++)
                zi[j] = 0;
            for (size_t s = 0; s < len; s++)
                axpy(zi, pi[s], v + (size_t)path[s] * d + g * e, e);
        }
    }
}

SIMD_INLINE void bwd(real *restrict dq, real *restrict dk, real *restrict dv,
                     real *restrict score, const real *restrict dz, const real *restrict p,
                     const real *restrict q, const real *restrict k, const real *restrict v,
                     const struct attention_paths *a, size_t m, size_t h, size_t e)
{
    const real scale = (real)(1 / sqrt((double)e));
    const size_t d = h * e;

    for (size_t i = 0; i < m; i++) {
        size_t node = a->node ? (size_t)a->node[i] : i, len = (size_t)a->pos[node] + 1;
        const int32_t *path = a->path + node * a->t;

        for (size_t g = 0; g < h; g++) {
            const size_t at = i * d + g * e;
            const real *pi = p + (i * h + g) * a->t;
            real mean = 0; /* of dp under p */

            for (size_t s = 0; s < len; s++) {
                size_t to = (size_t)path[s] * d + g * e;

                score[s] = dot(dz + at, v + to, e);
                axpy(dv + to, pi[s], dz + at, e);
                mean += pi[s] * score[s];
            }
            for (size_t s = 0; s < len; s++) {
                size_t to = (size_t)path[s] * d + g * e;
                real ds = scale * pi[s] * (score[s] - mean);

                axpy(dq + at, ds, k + to, e);
                axpy(dk + to, ds, q + at, e);
            }
        }
    }
}

ISA_CLONES
void attention_fwd(real *restrict z, real *restrict p, const real *restrict q,
                   const real *restrict k, const real *restrict v,
                   const struct attention_paths *a, size_t m, size_t h, size_t e)
{
    if (e == 32)
        fwd(z, p, q, k, v, a, m, h, 32);
    else if (e == 64)
        fwd(z, p, q, k, v, a, m, h, 64);
    else
        fwd(z, p, q, k, v, a, m, h, e);
}

ISA_CLONES
void attention_bwd(real *restrict dq, real *restrict dk, real *restrict dv, real *restrict score,
                   const real *restrict dz, const real *restrict p, const real *restrict q,
                   const real *restrict k, const real *restrict v,
                   const struct attention_paths *a, size_t m, size_t h, size_t e)
{
    if (e == 32)
        bwd(dq, dk, dv, score, dz, p, q, k, v, a, m, h, 32);
    else if (e == 64)
        bwd(dq, dk, dv, score, dz, p, q, k, v, a, m, h, 64);
    else
        bwd(dq, dk, dv, score, dz, p, q, k, v, a, m, h, e);
}
