/* l0_scan.h - a scan over a sparsity coefficient, read at an L0. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct l0_point {
    double coef, l0, ev;
    size_t n; /* SAEs averaged */
};

/* Adds one SAE: to the point of its coefficient, or as a new one; v has room for n + 1. */
void l0_scan_add(struct l0_point *v, size_t *n, double coef, double l0, double ev);
/* Sorts by rising L0. */
void l0_scan_sort(struct l0_point *v, size_t n);
/* The smallest L0 down to which EV stays within `drop` of the best, between points on a scale of log L0.  The least of
 * the scan if EV does not fall in it: *is_inside false. */
double l0_scan_knee(const struct l0_point *v, size_t n, double drop, bool *is_inside);
/* Coefficient and EV at this L0, the coefficient on a log scale where it is positive.  False outside the scan. */
bool l0_scan_at(const struct l0_point *v, size_t n, double l0, double *coef, double *ev);
