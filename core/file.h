/* Files: read whole with a cap, written atomically, secrets only from files
 * that others cannot read. */
#ifndef CONFD_CORE_FILE_H
#define CONFD_CORE_FILE_H

#include <sys/types.h>

#include "core/buf.h"
#include "core/secret.h"

/* Read a regular file (or a pipe, for "-" and /dev/fd) whole.  out->max caps
 * it: E_LIMIT beyond. "-" is the standard input. */
enum status file_read(const char *path, struct buf *out, struct err *err);

/* Read a secret file of 1 to max bytes: regular, owned by us or root, and
 * not readable or writable by group and others (E_PERM otherwise, with the
 * chmod that mends it).  "-" reads the standard input, without these
 * checks. */
enum status file_read_secret(const char *path, size_t max, struct secret **out,
			     struct err *err);

/* Write to a temporary file beside path, fsync, rename over it, fsync the
 * directory.  On failure path is what it was and no temporary is left. */
enum status file_write(const char *path, struct slice data, mode_t mode,
		       struct err *err);

/* The same, but E_CONFLICT when path exists already. */
enum status file_create(const char *path, struct slice data, mode_t mode,
			struct err *err);

/* Make a directory (one level) with this mode; it may exist already, then it
 * must be a directory owned by us with no more permissions than mode. */
enum status file_make_dir(const char *path, mode_t mode, struct err *err);

/* Remove a directory and all below, without following links or crossing
 * file systems. */
enum status file_remove_tree(const char *path, struct err *err);

/* All of data to fd, through EINTR and short writes. */
enum status file_write_fd(int fd, struct slice data, struct err *err);

#endif
