#include "core/io/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "test/test.h"

static void on_exit_status(void *ctx, int wait_status)
{
	*(int *)ctx = wait_status;
}

/* Run a shell line; its wait status, and its output in out (may be NULL). */
static int sh(const char *line, struct proc_spec spec, struct buf *out)
{
	struct loop *l = NULL;
	struct proc *p = NULL;
	struct err err;
	int status = -1;
	int fds[2] = { -1, -1 };
	const char *argv[] = { "sh", "-c", line, NULL };
	int64_t end = clock_mono_ms() + 5000;

	EXPECT(pipe2(fds, O_CLOEXEC) == 0);
	EXPECT(loop_new(&l, &err) == OK);
	spec.path = "/bin/sh";
	spec.argv = argv;
	spec.out_fd = fds[1];
	spec.err_fd = -1;
	EXPECT(proc_start(l, &spec, on_exit_status, &status, &p, &err) == OK);
	(void)close(fds[1]);
	while (status == -1 && clock_mono_ms() < end)
		loop_run_once(l, 50);

	char text[512];
	ssize_t n;
	while ((n = read(fds[0], text, sizeof(text))) > 0)
		if (out != NULL)
			buf_put(out, slice_make(text, (size_t)n));
	(void)close(fds[0]);
	proc_free(p);
	loop_free(l);
	return status;
}

TEST(the_exit_status_is_told)
{
	int st = sh("exit 7", (struct proc_spec){ 0 }, NULL);

	CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 7);
}

TEST(the_environment_is_what_is_listed)
{
	static const char *const env[] = { "A=1", NULL };
	auto_buf struct buf out = buf_make(4096);

	CHECK(setenv("SHOULD_NOT_PASS", "1", 1) == 0);
	(void)sh("echo $A$SHOULD_NOT_PASS", (struct proc_spec){ .env = env },
		 &out);
	CHECK(slice_eq(buf_slice(&out), S("1\n")));
}

TEST(only_the_listed_descriptors_pass)
{
	auto_fd int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int leak = open("/dev/null", O_RDONLY); /* without close-on-exec */
	auto_buf struct buf out = buf_make(4096);
	struct proc_spec spec = { .fds = { kept }, .n_fds = 1 };

	CHECK(kept >= 0 && leak >= 0);
	(void)sh("for f in /proc/self/fd/*; do echo ${f##*/}; done | head -c 8",
		 spec, &out);
	(void)close(leak);
	/* 0 1 2 3; the shell opens the directory itself as the next one. */
	CHECK(slice_starts(buf_slice(&out), S("0\n1\n2\n3\n")));
}

TEST(a_program_that_is_not_there_is_an_error_at_once)
{
	auto_loop struct loop *l = NULL;
	struct proc *p = NULL;
	struct err err;
	const char *argv[] = { "nothing", NULL };
	struct proc_spec spec = { .path = "/nonexistent/x",
				  .argv = argv,
				  .out_fd = -1,
				  .err_fd = -1 };
	int status = -1;

	CHECK(loop_new(&l, &err) == OK);
	CHECK(proc_start(l, &spec, on_exit_status, &status, &p, &err) ==
	      E_NOTFOUND);
	CHECK(p == NULL && status == -1);
}

TEST(stop_ends_one_that_ignores_the_first_signal)
{
	auto_loop struct loop *l = NULL;
	struct proc *p = NULL;
	struct err err;
	const char *argv[] = { "sh", "-c", "trap '' TERM; read x <&3; sleep 9",
			       NULL };
	int fds[2];
	int status = -1;

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	struct proc_spec spec = { .path = "/bin/sh",
				  .argv = argv,
				  .fds = { fds[0] },
				  .n_fds = 1,
				  .out_fd = -1,
				  .err_fd = -1 };
	CHECK(loop_new(&l, &err) == OK);
	CHECK(proc_start(l, &spec, on_exit_status, &status, &p, &err) == OK);
	(void)close(fds[0]);
	(void)close(fds[1]);
	proc_stop(p, 100);
	int64_t end = clock_mono_ms() + 3000;
	while (status == -1 && clock_mono_ms() < end)
		loop_run_once(l, 50);
	proc_free(p);
	CHECK(WIFSIGNALED(status));
}

TEST(free_kills_and_reaps)
{
	auto_loop struct loop *l = NULL;
	struct proc *p = NULL;
	struct err err;
	const char *argv[] = { "sleep", "30", NULL };
	struct proc_spec spec = {
		.path = "/bin/sleep", .argv = argv, .out_fd = -1, .err_fd = -1
	};
	int status = -1;

	CHECK(loop_new(&l, &err) == OK);
	CHECK(proc_start(l, &spec, on_exit_status, &status, &p, &err) == OK);
	pid_t pid = proc_pid(p);
	proc_free(p);
	CHECK(kill(pid, 0) < 0);
}

TEST(an_id_is_dropped_for_good)
{
	auto_buf struct buf out = buf_make(4096);

	if (geteuid() != 0)
		SKIP("needs root");
	(void)sh("id -u; id -g; id -G",
		 (struct proc_spec){ .uid = 65534, .gid = 65534 }, &out);
	CHECK(slice_eq(buf_slice(&out), S("65534\n65534\n65534\n")));
}
