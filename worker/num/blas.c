/* blas.c - see blas.h. */
#include "worker/num/blas.h"

#include <cblas.h>
#include <stdlib.h>

/* LAPACK's symmetric eigensolver, which OpenBLAS carries; column-major. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);

#ifdef REAL_IS_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

void mm_nn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
         (int)ldb, beta, c, (int)ldc);
}

void mm_nt_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
         (int)ldb, beta, c, (int)ldc);
}

void mm_tn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
         (int)ldb, beta, c, (int)ldc);
}

void mm_nn(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta)
{
    mm_nn_ld(c, n, a, k, b, n, m, n, k, alpha, beta);
}

void mm_nt(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta)
{
    mm_nt_ld(c, n, a, k, b, k, m, n, k, alpha, beta);
}

void mm_tn(real *c, const real *a, const real *b, size_t m, size_t n, size_t k, real alpha, real beta)
{
    mm_tn_ld(c, n, a, m, b, n, m, n, k, alpha, beta);
}

void blas_syrk_f64(double *c, const double *x, size_t n, size_t d)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)d, (int)n, 1, x, (int)d, 1, c, (int)d);
}

bool blas_eigen_f64(double *a, double *w, size_t d, bool vectors)
{
    const char *jobz = vectors ? "V" : "N";
    int n = (int)d, n_work = -1, info = 0;
    double best = 0;

    dsyev_(jobz, "U", &n, a, &n, w, &best, &n_work, &info);
    if (info)
        return false;
    n_work = (int)best;
    double *work = malloc((size_t)n_work * sizeof *work);
    if (!work)
        return false;
    dsyev_(jobz, "U", &n, a, &n, w, work, &n_work, &info);
    free(work);
    return info == 0;
}

void blas_threads_set(int n)
{
    openblas_set_num_threads(n);
}

const char *blas_config(void)
{
    return openblas_get_config();
}

const char *blas_core(void)
{
    return openblas_get_corename();
}
