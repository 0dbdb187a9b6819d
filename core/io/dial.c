#include "core/io/dial.h"

#include <errno.h>
#include <netinet/tcp.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/resolve.h"

#define DEFAULT_TIMEOUT 30000 /* ms */
#define BACKLOG_PAUSE 20      /* ms */
#define KEEPALIVE_AFTER 60    /* s without a byte */

struct dial {
	struct loop *loop;
	struct addr to;
	int64_t deadline; /* clock_mono_ms */
	int64_t allowed;  /* ms, for messages */
	struct resolve *resolve;
	struct resolve_list list;
	size_t next; /* of list */
	int fd;	     /* being connected, or -1 */
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct err why; /* of the latest attempt */
	void (*done)(void *ctx, int fd, const struct err *why);
	void *ctx;
};

static void try_next(struct dial *d);

void dial_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_AFTER },
	};

	/* A socket that has no such option needs none. */
	for (size_t i = 0; i < countof(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(options[i].value));
}

/* Give up the present attempt. */
static void hang_up(struct dial *d)
{
	loop_fd_free(take(d->watch));
	loop_timer_disarm(d->timer);
	cleanup_fd(&d->fd);
	d->fd = -1;
}

static void finish(struct dial *d, int fd)
{
	void (*done)(void *, int, const struct err *) = d->done;
	void *ctx = d->ctx;
	struct err why = d->why;

	dial_cancel(d);
	done(ctx, fd, &why);
}

/* errno says why the present attempt failed. */
static void attempt_failed(struct dial *d, int error)
{
	char text[ADDR_TEXT_SIZE];

	addr_text(&d->to, text);
	(void)err_set(&d->why, E_UNAVAIL, "cannot connect to %s: %s", text,
		      strerror(error));
	hang_up(d);
}

static void timed_out(struct dial *d)
{
	char text[ADDR_TEXT_SIZE];

	addr_text(&d->to, text);
	(void)err_set(&d->why, E_UNAVAIL,
		      "cannot connect to %s: no answer in %lld ms", text,
		      (long long)d->allowed);
	hang_up(d);
}

/* TCP lets a socket connect to itself, when the kernel gives it the very port
 * that it calls and nobody listens there. */
static bool is_self(int fd)
{
	struct resolve_addr us = { .len = sizeof(us.un) };
	struct resolve_addr peer = { .len = sizeof(peer.un) };

	if (getsockname(fd, &us.sa, &us.len) < 0 ||
	    getpeername(fd, &peer.sa, &peer.len) < 0 ||
	    us.sa.sa_family == AF_UNIX)
		return false;
	return us.len == peer.len && memcmp(&us, &peer, us.len) == 0;
}

static void connected(struct dial *d)
{
	if (is_self(d->fd)) {
		attempt_failed(d, ECONNREFUSED);
		try_next(d);
		return;
	}
	finish(d, take_fd(&d->fd));
}

static void writable(void *ctx, unsigned what)
{
	struct dial *d = ctx;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		connected(d);
		return;
	}
	attempt_failed(d, error);
	try_next(d);
}

/* An equal share of what time is left for this address and each behind it. */
static void arm(struct dial *d)
{
	int64_t left = d->deadline - clock_mono_ms();
	int64_t shares = (int64_t)(d->list.n - d->next) + 1;

	loop_timer_arm(d->timer, left / shares);
}

enum outcome { CONNECTED, WAITING, FAILED };

static enum outcome attempt(struct dial *d, const struct resolve_addr *a)
{
	d->fd = socket(a->sa.sa_family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0) {
		attempt_failed(d, errno);
		return FAILED;
	}
	if (a->sa.sa_family != AF_UNIX)
		dial_tune(d->fd);
	if (connect(d->fd, &a->sa, a->len) == 0)
		return CONNECTED;
	if (errno == EINPROGRESS) {
		d->watch = loop_fd_new(d->loop, d->fd, writable, d);
		loop_fd_want(d->watch, LOOP_WRITE);
		arm(d);
		return WAITING;
	}
	/* A unix socket whose backlog is full cannot be waited for. */
	bool again = errno == EAGAIN && clock_mono_ms() < d->deadline;
	attempt_failed(d, errno);
	if (!again)
		return FAILED;
	d->next--;
	loop_timer_arm(d->timer, BACKLOG_PAUSE);
	return WAITING;
}

static void try_next(struct dial *d)
{
	enum outcome o = FAILED;

	while (o == FAILED && d->next < d->list.n)
		o = attempt(d, &d->list.at[d->next++]);
	if (o == CONNECTED)
		connected(d);
	else if (o == FAILED)
		finish(d, -1);
}

static void timer_fired(void *ctx)
{
	struct dial *d = ctx;

	if (d->resolve != NULL || d->fd >= 0)
		timed_out(d);
	try_next(d);
}

static void resolved(void *ctx, const struct resolve_list *list,
		     const struct err *why)
{
	struct dial *d = ctx;

	d->resolve = NULL;
	loop_timer_disarm(d->timer);
	d->why = *why;
	if (list != NULL)
		d->list = *list;
	try_next(d);
}

enum status dial_start(struct loop *l, const struct addr *to,
		       int64_t timeout_ms,
		       void (*done)(void *ctx, int fd, const struct err *why),
		       void *ctx, struct dial **out, struct err *err)
{
	struct dial *d = mem_must(sizeof(*d));

	d->loop = l;
	d->to = *to;
	d->allowed = timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT;
	d->deadline = clock_mono_ms() + d->allowed;
	d->fd = -1;
	d->done = done;
	d->ctx = ctx;
	d->timer = loop_timer_new(l, timer_fired, d);
	enum status st = resolve_start(l, to, resolved, d, &d->resolve, err);
	if (st != OK) {
		dial_cancel(d);
		return st;
	}
	loop_timer_arm(d->timer, d->allowed);
	*out = d;
	return OK;
}

void dial_cancel(struct dial *d)
{
	if (d == NULL)
		return;
	resolve_cancel(d->resolve);
	hang_up(d);
	loop_timer_free(d->timer);
	mem_free(d);
}
