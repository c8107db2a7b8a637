/* textloss.c - see textloss.h. */
#include "worker/eval/textloss.h"

#include <math.h>

struct text_score text_score(const struct text_loss *l, double text_bytes, double text_words)
{
    double mean = l->nll / l->n_scored;

    return (struct text_score){
        .nll = mean,
        .ppl = exp(mean),
        .bpb = l->nll / (log(2) * l->bytes),
        .word_ppl = exp(l->nll * (text_bytes / l->bytes) / text_words),
    };
}
