/* sae_group.h - the dictionaries of one input of sae_compare, and the table of their pairs. */
#pragma once
#include "worker/eval/match.h"
#include "worker/runner/job.h"
#include "worker/sae/sae_io.h"

struct sae_group {
    struct sae_dict *dict;           /* [n] */
    const struct job_input **in;     /* [n] */
    size_t n, n_left_out;            /* left out: diverged, without a dictionary */
    bool has_unique_seeds;
};

/* Which part of an SAE is compared. */
struct sae_part {
    int64_t step;                    /* as it was after it; -1: as it ended */
    size_t prefix;                   /* its first features; 0: all */
};
/* Loads all inputs of that name; all must have the same d_model.  part NULL: whole, as they ended. */
MUST_CHECK enum err_code sae_group_load(struct sae_group *g, struct job *j, const char *input,
                                        const struct sae_part *part, struct err *e);
void sae_group_free(struct sae_group *g);
struct dict sae_group_dict(const struct sae_group *g, size_t i);
size_t sae_group_rank_max(const struct sae_group *g); /* least of d_model and every d_sae */

enum pair_column {
    PAIR_PWMCC,
    PAIR_MMCS,
    PAIR_HUNGARIAN,
    PAIR_HUNGARIAN_ABS,
    PAIR_SUBSPACE,
    PAIR_GRASSMANN,
    PAIR_SHARED,                     /* not in the table of pairs */
    PAIR_COLUMNS
};

struct sae_pairs {
    size_t n;
    uint32_t *a, *b;                 /* [n] members of the group, a < b */
    double *col[PAIR_COLUMNS];       /* [n]; NULL where not asked for, or not to be had */
};

struct pair_options {
    size_t subspace_k;               /* 0: no subspaces */
    bool hungarian, is_reported;     /* reported: as the job's progress */
    bool has_encoders;               /* found out by sae_pairs_compare */
};

/* All pairs i < j.  ERR_STOPPED when the job is asked to stop. */
MUST_CHECK enum err_code sae_pairs_compare(struct sae_pairs *p, struct job *j,
                                           const struct sae_group *g, const struct pair_options *o,
                                           struct err *e);
void sae_pairs_free(struct sae_pairs *p);
/* text/csv: seed_a,seed_b,pwmcc,...; columns that were not computed stay empty. */
void sae_pairs_blob(struct job *j, const char *name, const struct sae_pairs *p,
                    const struct sae_group *g);
