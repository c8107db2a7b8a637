/* sae.c - parameters and their initialisation; see sae.h. */
#include "worker/sae/sae.h"

#include <math.h>
#include <string.h>

#include "common/rng.h"
#include "worker/num/vec.h"
#include "worker/sae/parts.h"

/* The sizes of the parameter rows; `first` dims of a matrix. */
static void param_sizes(const struct sae_cfg *cfg, size_t n[SAE_PARAMS_MAX])
{
    size_t f = cfg->f, d = cfg->d, o = sae_out(cfg);

    n[SAE_ENCODER] = f * d;
    n[SAE_B_ENC] = f;
    n[SAE_DECODER] = f * o;
    n[SAE_B_DEC] = cfg->arch->has_b_dec ? o : 0;
    for (int i = SAE_LOG_THETA; i <= SAE_SCALE; i++)
        n[i] = cfg->arch->params >> i & 1 ? f : 0;
    n[SAE_SKIP] = cfg->arch->has_skip ? o * d : 0;
}

size_t sae_bytes(const struct sae_cfg *cfg)
{
    size_t n[SAE_PARAMS_MAX], sum = 0;

    param_sizes(cfg, n);
    for (size_t i = 0; i < SAE_PARAMS_MAX; i++)
        sum += 4 * arena_need(n[i], sizeof(real));
    return sum + arena_need(n[SAE_DECODER], sizeof(real)) + arena_need(cfg->f, sizeof(int64_t)) +
           arena_need(cfg->n_ref > 0 ? cfg->f : 0, sizeof(uint32_t));
}

void sae_new(struct sae *s, const struct sae_cfg *cfg, struct arena *a)
{
    static const char *const names[SAE_PARAMS_MAX] = {
        "encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "log_threshold",
        "r_mag",          "b_mag",        "scale",          "W_skip"};
    const int64_t first[SAE_PARAMS_MAX] = {
        [SAE_ENCODER] = (int64_t)cfg->f, [SAE_DECODER] = (int64_t)cfg->f,
        [SAE_SKIP] = (int64_t)sae_out(cfg)};
    size_t n[SAE_PARAMS_MAX];

    *s = (struct sae){.cfg = *cfg, .n_params = SAE_PARAMS_MAX, .theta = -1, .l1_scale = 1};
    param_sizes(cfg, n);
    for (size_t i = 0; i < SAE_PARAMS_MAX; i++) {
        bool is_matrix = first[i] > 0;

        s->p[i] = (struct param){
            .name = names[i],
            .data = arena_new(a, real, n[i]),
            .grad = arena_new(a, real, n[i]),
            .m = arena_new(a, real, n[i]),
            .v = arena_new(a, real, n[i]),
            .n = n[i],
            .n_dims = is_matrix ? 2 : 1,
            .shape = {is_matrix ? first[i] : (int64_t)n[i],
                      is_matrix ? (int64_t)n[i] / first[i] : 0},
        };
    }
    s->start = arena_new(a, real, n[SAE_DECODER]);
    s->quiet = arena_new(a, int64_t, cfg->f);
    s->pull.partner = arena_new(a, uint32_t, cfg->n_ref > 0 ? cfg->f : 0);
}

static void fill_uniform(real *x, size_t n, double bound, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)((2 * rng_f64(r) - 1) * bound);
}

void sae_init(struct sae *s, uint64_t seed, const double *mean)
{
    size_t d = s->cfg.d, f = s->cfg.f, o = sae_out(&s->cfg);
    struct rng dec = rng_stream(seed, "sae.init.decoder");
    struct rng enc = rng_stream(seed, "sae.init.encoder");
    real *w = s->p[SAE_ENCODER].data, *dir = s->p[SAE_DECODER].data;
    bool is_tied = s->cfg.is_tied && d == o;

    if (is_tied)
        for (size_t i = 0; i < f * o; i++)
            dir[i] = (real)rng_normal(&dec);
    else
        fill_uniform(dir, f * o, sqrt(6.0 / (double)f), &dec);
    for (size_t i = 0; i < f; i++)
        vec_normalise(dir + i * o, o);
    if (is_tied)
        memcpy(w, dir, f * d * sizeof *w);
    else
        fill_uniform(w, f * d, sqrt(6.0 / (double)d), &enc);
    memcpy(s->start, dir, f * o * sizeof *dir);
    for (size_t i = 0; i < s->p[SAE_LOG_THETA].n; i++)
        s->p[SAE_LOG_THETA].data[i] = (real)log(s->cfg.jump.theta);
    for (size_t i = 0; i < s->p[SAE_SCALE].n; i++)
        s->p[SAE_SCALE].data[i] = 1;
    for (size_t i = 0; s->cfg.arch->is_one_matrix && i < f; i++)
        one_matrix_set(s, i);
    for (size_t i = 0; s->cfg.is_aligned && i < f; i++)
        aligned_project(s, i);
    for (size_t i = 0; mean && i < s->p[SAE_B_DEC].n; i++)
        s->p[SAE_B_DEC].data[i] = (real)mean[i];
}

double sae_cos_init(const struct sae *s)
{
    size_t o = sae_out(&s->cfg);
    double sum = 0;

    for (size_t i = 0; i < s->cfg.f; i++) {
        const real *a = s->p[SAE_DECODER].data + i * o, *b = s->start + i * o;
        double dot = 0, norm = sqrt(vec_sumsq(a, o) * vec_sumsq(b, o));

        for (size_t j = 0; j < o; j++)
            dot += (double)a[j] * (double)b[j];
        sum += norm > 0 ? fabs(dot) / norm : 0;
    }
    return sum / (double)s->cfg.f;
}

bool sae_is_finite(const struct sae *s)
{
    for (size_t i = 0; i < s->n_params; i++)
        if (!vec_is_finite(s->p[i].data, s->p[i].n))
            return false;
    return true;
}
