/* sae_io.h - SAE checkpoints, `checkpoints/sae.pt`: loads with torch.load(weights_only=True).
 *
 *   encoder.weight [d_sae, d_model]   encoder.bias [d_sae]   decoder.weight [d_model, d_sae]
 *   b_dec [d_model], if the architecture has one
 * and the scalars arch, k, d_sae, d_model, seed, layout.  Names and layout are those of HUSAI and
 * dictionary_learning: the direction of feature f is column f of decoder.weight.
 */
#pragma once
#include "common/err.h"
#include "worker/sae/sae.h"

#define SAE_LAYOUT "decoder.weight [d_model,d_sae]: feature f is column f"
#define SAE_FILE   "checkpoints/sae.pt"
#define TRUTH_FILE "truth.pt" /* of data_make: a bare tensor [n_atoms, d_model], rows are directions */

MUST_CHECK enum err_code sae_save(const char *path, const struct sae *s, int64_t seed,
                                  struct err *e);
/* A decoder alone, given as directions [f,d]. */
MUST_CHECK enum err_code sae_save_decoder(const char *path, const float *dir, size_t f, size_t d,
                                          int64_t seed, struct err *e);

struct sae_dict {
    real *dir;    /* [f,d] unit rows; sae_dict_free() */
    real *enc;    /* [f,d] the same of the encoder; NULL if the file has none of that shape */
    size_t f, d;
    int64_t seed; /* -1 if the file does not say */
};
/* Reads decoder.weight of a checkpoint. */
MUST_CHECK enum err_code sae_dict_load(struct sae_dict *dict, const char *path, struct err *e);
/* A bare tensor [f,d] whose rows are directions: truth.pt of data_make. */
MUST_CHECK enum err_code sae_dict_load_rows(struct sae_dict *dict, const char *path,
                                            struct err *e);
void sae_dict_free(struct sae_dict *dict);
