/* pin.h - the instruction set of a job (knob `isa`), set before anything is computed. */
#pragma once
#include "common/err.h"

/* Reads FOLDER/job.json; if it pins a set that this process was not started with, starts the program
 * anew, in this process, with the variables of worker/num/isa.h: then it does not return.  ERR_OK if
 * nothing is to be done or the folder cannot be read (the frame says why); ERR_UNAVAILABLE if this
 * machine does not have the set. */
MUST_CHECK enum err_code pin_isa(const char *folder, char **argv, struct err *e);
