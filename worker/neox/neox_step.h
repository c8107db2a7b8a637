/* neox_step.h - the update of a step: gradient norm, clipping and AdamW, split over threads.
 *
 * Apart from the gradient (neox_acts.h), so that gradients may be summed over ranks in between.
 */
#pragma once
#include "worker/neox/neox.h"

/* Global L2 norm of the gradients, in double; the same bits for any number of threads. */
double neox_grad_norm(const struct neox *m);
/* One step of AdamW with the gradients times `scale`; counts o->t.  Rounds as m->store says. */
void neox_adam(struct neox *m, struct adam *o, double lr_now, double scale);

/* Where gradients are given to a sink (store.grads_block) a step is two rounds of passes over the same
 * batch: one for the norm, and with it one that updates each row as its gradient comes.
 *
 *   struct neox_lean l;
 *   neox_lean_norm(&l, m);            passes;  norm = sqrt(l.sumsq)
 *   neox_lean_adam(&l, m, &adam, lr, clip_scale(norm, clip));   the same passes
 */
struct neox_lean {
    double sumsq;
    struct adam_coef coef;
    int64_t step;
};
void neox_lean_norm(struct neox_lean *l, struct neox *m);
void neox_lean_adam(struct neox_lean *l, struct neox *m, struct adam *o, double lr_now, double scale);
