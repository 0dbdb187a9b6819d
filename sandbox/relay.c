#include "sandbox/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/buf.h"
#include "core/cleanup.h"

#define CHUNK (64u << 10) /* bytes that may wait, a direction */

/* How soon the loss of a side that we do not read from is noticed. */
#define LOOK_MS 300

struct side {
	int fd;
	struct loop_fd *watch;
	struct buf out; /* waits to be written here */
	bool eof;	/* nothing more comes from here */
	bool shut;	/* we told it that nothing more comes from us */
	bool connecting;
};

struct relay {
	struct side a, b;
	struct loop_timer *look;
	struct loop_timer *later; /* says ended() from the loop */
	void (*ended)(void *ctx);
	void *ctx;
	bool over;
};

/* Between read and write; nothing stays in it, nor in a relay that is idle. */
static uint8_t scratch[CHUNK];

static void side_close(struct side *s)
{
	loop_fd_free(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	buf_done(&s->out);
}

/* Close both at once; TCP hears a reset if it is not to believe in an end. */
static void finish(struct relay *r, bool broken)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (r->over)
		return;
	r->over = true;
	if (broken)
		(void)setsockopt(r->b.fd, SOL_SOCKET, SO_LINGER, &hard,
				 sizeof(hard));
	side_close(&r->a);
	side_close(&r->b);
	loop_timer_disarm(r->look);
	loop_timer_arm(r->later, 0);
}

/* The far end of an AF_UNIX socket was closed, and did not only stop sending:
 * nobody is left to take an answer.  When we stopped sending as well, the
 * kernel cannot tell, and it no longer matters. */
static bool is_gone(const struct side *s)
{
	struct pollfd p = { .fd = s->fd };

	return !(s->eof && s->shut) && poll(&p, 1, 0) > 0 &&
	       (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* Write what waits, then what is new; keep what does not fit.  False when
 * the side is broken. */
static bool push(struct side *s, struct slice data)
{
	struct slice first = buf_slice(&s->out);

	while (first.len > 0 && !s->connecting) {
		ssize_t n = send(s->fd, first.p, first.len, MSG_NOSIGNAL);
		if (n < 0)
			break;
		buf_consume(&s->out, (size_t)n);
		first = buf_slice(&s->out);
	}
	while (data.len > 0 && first.len == 0 && !s->connecting) {
		ssize_t n = send(s->fd, data.p, data.len, MSG_NOSIGNAL);
		if (n < 0)
			break;
		data = slice_from(data, (size_t)n);
	}
	if ((first.len > 0 || data.len > 0) && !s->connecting &&
	    errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return false;
	buf_put(&s->out, data);
	if (s->out.len == 0)
		buf_done(&s->out); /* an idle connection holds nothing */
	return !s->out.bad;
}

/* Take what one side has, as far as the other has room.  False when broken. */
static bool pull(struct side *from, struct side *to)
{
	size_t room = CHUNK - to->out.len;

	if (from->eof || from->connecting || room == 0)
		return true;
	/* recv offers no room for descriptors or other control data. */
	ssize_t n = recv(from->fd, scratch, room, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		       errno == EINTR;
	from->eof = n == 0;
	bool ok = push(to, slice_make(scratch, (size_t)n));
	explicit_bzero(scratch, (size_t)n);
	return ok;
}

static bool hand_on_end(const struct side *from, struct side *to)
{
	if (!from->eof || to->out.len > 0 || to->shut || to->connecting)
		return true;
	to->shut = true;
	return shutdown(to->fd, SHUT_WR) == 0;
}

/* Wait for what can be done; true when we wait for input of s. */
static bool want(struct side *s, const struct side *other)
{
	unsigned what = 0;

	if (!s->eof && !s->connecting && other->out.len < CHUNK)
		what |= LOOP_READ;
	if (s->connecting || s->out.len > 0)
		what |= LOOP_WRITE;
	loop_fd_want(s->watch, what);
	return (what & LOOP_READ) != 0;
}

/* After every event: hand on ends, see whether it is over. */
static void settle(struct relay *r, bool ok)
{
	if (!ok || (r->a.eof && is_gone(&r->a)) || !hand_on_end(&r->a, &r->b) ||
	    !hand_on_end(&r->b, &r->a)) {
		finish(r, true);
		return;
	}
	if (r->a.shut && r->b.shut) {
		finish(r, false);
		return;
	}
	if (!want(&r->a, &r->b))
		loop_timer_arm(r->look, LOOK_MS);
	(void)want(&r->b, &r->a);
}

static void look(void *ctx)
{
	struct relay *r = ctx;

	settle(r, !is_gone(&r->a));
}

static bool connected(struct side *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	s->connecting = false;
	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	       error == 0;
}

static void turn(struct relay *r, struct side *s, struct side *other,
		 unsigned what)
{
	bool ok = true;

	if ((what & LOOP_WRITE) != 0 && s->connecting)
		ok = connected(s);
	if (ok && (what & LOOP_WRITE) != 0)
		ok = push(s, S(""));
	if (ok && (what & LOOP_READ) != 0)
		ok = pull(s, other);
	settle(r, ok);
}

static void ready_a(void *ctx, unsigned what)
{
	struct relay *r = ctx;

	turn(r, &r->a, &r->b, what);
}

static void ready_b(void *ctx, unsigned what)
{
	struct relay *r = ctx;

	turn(r, &r->b, &r->a, what);
}

static void report(void *ctx)
{
	struct relay *r = ctx;

	r->ended(r->ctx);
}

enum status relay_new(struct loop *l, int a, int b, void (*ended)(void *ctx),
		      void *ctx, struct relay **out, struct err *err)
{
	(void)err;
	const int on = 1;
	struct relay *r = mem_must(sizeof(*r));

	*r = (struct relay){ .ended = ended, .ctx = ctx };
	r->a = (struct side){ .fd = a, .out = buf_make(CHUNK) };
	r->b = (struct side){ .fd = b,
			      .out = buf_make(CHUNK),
			      .connecting = true };
	/* Tokens come one at a time; none is to wait for the next. */
	(void)setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r->a.watch = loop_fd_new(l, a, ready_a, r);
	r->b.watch = loop_fd_new(l, b, ready_b, r);
	r->look = loop_timer_new(l, look, r);
	r->later = loop_timer_new(l, report, r);
	settle(r, true);
	*out = r;
	return OK;
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	side_close(&r->a);
	side_close(&r->b);
	loop_timer_free(r->look);
	loop_timer_free(r->later);
	mem_free(r);
}
