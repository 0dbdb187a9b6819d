#include "sandbox/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/io/chan.h"
#include "sandbox/seccomp.h"
#include "test/sandbox/box.h"
#include "test/test.h"

/* What a confined child tries, and with what it must end. */

static int prepared; /* a descriptor made before */

static int try_read_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}
static int try_write_file(void)
{
	return open("/tmp/confd-test-x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}
static int try_exec(void)
{
	return execl("/bin/true", "true", NULL);
}
static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}
static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}
static int try_vsock(void)
{
	return socket(40, SOCK_STREAM, 0);
}
static int try_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}
static int try_accept(void)
{
	return accept4(prepared, NULL, NULL, SOCK_NONBLOCK);
}
static int try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}
static int try_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_mount(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static int try_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}
static int try_uring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}
static int try_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int try_setns(void)
{
	return setns(prepared, 0);
}
static int try_keyctl(void)
{
	return (int)syscall(SYS_keyctl, 0, -3);
}
static int try_read_memory(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0,
			    0);
}
static int try_perf(void)
{
	return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}
static int try_module(void)
{
	return (int)syscall(SYS_finit_module, prepared, "", 0);
}
static int try_fault(void)
{
	return (int)syscall(SYS_userfaultfd, 1);
}
static int try_clone3(void)
{
	return (int)syscall(SYS_clone3, NULL, 0);
}
static int try_kill(void)
{
	return kill(getppid(), 0);
}
static int try_thread_kill(void) /* the call that abort() needs */
{
	return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}
static int try_limit(void)
{
	struct rlimit r = { 0, 0 };

	return getrlimit(RLIMIT_NOFILE, &r) < 0 ? 0
						: setrlimit(RLIMIT_NOFILE, &r);
}
static int try_lease(void)
{
	return fcntl(prepared, F_SETLEASE, F_RDLCK);
}
static int try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static int try_live(void) /* what every role does */
{
	struct timespec t;
	struct err err;
	struct loop *l = NULL;

	if (loop_new(&l, &err) != OK)
		return -1;
	loop_run_once(l, 1);
	loop_free(l);
	void *p = mem_alloc(3u << 20);
	p = p == NULL ? NULL : mem_realloc(p, 6u << 20);
	mem_free(p);
	return p == NULL || clock_gettime(CLOCK_REALTIME, &t) < 0 ||
			       fcntl(prepared, F_GETFL) < 0
		       ? -1
		       : 0;
}

#define KILLED (-1)

/* For each attempt: 0 works, an errno, or KILLED. */
static const struct {
	enum profile_id id;
	int (*attempt)(void);
	int want;
} rows[] = {
	{ PROFILE_AS_NET, try_live, 0 },
	{ PROFILE_AS_NET, try_accept, 0 },
	{ PROFILE_AS_NET, try_read_file, EPERM },
	{ PROFILE_AS_NET, try_write_file, EPERM },
	{ PROFILE_AS_NET, try_socket, EPERM },
	{ PROFILE_AS_NET, try_pair, EPERM },
	{ PROFILE_AS_NET, try_fork, EPERM },
	{ PROFILE_AS_NET, try_kill, EPERM },
	{ PROFILE_AS_NET, try_dumpable, EPERM },
	{ PROFILE_AS_NET, try_limit, EPERM },
	{ PROFILE_AS_NET, try_lease, EPERM },
	{ PROFILE_AS_NET, try_code, EPERM },
	{ PROFILE_AS_NET, try_make_code, EPERM },
	{ PROFILE_AS_NET, try_clone3, ENOSYS },
	{ PROFILE_AS_NET, try_exec, KILLED },
	{ PROFILE_AS_NET, try_ptrace, KILLED },
	{ PROFILE_AS_NET, try_mount, KILLED },
	{ PROFILE_AS_NET, try_unshare, KILLED },
	{ PROFILE_AS_NET, try_uring, KILLED },
	{ PROFILE_AS_NET, try_bpf, KILLED },
	{ PROFILE_AS_KEEPER, try_live, 0 },
	{ PROFILE_AS_KEEPER, try_accept, EPERM },
	{ PROFILE_AS_KEEPER, try_socket, EPERM },
	{ PROFILE_AS_KEEPER, try_pair, EPERM },
	{ PROFILE_AS_KEEPER, try_exec, KILLED },
	{ PROFILE_AS_KEEPER, try_mount, KILLED },
	{ PROFILE_AS_JUDGE, try_live, 0 },
	{ PROFILE_AS_JUDGE, try_read_file, EPERM },
	{ PROFILE_AS_JUDGE, try_accept, EPERM },
	{ PROFILE_AS_JUDGE, try_socket, EPERM },
	{ PROFILE_AS_JUDGE, try_exec, KILLED },
	{ PROFILE_WORKER_NET, try_live, 0 },
	{ PROFILE_WORKER_NET, try_accept, 0 },
	{ PROFILE_WORKER_NET, try_socket, 0 },
	{ PROFILE_WORKER_NET, try_vsock, EPERM },
	{ PROFILE_WORKER_NET, try_read_file, EPERM },
	{ PROFILE_WORKER_NET, try_exec, KILLED },
	{ PROFILE_WORKER_KEEPER, try_live, 0 },
	{ PROFILE_WORKER_KEEPER, try_fork, 0 },
	{ PROFILE_WORKER_KEEPER, try_read_file, 0 },
	{ PROFILE_WORKER_KEEPER, try_exec, 0 },
	{ PROFILE_WORKER_KEEPER, try_ptrace, EPERM },
	{ PROFILE_WORKER_KEEPER, try_uring, EPERM },
	{ PROFILE_WORKER_KEEPER, try_bpf, EPERM },
	{ PROFILE_PROXY, try_live, 0 },
	{ PROFILE_PROXY, try_accept, 0 },
	{ PROFILE_PROXY, try_socket, 0 },
	{ PROFILE_PROXY, try_pair, 0 },
	{ PROFILE_PROXY, try_vsock, EPERM },
	{ PROFILE_PROXY, try_read_file, EPERM },
	{ PROFILE_PROXY, try_fork, EPERM },
	{ PROFILE_PROXY, try_exec, KILLED },
	{ PROFILE_CLIENT, try_live, 0 },
	{ PROFILE_CLIENT, try_socket, 0 },
	{ PROFILE_CLIENT, try_vsock, EPERM },
	{ PROFILE_CLIENT, try_fork, EPERM },
	{ PROFILE_CLIENT, try_exec, KILLED },
};

/* Confine a child and let it try; 0, an errno, or KILLED; 200 and above when
 * it could not even be confined. */
static int attempt_as(enum profile_id id, int (*attempt)(void))
{
	struct err err;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (confine(id, NULL, 0, &err) != OK)
			_exit(200);
		errno = 0;
		_exit(attempt() < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		continue;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 201;
	return WEXITSTATUS(status);
}

/* A listening socket with a connection that waits. */
static int listener_with_guest(int *guest)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*guest = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(bind(fd, (const struct sockaddr *)&a, len) == 0);
	EXPECT(listen(fd, 4) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	EXPECT(connect(*guest, (const struct sockaddr *)&a, len) == 0);
	return fd;
}

TEST(each_role_can_do_its_work_and_no_more)
{
	int guest;

	if (!confine_has_filter())
		SKIP("no system call filter in this build");
	for (size_t i = 0; i < countof(rows); i++) {
		prepared = listener_with_guest(&guest);
		int got = attempt_as(rows[i].id, rows[i].attempt);
		if (!EXPECT(got == rows[i].want))
			printf("\trow %zu, %s: %d, wanted %d\n", i,
			       profile_get(rows[i].id)->name, got,
			       rows[i].want);
		(void)close(prepared);
		(void)close(guest);
	}
}

static int (*const intrusions[])(void) = {
	try_exec,	 try_ptrace, try_mount,	 try_unshare,
	try_uring,	 try_bpf,    try_setns,	 try_keyctl,
	try_read_memory, try_perf,   try_module, try_fault,
};

TEST(what_only_an_intruder_does_ends_every_role_but_the_one_that_needs_it)
{
	int guest;

	if (!confine_has_filter())
		SKIP("no system call filter in this build");
	prepared = listener_with_guest(&guest);
	for (int id = PROFILE_WORKLOAD + 1; id < PROFILE_COUNT; id++)
		for (size_t i = 0; i < countof(intrusions); i++) {
			if (id == PROFILE_WORKER_KEEPER)
				continue; /* in the table above */
			int got =
				attempt_as((enum profile_id)id, intrusions[i]);
			if (!EXPECT(got == KILLED))
				printf("\t%s, %zu: %d\n",
				       profile_get((enum profile_id)id)->name,
				       i, got);
		}
	(void)close(prepared);
	(void)close(guest);
}

TEST(a_confined_role_cannot_signal_the_others)
{
	if (landlock_version() < 6)
		SKIP("this kernel's Landlock does not confine signals");
	if (test_is_counted())
		SKIP("this build is not confined");
	CHECK_EQ_U64(attempt_as(PROFILE_AS_NET, try_thread_kill), EPERM);
	CHECK_EQ_U64(attempt_as(PROFILE_AS_JUDGE, try_thread_kill), EPERM);
	CHECK_EQ_U64(attempt_as(PROFILE_PROXY, try_thread_kill), EPERM);
	CHECK_EQ_U64(attempt_as(PROFILE_WORKER_NET, try_thread_kill), EPERM);
}

static const char *allowed_dir;

/* Inside: everything of a store; outside: nothing. */
static int use_store(void)
{
	struct err err;
	char path[512], dir[512];
	auto_buf struct buf got = buf_make(100);

	(void)snprintf(path, sizeof(path), "%s/value", allowed_dir);
	(void)snprintf(dir, sizeof(dir), "%s/sub", allowed_dir);
	errno = 0;
	if (file_write(path, S("one"), 0600, &err) != OK ||
	    file_write(path, S("two"), 0600, &err) != OK ||
	    file_read(path, &got, &err) != OK || got.len != 3 ||
	    file_make_dir(dir, 0700, &err) != OK || rmdir(dir) < 0 ||
	    unlink(path) < 0) {
		errno = errno != 0 ? errno : 202;
		return -1;
	}
	return 0;
}

static int confined_to(enum profile_id id, bool write, int (*attempt)(void))
{
	const struct landlock_path path = { allowed_dir, write };
	struct err err;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (confine(id, &path, 1, &err) != OK)
			_exit(200);
		_exit(attempt() < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

TEST(a_keeper_uses_its_store_and_no_other_path)
{
	allowed_dir = test_dir();
	CHECK_EQ_U64(confined_to(PROFILE_AS_KEEPER, true, use_store), 0);
	if (landlock_version() == 0)
		SKIP("this kernel has no Landlock");
	if (test_is_counted())
		SKIP("this build is not confined");
	CHECK_EQ_U64(confined_to(PROFILE_AS_KEEPER, true, try_read_file),
		     EACCES);
	CHECK_EQ_U64(confined_to(PROFILE_AS_KEEPER, true, try_write_file),
		     EACCES);
	CHECK_EQ_U64(confined_to(PROFILE_AS_KEEPER, false, use_store), EACCES);
	CHECK_EQ_U64(confined_to(PROFILE_CLIENT, true, use_store), 0);
	CHECK_EQ_U64(confined_to(PROFILE_CLIENT, true, try_read_file), EACCES);
}

TEST(a_path_that_is_not_there_is_refused)
{
	allowed_dir = "/nothing/here";
	if (landlock_version() == 0)
		SKIP("this kernel has no Landlock");
	if (test_is_counted())
		SKIP("this build is not confined");
	CHECK_EQ_U64(confined_to(PROFILE_AS_KEEPER, true, use_store), 200);
}

static int see_settings(void)
{
	struct rlimit core = { 9, 9 };

	return prctl(PR_GET_DUMPABLE) == 0 &&
			       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
			       getrlimit(RLIMIT_CORE, &core) == 0 &&
			       core.rlim_max <= 1
		       ? 0
		       : -1;
}

static int see_settings_kept(void)
{
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : -1;
}

TEST(nothing_of_a_confined_process_can_be_dumped)
{
	CHECK_EQ_U64(attempt_as(PROFILE_WORKER_KEEPER, see_settings), 0);
	CHECK_EQ_U64(attempt_as(PROFILE_AS_NET, see_settings_kept), 0);
}

/* The keeper of a worker starts sandboxes, which inherit its filter. */
static int run_a_box(void)
{
	auto_box struct box b;

	box_init(&b, "leaks", NULL);
	if (!box_start(&b)) {
		errno = b.err.code == E_PERM ? 77 : 202;
		printf("\t%s\n", b.err.text);
		return -1;
	}
	bool ok =
		box_wait(&b, 10000) && supervise_get_end(b.s) == RUNTIME_END_OK;
	errno = 203;
	return ok ? 0 : -1;
}

TEST(a_confined_worker_can_start_sandboxes)
{
	BOX_NEEDED;
	int got = attempt_as(PROFILE_WORKER_KEEPER, run_a_box);
	if (got == 77)
		SKIP("not allowed here");
	CHECK_EQ_U64(got, 0);
}

TEST(there_is_a_profile_for_every_role)
{
	for (int id = 0; id < PROFILE_COUNT; id++)
		CHECK(profile_get((enum profile_id)id)->name != NULL &&
		      profile_get((enum profile_id)id)->groups != 0);
	/* An unknown one is the strictest. */
	CHECK(profile_get((enum profile_id)77) ==
	      profile_get(PROFILE_AS_JUDGE));
}
