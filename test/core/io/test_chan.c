#include "core/io/chan.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/fdpass.h"
#include "test/test.h"

/* What one end has seen. */
struct seen {
	struct chan *chan;
	struct buf got;
	unsigned messages;
	int fd;
	enum status gone;
	bool free_at_once;
};

static void on_text(void *ctx, struct slice body, int fd)
{
	struct seen *s = ctx;

	(void)fd;
	buf_put(&s->got, body);
	s->messages++;
	if (s->free_at_once) {
		chan_free(s->chan);
		s->chan = NULL;
	}
}

static void on_fd(void *ctx, struct slice body, int fd)
{
	struct seen *s = ctx;

	(void)body;
	s->messages++;
	s->fd = fd;
}

static void on_gone(void *ctx, const struct err *why)
{
	struct seen *s = ctx;

	s->gone = why->code;
}

static const struct chan_row rows[] = {
	{ 1, 0, CHAN_MAX, false, on_text },
	{ 2, 2, 8, true, on_fd },
};

struct pair {
	struct loop *loop;
	struct seen a, b;
};

static void open_pair(struct pair *p)
{
	struct err err;
	int fds[2];

	*p = (struct pair){ 0 };
	p->a.got = p->b.got = buf_make(CHAN_MAX * 4);
	p->a.fd = p->b.fd = -1;
	EXPECT(loop_new(&p->loop, &err) == OK);
	EXPECT(chan_pair(fds, &err) == OK);
	EXPECT(chan_new(p->loop, fds[0], rows, countof(rows), on_gone, &p->a,
			&p->a.chan, &err) == OK);
	EXPECT(chan_new(p->loop, fds[1], rows, countof(rows), on_gone, &p->b,
			&p->b.chan, &err) == OK);
}

static void close_pair(struct pair *p)
{
	chan_free(p->a.chan);
	chan_free(p->b.chan);
	buf_done(&p->a.got);
	buf_done(&p->b.got);
	if (p->b.fd >= 0)
		(void)close(p->b.fd);
	loop_free(p->loop);
}

static void turn(struct pair *p, unsigned want)
{
	int64_t end = clock_mono_ms() + 2000;

	while (p->b.messages < want && p->b.gone == OK && clock_mono_ms() < end)
		loop_run_once(p->loop, 50);
}

TEST(messages_arrive_whole_and_in_order)
{
	struct pair p;

	open_pair(&p);
	chan_send(p.a.chan, 1, S("one,"), -1);
	chan_send(p.a.chan, 1, S(""), -1);
	chan_send(p.a.chan, 1, S("two"), -1);
	turn(&p, 3);
	EXPECT(p.b.messages == 3);
	EXPECT(slice_eq(buf_slice(&p.b.got), S("one,two")));
	close_pair(&p);
}

TEST(a_message_of_the_largest_size_passes)
{
	struct pair p;
	uint8_t *big = mem_must(CHAN_MAX);

	open_pair(&p);
	big[CHAN_MAX - 1] = 0x5a;
	chan_send(p.a.chan, 1, slice_make(big, CHAN_MAX), -1);
	turn(&p, 1);
	EXPECT(p.b.got.len == CHAN_MAX);
	EXPECT(buf_slice(&p.b.got).p[CHAN_MAX - 1] == 0x5a);
	mem_free(big);
	close_pair(&p);
}

TEST(a_descriptor_comes_with_its_message)
{
	struct pair p;
	int pipe_fds[2];

	open_pair(&p);
	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	chan_send(p.a.chan, 1, S("x"), -1);
	chan_send(p.a.chan, 2, S("fd"), pipe_fds[1]);
	chan_send(p.a.chan, 1, S("y"), -1);
	(void)close(pipe_fds[1]);
	turn(&p, 3);
	EXPECT(p.b.fd >= 0);
	EXPECT(write(p.b.fd, "k", 1) == 1);
	char c = 0;
	EXPECT(read(pipe_fds[0], &c, 1) == 1 && c == 'k');
	EXPECT(slice_eq(buf_slice(&p.b.got), S("xy")));
	(void)close(pipe_fds[0]);
	close_pair(&p);
}

static enum status fate_of(uint32_t type, struct slice body, int fd)
{
	struct pair p;

	open_pair(&p);
	chan_send(p.a.chan, type, body, fd);
	turn(&p, 1);
	enum status s = p.b.messages == 0 ? p.b.gone : OK;
	close_pair(&p);
	return s;
}

TEST(what_the_table_does_not_list_ends_the_channel)
{
	CHECK(fate_of(1, S("fine"), -1) == OK);
	CHECK(fate_of(3, S("unknown"), -1) == E_PARSE);
	CHECK(fate_of(2, S("no fd"), -1) == E_PARSE);
	CHECK(fate_of(1, S("fd unasked"), 0) == E_PARSE);
	CHECK(fate_of(2, S("x"), 0) == E_PARSE);
	CHECK(fate_of(2, S("too long !"), 0) == E_PARSE);
}

TEST(the_end_of_the_peer_is_told_once)
{
	struct pair p;

	open_pair(&p);
	chan_send(p.a.chan, 1, S("last"), -1);
	loop_run_once(p.loop, 10);
	chan_free(p.a.chan);
	p.a.chan = NULL;
	turn(&p, 9);
	EXPECT(p.b.messages == 1 && p.b.gone == E_IO);
	close_pair(&p);
}

TEST(a_handler_may_free_its_channel)
{
	struct pair p;

	open_pair(&p);
	p.b.free_at_once = true;
	chan_send(p.a.chan, 1, S("one"), -1);
	chan_send(p.a.chan, 1, S("two"), -1);
	turn(&p, 1);
	for (int i = 0; i < 5; i++)
		loop_run_once(p.loop, 10);
	EXPECT(p.b.messages == 1);
	close_pair(&p);
}

TEST(blocking_send_and_receive_work_before_the_loop)
{
	struct err err;
	int fds[2];
	auto_buf struct buf body = buf_make(64);
	auto_fd int got = -1;

	CHECK(chan_pair(fds, &err) == OK);
	auto_fd int a = fds[0];
	auto_fd int b = fds[1];
	CHECK(chan_send_now(a, 5, S("hello"), 0, &err) == OK);
	CHECK(chan_recv_now(b, 1000, 5, &body, &got, &err) == OK);
	CHECK(slice_eq(buf_slice(&body), S("hello")) && got >= 0);
	CHECK(chan_recv_now(b, 20, 5, &body, NULL, &err) == E_IO);
	CHECK(chan_send_now(a, 6, S("other"), -1, &err) == OK);
	CHECK(chan_recv_now(b, 1000, 5, &body, NULL, &err) == E_PARSE);
}

TEST(a_byte_without_a_descriptor_is_refused)
{
	struct err err;
	int fds[2];
	int got = -1;

	CHECK(chan_pair(fds, &err) == OK);
	auto_fd int a = fds[0];
	auto_fd int b = fds[1];
	CHECK(send(a, "x", 1, 0) == 1);
	CHECK(fdpass_recv(b, &got, &err) == E_PARSE && got == -1);
	CHECK(fdpass_send(a, b, &err) == OK);
	CHECK(fdpass_recv(b, &got, &err) == OK && got >= 0);
	(void)close(got);
}
