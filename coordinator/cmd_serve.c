/* cmd_serve.c - `saegrid serve SPEC`: the coordinator, rank 0 of an MPI job whose other ranks are
 * saegrid-agent.  Started as such a rank, this program becomes the agent beside it.
 *
 * MPI is opened first when we are under a launcher: whatever is wrong with the sweep, the agents
 * must hear that it is over.  The farewell never waits for a lost rank.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/version.h"
#include "coordinator/exports.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/serve.h"
#include "coordinator/start.h"
#include "coordinator/summary.h"

enum { SHUTDOWN_MS = 3000 };

struct serve_cmd {
    struct start_opts start;
    const char *progress, *status;
    double term_s, storage_wait_s;
    int64_t parent;
    bool goes_on;
};

static volatile sig_atomic_t want_drain;

static void on_drain(int sig)
{
    (void)sig;
    want_drain++;
}

static void on_term(int sig)
{
    (void)sig;
    want_drain = 2;
}

static void signals_install(void)
{
    struct sigaction drain = {.sa_handler = on_drain, .sa_flags = SA_RESTART};
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGUSR1, &drain, NULL);
    sigaction(SIGINT, &drain, NULL);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGUSR2, &term, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* "pid N" at the start, "up N" once N ranks have met, "exit N" at the end: `saegrid run` cannot trust mpirun's exit code. */
static void tell_status(const struct serve_cmd *c, const char *what, int value)
{
    struct buf text = {0};
    struct err e;

    if (!c->status)
        return;
    buf_fmt(&text, "%s %d\n", what, value);
    if (fs_append(c->status, text.data, text.len, &e))
        fprintf(stderr, "saegrid serve: %s\n", e.text);
    buf_free(&text);
}

static enum err_code find_exit_code(const struct start *st, const struct serve_cmd *c, int *code,
                                    struct err *e)
{
    struct summary sum;
    struct query *q;
    enum err_code rc = query_open(c->start.results, &q, e);

    if (rc)
        return rc;
    rc = summary_load(q, st->sweep_id, &sum, e);
    *code = summary_exit_code(&sum);
    query_close(q);
    return rc;
}

/* Serves the recorded sweep; *code is the program's exit code when it settled. */
static enum err_code serve_sweep(const struct serve_cmd *c, const struct start *st,
                                 struct link *link, int *code, struct err *e)
{
    struct serve_config config = {.results = c->start.results,
                                  .sweep_id = st->sweep_id,
                                  .term_ms = (int64_t)(c->term_s * 1000),
                                  .storage_wait_ms = (int64_t)(c->storage_wait_s * 1000),
                                  .build = SAEGRID_COMMIT,
                                  .out = stderr,
                                  .drain = &want_drain,
                                  .parent = (pid_t)c->parent};
    static struct serve s; /* large */
    enum err_code rc;

    if (!progress_mode_parse(c->progress, stderr, &config.progress))
        return err_set(e, ERR_USAGE, "--progress %s: not one of auto, bar, plain, none", c->progress);
    rc = find_exit_code(st, c, code, e);
    if (rc || *code != err_exit_code(ERR_STOPPED))
        return rc; /* nothing is left to do */
    if (link->size < 2)
        return err_set(e, ERR_USAGE,
                       "jobs are to be done, but there are no agents: use `saegrid run`, or "
                       "mpirun -n 5 saegrid serve SPEC");
    rc = serve_open(&s, &config, st->manifest, link, &clock_system, e);
    if (rc)
        return rc;
    rc = serve_run(&s, e);
    serve_shutdown(link, &clock_system, SHUTDOWN_MS, &s);
    serve_close(&s);
    return rc ? rc : find_exit_code(st, c, code, e);
}

static enum err_code write_exports(const struct serve_cmd *c, const struct spec *spec, struct err *e)
{
    struct buf said = {0};
    enum err_code rc = exports_write(spec, c->start.results, clock_system.wall_ms(&clock_system), &said, e);

    if (said.len)
        fputs(said.data, stderr);
    buf_free(&said);
    return rc;
}

static enum err_code prepare_and_serve(const struct serve_cmd *c, struct link *link, int *code,
                                       struct err *e)
{
    struct buf errors = {0};
    struct spec *spec = NULL;
    struct start st = {0};
    enum err_code rc = start_spec(&c->start, &spec, &errors, e);

    if (rc && errors.len) {
        fputs(errors.data, stderr);
        err_set(e, rc, "%s: not a valid sweep", c->start.path);
    }
    buf_free(&errors);
    if (!rc)
        rc = start_manifest(&c->start, spec, clock_system.wall_ms(&clock_system), &st, e);
    if (!rc) {
        rc = serve_sweep(c, &st, link, code, e);
        if (!rc && !c->start.is_recorded && *code <= 1) /* `saegrid run` writes its exports itself */
            rc = write_exports(c, spec, e);
        manifest_close(st.manifest);
    }
    spec_free(spec);
    return rc;
}

/* Rank 1 and on: saegrid-agent takes over, unless it cannot be started.  MPI is not open yet. */
static enum err_code become_agent(const struct serve_cmd *c, struct err *e)
{
    struct buf path = {0};
    enum err_code rc = fs_exe_dir(&path, e);

    if (!rc) {
        buf_str(&path, "/saegrid-agent");
        execl(path.data, path.data, "--results", c->start.results, (char *)NULL);
        rc = err_set(e, ERR_UNAVAILABLE, "%s: %s", path.data, strerror(errno));
    }
    buf_free(&path);
    return rc;
}

static int serve(struct serve_cmd *c, int *argc, char ***argv)
{
    bool is_mpi = link_under_mpirun();
    struct link link = {.size = 1};
    struct err e = {0}, ignored;
    enum err_code rc = ERR_OK;
    int code = 0;

    if (link_launch_rank() > 0)
        rc = become_agent(c, &e);
    else
        tell_status(c, "pid", (int)getpid());
    if (is_mpi && link_mpi_open(&link, argc, argv, rc ? &ignored : &e))
        return cmd_fail("serve", &e);
    signals_install();
    if (link.rank == 0)
        tell_status(c, "up", link.size);
    if (!rc && link.rank == 0)
        rc = prepare_and_serve(c, &link, &code, &e);
    else if (!rc)
        rc = err_set(&e, ERR_USAGE, "only rank 0 can serve: start saegrid-agent as the others");
    if (rc)
        code = cmd_fail("serve", &e);
    if (rc && is_mpi && link.rank == 0)
        serve_shutdown(&link, &clock_system, SHUTDOWN_MS, NULL);
    if (link.rank == 0)
        tell_status(c, "exit", code);
    if (c->status)
        code = 0; /* told already; mpirun has words of its own for anything else */
    if (is_mpi && !link.ops->close(&link))
        _exit(code);
    return code;
}

int cmd_serve(int argc, char **argv)
{
    struct serve_cmd c = {.term_s = 30, .storage_wait_s = STORAGE_WAIT_S, .start = {.rearm = true}};
    const char *results = NULL;
    const struct opt rows[] = {
        START_OPTIONS(&c.start, &results),
        OPT_STR("progress", 0, &c.progress, "HOW", "auto, bar, plain or none"),
        OPT_DUR("term", 0, &c.term_s, "TIME", "an agent that is silent for so long is lost (30s)"),
        OPT_DUR("storage-wait", 0, &c.storage_wait_s, "TIME", STORAGE_WAIT_HELP),
        OPT_FLAG("go-on", 0, &c.goes_on, "do not try quarantined jobs again"),
        OPT_FLAG("recorded", 0, &c.start.is_recorded, "for `saegrid run`: it has recorded the sweep"),
        OPT_STR("status", 0, &c.status, "FILE", "for `saegrid run`: say there how it goes"),
        OPT_I64("parent", 0, &c.parent, "PID", "for `saegrid run`: stop when this process ends"),
    };
    const struct opts_cmd cmd = {
        "serve", "SPEC",
        "Coordinate a sweep: rank 0 of an MPI job.\n\n"
        "  mpirun --enable-recovery --bind-to none -n 9 saegrid serve SPEC\n\n"
        "Ranks from 1 on become agents: the saegrid-agent beside this program.\n"
        "SIGUSR1 or SIGINT stops after checkpoints, twice or SIGTERM stops now; the same command goes on.",
        rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    c.start.path = args.v[0];
    c.start.results = cmd_results(results);
    c.start.rearm = !c.goes_on;
    if (c.term_s < 1)
        c.term_s = 1;
    rc = serve(&c, &argc, &argv);
    opts_free(&args);
    opts_list_free(&c.start.sets);
    return rc;
}
