/* golden_sae.c - the intervention curve, zero ablation, and the share of loss recovered. */
#include <math.h>
#include <stdio.h>

#include "tests/golden/golden.h"

static double loss_with(struct golden *g, struct golden_aux *a, size_t layer)
{
    const struct neox_batch *b = &g->padded.mem.view;
    struct neox_tap tap = golden_tap(a, layer);
    double loss;

    g->s.taps = &tap;
    g->s.n_taps = 1;
    loss = neox_loss(&g->m, &g->s, b) / (double)neox_batch_scored(b);
    g->s.n_taps = 0;
    return loss;
}

void golden_intervention(struct golden *g)
{
    const struct json *j = json_get(g->json, "intervention"), *point, *recovered;
    struct golden_aux a;
    double base, zero, worst = 0, worst_ppl = 0, worst_recovered = 0, want;
    size_t layer;
    char key[32];

    if (!j || !g->has_sae || !g->padded.b)
        return;
    layer = (size_t)golden_number(g, j, "layer");
    recovered = json_get(j, "ce_recovered");
    golden_aux_init(&a, g);
    a.is_zero = true;
    zero = loss_with(g, &a, layer);
    a.is_zero = false;
    a.is_replacing = true;
    a.k = (size_t)golden_number(g, j, "k");
    base = neox_loss(&g->m, &g->s, &g->padded.mem.view) / (double)neox_batch_scored(&g->padded.mem.view);
    golden_line(g, "intervention: baseline_ce",
                golden_relative(base, golden_number(g, j, "baseline_ce")), GOLDEN_LOSS);
    golden_line(g, "intervention: zero_ablation_ce",
                golden_relative(zero, golden_number(g, j, "zero_ablation_ce")), GOLDEN_LOSS);
    for (point = json_first(json_get(j, "curve")); point; point = json_next(point)) {
        a.k_sharp = (size_t)golden_number(g, point, "k_sharp");
        double ce = loss_with(g, &a, layer);
        worst = fmax(worst, golden_relative(ce, golden_number(g, point, "ce")));
        worst_ppl = fmax(worst_ppl, golden_relative(exp(ce), golden_number(g, point, "ppl")));
        snprintf(key, sizeof key, "%zu", a.k_sharp);
        if (json_f64(json_get(recovered, key), &want)) /* a difference of losses: absolute */
            worst_recovered = fmax(worst_recovered, fabs((zero - ce) / (zero - base) - want) *
                                                        fabs(zero - base));
    }
    golden_line(g, "intervention: curve, cross-entropy", worst, GOLDEN_LOSS);
    golden_line(g, "intervention: curve, perplexity", worst_ppl, GOLDEN_LOGITS);
    if (recovered)
        golden_line(g, "intervention: ce_recovered, in nats", worst_recovered, GOLDEN_LOGITS);
}
