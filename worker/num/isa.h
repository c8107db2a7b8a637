/* isa.h - one binary, several instruction sets: hot loops are compiled per set, chosen at load.
 *
 * The set changes the order of vectorised sums and so the last bits: it is part of provenance
 * (isa_in_use()), and the knob `isa` pins it, by environment variables that are read before main:
 * ours for clones and intrinsics, OpenBLAS' for its core.  Sanitizer builds keep the base set in
 * clones: resolvers run before their runtime.
 */
#pragma once
#include <stdbool.h>

#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang's way to say it */
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ISA_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#define ISA_HAS_CLONES 1
#else
#define ISA_CLONES
#define ISA_HAS_CLONES 0
#endif

#define ISA_ENV "SAEGRID_ISA"
enum { ISA_ENV_MAX = 4 };

enum isa_set { ISA_BASE, ISA_AVX2, ISA_AVX512 };

/* A variable and the value that pins a set. */
struct isa_env {
    const char *name, *value;
};

const char *isa_name(enum isa_set set);
bool isa_parse(const char *text, enum isa_set *out); /* false: not a set ("auto") */
/* The best set of this machine, or the pinned one if that is less. */
enum isa_set isa_in_use(void);
/* [ISA_ENV_MAX], ended by a NULL name: what a process must be started with. */
const struct isa_env *isa_env(enum isa_set set);
