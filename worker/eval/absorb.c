/* absorb.c - see absorb.h. */
#include "worker/eval/absorb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/eval/logit.h"

enum { ABSORBERS_MAX = 3 };
#define F1_GAIN 0.03      /* a further main feature has to bring more */
#define SILENT 1e-8       /* activation of a main feature that is silent */
#define FULL_COS 0.025    /* full absorption: cosine of the strongest feature with the probe */
#define FULL_SHARE 0.4    /* ... and its share of the row's projection; also of the fraction */
#define ABSORBER_COS 0.1

struct measure {
    const struct absorb_in *in;
    double *w;              /* [d + 1] dense probe */
    double *cosine;         /* [f] of each direction with the probe */
    unsigned char *is_main; /* [f] */
    double norm;            /* of w without b */
};

static enum err_code find_main(struct measure *m, struct absorb *out, struct err *e)
{
    uint32_t *order = malloc(m->in->f * sizeof *order);
    struct probe_result r;
    double last = 0;
    size_t n = 0;
    enum err_code rc = order ? probe_rank(order, &m->in->latent, true, e)
                             : err_set(e, ERR_NOMEM, "absorption: out of memory");

    for (size_t k = 1; !rc && k <= ABSORB_SPLIT_MAX && k <= m->in->f; k++) {
        rc = probe_fit(&r, NULL, &m->in->latent, order, k, e);
        if (rc || (k > 1 && !(r.f1 > last + F1_GAIN)))
            break;
        last = r.f1;
        n = k;
    }
    for (size_t i = 0; !rc && i < n; i++)
        m->is_main[order[i]] = 1;
    out->n_split = (double)n;
    free(order);
    return rc;
}

/* The row's projection on the probe, and what the main features and others contribute to it. */
struct parts {
    double total, main, others; /* others: the strongest few absorbers */
    double best, best_cos;      /* the strongest contribution of all */
    bool is_silent;             /* every main feature */
};

static struct parts parts_of(const struct measure *m, size_t row)
{
    const float *x = m->in->x + row * m->in->d, *a = m->in->a + row * m->in->f;
    double top[ABSORBERS_MAX] = {0};
    struct parts p = {.is_silent = true, .best = -INFINITY};

    for (size_t i = 0; i < m->in->d; i++)
        p.total += (double)x[i] * m->w[i] / m->norm;
    for (size_t f = 0; f < m->in->f; f++) {
        double c = (double)a[f] * m->cosine[f];

        if (c > p.best) {
            p.best = c;
            p.best_cos = m->cosine[f];
        }
        if (m->is_main[f]) {
            p.main += c;
            p.is_silent = p.is_silent && fabs((double)a[f]) < SILENT;
        } else if (m->cosine[f] >= ABSORBER_COS && c > top[ABSORBERS_MAX - 1]) {
            size_t i = ABSORBERS_MAX - 1;

            for (; i > 0 && top[i - 1] < c; i--)
                top[i] = top[i - 1];
            top[i] = c;
        }
    }
    for (size_t i = 0; i < ABSORBERS_MAX; i++)
        p.others += top[i];
    return p;
}

static double fraction_of(const struct parts *p)
{
    double taken = p->others < p->total - p->main ? p->others : p->total - p->main;

    if (p->main >= p->total || p->others < FULL_SHARE * p->total)
        return 0;
    return p->main <= 0 ? 1 : taken / (taken + p->main);
}

static void all_rows(struct measure *m, struct absorb *out)
{
    const struct probe *p = &m->in->dense;
    double full = 0, fraction = 0, n = 0;

    for (size_t i = p->n_train; i < p->n_train + p->n_test; i++) {
        size_t row = p->row[i];
        double z = m->w[m->in->d];

        for (size_t c = 0; c < m->in->d; c++)
            z += m->w[c] * (double)m->in->x[row * m->in->d + c];
        if (!p->y[row] || z <= 0)
            continue;
        const struct parts q = parts_of(m, row);
        full += q.is_silent && q.best_cos >= FULL_COS && q.total >= 0 && q.best >= FULL_SHARE * q.total;
        fraction += fraction_of(&q);
        n++;
    }
    out->n_rows = (size_t)n;
    out->full = n > 0 ? full / n : NAN;
    out->fraction = n > 0 ? fraction / n : NAN;
}

static enum err_code fit_dense(struct measure *m, struct absorb *out, struct err *e)
{
    const struct absorb_in *in = m->in;
    uint32_t *all = malloc(in->d * sizeof *all);
    struct probe_result r;
    enum err_code rc;

    if (!all)
        return err_set(e, ERR_NOMEM, "absorption: out of memory");
    for (size_t i = 0; i < in->d; i++)
        all[i] = (uint32_t)i;
    rc = probe_fit(&r, m->w, &in->dense, all, in->d, e);
    free(all);
    if (rc)
        return rc;
    out->dense_f1 = r.f1;
    out->dense_acc = r.acc;
    for (size_t i = 0; i < in->d; i++)
        m->norm += m->w[i] * m->w[i];
    m->norm = sqrt(m->norm);
    for (size_t f = 0; f < in->f; f++)
        for (size_t i = 0; i < in->d; i++)
            m->cosine[f] += (double)in->dir[f * in->d + i] * m->w[i] / m->norm;
    return ERR_OK;
}

enum err_code absorb_measure(struct absorb *out, const struct absorb_in *in, struct err *e)
{
    struct measure m = {.in = in, .w = calloc(in->d + 1 + in->f, sizeof(double)), .is_main = calloc(in->f, 1)};
    enum err_code rc = m.w && m.is_main ? ERR_OK : err_set(e, ERR_NOMEM, "absorption: out of memory");

    *out = (struct absorb){0};
    m.cosine = m.w + in->d + 1;
    if (!rc)
        rc = fit_dense(&m, out, e);
    if (!rc)
        rc = find_main(&m, out, e);
    if (!rc)
        all_rows(&m, out);
    free(m.w);
    free(m.is_main);
    return rc;
}
