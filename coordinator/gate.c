/* gate.c - see gate.h. */
#include "coordinator/gate.h"

#include <math.h>

size_t gate_kept(double top, size_t n)
{
    double kept = top < 1 ? ceil(top * (double)n - 1e-9) : top;

    return kept < (double)n ? (size_t)kept : n;
}

bool gate_passes(const struct gate *g, double value, double against_mean, struct buf *why)
{
    double v = g->against ? value - against_mean : value;
    bool ok = (isnan(g->min) || v >= g->min) && (isnan(g->max) || v <= g->max);

    if (!isfinite(v)) {
        buf_fmt(why, "%s has no value", g->metric);
        if (isfinite(value))
            buf_fmt(why, " in %s", g->against);
        return false;
    }
    buf_fmt(why, "%s: %s%s%s = ", ok ? "passed" : "missed", g->metric, g->against ? " - mean of " : "",
            g->against ? g->against : "");
    buf_f64(why, v);
    if (!isnan(g->min)) {
        buf_str(why, ", min ");
        buf_f64(why, g->min);
    }
    if (!isnan(g->max)) {
        buf_str(why, ", max ");
        buf_f64(why, g->max);
    }
    return ok;
}
