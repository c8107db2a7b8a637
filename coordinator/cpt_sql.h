/* cpt_sql.h - parts of SQL about continued pretraining, for its views and its sections of a report. */
#pragma once
#include "common/buf.h"
#include "coordinator/manifest_query.h"

#define METRIC_OF(job, name)                                                                       \
    "(SELECT v.value FROM metric v WHERE v.job = " job                                             \
    " AND v.name = (SELECT id FROM metric_name WHERE name = '" name "'))"
#define INPUT_OF(job, name)                                                                        \
    "(SELECT i.input FROM job_input i WHERE i.job = " job " AND i.name = '" name "' AND i.field IS NULL AND i.ord = 0)"
#define KIND_IS(name) "(SELECT id FROM kind WHERE name = '" name "')"
/* Of a sweep: what its last text asks for. */
#define IN_SWEEP " JOIN sweep_job sj ON sj.job = j.id JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision"
/* "cpt AS MATERIALIZED (...)", a common table expression: every lm_cpt job by `id` with base (job), arm, seed, lambda,
 * random_target, lambda_schedule (NULL: constant), k_sharp, k_sharp_override, common (its other knobs, JSON). */
void cpt_sql_runs(struct buf *out);
/* "WITH cpt AS ...", then `select`, whose ?1 is the sweep. */
enum err_code cpt_sql_ask(struct query *q, int64_t sweep, const char *select, struct table *out, struct err *e);
/* An arm as a person would say it, from such a row `c`. */
#define CPT_NAME(c)                                                                                \
    c ".arm || coalesce(', ' || " c ".random_target, '') || coalesce(', lambda ' || printf('%g', " c ".lambda), '')" \
    " || coalesce(' ' || " c ".lambda_schedule, '')"
/* Architecture of an SAE job. */
#define SAE_ARCH(job) "coalesce((SELECT json_extract(knobs, '$.arch') FROM job WHERE id = " job "), 'topk')"
/* Their order in a table. */
#define CPT_ORDER(c)                                                                               \
    "CASE " c ".arm WHEN 'baseline' THEN 0 WHEN 'control' THEN 1 WHEN 'l1' THEN 2 WHEN 'random' THEN 3"  \
    " WHEN 'reconstruction' THEN 4 WHEN 'saeception_cosine' THEN 5 ELSE 6 END"
