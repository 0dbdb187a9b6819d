/* Limits of a group of processes: cgroup version 2, or version 1 where a
 * machine has its controllers there.  Best effort: what could be set is
 * said. */
#ifndef CONFD_SANDBOX_CGROUP_H
#define CONFD_SANDBOX_CGROUP_H

#include <sys/types.h>

#include "core/slice.h"

struct cgroup; /* directories of ours, one a hierarchy */

struct cgroup_state {
	bool memory; /* the memory limit holds */
	bool pids;   /* the limit of processes holds */
};

/* Make a group with these limits (0: none) and no process in it.  Never
 * fails for want of cgroups or permission: then state says so. */
void cgroup_new(const char *name, uint64_t memory_bytes, uint64_t pids,
		struct cgroup **out);

/* Put a process in; its later children follow.  E_IO when a limit that
 * holds could not be made to hold for it. */
enum status cgroup_add(struct cgroup *g, pid_t pid, struct err *err);

struct cgroup_state cgroup_get(const struct cgroup *g);

/* True when the kernel killed a process of the group for want of memory. */
bool cgroup_was_starved(const struct cgroup *g);

/* Remove the directories (no process may be left) and release. */
void cgroup_free(struct cgroup *g);
static inline void cgroup_freep(struct cgroup **g)
{
	cgroup_free(*g);
}
#define auto_cgroup __attribute__((cleanup(cgroup_freep)))

#endif
