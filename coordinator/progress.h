/* progress.h - how far the sweep is: a bar on a terminal, plain lines elsewhere.
 *
 * The bar is redrawn at most five times a second; plain lines come every 30 s or 5 %.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

enum progress_mode { PROGRESS_NONE, PROGRESS_PLAIN, PROGRESS_BAR };

struct progress_now {
    int64_t n_total, n_done, n_failed, n_skipped, n_running, n_agents;
    double cost_total, cost_done;  /* estimates, for the time left */
    const char *what;              /* a running job and its step, or NULL */
};

struct progress {
    FILE *f;
    enum progress_mode mode;
    int width;                     /* columns of the terminal */
    int64_t start_ms, next_ms;
    int64_t n_first;               /* ended before the start */
    double cost_first;
    int next_pct;
    bool is_drawn;                 /* the cursor stands behind a bar */
};

/* "auto" is a bar if `f` is a terminal; false for an unknown text. */
bool progress_mode_parse(const char *text, FILE *f, enum progress_mode *out);
void progress_init(struct progress *p, FILE *f, enum progress_mode mode, int64_t now_ms,
                   const struct progress_now *now);
void progress_show(struct progress *p, const struct progress_now *now, int64_t now_ms);
/* A line of its own, above the bar. */
void progress_say(struct progress *p, const char *text);
void progress_end(struct progress *p, const struct progress_now *now, int64_t now_ms);

/* The texts, for tests. */
void progress_line(struct buf *out, const struct progress *p, const struct progress_now *now,
                   int64_t now_ms);
void progress_bar(struct buf *out, const struct progress *p, const struct progress_now *now,
                  int64_t now_ms);
/* "2 s", "3:07", "1:02:30", "2 d 03:00" */
void progress_duration(struct buf *out, double seconds);
