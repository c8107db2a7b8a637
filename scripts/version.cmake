# Writes version.h; leaves it alone when nothing changed, so that nothing is rebuilt.
execute_process(COMMAND git -C ${SRC} rev-parse HEAD OUTPUT_VARIABLE commit
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE rc)
if(rc)
  set(commit "unknown")
endif()
execute_process(COMMAND git -C ${SRC} status --porcelain --untracked-files=no
  OUTPUT_VARIABLE changes ERROR_QUIET)
if(changes)
  set(dirty 1)
else()
  set(dirty 0)
endif()
string(REGEX REPLACE "  +" " " flags "${FLAGS}")
string(STRIP "${flags}" flags)
set(text "/* version.h - made by scripts/version.cmake: what was built, from which commit. */
#pragma once
#define SAEGRID_VERSION \"${VERSION}\"
#define SAEGRID_COMMIT \"${commit}\"
#define SAEGRID_DIRTY ${dirty}
#define SAEGRID_COMPILER \"${COMPILER}\"
#define SAEGRID_FLAGS \"${flags}\"
#define SAEGRID_BUILD_TYPE \"${BUILD_TYPE}\"
")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT "${old}" STREQUAL "${text}")
  file(WRITE ${OUT} "${text}")
endif()
