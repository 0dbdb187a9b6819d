#include "core/io/sock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"

#define READ_MAX (64u << 10)   /* bytes of one system call */
#define RECORD_MOST (9u << 10) /* a TLS record that we send, with headers */

/* Each is used within one call at a time, by all sockets of the process. */
static uint8_t cipher[READ_MAX];
static struct {
	uint8_t mem[READ_MAX + RECORD_MOST];
	size_t len;
} cork; /* records that leave in one system call */

/* Output. */

static bool can_push(const struct sock *s)
{
	return s->wire.len == 0 && !s->blocked && s->error == 0;
}

/* Give bytes to the kernel; how many it took. */
static size_t push(struct sock *s, struct slice in)
{
	ssize_t n = send(s->fd, in.p, in.len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->error = errno;
		buf_done(&s->wire);
		return 0;
	}
	if (n > 0)
		s->last_byte = clock_mono_ms();
	else
		n = 0;
	s->blocked = (size_t)n < in.len;
	return (size_t)n;
}

static void push_wire(struct sock *s)
{
	if (s->wire.len == 0 || s->blocked || s->error != 0)
		return;
	size_t n = push(s, buf_slice(&s->wire));
	if (s->error != 0)
		return;
	buf_consume(&s->wire, n);
	if (s->wire.len == 0)
		buf_done(&s->wire);
}

/* What the session makes goes out in as few system calls as possible. */
static void uncork(struct sock *s)
{
	struct slice made = slice_make(cork.mem, cork.len);

	cork.len = 0;
	push_wire(s);
	if (made.len > 0 && can_push(s))
		made = slice_from(made, push(s, made));
	if (made.len > 0 && s->error == 0)
		buf_put(&s->wire, made);
	if (s->wire.bad)
		s->error = ENOMEM;
}

static long session_send(void *ctx, const uint8_t *p, size_t n)
{
	struct sock *s = ctx;

	if (n > sizeof(cork.mem) - cork.len)
		uncork(s);
	if (s->error != 0 || n > sizeof(cork.mem))
		return TLS_FAIL;
	memcpy(cork.mem + cork.len, p, n);
	cork.len += n;
	return (long)n;
}

static enum status encrypt(struct sock *s, struct slice *in, struct err *err)
{
	enum status st = OK;
	size_t n;

	while (st == OK && in->len > 0 &&
	       cork.len + RECORD_MOST <= sizeof(cork.mem)) {
		st = tls_session_write(s->session, *in, &n, err);
		if (st == OK)
			*in = slice_from(*in, n);
	}
	uncork(s);
	return st;
}

static enum status written(const struct sock *s, struct err *err)
{
	if (s->error == 0)
		return OK;
	return err_set(err, E_IO, "write: %s", strerror(s->error));
}

enum status sock_write(struct sock *s, struct slice *in, struct err *err)
{
	push_wire(s);
	while (in->len > 0 && can_push(s)) {
		if (s->session == NULL)
			*in = slice_from(*in, push(s, *in));
		else
			TRY(encrypt(s, in, err));
	}
	return written(s, err);
}

/* What is kept. */
static enum status flush(struct sock *s, struct err *err)
{
	push_wire(s);
	return written(s, err);
}

void sock_unblock(struct sock *s)
{
	s->blocked = false;
}

enum status sock_end(struct sock *s, bool for_good, struct err *err)
{
	if (s->fin)
		return OK;
	if (s->session != NULL && !s->notified) {
		s->notified = true;
		enum status st = tls_session_close_notify(s->session, err);
		uncork(s);
		if (st != OK)
			return st;
	}
	TRY(flush(s, err));
	if (s->wire.len > 0 || (s->session != NULL && !for_good))
		return OK;
	s->fin = true;
	/* It fails when the peer is gone, which reading will show. */
	(void)shutdown(s->fd, SHUT_WR);
	return OK;
}

/* Input. */

static enum status receive(struct sock *s, uint8_t *p, size_t max, size_t *n,
			   bool *end, struct err *err)
{
	ssize_t got = recv(s->fd, p, max, 0);

	*n = 0;
	if (got > 0) {
		s->last_byte = clock_mono_ms();
		*n = (size_t)got;
	} else if (got == 0) {
		*end = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		return err_set(err, E_IO, "read: %s", strerror(errno));
	}
	return OK;
}

static long session_recv(void *ctx, uint8_t *p, size_t n)
{
	struct sock *s = ctx;

	if (s->cipher.len == 0)
		return s->cipher_end ? 0 : TLS_AGAIN;
	if (n > s->cipher.len)
		n = s->cipher.len;
	memcpy(p, s->cipher.p, n);
	s->cipher = slice_from(s->cipher, n);
	return (long)n;
}

/* Let the session read: what was left over, else one read of the socket. */
static enum status open_cipher(struct sock *s, bool readable, struct err *err)
{
	size_t n;

	if (s->raw.len > 0) {
		s->cipher = buf_slice(&s->raw);
	} else if (readable && !s->cipher_end) {
		TRY(receive(s, cipher, sizeof(cipher), &n, &s->cipher_end,
			    err));
		s->cipher = slice_make(cipher, n);
	}
	return OK;
}

/* Keep what the session did not read, and send what it has to say. */
static void close_cipher(struct sock *s)
{
	if (s->raw.len > 0)
		buf_consume(&s->raw, s->raw.len - s->cipher.len);
	else if (s->cipher.len > 0)
		buf_put(&s->raw, s->cipher);
	if (s->raw.len == 0)
		buf_done(&s->raw);
	s->cipher = (struct slice){ 0 };
	uncork(s);
}

static enum status decrypt(struct sock *s, uint8_t *p, size_t max, size_t *n,
			   bool *end, struct err *err)
{
	size_t got;

	while (*n < max) {
		enum status st = tls_session_read(s->session, p + *n, max - *n,
						  &got, err);
		if (st == E_AGAIN)
			return OK;
		if (st != OK)
			return st;
		*n += got;
		*end = got == 0;
		if (*end)
			break;
	}
	return OK;
}

enum status sock_read(struct sock *s, bool readable, uint8_t *p, size_t max,
		      size_t *n, bool *end, struct err *err)
{
	*n = 0;
	if (s->session == NULL)
		return readable ? receive(s, p, max, n, end, err) : OK;
	TRY(open_cipher(s, readable, err));
	enum status st = decrypt(s, p, max, n, end, err);
	close_cipher(s);
	if (st == OK && s->raw.bad)
		return err_set(err, E_NOMEM, "no memory to keep input");
	return st;
}

enum status sock_handshake(struct sock *s, bool readable, struct err *err)
{
	TRY(open_cipher(s, readable, err));
	enum status st = tls_session_handshake(s->session, err);
	close_cipher(s);
	if (st == E_AGAIN && s->error != 0)
		return written(s, err);
	return st;
}

bool sock_skip(struct sock *s)
{
	bool end = false;
	struct err err;
	size_t n;

	buf_done(&s->raw);
	enum status st = receive(s, cipher, sizeof(cipher), &n, &end, &err);
	explicit_bzero(cipher, n); /* without TLS it was none */
	return end || st != OK;
}

bool sock_is_reset(const struct sock *s)
{
	struct pollfd p = { .fd = s->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

/* Opening and closing. */

enum status sock_open(struct sock *s, int fd, struct tls *tls, const char *host,
		      struct err *err)
{
	struct tls_transport io = { session_send, session_recv, s };
	struct tls_session *session = NULL;

	if (tls != NULL)
		TRY(tls_session_new(tls, host, io, &session, err));
	*s = (struct sock){ .fd = fd,
			    .session = session,
			    .raw = buf_make(READ_MAX),
			    .wire = buf_make(SIZE_MAX / 4),
			    .last_byte = clock_mono_ms() };
	return OK;
}

void sock_close(struct sock *s, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	/* If it fails the peer sees an ordinary end, and no close_notify. */
	if (reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
	cleanup_fd(&s->fd);
	s->fd = -1;
}

void sock_done(struct sock *s)
{
	sock_close(s, false);
	buf_done(&s->raw);
	buf_done(&s->wire);
	tls_session_free(take(s->session));
}
