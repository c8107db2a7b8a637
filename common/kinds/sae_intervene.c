/* sae_intervene.c - the row of kind `sae_intervene`. */
#include "common/kinds/sae_intervene.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_intervene_cfg
static const struct cfg_field fields[] = {SAE_INTERVENE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"ppl", "ppl_recon", "ppl_zero", "ce_score", "recon_loss_pct",
                                      "recon_loss_pct_skip0", "n_scored", NULL};

KIND_ROW(sae_intervene) = {
    .name = "sae_intervene",
    .version = 1,
    .help = "perplexity of a language model with an SAE's sharpened reconstructions in the place of an activation",
    .tag = "intervene",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_pretrain|lm_import|lm_cpt", false, "the model, untouched"},
               {"data", INPUT_ONE, "data_make", false, "token ids"},
               {"sae", INPUT_ONE, "sae_train|sae_import", false,
                "its activations say at which block: hook resid_post"}},
    .n_inputs = 3,
    .metrics = metrics,
};
