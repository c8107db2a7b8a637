/* cmd_version.c - saegrid version: what was built, from which commit, with which libraries. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"

#include <gnu/libc-version.h>

#include "common/json.h"
#include "common/link.h"
#include "common/version.h"
#include "coordinator/manifest_query.h"

struct fact {
    const char *name, *value;
};

static void print_text(struct buf *out, const struct fact *facts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_fmt(out, "%-10s %s\n", facts[i].name, facts[i].value);
}

static void print_json(struct buf *out, const struct fact *facts, size_t n)
{
    struct jsonw w;

    jw_init(&w, out, true);
    jw_open(&w, '{');
    for (size_t i = 0; i < n; i++) {
        jw_key(&w, facts[i].name);
        jw_str(&w, facts[i].value);
    }
    jw_close(&w, '}');
    buf_char(out, '\n');
}

int cmd_version(int argc, char **argv)
{
    bool json = false;
    const struct opt rows[] = {OPT_JSON(&json)};
    const struct opts_cmd cmd = {"version", "", "Print the versions of saegrid and of its libraries.",
                                 rows, ARRAY_LEN(rows), 0, 0};
    struct opts_args args;
    struct buf out = {0};
    char mpi[128];
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    opts_free(&args);
    link_mpi_version(mpi, sizeof mpi);
    const struct fact facts[] = {
        {"saegrid", SAEGRID_VERSION},
        {"commit", SAEGRID_COMMIT},
        {"dirty", SAEGRID_DIRTY ? "yes" : "no"},
        {"build", SAEGRID_BUILD_TYPE},
        {"compiler", SAEGRID_COMPILER},
        {"flags", SAEGRID_FLAGS},
        {"mpi", mpi},
        {"sqlite", manifest_sqlite_version()},
        {"cjson", SAEGRID_CJSON_VERSION},
        {"libyaml", SAEGRID_YAML_VERSION},
        {"libcrypto", SAEGRID_CRYPTO_VERSION},
        {"openblas", SAEGRID_OPENBLAS_VERSION},
        {"glibc", gnu_get_libc_version()},
    };
    if (json)
        print_json(&out, facts, ARRAY_LEN(facts));
    else
        print_text(&out, facts, ARRAY_LEN(facts));
    return cmd_put(&out);
}
