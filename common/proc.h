/* proc.h - child processes: spawn into an own group, limits, wait, kill. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct proc_opts {
    const char *const *argv;            /* NULL-terminated; argv[0] is a path */
    const char *const *env;             /* NULL-terminated "K=V"; NULL = proc_clean_env() of ours */
    const char *cwd;                    /* NULL = same */
    int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null for stdin, inherit for the others */
    int extra_fd;                       /* becomes fd 3 in the child; -1 = none */
    bool own_group;
};

struct proc {
    pid_t pid;
    int pidfd; /* readable when it has ended; -1 if unsupported */
};

struct proc_end {
    int exit_code; /* -1 if killed by a signal, or (signal 0) if somebody else reaped it */
    int signal;    /* 0 if it exited */
    bool dumped_core;
    double user_s, sys_s;
    int64_t maxrss_kib;
};

MUST_CHECK enum err_code proc_spawn(struct proc *p, const struct proc_opts *o, struct err *e);
/* For a child that somebody else has made for us: puts it into a group of its own. */
void proc_adopt(struct proc *p, pid_t pid);
/* true and *end filled when it has ended (reaped); never blocks unless `block` */
bool proc_wait(struct proc *p, bool block, struct proc_end *end);
void proc_signal_group(const struct proc *p, int sig);
/* Our environment without the variables of an MPI launcher (OMPI_, PMIX_, PMI_, ORTE_, PRTE_),
 * so that the child may itself use MPI.  OMPI_ALLOW_RUN_AS_ROOT* stay, OMPI_MCA_* only with
 * SAEGRID_KEEP_MCA=1 in the environment.  Caller frees with proc_env_free. */
char **proc_clean_env(void);
void proc_env_free(char **env);
/* For children: die with the parent.  Exits at once if the parent is already gone. */
void proc_die_with_parent(int sig, pid_t expected_parent);
int proc_cores(void); /* physical cores in our affinity mask, at least 1 */
