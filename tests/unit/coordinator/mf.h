/* mf.h - for tests of the manifest: a results folder of its own and a sweep made by hand, without
 * the sweep language.  The including file is a whole program, so everything here is static. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "common/sha256.h"
#include "coordinator/manifest.h"

/* A sweep: these stand in for spec.c and expand.c, whose text form the tests do not need. */
struct mf_stage {
    const char *name, *kind;
    struct spec_gate gate; /* metric NULL: none */
};
struct mf_job {
    int stage;
    const char *knobs, *context;
    int n_inputs;
    struct expand_input inputs[16];
    double timeout;
    const char *run_name; /* NULL: made from the number */
    int repeat_of;        /* > 0: 1 + index of the equal job */
};
static struct {
    const struct mf_stage *stages;
    const struct mf_job *jobs;
    int n_jobs, n_mock; /* n_mock > 0: that many mock jobs instead */
} mf;

const char *spec_stage_name(const struct spec *s, size_t i)
{
    (void)s;
    return mf.stages[i].name;
}

const struct job_kind *spec_stage_kind(const struct spec *s, size_t i)
{
    (void)s;
    return kind_find(mf.stages[i].kind);
}

const struct spec_gate *spec_stage_gate(const struct spec *s, size_t i)
{
    (void)s;
    return mf.stages[i].gate.metric ? &mf.stages[i].gate : NULL;
}

static enum err_code mf_emit(const struct expand_sink *sink, const struct mf_job *job, int64_t index,
                             struct err *e)
{
    char name[64], text[512];
    struct expand_job j = {.index = index, .is_repeat = job->repeat_of > 0, .stage = job->stage};

    j.kind = kind_find(mf.stages[job->stage].kind);
    snprintf(text, sizeof text, "%s %s %s", j.kind->name, job->knobs, job->context ? job->context : "");
    sha256_of(text, strlen(text), j.id.b);
    snprintf(name, sizeof name, "test_%s_%lld", j.kind->name, (long long)index);
    j.knobs = job->knobs;
    j.context = job->context ? job->context : "{}";
    j.run_name = job->run_name ? job->run_name : name;
    j.common = (struct job_knobs){.threads = 1, .retries = 2, .timeout = job->timeout, .checkpoint_every = 10};
    j.inputs = job->inputs;
    j.n_inputs = (size_t)job->n_inputs;
    return sink->job(sink->ctx, &j, e);
}

enum err_code expand(const struct spec *s, const struct expand_sink *sink, struct err *e)
{
    enum err_code rc = ERR_OK;
    int64_t index = 0;
    char knobs[64];

    (void)s;
    for (int i = 0; i < mf.n_mock && !rc; i++) {
        snprintf(knobs, sizeof knobs, "{\"seed\":%d}", i);
        rc = mf_emit(sink, &(struct mf_job){.knobs = knobs}, index++, e);
    }
    for (int i = 0; i < mf.n_jobs && !rc; i++) {
        const struct mf_job *j = &mf.jobs[i];

        rc = mf_emit(sink, j, j->repeat_of ? j->repeat_of - 1 : index, e);
        index += !j->repeat_of;
    }
    return rc;
}

UNUSED static int mf_setup(void **state)
{
    char *dir = strdup("/tmp/saegrid_test_XXXXXX");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

UNUSED static int mf_teardown(void **state)
{
    struct err e;
    int rc = fs_remove_tree(*state, &e) ? -1 : 0;

    free(*state);
    memset(&mf, 0, sizeof mf);
    return rc;
}

#include "mf_use.h"
