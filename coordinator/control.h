/* control.h - orders from another terminal, as small files in results/control/.
 *
 *   <wall ms>-<pid>.json        one order: {"what":"cancel","target":"stage","id":3,...}
 *   <wall ms>-<pid>.json.done   its answer: {"ok":true,"text":"..."}
 *
 * The one who orders writes the first, whole or not at all; the coordinator applies it, writes
 * the second and removes the first.  An order that is applied twice (the coordinator died before
 * it answered) does no harm.  So the manifest keeps its one writer.
 */
#pragma once
#include "coordinator/manifest.h"

enum control_what { CONTROL_CANCEL, CONTROL_PAUSE, CONTROL_RESUME, CONTROL_PRIORITY, CONTROL_REQUEUE };

struct control_order {
    enum control_what what;
    struct job_target target;     /* PAUSE, RESUME: a sweep; REQUEUE: a job, or (id 0: every) sweep's */
    int64_t priority, wall_ms;    /* failed jobs */
    char name[256];           /* what the user called it; PAUSE, RESUME: the sweep's name */
    char fix[80], who[64], note[512], class[16]; /* REQUEUE; "": none */
};

/* Writes an order; *path is what control_answer asks for. */
MUST_CHECK enum err_code control_put(const char *results, const struct control_order *o,
                                     struct buf *path, struct err *e);
/* True once the answer is there: *text is it, *is_ok what came of the order.  Removes it. */
bool control_answer(const char *path, bool *is_ok, struct buf *text);

/* The coordinator's side: the oldest order, in name order; false if there is none.  One that
 * cannot be understood is answered so and passed over.  Answers nobody has read for an hour are
 * removed. */
bool control_next(const char *results, int64_t wall_ms, struct buf *path, struct control_order *o);
/* Answers and removes the order. */
MUST_CHECK enum err_code control_done(const char *path, bool is_ok, const char *text, struct err *e);

/* Applies an order to a manifest that no coordinator works on, and says what it did. */
MUST_CHECK enum err_code control_apply_still(struct manifest *m, const struct control_order *o,
                                             struct buf *said, struct err *e);
/* CANCEL or PRIORITY of these jobs, which no core knows, in one transaction. */
MUST_CHECK enum err_code control_apply_jobs(struct manifest *m, const struct control_order *o,
                                            const int64_t *ids, size_t n, size_t *n_did,
                                            struct err *e);
/* REQUEUE: which jobs it means, all of which may go back; *ids is the caller's, also on failure. */
MUST_CHECK enum err_code control_requeue_ids(struct manifest *m, const struct control_order *o, int64_t **ids,
                                             size_t *n, struct err *e);
/* These jobs, which no core knows; *n_did counts those that follow them too. */
MUST_CHECK enum err_code control_requeue_still(struct manifest *m, const struct control_order *o,
                                               const int64_t *ids, size_t n, size_t *n_did, struct err *e);
struct manifest_wish control_wish(const struct control_order *o);
/* The sentence for both sides: `n` jobs of which `n_ran` were running. */
void control_say(const struct control_order *o, size_t n, size_t n_ran, struct buf *said);
