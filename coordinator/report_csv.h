/* report_csv.h - blobs that are CSV tables, as rows of a table of a report. */
#pragma once
#include "coordinator/table.h"

/* Adds the rows of `csv` (a head line first; no quoting) to t: fields that are numbers become numbers, empty ones
 * stay empty.  The first time its columns are added to those t has (t then has no rows), later ones have the same head.
 * Cells of columns before them stay empty: the caller fills those of the rows from the returned one on. */
size_t report_csv_add(struct table *t, const char *csv);
