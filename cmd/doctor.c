/* confd doctor: can this machine do what confd needs?  A line a check, with a
 * hint where the answer is no. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/tee/tee.h"
#include "cmd/applet.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

struct doctor_opts {
	struct common_opts common;
	bool json;
};

static const struct opt rows[] = {
	{ .name = "json",
	  .help = "print a JSON array of checks",
	  .kind = OPT_FLAG,
	  OPT_AT(struct doctor_opts, json) },
};

enum verdict_word { GOOD, MISSING, BAD };

struct finding {
	enum verdict_word word;
	char text[160];
};

static void find(struct finding *f, enum verdict_word w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void find(struct finding *f, enum verdict_word w, const char *fmt, ...)
{
	va_list ap;

	f->word = w;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static void check_kernel(struct finding *f)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		find(f, BAD, "cannot tell");
	else
		find(f, major > 5 || (major == 5 && minor >= 11) ? GOOD : BAD,
		     "%.100s", u.release);
}

static void check_userns(struct finding *f)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : 1);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	find(f, status == 0 ? GOOD : BAD, "%s",
	     status == 0 ? "may be made" : "may not be made");
}

static void check_seccomp(struct finding *f)
{
	/* EFAULT: the filter mode is known, only the filter is not there. */
	bool has = prctl(PR_SET_SECCOMP, 2, NULL) < 0 && errno == EFAULT;

	find(f, has ? GOOD : BAD, "%s", has ? "filters" : "no filters");
}

static void check_landlock(struct finding *f)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		find(f, GOOD, "version %ld", abi);
	else
		find(f, MISSING, "not enabled");
}

static void check_cgroups(struct finding *f)
{
	if (access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0)
		find(f, GOOD, "version 2");
	else if (access("/sys/fs/cgroup/memory", R_OK) == 0)
		find(f, GOOD, "version 1");
	else
		find(f, MISSING, "not mounted");
}

static void check_memlock(struct finding *f)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) < 0)
		find(f, BAD, "cannot tell");
	else if (r.rlim_max == RLIM_INFINITY)
		find(f, GOOD, "unlimited");
	else
		find(f, r.rlim_max >= (1u << 20) ? GOOD : BAD, "%llu KiB",
		     (unsigned long long)r.rlim_max >> 10);
}

/* The day of the oldest code here: a clock before it is wrong. */
#define EPOCH_OF_CONFD 1788220800 /* 2026-09-01 */

static void check_clock(struct finding *f)
{
	char text[TEXT_TIME_SIZE];
	int64_t now = clock_wall();

	text_time(text, now);
	find(f, now > EPOCH_OF_CONFD ? GOOD : BAD, "%s", text);
}

static void check_tee(struct finding *f)
{
	static const char *const devices[] = { "/dev/sev-guest",
					       "/dev/tdx_guest",
					       "/sys/kernel/config/tsm" };

	for (size_t i = 0; i < countof(devices); i++) {
		if (access(devices[i], F_OK) == 0) {
			find(f, GOOD, "%s", devices[i]);
			return;
		}
	}
	find(f, MISSING, "no hardware TEE");
}

static void check_swap(struct finding *f)
{
	char line[512] = "";
	bool any = false;
	auto_file FILE *in = fopen("/proc/swaps", "re");

	/* The first line is a heading. */
	if (in != NULL && fgets(line, sizeof(line), in) != NULL)
		any = fgets(line, sizeof(line), in) != NULL;
	find(f, any ? MISSING : GOOD, "%s", any ? "on" : "off");
}

static const struct check {
	const char *name;
	void (*look)(struct finding *f);
	const char *hint; /* where it is not good */
} checks[] = {
	{ "kernel", check_kernel, "Linux 5.11 or newer; 6.12 for a CVM" },
	{ "user namespaces", check_userns,
	  "sysctl kernel.unprivileged_userns_clone=1 and, where it exists, "
	  "kernel.apparmor_restrict_unprivileged_userns=0; or run as root" },
	{ "seccomp", check_seccomp, "a kernel with CONFIG_SECCOMP_FILTER" },
	{ "landlock", check_landlock,
	  "boot with lsm=landlock,...; without it one wall less stands" },
	{ "cgroups", check_cgroups,
	  "mount cgroup2 on /sys/fs/cgroup; without it workloads have no "
	  "limits" },
	{ "locked memory", check_memlock,
	  "raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=) to 1 MiB" },
	{ "clock", check_clock, "set the clock; certificates depend on it" },
	{ "TEE", check_tee,
	  "on this machine only clients, admins and --tee sim can run" },
	{ "swap", check_swap,
	  "swapoff -a on machines that see prompts; keys are locked anyway" },
};

static const char *const words[] = {
	[GOOD] = "ok", [MISSING] = "missing", [BAD] = "not ok"
};

static void print_json(const struct check *c, const struct finding *f,
		       struct json_out *w)
{
	json_open_object(w, NULL);
	json_put_cstr(w, "check", c->name);
	json_put_cstr(w, "verdict", words[f->word]);
	json_put_cstr(w, "found", f->text);
	if (f->word != GOOD)
		json_put_cstr(w, "hint", c->hint);
	json_close_object(w);
}

static void print_text(const struct check *c, const struct finding *f)
{
	printf("%-16s %-8s %s\n", c->name, words[f->word], f->text);
	if (f->word != GOOD)
		printf("%-16s          %s\n", "", c->hint);
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct doctor_opts *o = opts;
	auto_buf struct buf text = buf_make(64u << 10);
	struct json_out w = { .buf = &text };
	size_t bad = 0;

	(void)args;
	json_open_array(&w, NULL);
	for (size_t i = 0; i < countof(checks); i++) {
		struct finding f = { 0 };

		checks[i].look(&f);
		bad += f.word == BAD;
		if (o->json)
			print_json(&checks[i], &f, &w);
		else
			print_text(&checks[i], &f);
	}
	json_close_array(&w);
	if (o->json)
		printf("%s\n", buf_cstr(&text));
	if (bad > 0)
		return err_set(err, E_UNAVAIL,
			       "%zu check%s failed; the hints say what to do",
			       bad, bad == 1 ? "" : "s");
	return OK;
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct doctor_opts), .run = run },
};

const struct applet applet_doctor = {
	.name = "doctor",
	.summary = "check kernel, devices and limits, with hints",
	VERBS(verbs),
};
