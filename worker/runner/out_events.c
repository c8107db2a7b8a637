/* out_events.c - tb/events.out.tfevents.*: the logged series, the histograms and the metrics of a
 * job, for TensorBoard and what reads its files.  The values are those of series.csv and
 * metrics.json; the times are when they were logged, so the file is volatile.
 */
#include <inttypes.h>
#include <math.h>

#include "worker/runner/outputs.h"
#include "worker/runner/tb.h"

static void put_series(struct buf *out, const struct job_private *p)
{
    for (size_t i = 0; i < p->n_points; i++) {
        const struct job_point *pt = &p->points[i];

        if (isfinite(pt->value))
            tb_scalar(out, (double)pt->wall_ms / 1000, pt->step, p->series_names[pt->name],
                      pt->value);
    }
}

static void put_histograms(struct buf *out, const struct job_private *p, double wall_s, int64_t step)
{
    for (size_t i = 0; i < p->n_histograms; i++) {
        const struct job_histogram_data *h = &p->histograms[i];
        double limits[HISTOGRAM_BINS];

        for (int b = 0; b < HISTOGRAM_BINS; b++)
            limits[b] = h->min + (b + 1) * h->width;
        const struct tb_histogram t = {h->n,   h->min,    h->max, h->sum, h->sum_sq,
                                       limits, h->counts, HISTOGRAM_BINS};
        tb_histogram(out, wall_s, step, h->name, &t);
    }
}

static void put_metrics(struct buf *out, const struct job_private *p, double wall_s, int64_t step)
{
    struct buf tag = {0};

    for (size_t i = 0; i < p->n_values; i++) {
        if (p->values[i].absent)
            continue;
        buf_reset(&tag);
        buf_fmt(&tag, "metric/%s", p->values[i].row->name);
        tb_scalar(out, wall_s, step, tag.data, p->values[i].value);
    }
    buf_free(&tag);
}

enum err_code out_events(struct job *j, struct err *e)
{
    const struct job_private *p = j->priv;
    const double wall_s = (double)j->clock->wall_ms(j->clock) / 1000;
    int64_t last = 0;
    struct buf out = {0};

    if (j->kind->in_agent && !p->n_points) /* a mock that logged nothing: only its metrics are left */
        return ERR_OK;
    for (size_t i = 0; i < p->n_points; i++)
        last = p->points[i].step > last ? p->points[i].step : last;
    tb_begin(&out, (double)p->started_wall_ms / 1000);
    put_series(&out, p);
    put_histograms(&out, p, wall_s, last);
    put_metrics(&out, p, wall_s, last);
    return out_file(j, TB_EVENTS_FILE, &out, e);
}
