#include "core/io/loop.h"

#include <signal.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "test/test.h"

/* What is called, and what it does when it is. */
struct toy {
	struct loop *loop;
	unsigned calls;
	unsigned what;
	bool stops;
	struct loop_timer *timer; /* freed when called, if free_it */
	struct loop_fd *fd;
	struct loop_signal *sig;
	bool free_it;
	struct loop_task task, other;
};

static void toy_called(void *ctx)
{
	struct toy *t = ctx;

	t->calls++;
	if (t->stops)
		loop_stop(t->loop);
	if (!t->free_it)
		return;
	loop_timer_free(take(t->timer));
	loop_signal_free(take(t->sig));
}

static void toy_ready(void *ctx, unsigned what)
{
	struct toy *t = ctx;

	t->what |= what;
	if (t->free_it)
		loop_fd_free(take(t->fd));
	toy_called(t);
}

static bool toy_make(struct toy *t)
{
	struct err err;

	*t = (struct toy){ 0 };
	return EXPECT(loop_new(&t->loop, &err) == OK);
}

TEST(a_timer_fires_once_and_not_too_early)
{
	struct toy t;

	CHECK(toy_make(&t));
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	loop_run_once(t.loop, 5);
	CHECK_EQ_U64(t.calls, 0); /* not armed */
	int64_t start = clock_mono_ms();
	t.stops = true;
	loop_timer_arm(t.timer, 30);
	CHECK_EQ_U64(t.calls, 0);
	loop_run(t.loop);
	CHECK_EQ_U64(t.calls, 1);
	CHECK(clock_mono_ms() - start >= 25); /* the kernel's coarse clock */
	loop_run_once(t.loop, 40);
	CHECK_EQ_U64(t.calls, 1);
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

TEST(arming_again_moves_a_timer)
{
	struct toy t;

	CHECK(toy_make(&t));
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	loop_timer_arm(t.timer, 5);
	loop_timer_arm(t.timer, 100000);
	loop_run_once(t.loop, 15);
	CHECK_EQ_U64(t.calls, 0);
	loop_timer_arm(t.timer, 0);
	CHECK_EQ_U64(t.calls, 0); /* not from inside the call */
	loop_run_once(t.loop, 100);
	CHECK_EQ_U64(t.calls, 1);
	loop_timer_arm(t.timer, -5);
	loop_run_once(t.loop, 100);
	CHECK_EQ_U64(t.calls, 2);
	loop_timer_arm(t.timer, 1);
	loop_timer_disarm(t.timer);
	loop_timer_disarm(t.timer);
	loop_run_once(t.loop, 10);
	CHECK_EQ_U64(t.calls, 2);
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

TEST(everything_may_be_freed_in_its_own_callback)
{
	struct toy t;
	int fd[2];

	CHECK(toy_make(&t));
	CHECK(pipe(fd) == 0);
	t.free_it = true;
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	loop_timer_arm(t.timer, 0);
	loop_run_once(t.loop, 100);
	CHECK(t.timer == NULL);

	t.fd = loop_fd_new(t.loop, fd[1], toy_ready, &t);
	loop_fd_want(t.fd, LOOP_WRITE);
	loop_run_once(t.loop, 100);
	CHECK(t.fd == NULL);

	t.sig = loop_signal_new(t.loop, SIGUSR1, toy_called, &t);
	CHECK(raise(SIGUSR1) == 0);
	loop_run_once(t.loop, 100);
	CHECK(t.sig == NULL);
	CHECK_EQ_U64(t.calls, 3);
	(void)close(fd[0]);
	(void)close(fd[1]);
	loop_free(t.loop);
}

TEST(what_is_made_on_a_loop_may_outlive_it)
{
	struct toy t;
	int fd[2];

	CHECK(toy_make(&t));
	CHECK(pipe(fd) == 0);
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	t.fd = loop_fd_new(t.loop, fd[0], toy_ready, &t);
	t.sig = loop_signal_new(t.loop, SIGUSR1, toy_called, &t);
	loop_timer_arm(t.timer, 1);
	loop_fd_want(t.fd, LOOP_READ);
	loop_free(t.loop);
	loop_fd_free(t.fd);
	loop_signal_free(t.sig);
	loop_timer_disarm(t.timer);
	loop_timer_free(t.timer);
	(void)close(fd[0]);
	(void)close(fd[1]);
	loop_free(NULL);
	loop_timer_free(NULL);
	loop_fd_free(NULL);
	loop_signal_free(NULL);
}

TEST(readiness_is_told_only_while_wanted_and_again_while_it_lasts)
{
	struct toy t;
	int fd[2];

	CHECK(toy_make(&t));
	CHECK(pipe(fd) == 0);
	t.fd = loop_fd_new(t.loop, fd[0], toy_ready, &t);
	CHECK(write(fd[1], "x", 1) == 1);
	loop_run_once(t.loop, 10);
	CHECK_EQ_U64(t.calls, 0);
	loop_fd_want(t.fd, LOOP_READ);
	loop_run_once(t.loop, 100);
	loop_run_once(t.loop, 100);
	CHECK_EQ_U64(t.calls, 2);
	CHECK_EQ_U64(t.what, LOOP_READ);
	loop_fd_want(t.fd, 0);
	loop_run_once(t.loop, 10);
	CHECK_EQ_U64(t.calls, 2);
	loop_fd_free(t.fd);
	(void)close(fd[0]);
	(void)close(fd[1]);
	loop_free(t.loop);
}

TEST(a_hung_up_descriptor_is_ready_for_what_is_wanted)
{
	struct toy t;
	int fd[2];

	CHECK(toy_make(&t));
	CHECK(pipe(fd) == 0);
	t.fd = loop_fd_new(t.loop, fd[1], toy_ready, &t);
	loop_fd_want(t.fd, LOOP_WRITE);
	(void)close(fd[0]); /* nobody reads */
	loop_run_once(t.loop, 100);
	CHECK_EQ_U64(t.what, LOOP_WRITE);
	loop_fd_free(t.fd);
	(void)close(fd[1]);
	loop_free(t.loop);
}

TEST(a_signal_is_told_outside_of_the_handler)
{
	struct toy t;

	CHECK(toy_make(&t));
	t.sig = loop_signal_new(t.loop, SIGUSR2, toy_called, &t);
	CHECK(raise(SIGUSR2) == 0);
	CHECK_EQ_U64(t.calls, 0);
	loop_run_once(t.loop, 100);
	CHECK(t.calls >= 1);
	loop_signal_free(t.sig);
	loop_free(t.loop);
}

TEST(run_once_waits_no_longer_than_told)
{
	struct toy t;
	int64_t start = clock_mono_ms();

	CHECK(toy_make(&t));
	loop_run_once(t.loop, 0);
	loop_run_once(t.loop, 0);
	CHECK(clock_mono_ms() - start < 200);
	loop_run_once(t.loop, 20);
	CHECK(clock_mono_ms() - start >= 15);
	CHECK(clock_mono_ms() - start < 500);
	loop_free(t.loop);
}

TEST(a_stop_that_comes_first_ends_the_next_run)
{
	struct toy t;

	CHECK(toy_make(&t));
	loop_stop(t.loop);
	loop_run(t.loop); /* would wait for ever */
	loop_stop(t.loop);
	loop_run_once(t.loop, -1);
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	loop_timer_arm(t.timer, 1);
	loop_run_once(t.loop, 1000); /* the stop is used up */
	CHECK_EQ_U64(t.calls, 1);
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

/* Posts the other task of the toy, and itself. */
static void post_both(void *ctx)
{
	struct toy *t = ctx;

	t->calls++;
	loop_task_post(t->loop, &t->other);
	loop_task_post(t->loop, &t->task);
}

static void count_other(void *ctx)
{
	((struct toy *)ctx)->what++;
}

TEST(tasks_run_from_the_loop_each_once_a_post)
{
	struct toy t;

	CHECK(toy_make(&t));
	t.task = (struct loop_task){ .run = toy_called, .ctx = &t };
	loop_task_post(t.loop, &t.task);
	loop_task_post(t.loop, &t.task);
	CHECK_EQ_U64(t.calls, 0);
	loop_run_once(t.loop, 0);
	loop_run_once(t.loop, 0);
	CHECK_EQ_U64(t.calls, 1);
	loop_task_post(t.loop, &t.task);
	loop_task_drop(&t.task);
	loop_task_drop(&t.task);
	loop_run_once(t.loop, 0);
	CHECK_EQ_U64(t.calls, 1);
	loop_free(t.loop);
}

TEST(tasks_that_post_tasks_leave_others_their_turn)
{
	struct toy t;

	CHECK(toy_make(&t));
	t.task = (struct loop_task){ .run = post_both, .ctx = &t };
	t.other = (struct loop_task){ .run = count_other, .ctx = &t };
	t.timer = loop_timer_new(t.loop, toy_called, &t);
	loop_task_post(t.loop, &t.task);
	loop_run_once(t.loop, 0);
	CHECK(t.calls > 0 && t.calls < 5);
	unsigned before = t.calls;
	loop_timer_arm(t.timer, 0);
	t.stops = true;
	loop_run(t.loop); /* ends, because the timer still fires */
	CHECK(t.calls > before);
	CHECK(t.what > 0);
	loop_task_drop(&t.task);
	loop_task_drop(&t.other);
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

TEST(a_task_runs_before_the_loop_waits_again)
{
	struct toy t;
	struct toy inner;

	CHECK(toy_make(&t));
	inner = (struct toy){ .loop = t.loop };
	inner.task = (struct loop_task){ .run = toy_called, .ctx = &inner };
	loop_task_post(t.loop, &inner.task);
	inner.stops = true;
	int64_t start = clock_mono_ms();
	loop_run(t.loop);
	CHECK_EQ_U64(inner.calls, 1);
	CHECK(clock_mono_ms() - start < 200);
	uint64_t turn = loop_turn(t.loop);
	loop_run_once(t.loop, 0);
	CHECK(loop_turn(t.loop) > turn);
	loop_free(t.loop);
}
