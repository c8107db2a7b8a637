/* report.h - one HTML page about a sweep or all of them, from the manifest alone.
 *
 * The page is a list of sections (report.def); each is a file report_<name>.c that appends HTML, or
 * nothing if the sweep has nothing of the kind.  Figures are drawn when all sections have spoken: a section
 * puts a mark where one belongs.  Whatever refers to a run puts it on the list of runs below.  The page
 * holds no time of its own: the same manifest gives the same bytes.
 */
#pragma once
#include "common/map.h"
#include "coordinator/figures.h"
#include "coordinator/manifest_query.h"

/* What a page shows at most, of a sweep; where more is there, the page says so. */
enum { REPORT_ROWS = 300, REPORT_RUNS = 1000, REPORT_FIGURES = 40, REPORT_FIGURES_OF_MANY = 6 };

struct report {
    struct query *q;
    const char *sweep;       /* the one written about */
    int64_t sweep_id;
    const char *to_results;  /* URL of the results folder seen from the page: "" or ends with '/' */
    struct buf *out;
    struct figures figures;  /* of the whole page */
    size_t figures_left;     /* that this sweep may still have */
    size_t figures_kept;     /* of these, for sections to come */
    size_t figures_dropped;
    struct table metrics;    /* name, long_name, unit, better, help, as the manifest has them */
    struct map metrics_used; /* rows of `metrics` whose definition the page needs */
    struct map runs;         /* hex ids referred to; value 1: listed */
};

struct report_section {
    const char *id, *title;
    enum err_code (*write)(struct report *r, struct err *e);
};
#define REPORT_SECTION(name) const struct report_section report_section_##name

struct report_ask {
    const char *sweep;       /* NULL: all */
    const char *to_results;
    int64_t figures_max;     /* of a sweep; 0: the limits above */
    const char *figures_dir; /* also PNG, PDF and SVG files there; NULL: none */
};
/* Without gnuplot the page has no figures and says so. */
MUST_CHECK enum err_code report_page(struct query *q, const struct report_ask *a, struct buf *out, struct err *e);

/* --- for sections ------------------------------------------------------------------------- */

/* "<a href=#run...>"; closed by "</a>". */
void report_open_run(struct report *r, const char *job);
/* A link to a metric's definition; its name alone if the manifest does not know it. */
void report_metric(struct report *r, const char *name, const char *title);
/* A new figure, its place in the page and a caption (HTML); NULL if the sweep has had its share. */
struct figure *report_figure(struct report *r, const char *name, const char *title, const char *x_label,
                             const char *y_label, const char *caption);
/* "k (features)": a knob or metric with its unit. */
void report_label(const struct report *r, const char *name, struct buf *out);
/* The hypotheses of a sweep, or of all (NULL). */
MUST_CHECK enum err_code report_hypotheses(struct report *r, const char *sweep, struct err *e);
/* Verdicts of continued pretraining: nothing if the sweep has none. */
MUST_CHECK enum err_code report_arms_verdict(struct report *r, struct err *e);
/* Definitions of all metrics that the page used. */
void report_definitions(struct report *r);
