/* linalg.h - symmetric eigenproblems in double, whatever `real` is. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* c [d,d] += x^T x over n rows of x [n,d]; both triangles are filled. */
void linalg_gram_add(double *c, const double *x, size_t n, size_t d);

/* Eigenvalues of the symmetric a [d,d], ascending, in w [d]; with `vectors`, row i of a becomes the
 * unit eigenvector of w[i], else a is destroyed.  False if it did not converge (errno 0) or
 * had no memory (ENOMEM). */
bool linalg_eigen(double *a, double *w, size_t d, bool vectors);
