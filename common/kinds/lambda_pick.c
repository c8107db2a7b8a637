/* lambda_pick.c - the row of kind `lambda_pick`. */
#include "common/kinds/lambda_pick.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lambda_pick_cfg
static const struct cfg_field fields[] = {LAMBDA_PICK_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"lambda_pick", "lambda_pick_tax", "lambda_pick_tax_high", NULL};

KIND_ROW(lambda_pick) = {
    .name = "lambda_pick",
    .version = 1,
    .help = "lambda: the strongest pull that, with every weaker one, stays within the tax",
    .tag = "lambda",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"taxes", INPUT_MANY, "lm_compare", false, "one a lambda, of several seeds each"}},
    .n_inputs = 1,
    .metrics = metrics,
};
