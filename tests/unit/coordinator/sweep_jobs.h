/* sweep_jobs.h - a sweep written in a test, expanded into a list that can be asked. */
#pragma once
#include "tests/unit/coordinator/sweep.h"

struct sweep_job {
    char id[65];
    int64_t index;
    bool is_repeat;
    char *stage, *name, *knobs, *context;
    char *inputs;            /* "acts=3 saes=4 k:=5.ev require!=2" */
    struct job_knobs common;
    double cost_s;
};

struct sweep_jobs {
    struct spec *s;
    struct sweep_job *v;
    size_t n;
};

static enum err_code sweep_keep(void *ctx, const struct expand_job *j, struct err *e)
{
    struct sweep_jobs *all = ctx;
    struct sweep_job *k;
    struct buf in = {0};

    (void)e;
    all->v = realloc(all->v, (all->n + 1) * sizeof *all->v);
    assert_non_null(all->v);
    k = &all->v[all->n++];
    *k = (struct sweep_job){.index = j->index, .is_repeat = j->is_repeat, .common = j->common,
                            .cost_s = j->cost_s};
    jobid_hex(k->id, &j->id);
    k->stage = strdup(spec_stage_name(all->s, (size_t)j->stage));
    k->name = strdup(j->run_name);
    k->knobs = strdup(j->knobs);
    k->context = strdup(j->context);
    for (size_t i = 0; i < j->n_inputs; i++)
        buf_fmt(&in, "%s%s%s=%d%s%s", i ? " " : "", j->inputs[i].name,
                j->inputs[i].must_pass ? "!" : "", (int)j->inputs[i].job,
                j->inputs[i].field ? "." : "", j->inputs[i].field ? j->inputs[i].field : "");
    k->inputs = buf_steal(&in);
    return ERR_OK;
}

UNUSED static struct sweep_jobs sweep_expand_with(const char *text, const char *const *sets,
                                                  const char *profile)
{
    struct sweep_jobs all = {.s = sweep_load_with(text, sets, profile)};
    struct expand_sink sink = {sweep_keep, &all};

    assert_int_equal(expand(all.s, &sink, NULL), ERR_OK);
    return all;
}

UNUSED static struct sweep_jobs sweep_expand(const char *text)
{
    return sweep_expand_with(text, NULL, NULL);
}

UNUSED static void sweep_end(struct sweep_jobs *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free(all->v[i].stage);
        free(all->v[i].name);
        free(all->v[i].knobs);
        free(all->v[i].context);
        free(all->v[i].inputs);
    }
    free(all->v);
    spec_free(all->s);
}

/* Rows of a stage. */
UNUSED static size_t sweep_count(const struct sweep_jobs *all, const char *stage)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        n += strcmp(all->v[i].stage, stage) == 0;
    return n;
}

/* i-th row of a stage. */
UNUSED static const struct sweep_job *sweep_job(const struct sweep_jobs *all, const char *stage,
                                                size_t i)
{
    for (size_t j = 0; j < all->n; j++)
        if (strcmp(all->v[j].stage, stage) == 0 && i-- == 0)
            return &all->v[j];
    fail_msg("stage %s has too few rows", stage);
    return NULL;
}

/* Knobs of all rows of a stage, one a line. */
UNUSED static char *sweep_knobs(const struct sweep_jobs *all, const char *stage)
{
    struct buf b = {0};

    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->v[i].stage, stage) == 0)
            buf_fmt(&b, "%s\n", all->v[i].knobs);
    return buf_steal(&b);
}

UNUSED static void sweep_stage_is(const char *text, const char *stage, const char *want)
{
    struct sweep_jobs all = sweep_expand(text);
    char *got = sweep_knobs(&all, stage);

    if (strcmp(got, want) != 0)
        fail_msg("%s\n--- got ---\n%s--- wanted ---\n%s", text, got, want);
    free(got);
    sweep_end(&all);
}
