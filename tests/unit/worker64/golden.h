/* golden.h - inputs of the golden vectors, closed forms of sin; that no architecture is left out. */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/kinds/sae_train.h"
#include "worker/sae/sae.h"

enum { GB = 4, GD = 3, GF = 6, GK = 2 };

static inline double golden_s(double a, double b, int i)
{
    return sin(a + b * i);
}

static inline void golden_x(real *x)
{
    for (int i = 0; i < GB * GD; i++)
        x[i] = 1.2 * golden_s(1, 1.3, i);
}

static inline void golden_dir(real *dir, double length)
{
    for (int f = 0; f < GF; f++) {
        double sq = 0;

        for (int j = 0; j < GD; j++) {
            int i = 3 * f + j;

            dir[i] = 0.7 * golden_s(2, 2.3, i) + 0.3 * golden_s(4, 0.9, i);
            sq += dir[i] * dir[i];
        }
        for (int j = 0; j < GD; j++)
            dir[3 * f + j] *= length / sqrt(sq);
    }
}

static inline void golden_fill(struct sae *s, double length)
{
    for (int i = 0; i < GF * GD; i++)
        s->p[SAE_ENCODER].data[i] = 0.7 * golden_s(2, 2.3, i);
    for (int f = 0; f < GF; f++)
        s->p[SAE_B_ENC].data[f] = 0.1 * golden_s(3, 1.1, f);
    golden_dir(s->p[SAE_DECODER].data, length);
    if (sae_has(s, SAE_B_DEC))
        for (int j = 0; j < GD; j++)
            s->p[SAE_B_DEC].data[j] = 0.05 * golden_s(5, 0.6, j);
}

static inline void golden_near(const char *what, const real *got, const double *want, size_t n,
                               double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance))
            fail_msg("%s[%zu]: %.9f, expected %.9f", what, i, (double)got[i], want[i]);
}

/* An SAE with its own arena of exactly the planned size. */
/* Fails unless `name` is found for each architecture of the kind's knob. */
static inline void golden_for_every_arch(bool (*has)(const char *name))
{
    char names[] = SAE_TRAIN_ARCHS, *rest = names;

    for (char *name; (name = strtok_r(rest, "|", &rest));)
        if (!has(name))
            fail_msg("arch %s: no row in this test", name);
}

struct golden {
    struct arena a;
    struct sae s;
    struct sae_work w;
};

static inline void golden_open(struct golden *g, const struct sae_cfg *cfg, size_t n)
{
    struct err e;

    assert_int_equal(arena_open(&g->a, "golden", sae_bytes(cfg) + sae_work_bytes(cfg, n), &e), 0);
    sae_new(&g->s, cfg, &g->a);
    sae_work_new(&g->w, cfg, n, &g->a);
    assert_int_equal(g->a.peak, g->a.size);
}
