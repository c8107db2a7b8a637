/* flash.h - causal attention that never holds a [t,t] matrix.
 *
 * As FlashAttention (Dao et al. 2022, arXiv:2205.14135): per block of queries the scores of all
 * earlier keys are made, used and dropped; backward makes them again from the log-sum-exp of
 * each row.  Heads are laid out as GPT-NeoX has them: row i of qkv holds, head by head, q, k, v of
 * size e each, so its stride is 3*h*e.
 * Shapes: qkv, dqkv [n,h,3,e]   z, dz [n,h,e]   lse [n,h]; sequence s is rows start[s]..start[s+1].
 * Scores are q.k / sqrt(e).  flash_bwd writes all of dqkv.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

enum { FLASH_BLOCK = 64 }; /* queries a block */

struct flash {
    const size_t *start; /* [n_seq + 1] */
    size_t n_seq, h, e;
    real *scratch;       /* [flash_scratch(...)] */
    size_t t_max;        /* longest sequence that scratch was made for */
};

/* reals of scratch */
size_t flash_scratch(size_t t_max, size_t e, int n_threads);

void flash_fwd(real *z, real *lse, const real *qkv, const struct flash *f);
void flash_bwd(real *dqkv, const real *dz, const real *z, const real *lse, const real *qkv,
               const struct flash *f);
