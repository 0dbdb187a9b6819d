#include "core/io/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/cleanup.h"

#define FIRST_FD 3

struct proc {
	pid_t pid;
	int pidfd;
	int wait_status;
	bool ended;
	struct loop_fd *watch;
	struct loop_timer *kill_timer;
	void (*exited)(void *ctx, int wait_status);
	void *ctx;
};

/* What a child that could not begin tells its parent. */
struct start_failure {
	int error; /* errno */
	char step[24];
};

static __attribute__((noreturn)) void give_up(int report, const char *step)
{
	struct start_failure f = { .error = errno };
	size_t n = strnlen(step, sizeof(f.step) - 1);

	memcpy(f.step, step, n);
	/* When this fails too, the exit status has to do. */
	(void)!write(report, &f, sizeof(f));
	_exit(127);
}

/* Put the listed descriptors at 3, 4, ...; the report pipe behind them. */
static int place_fds(const struct proc_spec *spec, int report)
{
	int safe[PROC_FDS_MAX];
	int after = FIRST_FD + (int)spec->n_fds;

	report = fcntl(report, F_DUPFD_CLOEXEC, after + PROC_FDS_MAX);
	if (report < 0)
		_exit(127);
	for (size_t i = 0; i < spec->n_fds; i++) {
		safe[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC,
				after + PROC_FDS_MAX);
		if (safe[i] < 0)
			give_up(report, "duplicate descriptor");
	}
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(safe[i], FIRST_FD + (int)i) < 0)
			give_up(report, "place descriptor");
	if (close_range((unsigned)after, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		give_up(report, "close_range");
	return report;
}

static void place_stdio(const struct proc_spec *spec, int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		give_up(report, "open /dev/null");
	if (spec->out_fd >= 0 && dup2(spec->out_fd, STDOUT_FILENO) < 0)
		give_up(report, "place stdout");
	if (spec->err_fd >= 0 && dup2(spec->err_fd, STDERR_FILENO) < 0)
		give_up(report, "place stderr");
}

static void drop_ids(const struct proc_spec *spec, int report)
{
	if (spec->gid != 0 && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 ||
	     setresgid(spec->gid, spec->gid, spec->gid) < 0))
		give_up(report, "setresgid");
	if (spec->uid != 0 && geteuid() == 0 &&
	    setresuid(spec->uid, spec->uid, spec->uid) < 0)
		give_up(report, "setresuid");
}

/* Everything between fork and exec, in the order that each step needs. */
static __attribute__((noreturn)) void child(const struct proc_spec *spec,
					    pid_t parent, int report)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < 32; s++)
		(void)signal(s, SIG_DFL); /* fails for KILL and STOP only */
	if (spec->new_group)
		(void)setpgid(0, 0);

	place_stdio(spec, report);
	report = place_fds(spec, report);
	/* Where namespaces are not allowed the role still has its seccomp
	 * list; the network namespace is a second wall. */
	if (spec->new_net)
		(void)unshare(CLONE_NEWNET);
	drop_ids(spec, report);

	/* After the change of ids, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		give_up(report, "parent is gone");
	static const char *const no_env[] = { NULL };
	const char *path = spec->path != NULL ? spec->path : "/proc/self/exe";
	const char *const *env = spec->env != NULL ? spec->env : no_env;
	(void)execve(path, (char *const *)(uintptr_t)spec->argv,
		     (char *const *)(uintptr_t)env);
	give_up(report, "execute");
}

static int pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void reap(struct proc *p)
{
	if (p->ended)
		return;
	while (waitpid(p->pid, &p->wait_status, 0) < 0 && errno == EINTR)
		continue;
	p->ended = true;
	if (p->watch != NULL)
		loop_fd_want(p->watch, 0);
	loop_timer_disarm(p->kill_timer);
}

static void ready(void *ctx, unsigned what)
{
	struct proc *p = ctx;

	(void)what;
	reap(p);
	p->exited(p->ctx, p->wait_status);
}

static void kill_now(void *ctx)
{
	proc_kill(ctx, SIGKILL);
}

enum status proc_watch(struct loop *l, pid_t pid, int pidfd,
		       void (*exited)(void *ctx, int wait_status), void *ctx,
		       struct proc **out, struct err *err)
{
	(void)err;
	struct proc *p = mem_must(sizeof(*p));

	p->pid = pid;
	p->pidfd = pidfd;
	p->exited = exited;
	p->ctx = ctx;
	p->watch = loop_fd_new(l, pidfd, ready, p);
	p->kill_timer = loop_timer_new(l, kill_now, p);
	loop_fd_want(p->watch, LOOP_READ);
	*out = p;
	return OK;
}

/* Wait until the child has executed, or hear why it could not. */
static enum status hear(int report, const struct proc_spec *spec, pid_t pid,
			struct err *err)
{
	struct start_failure f;
	ssize_t n;

	do
		n = read(report, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return OK;

	(void)waitpid(pid, NULL, 0);
	if (n != (ssize_t)sizeof(f))
		return err_set(err, E_IO, "start %s: no word from the child",
			       spec->argv[0]);
	errno = f.error;
	return err_errno(err, "start %s: %.*s", spec->argv[0],
			 (int)sizeof(f.step), f.step);
}

enum status proc_start(struct loop *l, const struct proc_spec *spec,
		       void (*exited)(void *ctx, int wait_status), void *ctx,
		       struct proc **out, struct err *err)
{
	int report[2];
	pid_t parent = getpid();

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_errno(err, "pipe");
	auto_fd int from = report[0];
	pid_t pid = fork();
	if (pid == 0)
		child(spec, parent, report[1]);
	(void)close(report[1]);
	if (pid < 0)
		return err_errno(err, "fork");
	TRY(hear(from, spec, pid, err));

	int pidfd = pidfd_of(pid);
	if (pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_errno(err, "pidfd_open");
	}
	return proc_watch(l, pid, pidfd, exited, ctx, out, err);
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

void proc_kill(struct proc *p, int signo)
{
	if (!p->ended)
		(void)syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0);
}

void proc_stop(struct proc *p, int64_t ms)
{
	if (p->ended)
		return;
	proc_kill(p, SIGTERM);
	loop_timer_arm(p->kill_timer, ms);
}

void proc_free(struct proc *p)
{
	if (p == NULL)
		return;
	proc_kill(p, SIGKILL);
	reap(p);
	loop_fd_free(p->watch);
	loop_timer_free(p->kill_timer);
	(void)close(p->pidfd);
	mem_free(p);
}

void proc_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';

	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    strlen(path));
	/* Nobody can be told when this fails. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		      (const struct sockaddr *)&to, len);
}
