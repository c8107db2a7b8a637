/* hypo_internal.h - what hypo.c (judging), hypo_group.c (which conditions belong together) and
 * hypo_stat.c (the numbers) share. */
#pragma once
#include "coordinator/hypo.h"

/* Conditions that are looked at together. */
struct hypo_group {
    size_t *member;      /* [n] indices into data->cond */
    size_t n;
    size_t head;         /* H3: the condition that is compared with the members; else one of them */
    const char *label;   /* H1, H2: the rows; H3: the architecture; H5: the task */
};

struct hypo_groups {
    struct hypo_group *v;
    size_t n, cap;
};

/* H1: lines over d_sae; H2: over k; three values at least.  TopK only. */
MUST_CHECK enum err_code hypo_lines(struct hypo_groups *g, const struct hypo_data *d, bool over_k,
                                    struct err *e);
/* H3: every condition of another architecture whose L0 lies among those of TopK on the same rows, with
 * these, by rising L0. */
MUST_CHECK enum err_code hypo_rivals(struct hypo_groups *g, const struct hypo_data *d, struct err *e);
/* H5: the TopK conditions of each task at the widths and k that all tasks have. */
MUST_CHECK enum err_code hypo_tasks(struct hypo_groups *g, const struct hypo_data *d, struct err *e);
/* H4: the conditions of any architecture but linear with a surrogate beside them: one group, or none. */
MUST_CHECK enum err_code hypo_controls(struct hypo_groups *g, const struct hypo_data *d, struct err *e);
void hypo_groups_free(struct hypo_groups *g);
/* Different labels, in the order of the groups; `at` of them is returned, NULL past the last. */
const char *hypo_label(const struct hypo_groups *g, size_t at);

/* One replicate: the mean PWMCC of every condition and the mean gap of every intervention. */
struct hypo_draw {
    const struct hypo_data *data;
    const struct hypo_groups *groups;
    const double *pwmcc; /* [n_conds] */
    const double *surrogate; /* [n_conds] of Gaussian rows, whose seeds are drawn by themselves */
    const double *gap;   /* [n_causal] */
};

/* A number of a draw; NaN if it cannot be had. */
typedef double (*hypo_stat)(const struct hypo_draw *d, const char *label);
double hypo_stat_rank(const struct hypo_draw *d, const char *label);      /* H1 */
double hypo_stat_trade(const struct hypo_draw *d, const char *label);     /* H2 */
double hypo_stat_gain(const struct hypo_draw *d, const char *label);      /* H3: of one arch */
double hypo_stat_ratio(const struct hypo_draw *d, const char *label);     /* H4, H5: of one label or all */
double hypo_stat_surrogate(const struct hypo_draw *d, const char *label); /* H4: of one job, or all */
double hypo_stat_causal(const struct hypo_draw *d, const char *label);    /* H4 */

double hypo_spearman(const double *x, const double *y, size_t n); /* NaN: n < 3, or no spread */
