/* report_figs.h - figures of a stability table: agreement against each knob that varies. */
#pragma once
#include "coordinator/report.h"

/* t: rows of the view `stability` of one stage. */
void figs_of_stage(struct report *r, const struct table *t, const char *stage);
