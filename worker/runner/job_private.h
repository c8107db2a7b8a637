/* job_private.h - what the frame keeps of a job: for worker/runner alone. */
#pragma once
#include <signal.h>

#include "common/arena.h"
#include "common/metric.h"
#include "common/plot.h"
#include "worker/runner/impl.h"
#include "worker/runner/progress.h"

struct job_value {
    const struct metric_row *row;
    double value;
    char *absent;  /* why there is none; NULL: there is one */
};
struct job_point {
    size_t name;   /* index in series_names */
    int64_t step;
    double value;
    int64_t wall_ms; /* when it was logged */
};
enum { HISTOGRAM_BINS = 50 };
struct job_histogram_data { /* of the finite values */
    char *name;
    double n, min, max, sum, sum_sq, width; /* bin i: from min + i * width */
    double counts[HISTOGRAM_BINS];
};
struct job_text {  /* a blob: name, media type, text; provenance: key, NULL, text */
    char *name, *type, *text;
};
struct job_figure { /* arrays are the figure's own */
    char *name;
    struct plot plot;
};

struct job_private {
    char *dir, *final;        /* absolute: FOLDER.tmp and FOLDER */
    struct json *doc;         /* job.json */
    int64_t epoch;
    void *cfg;
    struct cfg_strings keep;
    struct job_input *inputs;
    struct json **input_docs;
    const struct job_impl *impl;
    struct arena arena;
    size_t library_bytes; /* of the plan */

    struct job_value *values;
    size_t n_values, cap_values;
    char **series_names;
    size_t n_names, cap_names;
    struct job_point *points;
    size_t n_points, cap_points;
    struct job_text *blobs, *provenance;
    size_t n_blobs, cap_blobs, n_provenance, cap_provenance;
    struct job_histogram_data *histograms;
    size_t n_histograms, cap_histograms;
    struct job_figure *figures;
    size_t n_figures, cap_figures;
    struct buf summary, path;
    struct err path_err; /* of the first folder that could not be made */
    char *verdict, *message, *series_unit;

    struct progress progress;
    const volatile sig_atomic_t *stop;
    int64_t started_us, started_wall_ms, checkpoint_ms;
};

/* Reads <dir>/job.json and the inputs' result.json; `*out` is released by job_unload even after
 * an error.  `dir` ends in ".tmp". */
MUST_CHECK enum err_code job_load(struct job **out, const char *dir, const struct clock *clock,
                                  struct err *e);
void job_unload(struct job *j); /* NULL is fine */

/* A knob of the job itself, else of its ancestors, as text appended to out; false if neither has
 * one of that name.  *is_text: it is not a number or boolean. */
bool job_knob_text(const struct job *j, const char *name, struct buf *out, bool *is_text);

char *text_copy(const char *s);
/* Room for one more item: returns the array, grown by doubling; aborts when memory is out. */
void *array_room(void *items, size_t n, size_t *cap, size_t size);
