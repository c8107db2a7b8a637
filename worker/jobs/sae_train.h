/* sae_train.h - what the files of the kind `sae_train` share. */
#pragma once
#include "common/kinds/sae_train.h"
#include "common/rng.h"
#include "worker/jobs/acts_pair.h"
#include "worker/jobs/mlp_site.h"
#include "worker/runner/job.h"
#include "worker/sae/bias_rule.h"
#include "worker/sae/jacobian.h"
#include "worker/sae/sae_input.h"
#include "worker/sae/sae_io.h"

enum { TRAIN_MEAN_LOSS, TRAIN_MEAN_RECON, TRAIN_MEAN_L0, TRAIN_MEAN_N };
enum { TRAIN_MARKS_MAX = 64, TRAIN_SAMPLE_ROWS = 4096 };

/* What a checkpoint holds beside the arrays. */
struct train_state {
    int64_t step, rows_seen, at; /* at: place in this epoch's order */
    int64_t adam_t;
    struct rng order, resample;
    double sum[TRAIN_MEAN_N];    /* since the last point */
    int64_t n_sum;
    double theta;                /* of the SAE */
    double bias_since[2];        /* of the bias rule */
};

/* The second SAE of a pair. */
struct train_two {
    bool is_on;
    struct mlp_site site;        /* of the model whose MLP is between them */
    struct mlp mlp;
    real *w_in, *b_in, *w_out;   /* mlp's */
    struct sae_cfg cfg;
    struct sae sae;
    struct sae_work work;
    struct jacobian jac;
    real *rows;                  /* [batch,o] */
    double *mean, *sums;         /* [o], [recon_room(o)] */
    uint64_t *count;             /* [f] */
};

struct train {
    struct job *j;
    const struct sae_train_cfg *cfg;
    const struct sae_arch *arch;
    struct acts_pair pair;
    struct acts acts, target;    /* of `pair`; target: the same as acts but for transcoders */
    bool has_target;
    struct sae_dict ref;         /* of the consistency penalty; f = 0: none */
    struct sae_cfg sae_cfg;
    struct sae sae;
    struct sae_work work;
    struct train_two two;
    struct bias_rule rule;
    bool has_rule;
    enum sae_input_mode input;
    double factor;               /* of a scalar input mode; 1 once it is folded */
    struct train_state st;
    size_t batch;
    int64_t n_steps, per_epoch, every;
    int64_t marks[TRAIN_MARKS_MAX]; /* steps with a checkpoint of their own */
    size_t n_marks;
    uint32_t *perm;              /* [n] order of this epoch */
    double *last;                /* [per_epoch, at most n_steps] losses of the last steps */
    uint32_t *last_n;            /* their rows */
    size_t n_last;
    real *rows, *wanted;         /* [batch,d], [batch,o] */
    real *shift, *scale;         /* [batch] of the input mode */
    double *mean, *sums;         /* [o] of the target, [recon_room(o)] */
    uint64_t *count;             /* [f] rows on which a feature is active */
    double *density;             /* [f] */
    real *sample;                /* [sample_n, d]: median, resampling */
    double *sample_w;            /* [sample_n] */
    size_t sample_n;
    float *cost;                 /* [f, ref.f] of the assignment */
    double train_s;
    int64_t rows_before;         /* seen by earlier attempts */
};

/* sae_train_plan.c: knobs and inputs to sizes.  Close with train_close(). */
MUST_CHECK enum err_code train_prepare(struct train *t, struct job *j, struct err *e);
void train_close(struct train *t);
size_t train_bytes(const struct train *t);
void train_memory(struct train *t);
/* sae_train_two.c: a pair's second SAE; all do nothing for other architectures. */
struct ckpt;
MUST_CHECK enum err_code train_two_open(struct train *t, struct err *e); /* sizes; after config */
void train_two_close(struct train *t);
size_t train_two_bytes(const struct train *t);
MUST_CHECK enum err_code train_two_memory(struct train *t, struct err *e);
void train_two_start(struct train *t, uint64_t seed, bool is_zero);
void train_two_list(struct train *t, struct ckpt *c); /* its state */
void train_two_row(struct train *t, size_t i, size_t row);
const char *train_two_step(struct train *t, size_t n, double lr); /* of both; as sae_step() */
MUST_CHECK enum err_code train_two_save(struct train *t, int64_t step, const char *path, struct err *e);
MUST_CHECK enum err_code train_two_report(struct train *t, struct err *e);
/* sae_train_rows.c: rows of the input, as the SAE sees them. */
void train_row(struct train *t, size_t i, size_t row);
void train_means(struct train *t);     /* column means of the target */
void train_b_dec(struct train *t, double *start); /* where b_dec starts; uses the sample */
size_t train_resample(struct train *t);
/* sae_train_report.c */
void train_report_diverged(struct train *t, const char *bad);
void train_report_course(struct train *t);
MUST_CHECK enum err_code train_report(struct train *t, struct err *e);
MUST_CHECK enum err_code train_save_sae(struct train *t, const char *path, struct err *e);
