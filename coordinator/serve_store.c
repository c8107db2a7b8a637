/* serve_store.c - a batch of the core is stored, then answered; what to do when it cannot be. */
#include "coordinator/serve_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "common/log.h"

enum { STORAGE_RETRY_US = 1000000 };

static void say_failure(struct serve *s, const struct event *ev)
{
    struct buf text = {0};
    const char *name = "";

    buf_reset(&s->payload);
    buf_reset(&s->dir);
    if (manifest_payload(s->manifest, ev->job, ev->epoch, &s->payload, &s->dir, NULL) == ERR_OK &&
        s->dir.len && strrchr(s->dir.data, '/'))
        name = strrchr(s->dir.data, '/') + 1;
    buf_fmt(&text, "saegrid: job %" PRId64 "%s%s %s (%s): %s", ev->job, *name ? " " : "", name,
            ev->type == EVENT_FAIL ? "failed" : "was quarantined", err_class_name(ev->class),
            ev->message ? ev->message : "no message");
    progress_say(&s->progress, text.data);
    buf_free(&text);
}

static void say_host(struct serve *s, const struct event *ev)
{
    struct buf text = {0};

    buf_fmt(&text, "saegrid: host %s is %s: %s", ev->host ? ev->host : "?",
            ev->type == EVENT_HOST_HELD ? "held" : "free again", ev->message ? ev->message : "");
    progress_say(&s->progress, text.data);
    buf_free(&text);
}

/* After the commit: counts for the time left, and the first failure at once. */
static void note_events(struct serve *s, const struct core_out *o)
{
    for (size_t i = 0; i < o->n_events; i++) {
        const struct event *ev = &o->events[i];
        if (ev->type == EVENT_DONE || ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE ||
            ev->type == EVENT_SKIP || ev->type == EVENT_CANCEL)
            s->now.cost_done +=
                (double)s->core.queue.jobs[queue_find(&s->core.queue, ev->job)].cost_s;
        if (ev->type == EVENT_REQUEUE)
            s->now.cost_done -= (double)s->core.queue.jobs[queue_find(&s->core.queue, ev->job)].cost_s;
        if (ev->type == EVENT_HOST_HELD || ev->type == EVENT_HOST_FREED)
            say_host(s, ev);
        if ((ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE) && !s->has_failed) {
            s->has_failed = true;
            say_failure(s, ev);
        }
        log_debug("job.event", "event=%s job=%" PRId64 " epoch=%" PRId64 " rank=%d",
                  event_type_name(ev->type), ev->job, ev->epoch, ev->rank);
    }
}

/* Moves the unreadable folder aside, so that the next attempt computes it again. */
static void set_aside(struct serve *s, int64_t job, const struct err *why)
{
    struct buf from = {0}, to = {0};
    struct err e;

    s->bad_job = job;
    snprintf(s->bad_why, sizeof s->bad_why, "%s", why->text);
    buf_reset(&s->payload);
    buf_reset(&s->dir);
    if (manifest_payload(s->manifest, job, 1, &s->payload, &s->dir, &e) == ERR_OK && s->dir.len) {
        buf_fmt(&from, "%s/%s", s->config.results, s->dir.data);
        buf_fmt(&to, "%s.bad", from.data);
        if (fs_remove_tree(to.data, &e) ||
            (fs_is_dir(from.data) && fs_rename_dir(from.data, to.data, &e)))
            log_warn("serve.set_aside", "why=\"%s\"", e.text);
    }
    buf_free(&from);
    buf_free(&to);
}

static bool is_storage(enum err_code rc)
{
    return rc == ERR_IO || rc == ERR_NO_SPACE || rc == ERR_BUSY || rc == ERR_NOMEM;
}

static enum err_code wait_for_storage(struct serve *s, const struct core_out *o, struct err *e)
{
    struct buf text = {0};
    int64_t start = serve_now_ms(s), next_beat = start;
    enum err_code rc = e->code;

    buf_fmt(&text, "saegrid: paused, nothing is lost: %s; goes on by itself if that is mended within ",
            e->text);
    progress_duration(&text, (double)s->config.storage_wait_ms * 1e-3);
    progress_say(&s->progress, text.data);
    buf_free(&text);
    while (rc && is_storage(rc) && !manifest_bad_job(s->manifest) && *s->config.drain == 0 &&
           serve_now_ms(s) - start < s->config.storage_wait_ms) {
        s->clock->sleep_us(s->clock, STORAGE_RETRY_US);
        if (serve_now_ms(s) >= next_beat) {
            serve_tell_all(s, true);
            next_beat = serve_now_ms(s) + s->config.term_ms / 3;
        }
        rc = manifest_apply(s->manifest, o->events, o->n_events, e);
    }
    if (!rc)
        progress_say(&s->progress, "saegrid: goes on");
    return rc;
}

static void stamp(struct serve *s, struct core_out *o)
{
    int64_t wall_ms = s->clock->wall_ms(s->clock);

    for (size_t i = 0; i < o->n_events; i++) {
        struct event *ev = &o->events[i];
        ev->wall_ms = wall_ms;
        if (ev->not_before_ms && (ev->type == EVENT_RETRY || ev->type == EVENT_HOST_HELD))
            ev->not_before_ms += wall_ms;
    }
}

/* Payloads are read in one transaction. */
static enum err_code send_replies(struct serve *s, const struct core_out *o, struct err *e)
{
    if (!o->n_replies)
        return ERR_OK;
    enum err_code rc = manifest_read_begin(s->manifest, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < o->n_replies; i++)
        serve_reply(s, &o->replies[i]);
    return manifest_read_end(s->manifest, e);
}

/* Stores a batch and sends its replies.  *was_lost: it was dropped, and the state loaded anew. */
static enum err_code commit(struct serve *s, struct core_out *o, bool *was_lost, struct err *e)
{
    enum err_code rc = ERR_OK;

    *was_lost = false;
    stamp(s, o);
    if (o->n_events)
        rc = manifest_apply(s->manifest, o->events, o->n_events, e);
    if (rc && is_storage(rc) && !manifest_bad_job(s->manifest))
        rc = wait_for_storage(s, o, e);
    if (rc && manifest_bad_job(s->manifest)) {
        set_aside(s, manifest_bad_job(s->manifest), e);
        core_free(&s->core);
        core_out_reset(&s->out);
        core_out_reset(&s->late);
        *was_lost = true;
        rc = serve_load(s, s->config.term_ms, e);
        serve_tell_all(s, false);
        return rc;
    }
    if (rc)
        return rc;
    note_events(s, o);
    rc = send_replies(s, o, e);
    core_out_reset(o);
    return rc;
}

enum err_code serve_commit(struct serve *s, struct err *e)
{
    bool was_lost = false;

    if (!s->out.n_events && !s->out.n_replies)
        return ERR_OK;
    if (s->out.n_events) /* replies alone answer signs of life */
        s->last_busy_us = s->clock->mono_us(s->clock);
    enum err_code rc = commit(s, &s->out, &was_lost, e);
    while (!rc && !was_lost && s->late.n_events) {
        struct core_out late = s->late;
        s->late = s->out;
        s->out = late;
        rc = commit(s, &s->out, &was_lost, e);
    }
    for (int r = 1; r < s->link->size; r++)
        serve_flush(s, r);
    return rc;
}

