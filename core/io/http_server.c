#include "core/io/http_server.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/http_call.h"

#define CLOSE_TICK_MS 250 /* how often a closing connection is looked at */

/* ---- one connection: life and death -------------------------------------- */

static void tell_done(void *ctx)
{
	struct http_server *srv = ctx;

	srv->done(srv->done_ctx);
}

static void unlink_session(struct http_session *s)
{
	struct http_server *srv = s->server;

	if (s->next != NULL)
		s->next->prev = s->prev;
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		srv->first = s->next;
	srv->n--;
	if (srv->draining && srv->n == 0 && srv->done != NULL)
		loop_task_post(srv->loop, &srv->tell_done);
}

/* End the call, if there is one; the session may be dead afterwards. */
static void tell_gone(struct http_session *s, const struct err *why)
{
	struct http_call *c = take(s->call);

	if (c == NULL)
		return;
	c->told_gone = true;
	if (c->ev != NULL && c->ev->gone != NULL)
		c->ev->gone(c->ctx, why);
	buf_done(&c->body);
	mem_free(c);
}

static void drop(struct http_session *s, const struct err *why)
{
	s->dead = true;
	unlink_session(s);
	loop_task_drop(&s->work);
	loop_timer_free(s->timer);
	tell_gone(s, why);
	conn_free(s->conn);
	http_parse_done(&s->parser);
	if (s->busy == 0)
		mem_free(s);
}

/* Leave a callback that was entered with busy++. */
static void leave(struct http_session *s)
{
	if (--s->busy == 0 && s->dead)
		mem_free(s);
}

/* ---- time ----------------------------------------------------------------- */

/* When this phase ends if no byte comes any more. */
static int64_t due(const struct http_session *s)
{
	const struct http_limits *l = &s->server->limits;

	switch (s->phase) {
	case HTTP_AT_IDLE:
		return s->fresh ? s->phase_at + l->head_ms
				: s->stamp + l->keep_ms;
	case HTTP_AT_CALL:
		return s->stamp + l->idle_ms;
	case HTTP_AT_HEAD:
	case HTTP_AT_SKIP:
		return s->phase_at + l->head_ms;
	case HTTP_AT_CLOSE:
		break;
	}
	return clock_mono_ms() + CLOSE_TICK_MS;
}

/* The timer is left alone if it fires early enough: it then looks again. So
 * a busy connection hardly ever touches it. */
static void arm(struct http_session *s)
{
	int64_t at = due(s);
	int64_t now;

	if (s->armed != 0 && s->armed <= at)
		return;
	now = clock_mono_ms();
	s->armed = at > now ? at : now + 1;
	loop_timer_arm(s->timer, s->armed - now);
}

static void enter(struct http_session *s, enum http_phase phase)
{
	s->phase = phase;
	s->stamp = clock_mono_ms();
	s->phase_at = s->stamp;
	arm(s);
}

void http_session_write(struct http_session *s, struct slice bytes)
{
	if (bytes.len == 0)
		return;
	/* Behind bytes that wait, these say nothing of the peer. */
	if (conn_pending(s->conn) == 0)
		s->stamp = clock_mono_ms();
	s->written += bytes.len;
	conn_write(s->conn, bytes);
}

/* Waiting output that the kernel took since the last look is a sign of life;
 * so a peer that stalls may have up to twice the time allowed. */
static void see_output(struct http_session *s)
{
	size_t pending = conn_pending(s->conn);
	uint64_t handed = s->written - pending;

	if (handed != s->handed && (pending > 0 || s->waiting))
		s->stamp = clock_mono_ms();
	s->handed = handed;
	s->waiting = pending > 0;
}

/* Have the connection offer what it keeps once more. */
static void offer_again(struct http_session *s)
{
	s->held = false;
	conn_resume(s->conn);
}

/* ---- ends of a connection ------------------------------------------------- */

/* conn_close() allows only some seconds for what it has to send; so it comes
 * after all is sent, which for most answers is at once. */
static void try_close(struct http_session *s)
{
	if (s->closing || conn_pending(s->conn) > 0)
		return;
	s->closing = true;
	conn_close(s->conn);
}

/* Flush and close.  What still comes is read and dropped: a close over unread
 * input would reset the connection, and the client might lose the answer
 * (RFC 9112 section 9.6). */
static void begin_close(struct http_session *s)
{
	http_parse_done(&s->parser);
	enter(s, HTTP_AT_CLOSE);
	if (s->held)
		offer_again(s);
	try_close(s);
	if (!s->closing)
		http_session_poke(s);
}

static void break_off(struct http_session *s, const struct err *why)
{
	conn_abort(s->conn);
	drop(s, why);
}

static void close_tick(struct http_session *s)
{
	static const struct err stalled = {
		E_IO, "the peer takes no more of the answer"
	};
	int64_t idle = clock_mono_ms() - s->stamp;

	try_close(s);
	if (s->closing)
		return; /* closed() will come */
	if (idle >= s->server->limits.idle_ms)
		break_off(s, &stalled);
	else
		arm(s);
}

/* Give up a request: with an answer of our own, unless there is one. */
static void refuse(struct http_session *s, unsigned status,
		   const struct err *why)
{
	if (s->call != NULL && s->call->answer != HTTP_NONE_YET) {
		break_off(s, why);
		return;
	}
	if (s->phase != HTTP_AT_SKIP)
		http_call_error(s, status, why);
	tell_gone(s, why);
	if (!s->dead)
		begin_close(s);
}

static void expire_call(struct http_session *s)
{
	static const struct err late = {
		E_IO, "the rest of the request did not come in time"
	};
	static const struct err unanswered = { E_IO,
					       "no answer was ready in time" };
	static const struct err idle = {
		E_IO, "no byte in either direction within the time allowed"
	};
	struct http_call *c = s->call;

	if (c->answer == HTTP_NONE_YET && c->paused) {
		s->stamp = clock_mono_ms(); /* it is not the peer who waits */
		arm(s);
	} else if (c->answer == HTTP_NONE_YET) {
		refuse(s, c->all ? 503 : 408, c->all ? &unanswered : &late);
	} else {
		break_off(s, &idle);
	}
}

static void expire(struct http_session *s)
{
	static const struct err slow = {
		E_IO, "the head of the request did not come in time"
	};

	switch (s->phase) {
	case HTTP_AT_IDLE:
	case HTTP_AT_SKIP:
		begin_close(s);
		break;
	case HTTP_AT_HEAD:
		refuse(s, 408, &slow);
		break;
	case HTTP_AT_CALL:
		expire_call(s);
		break;
	case HTTP_AT_CLOSE:
		close_tick(s);
		break;
	}
}

static void on_timer(void *ctx)
{
	struct http_session *s = ctx;

	s->armed = 0;
	s->busy++;
	see_output(s);
	if (s->phase != HTTP_AT_CLOSE && clock_mono_ms() < due(s))
		arm(s);
	else
		expire(s);
	leave(s);
}

/* ---- what became of the call ---------------------------------------------- */

static void finish_answer(struct http_session *s)
{
	static const struct err ok = { .code = OK };
	bool ends = s->call->close || s->server->draining;
	bool all = s->call->all;

	tell_gone(s, &ok);
	if (s->dead)
		return;
	if (ends)
		begin_close(s);
	else
		enter(s, all ? HTTP_AT_IDLE : HTTP_AT_SKIP);
}

static void tell_end(struct http_session *s)
{
	struct http_call *c = s->call;

	c->told = true;
	if (c->whole != NULL) {
		c->whole(c->whole_ctx, c, buf_slice(&c->body));
		if (s->call == c)
			buf_done(&c->body);
		return;
	}
	if (c->ev != NULL && c->ev->body_end != NULL)
		c->ev->body_end(c->ctx);
}

static void give_up(struct http_session *s)
{
	struct err why = s->call->why; /* which does not outlive the call */

	if (s->call->broken)
		drop(s, &why);
	else
		refuse(s, s->call->refuse, &why);
}

/* Do what the owner's last doings ask for.  Always from the loop, after the
 * connection had its turn: when that broke meanwhile, the call has gone. */
static void settle(struct http_session *s)
{
	struct http_call *c = s->call;

	if (c->broken || c->refuse != 0)
		give_up(s);
	else if (c->answer == HTTP_ENDED)
		finish_answer(s);
	else if (c->all && !c->told && !c->paused)
		tell_end(s);
}

void http_session_poke(struct http_session *s)
{
	if (!s->dead)
		loop_task_post(s->server->loop, &s->work);
}

/* ---- requests -------------------------------------------------------------- */

static struct http_call *new_call(struct http_session *s,
				  const struct http_head *head)
{
	struct http_call *c = mem_must(sizeof(*c));

	c->session = s;
	c->is_head = slice_eq(head->method, S("HEAD"));
	c->old = head->minor == 0;
	c->keep = head->keep_alive;
	if (head->body == HTTP_CHUNKED)
		c->left = UINT64_MAX;
	else if (head->body == HTTP_LENGTH)
		c->left = head->length;
	c->expect = head->expect_continue && c->left > 0;
	return c;
}

static void on_head(struct http_session *s, const struct http_event *ev)
{
	struct http_server *srv = s->server;

	s->call = new_call(s, ev->head);
	s->fresh = false;
	enter(s, HTTP_AT_CALL);
	srv->ev->on_call(srv->ctx, s->call, ev->head);
	if (s->dead || s->call == NULL)
		return;
	if (!s->call->taken && !http_call_answered(s->call)) {
		(void)err_set(&s->call->why, E_IO,
			      "nobody here answers this request");
		s->call->refuse = 500;
		http_session_poke(s);
	}
	http_call_continue(s->call);
}

static void on_body(struct http_session *s, const struct http_event *ev)
{
	struct http_call *c = s->call;

	if (c == NULL)
		return; /* dropped */
	if (c->left != UINT64_MAX)
		c->left -= ev->data.len;
	if (c->whole != NULL)
		buf_put(&c->body, ev->data);
	else if (c->ev != NULL && c->ev->body != NULL)
		c->ev->body(c->ctx, ev->data);
}

static void on_end(struct http_session *s)
{
	if (s->call != NULL) {
		s->call->all = true;
		if (!s->call->paused)
			tell_end(s);
	} else if (s->server->draining) {
		begin_close(s);
	} else {
		enter(s, HTTP_AT_IDLE);
	}
}

static void on_event(struct http_session *s, const struct http_event *ev)
{
	if (ev->kind == HTTP_HEAD)
		on_head(s, ev);
	else if (ev->kind == HTTP_DATA)
		on_body(s, ev);
	else if (ev->kind == HTTP_END)
		on_end(s);
}

static void on_bad_request(struct http_session *s, const struct err *why)
{
	unsigned status = http_parse_status(&s->parser);
	struct err err = *why;

	refuse(s, status == 0 ? 400 : status, &err);
}

/* May the parser go on?  One answer at a time: not before the last one is
 * given and mostly taken.  Otherwise the connection keeps the input and is
 * read until that is too much, so that the peer's leaving is noticed;
 * conn_pause() would hide it. */
static bool wants_input(const struct http_session *s)
{
	if (s->dead || s->phase == HTTP_AT_CLOSE)
		return false;
	if (s->phase == HTTP_AT_CALL)
		return !s->call->all && !s->call->paused &&
		       !http_call_over(s->call);
	return s->phase != HTTP_AT_IDLE || !conn_full(s->conn);
}

/* One event of the parser; false when there is none. */
static bool step(struct http_session *s, struct slice *in)
{
	struct http_event ev;
	struct err err;
	size_t used;

	if (http_parse_next(&s->parser, *in, &used, &ev, &err) != OK) {
		on_bad_request(s, &err);
		return false;
	}
	*in = slice_from(*in, used);
	if (ev.kind == HTTP_MORE)
		return false;
	on_event(s, &ev);
	return true;
}

/* The end of a body of known length is there with its last byte: see it even
 * when the owner wants to hear of it later, so that the connection may stay
 * open after an early answer. */
static void look_for_end(struct http_session *s)
{
	struct slice none = { 0 };

	if (!s->dead && s->call != NULL && s->call->paused && !s->call->all &&
	    !http_call_over(s->call))
		(void)step(s, &none);
}

/* Feed the parser as far as it may go; returns what was used of in. */
static size_t pump(struct http_session *s, struct slice in)
{
	struct slice rest = in;

	while (wants_input(s) && step(s, &rest))
		;
	look_for_end(s);
	if (s->dead || s->phase == HTTP_AT_CLOSE)
		return in.len;
	if (s->phase == HTTP_AT_IDLE && !http_parse_idle(&s->parser)) {
		int64_t began = s->phase_at;

		enter(s, HTTP_AT_HEAD);
		if (s->fresh)
			s->phase_at = began;
		arm(s);
	}
	return in.len - rest.len;
}

/* Have the input that the connection keeps offered again if it is of use. */
static void take_held(struct http_session *s)
{
	if (!s->dead && s->held &&
	    (wants_input(s) || s->phase == HTTP_AT_CLOSE))
		offer_again(s);
}

static void on_work(void *ctx)
{
	struct http_session *s = ctx;

	s->busy++;
	if (s->call != NULL)
		settle(s);
	if (!s->dead && s->phase == HTTP_AT_CLOSE)
		try_close(s);
	else if (!s->dead)
		(void)pump(s, (struct slice){ 0 });
	take_held(s);
	leave(s);
}

/* ---- events of the connection ---------------------------------------------- */

static size_t on_data(void *ctx, struct slice in)
{
	struct http_session *s = ctx;

	s->busy++;
	if (s->phase != HTTP_AT_CLOSE) /* where it is of no interest */
		s->stamp = clock_mono_ms();
	size_t used = pump(s, in);
	s->held = used < in.len;
	leave(s);
	return used;
}

static void on_drained(void *ctx)
{
	struct http_session *s = ctx;
	struct http_call *c = s->call;

	s->busy++;
	if (c != NULL && c->answer == HTTP_BEGUN && c->ev != NULL &&
	    c->ev->drained != NULL)
		c->ev->drained(c->ctx);
	take_held(s);
	leave(s);
}

/* As most servers do, take the end of the client's direction while it waits
 * for an answer as its leaving: HTTP clients do not half-close, and one that
 * is gone must not keep a model busy. */
static void on_eof(void *ctx)
{
	static const struct err left = {
		E_IO, "the peer closed the connection before the answer was "
		      "complete"
	};
	struct http_session *s = ctx;

	s->busy++;
	if (s->call != NULL && s->call->answer == HTTP_ENDED)
		settle(s);
	if (s->dead)
		; /* its owner freed the server */
	else if (s->call != NULL)
		break_off(s, &left);
	else if (s->phase != HTTP_AT_CLOSE)
		begin_close(s);
	leave(s);
}

static void on_closed(void *ctx, const struct err *why)
{
	struct http_session *s = ctx;
	struct err gone = *why;

	gone.code = E_IO; /* the one that owners of calls know */
	s->busy++;
	drop(s, &gone);
	leave(s);
}

static const struct conn_events conn_callbacks = {
	.data = on_data,
	.drained = on_drained,
	.eof = on_eof,
	.closed = on_closed,
};

void http_server_accept(void *server, struct conn *c)
{
	struct http_server *srv = server;

	if (srv->draining) {
		conn_free(c);
		return;
	}

	struct http_session *s = mem_must(sizeof(*s));
	s->server = srv;
	s->conn = c;
	s->fresh = true;
	s->timer = loop_timer_new(srv->loop, on_timer, s);
	s->work = (struct loop_task){ .run = on_work, .ctx = s };
	http_parse_init_request(&s->parser, srv->limits.head, srv->limits.body);
	s->next = srv->first;
	if (s->next != NULL)
		s->next->prev = s;
	srv->first = s;
	srv->n++;
	enter(s, HTTP_AT_IDLE);
	conn_handlers(c, &conn_callbacks, s);
}

/* ---- the server -------------------------------------------------------------- */

enum status http_server_new(struct loop *l, const struct http_limits *limits,
			    const struct http_server_events *ev, void *ctx,
			    struct http_server **out, struct err *err)
{
	static const struct http_limits usual = {
		.head = HTTP_MAX_HEAD,
		.body = 128u << 20,
		.head_ms = 60 * 1000,
		.idle_ms = 300 * 1000,
		.keep_ms = 75 * 1000,
	};
	struct http_limits m = limits != NULL ? *limits : usual;

	(void)err;
	m.head = m.head != 0 ? m.head : usual.head;
	m.body = m.body != 0 ? m.body : usual.body;
	m.head_ms = m.head_ms != 0 ? m.head_ms : usual.head_ms;
	m.idle_ms = m.idle_ms != 0 ? m.idle_ms : usual.idle_ms;
	m.keep_ms = m.keep_ms != 0 ? m.keep_ms : usual.keep_ms;

	struct http_server *srv = mem_must(sizeof(*srv));
	srv->loop = l;
	srv->limits = m;
	srv->ev = ev;
	srv->ctx = ctx;
	srv->date_at = -1;
	srv->tell_done = (struct loop_task){ .run = tell_done, .ctx = srv };
	*out = srv;
	return OK;
}

void http_server_drain(struct http_server *s, void (*done)(void *ctx),
		       void *ctx)
{
	s->draining = true;
	s->done = done;
	s->done_ctx = ctx;
	for (struct http_session *i = s->first, *next; i != NULL; i = next) {
		next = i->next;
		if (i->phase == HTTP_AT_IDLE)
			begin_close(i);
	}
	if (s->n == 0 && done != NULL)
		loop_task_post(s->loop, &s->tell_done);
}

void http_server_free(struct http_server *s)
{
	static const struct err stopped = { E_IO, "the server was stopped" };

	if (s == NULL)
		return;
	s->draining = false;
	while (s->first != NULL)
		break_off(s->first, &stopped);
	loop_task_drop(&s->tell_done);
	mem_free(s);
}

size_t http_server_conns(const struct http_server *s)
{
	return s->n;
}
