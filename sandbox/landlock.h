/* Landlock: limits on paths, and on reaching processes outside, that need no
 * privilege.  Kernels differ in what they offer; what one does not know is
 * left out. */
#ifndef CONFD_SANDBOX_LANDLOCK_H
#define CONFD_SANDBOX_LANDLOCK_H

#include "core/slice.h"

struct landlock_path {
	const char *path; /* a file, or a directory with all below */
	bool write;	  /* change, make and remove, too; control devices */
};

/* What the kernel offers; 0: nothing. */
int landlock_version(void);

/* From now on only these paths can be opened, nothing executed, and no process
 * that is not below this one signalled.  A path that does not exist is an error (E_NOTFOUND).  OK without effect where the
 * kernel has no Landlock. */
enum status landlock_restrict(const struct landlock_path *paths, size_t n,
			      struct err *err);

/* From now on no signal to, and no abstract unix socket of, processes that
 * are not below this one.  OK without effect where the kernel cannot. */
enum status landlock_scope(struct err *err);

#endif
