/* cmd_import.c - saegrid import: an SAE of another project as a checkpoint of ours. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/runner_call.h"

int cmd_import(int argc, char **argv)
{
    const char *format = "auto", *k = NULL, *arch = NULL, *args[16];
    const struct opt rows[] = {
        OPT_STR("format", 'f', &format, "FORMAT",
                "auto (default), saelens, dictionary_learning, husai, safetensors, saegrid"),
        OPT_STR("k", 'k', &k, "N", "active features, where a HUSAI file does not say"),
        OPT_STR("arch", 0, &arch, "ARCH", "topk or relu, where a HUSAI file does not say"),
    };
    const struct opts_cmd cmd = {
        "import", "PATH DEST.pt",
        "Read an SAE from a file or folder of another project, check it, and write it as a checkpoint of\n"
        "ours, which torch.load(weights_only=True) opens as well.  To use one in a sweep no import is\n"
        "needed: a stage of kind sae_import takes the same path, with its digest in the job's id.",
        rows, ARRAY_LEN(rows), 2, 2};
    struct opts_args a;
    size_t n = 0;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &a, &rc))
        return rc;
    args[n++] = "convert";
    args[n++] = a.v[0];
    args[n++] = a.v[1];
    args[n++] = "--to";
    args[n++] = "saegrid";
    args[n++] = "--from";
    args[n++] = format;
    args[n++] = "--as";
    args[n++] = "import";
    if (k)
        args[n++] = "--k", args[n++] = k;
    if (arch)
        args[n++] = "--arch", args[n++] = arch;
    args[n] = NULL;
    rc = runner_become("import", args);
    opts_free(&a);
    return rc;
}
