/* The last thing that a role of ours does before it reads a first byte:
 * give up what it does not need. */
#ifndef CONFD_SANDBOX_CONFINE_H
#define CONFD_SANDBOX_CONFINE_H

#include "sandbox/landlock.h"
#include "sandbox/profile.h"

/* Call late in start-up: sockets bound, files read, children started.
 * No new privileges, no core dumps, not dumpable, the profile's system calls
 * only, and of the file system only these paths where the profile has files
 * at all and the kernel has Landlock.  A build with sanitizers or coverage
 * gets no system call filter, since its run-time needs more.
 *
 * paths	NULL with n of 0: none. A path must exist.
 *
 * There is no way back; on failure the process should end. */
enum status confine(enum profile_id id, const struct landlock_path *paths,
		    size_t n, struct err *err);

/* True when this build can take a system call filter. */
bool confine_has_filter(void);

#endif
