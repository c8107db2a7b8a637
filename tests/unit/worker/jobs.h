/* jobs.h - jobs as the runner does them, in a folder of the test: for the tests of worker/jobs.
 *
 * Every job has the id ID, so any may be the input of any.  `root` is the folder; a test makes it with
 * tmpdir_make() and removes it.
 */
#pragma once
#include "tests/lib/check.h"

#include <signal.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/kinds/kind.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/acts.h"
#include "worker/runner/frame.h"

#define ID "0000000000000000000000000000000000000000000000000000000000000001"

static char *root;

/* A clock that asks for a stop when it has been read often enough: in the middle of training. */
struct stopper {
    struct clock clock;
    int64_t reads, stop_after;
    volatile sig_atomic_t stop;
};

static UNUSED int64_t counted_us(const struct clock *c)
{
    struct stopper *s = c->user;

    if (++s->reads == s->stop_after)
        s->stop = 1;
    return s->reads;
}

static UNUSED int64_t counted_wall(const struct clock *c)
{
    return 1770000000000 + ((struct stopper *)c->user)->reads;
}

/* inputs: pairs "name folder", ended by NULL */
static UNUSED enum err_code run(const char *name, const char *kind, const char *knobs,
                         const char *const *inputs, struct stopper *stop, struct err *e)
{
    struct buf json = {0}, dir = {0}, file = {0};
    enum err_code rc;

    buf_fmt(&dir, "%s/%s.tmp", root, name);
    buf_fmt(&file, "%s/job.json", dir.data);
    buf_fmt(&json,
            "{\"job\": \"" ID "\", \"kind\": \"%s\", \"version\": %d, \"run_id\": \"%s\","
            " \"sweep\": \"x\", \"stage\": \"s\", \"epoch\": 1, \"knobs\": {%s}, \"common\": {},"
            " \"context\": {}, \"results\": \"%s\", \"inputs\": [",
            kind, kind_find(kind)->version, name, knobs, root);
    for (size_t i = 0; inputs && inputs[i]; i += 2)
        buf_fmt(&json, "%s{\"name\": \"%s\", \"job\": \"" ID "\", \"path\": \"%s\"}", i ? "," : "",
                inputs[i], inputs[i + 1]);
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir.data, e), *e);
    assert_ok(fs_replace(file.data, json.data, json.len, e), *e);
    struct frame_opts o = {.dir = dir.data,
                           .clock = stop ? &stop->clock : &clock_system,
                           .stop = stop ? &stop->stop : NULL,
                           .progress_fd = -1};
    rc = frame_run(&o, e);
    buf_free(&json);
    buf_free(&dir);
    buf_free(&file);
    return rc;
}

static UNUSED double metric(const char *name, const char *metric_name)
{
    struct buf path = {0};
    struct json *doc;
    struct err e;
    double v = NAN;

    buf_fmt(&path, "%s/%s/result.json", root, name);
    assert_ok(json_read(path.data, 1 << 22, &doc, &e), e);
    json_f64(json_get(json_get(doc, "metrics"), metric_name), &v);
    json_free(doc);
    buf_free(&path);
    return v;
}

static UNUSED void must_run(const char *name, const char *kind, const char *knobs,
                     const char *const *inputs)
{
    struct err e = {0};

    assert_ok(run(name, kind, knobs, inputs, NULL, &e), e);
}

/* A folder that another job could have left, with the given rows. */
static UNUSED void put_acts(const char *name, const float *x, size_t n, size_t d)
{
    struct buf path = {0};
    struct err e;

    buf_fmt(&path, "%s/%s", root, name);
    assert_ok(fs_mkdirs(path.data, &e), e);
    buf_str(&path, "/result.json");
    const char *text = "{\"job\": \"" ID "\", \"metrics\": {}}";
    assert_ok(fs_replace(path.data, text, strlen(text), &e), e);
    buf_reset(&path);
    buf_fmt(&path, "%s/%s/" ACTS_FILE, root, name);
    assert_ok(acts_write(path.data, x, n, d, &e), e);
    buf_free(&path);
}
