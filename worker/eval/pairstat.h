/* pairstat.h - accuracy and margins on minimal pairs, and two models compared pair by pair.
 *
 * A pair is right where the acceptable sentence is more likely.  What a tie is, is said: "wrong"
 * (lm-evaluation-harness of 2022/23, all published Pythia numbers) or "right" (from 0.4 on, where
 * argmax takes the first choice).
 * The mean over paradigms is not weighted by their sizes.  Pure functions, nothing is read or printed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair_score {
    size_t n, n_right, n_ties;
    double accuracy, se;        /* se = sqrt(p (1-p) / (n-1)); n = 1: NaN */
    double margin, margin_se;   /* mean ll(good) - ll(bad), nats */
};
struct pair_score pair_score(const double *good, const double *bad, size_t n, bool tie_is_right);

/* Unweighted mean of groups' accuracies and margins. */
struct pair_mean {
    size_t n_groups, n, n_ties;
    double accuracy, margin;
    double se;         /* of the mean: sqrt(sum se_i^2) / groups */
    double se_pooled;  /* lm-evaluation-harness: sqrt(sum (n_i-1) n_i se_i^2 / (N - groups) / N) */
};
struct pair_mean pair_mean(const struct pair_score *group, size_t n_groups);

/* Models a against models b on the same pairs, one of each a seed.  group[i] is the paradigm of pair i,
 * < n_groups.  Over several seeds a pair counts by its mean over them: intervals are about sentences,
 * and hold for these very models. */
struct pair_delta {
    double accuracy;              /* mean over paradigms of a - b */
    double base;                  /* accuracy of b */
    double ci_low, ci_high;       /* 95 %, pairs resampled within paradigms; NaN without resamples */
    double margin, margin_low, margin_high; /* likewise of the mean margin, nats */
    size_t n_gained, n_lost;      /* pairs that only a, only b has right, summed over seeds */
    double p_mcnemar;             /* exact, two-sided: Binomial(gained + lost, 1/2); of one seed */
    double se;                    /* of `accuracy`, from the variances within paradigms */
    double detectable;            /* (1.960 + 0.842) se: found with 80 % power at the 5 % level */
};
struct pair_delta_in {
    const double *const *a_good, *const *a_bad, *const *b_good, *const *b_bad; /* [n_seeds][n] */
    const size_t *group;
    size_t n, n_groups, n_seeds, n_boot; /* n_boot 0: no intervals */
    bool tie_is_right;
    uint64_t seed;
};
struct pair_delta pair_delta(const struct pair_delta_in *in);
/* Two-sided exact p of `k` of n coin tosses. */
double pair_binomial_p(size_t k, size_t n);
