/* The shim on its own: an ordinary process here, not the first of a
 * namespace, so that no privilege is needed. */
#include "sandbox/shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/fdpass.h"
#include "core/io/proc.h"
#include "test/sandbox/box.h"
#include "test/test.h"

struct rig {
	struct loop *loop;
	struct proc *proc;
	int link, out;
	int status; /* wait status; -1: runs */
	uint16_t port;
};

static void exited(void *ctx, int wait_status)
{
	struct rig *r = ctx;

	r->status = wait_status;
}

/* A port that is free now. */
static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(bind(fd, (const struct sockaddr *)&a, len) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	return ntohs(a.sin_port);
}

/* Run the shim with a role of the probe; "PORT" stands for its port. */
static bool start(struct rig *r, const char *program, const char *role,
		  const char *arg)
{
	struct err err;
	char port[8];
	int pair[2], out[2];

	*r = (struct rig){ .link = -1, .out = -1, .status = -1 };
	r->port = free_port();
	(void)snprintf(port, sizeof(port), "%u", r->port);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	EXPECT(pipe2(out, O_CLOEXEC) == 0);
	r->link = pair[0];
	r->out = out[0];
	const char *const argv[] = {
		"confd",
		"shim",
		"--port",
		port,
		"--",
		program != NULL ? program : box_program("fake/sandbox_guest"),
		role,
		strcmp(arg, "PORT") == 0 ? port : arg,
		NULL
	};
	const char *const env[] = { "ASAN_OPTIONS=detect_leaks=0", NULL };
	const struct proc_spec spec = { .path = box_program("fake/shim_main"),
					.argv = argv,
					.env = env,
					/* 4: one too many, not ours */
					.fds = { pair[1], out[1] },
					.n_fds = 2,
					.out_fd = out[1],
					.err_fd = out[1] };
	bool ok = EXPECT(loop_new(&r->loop, &err) == OK) &&
		  EXPECT(proc_start(r->loop, &spec, exited, r, &r->proc,
				    &err) == OK);
	(void)close(pair[1]);
	(void)close(out[1]);
	return ok;
}

static void done(struct rig *r)
{
	proc_free(r->proc);
	loop_free(r->loop);
	if (r->link >= 0)
		(void)close(r->link);
	if (r->out >= 0)
		(void)close(r->out);
}
#define auto_rig __attribute__((cleanup(done)))

static bool wait_for(struct rig *r, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (r->status == -1 && clock_mono_ms() < end)
		loop_run_once(r->loop, 20);
	return r->status != -1;
}

/* Read what is printed until text is in it, for at most 5 s. */
static bool prints(struct rig *r, const char *text)
{
	char got[512] = "";
	size_t n = 0;
	struct pollfd p = { .fd = r->out, .events = POLLIN };

	while (n < sizeof(got) - 1 && poll(&p, 1, 5000) > 0) {
		ssize_t m = read(r->out, got + n, sizeof(got) - 1 - n);
		if (m <= 0)
			break;
		n += (size_t)m;
		if (strstr(got, text) != NULL)
			return true;
	}
	printf("\t'%s' not in '%s'\n", text, got);
	return false;
}

/* All that is printed to the end is text. */
static bool prints_only(struct rig *r, const char *text)
{
	char got[512] = "";
	size_t n = 0;
	ssize_t m;

	while (n < sizeof(got) - 1 &&
	       (m = read(r->out, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)m;
	if (strcmp(got, text) == 0)
		return true;
	printf("\t'%s' is not '%s'\n", got, text);
	return false;
}

static int dial(struct rig *r)
{
	const struct timeval limit = { .tv_sec = 5 };
	struct err err;
	int pair[2];

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	EXPECT(fdpass_send(r->link, pair[1], &err) == OK);
	(void)close(pair[1]);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit,
			 sizeof(limit));
	return pair[0];
}

static const struct {
	const char *role, *arg;
	int code;
} exits[] = {
	{ "exit", "0", 0 },
	{ "exit", "42", 42 },
	{ "orphan", "7", 7 },
	{ "kill", "0", 0 }, /* kill(1, 0): no signal at all */
};

TEST(the_exit_status_is_that_of_the_workload)
{
	BOX_NEEDED;
	for (size_t i = 0; i < countof(exits); i++) {
		auto_rig struct rig r;

		CHECK(start(&r, NULL, exits[i].role, exits[i].arg));
		CHECK(wait_for(&r, 5000));
		CHECK(WIFEXITED(r.status));
		CHECK_EQ_U64(WEXITSTATUS(r.status), exits[i].code);
	}
}

TEST(a_signal_is_told_as_128_and_its_number)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };

	BOX_NEEDED;
	CHECK(start(&r, "/bin/sh", "-c", "kill -USR1 $$"));
	CHECK(wait_for(&r, 5000));
	CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 128 + SIGUSR1);
}

TEST(what_cannot_be_executed_is_127_or_126_with_a_reason)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	auto_rig struct rig d = { .link = -1, .out = -1 };

	BOX_NEEDED;
	CHECK(start(&r, "/nothing", "x", "y"));
	CHECK(prints(&r, "confd shim: /nothing: No such file or directory"));
	CHECK(wait_for(&r, 5000));
	CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 127);
	CHECK(start(&d, "/etc", "x", "y"));
	CHECK(wait_for(&d, 5000));
	CHECK(WIFEXITED(d.status) && WEXITSTATUS(d.status) == 126);
}

TEST(the_workload_inherits_nothing_of_the_shim)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };

	BOX_NEEDED;
	CHECK(start(&r, "/bin/sh", "-c",
		    "for f in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do "
		    "readlink /proc/$$/fd/$f; done; echo all"));
	CHECK(wait_for(&r, 5000));
	CHECK(prints_only(&r, "all\n"));
}

TEST(passed_connections_are_relayed)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	char got[8];

	BOX_NEEDED;
	CHECK(start(&r, NULL, "serve", "PORT"));
	CHECK(prints(&r, "serving"));
	for (int i = 0; i < 20; i++) {
		auto_fd int fd = dial(&r);
		CHECK(send(fd, "ping", 4, 0) == 4);
		CHECK(recv(fd, got, 4, MSG_WAITALL) == 4);
	}
}

TEST(a_connection_before_the_workload_listens_is_refused_at_once)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	char byte;

	BOX_NEEDED;
	CHECK(start(&r, NULL, "sleep", "60"));
	CHECK(prints(&r, "sleeping"));
	auto_fd int fd = dial(&r);
	CHECK(recv(fd, &byte, 1, 0) == 0);
}

TEST(the_end_of_the_link_is_the_end_of_the_workload)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	char byte;

	BOX_NEEDED;
	CHECK(start(&r, NULL, "stay", "60"));
	CHECK(prints(&r, "sleeping"));
	(void)close(take_fd(&r.link));
	CHECK(wait_for(&r, 2000));
	/* The workload held the other end of our pipe. */
	struct pollfd p = { .fd = r.out, .events = POLLIN };
	CHECK(poll(&p, 1, 2000) == 1);
	CHECK(read(r.out, &byte, 1) == 0);
}

TEST(the_workload_does_not_outlive_a_shim_that_is_killed)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	char byte;

	BOX_NEEDED;
	CHECK(start(&r, NULL, "stay", "60"));
	CHECK(prints(&r, "sleeping"));
	proc_kill(r.proc, SIGKILL);
	struct pollfd p = { .fd = r.out, .events = POLLIN };
	CHECK(poll(&p, 1, 2000) == 1);
	CHECK(read(r.out, &byte, 1) == 0);
}

TEST(sigterm_is_handed_on)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };

	BOX_NEEDED;
	CHECK(start(&r, "/bin/sh", "-c",
		    "trap 'echo asked; exit 9' TERM; echo up; "
		    "while :; do sleep 0.05; done"));
	CHECK(prints(&r, "up"));
	proc_kill(r.proc, SIGTERM);
	CHECK(wait_for(&r, 5000));
	CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 9);
	CHECK(prints(&r, "asked"));
}

TEST(an_answer_that_was_sent_before_the_end_arrives)
{
	auto_rig struct rig r = { .link = -1, .out = -1 };
	static char got[300000];
	char byte;

	BOX_NEEDED;
	CHECK(start(&r, NULL, "answer", "PORT"));
	CHECK(prints(&r, "serving"));
	auto_fd int fd = dial(&r);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(recv(fd, got, sizeof(got), MSG_WAITALL) == sizeof(got));
	CHECK(recv(fd, &byte, 1, 0) == 0);
	CHECK(wait_for(&r, 5000));
}

TEST(without_a_link_it_does_not_start)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		char *const argv[] = { (char[]){ "/bin/true" }, NULL };
		(void)close_range(SHIM_LINK_FD, ~0u, 0);
		(void)close(STDERR_FILENO);
		_exit(shim_main(8000, argv, argv + 1));
	}
	while (waitpid(pid, &status, 0) < 0)
		continue;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 125);
}
