/* runner_env.h - the environment of a runner: ours without an MPI launcher's variables, and with the
 * number of threads and our process id, with which it dies.  Caller frees with proc_env_free.
 */
#pragma once

char **runner_env(int threads);
