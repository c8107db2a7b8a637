/* cmd_kinds.c - `saegrid kinds`: what a stage can be, from the rows that check it. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/kinds/kind.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"

static const char *form_text(enum input_form f)
{
    static const char *const texts[] = {
        [INPUT_ONE] = "one job",
        [INPUT_OPT] = "one job, optional",
        [INPUT_MANY] = "gathered with over:",
        [INPUT_MANY_OPT] = "gathered with over:, optional",
    };

    return texts[f];
}

/* "[1, 4096]", "" if unbounded, the choices of a choice. */
static void add_allowed(struct buf *out, const struct cfg_field *f)
{
    if (f->type == CFG_ENUM) {
        buf_str(out, f->unit);
    } else if (f->min != 0 || f->max != 0) {
        buf_char(out, '[');
        buf_f64(out, f->min);
        buf_str(out, ", ");
        if (f->max >= 0x1p62)
            buf_str(out, "...");
        else
            buf_f64(out, f->max);
        buf_char(out, ']');
    }
}

static void text_fields(struct buf *out, const struct cfg_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cfg_field *f = &fields[i];
        struct buf allowed = {0};

        add_allowed(&allowed, f);
        buf_fmt(out, "  %-16s %-8s default %-9s %s%s%s\n", f->name, cfg_type_name(f->type),
                *f->deflt ? f->deflt : "\"\"", allowed.data ? allowed.data : "",
                f->type != CFG_ENUM && *f->unit ? " " : "", f->type != CFG_ENUM ? f->unit : "");
        buf_fmt(out, "  %-16s %s\n", "", f->help);
        buf_free(&allowed);
    }
}

static void text_kind(struct buf *out, const struct job_kind *k)
{
    buf_fmt(out, "%s (version %d): %s\n", k->name, k->version, k->help);
    if (k->n_inputs)
        buf_str(out, "\ninputs\n");
    for (size_t i = 0; i < k->n_inputs; i++)
        buf_fmt(out, "  %-16s %s: %s\n  %-16s %s\n", k->inputs[i].name, k->inputs[i].kinds,
                form_text(k->inputs[i].form), "", k->inputs[i].help);
    buf_str(out, "\nknobs\n");
    text_fields(out, k->fields, k->n_fields);
    buf_str(out, "\nknobs of every job (threads and isa are part of its id)\n");
    text_fields(out, job_fields, job_fields_n);
    buf_str(out, "\nmetrics it always reports\n");
    for (const char *const *m = k->metrics; m && *m; m++) {
        const struct metric_row *row = metric_find(*m);

        buf_fmt(out, "  %-16s %s\n", *m, row ? row->help : "");
    }
    if (!k->metrics || !*k->metrics)
        buf_str(out, "  none\n");
}

static void text_list(struct buf *out)
{
    for (size_t i = 0; i < kind_count(); i++)
        buf_fmt(out, "%-14s %s\n", kind_at(i)->name, kind_at(i)->help);
    buf_str(out, "\nsaegrid kinds KIND shows knobs, inputs and metrics.\n");
}

static void json_field(struct jsonw *w, const struct cfg_field *f)
{
    struct buf canon = {0}, value = {0};

    jw_open(w, '{');
    jw_key(w, "name");
    jw_str(w, f->name);
    jw_key(w, "type");
    jw_str(w, cfg_type_name(f->type));
    jw_key(w, "default");
    if (cfg_canon(f, f->deflt, &canon, NULL) == ERR_OK)
        cfg_json_value(f, canon.data, &value);
    jw_raw(w, value.data ? value.data : "null");
    if (f->type != CFG_ENUM && (f->min != 0 || f->max != 0)) {
        jw_key(w, "min");
        jw_f64(w, f->min);
        jw_key(w, "max");
        jw_f64(w, f->max);
    }
    jw_key(w, f->type == CFG_ENUM ? "choices" : "unit");
    jw_str(w, f->unit);
    jw_key(w, "help");
    jw_str(w, f->help);
    jw_close(w, '}');
    buf_free(&canon);
    buf_free(&value);
}

static void json_inputs(struct jsonw *w, const struct job_kind *k)
{
    jw_key(w, "inputs");
    jw_open(w, '[');
    for (size_t i = 0; i < k->n_inputs; i++) {
        const struct kind_input *in = &k->inputs[i];

        jw_open(w, '{');
        jw_key(w, "name");
        jw_str(w, in->name);
        jw_key(w, "kinds");
        jw_str(w, in->kinds);
        jw_key(w, "required");
        jw_bool(w, in->form == INPUT_ONE || in->form == INPUT_MANY);
        jw_key(w, "gathered");
        jw_bool(w, in->form == INPUT_MANY || in->form == INPUT_MANY_OPT);
        jw_key(w, "like");
        jw_bool(w, in->is_like);
        jw_key(w, "help");
        jw_str(w, in->help);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void json_kind(struct jsonw *w, const struct job_kind *k)
{
    jw_open(w, '{');
    jw_key(w, "kind");
    jw_str(w, k->name);
    jw_key(w, "version");
    jw_i64(w, k->version);
    jw_key(w, "help");
    jw_str(w, k->help);
    json_inputs(w, k);
    jw_key(w, "knobs");
    jw_open(w, '[');
    for (size_t i = 0; i < k->n_fields; i++)
        json_field(w, &k->fields[i]);
    jw_close(w, ']');
    jw_key(w, "common");
    jw_open(w, '[');
    for (size_t i = 0; i < job_fields_n; i++)
        json_field(w, &job_fields[i]);
    jw_close(w, ']');
    jw_key(w, "metrics");
    jw_open(w, '[');
    for (const char *const *m = k->metrics; m && *m; m++)
        jw_str(w, *m);
    jw_close(w, ']');
    jw_close(w, '}');
}

static void write_json(struct buf *out, const struct job_kind *only)
{
    struct jsonw w;

    jw_init(&w, out, true);
    if (only) {
        json_kind(&w, only);
    } else {
        jw_open(&w, '[');
        for (size_t i = 0; i < kind_count(); i++)
            json_kind(&w, kind_at(i));
        jw_close(&w, ']');
    }
    buf_char(out, '\n');
}

static enum err_code find(const char *name, const struct job_kind **out, struct err *e)
{
    const char *names[64] = {NULL};
    const char *near;

    *out = kind_find(name);
    if (*out)
        return ERR_OK;
    for (size_t i = 0; i < kind_count() && i < 63; i++)
        names[i] = kind_at(i)->name;
    near = cfg_nearest(NULL, 0, names, name);
    return err_set(e, ERR_NOT_FOUND, "there is no kind %s%s%s%s", name,
                   near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int cmd_kinds(int argc, char **argv)
{
    bool json = false;
    const struct opt rows[] = {OPT_JSON(&json)};
    const struct opts_cmd cmd = {"kinds",
                                 "[KIND]",
                                 "List the kinds of jobs, or one kind's knobs, inputs and metrics.",
                                 rows,
                                 ARRAY_LEN(rows),
                                 0,
                                 1};
    const struct job_kind *only = NULL;
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    if (args.n && find(args.v[0], &only, &e)) {
        opts_free(&args);
        return cmd_fail("kinds", &e);
    }
    opts_free(&args);
    if (json)
        write_json(&out, only);
    else if (only)
        text_kind(&out, only);
    else
        text_list(&out);
    return cmd_put(&out);
}
