/* mock.c - a job that does nothing, or misbehaves on request: for tests and for trying out a queue.
 *
 * `value` is the first rng_f64 of stream "mock.value" of the seed, here and in the agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kinds/mock.h"
#include "common/rng.h"
#include "worker/nn/ckpt.h"
#include "worker/runner/impl.h"
#include "worker/runner/job.h"

enum { SLICE_US = 20000, EAT_CHUNK = 16 << 20 };

static enum err_code plan(struct job *j, struct job_plan *plan, struct err *e)
{
    const struct mock_cfg *c = j->cfg;

    (void)e;
    plan->n_steps = c->steps;
    return ERR_OK;
}

/* Sleeps in slices, so that a request to stop is seen soon. */
static enum err_code sleep_until(struct job *j, int64_t end_us, struct err *e)
{
    for (;;) {
        int64_t left = end_us - j->clock->mono_us(j->clock);

        if (job_stop_wanted(j))
            return err_set(e, ERR_STOPPED, "stopped on request");
        if (left <= 0)
            return ERR_OK;
        j->clock->sleep_us(j->clock, left < SLICE_US ? left : SLICE_US);
    }
}

static enum err_code step_loop(struct job *j, struct ckpt *ckpt, int64_t *done, struct err *e)
{
    const struct mock_cfg *c = j->cfg;
    double step_us = c->sleep * 1e6 / (double)c->steps;
    int64_t start = j->clock->mono_us(j->clock) - (int64_t)((double)*done * step_us);

    while (*done < c->steps) {
        enum err_code rc = sleep_until(j, start + (int64_t)((double)(*done + 1) * step_us), e);

        if (rc) /* asked to stop: the state goes to disk first */
            return job_checkpoint_save(j, ckpt, e) ? e->code
                                                   : err_set(e, rc, "stopped after step %lld",
                                                             (long long)*done);
        ++*done;
        if (c->steps > 1)
            job_series(j, "progress", *done, (double)*done / (double)c->steps);
        job_progress(j, *done, c->steps, "asleep");
        if (*done < c->steps && job_checkpoint_due(j) && job_checkpoint_save(j, ckpt, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code steps(struct job *j, struct err *e)
{
    struct ckpt ckpt = {0};
    int64_t done = 0;

    ckpt_bytes(&ckpt, "done", &done, sizeof done);
    if (job_checkpoint_load(j, &ckpt))
        job_provenance(j, "resumed_at", "%lld", (long long)done);
    enum err_code rc = step_loop(j, &ckpt, &done, e);
    ckpt_free(&ckpt);
    return rc;
}

static enum err_code eat(struct job *j, const struct mock_cfg *c, struct err *e)
{
    char *p = mmap(NULL, (size_t)c->eat, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    enum err_code rc;

    if (p == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "eat: %lld bytes are not to be had", (long long)c->eat);
    for (int64_t at = 0; at < c->eat; at += EAT_CHUNK) {
        memset(p + at, 1, (size_t)(c->eat - at < EAT_CHUNK ? c->eat - at : EAT_CHUNK));
        job_progress(j, at, c->eat, "eating");
    }
    rc = steps(j, e);
    munmap(p, (size_t)c->eat);
    return rc ? rc : err_set(e, ERR_NOMEM, "eat: touched %lld bytes and nobody minded",
                             (long long)c->eat);
}

static enum err_code hang(struct job *j)
{
    for (;;) /* deaf to job_stop_wanted: this is what a limit is for */
        j->clock->sleep_us(j->clock, 1000000);
    return ERR_BUG;
}

/* Deaf and busy: for a limit of CPU time. */
static enum err_code spin(void)
{
    for (volatile uint64_t i = 0;; i++) {
    }
    return ERR_BUG;
}

/* A file of `eat` bytes: for a limit of file size. */
static enum err_code grow(struct job *j, const struct mock_cfg *c, struct err *e)
{
    static const char chunk[1 << 16];
    struct buf path = {0};

    buf_fmt(&path, "%s/grown", j->dir);
    int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enum err_code rc = fd < 0 ? err_errno(e, errno, "create %s", path.data) : ERR_OK;
    for (int64_t at = 0; !rc && at < c->eat;) {
        ssize_t n = write(fd, chunk, sizeof chunk); /* less than asked for at the limit, before it is met */

        if (n < 0)
            rc = err_errno(e, errno, "write %s", path.data);
        at += n;
    }
    if (fd >= 0)
        close(fd);
    unlink(path.data);
    buf_free(&path);
    return rc ? rc : err_set(e, ERR_BUG, "grow: wrote %lld bytes and nobody minded", (long long)c->eat);
}

/* NULL-terminated rows: how each `fail` ends. */
static const struct {
    const char *fail;
    enum err_code code; /* ERR_OK: by the signal */
    int signal;
} ends[] = {
    {"config", ERR_INVALID, 0}, {"infra", ERR_IO, 0},         {"code", ERR_BUG, 0},
    {"science", ERR_DIVERGED, 0}, {"external", ERR_STOPPED, 0}, {"segv", ERR_OK, SIGSEGV},
    {"abort", ERR_OK, SIGABRT}, {"kill", ERR_OK, SIGKILL},
};

static enum err_code fail(struct job *j, const struct mock_cfg *c, struct err *e)
{
    if (strcmp(c->fail, "hang") == 0)
        return hang(j);
    if (strcmp(c->fail, "spin") == 0)
        return spin();
    if (strcmp(c->fail, "grow") == 0)
        return grow(j, c, e);
    if (strcmp(c->fail, "exit3") == 0)
        _exit(3);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (strcmp(c->fail, ends[i].fail) != 0)
            continue;
        if (ends[i].code)
            return err_set(e, ends[i].code, "mock: fail: %s, as asked", c->fail);
        raise(ends[i].signal);
    }
    return err_set(e, ERR_BUG, "mock: fail: %s has no row", c->fail);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct mock_cfg *c = j->cfg;
    struct rng rng = rng_stream((uint64_t)c->seed, "mock.value");
    bool fails = strcmp(c->fail, "none") != 0 && (c->fail_times == 0 || job_attempt(j) <= c->fail_times);

    if (fails && strcmp(c->fail, "eat") == 0)
        return eat(j, c, e);
    if (steps(j, e))
        return e->code;
    if (fails)
        return fail(j, c, e);
    job_metric(j, "value", rng_f64(&rng));
    job_summary(j, "A job that does nothing: `value` is made from the seed.");
    return ERR_OK;
}

const struct job_impl job_impl_mock = {"mock", plan, run};
