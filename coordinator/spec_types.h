/* spec_types.h - the records of a sweep between its file and its jobs; see spec_internal.h. */
#pragma once
#include "common/jobid.h"
#include "common/ytree.h"
#include "coordinator/spec.h"

enum {
    SPEC_AXES_MAX = 64,          /* visible to one stage */
    SPEC_STAGES_MAX = 4096,
    SPEC_SOURCES_MAX = 64,       /* references of one stage */
    SPEC_AXIS_VALUES_MAX = 10000000,
    SPEC_JOBS_MAX = 20000000,
    SPEC_TEXT_MAX = 64           /* of an axis value made on the fly */
};
#define NO_GROUP UINT32_MAX      /* link of a row to nothing */

/* An axis: a knob of one stage and its values, in the order of the file. */
struct spec_axis {
    int stage;                   /* before ordering: in the file's order; then in spec->stages */
    const char *knob;
    const char *full;            /* stage.knob */
    const struct cfg_field *field;
    const struct ynode *node;
    uint64_t n;
    const char **values;         /* canonical; NULL: start + i * step */
    int64_t start, step;
    uint32_t *value_of;          /* of a zip: the first index of an equal value; NULL: itself */
};

/* Axes that move together: one of a grid, all of a zip, all of a sample. */
struct spec_dim {
    uint64_t n;
    int axes[SPEC_AXES_MAX];
    size_t n_axes;
    const struct ynode *node;
};

enum spec_knob_from { KNOB_DEFAULT, KNOB_FIXED, KNOB_AXIS, KNOB_VALUE };

struct spec_knob {
    const struct cfg_field *field;
    enum spec_knob_from from;
    const char *canon;           /* FIXED and DEFAULT; for VALUE the metric's name */
    const char *deflt;           /* canonical default */
    int axis;                    /* AXIS */
    int source;                  /* VALUE */
    const struct ynode *node;    /* where it was set, or NULL */
    bool is_common;              /* of job_fields */
    bool is_in_id;
    bool is_like;                /* filled in from the `like` input when not set */
};

/* Conditions on axis values: all of one row have to hold. */
struct spec_cond {
    const struct ynode *key, *value;
    int axis;                    /* -1: a knob of the stage with one value */
    bool is_true;                /* of axis -1 */
    uint32_t *values;            /* sorted indices into the axis */
    size_t n;
};
struct spec_match {
    struct spec_cond *conds;
    size_t n;
};

enum spec_source_role { SOURCE_INPUT, SOURCE_LIKE, SOURCE_VALUE, SOURCE_REQUIRE };

/* `$stage{axis: value}.metric` as one stage uses it. */
struct spec_source {
    enum spec_source_role role;
    const struct kind_input *input; /* INPUT, LIKE */
    int input_index;
    const struct ynode *node;
    const char *stage_name;
    int stage;                   /* -1: unknown */
    struct ynode *select_node;   /* or NULL */
    const char *metric;          /* VALUE: short name */
    int knob;                    /* VALUE */
    struct spec_match select;
    bool *drop;                  /* axes of the stage that a single selected value fixes */
    bool is_gathered;
    /* made by join.c: what one row of our stage may refer to */
    uint32_t *rows;              /* rows of that stage, group after group */
    uint32_t *starts;            /* where each group begins; n_groups + 1 */
    uint64_t n_groups;
};

struct spec_stage {
    const char *name;
    const struct job_kind *kind;
    const struct ynode *key, *node;
    struct spec_knob *knobs;     /* kind's fields, then job_fields */
    size_t n_knobs;
    int *by_name;                /* knobs in order of their names */
    struct spec_dim *dims;
    size_t n_dims;
    struct spec_source *sources;
    size_t n_sources;
    int *over;                   /* gathered axes, as indices into detail->axes */
    size_t n_over;
    const struct ynode *over_node, *when_node, *exclude_node;
    struct spec_match *when, *exclude;
    size_t n_when, n_exclude;
    bool has_gate;
    struct spec_gate gate;
    bool is_broken;              /* has errors: rows are not made */
    /* axes of its rows, as indices into detail->axes: inherited, then own */
    int axes[SPEC_AXES_MAX];
    size_t n_axes;
    uint64_t n_rows;
    uint32_t *coords;            /* [n_rows][n_axes] */
    uint32_t *links;             /* [n_rows][n_sources]: group of each source */
};

struct spec_export {
    const char *format, *stage, *path;
};

struct spec_detail {
    struct pool pool;
    struct buf *errors;
    size_t n_errors;
    struct ynode *root;
    struct spec_axis *axes;
    size_t n_axes, cap_axes;
    struct spec_export *exports;
    size_t n_exports;
};
