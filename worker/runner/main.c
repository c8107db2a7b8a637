/* main.c - saegrid-runner: one job, one process. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/kinds/kind.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/version.h"
#include "worker/runner/convert.h"
#include "worker/runner/crash.h"
#include "worker/runner/frame.h"
#include "worker/runner/pin.h"
#include "worker/runner/progress.h"
#include "worker/runner/warm.h"

static const char help[] =
    "usage: saegrid-runner run FOLDER.tmp\n"
    "       saegrid-runner convert FROM TO --to FORMAT [...]\n"
    "       saegrid-runner infer SAE ROWS.pt OUT.pt [--from FORMAT]\n"
    "       saegrid-runner tokenize --tokenizer FILE [--decode]\n"
    "       saegrid-runner --help | --version\n"
    "\n"
    "Does one job: reads FOLDER.tmp/job.json, works in FOLDER.tmp, and renames it to FOLDER once\n"
    "the result is complete.  saegrid-agent starts it, but it works by hand just as well:\n"
    "\n"
    "  mkdir -p try.tmp && cat > try.tmp/job.json <<'END'\n"
    "  {\"job\": \"0000000000000000000000000000000000000000000000000000000000000001\",\n"
    "   \"kind\": \"mock\", \"version\": 1, \"run_id\": \"try\", \"sweep\": \"by_hand\", \"stage\": \"try\",\n"
    "   \"epoch\": 1, \"knobs\": {\"seed\": 7}, \"common\": {}, \"context\": {}, \"inputs\": [],\n"
    "   \"results\": \"/tmp\"}\n"
    "  END\n"
    "  saegrid-runner run try.tmp && cat try/metrics.json\n"
    "\n"
    "An input is {\"name\": ..., \"job\": ID, \"path\": folder below results}; the knobs of a kind are\n"
    "shown by `saegrid kinds KIND`.  A FOLDER that already holds the result of the same job is left\n"
    "alone.  After a failure FOLDER.tmp keeps error.json and the checkpoints, and the same command\n"
    "goes on from them.\n"
    "\n"
    "saegrid-agent starts `saegrid-runner warm` once and has it forked for each job, which costs less\n"
    "than to start a program; with SAEGRID_RUNNER set it starts that program for each job instead.\n"
    "\n"
    "convert rewrites an SAE from one file format to another, infer runs rows through one, tokenize\n"
    "turns text into token ids and back; each has its own --help.\n"
    "\n"
    "file descriptor 3  if open for writing: progress, lines `step total text`\n"
    "SIGTERM, SIGUSR1   stop at the next step, after a checkpoint; exit code 75\n"
    "SAEGRID_PARENT     process id of the starter; the job dies with it\n"
    "SAEGRID_LOG        debug, info, warn, error or off\n"
    "\n"
    "Exit codes: 0 a result was written; 64 usage, 65 bad input, 69 something is missing or busy,\n"
    "70 our bug, 71 memory, 74 cannot read or write, 75 stopped on request; a crash ends by its\n"
    "signal.\n";

static volatile sig_atomic_t stop_wanted;

static void on_stop(int sig)
{
    (void)sig;
    stop_wanted = 1;
}

/* Where the soft and the hard limit of CPU time are one, as `ulimit -t` makes them, the kernel kills without
 * a word; a soft limit a second earlier says SIGXCPU, which has a class and names the step. */
static void leave_room_for_sigxcpu(void)
{
    struct rlimit cpu;

    if (getrlimit(RLIMIT_CPU, &cpu) || cpu.rlim_max == RLIM_INFINITY || cpu.rlim_cur < cpu.rlim_max ||
        cpu.rlim_max < 2)
        return;
    cpu.rlim_cur = cpu.rlim_max - 1;
    setrlimit(RLIMIT_CPU, &cpu);
}

static void signals_install(void)
{
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    const char *parent = getenv("SAEGRID_PARENT");

    crash_install();
    leave_room_for_sigxcpu();
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGUSR1, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    if (parent && *parent)
        proc_die_with_parent(SIGKILL, (pid_t)strtol(parent, NULL, 10));
}

static int version(void)
{
    printf("saegrid-runner %s (%.12s%s), %s, %s\n", SAEGRID_VERSION, SAEGRID_COMMIT,
           SAEGRID_DIRTY ? ", modified" : "", SAEGRID_COMPILER, SAEGRID_BUILD_TYPE);
    return 0;
}

static int run(const char *dir, char **argv, bool leaves_sync)
{
    struct err e = {0};

    if (pin_isa(dir, argv, &e)) { /* before the descriptors are taken up */
        fprintf(stderr, "saegrid-runner: %s\n", e.text);
        return err_exit_code(e.code);
    }
    struct frame_opts o = {dir, &clock_system, &stop_wanted, progress_fd_inherited(), leaves_sync};
    signals_install();
    log_level_from_env();
    enum err_code rc = frame_run(&o, &e);
    if (rc)
        fprintf(stderr, "saegrid-runner: %s\n", e.text);
    return err_exit_code(rc);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "--version") == 0 || strcmp(command, "version") == 0)
        return version();
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (strcmp(command, "convert") == 0)
        return convert_main(argc - 1, argv + 1);
    if (strcmp(command, "warm") == 0 && argc == 2)
        return warm_main(argv, run);
    if (strcmp(command, "infer") == 0)
        return infer_main(argc - 1, argv + 1);
    if (strcmp(command, "tokenize") == 0)
        return tokenize_main(argc - 1, argv + 1);
    if (strcmp(command, "run") == 0 && argc == 3 && strcmp(argv[2], "--help") != 0)
        return run(argv[2], argv, false);
    if (strcmp(command, "run") == 0 && argc == 3) {
        fputs(help, stdout);
        return 0;
    }
    if (*command)
        fprintf(stderr, "saegrid-runner: %s: not a command, or not these arguments\n", command);
    fputs("usage: saegrid-runner run FOLDER.tmp | convert ... | infer ... | tokenize ... | --help | --version\n", stderr);
    return err_exit_code(ERR_USAGE);
}
