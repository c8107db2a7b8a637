/* cmd_launch.c - `saegrid launch PID PROGRAM ARGS...`: becomes PROGRAM, which gets a SIGTERM when its
 * parent PID ends.
 *
 * For `saegrid run` alone: without it, mpirun would outlive a killed `saegrid run`, and ranks that
 * still wait for one another in MPI_Init, where nobody can tell them to end, would stay for ever.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/proc.h"
#include "coordinator/cmd.h"

int cmd_launch(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "--help") == 0) {
        printf("usage: saegrid launch PID PROGRAM ARGS...\n\n"
               "Become PROGRAM, with a SIGTERM when the parent PID ends; `saegrid run` starts mpirun so.\n");
        return argc < 3 ? err_exit_code(ERR_USAGE) : 0;
    }
    proc_die_with_parent(SIGTERM, (pid_t)strtol(argv[1], NULL, 10));
    execv(argv[2], argv + 2);
    fprintf(stderr, "saegrid launch: %s: %s\n", argv[2], strerror(errno));
    return err_exit_code(ERR_UNAVAILABLE);
}
