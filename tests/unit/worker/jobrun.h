/* jobrun.h - jobs of any kind by hand: folders in, folders out. */
#pragma once
#include "tests/lib/check.h"

#include <signal.h>
#include <stdio.h>

#include "common/fs.h"
#include "common/json.h"
#include "tests/lib/tmpdir.h"
#include "worker/runner/frame.h"

struct jobrun {
    char *root; /* results folder */
    int n;      /* jobs so far: their ids count up */
    volatile sig_atomic_t *stop; /* asks the next job to stop, may be NULL */
};

static UNUSED const char *jobrun_id(int n)
{
    static char id[2][65];
    static int turn;

    turn = !turn;
    snprintf(id[turn], sizeof id[turn], "%064d", n);
    return id[turn];
}

/* Runs job `name` of a kind.  knobs: members of a JSON object.  inputs: "name=folder" joined by ',',
 * "" for none. */
static UNUSED enum err_code jobrun(struct jobrun *r, const char *name, const char *kind,
                                   const char *knobs, const char *inputs, struct err *e)
{
    struct frame_opts o = {.clock = &clock_system, .progress_fd = -1, .stop = r->stop};
    struct buf json = {0}, dir = {0}, file = {0};
    const char *comma = "";

    buf_fmt(&dir, "%s/%s.tmp", r->root, name);
    buf_fmt(&file, "%s/job.json", dir.data);
    buf_fmt(&json,
            "{\"job\": \"%s\", \"kind\": \"%s\", \"run_id\": \"%s\", \"sweep\": \"x\", \"stage\": \"s\","
            " \"epoch\": 1, \"knobs\": {%s}, \"common\": {}, \"context\": {}, \"results\": \"%s\","
            " \"inputs\": [", jobrun_id(++r->n), kind, name, knobs, r->root);
    for (const char *p = inputs; *p;) {
        size_t n = strcspn(p, ","), eq = strcspn(p, "=");
        char folder[256], path[512], id[65] = "";
        struct json *result = NULL;

        snprintf(folder, sizeof folder, "%.*s", (int)(n - eq - 1), p + eq + 1);
        snprintf(path, sizeof path, "%s/%s/result.json", r->root, folder);
        if (!json_read(path, 16 << 20, &result, NULL))
            snprintf(id, sizeof id, "%s", json_str(json_get(result, "job")));
        json_free(result);
        buf_fmt(&json, "%s{\"name\": \"%.*s\", \"job\": \"%s\", \"path\": \"%s\"}", comma, (int)eq, p, id,
                folder);
        comma = ", ";
        p += n + (p[n] == ',');
    }
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir.data, e), *e);
    assert_ok(fs_replace(file.data, json.data, json.len, e), *e);
    o.dir = dir.data;
    e->text[0] = '\0';
    enum err_code rc = frame_run(&o, e);
    buf_free(&json);
    buf_free(&dir);
    buf_free(&file);
    return rc;
}

/* A metric of a finished job; NaN if it has none. */
static UNUSED double jobrun_metric(const struct jobrun *r, const char *name, const char *metric)
{
    char path[512];
    struct json *doc = NULL;
    struct err e;
    double v = NAN;

    snprintf(path, sizeof path, "%s/%s/result.json", r->root, name);
    assert_ok(json_read(path, 16 << 20, &doc, &e), e);
    json_f64(json_get(json_get(doc, "metrics"), metric), &v);
    json_free(doc);
    return v;
}

static UNUSED void jobrun_file(const struct jobrun *r, const char *path, const char *text)
{
    struct buf full = {0};
    struct err e;

    buf_fmt(&full, "%s/%s", r->root, path);
    char *slash = strrchr(full.data, '/');
    *slash = '\0';
    assert_ok(fs_mkdirs(full.data, &e), e);
    *slash = '/';
    assert_ok(fs_replace(full.data, text, strlen(text), &e), e);
    buf_free(&full);
}
