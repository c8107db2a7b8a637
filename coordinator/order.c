/* order.c - see order.h. */
#include "coordinator/order.h"

#include <unistd.h>

#include "common/clock.h"
#include "coordinator/manifest_query.h"

enum { ANSWER_MS = 5000, LOOK_US = 50000 };

static bool has_coordinator(const char *results, struct buf *who)
{
    buf_reset(who);
    query_holder(results, who);
    return who->len > 0;
}

static enum err_code do_it_here(const char *results, const struct control_order *o, struct buf *said,
                                struct err *e)
{
    struct manifest *m;
    enum err_code rc = manifest_open(results, 2000, &m, e);

    if (rc)
        return rc;
    rc = control_apply_still(m, o, said, e);
    manifest_close(m);
    return rc;
}

/* Waits for the answer.  ERR_NOT_FOUND: the coordinator has gone, and the order is taken back. */
static enum err_code wait_for_answer(const char *results, const char *path, struct buf *said, struct err *e)
{
    int64_t end = clock_ms(&clock_system) + ANSWER_MS;
    struct buf who = {0};
    bool is_ok, has_one;
    enum err_code rc = ERR_OK;

    while (!(has_one = control_answer(path, &is_ok, said))) {
        if (!has_coordinator(results, &who) && unlink(path) == 0) {
            rc = err_set(e, ERR_NOT_FOUND, "the coordinator has gone");
            break;
        }
        if (clock_ms(&clock_system) >= end) {
            rc = err_set(e, ERR_UNAVAILABLE, "no answer in %d s from %s; it obeys when it looks into %s",
                         ANSWER_MS / 1000, who.len ? who.data : "the coordinator", path);
            break;
        }
        clock_system.sleep_us(&clock_system, LOOK_US);
    }
    if (has_one && !is_ok)
        rc = err_set(e, ERR_INVALID, "%s", said->data ? said->data : "");
    buf_free(&who);
    return rc;
}

enum err_code order_give(const char *results, struct control_order *o, struct buf *said, bool *was_live,
                         struct err *e)
{
    struct buf path = {0}, who = {0};
    enum err_code rc = ERR_OK;
    bool is_live = false;

    o->wall_ms = clock_system.wall_ms(&clock_system);
    for (int i = 0; i < 2; i++) {
        is_live = has_coordinator(results, &who);
        if (!is_live) {
            rc = do_it_here(results, o, said, e);
            if (rc != ERR_BUSY)
                break; /* else one has just begun */
        }
        buf_reset(&path);
        rc = control_put(results, o, &path, e);
        if (!rc)
            rc = wait_for_answer(results, path.data, said, e);
        is_live = true;
        if (rc != ERR_NOT_FOUND)
            break;
    }
    if (was_live)
        *was_live = is_live;
    buf_free(&path);
    buf_free(&who);
    return rc;
}
