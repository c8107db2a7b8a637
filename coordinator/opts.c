/* opts.c - see opts.h. */
#include "coordinator/opts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

enum { HELP_COLUMN = 28 };

bool opts_duration(const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double s;
    } units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double v;

    if (*text < '0' || *text > '9')
        return false;
    v = strtod(text, &end);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && isfinite(v)) {
            *seconds = v * units[i].s;
            return true;
        }
    }
    return false;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

static size_t distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t row[MAX + 1], na = strlen(a), nb = strlen(b);

    if (na > MAX || nb > MAX)
        return MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t old = row[j];

            row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = old;
        }
    }
    return row[nb];
}

const char *opts_nearest(const char *const *names, size_t n, const char *name)
{
    const char *best = NULL;
    size_t best_d = strlen(name) / 2 + 1;

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(names[i], name);

        if (d < best_d || (!best && strncmp(names[i], name, strlen(name)) == 0)) {
            best = names[i];
            best_d = d;
        }
    }
    return best;
}

static const struct opt *find_long(const struct opts_cmd *cmd, const char *name, size_t len)
{
    for (size_t i = 0; i < cmd->n_opts; i++) {
        const struct opt *o = &cmd->opts[i];

        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static const struct opt *find_letter(const struct opts_cmd *cmd, char letter)
{
    for (size_t i = 0; i < cmd->n_opts; i++)
        if (cmd->opts[i].letter && cmd->opts[i].letter == letter)
            return &cmd->opts[i];
    return NULL;
}

static enum err_code unknown(const struct opts_cmd *cmd, const char *text, struct err *e)
{
    const char *names[64] = {"help"};
    size_t n = 1;
    char name[64] = "";
    const char *near;

    for (size_t i = 0; i < cmd->n_opts && n < ARRAY_LEN(names); i++)
        names[n++] = cmd->opts[i].name;
    for (size_t i = 0; i + 1 < sizeof name && text[i + 2] && text[1] == '-' && text[i + 2] != '='; i++)
        name[i] = text[i + 2];
    near = *name ? opts_nearest(names, n, name) : NULL;
    if (near)
        return err_set(e, ERR_USAGE, "%s: unknown option (did you mean --%s?)", text, near);
    return err_set(e, ERR_USAGE, "%s: unknown option; see saegrid %s --help", text, cmd->name);
}

static void list_add(struct opts_list *l, const char *text)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        l->v = realloc(l->v, l->cap * sizeof *l->v);
        if (!l->v)
            oom_exit("opts");
    }
    l->v[l->n++] = text;
}

static enum err_code store(const struct opt *o, const char *text, struct err *e)
{
    char *end;

    errno = 0;
    switch (o->type) {
    case OPT_TYPE_FLAG:
        *(bool *)o->value = true;
        break;
    case OPT_TYPE_STR:
        *(const char **)o->value = text;
        break;
    case OPT_TYPE_I64:
        *(int64_t *)o->value = strtoll(text, &end, 10);
        if (*end || end == text || errno)
            return err_set(e, ERR_USAGE, "--%s: \"%s\" is not a whole number", o->name, text);
        break;
    case OPT_TYPE_F64:
        *(double *)o->value = strtod(text, &end);
        if (*end || end == text || !isfinite(*(double *)o->value))
            return err_set(e, ERR_USAGE, "--%s: \"%s\" is not a number", o->name, text);
        break;
    case OPT_TYPE_DUR:
        if (!opts_duration(text, o->value))
            return err_set(e, ERR_USAGE, "--%s: \"%s\" is not a time such as 90, 30m, 2h", o->name,
                           text);
        break;
    case OPT_TYPE_LIST:
        list_add(o->value, text);
        break;
    }
    return ERR_OK;
}

struct cursor {
    const struct opts_cmd *cmd;
    int argc, i;
    char **argv;
};

static enum err_code take_value(struct cursor *c, const struct opt *o, const char *attached,
                                struct err *e)
{
    if (attached)
        return store(o, attached, e);
    if (c->i + 1 >= c->argc)
        return err_set(e, ERR_USAGE, "--%s: needs a value (%s)", o->name, o->arg);
    return store(o, c->argv[++c->i], e);
}

static enum err_code parse_long(struct cursor *c, const char *text, struct err *e)
{
    const char *name = text + 2, *eq = strchr(name, '=');
    const struct opt *o = find_long(c->cmd, name, eq ? (size_t)(eq - name) : strlen(name));

    if (!o)
        return unknown(c->cmd, text, e);
    if (o->type != OPT_TYPE_FLAG)
        return take_value(c, o, eq ? eq + 1 : NULL, e);
    if (eq)
        return err_set(e, ERR_USAGE, "--%s: takes no value", o->name);
    return store(o, NULL, e);
}

static enum err_code parse_letters(struct cursor *c, const char *text, struct err *e)
{
    for (const char *p = text + 1; *p; p++) {
        const struct opt *o = find_letter(c->cmd, *p);
        enum err_code rc;

        if (!o)
            return unknown(c->cmd, text, e);
        if (o->type != OPT_TYPE_FLAG)
            return take_value(c, o, p[1] ? p + 1 : NULL, e);
        rc = store(o, NULL, e);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum err_code check_count(const struct opts_cmd *cmd, const struct opts_args *a,
                                 struct err *e)
{
    if (a->n < cmd->min_args)
        return err_set(e, ERR_USAGE, "an argument is missing: saegrid %s %s", cmd->name, cmd->args);
    if (a->n > cmd->max_args)
        return err_set(e, ERR_USAGE, "%s: unexpected argument; usage: saegrid %s %s",
                       a->v[cmd->max_args], cmd->name, cmd->args);
    return ERR_OK;
}

enum err_code opts_parse(const struct opts_cmd *cmd, int argc, char **argv, struct opts_args *out,
                         struct err *e)
{
    struct cursor c = {cmd, argc, 1, argv};
    bool only_args = false;
    enum err_code rc = ERR_OK;

    *out = (struct opts_args){.want_help = wants_help(argc, argv)};
    if (out->want_help)
        return ERR_OK;
    out->v = calloc((size_t)argc + 1, sizeof *out->v);
    if (!out->v)
        return err_set(e, ERR_NOMEM, "arguments: out of memory");
    for (; c.i < argc && !rc; c.i++) {
        const char *text = argv[c.i];

        if (only_args || text[0] != '-' || text[1] == '\0')
            out->v[out->n++] = text;
        else if (strcmp(text, "--") == 0)
            only_args = true;
        else if (text[1] == '-')
            rc = parse_long(&c, text, e);
        else
            rc = parse_letters(&c, text, e);
    }
    if (!rc)
        rc = check_count(cmd, out, e);
    if (rc)
        opts_free(out);
    return rc;
}

void opts_free(struct opts_args *a)
{
    free(a->v);
    *a = (struct opts_args){0};
}

void opts_list_free(struct opts_list *l)
{
    free(l->v);
    *l = (struct opts_list){0};
}

static void help_row(struct buf *out, char letter, const char *name, const char *arg,
                     const char *help)
{
    size_t from = out->len;

    if (letter)
        buf_fmt(out, "  -%c, --%s", letter, name);
    else
        buf_fmt(out, "      --%s", name);
    if (arg)
        buf_fmt(out, " %s", arg);
    if (out->len - from + 2 > HELP_COLUMN)
        buf_fmt(out, "\n%*s%s\n", HELP_COLUMN, "", help);
    else
        buf_fmt(out, "%*s%s\n", HELP_COLUMN - (int)(out->len - from), "", help);
}

void opts_help(const struct opts_cmd *cmd, struct buf *out)
{
    buf_fmt(out, "usage: saegrid %s%s%s%s\n\n%s\n\noptions:\n", cmd->name,
            cmd->n_opts ? " [options]" : "", *cmd->args ? " " : "", cmd->args, cmd->help);
    for (size_t i = 0; i < cmd->n_opts; i++) {
        const struct opt *o = &cmd->opts[i];

        help_row(out, o->letter, o->name, o->type == OPT_TYPE_FLAG ? NULL : o->arg, o->help);
    }
    help_row(out, 'h', "help", NULL, "this text");
}
