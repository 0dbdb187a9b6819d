/* What a sandbox sees of files.  Its root is a small tmpfs of ours, read-only
 * in the end, onto which the top entries of the root file system are mounted
 * one by one, read-only; so an image needs no mount points, and a directory
 * that we do not name (/sys) is not there.
 *
 * Without a root file system the sandbox has the host's programs and
 * libraries, of /etc what they need, and the command itself wherever it
 * lies. */
#ifndef CONFD_SANDBOX_MOUNTS_H
#define CONFD_SANDBOX_MOUNTS_H

#include <stdbool.h>

#include "sandbox/spec.h"

#define MOUNTS_SHIM "/.confd/confd" /* our program, inside */

/* First half, in the new mount namespace and still with the starter's ids,
 * which can reach root file systems that others cannot: take copies of all
 * trees, hidden from everybody until they are placed.
 *
 * shim		the program to place at MOUNTS_SHIM; NULL: the one that runs
 *
 * The copies are kept in this process until it executes another program. */
enum status mounts_collect(const struct sandbox_spec *spec, const char *shim,
			   struct err *err);

/* Second half, as the sandbox's root: put them into place, leave the old
 * root, and close everything for writing but /tmp and /dev/shm. */
enum status mounts_place(const struct sandbox_spec *spec, struct err *err);

#endif
