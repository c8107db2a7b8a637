/* resume.c - the state of a job between attempts: the code's ckpt, and the series logged so far. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/log.h"
#include "worker/nn/ckpt.h"
#include "worker/runner/outputs.h"

#define STATE_FILE "checkpoints/state.pt"

/* A logged point as it is saved; `name` counts lines of the names. */
struct saved_point {
    int64_t name, step;
    double value;
};

enum { SHARE = 20, PATIENT_S = 1 }; /* at most one part in SHARE of the time is spent on writing */

/* A state that took long to write is not written again soon, unless checkpoint_every is below a second. */
static void put_off(struct job *j, int64_t took_ms)
{
    const int64_t next = clock_ms(j->clock) + SHARE * took_ms;

    if (j->common.checkpoint_every >= PATIENT_S && j->priv->checkpoint_ms < next)
        j->priv->checkpoint_ms = next;
}

enum err_code job_checkpoint_save(struct job *j, struct ckpt *c, struct err *e)
{
    struct job_private *p = j->priv;
    struct saved_point *points = calloc(p->n_points + 1, sizeof *points);
    int64_t *times = calloc(p->n_points + 1, sizeof *times);
    const int64_t from_ms = clock_ms(j->clock);
    struct buf names = {0};
    enum err_code rc;

    if (!points || !times) {
        free(points);
        free(times);
        return err_set(e, ERR_NOMEM, "checkpoint: %zu points", p->n_points);
    }
    for (size_t i = 0; i < p->n_points; i++) {
        points[i] = (struct saved_point){(int64_t)p->points[i].name, p->points[i].step,
                                         p->points[i].value};
        times[i] = p->points[i].wall_ms;
    }
    for (size_t i = 0; i < p->n_names; i++)
        buf_fmt(&names, "%s\n", p->series_names[i]);
    ckpt_extra_set(c, "series.names", names.data, names.len);
    ckpt_extra_set(c, "series.points", points, p->n_points * sizeof *points);
    ckpt_extra_set(c, "series.times", times, p->n_points * sizeof *times);
    rc = ckpt_save(c, job_path(j, STATE_FILE), j->id, e);
    buf_free(&names);
    free(points);
    free(times);
    put_off(j, clock_ms(j->clock) - from_ms);
    return rc ? err_wrap(e, "checkpoint") : ERR_OK;
}

/* The names as lines of a text of n bytes; appended to *out, as many as there are. */
static size_t split_lines(const char *text, size_t n, char **out, size_t max)
{
    size_t count = 0;

    while (n && count < max) {
        const char *end = memchr(text, '\n', n);
        struct buf line = {0};

        if (!end)
            break;
        buf_add(&line, text, (size_t)(end - text));
        out[count++] = buf_steal(&line);
        n -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    return count;
}

static void restore_series(struct job *j, const struct ckpt *c)
{
    enum { NAMES_MAX = 1024 };
    char *names[NAMES_MAX];
    size_t n_text, n_bytes, n_times = 0;
    const char *text = ckpt_extra(c, "series.names", &n_text);
    const void *points = ckpt_extra(c, "series.points", &n_bytes);
    const char *times = ckpt_extra(c, "series.times", &n_times);
    size_t n_names = split_lines(text, n_text, names, NAMES_MAX);

    j->priv->n_points = 0; /* what was logged before the load is in the state, if it mattered */
    for (size_t i = 0; i < n_bytes / sizeof(struct saved_point); i++) {
        struct saved_point pt;

        memcpy(&pt, (const char *)points + i * sizeof pt, sizeof pt);
        if (pt.name < 0 || (uint64_t)pt.name >= n_names)
            continue;
        job_series(j, names[pt.name], pt.step, pt.value);
        if (times && i < n_times / sizeof(int64_t))
            memcpy(&j->priv->points[j->priv->n_points - 1].wall_ms, times + i * sizeof(int64_t),
                   sizeof(int64_t));
    }
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
}

bool job_checkpoint_load(struct job *j, struct ckpt *c)
{
    struct buf path = {0}; /* not job_path: it would make the folder, for a job that saves nothing */
    bool is_found;
    struct err e;

    buf_fmt(&path, "%s/%s", j->dir, STATE_FILE);
    ckpt_load(c, path.data, j->id, &is_found, &e);
    buf_free(&path);
    if (is_found)
        restore_series(j, c);
    else if (e.text[0])
        log_warn("job.resume", "job=%s from=start why=\"%s\"", j->run_id, e.text);
    return is_found;
}

bool job_state_is_file(const char *rel)
{
    return strncmp(rel, STATE_FILE, strlen(STATE_FILE)) == 0;
}

void job_state_drop(const char *dir)
{
    static const char *const suffixes[] = {"", ".prev", ".next", ".next.part"};
    struct buf path = {0};

    buf_fmt(&path, "%s/checkpoints", dir);
    bool has_any = fs_is_dir(path.data);
    for (size_t i = 0; has_any && i < ARRAY_LEN(suffixes); i++) {
        buf_reset(&path);
        buf_fmt(&path, "%s/%s%s", dir, STATE_FILE, suffixes[i]);
        unlink(path.data);
    }
    buf_reset(&path);
    buf_fmt(&path, "%s/checkpoints", dir);
    if (has_any)
        rmdir(path.data); /* stays if the job has put anything there */
    buf_free(&path);
}
