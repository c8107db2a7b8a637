/* blas.h - the door to cblas.  Row-major; C [m,n] = alpha * op(A) op(B) + beta * C.
 *   mm_nn: A [m,k], B [k,n]    mm_nt: A [m,k], B [n,k]    mm_tn: A [k,m], B [k,n]
 * lda/ldb/ldc are row strides; 0 means dense.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/num/real.h"

void mm_nn(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta);
void mm_nt(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta);
void mm_tn(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta);
/* with row strides */
void mm_nn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta);
void mm_nt_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta);
void mm_tn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta);
void blas_threads_set(int n);
/* library, version, core type: provenance; "not used" before the first product */
const char *blas_config(void);
const char *blas_core(void);
/* Double whatever `real` is.  Upper triangle of c [d,d] += x^T x, x [n,d]. */
void blas_syrk_f64(double *c, const double *x, size_t n, size_t d);
/* Eigenvalues of symmetric a [d,d], ascending; rows of a become eigenvectors if `vectors`.  False: as
 * linalg_eigen. */
bool blas_eigen_f64(double *a, double *w, size_t d, bool vectors);
