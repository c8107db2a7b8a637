/* lambda_pick.c - the largest lambda whose tax, and that of every smaller one, is below the limit.
 *
 * Judged is the upper end of the tax's interval over seeds.  lambda is read from the knobs of the
 * ancestors in the job file of each comparison.  If the smallest fails there is no value: the verdict is negative.
 */
#include <math.h>
#include <stdlib.h>

#include "common/kinds/lambda_pick.h"
#include "common/rundir.h"
#include "worker/runner/impl.h"

enum { ORDER_MAX = 1 << 22 };

struct point {
    double lambda, tax, high;
};

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)e;
    while (job_input_at(j, "taxes", (size_t)p->n_steps))
        p->n_steps++;
    return ERR_OK;
}

static enum err_code read_one(struct point *p, const struct job_input *in, struct err *e)
{
    struct buf path = {0};
    struct json *doc = NULL;

    buf_fmt(&path, "%s/" RUN_JOB_FILE, in->dir);
    enum err_code rc = json_read(path.data, ORDER_MAX, &doc, e);
    if (!rc && !json_f64(json_get(json_get(doc, "context"), "lambda"), &p->lambda))
        rc = err_set(e, ERR_INVALID, "%s: no lambda among the knobs of its ancestors", path.data);
    if (!job_input_metric(in, "ppl_increase_pct", &p->tax))
        p->tax = INFINITY;
    if (!job_input_metric(in, "ppl_increase_pct_high", &p->high))
        p->high = INFINITY; /* one seed, or a ruined model: nothing bounds it */
    json_free(doc);
    buf_free(&path);
    return rc;
}

static int by_lambda(const void *a, const void *b)
{
    const struct point *x = a, *y = b;

    return x->lambda < y->lambda ? -1 : x->lambda > y->lambda;
}

static void report(struct job *j, const struct point *p, size_t n, size_t n_good)
{
    static const char *const why = "the smallest lambda tested already costs too much, or has no interval";
    const struct lambda_pick_cfg *cfg = j->cfg;

    for (size_t i = 0; i < n; i++)
        job_summary(j, "lambda %g: %+.3f %%, at most %+.3f %%.", p[i].lambda, p[i].tax, p[i].high);
    if (n_good == 0) {
        job_metric_absent(j, "lambda_pick", why);
        job_metric_absent(j, "lambda_pick_tax", why);
        job_metric_absent(j, "lambda_pick_tax_high", why);
        job_verdict(j, "negative", why);
        return;
    }
    const struct point *best = &p[n_good - 1];
    job_metric(j, "lambda_pick", best->lambda);
    job_metric(j, "lambda_pick_tax", best->tax);
    job_metric(j, "lambda_pick_tax_high", best->high);
    job_summary(j, "lambda = %g: the largest of %zu tested for which the upper end of the interval, and that of every smaller one, "
                   "is below %g %%.", best->lambda, n, cfg->max_tax);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct lambda_pick_cfg *cfg = j->cfg;
    const struct job_input *in;
    size_t n = 0, n_good = 0;
    enum err_code rc = ERR_OK;

    while (job_input_at(j, "taxes", n))
        n++;
    struct point *p = calloc(n + 1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "lambda_pick: %zu taxes", n);
    for (size_t i = 0; (in = job_input_at(j, "taxes", i)) != NULL && !rc; i++)
        rc = read_one(&p[i], in, e);
    qsort(p, n, sizeof *p, by_lambda);
    while (!rc && n_good < n && p[n_good].high < cfg->max_tax)
        n_good++;
    if (!rc)
        report(j, p, n, n_good);
    free(p);
    return rc ? err_wrap(e, "lambda_pick: taxes") : ERR_OK;
}

const struct job_impl job_impl_lambda_pick = {"lambda_pick", plan, run};
