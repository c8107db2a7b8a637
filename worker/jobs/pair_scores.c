/* pair_scores.c - see pair_scores.h. */
#include "worker/jobs/pair_scores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

enum { FILE_MAX = 1 << 30 };

enum err_code pair_scores_write(const char *path, const char *mode, const struct pairs *p,
                                const double *good, const double *bad, struct err *e)
{
    struct buf out = {0};

    buf_fmt(&out, "# mode %s\nuid,pair,good,bad\n", mode);
    for (size_t i = 0; i < p->n; i++) {
        buf_fmt(&out, "%s,%ld,", p->paradigm[p->pair[i].paradigm].uid, p->pair[i].id);
        buf_f64(&out, good[i]);
        buf_char(&out, ',');
        buf_f64(&out, bad[i]);
        buf_char(&out, '\n');
    }
    enum err_code rc = fs_replace(path, out.data, out.len, e);
    buf_free(&out);
    return rc;
}

/* One row; `uid` of the last row tells where a paradigm begins. */
static bool parse_row(struct pair_scores *s, char *line, struct buf *keys, const char **uid)
{
    char *pair = strchr(line, ','), *good = pair ? strchr(pair + 1, ',') : NULL, *end;

    if (!good)
        return false;
    s->good[s->n] = strtod(good + 1, &end);
    if (*end != ',')
        return false;
    s->bad[s->n] = strtod(end + 1, &end);
    if (*end)
        return false;
    buf_add(keys, line, (size_t)(good - line));
    buf_char(keys, '\n');
    *pair = '\0';
    if (!*uid || strcmp(*uid, line) != 0)
        s->n_groups++;
    *uid = line;
    s->group[s->n++] = s->n_groups - 1;
    return true;
}

static enum err_code parse(struct pair_scores *s, char *text, struct err *e)
{
    size_t n = 1;
    const char *uid = NULL;
    struct buf keys = {0};
    enum err_code rc = ERR_OK;

    for (const char *p = text; *p; p++)
        n += *p == '\n';
    s->good = calloc(n, sizeof *s->good);
    s->bad = calloc(n, sizeof *s->bad);
    s->group = calloc(n, sizeof *s->group);
    if (!s->good || !s->bad || !s->group)
        return err_set(e, ERR_NOMEM, "%zu pairs", n);
    if (sscanf(text, "# mode %15s", s->mode) != 1 || !strtok(text, "\n") || !strtok(NULL, "\n"))
        return err_set(e, ERR_CORRUPT, "its head is missing");
    for (char *line = strtok(NULL, "\n"); line && !rc; line = strtok(NULL, "\n"))
        if (!parse_row(s, line, &keys, &uid))
            rc = err_set(e, ERR_CORRUPT, "pair %zu: not uid,pair,good,bad", s->n + 1);
    if (!rc && s->n == 0)
        rc = err_set(e, ERR_CORRUPT, "no pairs");
    s->keys = buf_steal(&keys);
    return rc;
}

enum err_code pair_scores_read(struct pair_scores *s, const char *dir, struct err *e)
{
    struct buf path = {0}, text = {0};

    *s = (struct pair_scores){0};
    buf_fmt(&path, "%s/" PAIR_SCORES_FILE, dir);
    enum err_code rc = fs_read(path.data, FILE_MAX, &text, e);
    if (!rc && parse(s, text.data ? text.data : (char[1]){0}, e))
        rc = err_wrap(e, "%s", path.data);
    if (rc)
        pair_scores_free(s);
    buf_free(&path);
    buf_free(&text);
    return rc;
}

void pair_scores_free(struct pair_scores *s)
{
    free(s->good);
    free(s->bad);
    free(s->group);
    free(s->keys);
    *s = (struct pair_scores){0};
}
