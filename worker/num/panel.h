/* panel.h - products of many rows with one matrix that is laid out for them first.
 *
 * Shapes, row-major: w [f,d], u [n,d], z [n,f].  An encoder is used tile by tile; the library's
 * product would lay it out anew for every tile.  Every entry of z is one chain of d additions in
 * ascending order, so it depends on neither tiles nor neighbours.  Where there is no kernel of our
 * own (no AVX-512, double) the library's product is used and nothing is laid out.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/num/real.h"

bool panel_is_exact(void); /* our own kernel: no entry depends on tiles or neighbours */
/* Room that a layout needs, in reals. */
size_t panel_len(size_t f, size_t d);
void panel_pack(real *restrict p, const real *restrict w, size_t f, size_t d);
/* z = u w^T, p being the layout of w, at whose end rows are laid out too. */
void panel_mm_nt(real *restrict z, const real *restrict u, real *restrict p,
                 const real *restrict w, size_t n, size_t f, size_t d);
