/* absorb.h - feature absorption and splitting (Chanin et al. 2024; SAEBench's definitions).
 *
 * A label's main features are those that a k-sparse probe finds, k grown while F1 rises by more than
 * 0.03.  On rows that a dense probe calls positive, rightly, a feature that points along the probe may
 * stand in for silent main features: it has absorbed them.  Ranking by the difference of means stands
 * in for SAEBench's L1 probe.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/eval/kprobe.h"
#include "worker/num/real.h"

enum { ABSORB_SPLIT_MAX = 10 };

struct absorb_in {
    const float *x;     /* [n,d] rows */
    const float *a;     /* [n,f] their activations */
    const real *dir;    /* [f,d] unit directions */
    size_t d, f;
    struct probe dense; /* on x */
    struct probe latent; /* on a; the same rows and labels */
};

struct absorb {
    double dense_f1, dense_acc;
    double n_split;     /* main features */
    double full;        /* share of the true positives that are fully absorbed */
    double fraction;    /* mean absorption fraction over them */
    size_t n_rows;      /* true positives looked at */
};
MUST_CHECK enum err_code absorb_measure(struct absorb *out, const struct absorb_in *in, struct err *e);
