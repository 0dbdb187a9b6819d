#include "sandbox/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "core/slice.h"

#define HOSTNAME "sandbox"

pid_t namespace_fork(int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* What stands in a kernel setting; -1 when there is no such setting. */
static long setting(const char *path)
{
	char text[24] = "";
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	return strtol(text, NULL, 10);
}

/* clang-format off */
static const struct {
	const char *path;
	long bad;
	const char *hint;
} settings[] = {
	{ "/proc/sys/user/max_user_namespaces", 0,
	  "set sysctl user.max_user_namespaces=16384" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", 0,
	  "set sysctl kernel.unprivileged_userns_clone=1, or run as root" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1,
	  "set sysctl kernel.apparmor_restrict_unprivileged_userns=0, give "
	  "confd an AppArmor profile with userns, or run as root" },
};
/* clang-format on */

enum status namespace_refused(const char *step, int error, struct err *err)
{
	const char *hint = "this machine (a container?) allows no "
			   "namespaces: run outside of it";

	for (size_t i = 0; i < countof(settings); i++) {
		if (setting(settings[i].path) == settings[i].bad) {
			hint = settings[i].hint;
			break;
		}
	}
	return err_set(err, E_PERM, "sandbox: %s: %s; %s", step,
		       strerror(error), hint);
}

static bool put(pid_t pid, const char *file, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 &&
	       write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool put_map(pid_t pid, const char *file, uint32_t inside,
		    uint32_t outside, uint32_t n)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%u %u %u", inside, outside, n);
	return put(pid, file, text);
}

enum status namespace_map(pid_t child, uint32_t id_base, struct err *err)
{
	bool ok;

	if (geteuid() == 0) {
		ok = put_map(child, "gid_map", 0, id_base, NAMESPACE_IDS) &&
		     put_map(child, "uid_map", 0, id_base, NAMESPACE_IDS);
		if (!ok)
			return err_set(err, E_PERM,
				       "sandbox: cannot map ids from %u on: "
				       "%s; run as the machine's root, or as "
				       "an ordinary user",
				       id_base, strerror(errno));
		return OK;
	}
	/* The kernel takes a group map of others only once setgroups, which
	 * could drop a group that denies access, is off. */
	ok = put(child, "setgroups", "deny") &&
	     put_map(child, "gid_map", NAMESPACE_UID, getegid(), 1) &&
	     put_map(child, "uid_map", NAMESPACE_UID, geteuid(), 1);
	return ok ? OK : namespace_refused("map ids", errno, err);
}

static enum status loopback_up(struct err *err)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return namespace_refused("loopback interface", errno, err);
	return OK;
}

enum status namespace_settle(struct err *err)
{
	/* Made only now, so that its root is the group we were put into. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return namespace_refused("cgroup namespace", errno, err);
	TRY(loopback_up(err));
	if (sethostname(HOSTNAME, strlen(HOSTNAME)) < 0 ||
	    setdomainname("", 0) < 0)
		return err_errno(err, "sandbox: host name");
	return OK;
}
