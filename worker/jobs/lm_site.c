/* lm_site.c - see lm_site.h. */
#include "worker/jobs/lm_site.h"

#include <inttypes.h>
#include <string.h>

#include "worker/sae/format.h"

static enum err_code find_layer(size_t *layer, const struct job *j, const struct neox_cfg *c,
                                struct err *e)
{
    const char *hook = j->context ? json_str(json_get(j->context, "hook")) : NULL;
    int64_t l;

    if (!hook || !json_i64(json_get(j->context, "layer"), &l))
        return err_set(e, ERR_INVALID, "sae: it is not known at which block its activations were taken");
    if (strcmp(hook, "resid_post") != 0)
        return err_set(e, ERR_INVALID, "sae: hook %s: this is defined on resid_post", hook);
    if (l < 0 || (size_t)l >= c->n_layers)
        return err_set(e, ERR_INVALID, "sae: block %" PRId64 ": the model has %zu", l, c->n_layers);
    *layer = (size_t)l;
    return ERR_OK;
}

enum err_code lm_site_open(struct lm_site *s, const struct job *j, const struct neox_cfg *c,
                           struct err *e)
{
    const struct sae_format_opts o = {0};

    *s = (struct lm_site){0};
    if (find_layer(&s->layer, j, c, e))
        return e->code;
    if (sae_format_read(&s->sae, job_input(j, "sae")->dir, "saegrid", &o, e))
        return err_wrap(e, "sae");
    if (s->sae.d != c->d_model) {
        err_set(e, ERR_INVALID, "sae: made for %zu dims, the model has %zu", s->sae.d, c->d_model);
        lm_site_close(s);
        return e->code;
    }
    return ERR_OK;
}

void lm_site_close(struct lm_site *s)
{
    sae_model_free(&s->sae);
}
