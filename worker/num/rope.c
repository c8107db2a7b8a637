/* rope.c - see rope.h. */
#include "worker/num/rope.h"

#include <math.h>

#include "worker/num/isa.h"

void rope_table(real *table, size_t t_max, size_t r, double base)
{
    for (size_t j = 0; j < r / 2; j++) {
        double freq = pow(base, -2.0 * (double)j / (double)r);

        for (size_t t = 0; t < t_max; t++) {
            table[t * r + j] = (real)cos((double)t * freq);
            table[t * r + r / 2 + j] = (real)sin((double)t * freq);
        }
    }
}

ISA_CLONES
void rope_rows(real *x, const struct rope *p, size_t n, real sign)
{
    const size_t half = p->r / 2;

    for (size_t i = 0; i < n; i++) {
        const real *c = p->table + (size_t)p->pos[i] * p->r, *s = c + half;

        for (size_t h = 0; h < p->heads; h++) {
            real *a = x + i * p->ld + h * p->head_ld, *b = a + half;

#pragma omp simd
            for (size_t j = 0; j < half; j++) {
                real aj = a[j], bj = b[j], sj = sign * s[j];

                a[j] = aj * c[j] - bj * sj;
                b[j] = bj * c[j] + aj * sj;
            }
        }
    }
}
