/* figures.c - the PNG files below plots: the series, and what the job asked for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/oom.h"
#include "worker/runner/outputs.h"

static double *doubles(size_t n)
{
    double *x = calloc(n ? n : 1, sizeof *x);

    if (!x)
        oom_exit("%zu numbers", n);
    return x;
}

static double *doubles_copy(const double *from, size_t n)
{
    double *x;

    if (!from)
        return NULL;
    x = doubles(n);
    if (n)
        memcpy(x, from, n * sizeof *x);
    return x;
}

static char *text_or_null(const char *s)
{
    return s ? text_copy(s) : NULL;
}

void job_plot(struct job *j, const char *name, const struct plot *p)
{
    struct job_private *pr = j->priv;
    struct plot_line *lines = calloc(p->n_lines ? p->n_lines : 1, sizeof *lines);
    struct plot copy = *p;

    if (!lines)
        oom_exit("%zu lines", p->n_lines);
    for (size_t i = 0; i < p->n_lines; i++) {
        const struct plot_line *l = &p->lines[i];

        lines[i] = (struct plot_line){text_or_null(l->title),     doubles_copy(l->x, l->n),
                                      doubles_copy(l->y, l->n),   l->n,
                                      doubles_copy(l->y_low, l->n), doubles_copy(l->y_high, l->n),
                                      l->style,                     NULL};
    }
    copy.lines = lines;
    copy.n_x = 0; /* named marks and matrices are for reports */
    copy.matrix = NULL;
    copy.title = text_or_null(p->title);
    copy.x_label = text_or_null(p->x_label);
    copy.y_label = text_or_null(p->y_label);
    pr->figures = array_room(pr->figures, pr->n_figures, &pr->cap_figures, sizeof *pr->figures);
    pr->figures[pr->n_figures++] = (struct job_figure){text_copy(name), copy};
}

static void histogram_blob(struct job *j, const char *name, const double *counts, double low,
                           double width)
{
    struct buf text = {0}, key = {0};

    buf_str(&text, "low,high,count\n");
    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        buf_f64(&text, low + i * width);
        buf_char(&text, ',');
        buf_f64(&text, low + (i + 1) * width);
        buf_fmt(&text, ",%.0f\n", counts[i]);
    }
    buf_fmt(&key, "histogram.%s", name);
    job_blob(j, key.data, "text/csv", text.data);
    buf_free(&text);
    buf_free(&key);
}

/* What event files need beside the counts. */
static void histogram_keep(struct job_private *p, const char *name, const double *values, size_t n,
                           const double *counts, double width)
{
    struct job_histogram_data h = {.name = text_copy(name), .min = INFINITY, .max = -INFINITY,
                                   .width = width};

    memcpy(h.counts, counts, sizeof h.counts);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        h.n++;
        h.min = fmin(h.min, values[i]);
        h.max = fmax(h.max, values[i]);
        h.sum += values[i];
        h.sum_sq += values[i] * values[i];
    }
    p->histograms = array_room(p->histograms, p->n_histograms, &p->cap_histograms,
                               sizeof *p->histograms);
    p->histograms[p->n_histograms++] = h;
}

void job_histogram(struct job *j, const char *name, const double *values, size_t n)
{
    double low = INFINITY, high = -INFINITY, x[HISTOGRAM_BINS], counts[HISTOGRAM_BINS] = {0};

    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
    }
    if (!(low <= high))
        return;
    double width = high > low ? (high - low) / HISTOGRAM_BINS : 1.0 / HISTOGRAM_BINS;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        int bin = (int)((values[i] - low) / width);
        counts[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
    }
    for (int i = 0; i < HISTOGRAM_BINS; i++)
        x[i] = low + (i + 0.5) * width;
    histogram_blob(j, name, counts, low, width);
    histogram_keep(j->priv, name, values, n, counts, width);
    struct plot_line line = {.x = x, .y = counts, .n = HISTOGRAM_BINS};
    struct plot p = {.title = name, .x_label = name, .y_label = "count", .is_bars = true,
                     .lines = &line, .n_lines = 1};
    job_plot(j, name, &p);
}

/* "train_loss" and "val_loss" belong to figure "loss". */
static const char *figure_name(const char *series)
{
    static const char *const prefixes[] = {"train_", "val_"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(series, prefixes[i], strlen(prefixes[i])) == 0)
            return series + strlen(prefixes[i]);
    return series;
}

static void series_line(const struct job_private *p, size_t name, struct plot_line *out)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_points; i++)
        n += p->points[i].name == name;
    double *x = doubles(n), *y = doubles(n);
    n = 0;
    for (size_t i = 0; i < p->n_points; i++) {
        if (p->points[i].name == name) {
            x[n] = (double)p->points[i].step;
            y[n++] = p->points[i].value;
        }
    }
    *out = (struct plot_line){.title = p->series_names[name], .x = x, .y = y, .n = n};
}

void job_series_unit(struct job *j, const char *unit)
{
    free(j->priv->series_unit);
    j->priv->series_unit = text_copy(unit);
}

/* A curve that falls by more than a factor of 50 is read on a logarithmic axis; an accuracy never. */
static bool wants_log(const char *name, const struct plot_line *lines, size_t n)
{
    double low = INFINITY, high = 0;

    if (strcmp(name, "acc") == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < lines[i].n; k++) {
            low = isfinite(lines[i].y[k]) ? fmin(low, lines[i].y[k]) : low;
            high = isfinite(lines[i].y[k]) ? fmax(high, lines[i].y[k]) : high;
        }
    }
    return low > 0 && high > 50 * low;
}

static void series_figure(struct job *j, size_t first)
{
    enum { LINES_MAX = 8 };
    struct job_private *p = j->priv;
    const char *name = figure_name(p->series_names[first]);
    struct plot_line lines[LINES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < p->n_names; i++) {
        if (strcmp(figure_name(p->series_names[i]), name) != 0)
            continue;
        if (i < first || n == LINES_MAX) /* drawn with an earlier series */
            break;
        series_line(p, i, &lines[n++]);
    }
    struct buf title = {0};

    buf_fmt(&title, "%s: %s", j->kind->name, name); /* no names of runs: equal runs, equal bytes */
    struct plot plot = {.title = title.data, .x_label = p->series_unit ? p->series_unit : "step", .y_label = name,
                        .log_y = wants_log(name, lines, n), .lines = lines, .n_lines = n};
    if (n && lines[0].n > 1) /* one point is no curve */
        job_plot(j, name, &plot);
    for (size_t i = 0; i < n; i++) {
        free((void *)lines[i].x);
        free((void *)lines[i].y);
    }
    buf_free(&title);
}

static char *figure_path(struct job *j, const char *name)
{
    struct buf rel = {0};

    buf_fmt(&rel, "plots/%s.png", name);
    for (char *c = rel.data + strlen("plots/"); *c; c++)
        if (*c == '/')
            *c = '_';
    char *path = text_copy(job_path(j, rel.data));
    buf_free(&rel);
    return path;
}

enum err_code figures_draw(struct job *j, struct err *e)
{
    struct job_private *p = j->priv;
    enum err_code rc;

    if (!plot_available())
        return err_set(e, ERR_UNAVAILABLE, "gnuplot is not on the PATH: no figures");
    for (size_t i = 0; i < p->n_names; i++)
        series_figure(j, i);
    if (p->n_figures == 0)
        return ERR_OK;
    char **paths = calloc(p->n_figures, sizeof *paths);
    struct plot *plots = calloc(p->n_figures, sizeof *plots);
    if (!paths || !plots)
        oom_exit("%zu figures", p->n_figures);
    for (size_t i = 0; i < p->n_figures; i++) {
        paths[i] = figure_path(j, p->figures[i].name);
        plots[i] = p->figures[i].plot;
    }
    rc = plot_write_all((const char *const *)paths, plots, p->n_figures, e);
    if (rc == ERR_STOPPED)
        rc = plot_write_all((const char *const *)paths, plots, p->n_figures, e);
    for (size_t i = 0; i < p->n_figures; i++) {
        if (rc) /* no half a figure in a result */
            unlink(paths[i]);
        free(paths[i]);
    }
    free(paths);
    free(plots);
    return rc;
}
