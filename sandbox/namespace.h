/* A process in namespaces of its own: which ids it has, and what its empty
 * network holds. */
#ifndef CONFD_SANDBOX_NAMESPACE_H
#define CONFD_SANDBOX_NAMESPACE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/status.h"

#define NAMESPACE_IDS 65536 /* of a sandbox started by root */
#define NAMESPACE_UID 1000  /* the workload's user and group, inside */

/* Like fork, into new user, mount, process, network, IPC and host name
 * namespaces.  Returns 0 in the child; in the parent *pidfd is set.  -1 with
 * errno. */
pid_t namespace_fork(int *pidfd);

/* The text of a failure to make or fill namespaces: what to change, found
 * out from the kernel's settings.  Returns E_PERM. */
enum status namespace_refused(const char *step, int error, struct err *err);

/* For the parent: give the child its ids.  Root: 0 to 65,535 inside are
 * id_base and up outside.  Others: NAMESPACE_UID inside is the caller. */
enum status namespace_map(pid_t child, uint32_t id_base, struct err *err);

/* For the child: a fresh cgroup namespace, the loopback interface up, and a
 * host name that says nothing. */
enum status namespace_settle(struct err *err);

#endif
