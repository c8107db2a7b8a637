/* golden_grad.c - gradients of cross-entropy, of the auxiliary loss and of the L1 loss. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/golden/golden.h"

/* Worst relative error over parameters, each against its own norm, but at least `least`. */
static void compare(struct golden *g, const char *prefix, double least)
{
    double worst = 0;
    const char *where = "";
    char what[160];
    size_t n = 0;

    for (size_t i = 0; i < g->m.n_params; i++) {
        const struct param *p = &g->m.param[i];
        const float *want = golden_find(g, p->n, "%s.%s", prefix, p->name);
        double err = want ? golden_frobenius(p->grad, want, p->n, least) : 0;

        n += want != NULL;
        if (want && !(err <= worst)) {
            worst = err;
            where = p->name;
        }
        if (want && !(err <= golden_limit(GOLDEN_GRAD)))
            printf("  %s.%s: %.3e\n", prefix, p->name, err);
    }
    if (!n)
        return;
    snprintf(what, sizeof what, "%s, %zu parameters, worst %s", prefix, n,
             strncmp(where, "gpt_neox.", 9) ? where : where + 9);
    golden_line(g, what, worst, GOLDEN_GRAD);
}

/* Loss and gradients over one batch; returns the mean loss. */
static double gradients(struct golden *g, const struct neox_batch *b)
{
    double n = (double)neox_batch_scored(b), sum;

    neox_step_begin(&g->m);
    sum = neox_loss_grad(&g->m, &g->s, b, 1 / n);
    neox_backward(&g->m, &g->s, b);
    return sum / n;
}

/* Rows below this share of the whole gradient are noise in the reference itself. */
static double least_of(const struct golden *g)
{
    return 1e-6 * grads_norm(g->m.param, g->m.n_params);
}

static void auxiliary(struct golden *g, const struct json *aux)
{
    const size_t d = g->m.cfg.d_model;
    const struct golden_batch *b = &g->padded;
    const float *want = golden_find(g, b->b * b->t * d, "aux_target");
    struct golden_aux a;
    struct neox_tap tap;
    double lm, worst = 0;

    golden_aux_init(&a, g);
    a.k = (size_t)golden_number(g, aux, "k");
    a.k_sharp = (size_t)golden_number(g, aux, "k_sharp");
    a.weight = golden_number(g, aux, "lam");
    tap = golden_tap(&a, (size_t)golden_number(g, aux, "layer"));
    g->s.taps = &tap;
    g->s.n_taps = 1;
    lm = gradients(g, &b->mem.view);
    g->s.n_taps = 0;
    for (size_t i = 0; want && i < b->mem.view.n; i++)
        for (size_t j = 0; j < d; j++)
            worst = fmax(worst, fabs((double)a.target[i * d + j] - (double)want[b->from[i] * d + j]));
    if (want)
        golden_line(g, "aux_target", worst, GOLDEN_LOGITS);
    golden_line(g, "aux: lm_loss", golden_relative(lm, golden_number(g, aux, "lm_loss")), GOLDEN_LOSS);
    golden_line(g, "aux: aux_loss", golden_relative(a.value, golden_number(g, aux, "aux_loss")),
                GOLDEN_LOSS);
    golden_line(g, "aux: total",
                golden_relative(lm + a.weight * a.value, golden_number(g, aux, "total")), GOLDEN_LOSS);
    golden_line(g, "aux: grad_norm",
                golden_relative(grads_norm(g->m.param, g->m.n_params),
                                golden_number(g, aux, "grad_norm")), GOLDEN_GRAD);
    compare(g, "grad_aux", least_of(g));
}

static void l1_norms(struct golden *g, const struct json *l1)
{
    const struct json *norms = json_get(l1, "grad_norm_per_param");
    double worst = 0, want;

    for (size_t i = 0; i < g->m.n_params; i++)
        if (json_f64(json_get(norms, g->m.param[i].name), &want))
            worst = fmax(worst, fabs(grads_norm(&g->m.param[i], 1) - want) / fmax(want, least_of(g)));
    if (norms)
        golden_line(g, "l1: grad_norm_per_param", worst, GOLDEN_GRAD);
}

static void l1(struct golden *g, const struct json *l1_json)
{
    struct golden_aux a;
    struct neox_tap tap;
    double lm;

    golden_aux_init(&a, g);
    a.is_l1 = true;
    a.weight = golden_number(g, l1_json, "weight");
    tap = golden_tap(&a, (size_t)golden_number(g, l1_json, "layer"));
    g->s.taps = &tap;
    g->s.n_taps = 1;
    lm = gradients(g, &g->padded.mem.view);
    g->s.n_taps = 0;
    golden_line(g, "l1: lm_loss", golden_relative(lm, golden_number(g, l1_json, "lm_loss")), GOLDEN_LOSS);
    golden_line(g, "l1: l1_norm", golden_relative(a.value, golden_number(g, l1_json, "l1_norm")),
                GOLDEN_LOSS);
    golden_line(g, "l1: total",
                golden_relative(lm + a.weight * a.value, golden_number(g, l1_json, "total")), GOLDEN_LOSS);
    golden_line(g, "l1: grad_norm",
                golden_relative(grads_norm(g->m.param, g->m.n_params),
                                golden_number(g, l1_json, "grad_norm")), GOLDEN_GRAD);
    l1_norms(g, l1_json);
}

void golden_gradients(struct golden *g)
{
    const struct json *aux = json_get(g->json, "aux"), *l1_json = json_get(g->json, "l1");

    gradients(g, &g->plain.mem.view);
    if (json_get(g->json, "grad_ce_norm"))
        golden_line(g, "grad_ce_norm",
                    golden_relative(grads_norm(g->m.param, g->m.n_params),
                                    golden_number(g, g->json, "grad_ce_norm")), GOLDEN_GRAD);
    compare(g, "grad_ce", least_of(g));
    if (aux && g->has_sae && g->padded.b)
        auxiliary(g, aux);
    if (l1_json && g->padded.b)
        l1(g, l1_json);
}
