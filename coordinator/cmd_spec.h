/* cmd_spec.h - reading a sweep on behalf of a command: --set, --profile, errors to stderr. */
#pragma once
#include "coordinator/opts.h"
#include "coordinator/spec.h"

/* Loads the sweep.  Errors are printed, all of them; then *exit_code is set and NULL returned. */
struct spec *cmd_load_spec(const char *command, const char *path, const struct opts_list *sets,
                           const char *profile, int *exit_code);
