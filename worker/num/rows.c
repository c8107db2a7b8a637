/* rows.c - see rows.h.
 *
 * A sum's last additions wait for each other, one lane after another; side by side, those of sixteen
 * rows do not.  Only whole vectors are added so: another d has a rest that vec.h adds elsewhere.
 */
#include "worker/num/rows.h"

#include <math.h>
#include <stdbool.h>

#include "worker/num/avx512.h"
#include "worker/num/vec.h"

static void project_one(real *restrict grad, const real *restrict dir, real along, real sq, size_t d)
{
    if (along != 0 && sq > 0)
        vec_axpy(grad, dir, -along / sq, d);
}

#if HAS_AVX512
enum { MANY = 16 }; /* rows side by side */

/* Lanes of the sum of products, not yet added. */
AVX512_INLINE void lanes_of(float *restrict out, const float *a, const float *b, size_t d)
{
    __m512 sum = _mm512_setzero_ps();

    for (size_t c = 0; c < d; c += LANES)
        sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(a + c), _mm512_loadu_ps(b + c)));
    _mm512_storeu_ps(out, sum);
}

/* As vec_dot() of MANY rows. */
AVX512_INLINE void dots_of_many(float dot[MANY], const float *a, const float *b, size_t d)
{
    float part[MANY][LANES];

    for (size_t i = 0; i < MANY; i++) {
        lanes_of(part[i], a + i * d, b + i * d, d);
        dot[i] = 0;
    }
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < MANY; i++)
            dot[i] += part[i][lane];
}

AVX512 static void project_many(float *restrict grad, const float *restrict dir, size_t d)
{
    float along[MANY], sq[MANY];

    dots_of_many(along, grad, dir, d);
    dots_of_many(sq, dir, dir, d);
    for (size_t i = 0; i < MANY; i++)
        project_one(grad + i * d, dir + i * d, along[i], sq[i], d);
}

/* As vec_normalise() of MANY rows. */
AVX512 static void normalise_many(float *x, size_t d)
{
    double part[MANY][LANES], sum[MANY];

    for (size_t i = 0; i < MANY; i++) {
        __m512d lo = _mm512_setzero_pd(), hi = lo;

        for (size_t c = 0; c < d; c += LANES) {
            __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(x + i * d + c));
            __m512d b = _mm512_cvtps_pd(_mm256_loadu_ps(x + i * d + c + LANES / 2));

            lo = _mm512_add_pd(lo, _mm512_mul_pd(a, a));
            hi = _mm512_add_pd(hi, _mm512_mul_pd(b, b));
        }
        _mm512_storeu_pd(part[i], lo);
        _mm512_storeu_pd(part[i] + LANES / 2, hi);
        sum[i] = 0;
    }
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < MANY; i++)
            sum[i] += part[i][lane];
    for (size_t i = 0; i < MANY; i++) {
        double norm = sqrt(sum[i]);
        __m512 by = _mm512_set1_ps((float)(1 / norm));

        for (size_t c = 0; norm > 0 && c < d; c += LANES)
            _mm512_storeu_ps(x + i * d + c, _mm512_mul_ps(_mm512_loadu_ps(x + i * d + c), by));
    }
}

static bool are_many(size_t d)
{
    return d % LANES == 0 && __builtin_cpu_supports("avx512f");
}
#endif

void rows_project(real *restrict grad, const real *restrict dir, size_t n, size_t d)
{
    size_t i = 0;

#if HAS_AVX512
    for (; are_many(d) && i + MANY <= n; i += MANY)
        project_many(grad + i * d, dir + i * d, d);
#endif
    for (; i < n; i++)
        project_one(grad + i * d, dir + i * d, vec_dot(grad + i * d, dir + i * d, d),
                    vec_dot(dir + i * d, dir + i * d, d), d);
}

void rows_normalise(real *x, size_t n, size_t d)
{
    size_t i = 0;

#if HAS_AVX512
    for (; are_many(d) && i + MANY <= n; i += MANY)
        normalise_many(x + i * d, d);
#endif
    for (; i < n; i++)
        vec_normalise(x + i * d, d);
}
