/* sae_cfg.c - see sae_cfg.h. */
#include "worker/sae/sae_cfg.h"

static enum err_code check_prefixes(const struct sae_prefixes *p, size_t f, struct err *e)
{
    if (p->n == 0 || p->n > SAE_PREFIX_MAX)
        return err_set(e, ERR_INVALID, "sae: prefixes: %zu are outside [1, %d]", p->n,
                       SAE_PREFIX_MAX);
    for (size_t i = 0; i < p->n; i++)
        if (p->end[i] == 0 || (i > 0 && p->end[i] <= p->end[i - 1]))
            return err_set(e, ERR_INVALID, "sae: prefixes: %zu does not ascend", p->end[i]);
    if (p->end[p->n - 1] != f)
        return err_set(e, ERR_INVALID, "sae: prefixes: the last, %zu, must be d_sae, %zu",
                       p->end[p->n - 1], f);
    return ERR_OK;
}

enum err_code sae_cfg_check(struct sae_cfg *cfg, struct err *e)
{
    const struct sae_arch *arch = cfg->arch;

    if (cfg->d == 0 || cfg->f == 0)
        return err_set(e, ERR_INVALID, "sae: %zu features of %zu dims: both must be at least 1",
                       cfg->f, cfg->d);
    if (cfg->f > UINT32_MAX / 2)
        return err_set(e, ERR_INVALID, "sae: d_sae: %zu is too large", cfg->f);
    if (sae_out(cfg) != cfg->d && (arch->is_centred || arch->is_one_matrix || cfg->is_aligned))
        return err_set(e, ERR_INVALID, "sae: %s: the target has %zu dims, the input %zu",
                       arch->name, sae_out(cfg), cfg->d);
    if (arch->is_nested && check_prefixes(&cfg->prefixes, cfg->f, e))
        return e->code;
    if (cfg->is_aligned && cfg->norm != SAE_NORM_RENORM && cfg->norm != SAE_NORM_PROJECT)
        return err_set(e, ERR_INVALID, "sae: aligned training needs unit decoder directions");
    if (arch->select == SAE_SELECT_EACH) {
        cfg->k = cfg->f;
        return ERR_OK;
    }
    if (cfg->k > cfg->f && arch->clips_k)
        cfg->k = cfg->f;
    if (cfg->k == 0 || cfg->k > cfg->f)
        return err_set(e, ERR_INVALID,
                       "sae: k: %zu is outside [1, %zu]: a row cannot have more active features "
                       "than d_sae",
                       cfg->k, cfg->f);
    return ERR_OK;
}
