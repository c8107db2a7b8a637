/* degrade.c - see degrade.h. */
#include "worker/eval/degrade.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void degrade_text(struct buf *out, const struct degrade_curve *c)
{
    buf_str(out, DEGRADE_HEADER "\n");
    for (size_t i = 0; i < c->n; i++) {
        buf_fmt(out, "%" PRId64 ",", c->point[i].k);
        buf_f64(out, c->point[i].ppl);
        buf_char(out, ',');
        buf_f64(out, c->point[i].pct);
        buf_char(out, '\n');
    }
}

/* "k,ppl,pct\n" at *text, which moves behind it. */
static bool parse_line(struct degrade_point *p, const char **text)
{
    char *end;

    p->k = strtoll(*text, &end, 10);
    if (end == *text || *end != ',')
        return false;
    *text = end + 1;
    p->ppl = strtod(*text, &end);
    if (end == *text || *end != ',')
        return false;
    *text = end + 1;
    p->pct = strtod(*text, &end);
    if (end == *text || *end != '\n')
        return false;
    *text = end + 1;
    return isfinite(p->ppl) && isfinite(p->pct);
}

enum err_code degrade_parse(struct degrade_curve *c, const char *text, struct err *e)
{
    const size_t head = strlen(DEGRADE_HEADER "\n");

    c->n = 0;
    if (strncmp(text, DEGRADE_HEADER "\n", head) != 0)
        return err_set(e, ERR_CORRUPT, "degradation curve: no header " DEGRADE_HEADER);
    for (text += head; *text; c->n++) {
        if (c->n == DEGRADE_POINTS_MAX)
            return err_set(e, ERR_INVALID, "degradation curve: more than %d points", DEGRADE_POINTS_MAX);
        if (!parse_line(&c->point[c->n], &text))
            return err_set(e, ERR_CORRUPT, "degradation curve: point %zu: not three finite numbers", c->n);
        if (c->n && c->point[c->n].k <= c->point[c->n - 1].k)
            return err_set(e, ERR_CORRUPT, "degradation curve: point %zu: k does not rise", c->n);
    }
    return ERR_OK;
}

bool degrade_pick(const struct degrade_curve *c, double max_pct, bool is_safe, int64_t *k)
{
    bool is_found = false;

    for (size_t i = c->n; i-- > 0;) {
        const bool passes = c->point[i].pct < max_pct;

        if (passes) {
            *k = c->point[i].k;
            is_found = true;
        } else if (is_safe) {
            break;
        }
    }
    return is_found;
}

bool degrade_is_monotone(const struct degrade_curve *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->point[i].pct > c->point[i - 1].pct)
            return false;
    return true;
}
