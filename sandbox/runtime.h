/* The native runtime: one process tree in namespaces of its own, without
 * network, privileges or a way out, whose first process is our shim.
 *
 * Started by root, the sandbox's users are host users from id_base on, never
 * root.  Started by an ordinary user, the sandbox is that user.  Whatever
 * wall cannot be built is a failure, not a weaker sandbox; only the cgroup is
 * best effort, and what of it stands is said in runtime_limits(). */
#ifndef CONFD_SANDBOX_RUNTIME_H
#define CONFD_SANDBOX_RUNTIME_H

#include "core/io/loop.h"
#include "sandbox/cgroup.h"
#include "sandbox/spec.h"

struct runtime; /* one running sandbox */

#define RUNTIME_ID_BASE 100000 /* host uid and gid of the sandbox's 0 */

/* Zero gives the values that production uses. */
struct runtime_settings {
	const char *shim; /* the program that is pid 1 inside, called as
			   * "confd shim --port N -- COMMAND..." with the
			   * link as fd 3; NULL: our own binary */
	uint32_t id_base; /* 65,536 ids from here on are the sandbox's;
			   * give each workload its own; as root only */
};

/* How a sandbox ended.  Only the class is to leave the machine. */
enum runtime_end {
	RUNTIME_END_OK,	     /* the workload exited with 0 */
	RUNTIME_END_ERROR,   /* with something else */
	RUNTIME_END_NOT_RUN, /* the command could not be executed (126, 127) */
	RUNTIME_END_SIGNAL,  /* killed */
	RUNTIME_END_MEMORY,  /* the kernel killed for want of memory */
};

/* "ok", "error", "not-run", "signal", "memory". */
const char *runtime_end_name(enum runtime_end end);

/* Start.  Blocks for the few milliseconds that the walls take.
 *
 * link		one end of an AF_UNIX SOCK_STREAM pair, over which descriptors
 *		are passed (core/io/fdpass.h) that the shim then relays to
 *		127.0.0.1:port inside; duplicated, stays the caller's.  When
 *		the last other end is closed, the workload is killed.
 * out_fd, err_fd  the workload's stdout and stderr, pipes; -1: /dev/null.
 *		Duplicated.
 * ended	called once, from the loop; everything of the sandbox is gone
 *		by then but this handle, which the caller frees.
 *
 * E_CONF	the spec is wrong (spec_check).
 * E_PERM	this user or kernel does not allow it; the text says what to
 *		change.
 * E_NOTFOUND, E_IO  a step failed; the text names it. */
enum status runtime_start(struct loop *l, const struct runtime_settings *set,
			  const struct sandbox_spec *spec, int link, int out_fd,
			  int err_fd,
			  void (*ended)(void *ctx, enum runtime_end end),
			  void *ctx, struct runtime **out, struct err *err);

/* Which limits hold: those that could be set. */
struct cgroup_state runtime_limits(const struct runtime *r);

/* The first process, as the host numbers it; for tests and logs. */
pid_t runtime_pid(const struct runtime *r);

/* Ask the workload to end (SIGTERM), and kill everything after ms. */
void runtime_stop(struct runtime *r, int64_t ms);

/* Kill at once what still runs, without ended(), and release.  NULL is
 * ignored. */
void runtime_free(struct runtime *r);

#endif
