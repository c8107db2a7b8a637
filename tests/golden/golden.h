/* golden.h - the pieces of golden_neox: a folder, a model, and a table of worst errors. */
#pragma once
#include "common/json.h"
#include "worker/neox/neox_acts.h"
#include "worker/neox/neox_file.h"

enum { GOLDEN_LOGITS, GOLDEN_LOSS, GOLDEN_GRAD, GOLDEN_AFTER, GOLDEN_SHARDED, GOLDEN_LIMITS };

/* One batch of the folder: plain, or what a mask leaves of it. */
struct golden_batch {
    struct neox_batch_mem mem;
    size_t b, t;
    size_t *from; /* [n] row of the [b,t] tensors that a token comes from */
};

struct golden_sae {
    size_t n, d;
    const float *enc, *bias, *pre, *dec; /* [n,d], [n], [d], [d,n] */
};

struct golden {
    const char *dir;
    bool only_trajectory;  /* the double build is asked for no more */
    bool is_quiet;
    struct json *json;
    struct st_file st;
    bool has_sae;
    struct st_file sae_file;
    struct golden_sae sae;
    struct neox_file file;
    struct arena arena;
    struct neox m;
    struct neox_acts s;
    struct golden_batch plain, padded;
    int n_bad, n_checked;
};

/* golden.c */
void golden_open(struct golden *g, const char *dir);
void golden_close(struct golden *g);
/* One line of the table; worse than its limit or not a number counts as bad. */
void golden_line(struct golden *g, const char *what, double worst, int limit);
double golden_limit(int limit);
/* NULL if the folder has no such tensor; ends the program if its size is another. */
const float *golden_find(const struct golden *g, size_t n, const char *fmt, ...) PRINTF_LIKE(3, 4);
double golden_number(const struct golden *g, const struct json *in, const char *key);
void golden_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* |a - b| / |b|, the latter at least `least` */
double golden_frobenius(const real *a, const float *b, size_t n, double least);
double golden_relative(double have, double want);

/* The checks, one file each. */
void golden_forward(struct golden *g);      /* golden_fwd.c */
void golden_gradients(struct golden *g);    /* golden_grad.c */
void golden_trajectory(struct golden *g);   /* golden_adam.c */
void golden_intervention(struct golden *g); /* golden_sae.c */
void golden_sharded(struct golden *g);      /* golden_fwd.c */

/* --- the auxiliary losses at a layer, as taps --- */
struct golden_aux {
    const struct golden_sae *sae;
    size_t k, k_sharp, d;
    double weight, n_tokens;
    bool is_l1, is_replacing, is_zero;
    double value;       /* the loss, unweighted, of the last forward pass */
    real *target, *dx;  /* [n,d] */
    double *z;          /* [sae->n] */
};
/* tap on resid_post of `layer` */
struct neox_tap golden_tap(struct golden_aux *a, size_t layer);
void golden_aux_init(struct golden_aux *a, struct golden *g);
