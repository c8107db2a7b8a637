/* cmd_doctor.c - saegrid doctor: what this machine needs, and what to do about what is missing.
 *
 * Every check is one function that fills one row: ok, warn (works, but) or FAIL (will not run).
 */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/link.h"
#include "common/plot.h"
#include "common/proc.h"

enum grade { GRADE_OK, GRADE_WARN, GRADE_FAIL };
enum { START_LIMIT_MS = 20000, POLL_US = 20000 };

struct doctor {
    const char *results;
    struct table rows; /* grade, what, finding, advice */
    int worst;
};

static void say(struct doctor *d, enum grade g, const char *what, const char *finding, const char *advice)
{
    static const char *const names[] = {"ok", "warn", "FAIL"};
    struct cell *row = table_add_row(&d->rows);

    cell_set_text(&row[0], names[g]);
    cell_set_text(&row[1], what);
    cell_set_text(&row[2], finding);
    cell_set_text(&row[3], g == GRADE_OK ? NULL : advice);
    if ((int)g > d->worst)
        d->worst = (int)g;
}

/* Path of a program by PATH; false if there is none. */
static bool find_program(const char *name, struct buf *out)
{
    const char *p = getenv("PATH");

    while (p && *p) {
        size_t n = strcspn(p, ":");

        buf_reset(out);
        buf_fmt(out, "%.*s/%s", (int)n, p, name);
        if (access(out->data, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

/* Runs it to its end or the limit; its output goes nowhere. */
static bool runs(const char *const *argv, struct proc_end *end)
{
    struct proc_opts o = {.argv = argv, .stdin_fd = -1, .extra_fd = -1, .own_group = true};
    int64_t limit = clock_ms(&clock_system) + START_LIMIT_MS;
    struct proc p;
    struct err e;
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    bool ended = false;

    o.stdout_fd = o.stderr_fd = null_fd;
    if (proc_spawn(&p, &o, &e) == ERR_OK) {
        while (!(ended = proc_wait(&p, false, end)) && clock_ms(&clock_system) < limit)
            clock_system.sleep_us(&clock_system, POLL_US);
        if (!ended) {
            proc_signal_group(&p, 9);
            (void)proc_wait(&p, true, end);
        }
    }
    if (null_fd >= 0)
        close(null_fd);
    return ended && end->signal == 0 && end->exit_code == 0;
}

static void check_mpi(struct doctor *d)
{
    struct buf path = {0};
    struct proc_end end;
    char version[128];

    link_mpi_version(version, sizeof version);
    if (!find_program("mpirun", &path)) {
        say(d, GRADE_FAIL, "mpirun", "not found", "apt-get install openmpi-bin (or add it to PATH)");
        buf_free(&path);
        return;
    }
    if (geteuid() == 0) { /* as `run` does */
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    const char *const argv[] = {path.data, "--bind-to", "none", "--oversubscribe", "-n", "2", "true", NULL};
    if (runs(argv, &end))
        say(d, GRADE_OK, "mpirun", version, NULL);
    else
        say(d, GRADE_FAIL, "mpirun", "cannot start two processes",
            "try: mpirun --bind-to none --oversubscribe -n 2 true; it says what is wrong");
    buf_free(&path);
}

static void check_programs(struct doctor *d)
{
    static const char *const names[] = {"saegrid-agent", "saegrid-runner"};
    struct buf dir = {0}, path = {0};
    struct err e = {0};

    if (fs_exe_dir(&dir, &e))
        buf_str(&dir, ".");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        buf_reset(&path);
        buf_fmt(&path, "%s/%s", dir.data, names[i]);
        if (access(path.data, X_OK) == 0)
            say(d, GRADE_OK, names[i], path.data, NULL);
        else
            say(d, GRADE_FAIL, names[i], "not beside saegrid", "build it: scripts/build.sh, or install all three programs");
    }
    buf_free(&dir);
    buf_free(&path);
}

static void check_plots(struct doctor *d)
{
    if (plot_available())
        say(d, GRADE_OK, "gnuplot", "found", NULL);
    else
        say(d, GRADE_WARN, "gnuplot", "not found: results come without figures", "apt-get install gnuplot-nox");
}

/* The results folder, or the nearest one above it that exists. */
static void existing_parent(const char *path, struct buf *out)
{
    buf_str(out, path);
    while (out->len && !fs_is_dir(out->data)) {
        char *slash = strrchr(out->data, '/');

        out->len = slash ? (size_t)(slash - out->data) : 0;
        out->data[out->len] = '\0';
    }
    if (out->len == 0)
        buf_str(out, *path == '/' ? "/" : ".");
}

static void check_results(struct doctor *d)
{
    struct buf at = {0}, text = {0};
    const char *net;
    uint64_t bytes;
    struct err e = {0};

    existing_parent(d->results, &at);
    if (access(at.data, W_OK | X_OK) == 0)
        say(d, GRADE_OK, "results", d->results, NULL);
    else
        say(d, GRADE_FAIL, "results", strerror(errno), "choose a folder you can write: --results DIR or SAEGRID_RESULTS");
    net = fs_network_type(at.data);
    if (net)
        buf_fmt(&text, "%s: the manifest uses a rollback journal", net);
    else
        buf_str(&text, "local: the manifest uses a write-ahead log");
    say(d, GRADE_OK, "file system", text.data, NULL);
    buf_reset(&text);
    if (fs_free_bytes(at.data, &bytes, &e) == ERR_OK) {
        buf_fmt(&text, "%.1f GB free", (double)bytes / 1e9);
        say(d, bytes < 100000000 ? GRADE_FAIL : bytes < 2000000000 ? GRADE_WARN : GRADE_OK, "disk", text.data,
            "make room: checkpoints and activations need it");
    }
    buf_free(&at);
    buf_free(&text);
}

static int64_t memory_available_kib(void)
{
    struct buf text = {0};
    long long kib = 0;
    const char *p;

    if (fs_read("/proc/meminfo", 1 << 16, &text, NULL) == ERR_OK && (p = strstr(text.data, "MemAvailable:")))
        kib = strtoll(p + strlen("MemAvailable:"), NULL, 10);
    buf_free(&text);
    return kib;
}

static void check_machine(struct doctor *d)
{
    int64_t kib = memory_available_kib();
    int cores = proc_cores();
    struct buf text = {0};

    buf_fmt(&text, "%.1f GB available", (double)kib / 1048576);
    say(d, kib < 512 * 1024 ? GRADE_WARN : GRADE_OK, "memory", text.data, "start fewer agents: saegrid run -j N");
    buf_reset(&text);
    buf_fmt(&text, "%d physical", cores);
    say(d, cores < 2 ? GRADE_WARN : GRADE_OK, "cores", text.data, "one job at a time; sweeps will take long");
    buf_reset(&text);
    setlocale(LC_ALL, "");
    buf_str(&text, localeconv()->decimal_point);
    setlocale(LC_ALL, "C");
    say(d, GRADE_OK, "locale", strcmp(text.data, ".") == 0 ? "decimal point" : "decimal comma; saegrid reads and writes points", NULL);
    buf_free(&text);
    say(d, GRADE_OK, "SQLite", manifest_sqlite_version(), NULL);
}

static void check_manifest(struct doctor *d)
{
    struct buf text = {0}, path = {0};
    struct query *q = NULL;
    struct err e = {0};

    buf_fmt(&path, "%s/manifest.sqlite", d->results);
    if (access(path.data, F_OK) != 0)
        say(d, GRADE_OK, "manifest", "none yet", NULL);
    else if (query_open(d->results, &q, &e) || query_integrity(q, &text, &e))
        say(d, GRADE_FAIL, "manifest", e.text, "move it away, or restore a copy");
    else if (text.len)
        say(d, GRADE_FAIL, "manifest", text.data, "restore a copy, or: sqlite3 manifest.sqlite .recover");
    else
        say(d, GRADE_OK, "manifest", "whole", NULL);
    query_close(q);
    buf_free(&text);
    buf_free(&path);
}

static void print_text(const struct doctor *d, struct buf *out)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool colour = cmd_use_colour(stdout);

    for (size_t r = 0; r < d->rows.n_rows; r++) {
        const char *grade = table_cell(&d->rows, r, 0)->text, *advice = table_cell(&d->rows, r, 3)->text;
        int g = *grade == 'o' ? 0 : *grade == 'w' ? 1 : 2;

        buf_fmt(out, "%s%-4s%s  %-15s %s\n", colour ? colours[g] : "", grade, colour ? "\033[0m" : "",
                table_cell(&d->rows, r, 1)->text, table_cell(&d->rows, r, 2)->text);
        if (advice)
            buf_fmt(out, "      -> %s\n", advice);
    }
    buf_str(out, d->worst == GRADE_FAIL ? "\nsaegrid cannot run here yet\n" : "\nsaegrid can run here\n");
}

int cmd_doctor(int argc, char **argv)
{
    static void (*const checks[])(struct doctor * d) = {check_mpi,     check_programs, check_plots,
                                                       check_results, check_machine,  check_manifest};
    static const char *const cols[] = {"grade", "what", "finding", "advice"};
    bool json = false;
    struct doctor d = {0};
    const struct opt rows[] = {OPT_JSON(&json), OPT_RESULTS(&d.results)};
    const struct opts_cmd cmd = {"doctor", "",
                                 "Check what this machine needs to run sweeps, and say what to do.\n"
                                 "Exit code 0: it can run (warnings apart); 1: it cannot.",
                                 rows, ARRAY_LEN(rows), 0, 0};
    struct opts_args args;
    struct buf out = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    opts_free(&args);
    d.results = cmd_results(d.results);
    for (size_t i = 0; i < ARRAY_LEN(cols); i++)
        table_add_col(&d.rows, cols[i]);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i](&d);
    if (json)
        table_print(&d.rows, TABLE_JSON, false, &out);
    else
        print_text(&d, &out);
    rc = cmd_put(&out);
    table_free(&d.rows);
    return rc ? rc : d.worst == GRADE_FAIL;
}
