#include "sandbox/runtime.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/io/proc.h"
#include "sandbox/identity.h"
#include "sandbox/inside.h"
#include "sandbox/namespace.h"

/* The walls take milliseconds; a network file system may hang. */
#define START_MS 10000

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_SIGNAL 128

struct runtime {
	struct proc *proc;
	struct cgroup *group;
	struct cgroup_state limits;
	pid_t pid;
	void (*ended)(void *ctx, enum runtime_end end);
	void *ctx;
};

const char *runtime_end_name(enum runtime_end end)
{
	static const char *const names[] = {
		[RUNTIME_END_OK] = "ok",
		[RUNTIME_END_ERROR] = "error",
		[RUNTIME_END_NOT_RUN] = "not-run",
		[RUNTIME_END_SIGNAL] = "signal",
		[RUNTIME_END_MEMORY] = "memory",
	};

	return (size_t)end < countof(names) ? names[end] : "unknown";
}

/* The shim tells of the workload by its own exit status (sandbox/shim.h). */
static enum runtime_end end_of(int wait_status)
{
	int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;

	if (WIFSIGNALED(wait_status) || code > EXIT_SIGNAL)
		return RUNTIME_END_SIGNAL;
	if (code >= EXIT_NOT_EXECUTABLE)
		return RUNTIME_END_NOT_RUN;
	return code == 0 ? RUNTIME_END_OK : RUNTIME_END_ERROR;
}

static void exited(void *ctx, int wait_status)
{
	struct runtime *r = ctx;
	enum runtime_end end = end_of(wait_status);

	if (end != RUNTIME_END_OK && cgroup_was_starved(r->group))
		end = RUNTIME_END_MEMORY;
	cgroup_free(take(r->group));
	r->ended(r->ctx, end);
}

/* One message of the child; its length, 0 at the end, -1 when none came in
 * time. */
static ssize_t hear(int sync, struct err *msg)
{
	struct pollfd p = { .fd = sync, .events = POLLIN };
	ssize_t n;

	do
		n = poll(&p, 1, START_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -1;
	do
		n = recv(sync, msg, sizeof(*msg), 0);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Expect one byte; anything else is the child's own failure, or its end. */
static enum status expect(int sync, char byte, struct err *err)
{
	struct err msg = { 0 };
	ssize_t n = hear(sync, &msg);

	if (n == 1 && *(const char *)&msg == byte)
		return OK;
	if (n == (ssize_t)sizeof(msg)) {
		msg.text[sizeof(msg.text) - 1] = '\0';
		return err_set(err, msg.code, "%s", msg.text);
	}
	return err_set(err, E_IO, "sandbox: %s",
		       n < 0 ? "not built in time" : "ended while being built");
}

static enum status expect_exec(int sync, struct err *err)
{
	struct err msg = { 0 };

	TRY(expect(sync, INSIDE_READY, err));
	ssize_t n = hear(sync, &msg);
	if (n == 0)
		return OK;
	if (n == (ssize_t)sizeof(msg)) {
		msg.text[sizeof(msg.text) - 1] = '\0';
		return err_set(err, msg.code, "%s", msg.text);
	}
	return err_set(err, E_IO, "sandbox: shim not executed in time");
}

/* See the child through its start. */
static enum status lead(const struct runtime_settings *set, pid_t pid, int sync,
			struct cgroup *group, struct err *err)
{
	const struct rlimit core = { IDENTITY_CORE_LIMIT, IDENTITY_CORE_LIMIT };
	const char go = INSIDE_GO;
	uint32_t base = set->id_base != 0 ? set->id_base : RUNTIME_ID_BASE;

	TRY(expect(sync, INSIDE_HELLO, err));
	TRY(namespace_map(pid, base, err));
	TRY(cgroup_add(group, pid, err));
	/* We may have given up our own limit (core/secret.h), and only root
	 * can raise it; without, the empty coredump_filter has to do. */
	(void)prlimit(pid, RLIMIT_CORE, &core, NULL);
	if (send(sync, &go, 1, MSG_NOSIGNAL) != 1)
		return err_errno(err, "sandbox: child is gone");
	return expect_exec(sync, err);
}

static void kill_and_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* A new process that is inside_run(), with no signal handler of ours run in
 * it. */
static pid_t fork_inside(struct inside *in, const int sync[2], int *pidfd)
{
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = namespace_fork(pidfd);
	if (pid == 0) {
		(void)close(sync[0]);
		in->sync = sync[1];
		inside_run(in);
	}
	int error = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return pid;
}

/* On OK *pid runs the shim. */
static enum status start(const struct runtime_settings *set, struct inside *in,
			 struct cgroup *group, pid_t *pid, int *pidfd,
			 struct err *err)
{
	int sync[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return err_errno(err, "sandbox: socketpair");
	auto_fd int ours = sync[0];
	*pid = fork_inside(in, sync, pidfd);
	int error = errno;
	(void)close(sync[1]);
	if (*pid < 0)
		return namespace_refused("new namespaces", error, err);

	enum status s = lead(set, *pid, ours, group, err);
	if (s != OK) {
		kill_and_reap(*pid);
		(void)close(take_fd(pidfd));
	}
	return s;
}

enum status runtime_start(struct loop *l, const struct runtime_settings *set,
			  const struct sandbox_spec *spec, int link, int out_fd,
			  int err_fd,
			  void (*ended)(void *ctx, enum runtime_end end),
			  void *ctx, struct runtime **out, struct err *err)
{
	struct inside in = { .spec = spec,
			     .shim = set->shim,
			     .has_root = geteuid() == 0,
			     .link = link,
			     .out_fd = out_fd,
			     .err_fd = err_fd };
	int pidfd = -1;
	pid_t pid = -1;

	TRY(spec_check(spec, err));
	const struct sandbox_limits limits = spec_limits(spec);
	auto_cgroup struct cgroup *group = NULL;
	cgroup_new(spec->name, limits.memory_mib << 20, limits.pids, &group);
	TRY(start(set, &in, group, &pid, &pidfd, err));

	struct runtime *r = mem_must(sizeof(*r));
	r->ended = ended;
	r->ctx = ctx;
	r->pid = pid;
	r->limits = cgroup_get(group);
	enum status s = proc_watch(l, pid, pidfd, exited, r, &r->proc, err);
	if (s != OK) {
		kill_and_reap(pid);
		(void)close(pidfd);
		mem_free(r);
		return s;
	}
	r->group = take(group);
	*out = r;
	return OK;
}

struct cgroup_state runtime_limits(const struct runtime *r)
{
	return r->limits;
}

pid_t runtime_pid(const struct runtime *r)
{
	return r->pid;
}

void runtime_stop(struct runtime *r, int64_t ms)
{
	proc_stop(r->proc, ms);
}

void runtime_free(struct runtime *r)
{
	if (r == NULL)
		return;
	proc_free(r->proc);
	cgroup_free(r->group);
	mem_free(r);
}
