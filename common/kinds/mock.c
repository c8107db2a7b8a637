/* mock.c - the row of kind `mock`. */
#include "common/kinds/mock.h"

#include "common/kinds/row.h"

#define CFG_STRUCT mock_cfg
static const struct cfg_field fields[] = {MOCK_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"value", NULL};

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    return kind_num(get, ctx, "sleep", 0);
}

KIND_ROW(mock) = {
    .name = "mock",
    .version = 1,
    .help = "does nothing, or misbehaves on request: for tests of the queue",
    .tag = "mock",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"after", INPUT_MANY_OPT, "mock", false, "jobs to wait for"}},
    .n_inputs = 1,
    .metrics = metrics,
    .cost = cost,
    .in_agent = true,
};
