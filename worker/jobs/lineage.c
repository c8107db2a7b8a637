/* lineage.c - see lineage.h. */
#include "worker/jobs/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/rundir.h"

enum { DEPTH_MAX = 16, FILE_MAX = 1 << 22 };

static const char *const seeded[] = {"lm_cpt", "sae_train"};          /* kinds whose seed counts */
static const char *const followed[] = {"model", "acts", "sae"};       /* the first that is there */

static bool is_seeded(const char *kind)
{
    for (size_t i = 0; kind && i < ARRAY_LEN(seeded); i++)
        if (strcmp(kind, seeded[i]) == 0)
            return true;
    return false;
}

static int64_t seed_of(const struct json *doc, const char *kind)
{
    const struct job_kind *k = kind_find(kind);
    const struct cfg_field *f = cfg_find(k->fields, k->n_fields, "seed");
    int64_t seed;

    return json_i64(json_get(json_get(doc, "knobs"), "seed"), &seed) ? seed : strtoll(f->deflt, NULL, 10);
}

/* Path, below the results, of the ancestor that the chain goes on with; NULL at its end. */
static const char *next_of(const struct json *doc)
{
    for (size_t i = 0; i < ARRAY_LEN(followed); i++)
        for (const struct json *in = json_first(json_get(doc, "inputs")); in; in = json_next(in)) {
            const char *name = json_str(json_get(in, "name"));

            if (name && strcmp(name, followed[i]) == 0)
                return json_str(json_get(in, "path"));
        }
    return NULL;
}

static void put_before(struct buf *out, int64_t seed)
{
    struct buf all = {0};

    buf_fmt(&all, "%lld%s%s", (long long)seed, out->len ? "/" : "", out->len ? out->data : "");
    buf_reset(out);
    buf_str(out, all.data);
    buf_free(&all);
}

/* One ancestor: its seed, if it counts, and the folder of the next, "" at the end. */
static enum err_code visit(struct buf *out, struct buf *dir, const struct job *j, struct err *e)
{
    struct buf path = {0};
    struct json *doc;
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/" RUN_JOB_FILE, dir->data);
    buf_reset(dir);
    buf_str(dir, "");
    if (fs_is_file(path.data) && (rc = json_read(path.data, FILE_MAX, &doc, e)) == ERR_OK) {
        const char *kind = json_str(json_get(doc, "kind")), *next = next_of(doc);

        if (is_seeded(kind))
            put_before(out, seed_of(doc, kind));
        if (next)
            buf_fmt(dir, "%s/%s", j->results, next);
        json_free(doc);
    }
    buf_free(&path);
    return rc;
}

enum err_code lineage_seed(struct buf *out, const struct job *j, const struct job_input *in, struct err *e)
{
    struct buf dir = {0}, seed = {0};
    enum err_code rc = ERR_OK;

    buf_str(&dir, in->dir);
    for (int depth = 0; depth < DEPTH_MAX && *dir.data && !rc; depth++)
        rc = visit(&seed, &dir, j, e);
    buf_str(out, seed.len ? seed.data : "");
    buf_free(&seed);
    buf_free(&dir);
    return rc;
}

/* --- partners ----------------------------------------------------------------------------------- */

static enum err_code seeds_of(char **seed, size_t n, const struct job *j, const char *input, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct buf text = {0};

        if (lineage_seed(&text, j, job_input_at(j, input, i), e))
            return err_wrap(e, "%s: %zu", input, i);
        seed[i] = buf_steal(&text);
        for (size_t k = 0; k < i; k++)
            if (*seed[i] && strcmp(seed[i], seed[k]) == 0)
                return err_set(e, ERR_INVALID, "%s: two results of seed %s: one of each seed is compared",
                               input, seed[i]);
    }
    return ERR_OK;
}

static enum err_code match(struct lineage *l, char *const *other, const char *a, const char *b, struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t k = 0;

        if ((!*l->seed[i] && !*other[i]) || (l->n == 1 && (!*l->seed[i] || !*other[i]))) {
            l->partner[i] = i;
            continue;
        }
        while (k < l->n && strcmp(l->seed[i], other[k]) != 0)
            k++;
        if (k == l->n)
            return err_set(e, ERR_INVALID, "%s: seed %s has no partner in %s: pairs of equal seeds are compared",
                           a, *l->seed[i] ? l->seed[i] : "(unknown)", b);
        l->partner[i] = k;
    }
    return ERR_OK;
}

enum err_code lineage_pair(struct lineage *l, const struct job *j, const char *a, const char *b, struct err *e)
{
    enum err_code rc;
    char **other;

    *l = (struct lineage){0};
    while (job_input_at(j, a, l->n) && job_input_at(j, b, l->n))
        l->n++;
    if (job_input_at(j, a, l->n) || job_input_at(j, b, l->n))
        return err_set(e, ERR_INVALID, "%s: not as many as in %s: pairs of equal seeds are compared", a, b);
    l->partner = calloc(l->n + 1, sizeof *l->partner);
    l->seed = calloc(l->n + 1, sizeof *l->seed);
    other = calloc(l->n + 1, sizeof *other);
    rc = l->partner && l->seed && other ? ERR_OK : err_set(e, ERR_NOMEM, "%s: %zu results: out of memory", a, l->n);
    if (!rc)
        rc = seeds_of(l->seed, l->n, j, a, e);
    if (!rc)
        rc = seeds_of(other, l->n, j, b, e);
    if (!rc)
        rc = match(l, other, a, b, e);
    for (size_t i = 0; other && i < l->n; i++)
        free(other[i]);
    free(other);
    if (rc)
        lineage_free(l);
    return rc;
}

void lineage_free(struct lineage *l)
{
    for (size_t i = 0; l->seed && i < l->n; i++)
        free(l->seed[i]);
    free(l->seed);
    free(l->partner);
    *l = (struct lineage){0};
}
