#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "test/test.h"

/* A child that waits until its pipe is closed, then does fn. */
static pid_t child_of(int go, int (*fn)(void))
{
	pid_t pid = fork();
	char byte;

	if (pid == 0) {
		(void)!read(go, &byte, 1);
		_exit(fn());
	}
	return pid;
}

static int eat(void)
{
	size_t n = 200u << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		memset(p, 1, n);
	return 0;
}

static int fork_some(void)
{
	int n = 0;
	pid_t pid;

	while (n < 40 && (pid = fork()) >= 0) {
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		n++;
	}
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(0, SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	return n;
}

/* Run fn in a process group and a cgroup of its own; its wait status. */
static int run_in(struct cgroup *g, int (*fn)(void))
{
	struct err err;
	int fds[2], status = -1;

	EXPECT(pipe2(fds, O_CLOEXEC) == 0);
	pid_t pid = child_of(fds[0], fn);
	(void)setpgid(pid, pid);
	EXPECT(cgroup_add(g, pid, &err) == OK);
	(void)!write(fds[1], "g", 1);
	while (waitpid(pid, &status, 0) < 0)
		continue;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return status;
}

TEST(a_memory_limit_kills_and_is_told)
{
	auto_cgroup struct cgroup *g = NULL;

	cgroup_new("test-memory", 32u << 20, 0, &g);
	if (!cgroup_get(g).memory)
		SKIP("no memory cgroup may be made");
	CHECK(!cgroup_was_starved(g));
	int status = run_in(g, eat);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(cgroup_was_starved(g));
}

TEST(a_limit_of_processes_refuses_the_next)
{
	auto_cgroup struct cgroup *g = NULL;

	cgroup_new("test-pids", 0, 10, &g);
	if (!cgroup_get(g).pids)
		SKIP("no pids cgroup may be made");
	CHECK(!cgroup_get(g).memory); /* was not asked for */
	int status = run_in(g, fork_some);
	CHECK(WIFEXITED(status));
	CHECK_EQ_U64(WEXITSTATUS(status), 9);
}

static int leave_behind(void)
{
	struct cgroup *g = NULL;

	cgroup_new("test-left", 64u << 20, 10, &g);
	return !cgroup_get(g).pids;
}

/* Groups of ours called name; where does not matter. */
static const char *sought;
static size_t found;

static int see(const char *path, const struct stat *st, int kind,
	       struct FTW *where)
{
	(void)st;
	(void)kind;
	found += strstr(path + where->base, sought) != NULL;
	return 0;
}

static size_t count_groups(const char *name)
{
	static const char *const tops[] = { "/sys/fs/cgroup",
					    "/sys/fs/cgroup/memory",
					    "/sys/fs/cgroup/pids" };

	sought = name;
	found = 0;
	for (size_t i = 0; i < countof(tops); i++)
		(void)nftw(tops[i], see, 8, FTW_PHYS | FTW_MOUNT);
	return found;
}

TEST(what_a_killed_process_left_is_removed_by_the_next)
{
	auto_cgroup struct cgroup *g = NULL;
	int status = 0;

	pid_t pid = fork();
	if (pid == 0)
		_exit(leave_behind());
	while (waitpid(pid, &status, 0) < 0)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		SKIP("no cgroups may be made");
	CHECK(count_groups("test-left") > 0);
	cgroup_new("test-next", 64u << 20, 10, &g);
	CHECK_EQ_U64(count_groups("test-left"), 0);
	CHECK(count_groups("test-next") > 0); /* ours is alive */
}

static int as_nobody(void)
{
	struct cgroup *g = NULL;
	struct err err;

	if (setregid(65534, 65534) < 0 || setreuid(65534, 65534) < 0)
		return 99;
	cgroup_new("test-nobody", 64u << 20, 10, &g);
	int rc = cgroup_get(g).memory || cgroup_get(g).pids;
	rc |= cgroup_add(g, getpid(), &err) != OK;
	rc |= cgroup_was_starved(g);
	cgroup_free(g);
	return rc;
}

TEST(without_permission_it_says_that_nothing_holds)
{
	int status = 0;

	if (geteuid() != 0)
		SKIP("needs root to become somebody else");
	pid_t pid = fork();
	if (pid == 0)
		_exit(as_nobody());
	while (waitpid(pid, &status, 0) < 0)
		continue;
	CHECK(WIFEXITED(status));
	CHECK_EQ_U64(WEXITSTATUS(status), 0);
}

TEST(freeing_nothing_is_fine)
{
	cgroup_free(NULL);
}
