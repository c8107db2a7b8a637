/* shipped.h - files of the source tree that tests read. */
#pragma once
#include "common/buf.h"

/* Path below the source tree (SAEGRID_SOURCE); borrowed until the next call. */
const char *shipped_path(const char *relative);
