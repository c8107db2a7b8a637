/* sae_splice.h - a model's answers with an SAE in the place of its activations.
 *
 * The rows of `acts` say where: hook, block and positions, from acts.meta.json.  At the nodes of
 * those positions the activation x becomes x_hat, or 0; of a transcoder x is read at the hook and
 * x_hat put at its `hook_out`.  Then loss, accuracy and the divergence from
 * the model's own answers are taken over all answers of the task.
 */
#pragma once
#include "worker/lm/lm_file.h"
#include "worker/lm/lm_hook.h"
#include "worker/runner/job.h"
#include "worker/sae/sae_model.h"

struct splice {
    struct lm_file file;
    struct task task;
    struct lm_tap tap;      /* where the rows came from */
    uint64_t seed;          /* of drawn examples: those of the rows */
};

/* Opens the job's `model` and checks that its `acts` are that model's.  Close with
 * lm_file_close(&s->file). */
MUST_CHECK enum err_code splice_open(struct splice *s, const struct job *j, const struct sae_model *m,
                                     struct err *e);
size_t splice_bytes(const struct splice *s, const struct sae_model *m);
MUST_CHECK enum err_code splice_report(struct splice *s, struct job *j, const struct sae_model *m,
                                       struct err *e);
