/* lm_file.h - a model as a .pt file with TransformerLens' names and shapes.
 *
 * Tensors: embed.W_E [v,d], pos_embed.W_pos [t,d], blocks.0.ln1.w, blocks.0.attn.W_Q [h,d,e], ...,
 * unembed.W_U [d,v].  Scalars: config.n_layers, config.d_model, ..., config.task, config.modulus:
 * all that is needed to run the model on its task again.
 */
#pragma once
#include "worker/lm/lm.h"
#include "worker/nn/pt.h"

#define LM_FILE "checkpoints/model.pt"

struct lm_origin {
    char task[32];
    int64_t modulus;
};

MUST_CHECK enum err_code lm_save(const struct lm *m, const struct lm_origin *o, const char *path,
                                 struct err *e);

struct lm_file {
    struct lm_cfg cfg;
    struct lm_origin origin;
    struct pt_file pt;
};
/* Reads and checks the configuration. */
MUST_CHECK enum err_code lm_file_open(struct lm_file *f, const char *path, struct err *e);
/* The weights into `m`, made by lm_init(m, &f->cfg, ...); checks every name and shape. */
MUST_CHECK enum err_code lm_file_read(const struct lm_file *f, struct lm *m, struct err *e);
void lm_file_close(struct lm_file *f);
