/* convert.c - see convert.h.  `saegrid export` and `saegrid import` are this program's command with
 * other words around it; the formats live in worker/sae/format*.c.
 */
#include "worker/runner/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"
#include "worker/runner/hf_export.h"
#include "worker/runner/tb_export.h"
#include "worker/runner/wandb_export.h"
#include "worker/sae/format.h"

enum { JOB_FILE_MAX = 64 << 20 };

struct convert {
    const char *from_path, *to_path, *from, *to, *as; /* as: the command named in errors */
    const char *dtype;
    bool is_consumed;        /* FROM is a copy made for this: it goes when all is done */
    struct sae_format_opts o;
};

static void help(void)
{
    printf("usage: saegrid-runner convert FROM TO --to FORMAT [--from FORMAT] [--k N] [--arch ARCH]\n"
           "                      [--approximate]\n"
           "\n"
           "Rewrites a sparse autoencoder from one file format to another.  FROM and TO are files or\n"
           "folders, as the format has it; FORMAT is one of\n"
           "\n");
    for (size_t i = 0; sae_format_at(i); i++)
        printf("  %-20s %s\n", sae_format_at(i)->name, sae_format_at(i)->help);
    printf("  %-20s %s\n", "wandb", "FROM a result folder: an offline run for `wandb sync`, below TO");
    printf("  %-20s %s\n", "tensorboard", "FROM a result folder: its series and metrics as a run below TO");
    printf("  %-20s %s\n", "hf", "FROM a result with a language model: a Hugging Face folder TO");
    printf("\n"
           "--from         default auto: what FROM looks like\n"
           "--k, --arch    what a HUSAI file does not say itself\n"
           "--dtype        of hf: f32, f16 or bf16; default: as the model is\n"
           "--approximate  write the nearest thing where the format cannot say it exactly\n");
}

static int fail(const struct convert *c, const struct err *e)
{
    fprintf(stderr, "saegrid%s%s: %s\n", c->as ? " " : "-runner convert", c->as ? c->as : "", e->text);
    return err_exit_code(e->code);
}

static enum err_code parse_option(struct convert *c, const char *name, const char *value,
                                  struct err *e)
{
    char *end;

    if (!strcmp(name, "--to"))
        c->to = value;
    else if (!strcmp(name, "--from"))
        c->from = value;
    else if (!strcmp(name, "--arch"))
        c->o.arch = value;
    else if (!strcmp(name, "--dtype"))
        c->dtype = value;
    else if (!strcmp(name, "--as"))
        c->as = value;
    else if (!strcmp(name, "--k")) {
        c->o.k = strtoll(value, &end, 10);
        if (*end || c->o.k < 1)
            return err_set(e, ERR_USAGE, "--k: %s is not a positive number", value);
    } else
        return err_set(e, ERR_USAGE, "%s: unknown option", name);
    return ERR_OK;
}

static enum err_code parse(struct convert *c, int argc, char **argv, struct err *e)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--approximate"))
            c->o.is_approximate = true;
        else if (!strcmp(argv[i], "--consume"))
            c->is_consumed = true;
        else if (!strncmp(argv[i], "--", 2)) {
            if (i + 1 == argc)
                return err_set(e, ERR_USAGE, "%s: its value is missing", argv[i]);
            if (parse_option(c, argv[i], argv[i + 1], e))
                return e->code;
            i++;
        } else if (!c->from_path)
            c->from_path = argv[i];
        else if (!c->to_path)
            c->to_path = argv[i];
        else
            return err_set(e, ERR_USAGE, "%s: one argument too many", argv[i]);
    }
    if (!c->to_path || !c->to)
        return err_set(e, ERR_USAGE, "FROM, TO and --to are needed");
    return ERR_OK;
}

/* Takes the text over. */
static void set_name(char out[SAE_NAME_MAX], struct buf *t)
{
    if (t->len < SAE_NAME_MAX)
        memcpy(out, t->data, t->len + 1);
    buf_free(t);
}

/* TransformerLens' name of a hook. */
static void put_hook(char to[SAE_NAME_MAX], int64_t layer, const char *hook)
{
    struct buf name = {0};

    if (!strcmp(hook, "ln2_normalized"))
        buf_fmt(&name, "blocks.%" PRId64 ".ln2.hook_normalized", layer);
    else
        buf_fmt(&name, "blocks.%" PRId64 ".hook_%s", layer, hook);
    set_name(to, &name);
}

/* A result folder of ours knows which activations the SAE is for. */
static void name_origin(struct sae_model *m, const char *dir)
{
    struct json *doc = NULL;
    struct buf path = {0};
    int64_t layer;

    buf_fmt(&path, "%s/" RUN_JOB_FILE, dir);
    if (fs_is_dir(dir) && fs_is_file(path.data) && !json_read(path.data, JOB_FILE_MAX, &doc, NULL)) {
        const struct json *context = json_get(doc, "context");
        const char *hook = context ? json_str(json_get(context, "hook")) : NULL;
        const char *out = context ? json_str(json_get(context, "hook_out")) : NULL;
        const char *task = context ? json_str(json_get(context, "task")) : NULL;

        struct buf name = {0};

        if (hook && json_i64(json_get(context, "layer"), &layer)) {
            put_hook(m->hook, layer, hook);
            if (m->is_transcoder && out && strcmp(out, "none"))
                put_hook(m->hook_out, layer, out);
        }
        if (task) {
            buf_fmt(&name, "saegrid-%s", task);
            set_name(m->model, &name);
        }
    }
    json_free(doc);
    buf_free(&path);
}

/* Not a format of SAEs: the whole result. */
static enum err_code to_tracker(const struct convert *c, struct err *e)
{
    struct buf written = {0};
    enum err_code rc = strcmp(c->to, "wandb") ? tb_export(c->from_path, c->to_path, &written, e)
                                              : wandb_export(c->from_path, c->to_path, &written, e);

    if (!rc)
        printf("%s\n", written.data);
    buf_free(&written);
    return rc;
}

static enum err_code convert(const struct convert *c, struct err *e)
{
    struct sae_model m;

    if (!strcmp(c->to, "wandb") || !strcmp(c->to, "tensorboard"))
        return to_tracker(c, e);
    if (!strcmp(c->to, "hf"))
        return hf_export(c->from_path, c->to_path, c->dtype, e);
    enum err_code rc = sae_format_read(&m, c->from_path, c->from, &c->o, e);

    if (rc)
        return rc;
    if (!*m.hook)
        name_origin(&m, c->from_path);
    rc = sae_format_write(&m, c->to_path, c->to, &c->o, e);
    if (!rc)
        printf("%s: %s, %zu features of %zu dims%s\n", c->to_path, c->to, m.f, m.d,
               c->o.is_approximate ? " (approximate: see docs/interop.md)" : "");
    sae_model_free(&m);
    return rc;
}

int convert_main(int argc, char **argv)
{
    struct convert c = {.from = "auto"};
    struct err e = {0};

    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        help();
        return 0;
    }
    if (parse(&c, argc, argv, &e))
        return fail(&c, &e);
    enum err_code rc = convert(&c, &e);
    if (c.is_consumed && fs_remove_tree(c.from_path, rc ? NULL : &e) && !rc)
        rc = e.code;
    return rc ? fail(&c, &e) : 0;
}
