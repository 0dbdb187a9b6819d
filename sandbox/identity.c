#include "sandbox/identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "sandbox/namespace.h"

#define CAP_MAX 64

/* Being user 0, or becoming it, gives no capability; nor can this be undone. */
#define SECURE_BITS                                                       \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |    \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

enum status identity_enter(bool has_root, struct err *err)
{
	if (has_root && (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
			 setresuid(0, 0, 0) < 0))
		return err_errno(err, "sandbox: become its root");
	return OK;
}

enum status identity_limit(const struct sandbox_limits *limits, struct err *err)
{
	const struct {
		__rlimit_resource_t what;
		rlim_t value;
	} rows[] = {
		/* Not 0: with that the kernel still feeds a program that
		 * core_pattern names, with 1 it does not (core(5)). */
		{ RLIMIT_CORE, IDENTITY_CORE_LIMIT },
		{ RLIMIT_NOFILE, limits->nofile },
		/* Counted in this user namespace alone (Linux 5.14). */
		{ RLIMIT_NPROC, limits->pids },
		{ RLIMIT_RTPRIO, 0 },
		{ RLIMIT_NICE, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct rlimit old, r = { rows[i].value, rows[i].value };

		if (getrlimit(rows[i].what, &old) < 0)
			return err_errno(err, "sandbox: limits");
		if (old.rlim_max < r.rlim_max)
			r = (struct rlimit){ old.rlim_max, old.rlim_max };
		if (setrlimit(rows[i].what, &r) < 0)
			return err_errno(err, "sandbox: limit %d",
					 (int)rows[i].what);
	}
	return OK;
}

static enum status drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &head, none) < 0)
		return err_errno(err, "sandbox: drop capabilities");
	return OK;
}

enum status identity_drop(bool has_root, struct err *err)
{
	if (prctl(PR_SET_SECUREBITS, SECURE_BITS) < 0)
		return err_errno(err, "sandbox: secure bits");
	for (int cap = 0; cap < CAP_MAX; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_errno(err, "sandbox: drop capability %d",
					 cap);
	if (has_root &&
	    (setresgid(NAMESPACE_UID, NAMESPACE_UID, NAMESPACE_UID) < 0 ||
	     setresuid(NAMESPACE_UID, NAMESPACE_UID, NAMESPACE_UID) < 0))
		return err_errno(err, "sandbox: become the workload's user");
	TRY(drop_capabilities(err));

	/* A change of ids clears it, so only now. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "sandbox: no new privileges");
	return OK;
}
