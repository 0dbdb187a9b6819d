#include "core/io/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/fdpass.h"

/* A frame that carries a descriptor has this bit in its type; the descriptor
 * follows the frame, with one byte of its own (core/io/fdpass). */
#define FD_BIT 0x80000000u
#define FRAME_LEN 8
#define QUEUE_MAX (64u << 20)
#define READ_STEP (64u << 10)
#define OUT_FDS_MAX 64

struct out_fd {
	uint64_t at; /* stream offset behind whose bytes it goes */
	int fd;
};

struct chan {
	struct loop *loop;
	struct loop_fd *watch;
	int fd;
	const struct chan_row *rows;
	size_t n_rows;
	void (*gone)(void *ctx, const struct err *why);
	void *ctx;

	struct buf in;
	struct buf out;
	uint64_t sent; /* bytes of out handed to the kernel so far */
	struct out_fd fds[OUT_FDS_MAX];
	size_t n_fds;

	struct loop_timer *later; /* reports a failure from the loop */
	struct err why;
	bool broken;
	bool *freed; /* set when freed within a callback */
};

static void put_frame(struct buf *out, uint32_t type, size_t len)
{
	buf_put_u32be(out, type);
	buf_put_u32be(out, (uint32_t)len);
}

/* Stop all traffic; gone() comes from the loop. */
static void fail(struct chan *c)
{
	if (c->broken)
		return;
	c->broken = true;
	loop_fd_want(c->watch, 0);
	loop_timer_arm(c->later, 0);
}

static void report(void *ctx)
{
	struct chan *c = ctx;

	c->gone(c->ctx, &c->why);
}

static void want(struct chan *c)
{
	unsigned what = LOOP_READ;

	if (c->out.len > 0 || c->n_fds > 0)
		what |= LOOP_WRITE;
	if (!c->broken)
		loop_fd_want(c->watch, what);
}

/* Bytes that may go before the next descriptor. */
static size_t before_fd(const struct chan *c)
{
	if (c->n_fds == 0)
		return c->out.len;
	return (size_t)(c->fds[0].at - c->sent);
}

static enum status flush_bytes(struct chan *c, size_t len)
{
	while (len > 0) {
		struct slice s = slice_sub(buf_slice(&c->out), 0, len);
		ssize_t n =
			send(c->fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return E_AGAIN;
		if (n < 0)
			return err_errno(&c->why, "channel: write");
		buf_consume(&c->out, (size_t)n);
		c->sent += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

static enum status flush_fd(struct chan *c)
{
	TRY(fdpass_send(c->fd, c->fds[0].fd, &c->why));
	(void)close(c->fds[0].fd);
	c->n_fds--;
	memmove(c->fds, c->fds + 1, c->n_fds * sizeof(c->fds[0]));
	return OK;
}

static void flush(struct chan *c)
{
	enum status s = OK;

	while (s == OK && !c->broken && (c->out.len > 0 || c->n_fds > 0)) {
		s = flush_bytes(c, before_fd(c));
		if (s == OK && c->n_fds > 0)
			s = flush_fd(c);
	}
	if (s != OK && s != E_AGAIN)
		fail(c);
	want(c);
}

static const struct chan_row *row_of(const struct chan *c, uint32_t type)
{
	for (size_t i = 0; i < c->n_rows; i++)
		if (c->rows[i].type == type)
			return &c->rows[i];
	return NULL;
}

/* The row of a frame head that obeys the table; E_PARSE otherwise. */
static enum status check_frame(struct chan *c, uint32_t type, size_t len,
			       const struct chan_row **row)
{
	bool with_fd = (type & FD_BIT) != 0;

	*row = row_of(c, type & ~FD_BIT);
	if (*row == NULL)
		return err_set(&c->why, E_PARSE,
			       "channel: message type %u is not taken here",
			       type & ~FD_BIT);
	if (len < (*row)->min || len > (*row)->max || len > CHAN_MAX)
		return err_set(&c->why, E_PARSE,
			       "channel: message type %u of %zu bytes, want "
			       "%zu to %zu",
			       type & ~FD_BIT, len, (*row)->min, (*row)->max);
	if (with_fd != (*row)->wants_fd)
		return err_set(&c->why, E_PARSE,
			       "channel: message type %u %s a descriptor",
			       type & ~FD_BIT, with_fd ? "with" : "without");
	return OK;
}

/* Hand out the first message of c->in.  E_AGAIN: not whole yet. */
static enum status dispatch(struct chan *c)
{
	struct cursor cur = cursor_make(buf_slice(&c->in));
	uint32_t type = cursor_u32be(&cur);
	size_t len = cursor_u32be(&cur);
	const struct chan_row *row;
	int fd = -1;

	if (cur.bad)
		return E_AGAIN;
	TRY(check_frame(c, type, len, &row));
	if (cur.rest.len < len)
		return E_AGAIN;
	if (row->wants_fd)
		TRY(fdpass_recv(c->fd, &fd, &c->why));

	const bool *freed = c->freed;
	row->handle(c->ctx, slice_sub(cur.rest, 0, len), fd);
	if (*freed)
		return E_IO; /* nobody may touch c any more */
	buf_consume(&c->in, FRAME_LEN + len);
	return OK;
}

/* How many bytes may be read now: never beyond a frame that a descriptor
 * follows, since its byte belongs to fdpass_recv. */
static size_t read_len(const struct chan *c)
{
	struct cursor cur = cursor_make(buf_slice(&c->in));
	(void)cursor_u32be(&cur);
	size_t len = cursor_u32be(&cur);

	if (cur.bad)
		return FRAME_LEN - c->in.len;
	return len > cur.rest.len ? len - cur.rest.len : 0;
}

static enum status fill(struct chan *c)
{
	size_t n = read_len(c);
	if (n == 0)
		return OK;
	if (n > READ_STEP)
		n = READ_STEP;

	uint8_t *p = buf_room(&c->in, n);
	if (p == NULL)
		return err_set(&c->why, E_LIMIT, "channel: input too large");
	ssize_t got = recv(c->fd, p, n, MSG_DONTWAIT);
	if (got > 0) {
		buf_grow(&c->in, (size_t)got);
		return OK;
	}
	if (got == 0)
		return err_set(&c->why, E_IO, "channel: the other end closed");
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return E_AGAIN;
	return err_errno(&c->why, "channel: read");
}

/* Take what is there; true when c was freed by a handler. */
static bool take_input(struct chan *c)
{
	bool freed = false;
	enum status s = OK;

	c->freed = &freed;
	for (int turns = 0; turns < 64 && s == OK && !c->broken; turns++) {
		s = fill(c);
		if (s != OK)
			break;
		s = dispatch(c);
		if (freed)
			return true;
		if (s == E_AGAIN)
			s = OK; /* go on reading */
	}
	c->freed = NULL;
	if (s != OK && s != E_AGAIN)
		fail(c);
	return false;
}

static void ready(void *ctx, unsigned what)
{
	struct chan *c = ctx;

	if ((what & LOOP_READ) != 0 && take_input(c))
		return;
	if (!c->broken)
		flush(c);
}

enum status chan_new(struct loop *l, int fd, const struct chan_row *rows,
		     size_t n_rows,
		     void (*gone)(void *ctx, const struct err *why), void *ctx,
		     struct chan **out, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(err, "channel");

	struct chan *c = mem_must(sizeof(*c));
	*c = (struct chan){ .loop = l,
			    .fd = fd,
			    .rows = rows,
			    .n_rows = n_rows,
			    .gone = gone,
			    .ctx = ctx,
			    .in = buf_make(CHAN_MAX + FRAME_LEN),
			    .out = buf_make(QUEUE_MAX) };
	c->watch = loop_fd_new(l, fd, ready, c);
	c->later = loop_timer_new(l, report, c);
	loop_fd_want(c->watch, LOOP_READ);
	*out = c;
	return OK;
}

void chan_free(struct chan *c)
{
	if (c == NULL)
		return;
	if (c->freed != NULL)
		*c->freed = true;
	loop_fd_free(c->watch);
	loop_timer_free(c->later);
	for (size_t i = 0; i < c->n_fds; i++)
		(void)close(c->fds[i].fd);
	(void)close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	mem_free(c);
}

/* Keep a duplicate of pass_fd to go behind all bytes queued so far. */
static enum status queue_fd(struct chan *c, int pass_fd)
{
	if (c->n_fds == OUT_FDS_MAX)
		return err_set(&c->why, E_LIMIT,
			       "channel: too many descriptors queued");
	int fd = fcntl(pass_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(&c->why, "channel: duplicate descriptor");
	c->fds[c->n_fds++] =
		(struct out_fd){ .at = c->sent + c->out.len, .fd = fd };
	return OK;
}

void chan_send(struct chan *c, uint32_t type, struct slice body, int pass_fd)
{
	enum status s = OK;

	if (c->broken)
		return;
	put_frame(&c->out, pass_fd >= 0 ? type | FD_BIT : type, body.len);
	buf_put(&c->out, body);
	s = buf_check(&c->out, "channel queue", &c->why);
	if (s == OK && pass_fd >= 0)
		s = queue_fd(c, pass_fd);
	if (s != OK)
		fail(c);
	else
		flush(c);
}

enum status chan_send_now(int fd, uint32_t type, struct slice body, int pass_fd,
			  struct err *err)
{
	auto_buf struct buf frame = buf_make(CHAN_MAX + FRAME_LEN);

	put_frame(&frame, pass_fd >= 0 ? type | FD_BIT : type, body.len);
	buf_put(&frame, body);
	TRY(buf_check(&frame, "channel message", err));

	struct slice rest = buf_slice(&frame);
	while (rest.len > 0) {
		ssize_t n = send(fd, rest.p, rest.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "channel: write");
		rest = slice_from(rest, (size_t)n);
	}
	return pass_fd >= 0 ? fdpass_send(fd, pass_fd, err) : OK;
}

static enum status wait_readable(int fd, int64_t deadline, struct err *err)
{
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (left <= 0)
			return err_set(err, E_IO,
				       "channel: no message in time");
		int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return err_errno(err, "channel: poll");
	}
}

/* Exactly n bytes, appended to b. */
static enum status recv_full(int fd, size_t n, int64_t deadline, struct buf *b,
			     struct err *err)
{
	while (n > 0) {
		TRY(wait_readable(fd, deadline, err));
		uint8_t *p = buf_room(b, n);
		if (p == NULL)
			return buf_check(b, "channel message", err);
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);
		if (got == 0)
			return err_set(err, E_IO,
				       "channel: the other end closed");
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(err, "channel: read");
		if (got > 0) {
			buf_grow(b, (size_t)got);
			n -= (size_t)got;
		}
	}
	return OK;
}

enum status chan_recv_now(int fd, int64_t ms, uint32_t type, struct buf *body,
			  int *pass_fd, struct err *err)
{
	auto_buf struct buf head = buf_make(FRAME_LEN);
	int64_t deadline = clock_mono_ms() + ms;

	TRY(recv_full(fd, FRAME_LEN, deadline, &head, err));
	struct cursor c = cursor_make(buf_slice(&head));
	uint32_t got = cursor_u32be(&c);
	size_t len = cursor_u32be(&c);
	if ((got & ~FD_BIT) != type ||
	    ((got & FD_BIT) != 0) != (pass_fd != NULL))
		return err_set(err, E_PARSE,
			       "channel: message type %u, want %u", got, type);

	TRY(recv_full(fd, len, deadline, body, err));
	if (pass_fd == NULL)
		return OK;
	TRY(wait_readable(fd, deadline, err));
	return fdpass_recv(fd, pass_fd, err);
}

enum status chan_pair(int fds[static 2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, "socketpair");
	return OK;
}
