/* sae_l0.c - the L0 finder.  `l1: $find.coef_pick` (or `k: $find.k_pick`) trains further SAEs at the L0 found. */
#include <math.h>
#include <stdlib.h>

#include "common/kinds/sae_l0.h"
#include "common/rundir.h"
#include "worker/eval/l0_scan.h"
#include "worker/runner/impl.h"

enum { JOB_FILE_MAX = 1 << 20 };

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)e;
    while (job_input_at(j, "saes", (size_t)p->n_steps))
        p->n_steps++;
    return ERR_OK;
}

/* The SAE's own knob, from its job.json; else the kind's default. */
static enum err_code coef_of(double *out, const struct job_input *in, const char *knob, struct err *e)
{
    const struct job_kind *kind = kind_find("sae_train");
    const struct cfg_field *f = cfg_find(kind->fields, kind->n_fields, knob);
    struct buf path = {0};
    struct json *doc = NULL;
    enum err_code rc;

    buf_fmt(&path, "%s/%s", in->dir, RUN_JOB_FILE);
    rc = json_read(path.data, JOB_FILE_MAX, &doc, e);
    *out = strtod(f->deflt, NULL);
    if (!rc)
        json_f64(json_get(json_get(doc, "knobs"), knob), out);
    json_free(doc);
    buf_free(&path);
    return rc;
}

static enum err_code read_scan(struct job *j, const char *knob, struct l0_point *v, size_t *n, struct err *e)
{
    const struct job_input *in;
    double coef, l0, ev;

    for (size_t i = 0; (in = job_input_at(j, "saes", i)) != NULL; i++) {
        if (!job_input_metric(in, "l0", &l0) || !job_input_metric(in, "ev", &ev))
            continue; /* it diverged */
        if (coef_of(&coef, in, knob, e))
            return e->code;
        l0_scan_add(v, n, coef, l0, ev);
    }
    l0_scan_sort(v, *n);
    for (size_t i = 0; i < *n; i++)
        job_summary(j, "%s %.4g: L0 %.2f, EV %.4f.", knob, v[i].coef, v[i].l0, v[i].ev);
    return ERR_OK;
}

static void report(struct job *j, const struct l0_point *v, size_t n)
{
    static const char *const lost[] = {"coef_pick", "ev_target", "k_pick"};
    const struct sae_l0_cfg *cfg = j->cfg;
    bool is_k = cfg->coef[0] == 'k', is_inside;
    double knee = l0_scan_knee(v, n, cfg->ev_drop, &is_inside), want = cfg->target_l0 > 0 ? cfg->target_l0 : knee, coef, ev;

    job_metric(j, "l0_knee", knee);
    job_metric(j, "l0_target", want);
    job_summary(j, is_inside ? "EV falls by %g below L0 %.2f." : "EV does not fall by %g in this scan: its least L0 is %.2f.", cfg->ev_drop,
                knee);
    if (!l0_scan_at(v, n, want, &coef, &ev)) {
        for (size_t i = 0; i < ARRAY_LEN(lost); i++)
            job_metric_absent(j, lost[i], "the scan does not reach this L0");
        job_verdict(j, "negative", "the scan does not reach this L0");
        job_summary(j, "Negative: L0 %.2f lies outside the scan.", want);
        return;
    }
    job_metric(j, "ev_target", ev);
    job_metric(j, "coef_pick", is_k ? round(coef) : coef);
    if (is_k)
        job_metric(j, "k_pick", round(coef));
    else
        job_metric_absent(j, "k_pick", "coef is not k");
    job_summary(j, "L0 %.2f is expected at %s = %.4g, with EV %.4f.", want, cfg->coef, is_k ? round(coef) : coef, ev);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct sae_l0_cfg *cfg = j->cfg;
    size_t n = 0, room = 0;
    enum err_code rc;

    while (job_input_at(j, "saes", room))
        room++;
    struct l0_point *v = calloc(room + 1, sizeof *v);
    if (!v)
        return err_set(e, ERR_NOMEM, "sae_l0: out of memory");
    rc = read_scan(j, cfg->coef, v, &n, e);
    if (!rc && n < 2)
        rc = err_set(e, ERR_INVALID, "sae_l0: saes: %zu value(s) of %s; a scan has two or more", n, cfg->coef);
    if (!rc)
        report(j, v, n);
    free(v);
    return rc;
}

const struct job_impl job_impl_sae_l0 = {"sae_l0", plan, run};
