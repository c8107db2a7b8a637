/* cmd_common.h - what every command does alike: arguments, results folder, colours, errors. */
#pragma once
#include <stdio.h>

#include "coordinator/opts.h"

/* Parses.  True: go on.  False: help or an error was printed; return *exit_code. */
bool cmd_start(const struct opts_cmd *cmd, int argc, char **argv, struct opts_args *args,
               int *exit_code);
/* Prints "saegrid NAME: text" on stderr; returns the exit code of the error. */
int cmd_fail(const char *name, const struct err *e);
/* --results, else $SAEGRID_RESULTS, else "results". */
const char *cmd_results(const char *option);
/* True if `f` is a terminal that takes colours and NO_COLOR is unset. */
bool cmd_use_colour(FILE *f);
/* Writes the text to stdout and frees it; the exit code: 0, or 74 if stdout cannot be written. */
int cmd_put(struct buf *text);
