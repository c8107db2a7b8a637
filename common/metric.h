/* metric.h - every metric: its names, unit, direction and definition.
 *
 * metrics.json uses the long name, views and tables the short one.  Two definitions never
 * share a name.  `is_volatile` marks times, rates and memory: they differ from run to run.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum metric_better { BETTER_NONE, BETTER_HIGH, BETTER_LOW };

struct metric_row {
    const char *name;      /* short: view column */
    const char *long_name; /* metrics.json */
    const char *unit;
    enum metric_better better;
    bool is_volatile;
    const char *help;      /* the definition, with its source */
};

size_t metric_count(void);
const struct metric_row *metric_at(size_t i);      /* id = index; ids in a manifest are its own */
const struct metric_row *metric_find(const char *short_or_long); /* NULL if unknown */
