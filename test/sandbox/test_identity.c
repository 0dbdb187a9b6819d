/* Whose the sandbox is, by who starts it. */
#include "sandbox/identity.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "test/sandbox/box.h"
#include "test/test.h"

/* Run fn as user 65534 in a child; what it returned, or -1. */
static int as_nobody(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (setregid(65534, 65534) < 0 || setreuid(65534, 65534) < 0)
			_exit(99);
		_exit(fn());
	}
	while (waitpid(pid, &status, 0) < 0)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int leaks_as_user(void)
{
	auto_box struct box b;

	box_init(&b, "leaks", NULL);
	if (!box_start(&b)) {
		printf("\t%s\n", b.err.text);
		return b.err.code == E_PERM ? 77 : 1;
	}
	if (!box_wait(&b, 10000))
		return 2;
	return box_held(&b) ? 0 : 3;
}

static int forks_as_user(void)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b;

	box_init(&b, "forks", "200");
	b.spec.limits.pids = 50;
	if (!box_start(&b))
		return b.err.code == E_PERM ? 77 : 1;
	if (!box_wait(&b, 10000))
		return 2;
	const char *text = box_output(&b, &out);
	return strncmp(text, "forks ", 6) == 0 &&
			       strtoul(text + 6, NULL, 10) < 50
		       ? 0
		       : 3;
}

TEST(an_ordinary_users_processes_are_limited_without_a_cgroup)
{
	BOX_NEEDED;
	if (geteuid() != 0)
		SKIP("needs root to become somebody else");
	int got = as_nobody(forks_as_user);
	if (got == 77)
		SKIP("no user namespaces for others, or no way to the tests");
	CHECK_EQ_U64(got, 0);
}

/* As root of other groups, which the walls must not leave to the workload. */
static int leaks_with_groups(void)
{
	const gid_t groups[] = { 4, 6, 1000 };

	if (setgroups(countof(groups), groups) < 0)
		return 99;
	return leaks_as_user();
}

TEST(groups_of_the_starter_are_given_up)
{
	int status = 0;

	BOX_NEEDED;
	if (geteuid() != 0)
		SKIP("needs root to have other groups");
	pid_t pid = fork();
	if (pid == 0)
		_exit(leaks_with_groups());
	while (waitpid(pid, &status, 0) < 0)
		continue;
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		SKIP("not allowed here");
	CHECK_EQ_U64(WEXITSTATUS(status), 0);
}

TEST(an_ordinary_user_gets_the_same_walls)
{
	BOX_NEEDED;
	if (geteuid() != 0)
		SKIP("needs root to become somebody else");
	int got = as_nobody(leaks_as_user);
	if (got == 77)
		SKIP("no user namespaces for others, or no way to the tests");
	CHECK_EQ_U64(got, 0);
}
