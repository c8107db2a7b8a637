/* kind.c - the table of kinds, and the knobs every job has. */
#include "common/kinds/kind.h"

#include <string.h>

#define KIND(name) extern const struct job_kind kind_##name;
#include "common/kinds/kinds.def"
#undef KIND

static const struct job_kind *const kinds[] = {
#define KIND(name) &kind_##name,
#include "common/kinds/kinds.def"
#undef KIND
};

#define CFG_STRUCT job_knobs
const struct cfg_field job_fields[] = {JOB_FIELDS(CFG_ROW)};
#undef CFG_STRUCT
const size_t job_fields_n = ARRAY_LEN(job_fields);

bool job_field_is_in_id(const char *name)
{
    return strcmp(name, "threads") == 0 || strcmp(name, "isa") == 0;
}

size_t kind_count(void)
{
    return ARRAY_LEN(kinds);
}

const struct job_kind *kind_at(size_t i)
{
    return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

const struct job_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

const struct kind_input *kind_input_find(const struct job_kind *k, const char *name)
{
    for (size_t i = 0; i < k->n_inputs; i++)
        if (strcmp(k->inputs[i].name, name) == 0)
            return &k->inputs[i];
    return NULL;
}
