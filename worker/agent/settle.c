/* settle.c - see settle.h. */
#include "worker/agent/settle.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/rundir.h"
#include "worker/agent/agent_jobs.h"

void settle_add(struct agent *a, struct agent_item *it, int64_t wall_ms, int64_t now_ms)
{
    int64_t due_ms = wall_ms < SETTLE_BRIEF_MS ? now_ms + SETTLE_WINDOW_MS : now_ms;

    it->phase = ITEM_WHOLE;
    if (a->n_whole++ == 0 || due_ms < a->settle_due_ms)
        a->settle_due_ms = due_ms;
}

static size_t folders(const struct agent *a, const char **tmp)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i]->phase == ITEM_SETTLING)
            tmp[n++] = a->items[i]->tmp;
    return n;
}

/* Reports what was settled; if that failed, tries each alone, to know which and why. */
static void finish(struct agent *a, bool is_settled)
{
    for (size_t i = 0; i < a->n_items; i++) {
        struct agent_item *it = a->items[i];
        const char *tmp = it->tmp;
        struct err e;

        if (it->phase != ITEM_SETTLING)
            continue;
        if (is_settled || rundir_settle(&tmp, 1, &e) == ERR_OK) {
            agent_report(a, it);
            continue;
        }
        if (e.code == ERR_NOT_FOUND) /* it was there: no fault of the job's */
            e.code = ERR_IO;
        agent_report_error(a, it, &e);
    }
}

static void start(struct agent *a)
{
    const char *tmp[SETTLE_MAX];
    size_t n = 0;
    struct err e;

    for (size_t i = 0; i < a->n_items && n < SETTLE_MAX; i++)
        if (a->items[i]->phase == ITEM_WHOLE) {
            a->items[i]->phase = ITEM_SETTLING;
            a->n_whole--;
            n++;
        }
    n = folders(a, tmp);
    a->is_settling = n && warm_settle(&a->warm, tmp, n, &a->settler);
    if (n && !a->is_settling)
        finish(a, rundir_settle(tmp, n, &e) == ERR_OK);
}

void settle_step(struct agent *a, bool is_idle, int64_t now_ms)
{
    struct proc_end end;

    if (a->is_settling) {
        if (!proc_wait(&a->settler, false, &end))
            return;
        a->is_settling = false;
        finish(a, end.exit_code == 0);
    }
    if (a->n_whole && (is_idle || a->n_whole >= SETTLE_FULL || now_ms >= a->settle_due_ms))
        start(a);
}
