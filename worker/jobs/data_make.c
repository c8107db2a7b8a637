/* data_make.c - activations with a known dictionary; task `text` is in data_text.c.
 *
 * `organism` (Song et al. 2025, arXiv 2505.20254): unit atoms, isotropic; a row is the sum of
 * n_active distinct atoms, chosen uniformly, times |N(0,1)|.
 */
#include <math.h>
#include <string.h>

#include "common/kinds/data_make.h"
#include "common/rng.h"
#include "worker/data/acts.h"
#include "worker/jobs/data_text.h"
#include "worker/jobs/spectrum.h"
#include "worker/nn/pt.h"
#include "worker/runner/impl.h"
#include "worker/sae/sae_io.h"

enum { REPORT_ROWS = 1 << 16 };

static enum err_code check(const struct data_make_cfg *c, struct err *e)
{
    if (c->n_active > c->n_atoms)
        return err_set(e, ERR_INVALID, "data_make: n_active: %lld is more than n_atoms, %lld",
                       (long long)c->n_active, (long long)c->n_atoms);
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;
    size_t d = (size_t)c->d_model, m = (size_t)c->n_atoms;

    if (!strcmp(c->task, "text"))
        return data_text_plan(j, p, e);
    if (check(c, e))
        return e->code;
    p->arena_bytes = arena_need((size_t)c->n_rows * d, sizeof(float)) +
                     arena_need(m * d, sizeof(float)) + arena_need(m, sizeof(uint32_t)) +
                     arena_need(d, sizeof(double));
    p->n_steps = c->n_rows;
    return ERR_OK;
}

static void make_atoms(float *atom, size_t m, size_t d, uint64_t seed)
{
    struct rng r = rng_stream(seed, "organism.atoms");

    for (size_t i = 0; i < m; i++) {
        double sq = 0;

        for (size_t c = 0; c < d; c++) {
            atom[i * d + c] = (float)rng_normal(&r);
            sq += (double)atom[i * d + c] * (double)atom[i * d + c];
        }
        for (size_t c = 0; sq > 0 && c < d; c++)
            atom[i * d + c] = (float)((double)atom[i * d + c] / sqrt(sq));
    }
}

/* One row; `order` holds 0..m-1 in any order: its head becomes the chosen atoms. */
static void make_row(float *x, double *sum, uint32_t *order, const float *atom,
                     const struct data_make_cfg *cfg, struct rng *r)
{
    size_t d = (size_t)cfg->d_model, m = (size_t)cfg->n_atoms;

    memset(sum, 0, d * sizeof *sum);
    for (size_t k = 0; k < (size_t)cfg->n_active; k++) {
        size_t other = k + (size_t)rng_below(r, m - k);
        uint32_t pick = order[other];
        double a = fabs(rng_normal(r));

        order[other] = order[k];
        order[k] = pick;
        for (size_t c = 0; c < d; c++)
            sum[c] += a * (double)atom[pick * d + c];
    }
    for (size_t c = 0; c < d; c++)
        x[c] = (float)sum[c];
}

static enum err_code report(struct job *j, const float *x, size_t n, size_t d, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;
    struct rank rank;

    if (spectrum_report(j, &rank, x, n, d, e))
        return err_wrap(e, "data_make");
    job_summary(j, "%zu rows of %zu dims from %lld atoms, %lld active in a row.", n, d,
                (long long)c->n_atoms, (long long)c->n_active);
    return ERR_OK;
}

static enum err_code organism(struct job *j, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;
    size_t n = (size_t)c->n_rows, d = (size_t)c->d_model, m = (size_t)c->n_atoms;
    float *x = arena_new(j->arena, float, n * d), *atom = arena_new(j->arena, float, m * d);
    uint32_t *order = arena_new(j->arena, uint32_t, m);
    double *sum = arena_new(j->arena, double, d);
    struct rng r = rng_stream((uint64_t)c->seed, "organism.rows");
    const struct pt_tensor truth = {"", PT_F32, 2, {(int64_t)m, (int64_t)d}, atom};

    make_atoms(atom, m, d, (uint64_t)c->seed);
    for (size_t i = 0; i < m; i++)
        order[i] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) {
        if (i % REPORT_ROWS == 0) {
            if (job_stop_wanted(j))
                return err_set(e, ERR_STOPPED, "data_make: stopped at row %zu of %zu", i, n);
            job_progress(j, (int64_t)i, c->n_rows, "rows");
        }
        make_row(x + i * d, sum, order, atom, c, &r);
    }
    if (acts_write(job_path(j, ACTS_FILE), x, n, d, e) ||
        pt_write_tensor(job_path(j, TRUTH_FILE), &truth, e))
        return err_wrap(e, "data_make");
    return report(j, x, n, d, e);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;

    return !strcmp(c->task, "text") ? data_text_run(j, e) : organism(j, e);
}

const struct job_impl job_impl_data_make = {"data_make", plan, run};
