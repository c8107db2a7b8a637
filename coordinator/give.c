/* give.c - see give.h. */
#include "coordinator/give.h"

#include <string.h>

#include "common/clock.h"
#include "coordinator/manifest.h"
#include "coordinator/orders.h"

enum { POLL_US = 50000, TRY_MS = 1000, WAIT_MS = 20000 };

/* ERR_BUSY: a coordinator holds the manifest. */
static enum err_code apply_here(const char *results, const struct control_order *o, struct buf *answer,
                                struct err *e)
{
    struct manifest *m;
    enum err_code rc = manifest_open(results, 0, &m, e);

    if (rc)
        return rc;
    rc = orders_apply_alone(m, o, answer, e);
    manifest_close(m);
    return rc;
}

/* The coordinator may end at any moment: then nobody answers, and we apply it. */
static enum err_code wait_for_answer(const char *results, const struct control_order *o, const char *name,
                                     struct buf *answer, struct err *e)
{
    int64_t end_ms = clock_ms(&clock_system) + WAIT_MS, try_ms = clock_ms(&clock_system) + TRY_MS;
    struct manifest *m;

    for (;;) {
        int64_t now_ms = clock_ms(&clock_system);

        if (control_answer(results, name, answer))
            return strncmp(answer->data, "error: ", 7) == 0
                       ? err_set(e, ERR_INVALID, "%s", answer->data + 7) : ERR_OK;
        if (now_ms >= end_ms && control_take_back(results, name))
            return err_wrap(e, "the coordinator does not answer");
        if (now_ms >= try_ms && manifest_open(results, 0, &m, e) == ERR_OK) {
            enum err_code rc = ERR_OK;
            bool is_ours = control_take_back(results, name);

            if (is_ours)
                rc = orders_apply_alone(m, o, answer, e);
            manifest_close(m);
            if (is_ours)
                return rc;
        }
        if (now_ms >= try_ms)
            try_ms = now_ms + TRY_MS;
        clock_system.sleep_us(&clock_system, POLL_US);
    }
}

enum err_code give_order(const char *results, struct control_order *o, struct buf *answer, struct err *e)
{
    struct buf name = {0}, who = {0};
    enum err_code rc;

    control_who(&who);
    o->who = who.data;
    rc = apply_here(results, o, answer, e);
    if (rc == ERR_BUSY) {
        struct err put;

        rc = control_put(results, o, &name, &put);
        if (rc)
            *e = put;
        else
            rc = wait_for_answer(results, o, name.data, answer, e);
    }
    o->who = NULL;
    buf_free(&name);
    buf_free(&who);
    return rc;
}
