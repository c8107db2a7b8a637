/* views_cpt.c - see views_cpt.h.
 *
 * Both follow the inputs of jobs back to the lm_cpt job that made the model.  The control of a run is
 * the run of the same sweep with arm control, the same base model and equal knobs but those that make
 * an arm what it is.  `arms` folds `perplexity` over seeds, as a paper would print it.
 */
#include "coordinator/views_cpt.h"

#include "common/kinds/kind.h"
#include "coordinator/cpt_sql.h"

/* lm_cpt's knobs that may differ between an arm and its control */
#define ARM_KNOBS                                                                                  \
    "'$.arm', '$.lambda', '$.lambda_schedule', '$.lambda_floor', '$.anneal_every', '$.anneal_tol', '$.k_sharp'," \
    " '$.k_sharp_override_reason', '$.random_target'"
/* "x_std" of a group; NULL of one */
#define STD(x) " CASE WHEN count(" x ") > 1 THEN sqrt(max(0, sum(" x " * " x ") - count(" x ") * avg(" x ") * avg(" x ")) / (count(" x ") - 1)) END AS " x "_std,"
#define SEEDS "'$.seed', '$.seed_order'"
#define CHECKED(name) METRIC_OF("x.checked", name) " AS " name

/* A knob of lm_cpt: the job's own, else the default. */
static void cpt_knob(struct buf *out, const char *knob, const char *quote)
{
    const struct job_kind *k = kind_find("lm_cpt");
    const struct cfg_field *f = cfg_find(k->fields, k->n_fields, knob);

    buf_fmt(out, "coalesce(json_extract(j.knobs, '$.%s'), %s%s%s) AS %s", knob, quote, f->deflt, quote, knob);
}

/* Every lm_cpt job with its arm; the schedule only where lambda is not constant. */
void cpt_sql_runs(struct buf *out)
{
    buf_str(out, "cpt AS MATERIALIZED (SELECT id, " INPUT_OF("id", "model") " AS base, arm, seed,"
                 " CASE WHEN arm = 'control' THEN NULL ELSE lambda END AS lambda,"
                 " CASE WHEN arm = 'random' THEN random_target END AS random_target,"
                 " CASE WHEN arm <> 'control' AND lambda_schedule <> 'constant' THEN lambda_schedule END AS lambda_schedule,"
                 " CASE WHEN k_sharp > 0 THEN k_sharp END AS k_sharp, nullif(k_sharp_override_reason, '') AS k_sharp_override,"
                 " json_remove(knobs, " ARM_KNOBS ") AS common FROM (SELECT j.id, j.knobs, ");
    cpt_knob(out, "arm", "'");
    buf_str(out, ", ");
    cpt_knob(out, "seed", "");
    buf_str(out, ", ");
    cpt_knob(out, "lambda", "");
    buf_str(out, ", ");
    cpt_knob(out, "random_target", "'");
    buf_str(out, ", ");
    cpt_knob(out, "lambda_schedule", "'");
    buf_str(out, ", ");
    cpt_knob(out, "k_sharp", "");
    buf_str(out, ", ");
    cpt_knob(out, "k_sharp_override_reason", "'");
    buf_str(out, " FROM job j WHERE j.kind = " KIND_IS("lm_cpt") "))");
}

enum err_code cpt_sql_ask(struct query *q, int64_t sweep, const char *select, struct table *out, struct err *e)
{
    struct buf sql = {0};

    buf_str(&sql, "WITH ");
    cpt_sql_runs(&sql);
    buf_str(&sql, select);
    enum err_code rc = query_table(q, out, e, sql.data, "i", sweep);
    buf_free(&sql);
    return rc;
}

static void view_perplexity(struct buf *out)
{
    buf_str(out, "CREATE VIEW perplexity AS WITH ");
    cpt_sql_runs(out);
    buf_str(out,
        ",\nscore AS MATERIALIZED (SELECT DISTINCT s.id AS sweep, s.name, j.id, j.run_name, lower(hex(j.digest)) AS job,"
        " j.knobs, " INPUT_OF("j.id", "model") " AS model, " INPUT_OF("j.id", "data") " AS data,"
        " coalesce(json_extract(j.knobs, '$.split'), 'valid') AS split, " METRIC_OF("j.id", "ppl") " AS ppl"
        " FROM job j" IN_SWEEP " WHERE j.kind = " KIND_IS("lm_eval") " AND j.state = 'done'),\n"
        "arm AS MATERIALIZED (SELECT x.*, coalesce(c.arm, 'baseline') AS arm, c.seed, c.lambda, c.random_target, c.lambda_schedule, c.k_sharp,"
        " c.k_sharp_override, c.base, c.common"
        " FROM score x LEFT JOIN cpt c ON c.id = x.model WHERE c.id IS NOT NULL OR x.model IN (SELECT base FROM cpt)),\n"
        "beside AS (SELECT a.*,"
        " (SELECT avg(o.ppl) FROM score o WHERE o.sweep = a.sweep AND o.model = a.base AND o.data = a.data AND o.knobs = a.knobs) AS base_ppl,"
        " (SELECT avg(o.ppl) FROM arm o WHERE o.sweep = a.sweep AND o.arm = 'control' AND o.base = a.base AND o.common = a.common"
        " AND o.data = a.data AND o.knobs = a.knobs) AS control_ppl FROM arm a)\n"
        "SELECT name AS sweep, arm, seed, lambda, random_target, lambda_schedule, k_sharp, k_sharp_override, split, ppl,"
        " 100 * (ppl - base_ppl) / base_ppl AS change_base_pct, 100 * (ppl - control_ppl) / control_ppl AS change_control_pct,\n"
        "  (SELECT min(coalesce(sj.verdict, t.verdict)) FROM job_input i JOIN job t ON t.id = i.job JOIN sweep_job sj ON sj.job = t.id"
        " WHERE i.input = b.id AND i.name = 'evals' AND sj.sweep = b.sweep AND t.kind = " KIND_IS("lm_compare") ") AS verdict,\n"
        "  run_name AS run_id, job FROM beside b;\n");
}

/* One row an arm and text: what perplexity has, folded over seeds, and the interval of the lm_compare job that
 * judged the arm.  Baselines count only where an arm was scored in the same way. */
static void view_arms(struct buf *out)
{
    buf_str(out, "CREATE VIEW arms AS WITH ");
    cpt_sql_runs(out);
    buf_str(out,
        ",\ntax AS MATERIALIZED (SELECT DISTINCT s.name AS sweep, i.input AS eval, j.id, lower(hex(j.digest)) AS job FROM job j" IN_SWEEP
        " JOIN job_input i ON i.job = j.id AND i.name = 'evals' WHERE j.kind = " KIND_IS("lm_compare") "),\n"
        "score AS MATERIALIZED (SELECT p.*, e.id AS eval, e.knobs AS protocol,"
        " json_remove(c.common, " SEEDS ", '$.score_ids', '$.eval_ids') AS other FROM perplexity p"
        " JOIN (SELECT id, knobs, lower(hex(digest)) AS job FROM job WHERE kind = " KIND_IS("lm_eval") ") e ON e.job = p.job"
        " LEFT JOIN cpt c ON c.id = " INPUT_OF("e.id", "model") ")\n"
        "SELECT p.sweep, p.arm, p.lambda, p.random_target, p.lambda_schedule, p.k_sharp, p.k_sharp_override,"
        " CASE WHEN (SELECT count(DISTINCT o.other) FROM score o WHERE o.sweep = p.sweep) > 1 THEN p.other END AS settings,"
        " p.split, count(*) AS seeds, avg(p.ppl) AS ppl," STD("ppl") " avg(p.change_base_pct) AS change_base_pct," STD("change_base_pct")
        " avg(p.change_control_pct) AS change_control_pct," STD("change_control_pct")
        " max(" METRIC_OF("x.id", "ppl_increase_pct_low") ") AS change_control_pct_low,"
        " max(" METRIC_OF("x.id", "ppl_increase_pct_high") ") AS change_control_pct_high,"
        " min(p.verdict) AS verdict, coalesce(max(x.job), min(p.job)) AS job FROM score p LEFT JOIN tax x ON x.eval = p.eval AND x.sweep = p.sweep"
        " WHERE EXISTS (SELECT 1 FROM score o WHERE o.sweep = p.sweep AND o.protocol = p.protocol AND o.arm <> 'baseline')"
        " GROUP BY p.sweep, p.arm, p.random_target, p.lambda, p.lambda_schedule, p.k_sharp, p.k_sharp_override, p.other, p.protocol"
        " ORDER BY p.sweep, p.split DESC, " CPT_ORDER("p") ", p.lambda, p.random_target, p.k_sharp, p.other;\n");
}

/* Groups are runs and SAEs that differ in seeds only; the structure_check job that compared them says the rest. */
static void view_structure(struct buf *out)
{
    buf_str(out, "CREATE VIEW structure AS WITH ");
    cpt_sql_runs(out);
    buf_str(out,
        ",\nfresh AS MATERIALIZED (SELECT DISTINCT s.id AS sweep, s.name, j.id, c.arm, c.lambda, c.random_target,"
        " c.lambda_schedule, c.k_sharp, c.k_sharp_override, c.base,"
        " json_remove(c.common, " SEEDS ") AS common, a.knobs AS extraction,"
        " json_remove(j.knobs, '$.seed', '$.seed_init', '$.seed_order') AS sae,"
        " " METRIC_OF("j.id", "l0") " AS l0, " METRIC_OF("j.id", "dead_pct") " AS dead_pct, " METRIC_OF("j.id", "ev") " AS ev,"
        " " METRIC_OF("j.id", "steps_to_90") " AS steps_to_90,"
        " (SELECT max(i.job) FROM job_input i JOIN job t ON t.id = i.job JOIN sweep_job o ON o.job = t.id AND o.sweep = s.id"
        " AND o.revision = s.revision WHERE i.input = j.id AND i.name = 'saes' AND t.kind = " KIND_IS("structure_check") ") AS checked"
        " FROM job j" IN_SWEEP " JOIN job a ON a.id = " INPUT_OF("j.id", "acts")
        " JOIN cpt c ON c.id = " INPUT_OF("a.id", "model") " WHERE j.kind = " KIND_IS("sae_train") " AND j.state = 'done'),\n"
        "side AS MATERIALIZED (SELECT sweep, name, arm, lambda, random_target, lambda_schedule, k_sharp, k_sharp_override, base, common,"
        " extraction, sae, count(*) AS seeds,"
        " avg(l0) AS l0, avg(dead_pct) AS dead_pct, avg(ev) AS ev, avg(steps_to_90) AS steps_to_90,"
        STD("l0") STD("dead_pct") STD("ev") STD("steps_to_90") " max(checked) AS checked FROM fresh"
        " GROUP BY sweep, name, arm, lambda, random_target, lambda_schedule, k_sharp, base, common, extraction, sae)\n"
        "SELECT x.name AS sweep, x.arm, x.lambda, x.random_target, x.lambda_schedule, x.k_sharp, x.k_sharp_override, x.seeds,"
        " x.l0, x.l0_std, x.dead_pct, x.dead_pct_std, x.ev, x.ev_std, x.steps_to_90, x.steps_to_90_std,\n"
        "  x.l0 - o.l0 AS d_l0, x.dead_pct - o.dead_pct AS d_dead_pct, x.ev - o.ev AS d_ev,"
        " x.steps_to_90 - o.steps_to_90 AS d_steps_to_90, " CHECKED("d_effective_features") ", " CHECKED("d_erank") ", "
        CHECKED("d_pwmcc") ", " CHECKED("es_ev") ", " CHECKED("lazier_signs") ", " CHECKED("busier_signs") ",\n"
        "  (SELECT coalesce(sj.verdict, t.verdict) FROM job t JOIN sweep_job sj ON sj.job = t.id AND sj.sweep = x.sweep"
        " WHERE t.id = x.checked ORDER BY sj.revision DESC LIMIT 1) AS lazier, x.extraction, x.sae FROM side x\n"
        "LEFT JOIN side o ON o.sweep = x.sweep AND o.arm = 'control' AND o.base = x.base AND o.common = x.common"
        " AND o.extraction = x.extraction AND o.sae = x.sae;\n");
}

void views_cpt_sql(struct buf *out)
{
    view_perplexity(out);
    view_arms(out);
    view_structure(out);
}
