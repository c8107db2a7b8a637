/* cpt_arm.c - see cpt_arm.h. */
#include "worker/jobs/cpt_arm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/sha256.h"
#include "worker/num/auxloss.h"
#include "worker/num/vec.h"

static const struct {
    const char *name;
    enum cpt_loss loss;
} arms[] = {{"control", CPT_NONE},           {"l1", CPT_L1},
            {"saeception", CPT_MSE},         {"saeception_cosine", CPT_COSINE},
            {"random", CPT_MSE},             {"reconstruction", CPT_MSE}};

enum err_code cpt_arm_open(struct cpt_arm *a, const struct lm_cpt_cfg *cfg,
                           const struct sae_model *sae, size_t layer, struct err *e)
{
    *a = (struct cpt_arm){.layer = layer, .d = sae->d, .sae = sae, .target = SHARPEN_TOP};
    for (size_t i = 0; i < ARRAY_LEN(arms); i++)
        if (strcmp(arms[i].name, cfg->arm) == 0)
            a->loss = arms[i].loss;
    if (strcmp(cfg->arm, "random") == 0 && !sharpen_parse(cfg->random_target, &a->target))
        return err_set(e, ERR_BUG, "random_target: %s: unknown", cfg->random_target);
    a->k = strcmp(cfg->arm, "reconstruction") == 0 ? (sae->k ? sae->k : sae->f)
                                                   : (size_t)cfg->k_sharp;
    if (a->loss == CPT_MSE || a->loss == CPT_COSINE)
        return sharpen_check(sae, a->k, e);
    return ERR_OK;
}

static bool has_target(const struct cpt_arm *a)
{
    return a->loss == CPT_MSE || a->loss == CPT_COSINE;
}

size_t cpt_arm_bytes(const struct cpt_arm *a, size_t n_max)
{
    return 2 * arena_need(n_max * a->d, sizeof(real)) + arena_need(n_max, sizeof(uint64_t)) +
           (has_target(a) ? sharpen_bytes(a->sae, n_max) : 0);
}

/* --- targets and losses ------------------------------------------------------------------------- */

/* Targets of all rows into a->grad; what the sharpened target would have been into a->sharp. */
static bool make_targets(struct cpt_arm *a, const real *x, size_t n)
{
    if (!has_target(a))
        return true;
    a->sharpen.k = a->k;
    a->sharpen.target = a->target;
    if (!sharpen_rows(&a->sharpen, a->grad, x, a->key, n, NULL))
        return false;
    if (a->target == SHARPEN_TOP) {
        memcpy(a->sharp, a->grad, n * a->d * sizeof *a->sharp);
        return true;
    }
    a->sharpen.target = SHARPEN_TOP;
    return sharpen_rows(&a->sharpen, a->sharp, x, NULL, n, NULL);
}

static double (*const row_loss[])(real *g, const real *x, size_t d, double weight) = {
    [CPT_L1] = auxloss_l1, [CPT_MSE] = auxloss_mse, [CPT_COSINE] = auxloss_cosine};

static void forward(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    struct cpt_arm *a = ctx;

    if (is_again || a->loss == CPT_NONE) /* the activation itself is never changed */
        return;
    if (!make_targets(a, x, b->n)) {
        a->sum.is_bad = true;
        memset(a->grad, 0, b->n * a->d * sizeof *a->grad);
        return;
    }
    for (size_t r = 0; r < b->n; r++) {
        real *g = a->grad + r * a->d;
        const real *row = x + r * a->d;

        if (has_target(a)) {
            a->sum.cos += auxloss_cos(row, g, a->d);
            a->sum.cos_sharp += auxloss_cos(g, a->sharp + r * a->d, a->d);
        }
        a->sum.aux += row_loss[a->loss](g, row, a->d, a->per_token);
    }
    a->sum.n_tokens += (double)b->n;
}

/* lambda 0 adds nothing, not even a zero: -0 + 0 would be another bit pattern. */
static void backward(void *ctx, real *dx, const struct neox_batch *b)
{
    struct cpt_arm *a = ctx;
    const size_t n = b->n * a->d;
    const real lambda = (real)a->lambda;

    a->sum.g_lm += auxloss_dot(dx, dx, n);
    if (a->loss == CPT_NONE || !(a->lambda > 0))
        return;
    a->sum.g_aux += a->lambda * a->lambda * auxloss_dot(a->grad, a->grad, n);
    for (size_t i = 0; i < n; i++)
        dx[i] += lambda * a->grad[i];
}

void cpt_arm_init(struct cpt_arm *a, size_t n_max, uint64_t seed, struct arena *arena)
{
    a->n_max = n_max;
    a->grad = arena_new(arena, real, n_max * a->d);
    a->sharp = arena_new(arena, real, n_max * a->d);
    a->key = arena_new(arena, uint64_t, n_max);
    if (has_target(a))
        sharpen_new(&a->sharpen, a->sae, n_max, arena);
    a->sharpen.seed = seed;
    a->tap = (struct neox_tap){.layer = a->layer, .hook = NEOX_HOOK_RESID_POST, .fwd = forward,
                               .bwd = backward, .ctx = a};
}

void cpt_arm_step(struct cpt_arm *a, double lambda, size_t n_tokens)
{
    a->lambda = lambda;
    a->per_token = 1 / (double)n_tokens;
    a->sum = (struct cpt_sums){0};
}

void cpt_arm_batch(struct cpt_arm *a, const struct neox_batch *b, const uint64_t *sequence)
{
    assert(b->n <= a->n_max);
    for (size_t s = 0; s < b->n_seq; s++)
        for (size_t i = b->start[s]; i < b->start[s + 1]; i++)
            a->key[i] = sequence[s] << 16 | (uint64_t)b->pos[i];
}

/* --- proof --------------------------------------------------------------------------------------- */

/* Blocks up to the hooked one and the embedding lie below; of tied models the one matrix does. */
static bool is_below(const struct neox_row *r, size_t layer)
{
    return r->layer >= 0 ? (size_t)r->layer <= layer : strstr(r->name, "embed_in") != NULL;
}

static void digest_gradients(uint8_t out[32], const struct neox *m)
{
    struct sha256 h;

    sha256_init(&h);
    for (size_t i = 0; i < m->n_params; i++)
        sha256_add(&h, m->param[i].grad, m->param[i].n * sizeof *m->param[i].grad);
    sha256_end(&h, out);
}

/* Gradients of a whole step on the batch with lambda 0, with the tap and without it. */
static bool is_zero_control(struct cpt_arm *a, struct neox *m, struct neox_acts *s, const struct neox_batch *b)
{
    const size_t n_taps = s->n_taps;
    uint8_t digest[2][32];

    for (size_t i = 0; i < 2; i++) {
        s->n_taps = i ? n_taps : 0;
        cpt_arm_step(a, 0, b->n);
        neox_step_begin(m);
        (void)neox_loss_grad(m, s, b, a->per_token);
        neox_backward(m, s, b);
        digest_gradients(digest[i], m);
    }
    return memcmp(digest[0], digest[1], sizeof digest[0]) == 0;
}

struct cpt_proof cpt_arm_prove(struct cpt_arm *a, struct neox *m, struct neox_acts *s,
                               const struct neox_batch *b)
{
    struct cpt_proof p = {.is_zero_control = is_zero_control(a, m, s, b)};

    cpt_arm_step(a, 1, b->n);
    neox_step_begin(m);
    (void)neox_loss_grad(m, s, b, 0); /* the language model's loss counts for nothing */
    neox_backward(m, s, b);
    for (size_t i = 0; i < m->n_params; i++) {
        struct neox_row row;
        const double sq = vec_sumsq(m->param[i].grad, m->param[i].n);

        neox_row(&row, &m->cfg, i);
        *(is_below(&row, a->layer) ? &p.below : &p.above) += sq;
    }
    p.below = sqrt(p.below);
    p.above = sqrt(p.above);
    return p;
}
