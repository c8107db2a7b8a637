/* crash.h - what a runner says when it dies of a signal: job, phase, step, stack.
 *
 * The handler runs on its own stack, uses write() and backtrace_symbols_fd() only, and raises the
 * signal again with its default action, so that the parent sees the true cause.  It must find its
 * facts in static memory: this module's state is the program's, one job a process.
 */
#pragma once
#include <stdint.h>

void crash_install(void);
void crash_job(const char *run_id); /* borrowed for the life of the process; NULL: none yet */
void crash_phase(const char *phase); /* a literal: "load", "plan", "run", "finish" */
void crash_step(int64_t step);
