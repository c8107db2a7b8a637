/* infer.c - `saegrid-runner infer`: what an SAE of any readable format makes of given rows. */
#include <stdio.h>
#include <string.h>

#include "worker/nn/pt.h"
#include "worker/runner/convert.h"
#include "worker/sae/format.h"

static const char help[] =
    "usage: saegrid-runner infer SAE ROWS.pt OUT.pt [--from FORMAT]\n"
    "\n"
    "Runs the rows of ROWS.pt, a bare float32 tensor [n, d_model], through an SAE of any format that\n"
    "`convert` reads.  OUT.pt gets acts [n, d_sae] and x_hat [n, d_model]\n"
    "(of a transcoder: its other hook's width).\n";

/* The rows of a file: one bare float32 tensor of the SAE's width. */
static enum err_code rows_of(struct pt_file *f, const char *path, size_t d, size_t *n, struct err *e)
{
    const struct pt_tensor *t;

    if (pt_open(f, path, e))
        return e->code;
    t = pt_find(f, "");
    if (!t || t->dtype != PT_F32 || t->n_dims != 2 || (size_t)t->shape[1] != d || t->shape[0] < 1) {
        pt_close(f);
        return err_set(e, ERR_INVALID, "%s: not one float32 tensor [n, %zu]", path, d);
    }
    *n = (size_t)t->shape[0];
    return ERR_OK;
}

static enum err_code through(const struct sae_model *m, const float *x, size_t n, const char *out,
                             struct err *e)
{
    size_t at_once = sae_infer_rows(m, n);
    struct arena a;
    struct sae_infer w;

    if (arena_open(&a, "infer", sae_infer_bytes(m, at_once) + arena_need(n * m->f, sizeof(float)) +
                                arena_need(n * m->o, sizeof(float)), e))
        return e->code;
    sae_infer_new(&w, m, at_once, &a);
    float *acts = arena_new(&a, float, n * m->f), *xhat = arena_new(&a, float, n * m->o);
    enum err_code rc = ERR_OK;
    for (size_t at = 0; at < n && !rc; at += at_once) {
        size_t take = n - at < at_once ? n - at : at_once;

        if (!sae_infer_run(&w, x + at * m->d, take))
            rc = err_set(e, ERR_INVALID, "rows from %zu on: a pre-activation is not finite", at);
        for (size_t i = 0; i < take * m->f && !rc; i++)
            acts[at * m->f + i] = (float)w.a[i];
        for (size_t i = 0; i < take * m->o && !rc; i++)
            xhat[at * m->o + i] = (float)w.xhat[i];
    }
    const struct pt_tensor t[] = {
        {"acts", PT_F32, 2, {(int64_t)n, (int64_t)m->f}, acts},
        {"x_hat", PT_F32, 2, {(int64_t)n, (int64_t)m->o}, xhat},
    };
    if (!rc)
        rc = pt_write(out, t, ARRAY_LEN(t), NULL, 0, e);
    arena_close(&a);
    return rc;
}

static enum err_code infer(char **paths, const char *from, struct err *e)
{
    const struct sae_format_opts o = {0};
    struct sae_model m;
    struct pt_file rows;
    size_t n = 0;
    enum err_code rc = sae_format_read(&m, paths[0], from, &o, e);

    if (rc)
        return rc;
    rc = rows_of(&rows, paths[1], m.d, &n, e);
    if (!rc) {
        rc = through(&m, pt_find(&rows, "")->data, n, paths[2], e);
        pt_close(&rows);
    }
    sae_model_free(&m);
    return rc;
}

int infer_main(int argc, char **argv)
{
    bool has_from = argc == 6 && !strcmp(argv[4], "--from");
    struct err e = {0};

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(help, stdout);
        return 0;
    }
    if (argc != 4 && !has_from) {
        fputs(help, stderr);
        return err_exit_code(ERR_USAGE);
    }
    if (infer(argv + 1, has_from ? argv[5] : "auto", &e)) {
        fprintf(stderr, "saegrid-runner infer: %s\n", e.text);
        return err_exit_code(e.code);
    }
    return 0;
}
