/* hold.h - when a host is held: so many different jobs in a row failed on it for infra causes,
 * with no success between them.  It gets no jobs for a while, twice as long each time; a success
 * clears its name.  Whether others could do the work is asked by the caller (core_hold.c); pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOLD_JOBS = 3, HOLD_FIRST_MS = 60000, HOLD_MAX_MS = 3600000 };

struct hold {
    int64_t jobs[HOLD_JOBS]; /* different ones that failed since the last success */
    size_t n_jobs;
    int n_times;             /* held in a row */
    int64_t until_ms;
    bool is_held;
};

/* True if this failure fills the measure: the caller holds the host, or lets it be. */
bool hold_failed(struct hold *h, int64_t job);
void hold_succeeded(struct hold *h);
void hold_start(struct hold *h, int64_t now_ms);     /* sets until_ms */
bool hold_is_over(const struct hold *h, int64_t now_ms);
void hold_end(struct hold *h);                       /* one more failure holds it again */
