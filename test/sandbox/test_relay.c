#include "sandbox/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/slice.h"
#include "test/test.h"

/* A relay between a socket pair and a TCP connection, and the far ends of
 * both, which do not block. */
struct setup {
	struct loop *loop;
	struct relay *relay;
	int proxy;    /* far end of the AF_UNIX side */
	int workload; /* far end of the TCP side; -1: nobody listens */
	int ended;
};

static void ended(void *ctx)
{
	struct setup *s = ctx;

	s->ended++;
}

/* A listening socket, and its address. */
static int listen_somewhere(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr = { htonl(INADDR_LOOPBACK) } };
	EXPECT(bind(fd, (const struct sockaddr *)a, len) == 0);
	EXPECT(listen(fd, 1) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)a, &len) == 0);
	return fd;
}

static bool make(struct setup *s, bool listening)
{
	struct sockaddr_in to;
	struct err err;
	int pair[2];

	*s = (struct setup){ .proxy = -1, .workload = -1 };
	int l = listen_somewhere(&to);
	if (!listening)
		(void)close(l);
	int b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)connect(b, (const struct sockaddr *)&to, sizeof(to));
	if (listening) {
		s->workload = accept4(l, NULL, NULL, SOCK_NONBLOCK);
		(void)close(l);
	}
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	s->proxy = pair[0];
	EXPECT(loop_new(&s->loop, &err) == OK);
	return EXPECT(relay_new(s->loop, pair[1], b, ended, s, &s->relay,
				&err) == OK);
}

static void done(struct setup *s)
{
	relay_free(s->relay);
	loop_free(s->loop);
	if (s->proxy >= 0)
		(void)close(s->proxy);
	if (s->workload >= 0)
		(void)close(s->workload);
}
#define auto_setup __attribute__((cleanup(done)))

static void spin(struct setup *s, int turns)
{
	for (int i = 0; i < turns; i++)
		loop_run_once(s->loop, 1);
}

/* Receive once, with the relay running, for at most a second: the length, or
 * -errno. */
static ssize_t get(struct setup *s, int fd, void *p, size_t len)
{
	int64_t end = clock_mono_ms() + 1000;

	while (clock_mono_ms() < end) {
		ssize_t n = recv(fd, p, len, 0);
		if (n >= 0 || errno != EAGAIN)
			return n >= 0 ? n : -errno;
		loop_run_once(s->loop, 5);
	}
	return -ETIMEDOUT;
}

static bool gets_text(struct setup *s, int fd, const char *want)
{
	char got[64] = "";
	ssize_t n = get(s, fd, got, sizeof(got) - 1);

	return n == (ssize_t)strlen(want) && strcmp(got, want) == 0;
}

static bool put_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) ==
	       (ssize_t)strlen(text);
}

static bool has_ended(struct setup *s)
{
	int64_t end = clock_mono_ms() + 1000;

	while (s->ended == 0 && clock_mono_ms() < end)
		loop_run_once(s->loop, 5);
	spin(s, 3);
	return s->ended == 1;
}

TEST(bytes_go_both_ways)
{
	auto_setup struct setup s;

	CHECK(make(&s, true));
	CHECK(put_text(s.proxy, "ping"));
	CHECK(gets_text(&s, s.workload, "ping"));
	CHECK(put_text(s.workload, "pong"));
	CHECK(gets_text(&s, s.proxy, "pong"));
	CHECK(s.ended == 0);
}

TEST(an_end_of_sending_is_handed_on_and_the_answer_still_comes)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, true));
	CHECK(put_text(s.proxy, "all"));
	CHECK(shutdown(s.proxy, SHUT_WR) == 0);
	CHECK(gets_text(&s, s.workload, "all"));
	CHECK(get(&s, s.workload, &byte, 1) == 0);
	CHECK(s.ended == 0);
	CHECK(put_text(s.workload, "answer"));
	CHECK(gets_text(&s, s.proxy, "answer"));
	CHECK(shutdown(s.workload, SHUT_WR) == 0);
	CHECK(get(&s, s.proxy, &byte, 1) == 0);
	CHECK(has_ended(&s));
}

TEST(the_workload_may_end_first)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, true));
	CHECK(put_text(s.workload, "early"));
	CHECK(shutdown(s.workload, SHUT_WR) == 0);
	CHECK(gets_text(&s, s.proxy, "early"));
	CHECK(get(&s, s.proxy, &byte, 1) == 0);
	CHECK(put_text(s.proxy, "late"));
	CHECK(gets_text(&s, s.workload, "late"));
	CHECK(s.ended == 0);
	CHECK(shutdown(s.proxy, SHUT_WR) == 0);
	CHECK(has_ended(&s));
}

TEST(when_the_proxy_is_gone_the_workload_sees_a_reset)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, true));
	CHECK(put_text(s.proxy, "x"));
	CHECK(gets_text(&s, s.workload, "x"));
	(void)close(s.proxy);
	s.proxy = -1;
	CHECK(get(&s, s.workload, &byte, 1) == -ECONNRESET);
	CHECK(has_ended(&s));
}

TEST(a_proxy_that_leaves_after_it_stopped_sending_is_noticed_in_a_second)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, true));
	CHECK(shutdown(s.proxy, SHUT_WR) == 0);
	CHECK(get(&s, s.workload, &byte, 1) == 0);
	(void)close(s.proxy);
	s.proxy = -1;
	CHECK(has_ended(&s));
	CHECK(send(s.workload, "x", 1, MSG_NOSIGNAL) < 0);
}

TEST(a_proxy_that_leaves_while_the_workload_does_not_read_is_noticed)
{
	auto_setup struct setup s;
	static char bytes[65536];
	ssize_t n = 1;

	CHECK(make(&s, true));
	for (int i = 0; i < 4000 && n > 0; i++) {
		n = send(s.proxy, bytes, sizeof(bytes), MSG_NOSIGNAL);
		spin(&s, 2);
	}
	CHECK(n < 0);
	(void)close(s.proxy);
	s.proxy = -1;
	CHECK(has_ended(&s));
}

TEST(a_reset_by_the_workload_ends_the_connection_of_the_proxy)
{
	auto_setup struct setup s;
	const struct linger hard = { 1, 0 };
	char byte;

	CHECK(make(&s, true));
	CHECK(put_text(s.proxy, "x"));
	CHECK(gets_text(&s, s.workload, "x"));
	(void)setsockopt(s.workload, SOL_SOCKET, SO_LINGER, &hard,
			 sizeof(hard));
	(void)close(s.workload);
	s.workload = -1;
	CHECK(get(&s, s.proxy, &byte, 1) == 0);
	CHECK(has_ended(&s));
	/* All of it, and not one direction. */
	CHECK(send(s.proxy, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
}

TEST(where_nobody_listens_the_connection_ends_at_once)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, false));
	CHECK(get(&s, s.proxy, &byte, 1) == 0);
	CHECK(has_ended(&s));
}

TEST(a_side_that_does_not_read_stops_the_other)
{
	auto_setup struct setup s;
	static char bytes[65536];
	size_t total = 0;
	int idle = 0;

	CHECK(make(&s, true));
	while (idle < 20 && total < (64u << 20)) {
		ssize_t n = send(s.proxy, bytes, sizeof(bytes), MSG_NOSIGNAL);
		idle = n > 0 ? 0 : idle + 1;
		total += n > 0 ? (size_t)n : 0;
		spin(&s, 1);
	}
	CHECK(total < (32u << 20)); /* what the kernel holds, and 64 KiB */
	CHECK(s.ended == 0);
}

/* Byte i of a stream of our making. */
static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 11));
}

/* Move total bytes from one end to the other, and see that they are those. */
static bool transfer(struct setup *s, int from, int to, size_t total)
{
	static uint8_t out[60000], in[70000];
	size_t sent = 0, got = 0;
	int64_t end = clock_mono_ms() + 10000;

	while (got < total && clock_mono_ms() < end) {
		size_t len =
			total - sent < sizeof(out) ? total - sent : sizeof(out);
		for (size_t i = 0; i < len; i++)
			out[i] = byte_at(sent + i);
		ssize_t n = send(from, out, len, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		loop_run_once(s->loop, 0);
		n = recv(to, in, sizeof(in), 0);
		for (ssize_t i = 0; i < n; i++)
			if (in[i] != byte_at(got + (size_t)i))
				return false;
		got += n > 0 ? (size_t)n : 0;
	}
	return got == total;
}

TEST(large_streams_arrive_whole_in_both_directions)
{
	auto_setup struct setup s;

	CHECK(make(&s, true));
	CHECK(transfer(&s, s.proxy, s.workload, 4u << 20));
	CHECK(transfer(&s, s.workload, s.proxy, 4u << 20));
}

TEST(the_last_bytes_before_an_end_are_not_lost)
{
	auto_setup struct setup s;
	static char bytes[200000];
	size_t got = 0;
	ssize_t n;

	CHECK(make(&s, true));
	size_t sent = 0;
	while (sent < sizeof(bytes)) {
		n = send(s.workload, bytes, sizeof(bytes) - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		spin(&s, 1);
	}
	(void)close(s.workload);
	s.workload = -1;
	while ((n = get(&s, s.proxy, bytes, sizeof(bytes))) > 0)
		got += (size_t)n;
	CHECK(n == 0);
	CHECK_EQ_U64(got, sizeof(bytes));
}

/* Send fd with one byte over an AF_UNIX socket. */
static bool pass(int sock, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = "" };
	struct iovec iov = { (char[]){ 'x' }, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1;
}

TEST(a_descriptor_sent_along_is_dropped)
{
	auto_setup struct setup s;
	int fds[2];
	struct pollfd p;

	CHECK(make(&s, true));
	CHECK(pipe(fds) == 0);
	CHECK(pass(s.proxy, fds[1]));
	(void)close(fds[1]);
	CHECK(gets_text(&s, s.workload, "x"));
	p = (struct pollfd){ .fd = fds[0] };
	CHECK(poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0);
	(void)close(fds[0]);
}

TEST(freeing_a_running_relay_closes_both_sides)
{
	auto_setup struct setup s;
	char byte;

	CHECK(make(&s, true));
	spin(&s, 2);
	relay_free(s.relay);
	s.relay = NULL;
	CHECK(get(&s, s.proxy, &byte, 1) == 0);
	CHECK(get(&s, s.workload, &byte, 1) == 0);
	CHECK(s.ended == 0);
}
