/* cmd_export.c - saegrid export: the SAE of a run in another project's file format. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"
#include "coordinator/run_copy.h"
#include "coordinator/runner_call.h"

#include <string.h>

#include "common/fs.h"

/* The folder of a finished job, by its id or its run name. */
static enum err_code folder_of(const char *results, const char *text, struct buf *out, struct err *e)
{
    struct query *q = NULL;
    struct table t = {0};
    int64_t job;
    enum err_code rc = query_open(results, &q, e);

    if (!rc)
        rc = query_job(q, text, &job, e);
    if (!rc)
        rc = query_table(q, &t, e,
                         "SELECT 'experiments/' || s.name || '/' || j.run_name, j.state, k.name FROM job j"
                         " JOIN sweep s ON s.id = j.sweep JOIN kind k ON k.id = j.kind WHERE j.id = ?1",
                         "i", job);
    if (!rc && strcmp(table_cell(&t, 0, 1)->text, "done") != 0)
        rc = err_set(e, ERR_INVALID, "%s: the job is %s: nothing to export yet", text,
                     table_cell(&t, 0, 1)->text);
    if (!rc)
        buf_fmt(out, "%s/%s", results, table_cell(&t, 0, 0)->text);
    if (!rc && !fs_is_dir(out->data))
        rc = err_set(e, ERR_NOT_FOUND, "%s: its folder is gone; see saegrid check", out->data);
    table_free(&t);
    query_close(q);
    return rc;
}

/* The run's record in the manifest as a folder below `dest`; the runner removes it. */
static enum err_code copy_of(const char *results, const char *run, const char *dest, struct buf *out, struct err *e)
{
    struct query *q = NULL;
    enum err_code rc = query_open(results, &q, e);

    if (!rc)
        rc = run_copy_write(q, run, dest, out, e);
    query_close(q);
    return rc;
}

/* Where the runner reads from. */
static enum err_code source_of(const char *results, const struct opts_args *a, const char *format, bool is_manifest,
                               struct buf *from, struct err *e)
{
    const bool is_tracker = strcmp(format, "wandb") == 0 || strcmp(format, "tensorboard") == 0;

    if (is_manifest && !is_tracker)
        return err_set(e, ERR_USAGE, "--manifest: format %s needs the run's folder: the manifest holds no weights", format);
    if (is_manifest)
        return copy_of(results, a->v[0], a->v[1], from, e);
    if (fs_is_dir(a->v[0]) || fs_is_file(a->v[0])) {
        buf_str(from, a->v[0]);
        return ERR_OK;
    }
    return folder_of(results, a->v[0], from, e);
}

int cmd_export(int argc, char **argv)
{
    const char *results = NULL, *format = "saelens", *dtype = NULL, *args[14];
    bool is_approximate = false, is_manifest = false;
    const struct opt rows[] = {
        OPT_STR("format", 'f', &format, "FORMAT",
                "saelens (default), dictionary_learning, husai, safetensors, saegrid; hf, wandb, tensorboard"),
        OPT_STR("dtype", 0, &dtype, "TYPE", "hf: f32, f16 or bf16; as the model is by default"),
        OPT_FLAG("approximate", 0, &is_approximate,
                 "write the nearest thing where the format cannot say it exactly"),
        OPT_FLAG("manifest", 0, &is_manifest, "wandb, tensorboard: from the manifest alone, not from the run's folder"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "export", "RUN DEST",
        "Write the SAE of a run in a file format of another project.  RUN is the beginning of a job's\n"
        "id or run name, or a path: a result folder or any SAE file that `saegrid import` reads.  DEST is\n"
        "a folder (saelens, dictionary_learning) or a file (husai: .pt, safetensors).  What a format\n"
        "cannot say is refused, never bent; docs/interop.md says what goes where.\n"
        "hf takes a run with a language model (lm_pretrain, lm_import): DEST becomes a Hugging Face folder\n"
        "that transformers loads.\n"
        "wandb takes any finished run: its config, series and metrics become an offline run below DEST,\n"
        "which `wandb sync` uploads.  tensorboard makes an event file from series and metrics.  With --manifest both\n"
        "are made from the manifest alone, whatever became of the run's folder.",
        rows, ARRAY_LEN(rows), 2, 2};
    struct opts_args a;
    struct buf from = {0};
    struct err e = {0};
    size_t n = 0;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &a, &rc))
        return rc;
    if (source_of(cmd_results(results), &a, format, is_manifest, &from, &e)) {
        rc = cmd_fail("export", &e);
        buf_free(&from);
        opts_free(&a);
        return rc;
    }
    args[n++] = "convert";
    args[n++] = from.data;
    args[n++] = a.v[1];
    args[n++] = "--to";
    args[n++] = format;
    args[n++] = "--as";
    args[n++] = "export";
    if (is_manifest)
        args[n++] = "--consume";
    if (is_approximate)
        args[n++] = "--approximate";
    if (dtype) {
        args[n++] = "--dtype";
        args[n++] = dtype;
    }
    args[n] = NULL;
    rc = runner_become("export", args);
    buf_free(&from);
    opts_free(&a);
    return rc;
}
