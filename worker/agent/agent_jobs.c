/* agent_jobs.c - see agent_jobs.h. */
#include "worker/agent/agent_jobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/oom.h"
#include "worker/agent/settle.h"

enum { PROGRESS_MS = 1000, INLINE_SLICE_US = 2000 };

static char *copy(const char *s)
{
    struct buf b = {0};

    buf_str(&b, s);
    return buf_steal(&b);
}

/* Lets go of the folder. */
static void release(struct agent_item *it)
{
    if (it->lock_fd >= 0)
        close(it->lock_fd);
    it->lock_fd = -1;
    free(it->tmp);
    it->tmp = NULL;
}

void agent_item_free(struct agent_item *it)
{
    release(it);
    free(it->dir);
    free(it->payload);
    buf_free(&it->result);
    free(it);
}

static size_t place(const struct agent *a, int64_t job, int64_t epoch)
{
    size_t i = 0;

    while (i < a->n_items && (a->items[i]->job != job || a->items[i]->epoch != epoch))
        i++;
    return i;
}

static struct agent_item *find(struct agent *a, int64_t job, int64_t epoch)
{
    size_t i = place(a, job, epoch);

    return i < a->n_items ? a->items[i] : NULL;
}

static void forget(struct agent *a, struct agent_item *it)
{
    size_t i = place(a, it->job, it->epoch);

    a->n_whole -= it->phase == ITEM_WHOLE;
    agent_item_free(it);
    memmove(a->items + i, a->items + i + 1, (--a->n_items - i) * sizeof *a->items);
    a->n_reported -= i < a->n_reported;
}

void agent_take(struct agent *a, const struct msg_GRANT *m)
{
    if (a->n_items == AGENT_CAPACITY || (m->job <= a->newest_job && find(a, m->job, m->epoch)))
        return; /* more than we asked for, whose lease will expire; or a copy */
    struct agent_item *it = malloc(sizeof *it);
    if (!it)
        oom_exit("agent_jobs");
    *it = (struct agent_item){
        .job = m->job,
        .epoch = m->epoch,
        .in_agent = m->in_agent != 0,
        .threads = (int)m->threads,
        .timeout_s = m->timeout_s,
        .memory = m->memory,
        .dir = copy(m->dir),
        .payload = copy(m->payload),
        .lock_fd = -1,
    };
    a->items[a->n_items++] = it;
    a->newest_job = m->job > a->newest_job ? m->job : a->newest_job;
}

void agent_acked(struct agent *a, int64_t job, int64_t epoch)
{
    struct agent_item *it = find(a, job, epoch);

    if (it && it->phase == ITEM_REPORTED)
        forget(a, it);
}

void agent_cancel(struct agent *a, int64_t job, int64_t epoch)
{
    struct agent_item *it = find(a, job, epoch);

    if (!it)
        return;
    if (it->phase == ITEM_RUNNING && !it->in_agent) {
        it->is_cancelled = true; /* forgotten when its process has ended */
        launch_stop(&a->launch, clock_ms(a->clock), true);
    } else {
        forget(a, it);
    }
}

/* It is sent now and again until its ACK. */
void agent_report(struct agent *a, struct agent_item *it)
{
    release(it);
    buf_add(&a->out, it->result.data, it->result.len);
    it->phase = ITEM_REPORTED;
    free(it->payload);
    it->payload = NULL;
    a->is_busy = true;
}

static void report(struct agent *a, struct agent_item *it, const struct msg *m)
{
    proto_add(&it->result, m);
    agent_report(a, it);
}

static struct msg result_of(const struct agent_item *it)
{
    struct msg m = {.type = MSG_RESULT};

    m.u.RESULT.job = it->job;
    m.u.RESULT.epoch = it->epoch;
    m.u.RESULT.started_ms = it->started_ms;
    return m;
}

void agent_report_error(struct agent *a, struct agent_item *it, const struct err *e)
{
    struct msg m = result_of(it);

    m.u.RESULT.outcome = e->code == ERR_BUSY ? ERR_CLASS_EXTERNAL : err_class(e->code);
    m.u.RESULT.exit_code = err_exit_code(e->code);
    m.u.RESULT.message = e->text;
    buf_reset(&it->result);
    report(a, it, &m);
}

void agent_drop_queued(struct agent *a)
{
    struct err e;

    err_set(&e, ERR_STOPPED, "stopped before it began");
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i]->phase == ITEM_QUEUED)
            agent_report_error(a, a->items[i], &e);
}

/* --- in the agent ------------------------------------------------------------------------- */

static void end_inline(struct agent *a, struct agent_item *it)
{
    struct msg m = result_of(it);
    const struct mock_inline *mock = &a->mock;

    if (a->mock_err.code) {
        agent_report_error(a, it, &a->mock_err);
        return;
    }
    m.u.RESULT.outcome = mock->hangs ? ERR_CLASS_CONFIG : mock->class;
    m.u.RESULT.exit_code = mock->hangs ? err_exit_code(ERR_TIMEOUT) : mock->exit_code;
    m.u.RESULT.signal = mock->signal;
    m.u.RESULT.is_oom = mock->is_oom;
    m.u.RESULT.pid = 0;
    m.u.RESULT.wall_s = (double)(a->clock->mono_us(a->clock) - a->started_us) * 1e-6;
    m.u.RESULT.metrics = mock->metrics.data;
    m.u.RESULT.message = mock->hangs ? "over its time limit" : mock->message.data;
    report(a, it, &m);
}

/* It ends now, after its sleep, at its limit, or never. */
static void start_inline(struct agent *a, struct agent_item *it, int64_t now_us)
{
    a->started_us = now_us;
    it->started_ms = a->clock->wall_ms(a->clock);
    a->inline_end_us = now_us;
    a->mock_err = (struct err){0};
    mock_inline_free(&a->mock);
    if (mock_inline(&a->mock, it->payload, it->epoch, &a->mock_err) == ERR_OK) {
        if (!a->mock.hangs)
            a->inline_end_us += (int64_t)(a->mock.sleep_s * 1e6);
        else
            a->inline_end_us = it->timeout_s > 0 ? now_us + (int64_t)(it->timeout_s * 1e6) : INT64_MAX;
    }
    it->phase = ITEM_RUNNING;
}

/* --- in a process ------------------------------------------------------------------------- */

/* Also when nothing is known yet: the coordinator blames a job for an agent's death only once it
 * has heard that the agent holds it. */
static void add_progress(struct agent *a, const struct agent_item *it)
{
    struct msg m = {.type = MSG_PROGRESS};

    m.u.PROGRESS = (struct msg_PROGRESS){it->job, it->epoch, a->launch.step, a->launch.total,
                                         a->launch.text};
    proto_add(&a->out, &m);
}

static void start_process(struct agent *a, struct agent_item *it)
{
    struct launch_spec s = {&a->warm, a->config.runner, a->config.results, it->dir,   it->payload,
                            it->threads,      it->timeout_s,     it->memory};
    struct err e = {0};

    it->started_ms = a->clock->wall_ms(a->clock);
    it->phase = ITEM_RUNNING;
    a->next_progress_ms = 0;
    if (launch_start(&a->launch, &s, clock_ms(a->clock), &e)) {
        agent_report_error(a, it, &e);
        return;
    }
    add_progress(a, it);
    a->is_busy = true;
}

static void send_progress(struct agent *a, const struct agent_item *it, int64_t now_ms)
{
    if (!a->launch.has_news || now_ms < a->next_progress_ms)
        return;
    a->launch.has_news = false;
    a->next_progress_ms = now_ms + PROGRESS_MS;
    add_progress(a, it);
}

static void watch_process(struct agent *a, struct agent_item *it)
{
    int64_t now_ms = clock_ms(a->clock);
    struct launch_end end = {0};

    if (!launch_poll(&a->launch, now_ms, &end)) {
        send_progress(a, it, now_ms);
        return;
    }
    struct msg m = result_of(it);
    m.u.RESULT.outcome = end.outcome.class;
    m.u.RESULT.is_oom = end.outcome.is_oom;
    m.u.RESULT.exit_code = end.proc.exit_code;
    m.u.RESULT.signal = end.proc.signal;
    m.u.RESULT.wall_s = (double)end.wall_ms * 1e-3;
    m.u.RESULT.cpu_s = end.proc.user_s + end.proc.sys_s;
    m.u.RESULT.maxrss_kib = end.proc.maxrss_kib;
    m.u.RESULT.pid = a->launch.proc.pid;
    m.u.RESULT.message = end.message.data;
    it->tmp = end.tmp;
    it->lock_fd = end.is_whole ? end.lock_fd : -1;
    if (it->is_cancelled) {
        forget(a, it);
    } else if (end.is_whole) {
        proto_add(&it->result, &m);
        settle_add(a, it, end.wall_ms, now_ms);
    } else {
        report(a, it, &m);
    }
    buf_free(&end.message);
    a->is_busy = true;
}

/* --- both --------------------------------------------------------------------------------- */

static struct agent_item *first_in(struct agent *a, enum item_phase phase)
{
    while (a->n_reported < a->n_items && a->items[a->n_reported]->phase == ITEM_REPORTED)
        a->n_reported++;
    for (size_t i = a->n_reported; i < a->n_items; i++)
        if (a->items[i]->phase == phase)
            return a->items[i];
    return NULL;
}

static void run_jobs(struct agent *a)
{
    int64_t start_us = a->clock->mono_us(a->clock);

    for (;;) {
        int64_t now_us = a->clock->mono_us(a->clock);
        struct agent_item *it = first_in(a, ITEM_RUNNING);
        if (!it) {
            it = first_in(a, ITEM_QUEUED);
            if (!it || a->state != AGENT_WORK || now_us - start_us > INLINE_SLICE_US)
                return;
            if (it->in_agent)
                start_inline(a, it, now_us);
            else
                start_process(a, it);
        } else if (!it->in_agent) {
            watch_process(a, it);
            return;
        } else if (now_us < a->inline_end_us) {
            return;
        } else {
            end_inline(a, it);
        }
    }
}

void agent_run(struct agent *a)
{
    run_jobs(a);
    if (a->n_whole || a->is_settling)
        settle_step(a, !a->launch.is_running && !first_in(a, ITEM_QUEUED), clock_ms(a->clock));
}

void agent_resend(struct agent *a)
{
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i]->phase == ITEM_REPORTED)
            buf_add(&a->out, a->items[i]->result.data, a->items[i]->result.len);
}

void agent_held(const struct agent *a, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < a->n_items; i++)
        proto_held_add(out, a->items[i]->job, a->items[i]->epoch);
}
