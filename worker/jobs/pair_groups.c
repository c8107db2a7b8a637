/* pair_groups.c - see pair_groups.h. */
#include "worker/jobs/pair_groups.h"

#include <stdlib.h>
#include <string.h>

static const char *table_of(const struct job_input *in)
{
    for (const struct json *b = json_first(json_get(in->result, "blobs")); b; b = json_next(b)) {
        const char *name = json_str(json_get(b, "name"));

        if (name && strcmp(name, "paradigms") == 0)
            return json_str(json_get(b, "text"));
    }
    return NULL;
}

static char *copy_of(const char *text)
{
    char *c = strdup(text);

    if (!c)
        abort(); /* as buf does */
    return c;
}

static void kinds_add(struct pair_kinds *k, size_t group, const char *name)
{
    size_t i = 0;

    while (i < k->n && strcmp(k->name[i], name) != 0)
        i++;
    k->of[group] = i;
    if (i == k->n)
        k->name[k->n++] = copy_of(name);
}

/* Row "uid,term,field,..." of the paradigm that comes next in the scores, at its key "uid,pair". */
static bool add_row(struct pair_groups *g, size_t group, char *row, const char *key)
{
    char *term = strchr(row, ','), *field = term ? strchr(term + 1, ',') : NULL;
    char *end = field ? strchr(field + 1, ',') : NULL;

    if (!end)
        return false;
    *term = *field = *end = '\0';
    if (strncmp(key, row, strlen(row)) != 0 || key[strlen(row)] != ',')
        return false;
    kinds_add(&g->terms, group, term + 1);
    kinds_add(&g->fields, group, field + 1);
    return true;
}

static enum err_code read_rows(struct pair_groups *g, char *text, const struct pair_scores *s, struct err *e)
{
    const char *key = s->keys;
    char *save, *row = strtok_r(text, "\n", &save);

    for (size_t i = 0, group = 0; i < s->n; i++, key = strchr(key, '\n') + 1) {
        if (i > 0 && s->group[i] == s->group[i - 1])
            continue;
        row = strtok_r(NULL, "\n", &save);
        if (!row || !add_row(g, group++, row, key))
            return err_set(e, ERR_CORRUPT, "pairs: its table of paradigms is not that of its scores, from %s on",
                           row ? row : "its end");
    }
    return ERR_OK;
}

enum err_code pair_groups_read(struct pair_groups *g, const struct job_input *in, const struct pair_scores *s,
                               struct err *e)
{
    const char *table = table_of(in);

    *g = (struct pair_groups){0};
    if (!table)
        return err_set(e, ERR_CORRUPT, "pairs: its result has no table of paradigms");
    struct pair_kinds *const both[] = {&g->fields, &g->terms};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        both[i]->name = calloc(s->n_groups, sizeof *both[i]->name);
        both[i]->of = calloc(s->n_groups, sizeof *both[i]->of);
        if (!both[i]->name || !both[i]->of)
            return err_set(e, ERR_NOMEM, "%zu paradigms", s->n_groups);
    }
    char *text = copy_of(table);
    enum err_code rc = read_rows(g, text, s, e);
    free(text);
    return rc;
}

void pair_groups_free(struct pair_groups *g)
{
    struct pair_kinds *const both[] = {&g->fields, &g->terms};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        for (size_t k = 0; k < both[i]->n; k++)
            free(both[i]->name[k]);
        free(both[i]->name);
        free(both[i]->of);
    }
    *g = (struct pair_groups){0};
}
