#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/mem.h"
#include "test/test.h"

/* A path in the test's directory; four are valid at a time. */
static const char *path_of(const char *name)
{
	static char paths[4][512];
	static size_t turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, 512, "%s/%s", test_dir(), name);
	return path;
}

/* Made without the functions under test. */
static const char *make(const char *name, const char *text, mode_t mode)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "we");

	EXPECT(f != NULL);
	if (f == NULL)
		return path;
	EXPECT(fputs(text, f) >= 0);
	EXPECT(fclose(f) == 0);
	EXPECT(chmod(path, mode) == 0);
	return path;
}

static bool file_holds(const char *path, const char *want)
{
	char text[256] = "";
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	return n == strlen(want) && strcmp(text, want) == 0;
}

static size_t count_names(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n < 2 ? 0 : n - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0xffff;
}

/* A pipe that holds text, and no more. */
static int pipe_of(struct slice text)
{
	int ends[2];
	struct err err;

	if (!EXPECT(pipe2(ends, O_CLOEXEC) == 0))
		return -1;
	EXPECT(file_write_fd(ends[1], text, &err) == OK);
	(void)close(ends[1]);
	return ends[0];
}

/* Put fd at the standard input; returns the old one for swap_back. */
static int swap_stdin(int fd)
{
	int old = dup(STDIN_FILENO);

	EXPECT(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	(void)close(fd);
	return old;
}

static void swap_back(int old)
{
	EXPECT(dup2(old, STDIN_FILENO) == STDIN_FILENO);
	(void)close(old);
}

TEST(reads_a_file_behind_what_is_there)
{
	auto_buf struct buf b = buf_make(100);
	struct err err;

	buf_put(&b, S("old "));
	CHECK(file_read(make("f", "new", 0644), &b, &err) == OK);
	CHECK(slice_eq_str(buf_slice(&b), "old new"));
	CHECK(file_read(make("empty", "", 0644), &b, &err) == OK);
	CHECK(b.len == 7);
}

TEST(reads_up_to_the_cap_and_not_a_byte_more)
{
	static const size_t sizes[] = { 1, 99, 65535, 65536, 65537, 200000 };
	struct err err;

	for (size_t i = 0; i < countof(sizes); i++) {
		auto_mem uint8_t *data = mem_must(sizes[i]);
		auto_buf struct buf fits = buf_make(sizes[i]);
		auto_buf struct buf small = buf_make(sizes[i] - 1);
		const char *path = path_of("f");

		memset(data, 'x', sizes[i]);
		CHECK(file_write(path, slice_make(data, sizes[i]), 0600,
				 &err) == OK);
		CHECK(file_read(path, &fits, &err) == OK);
		CHECK(slice_eq(buf_slice(&fits), slice_make(data, sizes[i])));
		CHECK(file_read(path, &small, &err) == E_LIMIT);
		CHECK(small.len == 0 && !small.bad);
	}
}

TEST(reads_files_that_do_not_tell_their_size)
{
	auto_buf struct buf b = buf_make(10000);
	struct err err;

	CHECK(file_read("/proc/self/status", &b, &err) == OK);
	CHECK(slice_starts(buf_slice(&b), S("Name:")));
}

TEST(reads_pipes_given_as_stdin_or_dev_fd)
{
	auto_buf struct buf b = buf_make(100);
	char name[32];
	struct err err;

	int old = swap_stdin(pipe_of(S("from stdin")));
	enum status s = file_read("-", &b, &err);
	swap_back(old);
	CHECK(s == OK && slice_eq_str(buf_slice(&b), "from stdin"));

	auto_fd int fd = pipe_of(S("from fd"));
	(void)snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	buf_clear(&b);
	CHECK(file_read(name, &b, &err) == OK);
	CHECK(slice_eq_str(buf_slice(&b), "from fd"));
}

TEST(does_not_read_what_is_no_file_and_does_not_wait_for_it)
{
	auto_buf struct buf b = buf_make(100);
	struct err err;

	buf_put(&b, S("old"));
	CHECK(mkfifo(path_of("fifo"), 0600) == 0);
	CHECK(file_read(path_of("fifo"), &b, &err) == E_IO);
	CHECK(file_read(test_dir(), &b, &err) == E_IO);
	CHECK(file_read("/dev/zero", &b, &err) == E_IO);
	CHECK(file_read("/dev/fd/9999", &b, &err) == E_IO);
	CHECK(file_read("/dev/fd/x", &b, &err) == E_NOTFOUND);
	CHECK(file_read("", &b, &err) == E_NOTFOUND);
	CHECK(file_read(path_of("missing"), &b, &err) == E_NOTFOUND);
	CHECK(strstr(err.text, "missing") != NULL);
	CHECK(slice_eq_str(buf_slice(&b), "old") && !b.bad);
}

static enum status read_secret(const char *path, size_t max,
			       struct secret **out)
{
	struct err err;

	return file_read_secret(path, max, out, &err);
}

TEST(reads_a_secret_that_only_we_can_read)
{
	auto_secret struct secret *a = NULL, *b = NULL, *c = NULL;

	CHECK(read_secret(make("k", "hunter2\n", 0600), 100, &a) == OK);
	CHECK(slice_eq_str(secret_slice(a), "hunter2\n"));
	CHECK(read_secret(make("k4", "12345678", 0400), 8, &b) == OK);
	CHECK(slice_eq_str(secret_slice(b), "12345678"));
	CHECK(symlink("k", path_of("link")) == 0); /* as Kubernetes has it */
	CHECK(read_secret(path_of("link"), 100, &c) == OK);
}

TEST(refuses_a_secret_that_others_can_use)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601 };
	struct secret *s = NULL;
	struct err err;

	for (size_t i = 0; i < countof(modes); i++)
		CHECK(read_secret(make("k", "x", modes[i]), 9, &s) == E_PERM);
	CHECK(file_read_secret(make("k", "x", 0644), 9, &s, &err) == E_PERM);
	CHECK(strstr(err.text, "chmod 600 /") != NULL);
	CHECK(s == NULL);
}

TEST(refuses_a_secret_of_another_user)
{
	struct secret *s = NULL;
	struct err err;
	const char *path = make("k", "x", 0600);

	if (chown(path, 12345, 12345) < 0)
		SKIP("only root can give a file away");
	CHECK(file_read_secret(path, 9, &s, &err) == E_PERM);
	CHECK(strstr(err.text, "12345") != NULL && s == NULL);
}

TEST(refuses_a_secret_that_is_empty_too_long_or_no_file)
{
	struct secret *s = NULL;

	CHECK(read_secret(make("k", "", 0600), 9, &s) == E_PARSE);
	CHECK(read_secret(make("k", "1234567890", 0600), 9, &s) == E_LIMIT);
	CHECK(read_secret(path_of("missing"), 9, &s) == E_NOTFOUND);
	CHECK(chmod(test_dir(), 0700) == 0);
	CHECK(read_secret(test_dir(), 9, &s) == E_IO);
	CHECK(s == NULL);
}

TEST(refuses_a_secret_from_another_pipe_than_stdin)
{
	auto_fd int fd = pipe_of(S("x"));
	struct secret *s = NULL;
	char name[32];

	(void)snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	CHECK(read_secret(name, 9, &s) == E_PERM && s == NULL);
}

TEST(reads_a_secret_from_stdin_without_these_checks)
{
	static const struct {
		struct slice in;
		enum status want;
	} rows[] = {
		{ { (const uint8_t *)"", 0 }, E_PARSE },
		{ { (const uint8_t *)"1", 1 }, OK },
		{ { (const uint8_t *)"12345678", 8 }, OK },
		{ { (const uint8_t *)"123456789", 9 }, E_LIMIT },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_secret struct secret *s = NULL;
		int old = swap_stdin(pipe_of(rows[i].in));
		enum status got = read_secret("-", 8, &s);

		swap_back(old);
		CHECK(got == rows[i].want);
		CHECK((s == NULL) == (got != OK));
		CHECK(s == NULL || slice_eq(secret_slice(s), rows[i].in));
	}
}

TEST(writes_a_file_with_its_mode_whatever_the_umask)
{
	const char *path = path_of("a");
	mode_t old = umask(077);
	struct err err;
	enum status a = file_write(path, S("x"), 0644, &err);

	(void)umask(0);
	enum status b = file_write(path_of("b"), S(""), 0600, &err);
	(void)umask(old);
	CHECK(a == OK && mode_of(path_of("a")) == 0644);
	CHECK(b == OK && mode_of(path_of("b")) == 0600);
	CHECK(file_holds(path_of("a"), "x") && file_holds(path_of("b"), ""));
	CHECK(count_names(test_dir()) == 2); /* no temporary */
}

TEST(writing_replaces_whole_and_does_not_follow_a_link)
{
	struct err err;

	CHECK(symlink("other", path_of("link")) == 0);
	(void)make("other", "other", 0600);
	CHECK(file_write(path_of("link"), S("new"), 0600, &err) == OK);
	CHECK(file_holds(path_of("link"), "new"));
	CHECK(file_holds(path_of("other"), "other"));
	CHECK(file_write(path_of("other"), S("short"), 0400, &err) == OK);
	CHECK(file_holds(path_of("other"), "short"));
	CHECK(mode_of(path_of("other")) == 0400);
}

TEST(a_failed_write_leaves_what_was_and_no_temporary)
{
	struct err err;

	CHECK(mkdir(path_of("d"), 0700) == 0);
	(void)make("d/inside", "x", 0600);
	CHECK(file_write(path_of("d"), S("new"), 0600, &err) == E_IO);
	CHECK(file_holds(path_of("d/inside"), "x"));
	CHECK(count_names(test_dir()) == 1);
	CHECK(file_write(path_of("missing/f"), S("new"), 0600, &err) ==
	      E_NOTFOUND);
	CHECK(file_write(path_of("d/"), S("new"), 0600, &err) == E_IO);
	CHECK(file_write("", S("new"), 0600, &err) == E_IO);
}

/* A limit on the size of files stands for a full disk. */
static void write_beyond_the_limit(void *arg)
{
	static const uint8_t data[10000];
	struct rlimit few = { 5000, 5000 };
	struct err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &few) < 0)
		_exit(2);
	if (file_write(arg, slice_of(data), 0600, &err) != E_IO ||
	    strstr(err.text, arg) == NULL)
		(void)raise(SIGABRT);
}

TEST(a_full_disk_leaves_what_was_and_no_temporary)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s", make("f", "old", 0600));
	CHECK(test_signal_of(write_beyond_the_limit, path) == 0);
	CHECK(file_holds(path, "old"));
	CHECK(count_names(test_dir()) == 1);
}

TEST(writes_to_a_name_without_a_directory)
{
	auto_fd int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	CHECK(here >= 0 && chdir(test_dir()) == 0);
	enum status s = file_write("plain", S("x"), 0600, &err);
	CHECK(fchdir(here) == 0);
	CHECK(s == OK && file_holds(path_of("plain"), "x"));
}

TEST(creates_only_what_is_not_there)
{
	struct err err;

	CHECK(file_create(path_of("f"), S("one"), 0600, &err) == OK);
	CHECK(file_create(path_of("f"), S("two"), 0600, &err) == E_CONFLICT);
	CHECK(file_holds(path_of("f"), "one"));
	CHECK(symlink("nowhere", path_of("dangling")) == 0);
	CHECK(file_create(path_of("dangling"), S("x"), 0600, &err) ==
	      E_CONFLICT);
	CHECK(file_create(test_dir(), S("x"), 0600, &err) == E_CONFLICT);
	CHECK(count_names(test_dir()) == 2);
}

TEST(makes_a_directory_with_its_mode)
{
	const char *path = path_of("d");
	mode_t old = umask(0777);
	struct err err;
	enum status s = file_make_dir(path, 0750, &err);

	(void)umask(old);
	CHECK(s == OK && mode_of(path_of("d")) == 0750);
	CHECK(file_make_dir(path_of("d"), 0750, &err) == OK);
	CHECK(file_make_dir(path_of("d"), 0755, &err) == OK);
	CHECK(mode_of(path_of("d")) == 0750); /* an old one stays as it is */
}

TEST(refuses_a_directory_that_gives_more_or_is_none)
{
	struct err err;

	CHECK(mkdir(path_of("d"), 0700) == 0);
	CHECK(chmod(path_of("d"), 0755) == 0);
	CHECK(file_make_dir(path_of("d"), 0700, &err) == E_PERM);
	CHECK(strstr(err.text, "chmod 700 /") != NULL);
	CHECK(mode_of(path_of("d")) == 0755);
	CHECK(chmod(path_of("d"), 0700) == 0);
	CHECK(symlink("d", path_of("link")) == 0);
	CHECK(file_make_dir(path_of("link"), 0700, &err) == E_PERM);
	CHECK(file_make_dir(make("f", "", 0600), 0700, &err) == E_PERM);
	CHECK(file_make_dir(path_of("a/b"), 0700, &err) == E_NOTFOUND);
	if (chown(path_of("d"), 12345, 12345) == 0)
		CHECK(file_make_dir(path_of("d"), 0700, &err) == E_PERM);
}

TEST(removes_a_tree_and_not_what_its_links_name)
{
	struct err err;

	CHECK(mkdir(path_of("t"), 0700) == 0 &&
	      mkdir(path_of("t/a"), 0700) == 0 &&
	      mkdir(path_of("t/a/b"), 0700) == 0 &&
	      mkdir(path_of("t/c"), 0700) == 0 &&
	      mkdir(path_of("keep"), 0700) == 0);
	(void)make("t/f", "x", 0600);
	(void)make("t/a/b/f", "x", 0000);
	(void)make("keep/f", "x", 0600);
	CHECK(symlink("../keep", path_of("t/link")) == 0);
	CHECK(symlink("../../keep", path_of("t/a/link")) == 0);
	CHECK(mkfifo(path_of("t/a/fifo"), 0600) == 0);
	CHECK(file_remove_tree(path_of("t"), &err) == OK);
	CHECK(access(path_of("t"), F_OK) < 0 && errno == ENOENT);
	CHECK(file_holds(path_of("keep/f"), "x"));
}

TEST(removes_empty_directories_and_only_directories)
{
	struct err err;

	CHECK(mkdir(path_of("d"), 0700) == 0);
	CHECK(file_remove_tree(path_of("d"), &err) == OK);
	CHECK(file_remove_tree(path_of("d"), &err) == E_NOTFOUND);
	CHECK(file_remove_tree(make("f", "x", 0600), &err) == E_IO);
	CHECK(mkdir(path_of("d"), 0700) == 0);
	CHECK(symlink("d", path_of("link")) == 0);
	CHECK(file_remove_tree(path_of("link"), &err) == E_IO);
	CHECK(count_names(test_dir()) == 3);
}

/* Deeper than a path can name, with directories that cannot be written and
 * names that the removal would like to give. */
TEST(removes_a_tree_of_any_depth)
{
	enum { DEPTH = 80 };
	char name[61] = "";
	struct err err;

	memset(name, 'd', sizeof(name) - 1);
	CHECK(mkdir(path_of("t"), 0700) == 0);
	int at = open(path_of("t"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < DEPTH && at >= 0; i++) {
		EXPECT(mkdirat(at, name, 0700) == 0);
		EXPECT(mkdirat(at, ".moved-1", 0700) == 0);
		EXPECT(mkdirat(at, ".moved-1/x", 0700) == 0);
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		EXPECT(fchmod(at, i % 10 == 0 ? 0500 : 0700) == 0);
		(void)close(at);
		at = next;
	}
	CHECK(at >= 0);
	(void)close(at);
	CHECK(file_remove_tree(path_of("t"), &err) == OK);
	CHECK(count_names(test_dir()) == 0);
}

/* Root may do anything, so what needs rights is tried as somebody else. */
static void become_nobody(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(2);
}

static void remove_unwritable(void *arg)
{
	struct err err;

	become_nobody();
	if (chdir(arg) < 0 || mkdir("t", 0700) < 0 || mkdir("t/a", 0700) < 0 ||
	    mkdir("t/a/b", 0700) < 0 || mkdir("t/a/b/c", 0700) < 0 ||
	    mkdir("t/a/b/c/d", 0700) < 0 || mkdir("t/a/e", 0) < 0 ||
	    chmod("t/a/b/c", 0) < 0 || chmod("t/a/b", 0500) < 0 ||
	    chmod("t/a", 0500) < 0 || chmod("t", 0500) < 0)
		_exit(2);
	if (file_remove_tree("t", &err) != OK || access("t", F_OK) == 0)
		(void)raise(SIGABRT);
}

TEST(removes_directories_that_their_owner_may_not_write)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s", test_dir());
	CHECK(chmod(path, 0777) == 0);
	CHECK(test_signal_of(remove_unwritable, path) == 0);
	CHECK(count_names(path) == 0);
}

static void use_forbidden(void *arg)
{
	auto_buf struct buf b = buf_make(100);
	char f[600], x[600];
	struct err err;

	(void)snprintf(f, sizeof(f), "%s/d/f", (const char *)arg);
	(void)snprintf(x, sizeof(x), "%s/d/x", (const char *)arg);
	become_nobody();
	if (file_read(f, &b, &err) != E_PERM ||
	    file_write(x, S("new"), 0600, &err) != E_PERM ||
	    file_create(x, S("new"), 0600, &err) != E_PERM ||
	    file_make_dir(x, 0700, &err) != E_PERM)
		(void)raise(SIGABRT);
}

TEST(what_is_forbidden_is_told_as_such)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s", test_dir());
	CHECK(chmod(path, 0755) == 0 && mkdir(path_of("d"), 0700) == 0);
	(void)make("d/f", "x", 0000);
	CHECK(chmod(path_of("d"), geteuid() == 0 ? 0755 : 0555) == 0);
	CHECK(test_signal_of(use_forbidden, path) == 0);
	CHECK(count_names(path_of("d")) == 1);
	CHECK(chmod(path_of("d"), 0700) == 0);
}

static void remove_with_mount(void *arg)
{
	const char *path = arg;
	char inside[512], file[540];
	struct err err;

	(void)snprintf(inside, sizeof(inside), "%s/a/mounted", path);
	(void)snprintf(file, sizeof(file), "%s/f", inside);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", inside, "tmpfs", 0, NULL) < 0)
		_exit(2);
	if (file_write(file, S("x"), 0600, &err) != OK ||
	    file_remove_tree(path, &err) != E_CONFLICT ||
	    file_remove_tree(inside, &err) != E_CONFLICT ||
	    !file_holds(file, "x"))
		(void)raise(SIGABRT);
}

TEST(stops_at_a_mount)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s", path_of("t"));
	CHECK(mkdir(path, 0700) == 0 && mkdir(path_of("t/a"), 0700) == 0 &&
	      mkdir(path_of("t/a/mounted"), 0700) == 0);
	int sig = test_signal_of(remove_with_mount, path);
	if (sig < 0)
		SKIP("cannot mount here");
	CHECK(sig == 0);
}

TEST(writes_all_to_a_descriptor)
{
	enum { SIZE = 300000 }; /* more than a pipe takes at once */
	auto_mem uint8_t *data = mem_must(SIZE);
	auto_buf struct buf got = buf_make(SIZE);
	int ends[2];
	struct err err;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 7);
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid_t child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		_exit(file_write_fd(ends[1], slice_make(data, SIZE), &err) !=
		      OK);
	}
	(void)close(ends[1]);
	char name[32];
	(void)snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
	CHECK(file_read(name, &got, &err) == OK);
	(void)close(ends[0]);
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(slice_eq(buf_slice(&got), slice_make(data, SIZE)));
	CHECK(file_write_fd(-1, S("x"), &err) == E_IO);
	CHECK(file_write_fd(-1, S(""), &err) == OK); /* nothing to do */
}
