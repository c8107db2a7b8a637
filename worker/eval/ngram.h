/* ngram.h - interpolated modified Kneser-Ney model of token ids (Chen & Goodman 1998, section 3).
 *
 *   p_k(w | h) = (max(c_k(h w) - D_k(c_k(h w)), 0) + G_k(h) p_{k-1}(w | h')) / sum_v c_k(h v)
 *   G_k(h) = D_k(1) N_1(h .) + D_k(2) N_2(h .) + D_k(3) N_3+(h .),   p_0 = 1 / n_vocab
 * c_k counts occurrences at the highest order, below it distinct tokens to the left.  h' is h without
 * its first token; a context that was never seen leaves p_{k-1}.  Discounts come from the counts of
 * counts n_1..n_4 of each order: Y = n_1/(n_1 + 2 n_2), D(i) = i - (i+1) Y n_{i+1}/n_i; where one of these
 * is zero (tiny texts), 0.5, 1, 1.5.  So p sums to one over the vocabulary for any context.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { NGRAM_ORDER_MAX = 8 };

struct ngram_node;
struct ngram {
    size_t order, n_vocab;
    struct ngram_node *node; /* [n] node 0 is the empty context */
    size_t n, cap;
    uint32_t *slot;          /* hash table of node indices, 0: free */
    size_t mask;
    size_t n_of[NGRAM_ORDER_MAX + 1];          /* distinct n-grams of each length */
    double discount[NGRAM_ORDER_MAX + 1][4];   /* [length][min(count, 3)] */
};

void ngram_init(struct ngram *g, size_t order, size_t n_vocab);
/* One sequence of ids below n_vocab; n-grams never leave it.  ERR_NOMEM leaves the model to be freed. */
MUST_CHECK enum err_code ngram_add(struct ngram *g, const int32_t *id, size_t n, struct err *e);
/* After the last sequence: sums and discounts. */
void ngram_finish(struct ngram *g);
/* Probability of w behind context[0..n), of which the last order - 1 count. */
double ngram_prob(const struct ngram *g, const int32_t *context, size_t n, int32_t w);
void ngram_free(struct ngram *g);
