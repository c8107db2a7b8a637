/* provenance.c - where a result comes from: everything a reader needs to make it again. */
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/version.h"
#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/real.h"
#include "worker/runner/outputs.h"

extern char **environ;

/* Variables that change numbers or behaviour; the others may hold secrets. */
static const char *const env_prefixes[] = {"OPENBLAS_", "OMP_", "SAEGRID_", "GOTO_", "GLIBC_TUNABLES"};

static void fill_build(struct job *j)
{
    job_provenance(j, "version", "%s", SAEGRID_VERSION);
    job_provenance(j, "commit", "%s", SAEGRID_COMMIT);
    job_provenance(j, "dirty", "%s", SAEGRID_DIRTY ? "true" : "false");
    job_provenance(j, "compiler", "%s", SAEGRID_COMPILER);
    job_provenance(j, "flags", "%s", SAEGRID_FLAGS);
    job_provenance(j, "build_type", "%s", SAEGRID_BUILD_TYPE);
    job_provenance(j, "real", "%s", sizeof(real) == sizeof(double) ? "float64" : "float32");
    job_provenance(j, "libc", "glibc %s", gnu_get_libc_version());
    job_provenance(j, "blas", "%s", blas_config());
    job_provenance(j, "blas_core", "%s", blas_core());
}

/* Value of the first line "model name : ..." of /proc/cpuinfo, read once. */
static const char *cpu_name(void)
{
    static char name[128];
    static bool is_read;
    struct buf text = {0};
    const char *at = NULL;

    if (is_read)
        return name;
    if (!fs_read("/proc/cpuinfo", 16 << 20, &text, NULL) && text.data)
        at = strstr(text.data, "model name");
    if (at)
        at = strchr(at, ':');
    if (at) {
        at += 1 + strspn(at + 1, " \t");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "\n"), at);
    }
    is_read = true;
    buf_free(&text);
    return name;
}

void provenance_warm(void)
{
    cpu_name();
}

static void fill_cpu(struct job *j)
{
    job_provenance(j, "cpu", "%s", cpu_name());
    job_provenance(j, "isa", "%s", isa_name(isa_in_use()));
    job_provenance(j, "isa_pinned", "%s", j->common.isa);
}

static void fill_command(struct job *j)
{
    struct buf text = {0};
    char cwd[PATH_MAX];

    if (!fs_read("/proc/self/cmdline", 1 << 20, &text, NULL)) {
        while (text.len && text.data[text.len - 1] == '\0')
            text.len--;
        for (size_t i = 0; i < text.len; i++)
            if (text.data[i] == '\0')
                text.data[i] = ' ';
    }
    job_provenance(j, "command", "%s", text.data ? text.data : "");
    job_provenance(j, "cwd", "%s", getcwd(cwd, sizeof cwd) ? cwd : "");
    buf_free(&text);
}

static void fill_env(struct job *j)
{
    struct buf key = {0};

    for (char **v = environ; *v; v++) {
        const char *eq = strchr(*v, '=');

        for (size_t i = 0; eq && i < ARRAY_LEN(env_prefixes); i++) {
            if (strncmp(*v, env_prefixes[i], strlen(env_prefixes[i])) != 0)
                continue;
            buf_reset(&key);
            buf_fmt(&key, "env.%.*s", (int)(eq - *v), *v);
            job_provenance(j, key.data, "%s", eq + 1);
        }
    }
    buf_free(&key);
}

void provenance_fill(struct job *j)
{
    struct utsname host = {0};
    char iso[21];

    fill_build(j);
    uname(&host);
    job_provenance(j, "kernel", "%s %s %s", host.sysname, host.release, host.machine);
    job_provenance(j, "host", "%s", host.nodename);
    fill_cpu(j);
    job_provenance(j, "threads", "%lld", (long long)j->common.threads);
    job_provenance(j, "device", "cpu");
    fill_command(j);
    job_provenance(j, "pid", "%ld", (long)getpid());
    job_provenance(j, "started", "%s", clock_iso(iso, j->priv->started_wall_ms));
    job_provenance(j, "ended", "%s", clock_iso(iso, j->clock->wall_ms(j->clock)));
    fill_env(j);
}
