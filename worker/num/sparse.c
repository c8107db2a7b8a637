/* sparse.c - see sparse.h. */
#include "worker/num/sparse.h"

#include <string.h>

#include "worker/num/isa.h"

enum {
    BLOCK = 64,  /* columns held in registers */
    AHEAD = 6,   /* directions asked for before they are needed: they lie anywhere */
    LINE = 64 / sizeof(real)
};

ISA_CLONES void sparse_decode(real *restrict out, const real *restrict base,
                              const real *restrict dir, const uint32_t *restrict idx,
                              const real *restrict val, size_t k, size_t d)
{
    size_t c = 0;

    for (; c + BLOCK <= d; c += BLOCK) {
        real acc[BLOCK];

        for (size_t i = 0; i < BLOCK; i++)
            acc[i] = base ? base[c + i] : 0;
        for (size_t j = 0; j < k; j++) {
            const real *restrict row = dir + idx[j] * d + c;
            real v = val[j];

            if (j + AHEAD < k)
                for (size_t i = 0; i < BLOCK; i += LINE)
                    __builtin_prefetch(dir + idx[j + AHEAD] * d + c + i);
#pragma omp simd
            for (size_t i = 0; i < BLOCK; i++)
                acc[i] += v * row[i];
        }
        memcpy(out + c, acc, sizeof acc);
    }
    if (c == d)
        return;
    for (size_t i = c; i < d; i++)
        out[i] = base ? base[i] : 0;
    for (size_t j = 0; j < k; j++)
        for (size_t i = c; i < d; i++)
            out[i] += val[j] * dir[idx[j] * d + i];
}

ISA_CLONES real sparse_grad(real *restrict ddir, real *restrict dw, const struct sparse_feature *s,
                            const real *restrict dir, const real *restrict g,
                            const real *restrict u, size_t d)
{
    real sum = 0;

    for (size_t j = 0; j < s->n; j++) {
        const real *restrict gr = g + s->row[j] * d, *restrict ur = u + s->row[j] * d;
        real a = s->a[j], dz = 0;

#pragma omp simd reduction(+ : dz)
        for (size_t i = 0; i < d; i++) {
            dz += dir[i] * gr[i];
            ddir[i] += a * gr[i];
        }
#pragma omp simd
        for (size_t i = 0; i < d; i++)
            dw[i] += dz * ur[i];
        sum += dz;
    }
    return sum;
}
