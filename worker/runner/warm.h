/* warm.h - `saegrid-runner warm`: a process that an agent keeps, and that forks for each job.
 *
 * A fork of a started program costs a third of an exec with its linking.  The fork is made with the
 * agent as its parent, so waiting, usage, signals and death with the parent are as for a spawned
 * runner; one process does one job.  The warm one loads no BLAS and has one thread.
 *
 * Orders are datagrams on the socket that is stdin, answered by "PID" or "-ERRNO":
 *   run THREADS FOLDER.tmp      with two descriptors, for output and for progress; the result is
 *                               written but neither synced nor renamed
 *   settle FOLDER.tmp\0...      makes such results durable and renames them (rundir_settle)
 * The new process itself answers before it does anything else, and ends if nobody takes the
 * answer: an agent that gave up waiting has no stray.  The end of the socket is the end.
 */
#pragma once
#include <stdbool.h>

/* argv: a command line that does the same, should the program have to start anew (pin.h); it is on
 * its own then, syncs and renames. */
typedef int warm_run_fn(const char *dir, char **argv, bool leaves_sync);

int warm_main(char **argv, warm_run_fn *run);
