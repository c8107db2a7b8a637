/* mlp_site.h - the MLP of one block of a model, as `jacobian.h` wants it, whoever wrote the model.
 *
 * A result folder holds either our small models of algorithmic tasks (TransformerLens' names, lm_train)
 * or a GPT-NeoX model in Hugging Face's names and layout (lm_import, lm_pretrain, lm_cpt), whose numbers
 * may have 16 bits.  Gain and bias of the LayerNorm before the MLP are folded in, so it reads the rows
 * of hook `ln2_normalized`:  z = W_in (gain x + bias) + b_in,  y = W_out act(z)  (+ b_out, which no
 * derivative sees).
 */
#pragma once
#include "worker/lm/lm_file.h"
#include "worker/neox/neox_file.h"
#include "worker/sae/jacobian.h"

struct mlp_site {
    bool is_neox;
    struct lm_file lm;       /* of which one is open */
    struct neox_file neox;
    int64_t layer;
    struct mlp shape;        /* sizes and activation; its matrices are the caller's */
};

/* `dir`: the model's result folder. */
MUST_CHECK enum err_code mlp_site_open(struct mlp_site *s, const char *dir, int64_t layer, struct err *e);
void mlp_site_close(struct mlp_site *s);
/* w_in [h,d], b_in [h], w_out [h,o] */
MUST_CHECK enum err_code mlp_site_read(const struct mlp_site *s, real *w_in, real *b_in, real *w_out,
                                       struct err *e);
