/* sae_absorb.h - knobs of `sae_absorb`: feature absorption of an SAE on text, by the first letter of the
 * token, in two definitions whose numbers are not comparable.
 *
 *   saebench  worker/eval/absorb.h: tokens of ASCII letters, rows split by token type, so that a probe has
 *             to know words it has not seen; as SAEBench, but on text in place of prompts
 *   ref       worker/eval/absorb_ref.h: every token that starts with a letter, rows split at random
 */
#pragma once
#include "common/cfg.h"

#define SAE_ABSORB_FIELDS(X)                                                                       \
    X(I64, rows, "6000", 100, 1LL << 32, "rows", "rows of each definition, four fifths of them to fit")   \
    X(I64, per_type, "20", 1, 1LL << 32, "rows", "saebench: rows of one token type, at most")      \
    X(I64, min_letters, "20", 1, 26, "letters", "saebench: letters a dense probe has to find, else it is not evaluated") \
    X(I64, candidates, "50", 0, 1LL << 32, "features", "ref: features tried for each letter; 0: all, slow") \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the splits")

struct sae_absorb_cfg {
    SAE_ABSORB_FIELDS(CFG_MEMBER)
};
