/* sharpen.c - see sharpen.h. */
#include "worker/sae/sharpen.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/rng.h"
#include "worker/num/vec.h"

bool sharpen_parse(const char *text, enum sharpen_target *out)
{
    static const char *const names[] = {
#define X(name, text) text,
        SHARPEN_TARGETS(X)
#undef X
    };

    for (int i = 0; i < SHARPEN_TARGET_COUNT; i++)
        if (strcmp(names[i], text) == 0) {
            *out = (enum sharpen_target)i;
            return true;
        }
    return false;
}

enum err_code sharpen_check(const struct sae_model *m, size_t k, struct err *e)
{
    if (m->is_transcoder || m->has_skip)
        return err_set(e, ERR_INVALID, "sae: %s: a transcoder predicts another hook than it reads",
                       m->arch);
    if (m->scale != SAE_SCALE_NONE)
        return err_set(e, ERR_INVALID, "sae: input scaling %s: it would be undone row by row; train with normalize: none or a scalar mode",
                       sae_scale_name(m->scale));
    if (k < 1 || k > m->f || (m->k && k > m->k))
        return err_set(e, ERR_INVALID, "k_sharp: %zu is outside [1, %zu]", k, m->k ? m->k : m->f);
    return ERR_OK;
}

size_t sharpen_bytes(const struct sae_model *m, size_t n_max)
{
    size_t n = sae_infer_rows(m, n_max);

    return sae_infer_bytes(m, n) + arena_need(n * m->d, sizeof(float)) +
           arena_need(m->f, sizeof(uint32_t));
}

void sharpen_new(struct sharpen *s, const struct sae_model *m, size_t n_max, struct arena *a)
{
    size_t n = sae_infer_rows(m, n_max);

    *s = (struct sharpen){.k = 1};
    sae_infer_new(&s->infer, m, n, a);
    s->x = arena_new(a, float, n * m->d);
    s->idx = arena_new(a, uint32_t, m->f);
}

static size_t active(uint32_t *idx, const real *a, size_t f)
{
    size_t n = 0;

    for (size_t i = 0; i < f; i++)
        if (a[i] != 0)
            idx[n++] = (uint32_t)i;
    return n;
}

/* The k largest come first; of equal ones the lower feature.  Selection: k is small. */
static void top_first(uint32_t *idx, size_t n, const real *a, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        size_t best = i;

        for (size_t c = i + 1; c < n; c++)
            if (a[idx[c]] > a[idx[best]] || (a[idx[c]] == a[idx[best]] && idx[c] < idx[best]))
                best = c;
        const uint32_t t = idx[i];
        idx[i] = idx[best];
        idx[best] = t;
    }
}

/* A stream of the row's own. */
static struct rng row_stream(uint64_t seed, uint64_t key)
{
    struct rng r = rng_stream(seed, "cpt.target");

    r.block = key << 20; /* 2^22 draws apart */
    return r;
}

static void random_first(uint32_t *idx, size_t n, size_t k, struct rng *r)
{
    for (size_t i = 0; i < k; i++) {
        const size_t j = i + (size_t)rng_below(r, n - i);
        const uint32_t t = idx[i];

        idx[i] = idx[j];
        idx[j] = t;
    }
}

static void decode(real *out, const struct sharpen *s, const real *a, size_t n_kept)
{
    const struct sae_model *m = s->infer.m;

    memcpy(out, m->b_dec, m->d * sizeof *out);
    for (size_t i = 0; i < n_kept; i++) {
        const size_t f = s->idx[i];
        const real norm = s->infer.norm[f];

        vec_axpy(out, m->dir + f * m->d, m->is_rescaled && norm > 0 ? a[f] / norm : a[f], m->d);
    }
}

/* A random direction of the given length in the place of out [d]. */
static void random_direction(real *out, size_t d, double length, struct rng *r)
{
    double sq = 0;

    for (size_t i = 0; i < d; i++) {
        out[i] = (real)rng_normal(r);
        sq += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < d; i++)
        out[i] = (real)((double)out[i] * length / sqrt(sq));
}

static real energy_kept(const struct sharpen *s, const real *a, size_t n_active, size_t n_kept)
{
    double kept = 0, all = 0;

    for (size_t i = 0; i < n_active; i++) {
        const double z = (double)a[s->idx[i]];

        all += z * z;
        kept += i < n_kept ? z * z : 0;
    }
    return all > 0 ? (real)(kept / all) : 1;
}

static void one_row(struct sharpen *s, real *out, const real *a, const uint64_t *key, size_t row,
                    const struct sharpen_stats *stats)
{
    const struct sae_model *m = s->infer.m;
    const size_t n = active(s->idx, a, m->f), kept = n < s->k ? n : s->k;
    struct rng r = {0};

    assert(key || s->target == SHARPEN_TOP);
    if (s->target != SHARPEN_TOP)
        r = row_stream(s->seed, key[row]);
    if (s->target == SHARPEN_RANDOM_K)
        random_first(s->idx, n, kept, &r);
    else
        top_first(s->idx, n, a, kept);
    decode(out, s, a, kept);
    if (s->target == SHARPEN_UNIT)
        random_direction(out, m->d, 1, &r);
    else if (s->target == SHARPEN_NORM_MATCHED)
        random_direction(out, m->d, sqrt(vec_sumsq(out, m->d)), &r);
    if (stats) {
        stats->n_active[row] = (uint32_t)n;
        stats->energy[row] = energy_kept(s, a, n, kept);
    }
}

bool sharpen_rows(struct sharpen *s, real *target, const real *x, const uint64_t *key, size_t n,
                  const struct sharpen_stats *stats)
{
    const struct sae_model *m = s->infer.m;

    for (size_t at = 0; at < n; at += s->infer.n_max) {
        const size_t take = n - at < s->infer.n_max ? n - at : s->infer.n_max;

        for (size_t i = 0; i < take * m->d; i++)
            s->x[i] = (float)x[at * m->d + i];
        if (!sae_infer_encode(&s->infer, s->x, take))
            return false;
        for (size_t i = 0; i < take; i++)
            one_row(s, target + (at + i) * m->d, s->infer.a + i * m->f, key, at + i, stats);
    }
    return true;
}
