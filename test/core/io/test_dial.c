#include "core/io/dial.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "test/core/io/pair.h"

struct dialled {
	unsigned calls;
	int fd;
	struct err why;
};

static void done(void *ctx, int fd, const struct err *why)
{
	struct dialled *d = ctx;

	d->calls++;
	d->fd = fd;
	d->why = *why;
}

TEST(a_dialled_socket_is_tuned_and_not_inherited)
{
	struct pair p;
	struct dialled d = { .fd = -1 };
	struct dial *dial;
	struct err err;
	int value = 0;
	socklen_t len = sizeof(value);

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(dial_start(p.loop, &p.at, 1000, done, &d, &dial, &err) == OK);
	CHECK_EQ_U64(d.calls, 0);
	RUN_UNTIL(p.loop, d.calls == 1);
	CHECK(d.fd >= 0);
	CHECK(getsockopt(d.fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0);
	CHECK(value != 0);
	CHECK((fcntl(d.fd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK((fcntl(d.fd, F_GETFL) & O_NONBLOCK) != 0);
	(void)close(d.fd);
	pair_done(&p);
}

TEST(a_cancelled_dial_says_nothing)
{
	struct pair p;
	struct dialled d = { .fd = -1 };
	struct dial *dial;
	struct err err;

	CHECK(pair_listen(&p, TCP, NULL));
	for (unsigned turns = 0; turns < 2; turns++) {
		CHECK(dial_start(p.loop, &p.at, 1000, done, &d, &dial, &err) ==
		      OK);
		if (turns == 0)
			dial_cancel(dial);
		else if (d.calls == 0)
			dial_cancel(dial);
		run_for(p.loop, 10);
		CHECK_EQ_U64(d.calls, 0);
	}
	dial_cancel(NULL);
	pair_done(&p);
}

TEST(a_missing_unix_socket_is_unavailable)
{
	struct pair p;
	struct dialled d = { .fd = -1 };
	struct dial *dial;
	struct err err;

	CHECK(pair_listen(&p, UNIX, NULL));
	listener_close(p.ls);
	p.ls = NULL;
	CHECK(dial_start(p.loop, &p.at, 0, done, &d, &dial, &err) == OK);
	RUN_UNTIL(p.loop, d.calls == 1);
	CHECK(d.fd == -1);
	CHECK(d.why.code == E_UNAVAIL);
	CHECK(strstr(d.why.text, p.at.host) != NULL);
	pair_done(&p);
}

/* A unix socket with room for one connection that nobody accepts. */
static int narrow_listener(const struct addr *at)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", at->host);
	(void)EXPECT(fd >= 0 &&
		     bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
		     listen(fd, 0) == 0);
	return fd;
}

TEST(a_full_unix_backlog_is_waited_for)
{
	struct addr at = { .is_unix = true };
	struct dialled d[3] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	struct dial *dial;
	struct loop *l;
	struct err err;

	(void)snprintf(at.host, sizeof(at.host), "%.90s/narrow", test_dir());
	CHECK(loop_new(&l, &err) == OK);
	int fd = narrow_listener(&at);
	for (size_t i = 0; i < 2; i++) {
		CHECK(dial_start(l, &at, 1000, done, &d[i], &dial, &err) == OK);
		loop_run_once(l, 10);
	}
	CHECK(d[0].calls == 1 && d[0].fd >= 0);
	CHECK_EQ_U64(d[1].calls, 0); /* waits */
	CHECK(dial_start(l, &at, 30, done, &d[2], &dial, &err) == OK);
	RUN_UNTIL(l, d[2].calls == 1);
	CHECK(d[2].why.code == E_UNAVAIL && d[2].fd == -1);

	int accepted = accept(fd, NULL, NULL);
	RUN_UNTIL(l, d[1].calls == 1);
	CHECK(d[1].fd >= 0);
	(void)close(accepted);
	(void)close(d[0].fd);
	(void)close(d[1].fd);
	(void)close(fd);
	loop_free(l);
}

TEST(a_connect_that_nobody_answers_times_out)
{
	struct addr at = { .host = "127.0.0.1" };
	struct dialled d = { .fd = -1 };
	struct dialled full[8];
	struct dial *dial[8];
	struct loop *l;
	struct err err;
	int fd = -1;

	/* A listener whose backlog is full drops the calls of others. */
	CHECK(loop_new(&l, &err) == OK);
	CHECK(listener_bind(&at, NULL, &fd, &err) == OK);
	CHECK(listener_bound(fd, &at, &err) == OK);
	CHECK(listen(fd, 0) == 0);
	for (size_t i = 0; i < countof(full); i++) {
		full[i] = (struct dialled){ .fd = -1 };
		CHECK(dial_start(l, &at, 2000, done, &full[i], &dial[i],
				 &err) == OK);
	}
	run_for(l, 20);
	int64_t start = clock_mono_ms();
	struct dial *last;
	CHECK(dial_start(l, &at, 70, done, &d, &last, &err) == OK);
	RUN_UNTIL(l, d.calls == 1);
	CHECK(d.fd == -1);
	CHECK(d.why.code == E_UNAVAIL);
	CHECK(strstr(d.why.text, "70 ms") != NULL);
	CHECK(clock_mono_ms() - start < 1000);
	for (size_t i = 0; i < countof(full); i++) {
		if (full[i].calls == 0)
			dial_cancel(dial[i]);
		else
			(void)close(full[i].fd);
	}
	(void)close(fd);
	loop_free(l);
}
