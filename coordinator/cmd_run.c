/* cmd_run.c - `saegrid run SPEC`: a sweep on this machine from beginning to end.
 *
 * Checks the sweep before anything is written; says so at once when all is done already; else
 * starts mpirun (mpirun.c), again and again if the coordinator dies with work left, and ends
 * with the exit code that the manifest tells.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/link.h"
#include "common/proc.h"
#include "coordinator/exports.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/expect.h"
#include "coordinator/mpirun.h"
#include "coordinator/progress.h"
#include "coordinator/start.h"
#include "coordinator/summary.h"

enum { RESTARTS_MAX = 10, LONELY_MAX = 2 }; /* LONELY: no agent was left */

struct run {
    struct start_opts start;
    const char *progress;
    int64_t n_agents;
    double storage_wait_s;
    double term_s;
    bool dry_run, ulfm;
    char *results;         /* absolute */
    const char *sweep;     /* its name */
    const char *expected;  /* what its author expected to see; may be NULL */
    int64_t sweep_id, n_jobs, n_new;
    int64_t start_ms;
};

static volatile sig_atomic_t want_drain;

static void on_signal(int sig)
{
    (void)sig;
    if (want_drain < 2)
        want_drain++;
}

static void signals_install(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
}

/* --- before ------------------------------------------------------------------------------- */

static enum err_code record(struct run *r, const struct spec *spec, struct err *e)
{
    struct start st;
    enum err_code rc = start_manifest(&r->start, spec, clock_system.wall_ms(&clock_system), &st, e);

    if (rc)
        return rc;
    r->sweep_id = st.sweep_id;
    r->n_jobs = st.n_jobs;
    r->n_new = st.n_new;
    manifest_close(st.manifest);
    r->results = realpath(r->start.results, NULL);
    return r->results ? ERR_OK : err_set(e, ERR_IO, "%s: no such folder", r->start.results);
}

static enum err_code look(const struct run *r, struct summary *sum, struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(r->results, &q, e);

    if (rc)
        return rc;
    rc = summary_load(q, r->sweep_id, sum, e);
    query_close(q);
    return rc;
}

/* --- while -------------------------------------------------------------------------------- */

static void wait_before_restart(int n)
{
    int64_t us = 500000;

    for (int i = 1; i < n && us < 30000000; i++)
        us *= 2;
    for (; us > 0 && !want_drain; us -= 100000)
        clock_system.sleep_us(&clock_system, 100000);
}

/* True if another start may help: the coordinator died, or all its agents did. */
static bool is_worth_restart(int exit_code, const struct summary *sum)
{
    return sum->n_open && !want_drain &&
           (exit_code < 0 || exit_code == err_exit_code(ERR_UNAVAILABLE));
}

static enum err_code run_jobs(struct run *r, struct summary *sum, int *exit_code, struct err *e)
{
    struct mpirun m = {.spec = r->start.path,
                       .results = r->results,
                       .profile = r->start.profile,
                       .sets = &r->start.sets,
                       .n_agents = (int)r->n_agents,
                       .storage_wait_s = r->storage_wait_s,
                       .term_ms = (int64_t)(r->term_s * 1000),
                       .has_ulfm = r->ulfm,
                       .drain = &want_drain};
    enum progress_mode mode;
    enum err_code rc;
    int64_t n_open = sum->n_open;

    if (!progress_mode_parse(r->progress, stderr, &mode))
        return err_set(e, ERR_USAGE, "--progress %s: not one of auto, bar, plain, none", r->progress);
    m.progress = mode == PROGRESS_BAR ? "bar" : mode == PROGRESS_PLAIN ? "plain" : "none";
    for (int n = 1;; n++) {
        rc = mpirun_run(&m, &clock_system, exit_code, e);
        if (!rc)
            rc = look(r, sum, e);
        if (rc || !is_worth_restart(*exit_code, sum))
            return rc;
        if (sum->n_open < n_open)
            n = 1; /* it went forward: count anew */
        n_open = sum->n_open;
        if (n > (*exit_code < 0 ? RESTARTS_MAX : LONELY_MAX))
            return err_set(e, ERR_UNAVAILABLE, "the coordinator ended %d times without getting on", n);
        fprintf(stderr, "saegrid run: the coordinator ended with %" PRId64 " jobs to go; start %d of %d\n",
                n_open, n + 1, RESTARTS_MAX + 1);
        m.goes_on = true;
        wait_before_restart(n);
    }
}

/* --- after -------------------------------------------------------------------------------- */

/* What was expected, and whether it came out. */
static enum err_code put_expected(const struct run *r, struct query *q, struct buf *out, struct err *e)
{
    struct table checks = {0};
    struct buf text = {0};
    enum err_code rc = expect_table(&checks, q, r->sweep, e);

    if (out->len && r->expected && *r->expected)
        buf_fmt(out, "Expected: %s\n", r->expected);
    if (!rc)
        expect_sentence(&checks, r->sweep, &text);
    if (text.len)
        buf_fmt(out, "What was expected %s (saegrid table checks --sweep %s)\n", text.data, r->sweep);
    buf_free(&text);
    table_free(&checks);
    return rc;
}

static enum err_code report(const struct run *r, const struct summary *sum, bool was_idle,
                            struct err *e)
{
    struct buf out = {0};
    struct query *q;
    enum err_code rc = query_open(r->results, &q, e);

    if (rc)
        return rc;
    rc = summary_stability(q, r->sweep, cmd_use_colour(stdout), &out, e);
    if (!rc)
        rc = summary_failures(q, r->sweep, &out, e);
    if (!rc)
        rc = summary_gates(q, r->sweep, &out, e);
    if (!rc)
        rc = put_expected(r, q, &out, e);
    query_close(q);
    if (out.len)
        buf_char(&out, '\n');
    buf_fmt(&out, "%s: ", r->sweep);
    summary_counts(sum, &out);
    buf_str(&out, was_idle ? "; all were settled before, nothing was computed" : "; ");
    if (!was_idle)
        progress_duration(&out, (double)(clock_ms(&clock_system) - r->start_ms) * 1e-3);
    buf_fmt(&out, "\nresults: %s/experiments/%s, manifest: %s/manifest.sqlite\n", r->start.results,
            r->sweep, r->start.results);
    if (sum->n_open)
        buf_str(&out, "stopped: the same command goes on\n");
    int put = cmd_put(&out);
    return rc ? rc : put ? err_set(e, ERR_IO, "cannot write to stdout") : ERR_OK;
}

static enum err_code write_exports(const struct run *r, const struct spec *spec, struct err *e)
{
    struct buf said = {0};
    enum err_code rc = exports_write(spec, r->results, clock_system.wall_ms(&clock_system), &said, e);
    int put = said.len ? cmd_put(&said) : 0;

    buf_free(&said);
    return rc ? rc : put ? err_set(e, ERR_IO, "cannot write to stdout") : ERR_OK;
}

static enum err_code run(struct run *r, const struct spec *spec, int *code, struct err *e)
{
    struct summary sum = {0};
    int exit_code = 0;

    r->sweep = spec->name;
    r->expected = spec->expected;
    if (record(r, spec, e) || look(r, &sum, e))
        return e->code;
    bool was_idle = sum.n_open == 0;
    signals_install();
    if (!was_idle && run_jobs(r, &sum, &exit_code, e))
        return e->code;
    if (report(r, &sum, was_idle, e))
        return e->code;
    if (sum.n_open == 0 && write_exports(r, spec, e))
        return e->code;
    *code = summary_exit_code(&sum);
    if (sum.n_open && exit_code > 1) /* it said why it stopped: storage, a bug, held by another */
        *code = exit_code;
    return ERR_OK;
}

static int check_and_run(struct run *r)
{
    struct buf errors = {0};
    struct spec *spec = NULL;
    struct err e = {0};
    int code = 0;

    r->start_ms = clock_ms(&clock_system);
    enum err_code rc = start_spec(&r->start, &spec, &errors, &e);
    if (rc && errors.len) {
        fputs(errors.data, stderr);
        code = err_exit_code(rc);
    } else if (rc || run(r, spec, &code, &e)) {
        code = cmd_fail("run", &e);
    }
    buf_free(&errors);
    spec_free(spec);
    free(r->results);
    return code;
}

/* --dry-run: `saegrid plan` with the same sweep. */
static int plan_instead(const struct run *r)
{
    char **argv = calloc(2 * r->start.sets.n + 8, sizeof *argv);
    int n = 0;

    if (!argv)
        return err_exit_code(ERR_NOMEM);
    argv[n++] = (char *)"plan";
    for (size_t i = 0; i < r->start.sets.n; i++) {
        argv[n++] = (char *)"--set";
        argv[n++] = (char *)r->start.sets.v[i];
    }
    if (r->start.profile) {
        argv[n++] = (char *)"--profile";
        argv[n++] = (char *)r->start.profile;
    }
    argv[n++] = (char *)"--";
    argv[n++] = (char *)r->start.path;
    int code = cmd_plan(n, argv);
    free(argv);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run r = {.n_agents = proc_cores(), .term_s = 15, .storage_wait_s = STORAGE_WAIT_S, .start = {.rearm = true}};
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_I64("jobs", 'j', &r.n_agents, "N", "agents, each one job at a time (default: physical cores)"),
        START_OPTIONS(&r.start, &results),
        OPT_DUR("storage-wait", 0, &r.storage_wait_s, "TIME", STORAGE_WAIT_HELP),
        OPT_STR("progress", 0, &r.progress, "HOW", "auto, bar, plain or none"),
        OPT_DUR("term", 0, &r.term_s, "TIME", "an agent that is silent for so long is lost (15s)"),
        OPT_FLAG("ulfm", 0, &r.ulfm, "let Open MPI 5 report a killed agent at once"),
        OPT_FLAG("dry-run", 0, &r.dry_run, "show the plan and touch nothing, as `saegrid plan`"),
    };
    const struct opts_cmd cmd = {
        "run", "SPEC",
        "Run a sweep on this machine until it has settled.\n\n"
        "What is done already is not computed again.  Ctrl-C stops after checkpoints, twice stops\n"
        "now; the same command goes on.",
        rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    struct err e;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    r.start.path = args.v[0];
    r.start.results = cmd_results(results);
    if (r.n_agents < 1 || r.n_agents > 4096) {
        err_set(&e, ERR_USAGE, "-j %" PRId64 ": not in [1, 4096]", r.n_agents);
        rc = cmd_fail("run", &e);
    } else if (!(r.term_s >= 1 && r.term_s <= 86400)) {
        err_set(&e, ERR_USAGE, "--term %g: not in [1s, 1d]", r.term_s);
        rc = cmd_fail("run", &e);
    } else if (r.ulfm && !link_mpi_has_ulfm()) {
        err_set(&e, ERR_USAGE, "--ulfm: not in this build's MPI, Open MPI 5 has it");
        rc = cmd_fail("run", &e);
    } else {
        rc = r.dry_run ? plan_instead(&r) : check_and_run(&r);
    }
    opts_free(&args);
    opts_list_free(&r.start.sets);
    return rc;
}
