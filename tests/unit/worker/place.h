/* place.h - a job folder of kind mock and a clock that stands still, for the tests of the runner. */
#pragma once
#include "tests/lib/check.h"

#include <signal.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/rundir.h"
#include "tests/lib/tmpdir.h"
#include "worker/runner/frame.h"
#include "worker/runner/outputs.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000a1"
#define OTHER "00000000000000000000000000000000000000000000000000000000000000b2"

/* Time stands still but for sleep; `stop_at_us` raises the stop flag. */
struct fake_time {
    struct clock clock;
    int64_t now_us, stop_at_us;
    volatile sig_atomic_t stop;
};

static UNUSED int64_t fake_mono(const struct clock *c)
{
    return ((struct fake_time *)c->user)->now_us;
}

static UNUSED int64_t fake_wall(const struct clock *c)
{
    return 1770000000000 + fake_mono(c) / 1000;
}

static UNUSED void fake_sleep(const struct clock *c, int64_t us)
{
    struct fake_time *t = c->user;

    t->now_us += us;
    if (t->stop_at_us && t->now_us >= t->stop_at_us)
        t->stop = 1;
}

static UNUSED struct fake_time *fake_time(struct fake_time *t)
{
    *t = (struct fake_time){{fake_mono, fake_wall, fake_sleep, t}, 0, 0, 0};
    return t;
}

struct place {
    char *root, *tmp, *final;
};

static UNUSED struct place place_make(void)
{
    char *root = tmpdir_make();

    return (struct place){root, tmpdir_path(root, "run.tmp"), tmpdir_path(root, "run")};
}

static UNUSED void place_remove(struct place *p)
{
    free(p->tmp);
    free(p->final);
    tmpdir_remove(p->root);
}

static UNUSED void put_job(const struct place *p, const char *id, int epoch,
                           const char *knobs, const char *more)
{
    char *file = tmpdir_path(p->tmp, RUN_JOB_FILE);
    struct buf b = {0};
    struct err e;

    buf_fmt(&b, "{\"job\": \"%s\", \"kind\": \"mock\", \"version\": 1, \"run_id\": \"run\", "
                "\"sweep\": \"s\", \"stage\": \"st\", \"epoch\": %d, \"knobs\": %s, \"common\": {}, "
                "\"context\": {\"layer\": 1, \"task\": \"modadd\"}, \"results\": \"%s\"%s}",
            id, epoch, knobs, p->root, more);
    assert_ok(fs_mkdirs(p->tmp, &e), e);
    assert_ok(fs_replace(file, b.data, b.len, &e), e);
    buf_free(&b);
    free(file);
}

static UNUSED enum err_code run(const struct place *p, struct fake_time *t, struct err *e)
{
    struct frame_opts o = {.dir = p->tmp, .clock = &t->clock, .stop = &t->stop, .progress_fd = -1};

    e->text[0] = '\0';
    return frame_run(&o, e);
}

static UNUSED struct json *read_json(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    struct json *doc = NULL;
    struct err e;

    assert_ok(json_read(path, 16 << 20, &doc, &e), e);
    free(path);
    return doc;
}

static UNUSED char *read_text(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    struct buf b = {0};
    struct err e;

    assert_ok(fs_read(path, 16 << 20, &b, &e), e);
    free(path);
    return buf_steal(&b);
}

static UNUSED bool has(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    bool is_there = access(path, F_OK) == 0;

    free(path);
    return is_there;
}

static UNUSED double metric(const struct json *result, const char *name)
{
    double v = NAN;

    json_f64(json_get(json_get(result, "metrics"), name), &v);
    return v;
}
