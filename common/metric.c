/* metric.c - the table made from metric.def. */
#include "common/metric.h"

#include <string.h>

#include "common/err.h"

static const struct metric_row rows[] = {
#define METRIC(name, long_name, unit, better, is_volatile, help)                                   \
    {#name, long_name, unit, BETTER_##better, is_volatile, help},
#include "common/metric.def"
#undef METRIC
};

size_t metric_count(void)
{
    return ARRAY_LEN(rows);
}

const struct metric_row *metric_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}

const struct metric_row *metric_find(const char *short_or_long)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].name, short_or_long) == 0)
            return &rows[i];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].long_name, short_or_long) == 0)
            return &rows[i];
    return NULL;
}
