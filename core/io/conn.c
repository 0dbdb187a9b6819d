#include "core/io/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/dial.h"
#include "core/io/resolve.h"
#include "core/io/sock.h"

#define DIRECT_MIN (16u << 10) /* a write of this size is not queued first */
#define OUT_MOST (4u << 20)    /* the queue of a caller who does not stop */
#define CONNECT_MS 30000       /* defaults of the header */
#define HANDSHAKE_MS 10000
#define CLOSE_MS 5000
#define LINGER_MS 1000
#define BLIND_MS 500	  /* a socket that nothing is wanted from */
#define HANDSHAKE_STEPS 4 /* a turn of the loop; each takes up to 1 ms */
#define PEER_SIZE 64

enum phase { DIALLING, HANDSHAKE, STREAM, OVER };

struct conn {
	struct loop *loop;
	enum phase phase;
	struct dial *dial;
	struct sock sock;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct loop_task task;
	struct tls *tls;
	struct conn_events ev;
	void *ctx;

	struct buf in;	/* offered and not taken */
	struct buf out; /* written and not sent */

	bool told_ready, told_eof;
	bool paused;
	bool reoffer;	 /* input may be taken that was not before */
	bool in_ended;	 /* the peer ended its direction */
	bool was_full;	 /* and drained() is due */
	bool ending;	 /* our direction is to end */
	bool closing;	 /* and then everything */
	bool out_broken; /* writing failed; reading may have a reason */
	bool failed;	 /* *why is set */
	bool freed;
	unsigned busy; /* do not free the memory: somebody returns to it */

	struct err *why;
	int64_t deadline; /* clock_mono_ms, 0: none; by phase and closing */
	int64_t allowed;  /* ms, for messages */
	int64_t idle_ms;
	int64_t armed; /* clock_mono_ms when the timer fires, 0: not */
	char *host;    /* for SNI; NULL: none */
	char peer[PEER_SIZE];
	void (*gone)(void *ctx);
	void *gone_ctx;
};

/* Input that is being offered: used within one call at a time, by all
 * connections of the process, and wiped each time. */
static uint8_t plain[CONN_IN_MAX];

static void on_task(void *ctx);
static void on_timer(void *ctx);
static void on_fd(void *ctx, unsigned what);

/* ---- Beginning, failing and ending ---- */

static struct conn *conn_new(struct loop *l, struct tls *tls,
			     const struct conn_events *ev, void *ctx)
{
	struct conn *c = mem_must(sizeof(*c));

	c->loop = l;
	c->sock.fd = -1;
	c->timer = loop_timer_new(l, on_timer, c);
	c->task.run = on_task;
	c->task.ctx = c;
	c->tls = tls == NULL ? NULL : tls_ref(tls);
	c->ev = *ev;
	c->ctx = ctx;
	c->in = buf_make(CONN_IN_MAX);
	c->out = buf_make(SIZE_MAX / 4); /* conn_write() has the cap */
	(void)snprintf(c->peer, sizeof(c->peer), "unknown");
	return c;
}

static void destroy(struct conn *c)
{
	buf_done(&c->in);
	buf_done(&c->out);
	sock_done(&c->sock);
	tls_unref(c->tls);
	loop_timer_free(c->timer);
	mem_free(c->why);
	mem_free(c->host);
	if (c->gone != NULL)
		c->gone(c->gone_ctx);
	mem_free(c);
}

static void hold(struct conn *c)
{
	c->busy++;
}

static void release(struct conn *c)
{
	if (--c->busy == 0 && c->freed)
		destroy(c);
}

/* Let go of the socket.  Memory that a callback may be reading stays. */
static void tear(struct conn *c, bool reset)
{
	c->phase = OVER;
	dial_cancel(take(c->dial));
	loop_fd_free(take(c->watch));
	loop_timer_disarm(c->timer);
	loop_task_drop(&c->task);
	sock_close(&c->sock, reset);
}

/* Remember the first failure; others follow from it. */
static void record(struct conn *c, const struct err *why)
{
	loop_task_post(c->loop, &c->task);
	if (c->why != NULL)
		return;
	c->why = mem_must(sizeof(*c->why));
	*c->why = *why;
}

static void fail(struct conn *c, struct err *why)
{
	(void)err_wrap(why, "%s", c->peer);
	record(c, why);
	c->failed = true;
}

/* Writing failed.  The peer may have said why before it went. */
static void break_output(struct conn *c, struct err *why)
{
	(void)err_wrap(why, "%s", c->peer);
	record(c, why);
	c->out_broken = true;
}

static void tell_closed(struct conn *c)
{
	static const struct err fine = { .code = OK };

	if (c->ev.closed != NULL)
		c->ev.closed(c->ctx, c->failed ? c->why : &fine);
}

/* A plain stream that broke must not look as if it had ended; with TLS, the
 * missing close_notify says so, and an alert may be on its way. */
static void finish(struct conn *c)
{
	tear(c, c->failed && c->sock.session == NULL && c->phase == STREAM);
	tell_closed(c);
}

/* ---- Output ---- */

size_t conn_pending(const struct conn *c)
{
	return c->out.len + c->sock.wire.len;
}

bool conn_full(const struct conn *c)
{
	return conn_pending(c) >= CONN_OUT_HIGH;
}

static struct slice transmit(struct conn *c, struct slice s)
{
	struct err err;

	if (sock_write(&c->sock, &s, &err) != OK)
		break_output(c, &err);
	return s;
}

/* Also with nothing queued: the session may have left something to send. */
static void flush(struct conn *c)
{
	struct slice rest = transmit(c, buf_slice(&c->out));

	buf_consume(&c->out, c->out.len - rest.len);
	if (c->out.len == 0)
		buf_done(&c->out);
}

static bool takes_output(const struct conn *c)
{
	return c->phase != OVER && !c->ending && !c->closing && !c->failed &&
	       !c->out_broken;
}

void conn_write(struct conn *c, struct slice s)
{
	struct err err;

	if (!takes_output(c) || s.len == 0)
		return;
	if (conn_pending(c) >= OUT_MOST) {
		(void)err_set(&err, E_LIMIT,
			      "more than %u bytes wait to be sent", OUT_MOST);
		fail(c, &err);
		return;
	}
	if (c->phase == STREAM && s.len >= DIRECT_MIN) {
		flush(c);
		if (c->out.len == 0)
			s = transmit(c, s);
	}
	buf_put(&c->out, s);
	if (c->out.bad) {
		(void)err_set(&err, E_NOMEM, "no memory to queue output");
		fail(c, &err);
	}
	if (conn_full(c))
		c->was_full = true;
	loop_task_post(c->loop, &c->task);
}

/* With everything sent, end our direction. */
static void end_output(struct conn *c)
{
	struct err err;
	int64_t linger = clock_mono_ms() + LINGER_MS;

	if ((!c->ending && !c->closing) || c->out.len > 0)
		return;
	if (!c->sock.fin && sock_end(&c->sock, c->closing, &err) != OK)
		break_output(c, &err);
	if (c->closing && c->sock.fin && c->deadline > linger)
		c->deadline = linger;
}

/* ---- Input ---- */

static bool wants_input(const struct conn *c)
{
	return c->phase == STREAM && !c->closing && !c->paused &&
	       !c->in_ended && !c->failed && c->in.len < CONN_IN_MAX;
}

/* There is room, but maybe no memory: then a part would be missing. */
static void keep(struct conn *c, struct slice s)
{
	struct err err;

	buf_put(&c->in, s);
	if (!c->in.bad)
		return;
	(void)err_set(&err, E_NOMEM, "no memory to keep input");
	fail(c, &err);
}

/* Offer what is kept, with fresh bytes behind it. */
static void offer(struct conn *c, struct slice fresh)
{
	bool kept = c->in.len > 0;
	struct slice all = fresh;
	size_t took = 0;

	if (kept) {
		keep(c, fresh);
		all = buf_slice(&c->in);
	}
	if (all.len > 0 && !c->paused && !c->in.bad && c->ev.data != NULL)
		took = c->ev.data(c->ctx, all);
	if (took > all.len)
		abort(); /* a handler that took what was not there */
	if (kept)
		buf_consume(&c->in, took);
	else if (took < all.len)
		keep(c, slice_from(all, took));
	if (c->in.len == 0)
		buf_done(&c->in);
}

static void input(struct conn *c, bool readable)
{
	bool again = c->reoffer;
	struct err err;
	size_t room;
	size_t n = 0;

	c->reoffer = false;
	if (again)
		offer(c, (struct slice){ 0 });
	if (!again && !readable)
		return;
	do {
		room = CONN_IN_MAX - c->in.len;
		if (!wants_input(c))
			break;
		if (sock_read(&c->sock, readable, plain, room, &n, &c->in_ended,
			      &err) != OK)
			fail(c, &err);
		if (n > 0)
			offer(c, slice_make(plain, n));
		explicit_bzero(plain, n);
		readable = false;
	} while (n == room);
}

/* While closing, input is of no interest, but its end is. */
static void drain(struct conn *c, bool readable)
{
	buf_done(&c->in);
	if (readable && !c->in_ended)
		c->in_ended = sock_skip(&c->sock);
}

/* ---- What the loop calls ---- */

/* A handshake costs as much as serving many requests: only a few steps of
 * them a turn.  Who is not served now stays readable. */
static bool may_shake_hands(const struct loop *l)
{
	static uint64_t turn;
	static unsigned steps;

	if (turn != loop_turn(l)) {
		turn = loop_turn(l);
		steps = 0;
	}
	return steps++ < HANDSHAKE_STEPS;
}

/* The stream is there: what was written meanwhile may go. */
static void begin_stream(struct conn *c)
{
	c->phase = STREAM;
	c->sock.last_byte = clock_mono_ms();
	c->reoffer = true; /* a session may have read on already */
	if (!c->closing)
		c->deadline = 0;
}

static void shake_hands(struct conn *c, bool readable)
{
	struct err err;

	enum status st = sock_handshake(&c->sock, readable, &err);
	if (st == OK)
		begin_stream(c);
	else if (st != E_AGAIN)
		fail(c, &err);
}

static void tell_ready(struct conn *c)
{
	if (c->told_ready || c->closing)
		return;
	c->told_ready = true;
	if (c->ev.ready != NULL)
		c->ev.ready(c->ctx);
}

static void tell_eof(struct conn *c)
{
	if (c->phase != STREAM || c->closing || c->failed || c->paused ||
	    !c->in_ended || c->told_eof || c->out_broken)
		return;
	if (c->in.len > 0 && (c->reoffer || c->ev.data == NULL))
		return; /* it may still be taken */
	c->told_eof = true;
	if (c->ev.eof != NULL)
		c->ev.eof(c->ctx);
}

static void tell_drained(struct conn *c)
{
	if (c->phase != STREAM || c->closing || c->failed || !c->was_full ||
	    conn_pending(c) > CONN_OUT_LOW)
		return;
	c->was_full = false;
	if (c->ev.drained != NULL)
		c->ev.drained(c->ctx);
}

static void stream(struct conn *c, bool readable)
{
	tell_ready(c);
	if (c->phase == STREAM && !c->closing)
		input(c, readable);
	tell_eof(c);
	if (c->phase == STREAM && c->closing)
		drain(c, readable);
	if (c->phase != STREAM)
		return;
	flush(c);
	end_output(c);
	if (!c->reoffer && !c->failed && !c->out_broken)
		loop_task_drop(&c->task); /* it was for the flush */
	tell_drained(c);
}

/* True when all is done that conn_close() promised. */
static bool closed_well(const struct conn *c)
{
	if (!c->closing || c->failed)
		return false;
	return c->phase == STREAM ? c->sock.fin && c->in_ended
				  : conn_pending(c) == 0;
}

static unsigned wanted(const struct conn *c)
{
	unsigned want = 0;

	if (c->phase == HANDSHAKE || wants_input(c) ||
	    (c->closing && !c->in_ended))
		want |= LOOP_READ;
	if (c->sock.blocked && conn_pending(c) > 0)
		want |= LOOP_WRITE;
	return want;
}

static void sooner(int64_t *a, int64_t b)
{
	if (b < *a)
		*a = b;
}

/* The timer may fire too early, never too late: bytes move the idle limit all
 * the time, and moving the timer each time would cost more than that. */
static void arm(struct conn *c)
{
	int64_t now = clock_mono_ms();
	int64_t at = INT64_MAX;

	if (c->deadline > 0 && (c->phase != DIALLING || c->closing))
		sooner(&at, c->deadline); /* dialling keeps it by itself */
	if (c->phase == STREAM && c->idle_ms > 0)
		sooner(&at, c->sock.last_byte + c->idle_ms);
	if (c->phase == STREAM && wanted(c) == 0)
		sooner(&at, now + BLIND_MS);
	if (at == INT64_MAX || (c->armed > 0 && c->armed <= at))
		return;
	c->armed = at;
	loop_timer_arm(c->timer, at - now);
}

/* Do what can be done now.  The one place that tells anybody anything. */
static void step(struct conn *c, bool readable)
{
	bool last = c->out_broken;

	hold(c);
	if (c->phase == HANDSHAKE && !c->failed) {
		shake_hands(c, readable || last);
		readable = false;
	}
	if (c->phase == STREAM && !c->failed)
		stream(c, readable || last);
	if (c->phase != OVER && last)
		c->failed = true;
	if (c->phase != OVER && (c->failed || closed_well(c)))
		finish(c);
	if (c->phase == HANDSHAKE || c->phase == STREAM)
		loop_fd_want(c->watch, wanted(c));
	if (c->phase != OVER)
		arm(c);
	release(c);
}

static void on_task(void *ctx)
{
	step(ctx, false);
}

static void on_fd(void *ctx, unsigned what)
{
	struct conn *c = ctx;

	if (c->phase == HANDSHAKE && !may_shake_hands(c->loop))
		return;
	if (what == LOOP_WRITE)
		sock_unblock(&c->sock);
	step(c, what == LOOP_READ);
}

static void fail_late(struct conn *c, const char *what, int64_t ms)
{
	struct err why;

	(void)err_set(&why, E_IO, "%s in %lld ms", what, (long long)ms);
	fail(c, &why);
}

static void deadline_passed(struct conn *c)
{
	if (c->sock.fin)
		c->in_ended = true; /* the peer has had its time */
	else if (c->closing)
		fail_late(c, "could not send the rest", CLOSE_MS);
	else
		fail_late(c, "the TLS handshake was not done", c->allowed);
}

/* Nothing is wanted of the socket, so nobody would tell of a reset. */
static void look_for_reset(struct conn *c)
{
	struct err why;

	if (!sock_is_reset(&c->sock))
		return;
	(void)err_set(&why, E_IO, "the peer reset the connection");
	fail(c, &why);
}

static void on_timer(void *ctx)
{
	struct conn *c = ctx;
	int64_t now = clock_mono_ms();

	c->armed = 0;
	if (c->deadline > 0 && now >= c->deadline)
		deadline_passed(c);
	else if (c->phase == STREAM && c->idle_ms > 0 &&
		 now - c->sock.last_byte >= c->idle_ms)
		fail_late(c, "idle: no byte came or went", c->idle_ms);
	else if (c->phase == STREAM && wanted(c) == 0)
		look_for_reset(c);
	step(c, false);
}

/* ---- Making one ---- */

static void name_peer(struct conn *c)
{
	struct resolve_addr sa = { .len = sizeof(sa.un) };
	struct addr a;
	char text[ADDR_TEXT_SIZE];

	if (getpeername(c->sock.fd, &sa.sa, &sa.len) < 0)
		return;
	resolve_reverse(&sa, &a);
	addr_text(&a, text);
	(void)snprintf(c->peer, sizeof(c->peer), "%.*s", PEER_SIZE - 1,
		       a.is_unix ? "unix" : text);
}

/* From a connected socket on. */
static enum status begin(struct conn *c, int fd, struct err *err)
{
	TRY(sock_open(&c->sock, fd, c->tls, c->host, err));
	c->watch = loop_fd_new(c->loop, fd, on_fd, c);
	name_peer(c);
	c->phase = HANDSHAKE;
	if (c->sock.session == NULL)
		begin_stream(c);
	loop_task_post(c->loop, &c->task);
	return OK;
}

static void dialled(void *ctx, int fd, const struct err *why)
{
	struct conn *c = ctx;
	auto_fd int mine = fd;
	struct err err = *why;

	c->dial = NULL;
	if (fd >= 0 && begin(c, fd, &err) == OK) {
		(void)take_fd(&mine);
	} else {
		record(c, &err); /* it names the address already */
		c->failed = true;
	}
	step(c, false);
}

enum status conn_connect(struct loop *l, const struct addr *to, struct tls *tls,
			 int64_t timeout_ms, const struct conn_events *ev,
			 void *ctx, struct conn **out, struct err *err)
{
	char text[ADDR_TEXT_SIZE];

	addr_text(to, text);
	if (tls == NULL && to->tls)
		return err_set(err, E_USAGE,
			       "%s: TLS is wanted, but not set up", text);

	struct conn *c = conn_new(l, tls, ev, ctx);
	c->allowed = timeout_ms > 0 ? timeout_ms : CONNECT_MS;
	c->deadline = clock_mono_ms() + c->allowed;
	(void)snprintf(c->peer, sizeof(c->peer), "%.*s", PEER_SIZE - 1, text);
	if (!to->is_unix)
		c->host = mem_strdup(to->host, strlen(to->host));
	enum status st =
		dial_start(l, to, c->allowed, dialled, c, &c->dial, err);
	if (st != OK) {
		destroy(c);
		return st;
	}
	*out = c;
	return OK;
}

enum status conn_adopt(struct loop *l, int fd, struct tls *tls,
		       int64_t handshake_timeout_ms,
		       const struct conn_events *ev, void *ctx,
		       struct conn **out, struct err *err)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, "cannot use descriptor %d", fd);
	dial_tune(fd);

	struct conn *c = conn_new(l, tls, ev, ctx);
	c->allowed =
		handshake_timeout_ms > 0 ? handshake_timeout_ms : HANDSHAKE_MS;
	c->deadline = clock_mono_ms() + c->allowed;
	enum status st = begin(c, fd, err);
	if (st != OK) {
		destroy(c);
		return st;
	}
	*out = c;
	return OK;
}

/* ---- What the owner calls ---- */

void conn_handlers(struct conn *c, const struct conn_events *ev, void *ctx)
{
	c->ev = *ev;
	c->ctx = ctx;
	c->told_eof = false;
	conn_resume(c);
}

void conn_pause(struct conn *c)
{
	c->paused = true;
	if (c->phase == STREAM)
		loop_task_post(c->loop, &c->task);
}

void conn_resume(struct conn *c)
{
	c->paused = false;
	c->reoffer = true;
	if (c->phase == STREAM)
		loop_task_post(c->loop, &c->task);
}

void conn_close(struct conn *c)
{
	int64_t limit = clock_mono_ms() + CLOSE_MS;

	if (c->phase == OVER || c->closing)
		return;
	c->closing = true;
	if (c->deadline == 0 || c->deadline > limit)
		c->deadline = limit;
	loop_task_post(c->loop, &c->task);
}

void conn_shutdown(struct conn *c)
{
	if (c->phase == OVER)
		return;
	c->ending = true;
	loop_task_post(c->loop, &c->task);
}

void conn_abort(struct conn *c)
{
	tear(c, true);
}

void conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	if (c->phase != OVER)
		conn_abort(c);
	c->freed = true;
	if (c->busy == 0)
		destroy(c);
}

void conn_idle_limit(struct conn *c, int64_t ms)
{
	c->idle_ms = ms;
	c->sock.last_byte = clock_mono_ms();
	if (c->phase == STREAM)
		arm(c);
}

bool conn_is_tls(const struct conn *c)
{
	return c->tls != NULL;
}

struct slice conn_peer_cert(const struct conn *c)
{
	if (c->sock.session == NULL || !c->told_ready)
		return (struct slice){ 0 };
	return tls_session_peer(c->sock.session);
}

bool conn_peer_spki(const struct conn *c, uint8_t sha256[static 32])
{
	struct slice der = conn_peer_cert(c);
	auto_x509 struct x509 *cert = NULL;
	struct err err;

	if (der.len == 0 || x509_parse(der, &cert, &err) != OK)
		return false;
	x509_spki_sha256(cert, sha256);
	return true;
}

enum status conn_exporter(struct conn *c, const char *label,
			  struct slice context, uint8_t *out, size_t len,
			  struct err *err)
{
	if (c->sock.session == NULL || !c->told_ready)
		return err_set(err, E_USAGE,
			       "%s: no TLS session to export a key from",
			       c->peer);
	return tls_session_exporter(c->sock.session, label, context, out, len,
				    err);
}

const char *conn_peer_text(const struct conn *c)
{
	return c->peer;
}

void conn_on_free(struct conn *c, void (*gone)(void *ctx), void *ctx)
{
	c->gone = gone;
	c->gone_ctx = ctx;
}
