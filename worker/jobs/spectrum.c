/* spectrum.c - see spectrum.h. */
#include "worker/jobs/spectrum.h"

#include <stdlib.h>

#include "common/plot.h"

/* s [d] falls, and is 0 of constant rows; number [d] is filled. */
static void plot_spectrum(struct job *j, const double *s, double *number, size_t d)
{
    struct plot_line line = {.x = number, .y = s, .n = d};
    struct plot p = {.title = "singular values of the centred rows", .x_label = "number",
                     .y_label = "singular value", .log_y = s[0] > 0, .points = true, .lines = &line,
                     .n_lines = 1};

    for (size_t i = 0; i < d; i++)
        number[i] = (double)(i + 1);
    job_plot(j, "spectrum", &p);
}

enum err_code spectrum_report(struct job *j, struct rank *rank, const float *rows, size_t n,
                              size_t d, struct err *e)
{
    double *s = calloc(2 * d, sizeof *s);

    if (!s)
        return err_set(e, ERR_NOMEM, "%zu singular values: out of memory", d);
    enum err_code rc = rank_spectrum(rank, s, rows, n, d, e);
    if (!rc) {
        job_metric(j, "n_rows", (double)n);
        job_metric(j, "erank", rank->erank);
        job_metric(j, "erank_sq", rank->erank_sq);
        job_metric(j, "participation", rank->participation);
        plot_spectrum(j, s, s + d, d);
    }
    free(s);
    return rc;
}
