/* l0_scan.c - see l0_scan.h. */
#include "worker/eval/l0_scan.h"

#include <math.h>

void l0_scan_add(struct l0_point *v, size_t *n, double coef, double l0, double ev)
{
    size_t i = 0;

    while (i < *n && fabs(v[i].coef - coef) > 1e-12 * fabs(coef))
        i++;
    if (i == *n)
        v[(*n)++] = (struct l0_point){coef, 0, 0, 0};
    v[i].n++;
    v[i].l0 += (l0 - v[i].l0) / (double)v[i].n;
    v[i].ev += (ev - v[i].ev) / (double)v[i].n;
}

void l0_scan_sort(struct l0_point *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && v[j].l0 < v[j - 1].l0; j--) {
            struct l0_point t = v[j];

            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

double l0_scan_knee(const struct l0_point *v, size_t n, double drop, bool *is_inside)
{
    double best = -INFINITY;
    size_t i = n;

    for (size_t p = 0; p < n; p++)
        best = v[p].ev > best ? v[p].ev : best;
    while (i > 0 && v[i - 1].ev >= best - drop) /* from the densest down */
        i--;
    *is_inside = i > 0;
    if (i == 0)
        return v[0].l0;
    if (i == n) /* the densest is not among the best: the knee is to its left */
        return v[n - 1].l0;
    double t = (best - drop - v[i - 1].ev) / (v[i].ev - v[i - 1].ev);

    return exp(log(v[i - 1].l0) + t * (log(v[i].l0) - log(v[i - 1].l0)));
}

bool l0_scan_at(const struct l0_point *v, size_t n, double l0, double *coef, double *ev)
{
    for (size_t i = 0; i + 1 < n; i++) {
        const struct l0_point *a = &v[i], *b = &v[i + 1];

        if (!(l0 >= a->l0 && l0 <= b->l0) || !(a->l0 > 0))
            continue;
        double t = b->l0 > a->l0 ? log(l0 / a->l0) / log(b->l0 / a->l0) : 0;

        *coef = a->coef > 0 && b->coef > 0 ? exp(log(a->coef) + t * log(b->coef / a->coef)) : a->coef + t * (b->coef - a->coef);
        *ev = a->ev + t * (b->ev - a->ev);
        return true;
    }
    return false;
}
