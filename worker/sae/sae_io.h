/* sae_io.h - SAE checkpoints, `checkpoints/sae.pt`: loads with torch.load(weights_only=True).
 *
 *   encoder.weight [d_sae, d_model]   encoder.bias [d_sae]   decoder.weight [d_model, d_sae]
 *   b_dec [d_model], if the architecture has one
 *   threshold [d_sae]: jumprelu; of batchtopk and matryoshka the one in use, the same for all
 *   r_mag, b_mag [d_sae]: gated, whose encoder.bias is that of the gate;  W_skip [d_out, d_model]
 * and the scalars
 *   arch, k, d_sae, d_model, seed, step, layout
 *   act         a = act(z): topk (of ReLU), topk_raw, relu, jumprelu (z where > threshold), gated,
 *               linear; and W_skip x, where the file has one
 *   is_transcoder  x_hat is of another hook than x
 *   is_centred  z = W (x - b_dec) + encoder.bias, else W x + encoder.bias
 *   scale       what is done to a row x before, and undone after: none, constant_norm_rescale,
 *               layer_norm (sae_input.h); scalar normalisations are folded into the weights
 * Names and layout are those of HUSAI and dictionary_learning: the direction of feature f is
 * column f of decoder.weight.
 */
#pragma once
#include "common/err.h"
#include "worker/sae/sae.h"

#define SAE_LAYOUT "decoder.weight [d_model,d_sae]: feature f is column f"
#define SAE_FILE   "checkpoints/sae.pt"
#define TRUTH_FILE "truth.pt" /* of data_make: a bare tensor [n_atoms, d_model], rows are directions */

struct sae_about {
    int64_t seed, step;
    bool has_target;   /* trained on rows of another matrix */
    const char *scale; /* as sae_input_saved_as() says */
    double factor;     /* the weights are for factor * x; saved, they are for x */
};
MUST_CHECK enum err_code sae_save(const char *path, const struct sae *s,
                                  const struct sae_about *about, struct err *e);
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
