/* sae.c - configuration, memory and initialisation; see sae.h. */
#include "worker/sae/sae.h"

#include <math.h>
#include <string.h>

#include "common/rng.h"
#include "worker/num/panel.h"
#include "worker/num/vec.h"

enum { TILE_BYTES = 3 << 20, TILE_MIN = 96, TILE_MAX = 192 };

enum err_code sae_cfg_check(struct sae_cfg *cfg, struct err *e)
{
    if (cfg->d == 0 || cfg->f == 0)
        return err_set(e, ERR_INVALID, "sae: %zu features of %zu dims: both must be at least 1",
                       cfg->f, cfg->d);
    if (cfg->f > UINT32_MAX / 2)
        return err_set(e, ERR_INVALID, "sae: d_sae: %zu is too large", cfg->f);
    if (!cfg->arch->is_sparse) {
        cfg->k = cfg->f;
        return ERR_OK;
    }
    if (cfg->k > cfg->f && cfg->arch->clips_k)
        cfg->k = cfg->f;
    if (cfg->k == 0 || cfg->k > cfg->f)
        return err_set(e, ERR_INVALID,
                       "sae: k: %zu is outside [1, %zu]: a row cannot have more active features "
                       "than d_sae",
                       cfg->k, cfg->f);
    return ERR_OK;
}

static void param_sizes(const struct sae_cfg *cfg, size_t n[SAE_PARAMS_MAX])
{
    n[SAE_ENCODER] = n[SAE_DECODER] = cfg->f * cfg->d;
    n[SAE_B_ENC] = cfg->f;
    n[SAE_B_DEC] = cfg->arch->has_b_dec ? cfg->d : 0;
}

size_t sae_bytes(const struct sae_cfg *cfg)
{
    size_t n[SAE_PARAMS_MAX], sum = arena_need(cfg->f * cfg->d, sizeof(real));

    param_sizes(cfg, n);
    for (size_t i = 0; i < SAE_PARAMS_MAX; i++)
        sum += 4 * arena_need(n[i], sizeof(real));
    return sum;
}

void sae_new(struct sae *s, const struct sae_cfg *cfg, struct arena *a)
{
    static const char *const names[] = {"encoder.weight", "encoder.bias", "decoder.weight",
                                        "b_dec"};
    size_t n[SAE_PARAMS_MAX];

    *s = (struct sae){.cfg = *cfg, .n_params = cfg->arch->has_b_dec ? 4 : 3};
    param_sizes(cfg, n);
    for (size_t i = 0; i < s->n_params; i++) {
        bool is_matrix = i == SAE_ENCODER || i == SAE_DECODER;

        s->p[i] = (struct param){
            .name = names[i],
            .data = arena_new(a, real, n[i]),
            .grad = arena_new(a, real, n[i]),
            .m = arena_new(a, real, n[i]),
            .v = arena_new(a, real, n[i]),
            .n = n[i],
            .n_dims = is_matrix ? 2 : 1,
            .shape = {is_matrix ? (int64_t)cfg->f : (int64_t)n[i],
                      is_matrix ? (int64_t)cfg->d : 0},
        };
    }
    s->start = arena_new(a, real, cfg->f * cfg->d);
}

static void fill_uniform(real *x, size_t n, double bound, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)((2 * rng_f64(r) - 1) * bound);
}

void sae_init(struct sae *s, uint64_t seed, const double *mean)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    struct rng dec = rng_stream(seed, "sae.init.decoder");
    struct rng enc = rng_stream(seed, "sae.init.encoder");
    real *w = s->p[SAE_ENCODER].data, *dir = s->p[SAE_DECODER].data;

    if (s->cfg.is_tied)
        for (size_t i = 0; i < f * d; i++)
            dir[i] = (real)rng_normal(&dec);
    else
        fill_uniform(dir, f * d, sqrt(6.0 / (double)f), &dec);
    for (size_t i = 0; i < f; i++)
        vec_normalise(dir + i * d, d);
    if (s->cfg.is_tied)
        memcpy(w, dir, f * d * sizeof *w);
    else
        fill_uniform(w, f * d, sqrt(6.0 / (double)d), &enc);
    memcpy(s->start, dir, f * d * sizeof *dir);
    for (size_t i = 0; mean && s->n_params > SAE_B_DEC && i < d; i++)
        s->p[SAE_B_DEC].data[i] = (real)mean[i];
}

static size_t tile_rows(const struct sae_cfg *cfg, size_t n_max)
{
    size_t n = TILE_BYTES / (cfg->f * sizeof(real));

    n = n < TILE_MIN ? TILE_MIN : n > TILE_MAX ? TILE_MAX : n;
    return n < n_max ? n : n_max;
}

/* The sizes of a work area, once for the plan and once for the arena. */
struct work_sizes {
    size_t rows, u, z, panel, dz, active, by_feature;
};

static struct work_sizes work_sizes(const struct sae_cfg *cfg, size_t n_max)
{
    bool sparse = cfg->arch->is_sparse;

    return (struct work_sizes){
        .rows = n_max * cfg->d,
        .u = cfg->arch->is_centred ? n_max * cfg->d : 0,
        .z = (sparse ? tile_rows(cfg, n_max) : n_max) * cfg->f,
        .panel = sparse ? panel_len(cfg->f, cfg->d) : 0,
        .dz = sparse ? 0 : n_max * cfg->f,
        .active = sparse ? n_max * cfg->k : 0,
        .by_feature = sparse ? cfg->f : 0,
    };
}

size_t sae_work_bytes(const struct sae_cfg *cfg, size_t n_max)
{
    struct work_sizes z = work_sizes(cfg, n_max);
    bool sparse = cfg->arch->is_sparse;

    return 2 * arena_need(z.rows, sizeof(real)) + arena_need(z.u, sizeof(real)) +
           arena_need(z.z, sizeof(real)) + arena_need(z.panel, sizeof(real)) +
           arena_need(z.dz, sizeof(real)) +
           2 * arena_need(z.active, sizeof(uint32_t)) + 2 * arena_need(z.active, sizeof(real)) +
           arena_need(sparse ? n_max : 0, sizeof(uint32_t)) +
           arena_need(sparse ? cfg->f + 1 : 0, sizeof(uint32_t)) +
           arena_need(z.by_feature, sizeof(real)) + arena_need(z.by_feature, sizeof(topk_key)) +
           arena_need(sparse ? cfg->f + TOPK_SLACK : 0, sizeof(uint32_t)) +
           arena_need(cfg->d, sizeof(double));
}

void sae_work_new(struct sae_work *w, const struct sae_cfg *cfg, size_t n_max, struct arena *a)
{
    struct work_sizes z = work_sizes(cfg, n_max);
    bool sparse = cfg->arch->is_sparse;

    *w = (struct sae_work){.n_max = n_max, .n_tile = tile_rows(cfg, n_max)};
    w->xhat = arena_new(a, real, z.rows);
    w->g = arena_new(a, real, z.rows);
    w->u = arena_new(a, real, z.u);
    w->z = arena_new(a, real, z.z);
    w->panel = arena_new(a, real, z.panel);
    w->dz = arena_new(a, real, z.dz);
    w->idx = arena_new(a, uint32_t, z.active);
    w->row = arena_new(a, uint32_t, z.active);
    w->val = arena_new(a, real, z.active);
    w->by_f = arena_new(a, real, z.active);
    w->n_act = arena_new(a, uint32_t, sparse ? n_max : 0);
    w->at = arena_new(a, uint32_t, sparse ? cfg->f + 1 : 0);
    w->topk.bound = arena_new(a, real, z.by_feature);
    w->topk.key = arena_new(a, topk_key, z.by_feature);
    w->topk.cand = arena_new(a, uint32_t, sparse ? cfg->f + TOPK_SLACK : 0);
    w->db_dec = arena_new(a, double, cfg->d);
}

double sae_cos_init(const struct sae *s)
{
    size_t d = s->cfg.d;
    double sum = 0;

    for (size_t i = 0; i < s->cfg.f; i++) {
        const real *a = s->p[SAE_DECODER].data + i * d, *b = s->start + i * d;
        double dot = 0, norm = sqrt(vec_sumsq(a, d) * vec_sumsq(b, d));

        for (size_t j = 0; j < d; j++)
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
