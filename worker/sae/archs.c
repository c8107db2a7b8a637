/* archs.c - the list of architectures.  To add one: a row here, and a file if its encoder is new.
 *
 * topk        Gao et al. 2024: centred, ReLU, b_dec, error summed over d.
 * topk_husai  HUSAI's TopKSAE: raw z kept, possibly negative; no b_dec; error averaged over d.
 * relu        HUSAI's ReLU + L1: no b_dec, error averaged over d, l1 * mean_rows sum a_f.
 * linear      no sparsity: the control whose features are defined only up to a linear map.
 */
#include <string.h>

#include "worker/sae/arch.h"

#define SPARSE_METHODS                                                                             \
    .is_sparse = true, .encode = sparse_sae_encode, .decode = sparse_sae_decode,                   \
    .backward_begin = sparse_sae_backward_begin, .backward = sparse_sae_backward
#define DENSE_METHODS                                                                              \
    .encode = dense_sae_encode, .decode = dense_sae_decode,                                        \
    .backward_begin = dense_sae_backward_begin, .backward = dense_sae_backward

static const struct sae_arch archs[] = {
    {.name = "topk", SPARSE_METHODS, .is_centred = true, .has_b_dec = true, .has_relu = true,
     .norm = SAE_NORM_PROJECT, .is_tied = true},
    {.name = "topk_husai", SPARSE_METHODS, .is_elem_mean = true, .clips_k = true,
     .norm = SAE_NORM_RENORM},
    {.name = "relu", DENSE_METHODS, .has_relu = true, .is_elem_mean = true, .has_l1 = true,
     .norm = SAE_NORM_RENORM},
    {.name = "linear", DENSE_METHODS, .is_centred = true, .has_b_dec = true, .is_tied = true,
     .norm = SAE_NORM_NONE},
};

const struct sae_arch *sae_arch_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        if (!strcmp(archs[i].name, name))
            return &archs[i];
    return NULL;
}
