/* shortlist.h - the k largest of a row's products, found in bfloat16 and proven in float.
 *
 * A product in bfloat16 takes half the time of one in float, and bf16.h bounds what it is off by.
 * Of a row with bounds lo_j <= z_j <= up_j, k entries are at least t, the k-th largest lo; what has
 * up_j < t cannot be among the k largest.  The few others are computed exactly, bit for bit as
 * panel.h does (d fused multiply-adds in ascending order), and the choice is made among them: same
 * indices, same values, same ties as from the whole row in float.  Where the bounds leave too many,
 * the caller takes the row in float.
 */
#pragma once
#include "worker/num/bf16.h"
#include "worker/num/topk.h"

struct shortlist {
    size_t f, d;          /* of the last pack; w [f,d] and bias [f] are the caller's */
    const real *w, *bias;
    uint32_t *pairs;      /* [bf16_len(f,d)] */
    struct bf16_norm *norm; /* [f] and [rows of a tile]: norm, row */
    struct bf16_norm *row;
    real *reach;          /* [f] upper bound of |w_j| */
    real *up, *lo;        /* [f] bias and the roundings that do not grow with the row */
    real *value;          /* [f] exact values of those on the list */
    uint32_t *cand;       /* [f + TOPK_SLACK] the list */
    real share;           /* largest |w_j - w~_j| / |w_j| */
    bool is_bounded;      /* w and bias are finite, and far from overflow */
};

/* Whether this CPU can, and a row of this shape gains: bounds need f >= 8 k. */
bool shortlist_is_there(size_t f, size_t d, size_t k);
/* Lays w out. */
void shortlist_pack(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d);
/* z [n,f]: products of u [n,d] in bfloat16, without bias.  s->row of these rows. */
void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n);

/* topk_row() of row u, of whose products z is the i-th row.  SIZE_MAX: not proven, nothing is
 * known. */
size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, const struct topk_scratch *scratch);
/* out_i = u . w[idx_i] + bias[idx_i], as panel.h and topk.h would give it. */
void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n);
