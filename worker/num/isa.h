/* isa.h - one binary, several instruction sets: hot loops are compiled per set, chosen at load.
 *
 * The set changes the order of vectorised sums and so the last bits: it is part of provenance
 * (vec_isa()).  Sanitizer builds keep the base set: resolvers run before their runtime.
 */
#pragma once
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ISA_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#define ISA_HAS_CLONES 1
#else
#define ISA_CLONES
#define ISA_HAS_CLONES 0
#endif
