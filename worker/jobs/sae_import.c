/* sae_import.c - an SAE trained elsewhere becomes one of ours: checkpoints/sae.pt, which sae_eval
 * and sae_compare take, with the meaning of its numbers recorded beside them (worker/sae/format.h).
 * Its knob `path` holds the digest that the sweep saw; what lies there now must still have it.
 */
#include <string.h>

#include "common/kinds/sae_import.h"
#include "common/pathid.h"
#include "worker/jobs/sae_quality.h"
#include "worker/runner/impl.h"
#include "worker/sae/format.h"
#include "worker/sae/sae_io.h"

static enum err_code read_model(struct sae_model *m, const struct job *j, struct err *e)
{
    const struct sae_import_cfg *c = j->cfg;
    struct sae_format_opts o = {
        .k = c->husai_k,
        .arch = strcmp(c->husai_arch, "auto") ? c->husai_arch : NULL,
    };

    if (pathid_verify(c->path, e) ||
        sae_format_read(m, pathid_path(c->path), c->format, &o, e))
        return err_wrap(e, "sae_import: path");
    if (c->seed >= 0)
        m->seed = c->seed;
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct job_input *in = job_input(j, "acts");
    struct sae_model m;
    struct acts_pair acts;
    enum err_code rc = read_model(&m, j, e);

    if (rc)
        return rc;
    if (in && acts_pair_open(&acts, j, m.is_transcoder, e)) {
        rc = err_wrap(e, "sae_import");
    } else if (in) {
        rc = sae_quality_fits(&m, &acts, e);
        p->arena_bytes = sae_quality_bytes(&m, acts.x.n);
        p->n_steps = (int64_t)acts.x.n;
        acts_pair_close(&acts);
    }
    sae_model_free(&m);
    return rc;
}

static enum err_code on_rows(struct job *j, const struct sae_model *m, struct err *e)
{
    struct sae_quality q;
    struct acts_pair acts;
    enum err_code rc = acts_pair_open(&acts, j, m->is_transcoder, e);

    if (rc)
        return rc;
    rc = sae_quality_rows(j, m, &acts, acts.x.n, NULL, &q, e);
    acts_pair_close(&acts);
    if (!rc)
        job_summary(j, "On the rows of `acts`: EV %.4f at L0 %.2f, %.1f %% of the features dead.",
                    q.recon.ev, q.l0, q.dead_pct);
    return rc;
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct sae_import_cfg *c = j->cfg;
    const struct sae_format_opts o = {0};
    struct sae_model m;
    enum err_code rc = read_model(&m, j, e);

    if (rc)
        return rc;
    rc = sae_format_write(&m, job_path(j, SAE_FILE), "saegrid", &o, e);
    job_summary(j, "%s, inference as %s: %zu features of %zu dims, read from `%s`.", m.arch,
                sae_act_name(m.act), m.f, m.d, pathid_path(c->path));
    job_provenance(j, "source", "%s", c->path);
    if (*m.model || *m.hook)
        job_provenance(j, "source_site", "%s %s", m.model, m.hook);
    if (!rc)
        rc = sae_quality_weights(j, &m, e);
    if (!rc && job_input(j, "acts"))
        rc = on_rows(j, &m, e);
    sae_model_free(&m);
    return rc ? err_wrap(e, "sae_import") : ERR_OK;
}

const struct job_impl job_impl_sae_import = {"sae_import", plan, run};
