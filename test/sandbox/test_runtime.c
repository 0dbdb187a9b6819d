#include "sandbox/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/io/fdpass.h"
#include "sandbox/confine.h"
#include "test/sandbox/box.h"
#include "test/test.h"

#define MANY 40 /* connections at once */

/* A TCP socket of the host that listens. */
static int host_port(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(bind(fd, (const struct sockaddr *)&a, len) == 0);
	EXPECT(listen(fd, 4) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* Connected to a port of the host. */
static int host_dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

/* An abstract unix socket of the host that listens. */
static int host_abstract(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path + 1, name, strlen(name));
	EXPECT(bind(fd, (const struct sockaddr *)&a,
		    (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name))) == 0);
	EXPECT(listen(fd, 4) == 0);
	return fd;
}

/* HOST_NS of the probe. */
static const char *own_namespaces(char *out, size_t size)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt", "net",
					     "pid",    "user", "uts" };
	char path[64], link[64];
	size_t n = (size_t)snprintf(out, size, "HOST_NS=");

	for (size_t i = 0; i < countof(names); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
			       names[i]);
		ssize_t len = readlink(path, link, sizeof(link) - 1);
		EXPECT(len > 0);
		n += (size_t)snprintf(out + n, size - n, "%.*s ",
				      (int)(len > 0 ? len : 0), link);
	}
	return out;
}

TEST(no_way_out_is_open)
{
	auto_box struct box b;
	char port_env[32], abstract[32], abstract_env[64], ns_env[512];
	struct rlimit core;
	uint16_t port;

	box_init(&b, "leaks", NULL);
	BOX_NEEDED;
	(void)snprintf(abstract, sizeof(abstract), "confd-test-%d", getpid());
	auto_fd int tcp = host_port(&port);
	auto_fd int un = host_abstract(abstract);
	(void)snprintf(port_env, sizeof(port_env), "HOST_PORT=%u", port);
	(void)snprintf(abstract_env, sizeof(abstract_env), "HOST_ABSTRACT=%s",
		       abstract);
	b.env[1] = port_env;
	b.env[2] = abstract_env;
	b.env[3] = own_namespaces(ns_env, sizeof(ns_env));
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0);
	b.env[4] = core.rlim_max > 0 ? "HOST_CORE=1" : NULL;
	CHECK(tcp >= 0 && un >= 0);
	BOX_START(&b);
	CHECK(box_wait(&b, 10000));
	CHECK(box_held(&b));
	CHECK(supervise_get_end(b.s) == RUNTIME_END_OK);
}

static const struct {
	const char *role, *arg;
	enum runtime_end end;
	enum supervise_state state;
} ends[] = {
	{ "exit", "0", RUNTIME_END_OK, SUPERVISE_STOPPED },
	{ "exit", "3", RUNTIME_END_ERROR, SUPERVISE_FAILED },
	{ "exit", "126", RUNTIME_END_NOT_RUN, SUPERVISE_FAILED },
	{ "crash", NULL, RUNTIME_END_SIGNAL, SUPERVISE_FAILED },
	{ "orphan", "0", RUNTIME_END_OK, SUPERVISE_STOPPED },
};

TEST(the_end_of_a_workload_is_told_by_its_class)
{
	BOX_NEEDED;
	for (size_t i = 0; i < countof(ends); i++) {
		auto_box struct box b;

		box_init(&b, ends[i].role, ends[i].arg);
		BOX_START(&b);
		CHECK(box_wait(&b, 5000));
		if (!EXPECT(supervise_get_end(b.s) == ends[i].end) ||
		    !EXPECT(supervise_get_state(b.s) == ends[i].state))
			printf("\t%s %s: %s\n", ends[i].role, ends[i].arg,
			       runtime_end_name(supervise_get_end(b.s)));
		CHECK_EQ_U64(b.changed, 1);
	}
}

TEST(a_command_that_is_not_there_or_may_not_run_is_told)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b, c;

	box_init(&b, NULL, NULL);
	box_init(&c, "exit", "0");
	BOX_NEEDED;
	b.argv[0] = "/usr/nothing";
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK(supervise_get_end(b.s) == RUNTIME_END_NOT_RUN);
	CHECK(strstr(box_output(&b, &out), "/usr/nothing: No such file"));

	c.spec.mounts[0].programs = false;
	BOX_START(&c);
	CHECK(box_wait(&c, 5000));
	CHECK(supervise_get_end(c.s) == RUNTIME_END_NOT_RUN);
}

static bool echo(int fd, const char *text)
{
	char got[64] = "";
	size_t n = strlen(text);

	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n &&
	       recv(fd, got, n, MSG_WAITALL) == (ssize_t)n &&
	       memcmp(got, text, n) == 0;
}

TEST(many_connections_reach_the_workload)
{
	auto_box struct box b;
	int fds[MANY];
	char text[24];

	box_init(&b, "serve", "8000");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "serving", 5000));
	for (int i = 0; i < MANY; i++)
		fds[i] = box_dial(&b);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof(text), "echo %d", i);
		EXPECT(echo(fds[i], text) && echo(fds[i], text));
	}
	for (int i = 0; i < MANY; i++)
		(void)close(fds[i]);
	CHECK(supervise_get_state(b.s) == SUPERVISE_RUNNING);
}

TEST(connections_are_bounded_and_free_again_when_they_end)
{
	auto_box struct box b;
	int fds[MANY];
	int works = 0;

	box_init(&b, "serve", "8000");
	BOX_NEEDED;
	b.spec.limits.nofile = 64; /* of which the shim keeps half */
	BOX_START(&b);
	CHECK(box_printed(&b, "serving", 5000));
	for (int round = 0; round < 2; round++, works = 0) {
		for (int i = 0; i < MANY; i++)
			fds[i] = box_dial(&b);
		for (int i = 0; i < MANY; i++)
			works += echo(fds[i], "hello");
		CHECK_EQ_U64(works, 16);
		for (int i = 0; i < MANY; i++)
			(void)close(fds[i]);
		/* The shim hears of it in its own time. */
		CHECK(!box_printed(&b, "never", 500));
	}
	CHECK(supervise_get_state(b.s) == SUPERVISE_RUNNING);
}

TEST(ends_and_resets_cross_the_link)
{
	auto_box struct box b;
	char got[64] = "";

	box_init(&b, "serve", "8000");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "serving", 5000));

	auto_fd int half = box_dial(&b);
	CHECK(send(half, "Count me", 8, 0) == 8);
	CHECK(shutdown(half, SHUT_WR) == 0);
	CHECK(recv(half, got, sizeof(got), MSG_WAITALL) == 9);
	CHECK_STR_EQ(got, "counted 8");

	auto_fd int broken = box_dial(&b);
	CHECK(send(broken, "R", 1, 0) == 1);
	CHECK(recv(broken, got, 1, 0) == 0);

	int left = box_dial(&b);
	CHECK(send(left, "W", 1, 0) == 1);
	struct timespec pause = { .tv_nsec = 20000000 };
	(void)nanosleep(&pause, NULL);
	(void)close(left);
	CHECK(box_printed(&b, "gone ECONNRESET", 1000));
}

TEST(where_the_workload_does_not_listen_the_connection_ends_at_once)
{
	auto_box struct box b;
	char byte;

	box_init(&b, "sleep", "60");
	BOX_NEEDED;
	BOX_START(&b);
	auto_fd int fd = box_dial(&b);
	int64_t begin = clock_mono_ms();
	CHECK(recv(fd, &byte, 1, 0) == 0);
	CHECK(clock_mono_ms() - begin < 2000);
	CHECK(supervise_get_state(b.s) == SUPERVISE_RUNNING);
}

TEST(what_is_no_stream_between_our_own_processes_is_not_relayed)
{
	auto_box struct box b;
	struct err err;
	uint16_t port;
	int fds[2];
	char byte;

	box_init(&b, "serve", "8000");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "serving", 5000));
	auto_fd int tcp = host_port(&port);
	int connected = host_dial(port);
	auto_fd int peer = accept4(tcp, NULL, NULL, SOCK_CLOEXEC);
	CHECK(pipe(fds) == 0);
	int odd[] = { tcp, fds[0], fds[1], connected };
	for (size_t i = 0; i < countof(odd); i++)
		CHECK(fdpass_send(b.link, odd[i], &err) == OK);
	(void)close(connected);
	struct pollfd gone = { .fd = peer, .events = POLLIN };
	CHECK(poll(&gone, 1, 2000) == 1);
	CHECK(recv(peer, &byte, 1, 0) <= 0);
	CHECK(send(b.link, "no descriptor", 13, MSG_NOSIGNAL) == 13);
	(void)close(fds[0]);
	(void)close(fds[1]);
	auto_fd int fd = box_dial(&b);
	CHECK(echo(fd, "still here"));
}

TEST(when_the_link_is_closed_the_workload_is_killed)
{
	auto_box struct box b;

	box_init(&b, "stay", "60");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "sleeping", 5000));
	(void)close(take_fd(&b.link));
	CHECK(box_wait(&b, 2000));
	CHECK(supervise_get_state(b.s) == SUPERVISE_FAILED);
	CHECK(supervise_get_end(b.s) == RUNTIME_END_SIGNAL);
}

TEST(stopping_asks_first_and_kills_later)
{
	auto_box struct box b, deaf;

	box_init(&b, "sleep", "60");
	box_init(&deaf, "stay", "60");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "sleeping", 5000));
	supervise_stop(b.s, 10000);
	CHECK(box_wait(&b, 2000));
	CHECK(supervise_get_state(b.s) == SUPERVISE_STOPPED);

	BOX_START(&deaf);
	CHECK(box_printed(&deaf, "sleeping", 5000));
	int64_t begin = clock_mono_ms();
	supervise_stop(deaf.s, 200);
	CHECK(box_wait(&deaf, 2000));
	CHECK(clock_mono_ms() - begin >= 150);
	CHECK(supervise_get_state(deaf.s) == SUPERVISE_STOPPED);
	CHECK_EQ_U64(deaf.changed, 1);
}

TEST(the_workload_cannot_signal_the_shim)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b;

	box_init(&b, "kill", "15");
	BOX_NEEDED;
	if (landlock_version() < 6)
		SKIP("this kernel's Landlock does not confine signals");
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK_STR_EQ(box_output(&b, &out),
		     "kill EPERM\ntkill EPERM\ntgkill EPERM\nqueue EPERM\n"
		     "pidfd EPERM\n");
}

TEST(memory_is_limited)
{
	auto_box struct box b;

	box_init(&b, "eat", "400");
	BOX_NEEDED;
	b.spec.limits.memory_mib = 64;
	BOX_START(&b);
	if (!supervise_get_limits(b.s).memory)
		SKIP("no memory cgroup may be made");
	CHECK(box_wait(&b, 10000));
	CHECK(supervise_get_end(b.s) == RUNTIME_END_MEMORY);
	CHECK(supervise_get_state(b.s) == SUPERVISE_FAILED);
}

TEST(processes_are_limited_with_and_without_cgroups)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b;

	box_init(&b, "forks", "200");
	BOX_NEEDED;
	b.spec.limits.pids = 50;
	BOX_START(&b);
	CHECK(box_wait(&b, 10000));
	const char *text = box_output(&b, &out);
	CHECK(strncmp(text, "forks ", 6) == 0);
	unsigned long n = strtoul(text + 6, NULL, 10);
	CHECK(n >= 20 && n < 50);
}

TEST(scratch_space_is_limited)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b;

	box_init(&b, "fill", "100");
	BOX_NEEDED;
	if (test_is_counted())
		SKIP("the counts of this build need space, too");
	b.spec.limits.tmpfs_mib = 8;
	BOX_START(&b);
	CHECK(box_wait(&b, 10000));
	CHECK_STR_EQ(box_output(&b, &out), "filled 8\n");
}

TEST(a_directory_is_seen_read_only_where_the_spec_says)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b;
	struct err err;
	char path[4096];

	box_init(&b, "cat", "/models/a/weights");
	BOX_NEEDED;
	CHECK(chmod(test_dir(), 0755) == 0);
	(void)snprintf(path, sizeof(path), "%s/weights", test_dir());
	CHECK(file_write(path, S("canary-weights"), 0644, &err) == OK);
	b.spec.mounts[1] =
		(struct sandbox_mount){ test_dir(), "/models/a", false };
	b.spec.n_mounts = 2;
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK_STR_EQ(box_output(&b, &out), "canary-weights");
}

TEST(without_a_root_the_command_is_there_wherever_it_lies)
{
	auto_box struct box b;

	box_init(&b, "exit", "3");
	BOX_NEEDED;
	b.argv[0] = box_program("fake/sandbox_guest");
	if (strncmp(b.argv[0], "/tmp/", 5) == 0)
		SKIP("the probe lies in /tmp, which is the sandbox's own");
	b.spec.n_mounts = 0;
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK(supervise_get_end(b.s) == RUNTIME_END_ERROR);
}

/* A root file system of the probe alone, with what an image may hold. */
static bool make_root(const char *dir)
{
	auto_buf struct buf probe = buf_make(64u << 20);
	struct err err;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/probe", dir);
	bool ok = chmod(dir, 0755) == 0 &&
		  file_read(box_program("fake/sandbox_guest"), &probe, &err) ==
			  OK &&
		  file_write(path, buf_slice(&probe), 0755, &err) == OK;
	(void)snprintf(path, sizeof(path), "%s/run", dir);
	ok = ok && symlink("/probe", path) == 0;
	(void)snprintf(path, sizeof(path), "%s/pipe", dir);
	ok = ok && mkfifo(path, 0644) == 0;
	(void)snprintf(path, sizeof(path), "%s/proc", dir);
	return ok && mkdir(path, 0755) == 0;
}

TEST(a_root_file_system_is_all_there_is)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	auto_box struct box b, c;

	box_init(&b, "exit", "0");
	box_init(&c, "cat", "/etc/hosts");
	BOX_NEEDED;
	if (!confine_has_filter())
		SKIP("the probe is not static in this build");
	CHECK(make_root(test_dir()));
	b.spec.root = c.spec.root = test_dir();
	b.spec.n_mounts = c.spec.n_mounts = 0;
	b.argv[0] = c.argv[0] = "/run"; /* through the image's link */
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK(supervise_get_end(b.s) == RUNTIME_END_OK);
	BOX_START(&c);
	CHECK(box_wait(&c, 5000));
	CHECK_STR_EQ(box_output(&c, &out), "cat: ENOENT\n");
}

/* Each spoils a good spec; the failure must name the step. */
static void no_root(struct box *b)
{
	b->spec.root = "/nothing/here";
}
static void no_cwd(struct box *b)
{
	b->spec.cwd = "/nothing";
}
static void no_mount(struct box *b)
{
	b->spec.mounts[0].from = "/nothing/mounted";
}
static void no_target(struct box *b)
{
	b->spec.mounts[0].to = "/usr/nothing/here";
	b->argv[0] = "/usr/bin/true";
}
static void no_shim(struct box *b)
{
	b->settings.shim = "/nothing/shim";
}
static void bad_shim(struct box *b)
{
	b->settings.shim = "/etc/passwd";
}
static void no_command(struct box *b)
{
	b->argv[0] = "/nothing/to/run";
}
static void own_command(struct box *b)
{
	b->argv[0] = "/tmp/command";
}
static void whole_directory(struct box *b)
{
	b->argv[0] = "/var/tmp";
}
static void no_name(struct box *b)
{
	b->spec.name = "../x";
}

static const struct {
	void (*spoil)(struct box *b);
	enum status want;
	const char *text;
} failures[] = {
	{ no_root, E_NOTFOUND, "/nothing/here" },
	{ no_cwd, E_NOTFOUND, "/nothing" },
	{ no_mount, E_NOTFOUND, "/nothing/mounted" },
	{ no_target, E_IO, "/usr/nothing" },
	{ no_shim, E_NOTFOUND, "/nothing/shim" },
	{ bad_shim, E_PERM, "shim" },
	{ no_command, E_NOTFOUND, "/nothing/to/run" },
	{ own_command, E_CONF, "/tmp/command" },
	{ whole_directory, E_CONF, "/var/tmp" },
	{ no_name, E_CONF, "name" },
};

static size_t count_fds(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

TEST(a_start_that_fails_names_the_step_and_leaves_nothing)
{
	auto_box struct box probe;

	box_init(&probe, "sleep", "60");
	BOX_NEEDED;
	BOX_START(&probe);
	size_t before = count_fds();
	for (size_t i = 0; i < countof(failures); i++) {
		struct box b;

		box_init(&b, "exit", "0");
		failures[i].spoil(&b);
		EXPECT(!box_start(&b));
		if (!EXPECT(b.err.code == failures[i].want) ||
		    !EXPECT(strstr(b.err.text, failures[i].text) != NULL))
			printf("\t%s: %s\n", status_name(b.err.code),
			       b.err.text);
		box_done(&b);
	}
	CHECK_EQ_U64(count_fds(), before);
	CHECK(waitpid(-1, NULL, WNOHANG) == 0); /* the one that runs */
}

static char groups_of[32];
static size_t groups_found;

static int see_group(const char *path, const struct stat *st, int kind,
		     struct FTW *where)
{
	(void)st;
	(void)kind;
	groups_found +=
		strncmp(path + where->base, groups_of, strlen(groups_of)) == 0;
	return 0;
}

static size_t count_groups(void)
{
	groups_found = 0;
	(void)snprintf(groups_of, sizeof(groups_of), "confd-%d-", getpid());
	(void)nftw("/sys/fs/cgroup", see_group, 8, FTW_PHYS | FTW_MOUNT);
	(void)nftw("/sys/fs/cgroup/memory", see_group, 8, FTW_PHYS | FTW_MOUNT);
	(void)nftw("/sys/fs/cgroup/pids", see_group, 8, FTW_PHYS | FTW_MOUNT);
	return groups_found;
}

static size_t count_lines(const char *path)
{
	auto_file FILE *f = fopen(path, "re");
	size_t n = 0;
	int c;

	while (f != NULL && (c = fgetc(f)) != EOF)
		n += c == '\n';
	return n;
}

/* Not even waiting to be reaped counts as alive. */
static bool alive(pid_t pid)
{
	auto_buf struct buf text = buf_make(4096);
	struct err err;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return file_read(path, &text, &err) == OK &&
	       slice_search(buf_slice(&text), S(") Z")) == text.len;
}

/* Processes whose file in /proc is user uid's. */
static size_t count_of_user(const char *file, unsigned uid)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	struct stat st;
	char path[512];
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", e->d_name, file);
		n += fstatat(dirfd(d), path, &st, 0) == 0 && st.st_uid == uid;
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

TEST(nothing_is_left_behind)
{
	auto_box struct box b;
	size_t mounts = count_lines("/proc/self/mountinfo");

	box_init(&b, "orphan", "0");
	BOX_NEEDED;
	b.settings.id_base = 400000;
	b.spec.limits.memory_mib = 64;
	BOX_START(&b);
	CHECK(box_wait(&b, 5000));
	CHECK_EQ_U64(count_groups(), 0);
	CHECK_EQ_U64(count_of_user(".", 401000), 0);
	CHECK_EQ_U64(count_lines("/proc/self/mountinfo"), mounts);
}

TEST(freeing_a_running_sandbox_kills_it)
{
	auto_box struct box b;

	box_init(&b, "orphan", "0");
	BOX_NEEDED;
	b.argv[1] = "stay";
	b.argv[2] = "60";
	b.settings.id_base = 500000;
	BOX_START(&b);
	CHECK(box_printed(&b, "sleeping", 5000));
	if (geteuid() == 0) {
		CHECK(count_of_user(".", 501000) > 0);
		/* The shim: undumpable, so that its files are of root. */
		CHECK_EQ_U64(count_of_user("environ", 500000), 1);
	}
	supervise_free(take(b.s));
	CHECK_EQ_U64(count_of_user(".", 501000), 0);
	CHECK_EQ_U64(count_groups(), 0);
}

/* Start a sandbox, tell its pid, and die without a word.  The link stays
 * open: it is another way to end. */
static __attribute__((noreturn)) void start_and_die(int link, int to)
{
	struct box b;
	struct runtime *r;
	pid_t pid;

	box_init(&b, "stay", "60");
	b.spec.argv = b.argv;
	b.spec.env = b.env;
	if (loop_new(&b.loop, &b.err) != OK ||
	    runtime_start(b.loop, &b.settings, &b.spec, link, -1, -1, NULL,
			  NULL, &r, &b.err) != OK)
		_exit(1);
	pid = runtime_pid(r);
	(void)!write(to, &pid, sizeof(pid));
	(void)raise(SIGKILL);
	_exit(1);
}

TEST(a_sandbox_ends_with_its_starter)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int fds[2], link[2];
	pid_t inner = 0;

	BOX_NEEDED;
	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) == 0);
	pid_t pid = fork();
	if (pid == 0)
		start_and_die(link[0], fds[1]);
	(void)close(fds[1]);
	ssize_t n = read(fds[0], &inner, sizeof(inner));
	(void)close(fds[0]);
	(void)waitpid(pid, NULL, 0);
	if (n == 0)
		SKIP("not allowed here");
	CHECK(inner > 0);
	for (int i = 0; i < 200 && alive(inner); i++)
		(void)nanosleep(&pause, NULL);
	(void)close(link[0]);
	CHECK(!alive(inner));
	(void)close(link[1]);
}
