/* isa.c - see isa.h.
 *
 * GCC and clang choose clones in resolvers that run while the program is relocated, before main and
 * before libc has an environment; they ask libgcc's table of features, filled by
 * __cpu_indicator_init().  The linker puts the function below in front of it (--wrap), which hides
 * what is above the pinned set from everybody who asks: clones, kernels with intrinsics
 * (__builtin_cpu_supports) and provenance alike.  At that time the environment can only be read
 * from /proc, by system calls of our own.
 */
#include "worker/num/isa.h"

#include <string.h>

static const char *const names[] = {[ISA_BASE] = "base", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512"};

const char *isa_name(enum isa_set set)
{
    return names[set];
}

bool isa_parse(const char *text, enum isa_set *out)
{
    for (int i = ISA_BASE; i <= ISA_AVX512; i++)
        if (!strcmp(names[i], text)) {
            *out = (enum isa_set)i;
            return true;
        }
    return false;
}

#ifdef __x86_64__
#include <fcntl.h>
#include <sys/syscall.h>

/* Bits of libgcc's table (gcc/common/config/i386/i386-cpuinfo.h), fixed by its ABI. */
enum { BIT_AVX = 9, BIT_AVX2 = 10, BIT_FMA = 14, BIT_AVX512F = 15, BIT_AVX512BF16 = 36 };

extern struct {
    unsigned vendor, type, subtype, features[1];
} __cpu_model __attribute__((visibility("hidden")));
extern unsigned __cpu_features2[] __attribute__((visibility("hidden")));
int __real___cpu_indicator_init(void);
int __wrap___cpu_indicator_init(void);

static long call(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

/* One byte further along "NAME=value\0": how much of `name` is matched, or -1 until the next one. */
static int follow(int at, const char *name, char c)
{
    if (c == '\0')
        return 0;
    return at >= 0 && name[at] == c ? at + 1 : -1;
}

/* The first letters of a variable's value; "" if there is none. */
static void read_env(const char *name, int len, char *value, int room)
{
    char block[512];
    long fd = call(SYS_open, (long)"/proc/self/environ", O_RDONLY | O_CLOEXEC, 0), n;
    int at = 0, out = 0;

    value[0] = '\0';
    if (fd < 0)
        return;
    while ((n = call(SYS_read, fd, (long)block, sizeof block)) > 0)
        for (long i = 0; i < n; i++) {
            if (at < len) {
                at = follow(at, name, block[i]);
                continue;
            }
            if (block[i] == '\0' || out == room - 1)
                goto done;
            value[out++] = block[i];
        }
done:
    value[out] = '\0';
    call(SYS_close, fd, 0, 0);
}

static void hide(int bit)
{
    if (bit < 32)
        __cpu_model.features[0] &= ~(1u << bit);
    else
        __cpu_features2[0] &= ~(1u << (bit - 32));
}

int __wrap___cpu_indicator_init(void)
{
    static const char name[] = ISA_ENV "=";
    static bool is_done; /* libgcc fills its table once as well */
    char value[8];

    if (is_done)
        return 0;
    is_done = true;
    int rc = __real___cpu_indicator_init();

    read_env(name, sizeof name - 1, value, sizeof value);
    bool is_base = value[0] == 'b', is_avx2 = value[0] == 'a' && value[3] == '2';
    if (is_base || is_avx2) {
        hide(BIT_AVX512F);
        hide(BIT_AVX512BF16);
    }
    if (is_base) {
        hide(BIT_AVX);
        hide(BIT_AVX2);
        hide(BIT_FMA);
    }
    return rc;
}

enum isa_set isa_in_use(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") ? ISA_AVX512
           : __builtin_cpu_supports("avx2")  ? ISA_AVX2
                                             : ISA_BASE;
}
#else
enum isa_set isa_in_use(void)
{
    return ISA_BASE;
}
#endif

/* Kernels of one OpenBLAS core differ from those of another in the order of sums; libm has variants
 * with fused multiply-adds, which no set below AVX2 has. */
const struct isa_env *isa_env(enum isa_set set)
{
    static const struct isa_env rows[][ISA_ENV_MAX] = {
        [ISA_BASE] = {{ISA_ENV, "base"},
                      {"OPENBLAS_CORETYPE", "Nehalem"},
                      {"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F"}},
        [ISA_AVX2] = {{ISA_ENV, "avx2"}, {"OPENBLAS_CORETYPE", "Haswell"}},
        [ISA_AVX512] = {{ISA_ENV, "avx512"}, {"OPENBLAS_CORETYPE", "SkylakeX"}},
    };

    return rows[set];
}
