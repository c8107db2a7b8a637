/* golden_adam.c - some steps of AdamW on the auxiliary loss: losses, norms, step sizes, weights.
 *
 * Adam divides each gradient by its own size, so entries whose true gradient is zero (a key's bias,
 * as far as it is not rotated) carry the rounding of the gradient into the weights.  The limit is
 * therefore held by the double build; the float build prints its figure. */
#include <math.h>
#include <stdio.h>

#include "tests/golden/golden.h"
#include "worker/nn/lr_curve.h"
#include "worker/num/vec.h"

struct run {
    struct golden_aux aux;
    struct neox_tap tap;
    struct adam adam;
    struct lr_curve lr;
    double clip, lm, norm;
    double worst_loss, worst_norm, worst_lr;
};

static void step(struct golden *g, struct run *r, const struct json *want)
{
    const struct neox_batch *b = &g->padded.mem.view;
    double n = (double)neox_batch_scored(b), lr = lr_at(&r->lr, r->adam.t);

    neox_step_begin(&g->m);
    r->lm = neox_loss_grad(&g->m, &g->s, b, 1 / n) / n;
    neox_backward(&g->m, &g->s, b);
    r->norm = grads_clip(g->m.param, g->m.n_params, r->clip);
    adam_step(&r->adam, g->m.param, g->m.n_params, lr);
    double total = r->lm + r->aux.weight * r->aux.value;
    r->worst_lr = fmax(r->worst_lr, golden_relative(lr, golden_number(g, want, "lr")));
    r->worst_loss = fmax(r->worst_loss, golden_relative(r->lm, golden_number(g, want, "lm_loss")));
    r->worst_loss = fmax(r->worst_loss, golden_relative(r->aux.value, golden_number(g, want, "aux_loss")));
    r->worst_loss = fmax(r->worst_loss, golden_relative(total, golden_number(g, want, "total")));
    r->worst_norm = fmax(r->worst_norm,
                         golden_relative(r->norm, golden_number(g, want, "grad_norm_before_clip")));
}

static void begin(struct golden *g, struct run *r, const struct json *j)
{
    const struct json *aux = json_get(g->json, "aux"), *betas = json_get(j, "betas");

    *r = (struct run){.clip = golden_number(g, j, "clip")};
    golden_aux_init(&r->aux, g);
    r->aux.k = (size_t)golden_number(g, aux, "k");
    r->aux.k_sharp = (size_t)golden_number(g, aux, "k_sharp");
    r->aux.weight = golden_number(g, aux, "lam");
    r->tap = golden_tap(&r->aux, (size_t)golden_number(g, aux, "layer"));
    r->adam = (struct adam){.lr = golden_number(g, j, "lr"), .wd = golden_number(g, j, "weight_decay"),
                            .eps = golden_number(g, j, "eps")};
    if (!json_f64(json_first(betas), &r->adam.beta1) ||
        !json_f64(json_next(json_first(betas)), &r->adam.beta2))
        golden_die("%s/golden.json: adamw.betas: not two numbers", g->dir);
    r->lr = (struct lr_curve){.shape = LR_COSINE, .lr = r->adam.lr, .floor = 0.1,
                              .n_steps = (int64_t)golden_number(g, j, "steps")};
}

static double weights_diff(struct golden *g, size_t *n)
{
    double worst = 0;

    for (size_t i = 0; i < g->m.n_params; i++) {
        const struct param *p = &g->m.param[i];
        const float *want = golden_find(g, p->n, "after.%s", p->name);
        double err = want ? golden_frobenius(p->data, want, p->n, 1e-12) : 0;

        *n += want != NULL;
        worst = err <= worst ? worst : err;
        if (want && !(err <= golden_limit(GOLDEN_AFTER)) && sizeof(real) == sizeof(double))
            printf("  after.%s: %.3e\n", p->name, err);
    }
    return worst;
}

static void report(struct golden *g, struct run *r, const struct json *j)
{
    const struct json *norms = json_get(j, "param_norms_after");
    double weights, norm = 0, want;
    size_t n = 0;
    char what[80];

    weights = weights_diff(g, &n);
    for (size_t i = 0; i < g->m.n_params; i++)
        if (json_f64(json_get(norms, g->m.param[i].name), &want))
            norm = fmax(norm, golden_relative(sqrt(vec_sumsq(g->m.param[i].data, g->m.param[i].n)), want));
    if (!g->only_trajectory && sizeof(real) == sizeof(float)) {
        printf("%-58s %10.3e  rel, float; see the double build\n", "adamw: after.*", weights);
        return;
    }
    golden_line(g, "adamw: lr", r->worst_lr, GOLDEN_LOSS);
    golden_line(g, "adamw: losses", r->worst_loss, GOLDEN_LOSS);
    golden_line(g, "adamw: gradient norms before clipping", r->worst_norm, GOLDEN_GRAD);
    if (norms)
        golden_line(g, "adamw: param_norms_after", norm, GOLDEN_AFTER);
    snprintf(what, sizeof what, "adamw: after.*, %zu parameters", n);
    golden_line(g, what, weights, GOLDEN_AFTER);
}

void golden_trajectory(struct golden *g)
{
    const struct json *j = json_get(g->json, "adamw"), *point = json_first(json_get(j, "trajectory"));
    struct run r;

    if (!j || !g->has_sae || !g->padded.b)
        return;
    begin(g, &r, j);
    g->s.taps = &r.tap;
    g->s.n_taps = 1;
    for (; point; point = json_next(point))
        step(g, &r, point);
    g->s.n_taps = 0;
    report(g, &r, j);
    neox_file_load(&g->file, &g->m);
}
