/* lm_sample.h - texts that a language model writes, and how many of their words it can have read. */
#pragma once
#include "common/map.h"
#include "worker/data/tokens.h"
#include "worker/jobs/lm_scorer.h"
#include "worker/runner/job.h"

struct lm_sampling {
    size_t n, length;    /* texts, ids of each; length <= t_max of the scorer */
    double temperature;
    size_t top_k;
    uint64_t seed;
};
/* Ids [n,length] of texts that begin behind id 0; one that ends early is filled with id 0.  All grow
 * together as far as a batch holds them. */
MUST_CHECK enum err_code lm_sample(struct lm_scorer *s, const struct lm_sampling *o, int32_t *out,
                                   const struct job *j, struct err *e);

struct lm_rank {
    real logit;
    int32_t id;
};
/* One id from logits [v]; u in [0, 1).  `order` is scratch [v]. */
int32_t lm_pick(const real *logits, size_t v, double temperature, size_t top_k, double u,
                struct lm_rank *order);

/* Words: runs of letters, with apostrophes between letters; case does not matter. */
void lm_words_add(struct map *words, const struct unicode *u, const char *text, size_t n);
/* Words of a text, and those of them in `known`.  The last word counts only if something follows it. */
void lm_words_count(const struct map *known, const struct unicode *u, const char *text, size_t n,
                    size_t *n_words, size_t *n_known);
