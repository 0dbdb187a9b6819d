/* Child processes: our own roles (the binary re-executed) and others.
 *
 * A child gets an empty environment plus what is listed, stdin from
 * /dev/null, stdout and stderr as told, exactly the descriptors listed
 * (close_range for all others), no signal mask, and dies with its parent
 * (PR_SET_PDEATHSIG). */
#ifndef CONFD_CORE_IO_PROC_H
#define CONFD_CORE_IO_PROC_H

#include <sys/types.h>

#include "core/io/loop.h"
#include "core/slice.h"

struct proc;

#define PROC_FDS_MAX 8

struct proc_spec {
	const char *path;	 /* NULL: our own binary (/proc/self/exe) */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;	 /* NULL-terminated, or NULL: empty */
	int fds[PROC_FDS_MAX];	 /* become 3, 4, ... in the child */
	size_t n_fds;
	int out_fd, err_fd; /* -1: inherited */
	uid_t uid;	    /* 0: stay as we are */
	gid_t gid;
	bool new_net;	/* an own, empty network namespace where allowed */
	bool new_group; /* a process group of its own (terminal signals) */
};

/* Start; exited(ctx, status) once, with a wait status, when it ended. */
enum status proc_start(struct loop *l, const struct proc_spec *spec,
		       void (*exited)(void *ctx, int wait_status), void *ctx,
		       struct proc **out, struct err *err);

/* Watch a child that was started elsewhere, by its pidfd, which becomes the
 * watcher's. */
enum status proc_watch(struct loop *l, pid_t pid, int pidfd,
		       void (*exited)(void *ctx, int wait_status), void *ctx,
		       struct proc **out, struct err *err);

pid_t proc_pid(const struct proc *p);
void proc_kill(struct proc *p, int signo); /* nothing when it ended */

/* SIGTERM now, SIGKILL after ms. */
void proc_stop(struct proc *p, int64_t ms);

/* Stop watching; kills a child that is still there, and reaps it. */
void proc_free(struct proc *p);

/* Say READY=1 (or STOPPING=1 ...) to systemd, when NOTIFY_SOCKET is set. */
void proc_notify(const char *state);

#endif
