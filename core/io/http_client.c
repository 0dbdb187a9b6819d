#include "core/io/http_client.h"

#include "core/cleanup.h"
#include "core/io/http_write.h"

#define BODY_MAX (128u << 20)	      /* bytes of an answer, usually */
#define REQUEST_HEAD_MAX (256u << 10) /* bytes */
#define CONNECT_MS (10 * 1000)

/* One http_client_call. */
struct whole {
	struct whole *next; /* of those that could not begin */
	void (*done)(void *ctx, const struct err *err, unsigned status,
		     struct slice body);
	void *ctx;
	struct buf body;
	unsigned status;
	struct err err;
};

struct http_client {
	struct loop *loop;
	struct http_client_settings set;
	struct conn *conn;
	struct http_parser parser;
	struct loop_timer *head_timer;
	struct loop_task work; /* what must wait until its owner returned */
	unsigned busy;	       /* callbacks of ours that run right now */
	bool dead;	       /* to be freed by the last of them */
	bool ready;	       /* connected */
	bool open;	       /* and not ended yet */
	bool spoiled;	       /* no other exchange may follow */
	struct err ended;      /* why, when it is not open */
	void (*watch)(void *ctx);
	void *watch_ctx;
	struct whole *call;    /* of the exchange, if it is one */
	struct whole *refused; /* calls that must still be told so */

	/* The exchange. */
	const struct http_client_events *ev;
	void *ctx;
	bool active;
	bool last;     /* we asked to close after it */
	bool chunked;  /* the request */
	bool all_sent; /* the request was given whole */
	bool stopped;  /* its rest is not wanted any more */
	bool paused;   /* the answer is, by its owner */
	bool head_seen;
	bool whole;	   /* the end of the answer was seen */
	bool keep;	   /* it allows another exchange after it */
	bool broken;	   /* to be told to its owner: why */
	uint64_t out_left; /* bytes of the request body to come */
	uint64_t queued;   /* bytes in the connection's queue before it, and
			      all that were written since */
	struct err why;
};

static void poke(struct http_client *c)
{
	if (c->busy == 0)
		loop_task_post(c->loop, &c->work);
}

/* Leave a callback that was entered with busy++. */
static void leave(struct http_client *c)
{
	if (--c->busy == 0 && c->dead)
		mem_free(c);
}

/* May bytes of the request be on their way?  With TLS the queue holds more
 * bytes than were written, so nothing can be told from its length. */
static bool maybe_sent(const struct http_client *c)
{
	return c->ready &&
	       (conn_is_tls(c->conn) || conn_pending(c->conn) < c->queued);
}

static void stop_waiting(struct http_client *c)
{
	c->active = false;
	loop_timer_disarm(c->head_timer);
	conn_idle_limit(c->conn, 0);
}

/* The connection is of no use any more. */
static void spoil(struct http_client *c, const struct err *why)
{
	c->spoiled = true;
	if (!c->open)
		return;
	c->open = false;
	c->ended = *why;
	conn_abort(c->conn);
}

static void fail(struct http_client *c, const struct err *why)
{
	struct err err = *why;
	bool sent = maybe_sent(c);

	if (err.code == OK)
		err.code = E_IO;
	spoil(c, &err);
	stop_waiting(c);
	c->ev->failed(c->ctx, &err, sent);
}

static void finish(struct http_client *c)
{
	if (!c->keep || !c->all_sent || c->last)
		c->spoiled = true;
	stop_waiting(c);
	c->ev->end(c->ctx);
}

static void tell_refused(struct http_client *c)
{
	while (!c->dead && c->refused != NULL) {
		struct whole *w = c->refused;

		c->refused = w->next;
		w->done(w->ctx, &w->err, 0, (struct slice){ 0 });
		mem_free(w);
	}
}

/* Do what the owner's last doings and the last event ask for. */
static void settle(struct http_client *c)
{
	if (c->active && c->broken)
		fail(c, &c->why);
	else if (c->active && c->whole && !c->paused)
		finish(c);
}

/* End the exchange; its owner is told when it has returned. */
static void break_off(struct http_client *c, enum status code, const char *why)
{
	c->broken = true;
	(void)err_set(&c->why, code, "%s", why);
	poke(c);
}

/* ---- answers ---------------------------------------------------------------- */

static void on_head(struct http_client *c, const struct http_head *head)
{
	c->head_seen = true;
	c->keep = head->keep_alive;
	loop_timer_disarm(c->head_timer);
	/* RFC 9112 section 9.5: an early refusal ends the sending. */
	if (!c->all_sent && head->status >= 300)
		c->stopped = true;
	if (c->ev->head != NULL)
		c->ev->head(c->ctx, head);
}

/* rest is what came behind the event. */
static void on_event(struct http_client *c, const struct http_event *ev,
		     struct slice rest)
{
	if (ev->kind == HTTP_HEAD) {
		on_head(c, ev->head);
	} else if (ev->kind == HTTP_DATA && c->ev->body != NULL) {
		c->ev->body(c->ctx, ev->data);
	} else if (ev->kind == HTTP_END) {
		c->whole = true;
		c->spoiled = c->spoiled || rest.len > 0;
	}
	if (!c->dead)
		settle(c);
}

static bool wants_input(const struct http_client *c)
{
	return !c->dead && c->active && !c->whole && !c->paused;
}

/* One event of the parser; false when there is none. */
static bool step(struct http_client *c, struct slice *in)
{
	struct http_event ev;
	struct err err;
	size_t used;

	if (http_parse_next(&c->parser, *in, &used, &ev, &err) != OK) {
		fail(c, &err);
		return false;
	}
	*in = slice_from(*in, used);
	if (ev.kind == HTTP_MORE)
		return false;
	on_event(c, &ev, *in);
	return true;
}

/* Feed the parser as far as it may go; returns what was used of in. */
static size_t pump(struct http_client *c, struct slice in)
{
	struct slice rest = in, none = { 0 };

	while (wants_input(c) && step(c, &rest))
		;
	/* The end of a body of known length is there with its last byte. */
	if (!c->dead && c->active && c->paused && !c->whole)
		(void)step(c, &none);
	/* What is behind the answer is nobody's: it spoiled the connection. */
	return c->dead || !c->active || c->whole ? in.len : in.len - rest.len;
}

static void on_work(void *ctx)
{
	struct http_client *c = ctx;

	c->busy++;
	settle(c);
	if (wants_input(c))
		(void)pump(c, (struct slice){ 0 });
	tell_refused(c);
	leave(c);
}

static void on_late(void *ctx)
{
	struct http_client *c = ctx;
	struct err err;

	c->busy++;
	(void)err_set(&err, E_IO, "http: no answer within %lld ms",
		      (long long)c->set.head_ms);
	fail(c, &err);
	leave(c);
}

/* ---- events of the connection ----------------------------------------------- */

/* An idle connection ended; to its watcher it is of no use. */
static void tell_watch(struct http_client *c)
{
	void (*watch)(void *) = take(c->watch);

	if (watch != NULL)
		watch(c->watch_ctx);
}

static void on_ready(void *ctx)
{
	struct http_client *c = ctx;

	c->ready = true;
}

static size_t on_data(void *ctx, struct slice in)
{
	static const struct err unasked = {
		E_PARSE, "http: the server sent bytes that were not asked for"
	};
	struct http_client *c = ctx;
	size_t used = in.len;

	c->busy++;
	if (!c->active) {
		spoil(c, &unasked);
		tell_watch(c);
	} else if (!maybe_sent(c)) {
		fail(c, &unasked);
	} else {
		used = pump(c, in);
	}
	leave(c);
	return used;
}

static void on_drained(void *ctx)
{
	struct http_client *c = ctx;

	c->busy++;
	if (c->active && !c->all_sent && !c->stopped && c->ev->drained != NULL)
		c->ev->drained(c->ctx);
	if (!c->dead)
		settle(c);
	leave(c);
}

static void eof_in_answer(struct http_client *c)
{
	struct err err = { .code = OK };

	if (!c->head_seen)
		(void)err_set(&err, E_IO,
			      "http: the server closed the "
			      "connection without an answer");
	else if (http_parse_eof(&c->parser, &err) != OK)
		err.code = E_IO;
	if (err.code != OK) {
		fail(c, &err);
		return;
	}
	c->whole = true; /* a body that lasts until here */
	settle(c);
}

static void on_eof(void *ctx)
{
	static const struct err left = { E_IO, "http: the server closed the "
					       "connection" };
	struct http_client *c = ctx;

	c->busy++;
	c->spoiled = true;
	if (!c->active) {
		spoil(c, &left);
		tell_watch(c);
	} else if (!c->whole) {
		eof_in_answer(c);
	}
	leave(c);
}

static void on_closed(void *ctx, const struct err *why)
{
	struct http_client *c = ctx;

	c->busy++;
	c->open = false;
	c->spoiled = true;
	c->ended = *why;
	if (c->active && !c->whole)
		fail(c, why);
	else if (!c->active)
		tell_watch(c);
	leave(c);
}

static const struct conn_events conn_callbacks = {
	.ready = on_ready,
	.data = on_data,
	.drained = on_drained,
	.eof = on_eof,
	.closed = on_closed,
};

/* ---- making and freeing ------------------------------------------------------ */

static struct http_client *make(struct loop *l,
				const struct http_client_settings *set)
{
	struct http_client *c = mem_must(sizeof(*c));

	c->loop = l;
	c->set = *set;
	if (c->set.connect_ms == 0)
		c->set.connect_ms = CONNECT_MS;
	c->open = true;
	c->head_timer = loop_timer_new(l, on_late, c);
	c->work = (struct loop_task){ .run = on_work, .ctx = c };
	http_parse_init_response(&c->parser, set->max_head,
				 set->max_body == 0 ? BODY_MAX : set->max_body);
	return c;
}

static void whole_free(struct whole *w)
{
	if (w == NULL)
		return;
	buf_done(&w->body);
	mem_free(w);
}

void http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	c->dead = true;
	if (c->conn != NULL && c->active && c->open)
		conn_abort(c->conn);
	conn_free(c->conn);
	c->conn = NULL;
	loop_timer_free(c->head_timer);
	loop_task_drop(&c->work);
	http_parse_done(&c->parser);
	whole_free(take(c->call));
	while (c->refused != NULL) {
		struct whole *w = c->refused;

		c->refused = w->next;
		whole_free(w);
	}
	if (c->busy == 0)
		mem_free(c);
}

static inline void http_client_freep(struct http_client **c)
{
	http_client_free(*c);
}
#define auto_http_client __attribute__((cleanup(http_client_freep)))

enum status http_client_new(struct loop *l,
			    const struct http_client_settings *set,
			    struct http_client **out, struct err *err)
{
	auto_http_client struct http_client *c = make(l, set);

	TRY(conn_connect(l, &set->to, set->tls, c->set.connect_ms,
			 &conn_callbacks, c, &c->conn, err));
	*out = take(c);
	return OK;
}

enum status http_client_adopt(struct loop *l, int fd,
			      const struct http_client_settings *set,
			      struct http_client **out, struct err *err)
{
	auto_http_client struct http_client *c = make(l, set);

	TRY(conn_adopt(l, fd, set->tls, c->set.connect_ms, &conn_callbacks, c,
		       &c->conn, err));
	*out = take(c);
	return OK;
}

/* ---- requests ----------------------------------------------------------------- */

static bool named(const struct http_header *h, const char *name)
{
	return slice_eq_nocase(h->name, slice_str(name));
}

static enum status check_header(const struct http_header *h, struct err *err)
{
	static const char *const reserved[] = { "content-length", "keep-alive",
						"transfer-encoding" };

	for (size_t i = 0; i < countof(reserved); i++)
		if (named(h, reserved[i]))
			return err_set(err, E_PARSE,
				       "http request to send: %s is for the "
				       "client to write",
				       reserved[i]);
	if (named(h, "connection") && !slice_eq_nocase(h->value, S("close")))
		return err_set(err, E_PARSE,
			       "http request to send: expected close, if "
			       "anything, in Connection");
	return OK;
}

/* The host as its origin has it: without the port that the scheme implies. */
static enum status put_host(struct buf *out, const struct addr *to,
			    struct err *err)
{
	char text[ADDR_TEXT_SIZE] = "localhost";

	if (!to->is_unix && to->host[0] != '\0') {
		addr_text(to, text);
		if (to->port == (to->tls ? 443 : 80))
			*strrchr(text, ':') = '\0';
	}
	return http_write_header(out, "Host", slice_str(text), err);
}

struct request {
	struct slice method, target;
	const struct http_header *h;
	size_t n;
	uint64_t length; /* bytes; UINT64_MAX: chunked */
	bool last;	 /* filled in: it has Connection: close */
};

static enum status put_framing(struct buf *out, const struct request *r,
			       struct err *err)
{
	bool bare = r->length == 0 && (slice_eq(r->method, S("GET")) ||
				       slice_eq(r->method, S("HEAD")));

	if (bare)
		return OK;
	if (r->length == UINT64_MAX)
		return http_write_header(out, "Transfer-Encoding", S("chunked"),
					 err);
	return http_write_u64(out, "Content-Length", r->length, err);
}

static enum status put_request(struct buf *out, const struct addr *to,
			       struct request *r, struct err *err)
{
	size_t hosts = 0;

	if (slice_eq(r->method, S("CONNECT")))
		return err_set(err, E_PARSE,
			       "http request to send: CONNECT makes no "
			       "exchange");
	for (size_t i = 0; i < r->n; i++)
		hosts += named(&r->h[i], "host");
	if (hosts > 1)
		return err_set(err, E_PARSE,
			       "http request to send: more than one Host");

	TRY(http_write_request(out, r->method, r->target, err));
	if (hosts == 0)
		TRY(put_host(out, to, err));
	for (size_t i = 0; i < r->n; i++) {
		TRY(check_header(&r->h[i], err));
		TRY(http_write_field(out, r->h[i].name, r->h[i].value, err));
		r->last = r->last || named(&r->h[i], "connection");
	}
	TRY(put_framing(out, r, err));
	return http_write_end(out, err);
}

static void write_out(struct http_client *c, struct slice bytes)
{
	c->queued += bytes.len;
	conn_write(c->conn, bytes);
}

static void request_is_whole(struct http_client *c)
{
	c->all_sent = true;
	if (c->set.head_ms > 0 && !c->head_seen)
		loop_timer_arm(c->head_timer, c->set.head_ms);
}

static void start(struct http_client *c, const struct request *r,
		  const struct http_client_events *ev, void *ctx)
{
	c->ev = ev;
	c->ctx = ctx;
	c->active = true;
	c->last = r->last;
	c->chunked = r->length == UINT64_MAX;
	c->all_sent = false;
	c->stopped = false;
	c->head_seen = false;
	c->whole = false;
	c->keep = false;
	c->broken = false;
	c->out_left = r->length;
	c->queued = conn_pending(c->conn);
	http_parse_expect(&c->parser, r->method);
	if (c->paused)
		conn_resume(c->conn);
	c->paused = false;
	if (c->set.idle_ms > 0)
		conn_idle_limit(c->conn, c->set.idle_ms);
}

enum status http_client_begin(struct http_client *c, const char *method,
			      struct slice target, const struct http_header *h,
			      size_t n, uint64_t length,
			      const struct http_client_events *ev, void *ctx,
			      struct err *err)
{
	struct request r = { .method = slice_str(method),
			     .target = target,
			     .h = h,
			     .n = n,
			     .length = length };
	auto_buf struct buf out = buf_make(REQUEST_HEAD_MAX);

	if (c->active)
		return err_set(err, E_CONFLICT,
			       "http: an exchange is under way on this "
			       "connection");
	if (!c->open) {
		*err = c->ended;
		return err->code == OK ? err_set(err, E_IO,
						 "http: the connection is "
						 "closed")
				       : err->code;
	}
	if (c->spoiled)
		return err_set(err, E_IO,
			       "http: this connection cannot be used again");
	TRY(put_request(&out, &c->set.to, &r, err));

	start(c, &r, ev, ctx);
	write_out(c, buf_slice(&out));
	if (length == 0)
		request_is_whole(c);
	return OK;
}

static void write_chunk(struct http_client *c, struct slice part)
{
	char size[HTTP_WRITE_CHUNK_SIZE];

	write_out(c, http_write_chunk(size, part.len));
	write_out(c, part);
	write_out(c, S("\r\n"));
}

static bool may_send(const struct http_client *c)
{
	return c->active && !c->all_sent && !c->stopped && !c->broken &&
	       !c->whole;
}

void http_client_body(struct http_client *c, struct slice part)
{
	if (!may_send(c) || part.len == 0)
		return;
	if (c->chunked) {
		write_chunk(c, part);
		return;
	}
	if (part.len > c->out_left) {
		break_off(c, E_IO,
			  "http: the request is longer than announced");
		return;
	}
	c->out_left -= part.len;
	write_out(c, part);
}

bool http_client_full(const struct http_client *c)
{
	return may_send(c) && conn_full(c->conn);
}

void http_client_body_end(struct http_client *c)
{
	if (!may_send(c))
		return;
	if (!c->chunked && c->out_left > 0) {
		break_off(c, E_IO,
			  "http: the request is shorter than announced");
		return;
	}
	if (c->chunked)
		write_out(c, HTTP_WRITE_LAST_CHUNK);
	request_is_whole(c);
}

/* Time does not count against the server while it is we who do not read. */
void http_client_pause(struct http_client *c)
{
	if (!c->active || c->paused)
		return;
	c->paused = true;
	conn_pause(c->conn);
	conn_idle_limit(c->conn, 0);
}

void http_client_resume(struct http_client *c)
{
	if (!c->active || !c->paused)
		return;
	c->paused = false;
	conn_resume(c->conn);
	if (c->set.idle_ms > 0)
		conn_idle_limit(c->conn, c->set.idle_ms);
	poke(c);
}

bool http_client_reusable(const struct http_client *c)
{
	return c->ready && c->open && !c->spoiled && !c->active;
}

struct conn *http_client_conn(struct http_client *c)
{
	return c->ready ? c->conn : NULL;
}

void http_client_watch(struct http_client *c, void (*gone)(void *ctx),
		       void *ctx)
{
	c->watch = gone;
	c->watch_ctx = ctx;
}

/* ---- whole exchanges ---------------------------------------------------------- */

static void call_done(struct http_client *c, const struct err *err)
{
	struct whole *w = take(c->call);
	unsigned status = err->code == OK ? w->status : 0;

	if (err->code != OK)
		buf_clear(&w->body);
	w->done(w->ctx, err, status, buf_slice(&w->body));
	whole_free(w);
}

static void call_head(void *ctx, const struct http_head *head)
{
	struct http_client *c = ctx;

	c->call->status = head->status;
	if (http_parse_limit_body(&c->parser, c->call->body.max, &c->why) != OK)
		c->broken = true;
}

static void call_body(void *ctx, struct slice part)
{
	struct http_client *c = ctx;

	buf_put(&c->call->body, part);
}

static void call_end(void *ctx)
{
	struct http_client *c = ctx;
	struct err err = { .code = OK };

	(void)buf_check(&c->call->body, "http answer", &err);
	call_done(c, &err);
}

static void call_failed(void *ctx, const struct err *why, bool sent)
{
	(void)sent;
	call_done(ctx, why);
}

static const struct http_client_events call_callbacks = {
	.head = call_head,
	.body = call_body,
	.end = call_end,
	.failed = call_failed,
};

void http_client_call(struct http_client *c, const char *method,
		      struct slice target, const char *content_type,
		      struct slice body, size_t max_body,
		      void (*done)(void *ctx, const struct err *err,
				   unsigned status, struct slice body),
		      void *ctx)
{
	const struct http_header type = { S("Content-Type"),
					  slice_str(content_type) };
	struct whole *w = mem_must(sizeof(*w));

	w->done = done;
	w->ctx = ctx;
	w->body = buf_make(max_body);
	if (http_client_begin(c, method, target, &type, content_type != NULL,
			      body.len, &call_callbacks, c, &w->err) != OK) {
		w->next = c->refused;
		c->refused = w;
		loop_task_post(c->loop, &c->work);
		return;
	}
	c->call = w;
	http_client_body(c, body);
	http_client_body_end(c);
}
