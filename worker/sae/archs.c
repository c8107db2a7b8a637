/* archs.c - the list of architectures.  To add one: a row here, and a file if its encoder is new.
 *
 * topk         Gao et al. 2024: centred, ReLU, b_dec, error summed over d.
 * topk_husai   HUSAI's TopKSAE: raw z kept, possibly negative; no b_dec; error averaged over d.
 * batchtopk    Bussmann et al. 2024 (arXiv:2412.06410): the k*n largest of n rows; a threshold in use.
 * matryoshka   Bussmann et al. 2025 (arXiv:2503.17547): batchtopk, nested prefixes of features.
 * jsae         topk with a single-site Jacobian penalty (parts.h); our own definition, not published.
 * relu         HUSAI's ReLU + L1: no b_dec, error averaged over d, l1 * mean_rows sum a_f.
 * relu_bricken Bricken et al. 2023: centred, unit directions without radial gradient.
 * relu_april   Anthropic, April 2024: centred, free directions, l1 * mean_rows sum a_f |d_f|.
 * jumprelu     Rajamanoharan et al. 2024 (arXiv:2407.14435): a threshold a feature, log theta trained.
 * gated        Rajamanoharan et al. 2024 (arXiv:2404.16014): gate and magnitude, one encoder matrix.
 * gba          Chen et al. 2025 (arXiv:2506.14002): one matrix, biases by rule (bias_rule.h).
 * jsae_pair    Farnik et al. 2025 (arXiv:2502.18147): two topk around an MLP, the Jacobian between
 *              their features made sparse (jacobian.h).
 * transcoder   topk from one hook to another; relu_ and jumprelu_transcoder the same with those
 *              encoders; ..skip_transcoder: and W_skip x.
 * linear       no sparsity: the control whose features are defined only up to a linear map.
 */
#include <string.h>

#include "worker/sae/arch.h"

#define CENTRED .is_centred = true, .has_b_dec = true
#define BIT(param) (1u << (param))
#define TRANSCODER .is_transcoder = true, .has_b_dec = true, .has_relu = true
#define JUMPRELU                                                                                   \
    .has_l1 = true, .params = BIT(SAE_LOG_THETA), .least = jump_least, .activate = jump_activate,  \
    .cost = jump_cost, .slope = jump_slope

static const struct sae_arch archs[] = {
    {.name = "topk", .select = SAE_SELECT_ROW, CENTRED, .has_relu = true, .norm = SAE_NORM_PROJECT,
     .is_tied = true},
    {.name = "topk_husai", .select = SAE_SELECT_ROW, .is_elem_mean = true, .clips_k = true,
     .norm = SAE_NORM_RENORM},
    {.name = "batchtopk", .select = SAE_SELECT_BATCH, CENTRED, .has_relu = true,
     .norm = SAE_NORM_PROJECT, .is_tied = true},
    {.name = "matryoshka", .select = SAE_SELECT_BATCH, CENTRED, .has_relu = true,
     .is_nested = true, .norm = SAE_NORM_PROJECT, .is_tied = true},
    {.name = "jsae", .select = SAE_SELECT_ROW, CENTRED, .has_relu = true, .norm = SAE_NORM_PROJECT,
     .is_tied = true},
    {.name = "relu", .has_relu = true, .is_elem_mean = true, .has_l1 = true,
     .norm = SAE_NORM_RENORM},
    {.name = "relu_bricken", CENTRED, .has_relu = true, .has_l1 = true, .norm = SAE_NORM_PROJECT,
     .is_tied = true},
    {.name = "relu_april", CENTRED, .has_relu = true, .has_l1 = true, .norm = SAE_NORM_NONE,
     .is_tied = true},
    {.name = "jumprelu", CENTRED, .has_relu = true, JUMPRELU, .norm = SAE_NORM_PROJECT,
     .is_tied = true},
    {.name = "gated", CENTRED, .has_relu = true, .has_l1 = true, .has_gate = true,
     .norm = SAE_NORM_PROJECT, .is_tied = true, .params = BIT(SAE_R_MAG) | BIT(SAE_B_MAG),
     .activate = gated_activate, .cost = gated_cost, .slope = gated_slope},
    {.name = "gba", CENTRED, .has_relu = true, .is_one_matrix = true, .has_frozen_bias = true,
     .norm = SAE_NORM_NONE, .is_tied = true, .params = BIT(SAE_SCALE)},
    {.name = "jsae_pair", .select = SAE_SELECT_ROW, CENTRED, .has_relu = true, .is_pair = true,
     .norm = SAE_NORM_PROJECT, .is_tied = true},
    {.name = "transcoder", .select = SAE_SELECT_ROW, TRANSCODER, .norm = SAE_NORM_PROJECT},
    {.name = "skip_transcoder", .select = SAE_SELECT_ROW, TRANSCODER, .has_skip = true,
     .norm = SAE_NORM_PROJECT},
    {.name = "relu_transcoder", TRANSCODER, .has_l1 = true, .norm = SAE_NORM_NONE},
    {.name = "relu_skip_transcoder", TRANSCODER, .has_l1 = true, .has_skip = true,
     .norm = SAE_NORM_NONE},
    {.name = "jumprelu_transcoder", TRANSCODER, JUMPRELU, .norm = SAE_NORM_PROJECT},
    {.name = "jumprelu_skip_transcoder", TRANSCODER, JUMPRELU, .has_skip = true,
     .norm = SAE_NORM_PROJECT},
    {.name = "linear", CENTRED, .is_tied = true, .norm = SAE_NORM_NONE},
};

const struct sae_arch *sae_arch_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        if (!strcmp(archs[i].name, name))
            return &archs[i];
    return NULL;
}
