/* hypo_stat.c - the numbers behind the hypotheses, of one draw of seeds; see hypo_internal.h. */
#include <math.h>
#include <string.h>

#include "coordinator/hypo_internal.h"

enum { LINE_MAX = 256 };
#define EV_SLACK 0.01 /* what an architecture may lose in EV and still be said to move the front */

static double ratio(const struct hypo_draw *d, size_t i)
{
    return d->pwmcc[i] / d->data->cond[i].random;
}

static void rank_of(double *r, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double below = 0, equal = 0;

        for (size_t j = 0; j < n; j++) {
            below += x[j] < x[i];
            equal += x[j] == x[i];
        }
        r[i] = below + (equal - 1) / 2;
    }
}

double hypo_spearman(const double *x, const double *y, size_t n)
{
    double a[LINE_MAX], b[LINE_MAX], ab = 0, aa = 0, bb = 0;
    const double mid = ((double)n - 1) / 2;

    if (n < 3 || n > LINE_MAX)
        return NAN;
    rank_of(a, x, n);
    rank_of(b, y, n);
    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - mid) * (b[i] - mid);
        aa += (a[i] - mid) * (a[i] - mid);
        bb += (b[i] - mid) * (b[i] - mid);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

static double line_rho(const struct hypo_draw *d, const struct hypo_group *g, bool of_ev)
{
    double x[LINE_MAX], y[LINE_MAX];
    size_t n = g->n < LINE_MAX ? g->n : LINE_MAX;

    for (size_t i = 0; i < n; i++) {
        const struct hypo_cond *c = &d->data->cond[g->member[i]];

        x[i] = of_ev ? c->ev : c->d_sae / c->erank;
        y[i] = ratio(d, g->member[i]);
    }
    return hypo_spearman(x, y, n);
}

/* Minus the mean correlation: over the lines of each set of rows, then over the sets. */
static double fall(const struct hypo_draw *d, bool of_ev)
{
    const char *set;
    double sum = 0, n = 0;

    for (size_t s = 0; (set = hypo_label(d->groups, s)) != NULL; s++) {
        double of_set = 0, n_lines = 0;

        for (size_t i = 0; i < d->groups->n; i++) {
            double rho = strcmp(d->groups->v[i].label, set) ? NAN : line_rho(d, &d->groups->v[i], of_ev);

            of_set += isfinite(rho) ? rho : 0;
            n_lines += isfinite(rho);
        }
        sum -= n_lines > 0 ? of_set / n_lines : 0;
        n += n_lines > 0;
    }
    return n > 0 ? sum / n : NAN;
}

double hypo_stat_rank(const struct hypo_draw *d, const char *label)
{
    (void)label;
    return fall(d, false);
}

double hypo_stat_trade(const struct hypo_draw *d, const char *label)
{
    (void)label;
    return fall(d, true);
}

/* TopK's value at the head's L0, between its neighbours on a scale of log L0. */
static double at_l0(const struct hypo_draw *d, const struct hypo_group *g, bool of_ev)
{
    const double l0 = d->data->cond[g->head].l0;

    for (size_t i = 0; i < g->n; i++) {
        const struct hypo_cond *b = &d->data->cond[g->member[i]];
        double vb = of_ev ? b->ev : d->pwmcc[g->member[i]];

        if (b->l0 < l0)
            continue;
        if (i == 0 || b->l0 == l0)
            return vb;
        const struct hypo_cond *a = &d->data->cond[g->member[i - 1]];
        double va = of_ev ? a->ev : d->pwmcc[g->member[i - 1]];
        double t = log(l0 / a->l0) / log(b->l0 / a->l0);

        return va + t * (vb - va);
    }
    return NAN;
}

/* Mean over the architecture's conditions.  A gain that is paid for with EV is none. */
double hypo_stat_gain(const struct hypo_draw *d, const char *label)
{
    double sum = 0, n = 0;

    for (size_t i = 0; i < d->groups->n; i++) {
        const struct hypo_group *g = &d->groups->v[i];
        double gain;

        if (strcmp(g->label, label))
            continue;
        gain = d->pwmcc[g->head] - at_l0(d, g, false);
        if (gain > 0 && d->data->cond[g->head].ev < at_l0(d, g, true) - EV_SLACK)
            gain = 0;
        sum += gain;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

double hypo_stat_ratio(const struct hypo_draw *d, const char *label)
{
    double sum = 0, n = 0;

    for (size_t i = 0; i < d->groups->n; i++)
        for (size_t j = 0; strcmp(d->groups->v[i].label, label) == 0 && j < d->groups->v[i].n; j++) {
            sum += ratio(d, d->groups->v[i].member[j]);
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

double hypo_stat_surrogate(const struct hypo_draw *d, const char *label)
{
    double sum = 0, n = 0;

    for (size_t i = 0; i < d->groups->n; i++)
        for (size_t j = 0; j < d->groups->v[i].n; j++) {
            size_t c = d->groups->v[i].member[j];

            if (*label && strcmp(d->data->cond[c].job, label) != 0)
                continue;
            sum += d->pwmcc[c] - d->surrogate[c];
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

double hypo_stat_causal(const struct hypo_draw *d, const char *label)
{
    double sum = 0;

    (void)label;
    for (size_t i = 0; i < d->data->n_causal; i++)
        sum += d->gap[i];
    return d->data->n_causal ? sum / (double)d->data->n_causal : NAN;
}
