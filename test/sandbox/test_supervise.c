#include "sandbox/supervise.h"

#include <sys/socket.h>

#include "core/cleanup.h"
#include "test/sandbox/box.h"
#include "test/test.h"

TEST(states_and_ends_have_names)
{
	CHECK_STR_EQ(supervise_state_name(SUPERVISE_RUNNING), "running");
	CHECK_STR_EQ(supervise_state_name(SUPERVISE_STOPPED), "stopped");
	CHECK_STR_EQ(supervise_state_name(SUPERVISE_FAILED), "failed");
	CHECK_STR_EQ(supervise_state_name((enum supervise_state)9), "unknown");
	CHECK_STR_EQ(runtime_end_name(RUNTIME_END_MEMORY), "memory");
	CHECK_STR_EQ(runtime_end_name((enum runtime_end)9), "unknown");
}

TEST(the_last_lines_of_much_output_are_kept)
{
	auto_buf struct buf out = buf_make(2 * SUPERVISE_LOG_MAX);
	auto_box struct box b;
	static const char last[] = "line 19999 of what the workload prints\n";

	box_init(&b, "print", "20000");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_wait(&b, 10000));
	uint64_t dropped = supervise_logs(b.s, &out);
	CHECK(dropped > 0);
	CHECK_EQ_U64(out.len, SUPERVISE_LOG_MAX);
	CHECK(out.len > sizeof(last));
	struct slice end =
		slice_from(buf_slice(&out), out.len - (sizeof(last) - 1));
	CHECK(slice_eq_str(end, last));
}

TEST(with_logs_off_nothing_is_kept_and_nothing_hangs)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX);
	auto_box struct box b;

	box_init(&b, "print", "20000");
	BOX_NEEDED;
	b.spec.logs = SPEC_LOGS_OFF;
	BOX_START(&b);
	CHECK(box_wait(&b, 10000));
	CHECK(supervise_get_state(b.s) == SUPERVISE_STOPPED);
	CHECK_EQ_U64(supervise_logs(b.s, &out), 0);
	CHECK_EQ_U64(out.len, 0);
}

static void free_it(void *ctx)
{
	struct box *b = ctx;

	supervise_free(take(b->s));
	b->changed++;
}

TEST(it_may_be_freed_when_it_tells_of_the_end)
{
	auto_box struct box b;
	int pair[2];

	box_init(&b, "exit", "0");
	BOX_NEEDED;
	b.spec.argv = b.argv;
	b.spec.env = b.env;
	CHECK(loop_new(&b.loop, &b.err) == OK);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	b.link = pair[0];
	auto_fd int theirs = pair[1];
	enum status s = supervise_start(b.loop, &b.settings, &b.spec, theirs,
					free_it, &b, &b.s, &b.err);
	if (s == E_PERM)
		SKIP("not allowed here");
	CHECK(s == OK);
	for (int i = 0; i < 200 && b.changed == 0; i++)
		loop_run_once(b.loop, 20);
	CHECK_EQ_U64(b.changed, 1);
}

TEST(stopping_twice_and_after_the_end_is_harmless)
{
	auto_box struct box b;

	box_init(&b, "sleep", "60");
	BOX_NEEDED;
	BOX_START(&b);
	CHECK(box_printed(&b, "sleeping", 5000));
	supervise_stop(b.s, 1000);
	supervise_stop(b.s, 1000);
	CHECK(box_wait(&b, 5000));
	supervise_stop(b.s, 1000);
	CHECK(supervise_get_state(b.s) == SUPERVISE_STOPPED);
	CHECK_EQ_U64(b.changed, 1);
}
