/* shortlist.h - the k largest pre-activations of a row, found by a quick product and proven.
 *
 * By definition z_j = u . w_j + bias_j, the dot product summed as sparse_dots() does.  A product of
 * many rows, in bfloat16 (half the time of one in float) or in float, is off from that by what
 * bf16.h and the theory of rounding bound.  Of a row with bounds lo_j <= z_j <= up_j, k entries are
 * at least t, the k-th largest lo; what has up_j < t cannot be among the k largest.  The few others
 * are computed by the definition and the choice is made among them, so it does not depend on the
 * product: same indices, same values, same ties.  Where the bounds of bfloat16 leave too many, the
 * caller takes the row's product in float; that list may be as long as the row.
 */
#pragma once
#include "worker/num/bf16.h"
#include "worker/num/topk.h"

struct shortlist {
    size_t f, d;          /* of the last pack; w [f,d] and bias [f] are the caller's */
    const real *w, *bias;
    uint32_t *pairs;      /* [bf16_len(f,d)] */
    struct bf16_norm *norm; /* [f] and [rows of a tile] lengths: norm, row */
    struct bf16_norm *row;
    real *reach;          /* [f] upper bound of |w_j| */
    real *up, *lo;        /* [f] bias and the roundings that do not grow with the row */
    real *value;          /* [f + TOPK_SLACK] exact values of those on the list */
    uint32_t *cand;       /* [f + TOPK_SLACK] the list */
    real share;           /* largest |w_j - w~_j| / |w_j| */
    bool is_bounded;      /* w and bias are finite, and far from overflow */
};

/* Whether this CPU has the kernels (AVX-512), and the shape gains: bounds need f >= 8 k. */
bool shortlist_is_there(size_t f, size_t d, size_t k);
/* Lays w out, and what bounds need; in float the caller lays it out. */
void shortlist_pack(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d);
void shortlist_pack_float(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d);
/* z [n,f]: products of u [n,d] in bfloat16, without bias.  s->row of these rows. */
void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n);
/* s->row alone: the product is the caller's, in float. */
void shortlist_rows_float(struct shortlist *s, const real *u, size_t n);

/* The k largest of row u, of whose products z is the i-th row, as topk_row() would choose.
 * SIZE_MAX in bfloat16: not proven, nothing is known; in float: something is not finite. */
size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, bool is_float,
                     const struct topk_scratch *scratch);
/* out_i = u . w[idx_i] + bias[idx_i], by the definition. */
void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n);
