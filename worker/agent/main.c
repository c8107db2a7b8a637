/* main.c - saegrid-agent: ranks 1..N beside `saegrid serve`.
 *
 * A loop of agent_step() and poll(): the end of a job, its output and a signal wake it at once,
 * messages are looked for after at most 20 ms (a quiet agent) or 0.2 ms (a busy one).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/version.h"
#include "worker/agent/agent.h"

static const char help[] =
    "usage: saegrid-agent [--results DIR]\n"
    "       saegrid-agent --help | --version\n"
    "\n"
    "Runs the jobs of a sweep, one at a time; ranks 1..N of an MPI job whose rank 0 is the\n"
    "coordinator.  `saegrid serve` becomes this program on those ranks:\n"
    "\n"
    "  mpirun --enable-recovery --bind-to none -n 9 saegrid serve SPEC\n"
    "\n"
    "--results DIR    results folder, the same as the coordinator's (default $SAEGRID_RESULTS,\n"
    "                 else ./results)\n"
    "SAEGRID_RUNNER   program to start for each job, instead of keeping a saegrid-runner (from beside\n"
    "                 this program) that forks\n"
    "SIGTERM          stop the job after a checkpoint, if there is time, and leave\n";

enum {
    BUSY_US = 100000,    /* after it did something, an agent looks up every 0.2 ms for so long (every */
    WARM_US = 1000000,   /* ms while a job runs), then every ms, after 1 s every 5 ms, after 5 s 20 ms */
    LEAVE_US = 10000
};
enum { FLUSH_MS = 1000, STOP_MS = 11000, TERM_MS = 800 };

static volatile sig_atomic_t want_stop;
static int wake_fd[2] = {-1, -1};

static void on_signal(int sig)
{
    int saved = errno;

    (void)sig;
    want_stop = 1;
    if (write(wake_fd[1], "x", 1) < 0) {
        /* full: it wakes anyway */
    }
    errno = saved;
}

static void signals_install(void)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &ignore, NULL);  /* a terminal's: the coordinator tells us what to do */
    sigaction(SIGUSR1, &ignore, NULL); /* mpirun hands it to every rank */
    sigaction(SIGUSR2, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a log that is cut short is no reason to die */
}

/* Sleeps until something happens or `us` are over. */
static void rest(const struct agent *a, int64_t us)
{
    struct pollfd fds[5] = {{.fd = wake_fd[0], .events = POLLIN}};
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nfds_t n = 1;
    char drop[16];

    if (a->launch.is_running) {
        fds[n++] = (struct pollfd){.fd = a->launch.proc.pidfd, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = a->launch.log_fd, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = a->launch.progress_fd, .events = POLLIN};
    }
    if (a->is_settling)
        fds[n++] = (struct pollfd){.fd = a->settler.pidfd, .events = POLLIN};
    if (ppoll(fds, n, &t, NULL) > 0 && fds[0].revents && read(wake_fd[0], drop, sizeof drop) < 0)
        return;
}

static void work(struct agent *a)
{
    int64_t busy_us = a->clock->mono_us(a->clock);

    while (a->state != AGENT_END && !want_stop) {
        agent_step(a);
        int64_t now_us = a->clock->mono_us(a->clock), quiet_us = now_us - busy_us;
        if (a->is_busy)
            busy_us = now_us;
        else
            rest(a, quiet_us < BUSY_US && !a->launch.is_running ? 200
                    : quiet_us < WARM_US     ? 1000
                    : quiet_us < 5 * WARM_US ? 5000
                                             : 20000);
    }
}

/* Lets the job reach its checkpoint, then says farewell. */
static void leave(struct agent *a)
{
    int64_t end_ms = clock_ms(&clock_system) + (want_stop ? TERM_MS : STOP_MS);

    if (want_stop)
        agent_drain(a, false);
    while (agent_has_process(a) && clock_ms(&clock_system) < end_ms) {
        agent_step(a);
        rest(a, LEAVE_US);
    }
    launch_stop(&a->launch, clock_ms(&clock_system), true);
    agent_free(a);
    end_ms = clock_ms(&clock_system) + FLUSH_MS;
    while (a->link->ops->pending(a->link) && clock_ms(&clock_system) < end_ms)
        clock_system.sleep_us(&clock_system, 500);
}

static enum err_code find_runner(struct buf *out, struct err *e)
{
    const char *env = getenv("SAEGRID_RUNNER");

    if (env && *env) {
        buf_str(out, env);
    } else {
        if (fs_exe_dir(out, e))
            return e->code;
        buf_str(out, "/saegrid-runner");
    }
    if (access(out->data, X_OK))
        return err_errno(e, errno, "%s: the runner cannot be started", out->data);
    return ERR_OK;
}

static enum err_code serve(int *argc, char ***argv, const char *results, struct err *e)
{
    struct agent_config config = {.results = results, .build = SAEGRID_COMMIT};
    static struct agent a; /* large */
    struct buf runner = {0};
    struct link link;
    char host[256] = "";
    enum err_code rc = link_mpi_open(&link, argc, argv, e);

    if (rc)
        return rc;
    rc = find_runner(&runner, e); /* if it is missing, the coordinator hears our farewell */
    gethostname(host, sizeof host - 1);
    config.host = host;
    config.runner = runner.data;
    config.is_warm = !getenv("SAEGRID_RUNNER"); /* what that names is started for each job */
    agent_init(&a, &config, &link, &clock_system);
    signals_install();
    if (!rc && link.size < 2)
        rc = err_set(e, ERR_USAGE, "an agent needs a coordinator: start it under mpirun, see --help");
    if (!rc)
        work(&a);
    leave(&a);
    if (!rc && a.why)
        rc = err_set(e, a.why, "%s", a.why == ERR_STOPPED ? "the coordinator is gone"
                                                          : "refused by the coordinator");
    bool is_orderly = link.ops->close(&link);
    buf_free(&runner);
    if (!is_orderly || want_stop)
        _exit(err_exit_code(rc));
    return rc;
}

static int usage(const char *what)
{
    fprintf(stderr, "saegrid-agent: %s: not an option; see saegrid-agent --help\n", what);
    return err_exit_code(ERR_USAGE);
}

static int version(void)
{
    printf("saegrid-agent %s (%.12s%s)\n", SAEGRID_VERSION, SAEGRID_COMMIT,
           SAEGRID_DIRTY ? ", modified" : "");
    return 0;
}

int main(int argc, char **argv)
{
    const char *results = getenv("SAEGRID_RESULTS");
    struct rlimit no_core = {0, 0};
    struct err e = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(help, stdout) < 0 ? err_exit_code(ERR_IO) : 0;
        if (strcmp(argv[i], "--version") == 0)
            return version();
        if (strncmp(argv[i], "--results=", 10) == 0)
            results = argv[i] + 10;
        else if (strcmp(argv[i], "--results") == 0 && i + 1 < argc)
            results = argv[++i];
        else
            return usage(argv[i]);
    }
    log_level_from_env();
    setrlimit(RLIMIT_CORE, &no_core); /* inherited by the runners */
    if (pipe2(wake_fd, O_CLOEXEC | O_NONBLOCK)) {
        fprintf(stderr, "saegrid-agent: pipe: %s\n", strerror(errno));
        return err_exit_code(ERR_IO);
    }
    enum err_code rc = serve(&argc, &argv, results && *results ? results : "results", &e);
    if (rc)
        fprintf(stderr, "saegrid-agent: %s\n", e.text);
    return err_exit_code(rc);
}
