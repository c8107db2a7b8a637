/* acts_pair.c - see acts_pair.h. */
#include "worker/jobs/acts_pair.h"

#include <string.h>

#include "common/fs.h"

enum { META_MAX = 1 << 20 };

/* What makes two rows of one number belong to one example: all but the hook and the block. */
static const char *const same[] = {"model", "task", "modulus", "position", "data_fraction", "surrogate", "seed"};

static struct json *meta_of(const char *dir)
{
    struct json *doc = NULL;
    struct buf path = {0};

    buf_fmt(&path, "%s/acts.meta.json", dir);
    if (fs_is_file(path.data) && json_read(path.data, META_MAX, &doc, NULL))
        doc = NULL;
    buf_free(&path);
    return doc;
}

static bool is_equal(const struct json *a, const struct json *b)
{
    const char *s = json_str(a), *t = json_str(b);
    double x, y;

    if (s || t)
        return s && t && !strcmp(s, t);
    return json_f64(a, &x) == json_f64(b, &y) && (!json_f64(a, &x) || x == y);
}

static enum err_code check_rows(const struct acts_pair *p, const char *x_dir, const char *y_dir,
                                struct err *e)
{
    struct json *a = meta_of(x_dir), *b = meta_of(y_dir);
    enum err_code rc = ERR_OK;

    if (p->y.n != p->x.n)
        rc = err_set(e, ERR_INVALID, "target: %zu rows, acts has %zu", p->y.n, p->x.n);
    for (size_t i = 0; a && b && !rc && i < ARRAY_LEN(same); i++)
        if (!is_equal(json_get(a, same[i]), json_get(b, same[i])))
            rc = err_set(e, ERR_INVALID,
                         "target: its rows are of another %s than those of acts: row by row they do "
                         "not belong together", same[i]);
    json_free(a);
    json_free(b);
    return rc;
}

/* The second matrix, if there is to be one. */
static enum err_code open_second(struct acts_pair *p, const struct job *j, bool is_wanted,
                                 struct err *e)
{
    const struct job_input *x = job_input(j, "acts"), *y = job_input(j, "target");
    struct buf beside = {0};
    enum err_code rc;
    bool has_beside;

    if (!y && !is_wanted)
        return ERR_OK;
    if (y) {
        rc = acts_open(&p->y, y->dir, e);
    } else {
        buf_fmt(&beside, "%s/" ACTS_OUT_FILE, x->dir);
        has_beside = fs_is_file(beside.data);
        buf_free(&beside);
        if (!has_beside)
            return err_set(e, ERR_INVALID,
                           "target: the rows of a second hook are needed: `hook_out` of acts_extract, "
                           "or an input `target`");
        rc = acts_open_file(&p->y, x->dir, ACTS_OUT_FILE, e);
    }
    p->has_y = !rc;
    if (!rc)
        rc = check_rows(p, x->dir, y ? y->dir : x->dir, e);
    else
        err_wrap(e, "target");
    return rc;
}

enum err_code acts_pair_open(struct acts_pair *p, const struct job *j, bool is_wanted, struct err *e)
{
    const struct job_input *in = job_input(j, "acts");
    enum err_code rc;

    *p = (struct acts_pair){0};
    if (!in)
        return err_set(e, ERR_INVALID, "acts: input is missing");
    if (acts_open(&p->x, in->dir, e))
        return err_wrap(e, "acts");
    p->y = p->x;
    rc = open_second(p, j, is_wanted, e);
    if (rc)
        acts_pair_close(p);
    return rc;
}

void acts_pair_close(struct acts_pair *p)
{
    if (p->has_y)
        acts_close(&p->y);
    acts_close(&p->x);
    p->has_y = false;
}
