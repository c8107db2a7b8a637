/* gate.h - acceptance rules: a metric within limits, alone or against another stage's mean.
 *
 * `value` (minus `against`, the mean of the same metric over the stage compared with) has to lie
 * in [min, max]; a limit that is NaN is not there.  A metric that is absent misses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct gate {
    const char *metric, *against; /* against: the stage's name, or NULL */
    double min, max;              /* NaN: no such limit */
};

/* How many of n pass a gate `top`: a count, or below 1 a share of them, rounded up. */
size_t gate_kept(double top, size_t n);

/* True if the gate is passed; says why either way: "ev 0.91, at least 0.9". */
bool gate_passes(const struct gate *g, double value, double against_mean, struct buf *why);
