/* lm_tokens_compare.c - which tokens an arm moves against its control, seed by seed (lineage.h).
 *
 * Loss: -log p of an id under the arm's model less that under the control's, from losses.pt of both
 * evaluations.  Activation: |x - x_base| / |x_base| of the arm less that of the control, at the same
 * places; the untouched model is the origin, so that what any continued pretraining moves is taken off.
 * Per id the mean over its occurrences is one number a seed; intervals are Student's over seeds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/kinds/lm_tokens_compare.h"
#include "common/rundir.h"
#include "common/stats.h"
#include "worker/data/acts.h"
#include "worker/data/tokens.h"
#include "worker/jobs/acts_ids.h"
#include "worker/jobs/lineage.h"
#include "worker/jobs/tok_report.h"
#include "worker/nn/pt.h"
#include "worker/runner/impl.h"

enum { ORDER_MAX = 1 << 22 };

struct sides {
    struct job *j;
    const struct lm_tokens_compare_cfg *cfg;
    struct lineage evals, acts, both; /* evals -> control_evals, acts -> control_acts, evals -> acts */
    size_t n;                         /* seeds */
    struct tokens t;                  /* the split that was scored */
    struct tokenizer tok;
    bool has_tokens, has_tok;
    struct acts base;
    uint32_t *row_id;                 /* [n_rows] */
    size_t n_rows;
    struct tok_table table;
    double *norm_ratio, *shift[2];    /* [n] means over rows; shift: control, arm */
    double *shown_loss, *shown_shift; /* [sample_ids] sums over seeds */
    uint32_t *shown_id;               /* [sample_ids] */
    size_t shown_from;                /* first scored id of the passage */
};

static const struct job_input *at(const struct sides *s, const char *input, size_t i)
{
    return job_input_at(s->j, input, i);
}

/* --- opening ------------------------------------------------------------------------------------ */

/* The split of an evaluation, from its job file; the kind's default without one. */
static void split_of(char out[16], const struct job_input *in)
{
    const struct job_kind *k = kind_find("lm_eval");
    struct buf path = {0};
    struct json *doc = NULL;
    const char *split = NULL;

    buf_fmt(&path, "%s/" RUN_JOB_FILE, in->dir);
    if (fs_is_file(path.data) && !json_read(path.data, ORDER_MAX, &doc, NULL))
        split = json_str(json_get(json_get(doc, "knobs"), "split"));
    snprintf(out, 16, "%s", split ? split : cfg_find(k->fields, k->n_fields, "split")->deflt);
    json_free(doc);
    buf_free(&path);
}

static enum err_code open_tables(struct sides *s, struct err *e)
{
    const size_t v = s->tok.n_vocab > s->t.n_vocab ? s->tok.n_vocab : s->t.n_vocab;
    struct tokstat *const all[] = {&s->table.loss_control, &s->table.d_loss, &s->table.shift_control,
                                   &s->table.d_shift, &s->table.cos};

    s->table.n_vocab = v;
    s->table.min_count = (size_t)s->cfg->min_count;
    s->table.top = (size_t)s->cfg->top;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (tokstat_new(all[i], v, s->n, e))
            return e->code;
    s->norm_ratio = calloc(3 * s->n + 2 * (size_t)s->cfg->sample_ids, sizeof *s->norm_ratio);
    s->shown_id = calloc((size_t)s->cfg->sample_ids, sizeof *s->shown_id);
    if (!s->norm_ratio || !s->shown_id)
        return err_set(e, ERR_NOMEM, "%zu seeds", s->n);
    s->shift[0] = s->norm_ratio + s->n;
    s->shift[1] = s->shift[0] + s->n;
    s->shown_loss = s->shift[1] + s->n;
    s->shown_shift = s->shown_loss + s->cfg->sample_ids;
    return ERR_OK;
}

static enum err_code open_rows(struct sides *s, struct err *e)
{
    struct acts first;

    if (acts_open(&s->base, at(s, "base_acts", 0)->dir, e))
        return err_wrap(e, "base_acts");
    if (acts_open(&first, at(s, "acts", 0)->dir, e))
        return err_wrap(e, "acts");
    s->n_rows = first.n;
    acts_close(&first);
    s->row_id = malloc(s->n_rows * sizeof *s->row_id);
    if (!s->row_id)
        return err_set(e, ERR_NOMEM, "%zu rows", s->n_rows);
    return acts_ids_read(s->row_id, s->n_rows, at(s, "acts", 0), job_input(s->j, "data")->dir, e);
}

static enum err_code open_all(struct sides *s, struct job *j, struct err *e)
{
    const char *dir = job_input(j, "data")->dir;
    char split[16];

    *s = (struct sides){.j = j, .cfg = j->cfg};
    if (lineage_pair(&s->evals, j, "evals", "control_evals", e) ||
        lineage_pair(&s->acts, j, "acts", "control_acts", e) || lineage_pair(&s->both, j, "evals", "acts", e))
        return e->code;
    s->n = s->evals.n;
    split_of(split, at(s, "evals", 0));
    if (tokens_open(&s->t, dir, split, e))
        return err_wrap(e, "data");
    s->has_tokens = true;
    if (tokens_tokenizer(&s->tok, dir, e))
        return err_wrap(e, "data");
    s->has_tok = true;
    if (open_tables(s, e))
        return e->code;
    return open_rows(s, e);
}

static void close_all(struct sides *s)
{
    struct tokstat *const all[] = {&s->table.loss_control, &s->table.d_loss, &s->table.shift_control,
                                   &s->table.d_shift, &s->table.cos};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        tokstat_free(all[i]);
    free(s->norm_ratio);
    free(s->shown_id);
    free(s->row_id);
    acts_close(&s->base);
    if (s->has_tok)
        tokenizer_close(&s->tok);
    if (s->has_tokens)
        tokens_close(&s->t);
    lineage_free(&s->evals);
    lineage_free(&s->acts);
    lineage_free(&s->both);
}

/* --- loss --------------------------------------------------------------------------------------- */

static enum err_code open_losses(struct pt_file *f, const float **loss, const struct job_input *in, size_t n,
                                 struct err *e)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/losses.pt", in->dir);
    enum err_code rc = pt_open(f, path.data, e);
    if (!rc) {
        const struct pt_tensor *t = pt_find(f, "");

        if (!t || t->dtype != PT_F32 || t->n_dims != 1 || t->shape[0] != (int64_t)n) {
            pt_close(f);
            rc = err_set(e, ERR_INVALID, "%s: not the losses of %zu ids: another text, or `losses: false`", path.data, n);
        } else {
            *loss = t->data;
        }
    }
    buf_free(&path);
    return rc;
}

static enum err_code one_loss(struct sides *s, size_t seed, const float *arm, const float *control, struct err *e)
{
    const size_t shown = (size_t)s->cfg->sample_ids;
    bool is_begun = seed > 0;

    for (size_t i = 0; i < s->t.n; i++) {
        const uint32_t id = tokens_get(&s->t, i);
        const double d = (double)arm[i] - (double)control[i];

        if (isnan(arm[i]) != isnan(control[i]))
            return err_set(e, ERR_INVALID, "id %zu was scored for one side only: not the same protocol", i);
        if (isnan(arm[i]))
            continue;
        if (!is_begun) {
            s->shown_from = i;
            is_begun = true;
        }
        tokstat_add(&s->table.loss_control, id, seed, (double)control[i]);
        tokstat_add(&s->table.d_loss, id, seed, d);
        if (i - s->shown_from < shown)
            s->shown_loss[i - s->shown_from] += d / (double)s->n;
    }
    return ERR_OK;
}

static enum err_code losses(struct sides *s, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < s->n && !rc; i++) {
        struct pt_file arm, control;
        const float *a, *c;

        if (open_losses(&arm, &a, at(s, "evals", i), s->t.n, e))
            return err_wrap(e, "evals");
        rc = open_losses(&control, &c, at(s, "control_evals", s->evals.partner[i]), s->t.n, e);
        if (!rc) {
            rc = one_loss(s, i, a, c, e);
            pt_close(&control);
        }
        pt_close(&arm);
    }
    return rc;
}

/* --- activations -------------------------------------------------------------------------------- */

static double dot(const float *a, const float *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double distance(const float *a, const float *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

static void one_row(struct sides *s, size_t seed, size_t r, const float *arm, const float *control)
{
    const size_t d = s->base.d;
    const float *base = s->base.x + r * d;
    const double nb = sqrt(dot(base, base, d)), na = sqrt(dot(arm, arm, d)), nc = sqrt(dot(control, control, d));
    const double moved_arm = distance(arm, base, d) / nb, moved_control = distance(control, base, d) / nb;
    const uint32_t id = s->row_id[r];

    tokstat_add(&s->table.shift_control, id, seed, moved_control);
    tokstat_add(&s->table.d_shift, id, seed, moved_arm - moved_control);
    tokstat_add(&s->table.cos, id, seed, dot(arm, control, d) / (na * nc));
    s->norm_ratio[seed] += na / nc / (double)s->n_rows;
    s->shift[0][seed] += moved_control / (double)s->n_rows;
    s->shift[1][seed] += moved_arm / (double)s->n_rows;
    if (r < (size_t)s->cfg->sample_ids)
        s->shown_shift[r] += (moved_arm - moved_control) / (double)s->n;
}

static enum err_code same_places(const struct sides *s, const struct acts *a, const struct job_input *in, bool is_base,
                                 struct err *e)
{
    struct buf first = {0}, other = {0};
    enum err_code rc = acts_ids_place(&first, at(s, "acts", 0), e);

    if (!rc)
        rc = acts_ids_place(&other, in, e);
    if (!rc && (strcmp(first.data, other.data) != 0 || a->d != s->base.d ||
                (is_base ? a->n < s->n_rows : a->n != s->n_rows)))
        rc = err_set(e, ERR_INVALID, "rows of other places: %zu x %zu at %s; the first acts: %zu x %zu at %s", a->n, a->d,
                     other.data, s->n_rows, s->base.d, first.data);
    buf_free(&first);
    buf_free(&other);
    return rc;
}

static enum err_code one_seed(struct sides *s, size_t i, struct err *e)
{
    const struct job_input *in[] = {at(s, "acts", s->both.partner[i]),
                                    at(s, "control_acts", s->acts.partner[s->both.partner[i]])};
    struct acts x[2] = {{0}};
    enum err_code rc = ERR_OK;

    for (size_t k = 0; k < 2 && !rc; k++) {
        rc = acts_open(&x[k], in[k]->dir, e);
        if (!rc)
            rc = same_places(s, &x[k], in[k], false, e);
    }
    for (size_t r = 0; r < s->n_rows && !rc; r++)
        one_row(s, i, r, x[0].x + r * s->base.d, x[1].x + r * s->base.d);
    for (size_t k = 0; k < 2; k++)
        acts_close(&x[k]);
    return rc;
}

static enum err_code activations(struct sides *s, struct err *e)
{
    if (same_places(s, &s->base, at(s, "base_acts", 0), true, e))
        return err_wrap(e, "base_acts");
    for (size_t i = 0; i < s->n; i++) {
        if (job_stop_wanted(s->j))
            return err_set(e, ERR_STOPPED, "stopped at seed %zu of %zu", i, s->n);
        if (one_seed(s, i, e))
            return err_wrap(e, "acts");
        job_progress(s->j, (int64_t)i + 1, (int64_t)s->n, "seeds");
    }
    return ERR_OK;
}

/* --- report ------------------------------------------------------------------------------------- */

/* Of the ids that occur often enough, in %: those whose interval leaves out 0. */
static double moved_pct(const struct tokstat *t, size_t min_count, double *n)
{
    double moved = 0;

    *n = 0;
    for (uint32_t id = 0; id < t->n_vocab; id++) {
        const struct tok_effect x = tokstat_of(t, id);

        if (x.n < (double)min_count)
            continue;
        ++*n;
        moved += tok_effect_is_moved(&x);
    }
    return *n > 0 ? 100 * moved / *n : NAN;
}

static void put_pct(struct job *j, const char *name, double pct, size_t n_seeds)
{
    if (n_seeds > 1 && isfinite(pct))
        job_metric(j, name, pct);
    else
        job_metric_absent(j, name, n_seeds > 1 ? "no id occurs often enough" : "one seed has no interval");
}

static void passages(struct sides *s)
{
    const size_t most = (size_t)s->cfg->sample_ids, left = s->t.n - s->shown_from;
    struct tok_passage p[] = {
        {"loss", "nats", s->shown_id, s->shown_loss, left < most ? left : most},
        {"shift", "|x - base| / |base|", s->row_id, s->shown_shift, s->n_rows < most ? s->n_rows : most}};

    for (size_t i = 0; i < p[0].n; i++)
        s->shown_id[i] = tokens_get(&s->t, s->shown_from + i);
    tok_report_passages(s->j, p, ARRAY_LEN(p), &s->tok);
}

static void report(struct sides *s)
{
    struct job *j = s->j;
    const struct tok_effect all = tokstat_all(&s->table.d_loss), cosine = tokstat_all(&s->table.cos);
    double n, n_rows;
    const double moved = moved_pct(&s->table.d_loss, s->table.min_count, &n);
    const double shifted = moved_pct(&s->table.d_shift, s->table.min_count, &n_rows);

    job_metric(j, "n_seeds", (double)s->n);
    job_metric(j, "tokens_compared", n);
    job_metric(j, "token_loss_delta", all.mean);
    put_pct(j, "tokens_moved_pct", moved, s->n);
    put_pct(j, "token_moves_pct", shifted, s->n);
    job_metric(j, "act_shift", stats_mean(s->shift[1], s->n));
    job_metric(j, "act_shift_control", stats_mean(s->shift[0], s->n));
    job_metric(j, "act_cos_control", cosine.mean);
    job_metric(j, "act_norm_ratio", stats_mean(s->norm_ratio, s->n));
    tok_report_table(j, &s->table, &s->tok);
    passages(s);
    job_summary(j, "%s: loss %+.5f nats against the control over all ids; of %.0f ids that occur %zu times or more the interval "
                   "leaves out 0 for %.1f %% (by chance 5 %%).",
                *s->cfg->label ? s->cfg->label : "arm", all.mean, n, s->table.min_count, moved);
    job_summary(j, "Activations: %.4f of their length from the untouched model's, the control's %.4f; cosine to the control's %.5f; "
                   "length %.4f of the control's; moved beyond seed noise: %.1f %% of %.0f ids.",
                stats_mean(s->shift[1], s->n), stats_mean(s->shift[0], s->n), cosine.mean,
                stats_mean(s->norm_ratio, s->n), shifted, n_rows);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)e;
    while (job_input_at(j, "evals", (size_t)p->n_steps))
        p->n_steps++;
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct sides s;
    enum err_code rc = open_all(&s, j, e);

    if (!rc)
        rc = losses(&s, e);
    if (!rc)
        rc = activations(&s, e);
    if (!rc)
        report(&s);
    close_all(&s);
    return rc ? err_wrap(e, "lm_tokens_compare") : ERR_OK;
}

const struct job_impl job_impl_lm_tokens_compare = {"lm_tokens_compare", plan, run};
