/* orders.h - what an order (control.h) does: to the jobs of a running core, and to all others. */
#pragma once
#include "common/clock.h"
#include "coordinator/control.h"
#include "coordinator/core.h"
#include "coordinator/manifest.h"

struct orders_place {
    struct manifest *m;
    struct core *core;         /* NULL: no coordinator runs */
    struct core_out *out;
    const struct clock *clock;
};

/* Applies one order.  With a core, its jobs change through it, as events in `out` that the caller
 * commits before it answers; jobs that it does not have, or all without a core, change in the
 * manifest at once.  `answer` gets a line for people, also after an error. */
MUST_CHECK enum err_code orders_apply(const struct orders_place *at, const struct control_order *o,
                                      struct buf *answer, struct err *e);
/* No coordinator runs: takes up what a dead one left, then applies. */
MUST_CHECK enum err_code orders_apply_alone(struct manifest *m, const struct control_order *o,
                                            struct buf *answer, struct err *e);
