/* mock.h - knobs of `mock`: a job that does nothing, or misbehaves on request. */
#pragma once
#include "common/cfg.h"

#define MOCK_FIELDS(X)                                                                             \
    X(I64, seed, "0", 0, INT64_MAX, "", "tells jobs apart; `value` is made from it")               \
    X(BOOL, process, "false", 0, 0, "", "run through a runner, with a result folder")              \
    X(F64, sleep, "0", 0, 1e6, "s", "time to sleep before the end")                                \
    X(I64, steps, "1", 1, 1000000, "", "progress reports over the sleep")                          \
    X(ENUM, fail, "none", 0, 0,                                                                    \
      "none|config|infra|code|science|external|segv|abort|kill|exit3|hang|eat|spin|grow",          \
      "how it ends: an error of that class, a signal, an exit code, never, in want of memory, "   \
      "busy for ever, or with a file that grows")                                                  \
    X(I64, fail_times, "0", 0, 1000, "", "fail only on the first n attempts; 0 is always")         \
    X(MEM, eat, "1G", 0, 0, "bytes", "memory that `fail: eat` touches, file that `fail: grow` writes") \
    X(STR, tag, "", 0, 0, "", "free text: another axis")

struct mock_cfg {
    MOCK_FIELDS(CFG_MEMBER)
};
