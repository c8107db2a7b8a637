/* cmd_report.c - saegrid report: one HTML page about a sweep, or about all. */
#include "common/oom.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/html.h"
#include "coordinator/report.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

/* The folder of a path, absolute if it can be found. */
static void folder_of(const char *path, struct buf *out)
{
    char *copy = strdup(path), *real;

    if (!copy)
        oom_exit("cmd_report");
    real = realpath(dirname(copy), NULL);
    free(copy);
    copy = strdup(path);
    if (!copy)
        oom_exit("cmd_report");
    buf_str(out, real ? real : dirname(copy));
    free(real);
    free(copy);
}

/* The URL of the results folder seen from the page. */
static void way_back(const char *page, const char *results, struct buf *url)
{
    struct buf from = {0}, path = {0};
    char *to = realpath(results, NULL);

    folder_of(page, &from);
    fs_relative(&path, from.data, to ? to : results);
    html_url(url, path.data);
    buf_str(url, path.len ? "/" : "");
    free(to);
    buf_free(&from);
    buf_free(&path);
}

struct places {
    const char *results;
    struct buf page, figures;
};

static enum err_code write_page(const struct places *p, const char *sweep, bool with_figures, int64_t figures_max, struct buf *html,
                                struct err *e)
{
    struct buf back = {0}, folder = {0};
    struct query *q = NULL;
    enum err_code rc = query_open(p->results, &q, e);

    if (!rc) { /* before anything is made */
        int64_t id;

        rc = sweep ? query_sweep(q, sweep, &id, e) : ERR_OK;
    }
    folder_of(p->page.data, &folder);
    if (!rc)
        rc = fs_mkdirs(folder.data, e);
    if (!rc) {
        struct report_ask ask = {.sweep = sweep, .figures_max = figures_max, .figures_dir = with_figures ? p->figures.data : NULL};

        way_back(p->page.data, p->results, &back);
        ask.to_results = back.data ? back.data : "";
        rc = report_page(q, &ask, html, e);
    }
    if (!rc)
        rc = fs_replace(p->page.data, html->data, html->len, e);
    query_close(q);
    buf_free(&back);
    buf_free(&folder);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    const char *results = NULL, *out = NULL;
    bool with_figures = false;
    int64_t figures_max = 0;
    const struct opt rows[] = {
        OPT_STR("out", 'o', &out, "FILE", "the page (default RESULTS/reports/SWEEP.html)"),
        OPT_FLAG("figures", 0, &with_figures, "also each figure as PNG, PDF and SVG, in a folder named after the page"),
        OPT_I64("max-figures", 0, &figures_max, "N", "at most N figures a sweep (default 40, of many sweeps 6)"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "report", "SWEEP|all",
        "Write one HTML page about a sweep, or about all of them, from the manifest alone.\n"
        "It needs no network and no other file: question and answer first, then hypotheses, method, tables that sort,\n"
        "figures, failures and negative results, runs, and the definition of every metric on the page.\n"
        "Where there is too much to show, the page says what it left out and which command prints it.",
        rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    struct places p = {0};
    struct buf html = {0}, said = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    const char *sweep = strcmp(args.v[0], "all") == 0 ? NULL : args.v[0];
    p.results = cmd_results(results);
    if (out) {
        buf_str(&p.page, out);
    } else {
        buf_fmt(&p.page, "%s/reports/", p.results);
        html_id(&p.page, args.v[0]);
        buf_str(&p.page, ".html");
    }
    const char *dot = strrchr(p.page.data, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - p.page.data) : p.page.len;
    buf_add(&p.figures, p.page.data, stem);
    buf_str(&p.figures, "_figures");
    if (write_page(&p, sweep, with_figures, figures_max, &html, &e)) {
        rc = cmd_fail("report", &e);
    } else {
        buf_fmt(&said, "%s\n", p.page.data);
        if (with_figures)
            buf_fmt(&said, "%s/\n", p.figures.data);
        rc = cmd_put(&said);
    }
    buf_free(&html);
    buf_free(&p.page);
    buf_free(&p.figures);
    opts_free(&args);
    return rc;
}
