/* report_origin.c - where the numbers were made: commit, build, libraries, machines. */
#include "coordinator/report_table.h"

static enum err_code write_origin(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e,
        "SELECT json_extract(p.json, '$.\"commit\"') AS \"commit\", iif(json_extract(p.json, '$.dirty') IN (1, 'true'), 'yes', 'no')"
        " AS uncommitted_changes, json_extract(p.json, '$.compiler') AS compiler, json_extract(p.json, '$.build_type') AS build,"
        " json_extract(p.json, '$.blas') AS blas, json_extract(p.json, '$.blas_core') AS blas_core,"
        " json_extract(p.json, '$.cpu') AS cpu, a.host, count(*) AS runs, sum(a.wall_s) AS seconds"
        " FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"
        " JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch JOIN provenance p ON p.id = a.provenance"
        " WHERE s.id = ?1 AND j.state = 'done' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY runs DESC", "i", r->sweep_id);

    if (!rc && t.n_rows)
        report_table_all(r, &t, "Builds and machines", "saegrid show JOB");
    table_free(&t);
    return rc;
}

REPORT_SECTION(origin) = {"origin", "Where the numbers come from", write_origin};
