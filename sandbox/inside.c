#include "sandbox/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "sandbox/identity.h"
#include "sandbox/landlock.h"
#include "sandbox/mounts.h"
#include "sandbox/namespace.h"
#include "sandbox/seccomp.h"
#include "sandbox/shim.h"

#define PATH_VALUE \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HOME_VALUE "HOME=/tmp"
#define PARKED 16 /* descriptors in use wait here until they are placed */

static __attribute__((noreturn)) void give_up(int sync, const struct err *err)
{
	/* When this fails too, the starter sees the end without a word. */
	(void)send(sync, err, sizeof(*err), MSG_NOSIGNAL);
	_exit(127);
}

static enum status tell(int sync, char byte, struct err *err)
{
	if (send(sync, &byte, 1, MSG_NOSIGNAL) != 1)
		return err_errno(err, "sandbox: starter is gone");
	return OK;
}

/* Handlers of the starter would write into its own pipes. */
static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < 32; s++)
		(void)signal(s, SIG_DFL); /* fails for KILL and STOP only */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static enum status wait_for_ids(const struct inside *in, struct err *err)
{
	char byte;

	/* An ordinary user may write the maps only of what it may look into;
	 * keys are not in here (core/secret.h), and it is soon over. */
	if (!in->has_root && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_errno(err, "sandbox: dumpable");
	TRY(tell(in->sync, INSIDE_HELLO, err));
	if (recv(in->sync, &byte, 1, 0) != 1 || byte != INSIDE_GO)
		return err_set(err, E_IO, "sandbox: starter is gone");
	return OK;
}

/* A crash is not to carry prompts out.  The workload may not change its limit
 * of core dumps; and what of memory belongs into one is inherited, also by
 * other programs, and here nothing. */
static enum status empty_dumps(struct err *err)
{
	auto_fd int fd =
		open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return OK; /* a kernel without core dumps */
	if (fd < 0 || write(fd, "0", 1) != 1)
		return err_errno(err, "sandbox: coredump_filter");
	return OK;
}

/* Move the descriptors out of the way of those that they become. */
static enum status park(int *fd, struct err *err)
{
	if (*fd < 0)
		return OK;
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, PARKED);
	return *fd < 0 ? err_errno(err, "sandbox: descriptors") : OK;
}

static enum status place_fds(struct inside *in, struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_errno(err, "sandbox: /dev/null");
	TRY(park(&null, err));
	const struct {
		int from, to;
	} rows[] = {
		{ null, STDIN_FILENO },
		{ in->out_fd >= 0 ? in->out_fd : null, STDOUT_FILENO },
		{ in->err_fd >= 0 ? in->err_fd : null, STDERR_FILENO },
		{ in->link, SHIM_LINK_FD },
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (dup2(rows[i].from, rows[i].to) < 0)
			return err_errno(err, "sandbox: descriptors");
	/* The socket to the starter closes by itself, too. */
	if (close_range(SHIM_LINK_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_errno(err, "sandbox: close_range");
	return OK;
}

static enum status build(struct inside *in, struct err *err)
{
	const struct sandbox_limits limits = spec_limits(in->spec);
	const char *cwd = in->spec->cwd != NULL ? in->spec->cwd : "/";

	(void)umask(022);
	TRY(park(&in->sync, err));
	TRY(park(&in->link, err));
	TRY(park(&in->out_fd, err));
	TRY(park(&in->err_fd, err));
	TRY(wait_for_ids(in, err));
	TRY(empty_dumps(err));
	TRY(namespace_settle(err));
	TRY(mounts_collect(in->spec, in->shim, err));
	TRY(identity_enter(in->has_root, err));
	TRY(mounts_place(in->spec, err));
	if (chdir(cwd) < 0)
		return err_errno(err, "sandbox: cwd %s", cwd);
	TRY(place_fds(in, err));
	TRY(identity_limit(&limits, err));
	TRY(identity_drop(in->has_root, err));
	TRY(landlock_scope(err));
	return seccomp_apply(profile_get(PROFILE_WORKLOAD), err);
}

static bool has_variable(const char *const *env, const char *like)
{
	size_t n = strcspn(like, "=") + 1;

	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, like, n) == 0)
			return true;
	return false;
}

static void make_env(const struct sandbox_spec *spec,
		     const char *out[SPEC_ENV_MAX + 3])
{
	size_t n = 0;

	if (!has_variable(spec->env, PATH_VALUE))
		out[n++] = PATH_VALUE;
	if (!has_variable(spec->env, HOME_VALUE))
		out[n++] = HOME_VALUE;
	for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
		out[n++] = spec->env[i];
	out[n] = NULL;
}

void inside_run(const struct inside *settings)
{
	struct inside in = *settings;
	struct err err;
	char port[8];
	const char *argv[SPEC_ARGS_MAX + 6] = { "confd", "shim", "--port", port,
						"--" };
	const char *env[SPEC_ENV_MAX + 3];

	reset_signals();
	if (build(&in, &err) != OK)
		give_up(in.sync, &err);

	(void)snprintf(port, sizeof(port), "%u", in.spec->port);
	for (size_t i = 0; in.spec->argv[i] != NULL; i++)
		argv[5 + i] = in.spec->argv[i];
	make_env(in.spec, env);
	/* The starter may have gone before we asked to end with it. */
	if (tell(in.sync, INSIDE_READY, &err) != OK)
		_exit(127);
	(void)execve(MOUNTS_SHIM, (char *const *)(uintptr_t)argv,
		     (char *const *)(uintptr_t)env);
	(void)err_errno(&err, "sandbox: execute the shim (it must be "
			      "executable by all and, unless the root file "
			      "system has its libraries, static)");
	give_up(in.sync, &err);
}
