/* neox_step.h - the update of a step: gradient norm, clipping and AdamW, split over threads.
 *
 * Apart from the gradient (neox_acts.h), so that gradients may be summed over ranks in between.
 */
#pragma once
#include "worker/neox/neox.h"

/* Global L2 norm of the gradients, in double; the same bits for any number of threads. */
double neox_grad_norm(const struct neox *m);
/* One step of AdamW with the gradients times `scale`; counts o->t. */
void neox_adam(struct neox *m, struct adam *o, double lr_now, double scale);
