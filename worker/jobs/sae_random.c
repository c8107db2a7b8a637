/* sae_random.c - a dictionary of random directions.
 *
 * rng `saegrid`: rows of N(0,1), normalised: isotropic.  rng `torch`: torch.randn(d_model, d_sae)
 * after torch.manual_seed(seed), columns normalised, as in recorded baselines.
 */
#include <math.h>
#include <string.h>

#include "common/kinds/sae_random.h"
#include "common/rng.h"
#include "common/rng_compat.h"
#include "worker/runner/impl.h"
#include "worker/sae/sae_io.h"

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct sae_random_cfg *c = j->cfg;
    size_t n = (size_t)(c->d_model * c->d_sae);

    (void)e;
    p->arena_bytes = 2 * arena_need(n, sizeof(float));
    p->n_steps = 1;
    return ERR_OK;
}

/* dir [f,d] from draws [d,f] */
static void draw_torch(float *dir, float *draws, size_t f, size_t d, uint64_t seed)
{
    struct mt19937 g;

    mt_seed(&g, seed);
    mt_randn(&g, draws, f * d);
    for (size_t i = 0; i < d; i++)
        for (size_t c = 0; c < f; c++)
            dir[c * d + i] = draws[i * f + c];
}

static void normalise(float *dir, size_t f, size_t d)
{
    for (size_t i = 0; i < f; i++) {
        double sq = 0;

        for (size_t c = 0; c < d; c++)
            sq += (double)dir[i * d + c] * (double)dir[i * d + c];
        for (size_t c = 0; sq > 0 && c < d; c++)
            dir[i * d + c] = (float)((double)dir[i * d + c] / sqrt(sq));
    }
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct sae_random_cfg *c = j->cfg;
    size_t f = (size_t)c->d_sae, d = (size_t)c->d_model;
    float *dir = arena_new(j->arena, float, f * d);
    float *draws = arena_new(j->arena, float, f * d);

    if (!strcmp(c->rng, "torch")) {
        draw_torch(dir, draws, f, d, (uint64_t)c->seed);
    } else {
        struct rng r = rng_stream((uint64_t)c->seed, "sae_random");

        for (size_t i = 0; i < f * d; i++)
            dir[i] = (float)rng_normal(&r);
    }
    normalise(dir, f, d);
    if (sae_save_decoder(job_path(j, SAE_FILE), dir, f, d, c->seed, e))
        return err_wrap(e, "sae_random");
    job_summary(j, "%zu random directions in %zu dims, generator %s.", f, d, c->rng);
    return ERR_OK;
}

const struct job_impl job_impl_sae_random = {"sae_random", plan, run};
