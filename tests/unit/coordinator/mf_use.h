/* mf_use.h - second half of mf.h: what tests do with a manifest. */
#pragma once

#define MF_OK(call)                                                                                \
    do {                                                                                           \
        if ((call) != ERR_OK)                                                                      \
            fail_msg("%s: %s", #call, e.text);                                                     \
    } while (0)

UNUSED static struct spec mf_spec(const char *name, size_t n_stages, uint8_t mark)
{
    return (struct spec){.name = name, .phase = name, .path = "x.yaml", .text = "sweep: x\n",
                         .digest = {mark}, .n_stages = n_stages};
}

enum { MF_DAY = 86400000 };
/* Adds the sweep and returns its row. */
UNUSED static int64_t mf_add(struct manifest *m, const struct spec *s, int64_t *n_new)
{
    int64_t id, n_jobs, n;
    struct err e = {0};

    MF_OK(manifest_add_sweep(m, s, MF_DAY, &id, &n_jobs, &n, &e));
    if (n_new)
        *n_new = n;
    return id;
}

UNUSED static struct event mf_event(enum event_type type, int64_t job, int64_t epoch)
{
    return (struct event){.type = type, .job = job, .epoch = epoch, .rank = 1, .wall_ms = MF_DAY + epoch,
                          .host = "node1", .pid = 77};
}

UNUSED static void mf_apply(struct manifest *m, enum event_type type, int64_t job, int64_t epoch)
{
    struct event ev = mf_event(type, job, epoch);
    struct err e = {0};

    MF_OK(manifest_apply(m, &ev, 1, &e));
}

/* ready, granted with epoch 1, done with these metrics (in-agent jobs) */
UNUSED static void mf_finish(struct manifest *m, int64_t job, const char *metrics)
{
    struct event ev[3] = {mf_event(EVENT_READY, job, 0), mf_event(EVENT_GRANT, job, 1), mf_event(EVENT_DONE, job, 1)};
    struct err e = {0};

    ev[2].metrics = metrics;
    MF_OK(manifest_apply(m, ev, 3, &e));
}

struct mf_seen {
    int64_t job[64], epoch[64];
    enum job_state state[64];
    int n, n_inputs;
};

UNUSED static enum err_code mf_see(void *ctx, const struct manifest_job *j)
{
    struct mf_seen *s = ctx;

    if (s->n < 64) {
        s->job[s->n] = j->job;
        s->epoch[s->n] = j->epoch;
        s->state[s->n] = j->state;
    }
    s->n++;
    s->n_inputs += (int)j->n_inputs;
    return ERR_OK;
}

UNUSED static void mf_put_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    struct err e = {0};

    MF_OK(fs_mkdirs(dir, &e));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    MF_OK(fs_replace(path, text, strlen(text), &e));
}

/* The result folder of a job, as a runner would leave it. */
UNUSED static void mf_write_folder(const char *results, struct manifest *m, int64_t job, const char *body)
{
    struct buf payload = {0}, dir = {0}, text = {0};
    char path[512];
    struct err e = {0};

    MF_OK(manifest_payload(m, job, 1, &payload, &dir, &e));
    snprintf(path, sizeof path, "%s/%s", results, dir.data);
    buf_fmt(&text, "{\"format\":1,\"job\":\"%.64s\",\"epoch\":1,%s}", strstr(payload.data, "\"job\":\"") + 7, body);
    mf_put_file(path, "series.csv", "name,step,value\nloss,1,0.5\nloss,2,nan\nloss,3,0.25\n");
    mf_put_file(path, "result.json", text.data);
    buf_free(&payload);
    buf_free(&dir);
    buf_free(&text);
}

/* ready, granted with epoch 1, done through such a folder */
UNUSED static enum err_code mf_finish_folder(const char *results, struct manifest *m, int64_t job,
                                             const char *body, struct err *e)
{
    struct event ev[3] = {mf_event(EVENT_READY, job, 0), mf_event(EVENT_GRANT, job, 1), mf_event(EVENT_DONE, job, 1)};

    mf_write_folder(results, m, job, body);
    ev[2].wall_s = 2.5;
    return manifest_apply(m, ev, 3, e);
}
