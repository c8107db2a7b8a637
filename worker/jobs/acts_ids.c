/* acts_ids.c - see acts_ids.h. */
#include "worker/jobs/acts_ids.h"

#include <string.h>

#include "common/arena.h"
#include "worker/jobs/acts_neox.h"
#include "worker/jobs/neox_feed.h"

enum { META_MAX = 1 << 20 };

static enum err_code read_meta(struct json **meta, const struct job_input *acts, struct err *e)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/acts.meta.json", acts->dir);
    enum err_code rc = json_read(path.data, META_MAX, meta, e);
    buf_free(&path);
    return rc;
}

static enum err_code check(const struct json *meta, struct err *e)
{
    const char *surrogate = json_str(json_get(meta, "surrogate"));
    double share = 0;

    if (!json_get(meta, "context") || !json_get(meta, "split"))
        return err_set(e, ERR_INVALID, "acts: not rows of text: they belong to no token");
    if (!surrogate || strcmp(surrogate, "none") != 0)
        return err_set(e, ERR_INVALID, "acts: control rows (surrogate %s): they belong to no token", surrogate ? surrogate : "?");
    if (!json_f64(json_get(meta, "data_fraction"), &share) || share != 1)
        return err_set(e, ERR_INVALID, "acts: data_fraction has to be 1");
    return ERR_OK;
}

enum err_code acts_ids_place(struct buf *out, const struct job_input *acts, struct err *e)
{
    static const char *const texts[] = {"data", "split", "position"}, *const numbers[] = {"context", "seed"};
    struct json *meta;
    enum err_code rc = read_meta(&meta, acts, e);

    if (rc)
        return rc;
    rc = check(meta, e);
    for (size_t i = 0; !rc && i < ARRAY_LEN(texts); i++) {
        const char *value = json_str(json_get(meta, texts[i]));

        buf_fmt(out, "%s %s, ", texts[i], value ? value : "?");
    }
    for (size_t i = 0; !rc && i < ARRAY_LEN(numbers); i++) {
        int64_t value = -1;

        (void)json_i64(json_get(meta, numbers[i]), &value);
        buf_fmt(out, "%s %lld, ", numbers[i], (long long)value);
    }
    bool is_skipped = false;
    (void)json_bool(json_get(meta, "skip_bos"), &is_skipped);
    buf_fmt(out, "skip_bos %d", is_skipped);
    json_free(meta);
    return rc;
}

/* Ids of the feed's sequences in its order, those that the extraction reads. */
static size_t walk(uint32_t *id, size_t n, struct neox_feed *f, const char *position, bool skip_bos)
{
    size_t done = 0;

    for (uint64_t p = 0; p < f->n_seq && done < n; p++) {
        const size_t sequence = neox_feed_sequence(f, p), len = neox_feed_len(f, p);
        const size_t from = f->line ? (size_t)f->t.token_at[f->line[sequence]] : sequence * f->context;

        for (size_t t = 0; t < len && done < n; t++)
            if (acts_neox_reads(position, skip_bos, t, len))
                id[done++] = tokens_get(&f->t, from + t);
    }
    return done;
}

static enum err_code read_feed(uint32_t *id, size_t n, struct neox_feed *f, const struct json *meta, struct err *e)
{
    const char *position = json_str(json_get(meta, "position"));
    bool skip_bos = false;
    int64_t seed = 0;
    struct arena a;

    (void)json_bool(json_get(meta, "skip_bos"), &skip_bos);
    (void)json_i64(json_get(meta, "seed"), &seed);
    if (arena_open(&a, "ids of rows", neox_feed_bytes(f, true), e))
        return e->code;
    neox_feed_init(f, true, (uint64_t)seed, &a);
    const size_t done = walk(id, n, f, position ? position : "", skip_bos);
    arena_close(&a);
    return done == n ? ERR_OK
                     : err_set(e, ERR_INVALID, "acts: %zu rows, but the ids have %zu places: another `data`?", n, done);
}

enum err_code acts_ids_read(uint32_t *id, size_t n, const struct job_input *acts, const char *data_dir,
                            struct err *e)
{
    struct json *meta;
    struct neox_feed f;
    int64_t context = 0;
    enum err_code rc = read_meta(&meta, acts, e);

    if (rc)
        return rc;
    rc = check(meta, e);
    if (!rc && (!json_i64(json_get(meta, "context"), &context) || context < 1))
        rc = err_set(e, ERR_CORRUPT, "acts: acts.meta.json: context: no number");
    if (!rc && (rc = neox_feed_open(&f, data_dir, json_str(json_get(meta, "split")), (size_t)context, 0, true, e)) == ERR_OK) {
        rc = read_feed(id, n, &f, meta, e);
        neox_feed_close(&f);
    }
    json_free(meta);
    return rc;
}
