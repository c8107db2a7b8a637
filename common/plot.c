/* plot.c - see plot.h.
 *
 * One script with its data inline goes to gnuplot's standard input through an anonymous file, so
 * there is no temporary name, no shell and nothing to clean up.  Texts stand in single quotes,
 * where gnuplot expands nothing; a quote is doubled.
 */
#include "common/plot.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/proc.h"

enum { MESSAGE_MAX = 500 };

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};

/* Path of gnuplot, appended to out; false if the PATH has none. */
static bool find_gnuplot(struct buf *out)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        size_t n = strcspn(path, ":");

        buf_reset(out);
        buf_add(out, path, n);
        buf_str(out, "/gnuplot");
        if (n && access(out->data, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

bool plot_available(void)
{
    struct buf path = {0};
    bool is_there = find_gnuplot(&path);

    buf_free(&path);
    return is_there;
}

static void put_quoted(struct buf *b, const char *text)
{
    buf_char(b, '\'');
    for (; text && *text; text++) {
        if (*text == '\'')
            buf_char(b, '\'');
        buf_char(b, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
    buf_char(b, '\'');
}

static enum err_code put_terminal(struct buf *b, const char *path, struct err *e)
{
    static const struct {
        const char *suffix, *terminal;
    } row[] = {
        {".png", "pngcairo size 900,600 font 'sans,12' noenhanced"},
        {".svg", "svg size 900,600 font 'sans,12' noenhanced"},
        {".pdf", "pdfcairo size 6in,4in font 'sans,11' noenhanced"},
    };
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (n > 4 && strcmp(path + n - 4, row[i].suffix) == 0) {
            buf_fmt(b, "reset\nset terminal %s\n", row[i].terminal);
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "%s: a figure is .png, .svg or .pdf", path);
}

static bool is_shown(const struct plot *p, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!p->log_x || x > 0) && (!p->log_y || y > 0);
}

/* The datablock $d<i> of a line; returns its points. */
static size_t put_data(struct buf *b, const struct plot *p, size_t i)
{
    const struct plot_line *l = &p->lines[i];
    size_t n = 0;

    buf_fmt(b, "$d%zu << EOD\n", i);
    for (size_t k = 0; k < l->n; k++) {
        bool has_band = l->y_low && l->y_high;

        if (!is_shown(p, l->x[k], l->y[k]))
            continue;
        has_band = has_band && is_shown(p, l->x[k], l->y_low[k]) &&
                   is_shown(p, l->x[k], l->y_high[k]);
        buf_f64(b, l->x[k]);
        buf_char(b, ' ');
        buf_f64(b, l->y[k]);
        buf_char(b, ' ');
        buf_f64(b, has_band ? l->y_low[k] : l->y[k]);
        buf_char(b, ' ');
        buf_f64(b, has_band ? l->y_high[k] : l->y[k]);
        buf_char(b, '\n');
        n++;
    }
    buf_str(b, "EOD\n");
    return n;
}

static void put_line(struct buf *b, const struct plot *p, size_t i, bool is_first)
{
    const struct plot_line *l = &p->lines[i];
    const char *colour = colours[i % ARRAY_LEN(colours)];

    buf_str(b, is_first ? "plot " : ", ");
    if (l->y_low && l->y_high && !p->is_bars)
        buf_fmt(b, "$d%zu using 1:3:4 with filledcurves fillcolor rgb '%s' fillstyle transparent "
                   "solid 0.2 noborder notitle, ",
                i, colour);
    buf_fmt(b, "$d%zu using 1:2 with ", i);
    if (p->is_bars)
        buf_fmt(b, "boxes fillstyle solid 0.7 linecolor rgb '%s'", colour);
    else
        buf_fmt(b, "%s linewidth 2 pointtype 7 pointsize 0.6 linecolor rgb '%s'",
                p->points || l->n < 30 ? "linespoints" : "lines", colour);
    if (l->title) {
        buf_str(b, " title ");
        put_quoted(b, l->title);
    } else {
        buf_str(b, " notitle");
    }
}

static void put_frame(struct buf *b, const struct plot *p)
{
    const struct {
        const char *what, *text;
    } label[] = {{"title", p->title}, {"xlabel", p->x_label}, {"ylabel", p->y_label}};

    buf_str(b, "set grid linetype 1 linewidth 0.5 linecolor rgb '#dddddd'\nset border 3\nset tics nomirror\n"
               "set key top right\nset boxwidth 1 relative\n");
    for (size_t i = 0; i < ARRAY_LEN(label); i++) {
        buf_fmt(b, "set %s ", label[i].what);
        put_quoted(b, label[i].text);
        buf_char(b, '\n');
    }
    if (p->log_x)
        buf_str(b, "set logscale x\n");
    if (p->log_y)
        buf_str(b, "set logscale y\n");
    if (p->is_bars && !p->log_y)
        buf_str(b, "set yrange [0:*]\n");
}

static enum err_code put_figure(struct buf *b, const char *path, const struct plot *p,
                                struct err *e)
{
    bool is_first = true;

    if (put_terminal(b, path, e))
        return e->code;
    buf_str(b, "set output ");
    put_quoted(b, path);
    buf_char(b, '\n');
    put_frame(b, p);
    struct buf plot = {0};
    for (size_t i = 0; i < p->n_lines; i++) {
        if (put_data(b, p, i) == 0)
            continue;
        put_line(&plot, p, i, is_first);
        is_first = false;
    }
    if (is_first)
        buf_str(b, "unset logscale\nset xrange [0:1]\nset yrange [0:1]\n"
                   "set label 'no finite points' at 0.5,0.5 center\nplot NaN notitle\n");
    else
        buf_fmt(b, "%s\n", plot.data);
    buf_str(b, "unset output\n");
    buf_free(&plot);
    return ERR_OK;
}

static int anonymous_file(const struct buf *content)
{
    int fd = memfd_create("plot", MFD_CLOEXEC);
    size_t at = 0;

    while (fd >= 0 && content && at < content->len) {
        ssize_t n = write(fd, content->data + at, content->len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static enum err_code gnuplot_failed(int messages, const struct proc_end *end, struct err *e)
{
    char text[MESSAGE_MAX];
    ssize_t n = pread(messages, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' ';
    if (end->signal)
        return err_set(e, ERR_STOPPED, "gnuplot: killed by signal %d: %s", end->signal, text);
    return err_set(e, ERR_IO, "gnuplot: exit code %d: %s", end->exit_code, text);
}

static enum err_code run_gnuplot(const struct buf *script, struct err *e)
{
    struct buf program = {0};
    struct proc proc;
    struct proc_end end;
    enum err_code rc;

    if (!find_gnuplot(&program)) {
        buf_free(&program);
        return err_set(e, ERR_UNAVAILABLE, "gnuplot: not on the PATH");
    }
    int in = anonymous_file(script), messages = anonymous_file(NULL);
    const char *argv[] = {program.data, "--default-settings", "-", NULL};
    struct proc_opts o = {.argv = argv, .stdin_fd = in, .stdout_fd = messages,
                          .stderr_fd = messages, .extra_fd = -1};
    if (in < 0 || messages < 0)
        rc = err_errno(e, errno, "memory for a script of gnuplot");
    else
        rc = proc_spawn(&proc, &o, e);
    if (!rc) {
        proc_wait(&proc, true, &end);
        if (end.signal || end.exit_code)
            rc = gnuplot_failed(messages, &end, e);
    }
    if (in >= 0)
        close(in);
    if (messages >= 0)
        close(messages);
    buf_free(&program);
    return rc;
}

enum err_code plot_write_all(const char *const *paths, const struct plot *plots, size_t n,
                             struct err *e)
{
    struct buf script = {0};
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n && !rc; i++)
        rc = put_figure(&script, paths[i], &plots[i], e);
    if (!rc && n)
        rc = run_gnuplot(&script, e);
    for (size_t i = 0; i < n && !rc; i++)
        if (access(paths[i], R_OK))
            rc = err_errno(e, errno, "gnuplot wrote nothing: %s", paths[i]);
    buf_free(&script);
    return rc;
}

enum err_code plot_write(const char *path, const struct plot *p, struct err *e)
{
    return plot_write_all(&path, p, 1, e);
}
