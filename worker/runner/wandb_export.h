/* wandb_export.h - a result folder as an offline run of Weights & Biases. */
#pragma once
#include "common/buf.h"

/* Writes DEST/offline-run-<time>-<id>/run-<id>.wandb from the files of a complete result folder; its
 * path goes to *written.  The same folder gives the same bytes. */
MUST_CHECK enum err_code wandb_export(const char *folder, const char *dest, struct buf *written,
                                      struct err *e);
