/* format.h - the file formats in which SAEs come and go: a table with one row each.
 *
 * saegrid             our checkpoints/sae.pt, or the result folder that holds it
 * saelens             folder: cfg.json + sae_weights.safetensors       W_enc [d,f]  W_dec [f,d]
 * dictionary_learning folder: ae.pt + config.json                      by its dict_class
 * husai               .pt with encoder.weight [f,d], decoder.weight [d,f]: bare, or below
 *                     model_state_dict or sae_state_dict
 * safetensors         one file, our names and layout, the rest in its metadata
 *
 * A layout is a property of the format, never guessed from a shape.  Reading gives a checked
 * model.  Writing may rewrite the model by exact rules first (folding norms, moving b_dec); what a
 * format cannot say is refused, with the reason.
 */
#pragma once
#include "worker/sae/sae_model.h"

struct sae_format_opts {
    int64_t k;              /* for files that do not say it; 0: none */
    const char *arch;       /* the same: "topk", "relu"; NULL */
    bool is_approximate;    /* write the nearest thing where there is no exact one */
};

struct sae_format {
    const char *name, *help;
    bool (*matches)(const char *path);          /* looks like it; reads nothing of the weights */
    enum err_code (*read)(struct sae_model *m, const char *path, const struct sae_format_opts *o,
                          struct err *e);
    enum err_code (*write)(struct sae_model *m, const char *path, const struct sae_format_opts *o,
                           struct err *e);
};

const struct sae_format *sae_format_find(const char *name); /* NULL if unknown */
const struct sae_format *sae_format_at(size_t i);           /* NULL past the end */
/* name "auto": the format that the path looks like. */
MUST_CHECK enum err_code sae_format_read(struct sae_model *m, const char *path, const char *name,
                                         const struct sae_format_opts *o, struct err *e);
MUST_CHECK enum err_code sae_format_write(struct sae_model *m, const char *path, const char *name,
                                          const struct sae_format_opts *o, struct err *e);

/* The rows of the table. */
extern const struct sae_format sae_format_saegrid, sae_format_saelens, sae_format_dl,
    sae_format_husai, sae_format_safetensors;
