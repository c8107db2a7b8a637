/* sweep.h - sweeps written in a test: loaded in a folder of their own, expanded into a list. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "coordinator/expand.h"
#include "coordinator/spec.h"

static char sweep_dir[64];

/* Group setup and teardown: the folder becomes the current one, so files have short names. */
static int sweep_setup(void **state)
{
    (void)state;
    strcpy(sweep_dir, "/tmp/saegrid-sweep-XXXXXX");
    return mkdtemp(sweep_dir) && chdir(sweep_dir) == 0 ? 0 : -1;
}

static int sweep_teardown(void **state)
{
    (void)state;
    return chdir("/") == 0 && fs_remove_tree(sweep_dir, NULL) == ERR_OK ? 0 : -1;
}

UNUSED static void sweep_file(const char *name, const char *text)
{
    assert_int_equal(fs_replace(name, text, strlen(text), NULL), ERR_OK);
}

/* --set as "key=value" strings, NULL-terminated; may be NULL. */
static struct spec *sweep_try(const char *text, const char *const *sets, const char *profile,
                              struct buf *errors)
{
    struct spec_set pairs[8];
    char keys[8][64];
    size_t n = 0;
    struct spec *s;
    struct err e = {0};
    enum err_code rc;

    for (; sets && sets[n]; n++) {
        size_t len = strcspn(sets[n], "=");

        assert_true(n < 8 && len < 64);
        memcpy(keys[n], sets[n], len);
        keys[n][len] = '\0';
        pairs[n] = (struct spec_set){keys[n], sets[n] + len + 1};
    }
    sweep_file("s.yaml", text);
    rc = spec_load("s.yaml", pairs, n, profile, &s, errors, &e);
    assert_int_equal(rc == ERR_OK, s != NULL);
    assert_int_equal(rc == ERR_OK, errors->len == 0);
    return s;
}

UNUSED static void sweep_fails_with(const char *text, const char *const *sets, const char *profile,
                                    const char *want)
{
    struct buf errors = {0};
    struct spec *s = sweep_try(text, sets, profile, &errors);

    if (s)
        fail_msg("taken without an error; wanted %s", want);
    if (strcmp(errors.data, want) != 0)
        fail_msg("%s\n--- got ---\n%s--- wanted ---\n%s", text, errors.data, want);
    buf_free(&errors);
}

UNUSED static struct spec *sweep_load_with(const char *text, const char *const *sets,
                                           const char *profile)
{
    struct buf errors = {0};
    struct spec *s = sweep_try(text, sets, profile, &errors);

    if (!s)
        fail_msg("%s\n%s", text, errors.data);
    buf_free(&errors);
    return s;
}

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
