/* opts.h - one option table a command: parsing, --help and errors look alike everywhere.
 *
 *   struct opts_list sets = {0};
 *   int64_t jobs = 0;
 *   bool json = false;
 *   const char *results = NULL;
 *   const struct opt rows[] = {
 *       OPT_I64("jobs", 'j', &jobs, "N", "agents to start"),
 *       OPT_LIST("set", 0, &sets, "STAGE.KNOB=VALUE", "override a knob; may be repeated"),
 *       OPT_FLAG("json", 0, &json, "print JSON"),
 *       OPT_RESULTS(&results),
 *   };
 *   const struct opts_cmd cmd = {"run", "SPEC", "Run a sweep.", rows, ARRAY_LEN(rows), 1, 1};
 *   struct opts_args args;
 *   int rc;
 *
 *   if (!cmd_start(&cmd, argc, argv, &args, &rc))       (cmd_common.h; prints help and errors)
 *       return rc;
 *   ... args.v[0] ...
 *   opts_free(&args); opts_list_free(&sets);
 *
 * Accepted: --name value, --name=value, -j value, -jvalue, flags run together (-ab), options
 * after arguments, and "--" before arguments that begin with a dash.  A value keeps what it had
 * when its option is absent.  Values point into argv.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum opt_type { OPT_TYPE_FLAG, OPT_TYPE_STR, OPT_TYPE_I64, OPT_TYPE_F64, OPT_TYPE_DUR, OPT_TYPE_LIST };

struct opts_list {
    const char **v;
    size_t n, cap;
};

struct opt {
    const char *name;   /* without dashes */
    char letter;        /* 0: long name only */
    enum opt_type type;
    void *value;        /* bool *, const char **, int64_t *, double *, double * (s), opts_list * */
    const char *arg;    /* what the help calls the value */
    const char *help;
};

#define OPT_FLAG(name, letter, v, help)      {name, letter, OPT_TYPE_FLAG, (bool *){v}, NULL, help}
#define OPT_STR(name, letter, v, arg, help)  {name, letter, OPT_TYPE_STR, (const char **){v}, arg, help}
#define OPT_I64(name, letter, v, arg, help)  {name, letter, OPT_TYPE_I64, (int64_t *){v}, arg, help}
#define OPT_F64(name, letter, v, arg, help)  {name, letter, OPT_TYPE_F64, (double *){v}, arg, help}
#define OPT_DUR(name, letter, v, arg, help)  {name, letter, OPT_TYPE_DUR, (double *){v}, arg, help}
#define OPT_LIST(name, letter, v, arg, help) {name, letter, OPT_TYPE_LIST, (struct opts_list *){v}, arg, help}
#define OPT_RESULTS(v)                                                                             \
    OPT_STR("results", 0, v, "DIR", "results and manifest (default $SAEGRID_RESULTS, else ./results)")
#define OPT_JSON(v) OPT_FLAG("json", 0, v, "print JSON")

struct opts_cmd {
    const char *name;
    const char *args;   /* "SPEC [SWEEP...]", "" if none */
    const char *help;   /* first line is the summary; more paragraphs may follow */
    const struct opt *opts;
    size_t n_opts;
    size_t min_args, max_args;
};

struct opts_args {
    const char **v;     /* positional arguments, pointing into argv */
    size_t n;
    bool want_help;     /* --help or -h was given; nothing else was checked */
};

/* argv[0] is the command's name.  ERR_USAGE names the option and the nearest known one. */
MUST_CHECK enum err_code opts_parse(const struct opts_cmd *cmd, int argc, char **argv,
                                    struct opts_args *out, struct err *e);
void opts_free(struct opts_args *a);
void opts_list_free(struct opts_list *l);
void opts_help(const struct opts_cmd *cmd, struct buf *out);
/* Seconds from "90", "90s", "500ms", "30m", "2h", "1d"; false if it is none of these. */
bool opts_duration(const char *text, double *seconds);
/* Of the names, the nearest to `name` by edit distance, or NULL if none is near. */
const char *opts_nearest(const char *const *names, size_t n, const char *name);
