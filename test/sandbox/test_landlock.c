#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "test/test.h"

static char inside[512], outside[512];

static void make_files(void)
{
	struct err err;
	char dir[512];

	(void)snprintf(dir, sizeof(dir), "%s/open", test_dir());
	(void)snprintf(inside, sizeof(inside), "%s/open/file", test_dir());
	(void)snprintf(outside, sizeof(outside), "%s/file", test_dir());
	EXPECT(mkdir(dir, 0700) == 0);
	EXPECT(file_write(inside, S("in"), 0700, &err) == OK);
	EXPECT(file_write(outside, S("out"), 0700, &err) == OK);
}

static int open_for(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

/* Run fn in a child that is limited to test_dir()/open. */
static int limited(bool write, int (*fn)(void))
{
	struct landlock_path path = { .write = write };
	struct err err;
	char dir[512];
	int status = 0;

	(void)snprintf(dir, sizeof(dir), "%s/open", test_dir());
	path.path = dir;
	pid_t pid = fork();
	if (pid == 0) {
		if (landlock_restrict(&path, 1, &err) != OK)
			_exit(200);
		_exit(fn());
	}
	while (waitpid(pid, &status, 0) < 0)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

static int read_inside(void)
{
	return open_for(inside, O_RDONLY);
}
static int write_inside(void)
{
	return open_for(inside, O_WRONLY | O_TRUNC);
}
static int read_outside(void)
{
	return open_for(outside, O_RDONLY);
}
static int write_outside(void)
{
	return open_for(outside, O_WRONLY);
}
static int make_outside(void)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s.new", outside);
	return open_for(path, O_WRONLY | O_CREAT);
}
static int move_outside(void)
{
	return rename(inside, outside) < 0 ? errno : 0;
}
static int remove_outside(void)
{
	return unlink(outside) < 0 ? errno : 0;
}
static int execute_inside(void)
{
	char *const argv[] = { inside, NULL };

	return execv(inside, argv) < 0 ? errno : 0;
}
static int climb(void)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s/open/../file", test_dir());
	return open_for(path, O_RDONLY);
}

static const struct {
	int (*fn)(void);
	bool write;
	int want;
} rows[] = {
	{ read_inside, false, 0 },	  { read_inside, true, 0 },
	{ write_inside, false, EACCES },  { write_inside, true, 0 },
	{ read_outside, true, EACCES },	  { write_outside, true, EACCES },
	{ make_outside, true, EACCES },	  { move_outside, true, EACCES },
	{ remove_outside, true, EACCES }, { execute_inside, true, EACCES },
	{ climb, true, EACCES },
};

TEST(only_the_listed_paths_can_be_used)
{
	if (landlock_version() < 3)
		SKIP("this kernel's Landlock is too old, or none");
	make_files();
	for (size_t i = 0; i < countof(rows); i++) {
		int got = limited(rows[i].write, rows[i].fn);
		if (!EXPECT(got == rows[i].want))
			printf("\trow %zu: %s\n", i, strerror(got));
	}
}

TEST(a_path_that_is_not_there_is_an_error_and_nothing_changes)
{
	const struct landlock_path path = { "/nothing/here", false };
	struct err err;

	if (landlock_version() == 0)
		SKIP("this kernel has no Landlock");
	CHECK(landlock_restrict(&path, 1, &err) == E_NOTFOUND);
	CHECK(open_for("/etc/passwd", O_RDONLY) == 0);
}

/* In a scoped child: signal the parent, and dial its abstract socket. */
static int reach_out(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct err err;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (landlock_scope(&err) != OK)
		return 200;
	if (kill(getppid(), 0) == 0 || errno != EPERM)
		return 1;
	memcpy(a.sun_path + 1, name, strlen(name));
	if (connect(fd, (const struct sockaddr *)&a,
		    (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name))) == 0 ||
	    errno != EPERM)
		return 2;
	return kill(getpid(), 0) < 0 ? 3 : 0;
}

TEST(scoped_processes_reach_nobody_outside)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[64];
	int status = 0;

	if (landlock_version() < 6)
		SKIP("this kernel's Landlock knows no scopes");
	(void)snprintf(name, sizeof(name), "confd-scope-%d", (int)getpid());
	memcpy(a.sun_path + 1, name, strlen(name));
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (const struct sockaddr *)&a,
		   (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name))) == 0);
	CHECK(listen(fd, 1) == 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(reach_out(name));
	while (waitpid(pid, &status, 0) < 0)
		continue;
	CHECK(WIFEXITED(status));
	CHECK_EQ_U64(WEXITSTATUS(status), 0);
}
