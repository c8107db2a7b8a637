/* sae_eval.c - the quality of an SAE, ours or imported: on the rows of an activation matrix, and,
 * given their model, on its task with the SAE spliced in.  Inference is that of worker/sae/sae_infer.c
 * for every architecture, so imported SAEs and ours are measured by the same code.
 */
#include "common/kinds/sae_eval.h"
#include "worker/jobs/sae_quality.h"
#include "worker/jobs/sae_splice.h"
#include "worker/runner/impl.h"
#include "worker/sae/format.h"

struct eval {
    struct sae_model m;
    struct acts_pair acts;
    struct splice splice;
    bool has_acts, has_model;
    size_t n;               /* rows measured */
};

static void eval_close(struct eval *v)
{
    if (v->has_model)
        lm_file_close(&v->splice.file);
    if (v->has_acts)
        acts_pair_close(&v->acts);
    sae_model_free(&v->m);
}

static enum err_code eval_open(struct eval *v, const struct job *j, struct err *e)
{
    const struct sae_eval_cfg *c = j->cfg;
    const struct sae_format_opts o = {0};

    *v = (struct eval){0};
    if (sae_format_read(&v->m, job_input(j, "sae")->dir, "saegrid", &o, e))
        return err_wrap(e, "sae_eval: sae");
    if (acts_pair_open(&v->acts, j, v->m.is_transcoder, e))
        return err_wrap(e, "sae_eval");
    v->has_acts = true;
    if (sae_quality_fits(&v->m, &v->acts, e))
        return err_wrap(e, "sae_eval");
    v->n = (size_t)((double)v->acts.x.n * c->data_share + 0.5);
    v->n = v->n ? v->n : 1;
    if (job_input(j, "model")) {
        if (splice_open(&v->splice, j, &v->m, e))
            return err_wrap(e, "sae_eval");
        v->has_model = true;
        v->splice.n = (size_t)((double)v->splice.task.n * c->data_share + 0.5);
        v->splice.n = v->splice.n ? v->splice.n : 1;
    }
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct sae_eval_cfg *c = j->cfg;
    struct eval v;
    enum err_code rc = eval_open(&v, j, e);

    if (!rc) {
        size_t rows = sae_quality_bytes(&v.m, v.n);
        size_t splice = v.has_model ? splice_bytes(&v.splice, &v.m) : 0;

        p->arena_bytes = (rows > splice ? rows : splice) +
                         (c->keep ? arena_need(v.n * v.m.o, sizeof(float)) : 0);
        p->n_steps = (int64_t)v.n;
    }
    eval_close(&v);
    return rc;
}

/* How far training turned the decoder is known to the trainer alone. */
static void copy_training(struct job *j)
{
    static const char *const names[] = {"dec_cos_init", "steps", "rows_seen"};
    double value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (job_input_metric(job_input(j, "sae"), names[i], &value))
            job_metric(j, names[i], value);
}

static enum err_code measure(struct job *j, struct eval *v, struct err *e)
{
    const struct sae_eval_cfg *c = j->cfg;
    float *keep = c->keep ? arena_new(j->arena, float, v->n * v->m.o) : NULL;
    struct sae_quality q;

    if (sae_quality_weights(j, &v->m, e) || sae_quality_rows(j, &v->m, &v->acts, v->n, keep, &q, e))
        return e->code;
    job_summary(j, "%s, inference as %s: EV %.4f at L0 %.2f on %zu rows, %.1f %% of %zu features dead.",
                v->m.arch, sae_act_name(v->m.act), q.recon.ev, q.l0, v->n, q.dead_pct, v->m.f);
    copy_training(j);
    if (keep && acts_write(job_path(j, "recon.pt"), keep, v->n, v->m.o, e))
        return e->code;
    return v->has_model ? splice_report(&v->splice, j, &v->m, e) : ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct eval v;
    enum err_code rc = eval_open(&v, j, e);

    if (!rc && measure(j, &v, e))
        rc = err_wrap(e, "sae_eval");
    eval_close(&v);
    return rc;
}

const struct job_impl job_impl_sae_eval = {"sae_eval", plan, run};
