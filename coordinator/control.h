/* control.h - orders to a running coordinator without a second writer on the manifest.
 *
 * An order is one file, results/control/<wall ms>-<pid>.json, written whole by an atomic rename:
 *   {"verb": "cancel", "what": "stage smoke.sae", "who": "ana on node1", "jobs": [[12, 25]],
 *    "priority": 0, "fix": null, "note": null}
 * where jobs are row ids, from-to.  The coordinator reads the folder every half second, applies
 * orders in the order of their names through its core, commits, and only then writes the answer to
 * <name>.done and removes the order; killed in between, it applies the order again, which changes
 * nothing.  When no coordinator holds the manifest, whoever gives the order takes the lock and
 * applies it in the same way.
 *
 * A pause is the file results/control/paused (its text: who and since when): it outlives every
 * process, and needs no answer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum control_verb { CONTROL_CANCEL, CONTROL_REQUEUE, CONTROL_PRIORITY, CONTROL_VERB_COUNT };

struct control_range {
    int64_t from, to;          /* both included */
};

struct control_order {
    enum control_verb verb;
    const char *what, *who;    /* for people */
    const char *fix, *note;    /* requeue; may be NULL */
    int64_t priority;
    struct control_range *jobs;
    size_t n_jobs;
    struct json *doc;          /* what the texts point into, if it was read */
};

const char *control_verb_name(enum control_verb v);
void control_free(struct control_order *o);

/* --- giving orders --- */
/* Writes the order; *name is that of its file, for the two below. */
MUST_CHECK enum err_code control_put(const char *results, const struct control_order *o, struct buf *name,
                                     struct err *e);
/* True once there is an answer, appended to `out` and then removed. */
bool control_answer(const char *results, const char *name, struct buf *out);
/* Takes the order back; false if it is gone: somebody has answered it. */
bool control_take_back(const char *results, const char *name);
void control_who(struct buf *out); /* "ana on node1" */

/* --- obeying them --- */
/* The oldest order's name; false if there is none. */
bool control_next(const char *results, struct buf *name);
MUST_CHECK enum err_code control_read(const char *results, const char *name, struct control_order *out,
                                      struct err *e);
MUST_CHECK enum err_code control_done(const char *results, const char *name, const char *answer, struct err *e);

/* --- pausing --- */
/* True if paused; `why` (may be NULL) gets the text. */
bool control_is_paused(const char *results, struct buf *why);
MUST_CHECK enum err_code control_pause(const char *results, const char *text, struct err *e);
MUST_CHECK enum err_code control_resume(const char *results, bool *was_paused, struct err *e);
