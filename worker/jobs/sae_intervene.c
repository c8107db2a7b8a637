/* sae_intervene.c - the degradation curve: perplexity of the untouched model with the stream after one
 * block replaced by what the SAE keeps of it.
 *
 * Every window is passed once as it is, once with zeros, and for each tested k twice: replaced at all
 * positions, and at all but the first, whose outlier norm can carry the whole loss.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/sae_intervene.h"
#include "worker/data/windows.h"
#include "worker/eval/degrade.h"
#include "worker/jobs/lm_scorer.h"
#include "worker/jobs/lm_site.h"
#include "worker/runner/impl.h"
#include "worker/sae/sharpen.h"

enum { SKIP_NONE, SKIP_FIRST, SKIPS };
enum { K_CLEAN = -1, K_ZERO = 0 };

struct intervene {
    struct job *j;
    const struct sae_intervene_cfg *c;
    struct tokens t;
    struct lm_scorer s;
    struct lm_site site;
    struct sharpen sharpen;
    struct neox_tap tap;
    real *target;            /* [n_max,d] */
    int32_t *fed;            /* [window + 1] */
    int64_t k[DEGRADE_POINTS_MAX]; /* rising; the last is the SAE's own */
    size_t n_k;
    int64_t k_now;           /* of the pass at hand */
    bool is_skipping, is_bad;
    double sum;
    size_t n_scored;
};

/* --- what is tested ------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The list of the knob up to `top`, and `top`; without repetitions. */
static enum err_code parse_ks(struct intervene *v, int64_t top, struct err *e)
{
    const char *at = v->c->ks;
    size_t n = 0, kept = 0;

    v->k[n++] = top;
    while (*at) {
        char *end;
        const int64_t k = strtoll(at, &end, 10);

        if (end == at || (*end && *end != ',') || k < 1)
            return err_set(e, ERR_INVALID, "ks: \"%s\": wanted numbers of features, such as 4,8,16", v->c->ks);
        if (n == DEGRADE_POINTS_MAX)
            return err_set(e, ERR_INVALID, "ks: more than %d", DEGRADE_POINTS_MAX - 1);
        if (k < top)
            v->k[n++] = k;
        at = *end ? end + 1 : end;
    }
    qsort(v->k, n, sizeof *v->k, ascending);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || v->k[i] != v->k[kept - 1])
            v->k[kept++] = v->k[i];
    v->n_k = kept;
    return ERR_OK;
}

static struct lm_scorer_shape shape_of(const struct job *j)
{
    const struct sae_intervene_cfg *c = j->cfg;

    return (struct lm_scorer_shape){.n_max = (size_t)(c->batch_ids > c->window ? c->batch_ids : c->window),
                                    .t_max = (size_t)c->window, .threads = (int)j->common.threads};
}

static enum err_code windows_of(struct windows *w, const struct intervene *v, struct err *e)
{
    return windows_init(w, &v->t, v->t.is_lines ? WINDOW_LINE : WINDOW_BLOCK, (size_t)v->c->window,
                        (size_t)v->c->window, false, (size_t)v->c->max_ids, e);
}

/* Opens text, model's shape and SAE. */
static enum err_code open_all(struct intervene *v, struct job *j, size_t *bytes, struct err *e)
{
    const struct lm_scorer_shape shape = shape_of(j);
    struct neox_cfg cfg;

    *v = (struct intervene){.j = j, .c = j->cfg};
    if (tokens_open(&v->t, job_input(j, "data")->dir, v->c->split, e))
        return err_wrap(e, "data");
    if (lm_scorer_plan(job_input(j, "model")->dir, &shape, &cfg, bytes, e) ||
        lm_site_open(&v->site, j, &cfg, e))
        return e->code;
    const struct sae_model *sae = &v->site.sae;
    const size_t top = sae->k ? sae->k : sae->f;
    if (sharpen_check(sae, top, e) || parse_ks(v, (int64_t)top, e))
        return e->code;
    *bytes += sharpen_bytes(sae, shape.n_max) + arena_need(shape.n_max * sae->d, sizeof(real)) +
              arena_need(shape.t_max + 1, sizeof(int32_t));
    return ERR_OK;
}

static void close_all(struct intervene *v)
{
    lm_site_close(&v->site);
    tokens_close(&v->t);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    static struct intervene v;
    enum err_code rc = open_all(&v, j, &p->arena_bytes, e);

    p->n_steps = (int64_t)(2 + SKIPS * v.n_k);
    close_all(&v);
    return rc ? err_wrap(e, "sae_intervene") : ERR_OK;
}

/* --- passes -------------------------------------------------------------------------------------- */

static void replace(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    struct intervene *v = ctx;
    const size_t d = v->site.sae.d;

    (void)is_again;
    if (v->k_now == K_CLEAN)
        return;
    if (v->k_now == K_ZERO) {
        memset(v->target, 0, b->n * d * sizeof *v->target);
    } else {
        v->sharpen.k = (size_t)v->k_now;
        if (!sharpen_rows(&v->sharpen, v->target, x, NULL, b->n, NULL)) {
            v->is_bad = true;
            return;
        }
    }
    for (size_t i = 0; i < b->n; i++)
        if (!v->is_skipping || b->pos[i] > 0)
            memcpy(x + i * d, v->target + i * d, d * sizeof *x);
}

static void on_scored(void *ctx, const struct lm_item *item, const double *logprob)
{
    struct intervene *v = ctx;

    for (size_t i = 0; i < item->n - item->n_context; i++)
        v->sum -= logprob[i];
    v->n_scored += item->n - item->n_context;
}

/* Mean NLL of all windows with k features kept. */
static enum err_code measure(struct intervene *v, int64_t k, bool is_skipping, double *nll,
                             struct err *e)
{
    struct windows w;
    struct window x;

    v->k_now = k;
    v->is_skipping = is_skipping;
    v->sum = 0;
    v->n_scored = 0;
    if (windows_of(&w, v, e))
        return e->code;
    while (windows_next(&w, &x)) {
        if (!lm_scorer_fits(&v->s, x.n) && lm_scorer_run(&v->s, e))
            return e->code;
        tokens_copy(&v->t, x.first, x.n, v->fed);
        lm_scorer_add(&v->s, v->fed, x.n, x.n_context, x.first);
        if (job_stop_wanted(v->j))
            return err_set(e, ERR_STOPPED, "stopped on request");
    }
    if (lm_scorer_run(&v->s, e))
        return e->code;
    if (v->is_bad)
        return err_set(e, ERR_INVALID, "sae: an activation is not finite");
    if (v->n_scored == 0)
        return err_set(e, ERR_INVALID, "split %s: nothing in it can be scored", v->c->split);
    *nll = v->sum / (double)v->n_scored;
    return ERR_OK;
}

/* --- what it says -------------------------------------------------------------------------------- */

static void report_curve(struct intervene *v, const struct degrade_curve *c, const char *name)
{
    struct buf text = {0};

    degrade_text(&text, c);
    job_blob(v->j, name, "text/csv", text.data);
    for (size_t i = 0; i < c->n; i++)
        job_series(v->j, name, c->point[i].k, c->point[i].pct);
    buf_free(&text);
}

static enum err_code curve(struct intervene *v, struct degrade_curve *c, bool is_skipping,
                           double base, int64_t *done, struct err *e)
{
    c->n = 0;
    for (size_t i = 0; i < v->n_k; i++) {
        double nll;

        if (measure(v, v->k[i], is_skipping, &nll, e))
            return e->code;
        c->point[c->n++] = (struct degrade_point){v->k[i], exp(nll), 100 * expm1(nll - base)};
        job_progress(v->j, ++*done, (int64_t)(2 + SKIPS * v->n_k), "k %" PRId64, v->k[i]);
    }
    return ERR_OK;
}

static void report(struct intervene *v, double base, double zero, const struct degrade_curve *c)
{
    static const char *const names[] = {"degradation_pct", "degradation_pct_skip0"};
    const struct degrade_point *whole = &c[SKIP_NONE].point[v->n_k - 1];
    struct job *j = v->j;

    job_series_unit(j, "features kept");
    for (int s = 0; s < SKIPS; s++)
        report_curve(v, &c[s], names[s]);
    job_metric(j, "ppl", exp(base));
    job_metric(j, "ppl_zero", exp(zero));
    job_metric(j, "ppl_recon", whole->ppl);
    job_metric(j, "ce_score", (zero - log(whole->ppl)) / (zero - base));
    job_metric(j, "recon_loss_pct", whole->pct);
    job_metric(j, "recon_loss_pct_skip0", c[SKIP_FIRST].point[v->n_k - 1].pct);
    job_metric(j, "n_scored", (double)v->n_scored);
    job_summary(j, "Stream after block %zu, %zu ids of %s: perplexity %.3f; with the reconstruction %.3f "
                   "(%+.2f %%, %+.2f %% without position 0); with zeros %.1f.",
                v->site.layer, v->n_scored, v->c->split, exp(base), whole->ppl, whole->pct,
                c[SKIP_FIRST].point[v->n_k - 1].pct, exp(zero));
}

static enum err_code intervene(struct intervene *v, struct err *e)
{
    const struct lm_scorer_shape shape = shape_of(v->j);
    static struct degrade_curve c[SKIPS];
    struct arena *a = v->j->arena;
    double base, zero;
    int64_t done = 2;

    if (lm_scorer_init(&v->s, job_input(v->j, "model")->dir, &shape, a, e))
        return e->code;
    sharpen_new(&v->sharpen, &v->site.sae, shape.n_max, a);
    v->target = arena_new(a, real, shape.n_max * v->site.sae.d);
    v->fed = arena_new(a, int32_t, shape.t_max + 1);
    v->tap = (struct neox_tap){.layer = v->site.layer, .hook = NEOX_HOOK_RESID_POST, .fwd = replace, .ctx = v};
    v->s.acts.taps = &v->tap;
    v->s.acts.n_taps = 1;
    v->s.on = on_scored;
    v->s.ctx = v;
    if (measure(v, K_CLEAN, false, &base, e) || measure(v, K_ZERO, false, &zero, e))
        return e->code;
    for (int s = 0; s < SKIPS; s++)
        if (curve(v, &c[s], s == SKIP_FIRST, base, &done, e))
            return e->code;
    report(v, base, zero, c);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    static struct intervene v;
    size_t bytes;
    enum err_code rc = open_all(&v, j, &bytes, e);

    if (!rc)
        rc = intervene(&v, e);
    close_all(&v);
    return rc ? err_wrap(e, "sae_intervene") : ERR_OK;
}

const struct job_impl job_impl_sae_intervene = {"sae_intervene", plan, run};
