/* open_files.h - descriptors of files that a loop's scripts open again and again, kept open between two uses.
 * A file is kept when its path is opened for reading a second time within a second, and closed a second or two after it was last opened. At each
 * use its path is looked at anew (stat(2)): another file there, or one that has changed otherwise than by being read, is opened as ever. Since the
 * kept one is open, its number cannot have been given to another meanwhile. At most OPEN_FILES_MAX (64) per loop. Loop thread only. */
#ifndef HS_IO_OPEN_FILES_H
#define HS_IO_OPEN_FILES_H

#include <sys/stat.h>

#include "io/io_file_int.h"
#include "io/loop.h"

/* The file at path with a reference, and what stat(2) says of it now; NULL: none is kept, or no longer the same. */
struct hs_file *hs_open_files_find(struct hs_loop *loop, const char *path, struct stat *st);
/* A file that was opened for reading; st: fstat's of it. Keeps it (with a reference of its own), or notes that it was asked for. */
void hs_open_files_note(struct hs_loop *loop, const char *path, struct hs_file *file, const struct stat *st);

#endif
