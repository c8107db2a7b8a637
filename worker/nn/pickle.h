/* pickle.h - the part of the pickle format that torch.save uses, read as data.
 *
 * A whitelist of opcodes and globals; anything else is refused by name.  Nothing is looked up,
 * called or executed.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/nn/pt.h"

enum pv_type { PV_NONE, PV_BOOL, PV_INT, PV_FLOAT, PV_TEXT, PV_TUPLE, PV_LIST, PV_DICT, PV_GLOBAL,
               PV_STORAGE, PV_TENSOR };

struct pv {
    enum pv_type type;
    int64_t i;              /* PV_INT, PV_BOOL; PV_STORAGE: elements; PV_GLOBAL: row */
    double f;
    char *s;                /* PV_TEXT */
    struct pv **items;      /* containers; PV_DICT: key, value, key, value ... */
    size_t n, cap;          /* PV_TENSOR: items are storage, offset, shape, stride */
    enum pt_dtype dtype;    /* PV_STORAGE */
    const char *key;        /* PV_STORAGE: entry name below data/; borrowed from a PV_TEXT */
};

struct pickle {
    struct pv *root;
    struct pv **all;        /* every value ever made */
    size_t n_all, cap_all;
};

MUST_CHECK enum err_code pickle_read(struct pickle *p, const uint8_t *data, size_t n, struct err *e);
void pickle_free(struct pickle *p);

const char *pt_storage_name(enum pt_dtype t); /* "FloatStorage" */
