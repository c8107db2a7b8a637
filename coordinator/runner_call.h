/* runner_call.h - a command that saegrid-runner does, because the formats and the numbers are its. */
#pragma once

/* Becomes `saegrid-runner ARGS...` (args NULL-terminated, without the program).  Returns the exit
 * code only if it cannot be started, after saying so as `saegrid NAME: ...`. */
int runner_become(const char *name, const char *const *args);
