/* report_trouble.c - what failed, what was skipped for it, and which results are negative. */
#include "coordinator/report_table.h"

#include <string.h>

#define OF_SWEEP                                                                                   \
    " FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"   \
    " JOIN stage t ON t.id = sj.stage LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch WHERE s.id = ?1"
#define OF_NAME "@" /* where the sweep's name goes */
#define WHO "j.run_name AS run_id, lower(hex(j.digest)) AS job, t.name AS stage"

static const struct part {
    const char *caption, *all, *sql;
} parts[] = {
    {"Negative results: each is a finding, no fault", "saegrid table runs --sweep " OF_NAME " --where \"verdict = 'negative'\"",
     "SELECT " WHO ", coalesce(sj.reason, j.message, 'the job''s own verdict') AS why" OF_SWEEP
     " AND j.state = 'done' AND t.gate_top IS NULL AND coalesce(sj.verdict, j.verdict) = 'negative' ORDER BY t.ord, j.id"},
    {"Stopped: others of their stage were better", "saegrid table promotions --sweep " OF_NAME,
     "SELECT " WHO ", t.gate_metric AS metric, sj.reason AS why" OF_SWEEP
     " AND j.state = 'done' AND t.gate_top IS NOT NULL AND sj.verdict = 'negative' ORDER BY t.ord, j.id"},
    {"Failures", "saegrid table failures --sweep " OF_NAME,
     "SELECT " WHO ", j.state, j.class, j.message, j.epoch AS attempts,"
     " CASE WHEN NOT j.in_agent THEN 'saegrid-runner run experiments/' || (SELECT name FROM sweep WHERE id = j.sweep) || '/' ||"
     " j.run_name || '.tmp' END AS command, a.log, (SELECT f.commit_id FROM fix f WHERE f.job = j.id ORDER BY f.id DESC LIMIT 1)"
     " AS fix" OF_SWEEP " AND (j.state = 'failed' OR j.state = 'quarantined') ORDER BY t.ord, j.id"},
    {"Not run: an input failed or was stopped, a gate was missed, or somebody cancelled them", "saegrid jobs --state skipped",
     "SELECT t.name AS stage, j.state, count(*) AS jobs, (SELECT c.run_name FROM job c WHERE c.id = j.cause) AS because_of" OF_SWEEP
     " AND (j.state = 'skipped' OR j.state = 'cancelled') GROUP BY t.id, j.state, j.cause ORDER BY t.ord"},
    {"Attempts that did not end well, of all jobs", "saegrid table attempts --sweep " OF_NAME,
     "SELECT t.name AS stage, x.outcome, x.class, count(*) AS attempts, sum(x.wall_s) AS seconds FROM sweep_job sj"
     " JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN stage t ON t.id = sj.stage JOIN attempt x ON x.job = sj.job"
     " WHERE s.id = ?1 AND x.outcome <> 'done' AND x.outcome <> 'running' GROUP BY t.id, x.outcome, x.class ORDER BY t.ord"},
};

static enum err_code write_trouble(struct report *r, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < ARRAY_LEN(parts) && !rc; i++) {
        struct table t = {0};

        rc = query_table(r->q, &t, e, parts[i].sql, "i", r->sweep_id);
        if (!rc && t.n_rows) {
            struct buf all = {0};
            const char *at = strstr(parts[i].all, OF_NAME);

            buf_add(&all, parts[i].all, at ? (size_t)(at - parts[i].all) : strlen(parts[i].all));
            buf_fmt(&all, "%s%s", at ? r->sweep : "", at ? at + strlen(OF_NAME) : "");
            report_table_all(r, &t, parts[i].caption, all.data);
            buf_free(&all);
        }
        table_free(&t);
    }
    return rc;
}

REPORT_SECTION(trouble) = {"trouble", "Failures and negative results", write_trouble};
