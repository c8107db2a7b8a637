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

enum splice_kind { SPLICE_AS_IT_IS, SPLICE_SAE, SPLICE_ZERO, SPLICE_EDIT };

/* What is done to x on its way.  EDIT: the activations of the chosen features are multiplied by
 * `factor` (0: ablated, 2: steered), everything else of x stays: x + (factor - 1) sum_chosen a_f d_f. */
struct splice_mode {
    enum splice_kind kind;
    const unsigned char *chosen; /* [f] of EDIT */
    real factor;
};

struct splice_sums {
    double loss, kl;        /* over the answers; kl from the model's own */
    size_t n_right, n;
};

struct splice {
    struct lm_file file;
    struct task task;
    struct lm_tap tap;      /* where the rows came from */
    uint64_t seed;          /* of drawn examples: those of the rows */
    size_t n;               /* examples looked at: the first ones; splice_open: all */
};

/* Opens the job's `model` and checks that its `acts` are that model's.  Close with
 * lm_file_close(&s->file). */
MUST_CHECK enum err_code splice_open(struct splice *s, const struct job *j, const struct sae_model *m,
                                     struct err *e);
size_t splice_bytes(const struct splice *s, const struct sae_model *m);
/* One pass a mode over the examples; the first has to be AS_IT_IS. */
MUST_CHECK enum err_code splice_measure(struct splice *s, struct job *j, const struct sae_model *m,
                                        const struct splice_mode *modes, size_t n_modes,
                                        struct splice_sums *sums, struct err *e);
MUST_CHECK enum err_code splice_report(struct splice *s, struct job *j, const struct sae_model *m,
                                       struct err *e);
