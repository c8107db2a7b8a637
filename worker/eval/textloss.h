/* textloss.h - how well a model predicts a text: exact sums, and the numbers made of them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct text_loss {
    double nll;        /* nats, summed over scored ids */
    double n_scored;   /* ids */
    double bytes;      /* of text that the scored ids stand for */
};

/* mean NLL a scored id in nats; exp of it; bits a byte of the scored ids.
 * word_ppl = exp(NLL * (text bytes / scored bytes) / text words): exp(NLL / words) where every id
 * is scored.  The last two can be compared across tokenisers. */
struct text_score {
    double nll, ppl, bpb, word_ppl;
};
struct text_score text_score(const struct text_loss *l, double text_bytes, double text_words);
