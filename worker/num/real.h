/* real.h - the number type of the kernels: float, or double in the gradient build. */
#pragma once
#ifdef REAL_IS_DOUBLE
typedef double real;
#define REAL_EPS 2.220446049250313e-16
#else
typedef float real;
#define REAL_EPS 1.1920929e-7f
#endif
