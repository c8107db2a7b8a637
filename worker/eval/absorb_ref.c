/* absorb_ref.c - see absorb_ref.h. */
#include "worker/eval/absorb_ref.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/eval/logit.h"

enum { ABSORBERS = 5 };
#define F1_GAIN 0.03    /* a further main feature has to bring more */
#define SHARE 0.1       /* of the row's projection, that absorbers need */

struct ref {
    const struct absorb_ref_in *in;
    double *w;              /* [d + 1] */
    double norm;
    uint32_t *candidate;    /* [f], the first n_candidates */
    size_t n_candidates;
    double *feat;           /* [n_train, ABSORB_REF_MAIN_MAX] */
    size_t main[ABSORB_REF_MAIN_MAX], n_main;
};

static enum err_code fit_probe(struct ref *r, struct err *e)
{
    const struct absorb_ref_in *in = r->in;
    double *x = malloc((in->n_train * in->d + 1) * sizeof *x);

    if (!x)
        return err_set(e, ERR_NOMEM, "absorption: %zu rows: out of memory", in->n_train);
    for (size_t i = 0; i < in->n_train * in->d; i++)
        x[i] = (double)in->x[i];
    enum err_code rc = logit_fit_balanced(r->w, x, in->y, in->n_train, in->d, 1, e);
    free(x);
    for (size_t i = 0; i < in->d; i++)
        r->norm += r->w[i] * r->w[i];
    r->norm = sqrt(r->norm);
    return rc;
}

struct ranked {
    double value;
    uint32_t feature;
};

static int greatest_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->feature < y->feature ? -1 : 1;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* |mean+ - mean-| / std over the training rows; below 0 for a feature that is never active. */
static double separation(const struct absorb_ref_in *in, size_t f)
{
    double n[2] = {0}, sum[2] = {0}, sq = 0, most = 0;

    for (size_t i = 0; i < in->n_train; i++) {
        const double v = (double)in->a[i * in->f + f];

        n[in->y[i]]++;
        sum[in->y[i]] += v;
        sq += v * v;
        most = v > most ? v : most;
    }
    const double mean = (sum[0] + sum[1]) / (n[0] + n[1]), var = sq / (n[0] + n[1]) - mean * mean;
    return most > 0 ? fabs(sum[1] / n[1] - sum[0] / n[0]) / (sqrt(var > 0 ? var : 0) + 1e-8) : -1;
}

/* Those that are tried, in ascending order: ties go to the smaller feature. */
static enum err_code choose(struct ref *r, struct err *e)
{
    const struct absorb_ref_in *in = r->in;
    struct ranked *all = malloc((in->f + 1) * sizeof *all);
    size_t n = 0;

    if (!all)
        return err_set(e, ERR_NOMEM, "absorption: %zu features: out of memory", in->f);
    for (size_t f = 0; f < in->f; f++) {
        const double s = separation(in, f);

        if (s >= 0)
            all[n++] = (struct ranked){s, (uint32_t)f};
    }
    qsort(all, n, sizeof *all, greatest_first);
    r->n_candidates = in->n_candidates && in->n_candidates < n ? in->n_candidates : n;
    for (size_t i = 0; i < r->n_candidates; i++)
        r->candidate[i] = all[i].feature;
    qsort(r->candidate, r->n_candidates, sizeof *r->candidate, ascending);
    free(all);
    return ERR_OK;
}

/* F1 on the training rows of a logistic regression on the main features and one more. */
static enum err_code f1_with(struct ref *r, size_t feature, double *f1, struct err *e)
{
    const struct absorb_ref_in *in = r->in;
    const size_t k = r->n_main + 1;
    double w[ABSORB_REF_MAIN_MAX + 1], hit = 0, called = 0, real_ones = 0;

    for (size_t i = 0; i < in->n_train; i++) {
        for (size_t c = 0; c < r->n_main; c++)
            r->feat[i * k + c] = (double)in->a[i * in->f + r->main[c]];
        r->feat[i * k + r->n_main] = (double)in->a[i * in->f + feature];
    }
    if (logit_fit(w, r->feat, in->y, in->n_train, k, 1, e))
        return e->code;
    for (size_t i = 0; i < in->n_train; i++) {
        const bool is = logit_score(w, r->feat + i * k, k) > 0;

        hit += is && in->y[i];
        called += is;
        real_ones += in->y[i];
    }
    *f1 = called + real_ones > 0 ? 2 * hit / (called + real_ones) : 0;
    return ERR_OK;
}

static bool is_main(const struct ref *r, size_t feature)
{
    for (size_t i = 0; i < r->n_main; i++)
        if (r->main[i] == feature)
            return true;
    return false;
}

/* The reference takes a better candidate as it comes along: beyond the first feature each has to beat
 * the best so far by the gain, so the order of the features counts. */
static enum err_code find_main(struct ref *r, double *best, struct err *e)
{
    *best = 0;
    while (r->n_main < ABSORB_REF_MAIN_MAX) {
        const double gain = r->n_main ? F1_GAIN : 0;
        size_t found = SIZE_MAX;
        double now = 0;

        for (size_t i = 0; i < r->n_candidates; i++) {
            if (is_main(r, r->candidate[i]))
                continue;
            if (f1_with(r, r->candidate[i], &now, e))
                return e->code;
            if (now > *best + gain) {
                *best = now;
                found = r->candidate[i];
            }
        }
        if (found == SIZE_MAX)
            break;
        r->main[r->n_main++] = found;
    }
    return ERR_OK;
}

static double along(const struct ref *r, size_t feature)
{
    double sum = 0;

    for (size_t i = 0; i < r->in->d; i++)
        sum += (double)r->in->dir[feature * r->in->d + i] * r->w[i] / r->norm;
    return sum;
}

/* Of one row with projection `total`. */
static double score_of(const struct ref *r, const double *p, size_t row, double total)
{
    const float *a = r->in->a + row * r->in->f;
    double main = 0, top[ABSORBERS] = {0}, t = 0;

    for (size_t f = 0; f < r->in->f; f++) {
        double c = (double)a[f] * p[f];

        if (!(a[f] > 0))
            continue;
        if (is_main(r, f)) {
            main += c;
            continue;
        }
        for (size_t i = 0; i < ABSORBERS; i++)
            if (c > top[i]) {
                const double last = top[i];

                top[i] = c;
                c = last;
            }
    }
    for (size_t i = 0; i < ABSORBERS; i++)
        t += top[i];
    if (main >= total || t < SHARE * total)
        return 0;
    return t / (t + (main > 0 ? main : 0) + 1e-8);
}

static enum err_code score_rows(struct ref *r, struct absorb_ref *out, struct err *e)
{
    const struct absorb_ref_in *in = r->in;
    double *p = malloc((in->f + 1) * sizeof *p), sum = 0;

    if (!p)
        return err_set(e, ERR_NOMEM, "absorption: %zu features: out of memory", in->f);
    for (size_t f = 0; f < in->f; f++)
        p[f] = along(r, f);
    for (size_t i = in->n_train; i < in->n_train + in->n_test; i++) {
        double dot = 0;

        for (size_t c = 0; c < in->d; c++)
            dot += r->w[c] * (double)in->x[i * in->d + c];
        if (!in->y[i] || dot + r->w[in->d] <= 0 || dot <= 0)
            continue;
        sum += score_of(r, p, i, dot / r->norm);
        out->n_rows++;
    }
    out->score = out->n_rows ? sum / (double)out->n_rows : NAN;
    free(p);
    return ERR_OK;
}

enum err_code absorb_ref_measure(struct absorb_ref *out, const struct absorb_ref_in *in, struct err *e)
{
    struct ref r = {.in = in};
    size_t n_pos = 0;
    enum err_code rc = ERR_OK;

    *out = (struct absorb_ref){.score = NAN};
    for (size_t i = 0; i < in->n_train; i++)
        n_pos += in->y[i];
    if (n_pos < ABSORB_REF_ROWS_MIN || in->n_train - n_pos < ABSORB_REF_ROWS_MIN)
        return ERR_OK;
    r.w = calloc(in->d + 1, sizeof *r.w);
    r.candidate = calloc(in->f, sizeof *r.candidate);
    r.feat = calloc(in->n_train * ABSORB_REF_MAIN_MAX, sizeof *r.feat);
    if (!r.w || !r.candidate || !r.feat)
        rc = err_set(e, ERR_NOMEM, "absorption: out of memory");
    if (!rc)
        rc = fit_probe(&r, e);
    if (!rc)
        rc = choose(&r, e);
    if (!rc)
        rc = find_main(&r, &out->f1, e);
    out->n_main = r.n_main;
    if (!rc && r.n_main)
        rc = score_rows(&r, out, e);
    free(r.w);
    free(r.candidate);
    free(r.feat);
    return rc;
}
