/* blas.c - see blas.h.
 *
 * OpenBLAS is loaded at the first product, not with the program: its 36 MB cost 6 ms at every
 * start, and a job without matrices (a table, a mock) is over in less.
 */
#include "worker/num/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* LAPACK's symmetric eigensolver, which OpenBLAS carries; column-major. */
typedef void dsyev_fn(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                      double *work, const int *lwork, int *info);

#ifdef REAL_IS_DOUBLE
#define GEMM       cblas_dgemm
#define GEMM_NAME  "cblas_dgemm"
#else
#define GEMM       cblas_sgemm
#define GEMM_NAME  "cblas_sgemm"
#endif

struct blas {
    __typeof__(GEMM) *gemm;
    __typeof__(cblas_dsyrk) *dsyrk;
    dsyev_fn *dsyev;
    __typeof__(openblas_set_num_threads) *set_threads;
    __typeof__(openblas_get_config) *config;
    __typeof__(openblas_get_corename) *core;
    int n_threads;      /* asked for before it was loaded; 0: nothing */
    bool is_loaded;
};

static struct blas *the_blas(void)
{
    static struct blas one;

    return &one;
}

/* A missing library or symbol is a broken installation: no job that needs it can go on. */
static void *symbol(void *lib, const char *name)
{
    void *at = lib ? dlsym(lib, name) : NULL;

    if (!at) {
        fprintf(stderr, "OpenBLAS: %s\n", dlerror());
        abort();
    }
    return at;
}

static const struct blas *blas(void)
{
    struct blas *b = the_blas();

    if (b->is_loaded)
        return b;
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        lib = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
    *(void **)&b->gemm = symbol(lib, GEMM_NAME);
    *(void **)&b->dsyrk = symbol(lib, "cblas_dsyrk");
    *(void **)&b->dsyev = symbol(lib, "dsyev_");
    *(void **)&b->set_threads = symbol(lib, "openblas_set_num_threads");
    *(void **)&b->config = symbol(lib, "openblas_get_config");
    *(void **)&b->core = symbol(lib, "openblas_get_corename");
    b->is_loaded = true;
    if (b->n_threads)
        b->set_threads(b->n_threads);
    return b;
}

void mm_nn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    blas()->gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
         (int)ldb, beta, c, (int)ldc);
}

void mm_nt_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    blas()->gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
         (int)ldb, beta, c, (int)ldc);
}

void mm_tn_ld(real *c, size_t ldc, const real *a, size_t lda, const real *b, size_t ldb, size_t m,
              size_t n, size_t k, real alpha, real beta)
{
    blas()->gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
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
    blas()->dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)d, (int)n, 1, x, (int)d, 1, c, (int)d);
}

bool blas_eigen_f64(double *a, double *w, size_t d, bool vectors)
{
    const char *jobz = vectors ? "V" : "N";
    int n = (int)d, n_work = -1, info = 0;
    double best = 0;
    dsyev_fn *dsyev = blas()->dsyev;

    errno = 0;
    dsyev(jobz, "U", &n, a, &n, w, &best, &n_work, &info);
    if (info)
        return false;
    n_work = (int)best;
    double *work = malloc((size_t)n_work * sizeof *work);
    if (!work)
        return false;
    dsyev(jobz, "U", &n, a, &n, w, work, &n_work, &info);
    free(work);
    errno = 0;
    return info == 0;
}

void blas_threads_set(int n)
{
    struct blas *b = the_blas();

    b->n_threads = n;
    if (b->is_loaded)
        b->set_threads(n);
}

const char *blas_config(void)
{
    return the_blas()->is_loaded ? the_blas()->config() : "not used";
}

const char *blas_core(void)
{
    return the_blas()->is_loaded ? the_blas()->core() : "not used";
}
