/* tmpdir.h - a fresh folder for a test. */
#pragma once

/* New empty folder under TMPDIR (or /tmp), as an absolute path.  Never NULL. */
char *tmpdir_make(void);
/* Removes the tree and frees the path. */
void tmpdir_remove(char *dir);
/* "dir/name"; the caller frees. */
char *tmpdir_path(const char *dir, const char *name);
