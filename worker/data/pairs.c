/* pairs.c - see pairs.h. */
#include "worker/data/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/oom.h"
#include "worker/data/text.h"

static void *grown(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 64;
    items = realloc(items, *cap * size);
    if (!items)
        oom_exit("pairs");
    return items;
}

static char *copy(const char *text)
{
    char *c = strdup(text);

    if (!c)
        oom_exit("pairs");
    return c;
}

static const char *one_spelling(const char *field)
{
    return strcmp(field, "syntax/semantics") ? field : "syntax_semantics";
}

/* The paradigm of a pair: the last one, or a new one behind it. */
static enum err_code paradigm_of(struct pairs *p, const char *uid, const char *term,
                                 const char *field, size_t *which, struct err *e)
{
    for (size_t i = p->n_paradigms; i-- > 0;)
        if (!strcmp(p->paradigm[i].uid, uid)) {
            if (i + 1 != p->n_paradigms)
                return err_set(e, ERR_INVALID, "UID %s: its pairs are not together", uid);
            *which = i;
            return ERR_OK;
        }
    p->paradigm = grown(p->paradigm, p->n_paradigms, &p->cap_paradigms, sizeof *p->paradigm);
    *which = p->n_paradigms++;
    p->paradigm[*which] = (struct paradigm){copy(uid), copy(term), copy(one_spelling(field)), p->n, 0};
    return ERR_OK;
}

static enum err_code add(struct pairs *p, const struct json *row, size_t max_each, struct err *e)
{
    static const char *const key[] = {"sentence_good", "sentence_bad", "UID", "linguistics_term", "field"};
    const char *value[ARRAY_LEN(key)];
    int64_t id;
    size_t which = 0;

    for (size_t i = 0; i < ARRAY_LEN(key); i++) {
        value[i] = json_str(json_get(row, key[i]));
        if (!value[i] || !*value[i])
            return err_set(e, ERR_INVALID, "%s: missing, empty or not text", key[i]);
    }
    if (!json_i64(json_get(row, "pairID"), &id))
        return err_set(e, ERR_INVALID, "pairID: missing or not a number");
    if (paradigm_of(p, value[2], value[3], value[4], &which, e))
        return e->code;
    if (max_each && p->paradigm[which].n == max_each)
        return ERR_OK;
    p->pair = grown(p->pair, p->n, &p->cap, sizeof *p->pair);
    p->pair[p->n++] = (struct pair){copy(value[0]), copy(value[1]), (long)id, which,
                                    !strcmp(value[0], value[1])};
    p->paradigm[which].n++;
    return ERR_OK;
}

static enum err_code read_file(struct pairs *p, const char *path, size_t max_each, struct err *e)
{
    struct text_reader r;
    struct text_piece line;
    size_t n_line = 0;
    enum err_code rc = text_open(&r, path, TEXT_LINE, 0, e), end = ERR_OK;

    while (!rc && text_next(&r, &line, &end, e)) {
        struct json *row = NULL;

        n_line++;
        rc = json_parse(line.text, line.n, &row, e);
        if (!rc)
            rc = add(p, row, max_each, e);
        if (rc)
            rc = err_wrap(e, "%s: pair %zu", path, n_line);
        json_free(row);
    }
    text_close(&r);
    return rc ? rc : end;
}

enum err_code pairs_read(struct pairs *p, const char *path, size_t max_each, struct err *e)
{
    struct err own;
    struct text_files f;
    enum err_code rc;

    e = e ? e : &own;
    *p = (struct pairs){0};
    rc = text_list(&f, path, e);
    for (size_t i = 0; i < f.n && !rc; i++)
        rc = read_file(p, f.path[i], max_each, e);
    if (!rc && p->n == 0)
        rc = err_set(e, ERR_INVALID, "%s: no pairs in it", path);
    text_files_free(&f);
    if (rc)
        pairs_free(p);
    return rc;
}

void pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->pair[i].good);
        free(p->pair[i].bad);
    }
    for (size_t i = 0; i < p->n_paradigms; i++) {
        free(p->paradigm[i].uid);
        free(p->paradigm[i].term);
        free(p->paradigm[i].field);
    }
    free(p->pair);
    free(p->paradigm);
    *p = (struct pairs){0};
}
