#include "core/io/http_call.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/http_write.h"
#include "core/text.h"

#define ANSWER_HEAD_MAX (256u << 10) /* bytes */
#define ERROR_BODY_MAX (64u << 10)   /* bytes */

/* ---- heads --------------------------------------------------------------- */

struct answer {
	unsigned status;
	const char *type; /* Content-Type; NULL: none */
	const struct http_header *h;
	size_t n;
	uint64_t length; /* bytes; UINT64_MAX: not known */
	enum http_framing framing;
	bool close;
};

/* What only the server may say, since it frames the message. */
static const char *const reserved[] = { "connection", "content-length",
					"keep-alive", "transfer-encoding" };

static bool named(const struct http_header *h, const char *name)
{
	return slice_eq_nocase(h->name, slice_str(name));
}

static enum status put_headers(struct buf *out, const struct answer *a,
			       bool *dated, struct err *err)
{
	*dated = false;
	for (size_t i = 0; i < a->n; i++) {
		for (size_t k = 0; k < countof(reserved); k++)
			if (named(&a->h[i], reserved[k]))
				return err_set(err, E_PARSE,
					       "http answer: %s is for the "
					       "server to write",
					       reserved[k]);
		TRY(http_write_field(out, a->h[i].name, a->h[i].value, err));
		*dated = *dated || named(&a->h[i], "date");
	}
	return OK;
}

/* The time as in RFC 9110 section 5.6.7, made once a second.  Not with
 * strftime: libc looks for the time zone in files, which a confined process
 * may not open. */
static struct slice date_now(struct http_server *srv)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 on */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now = clock_wall();
	char t[TEXT_TIME_SIZE]; /* 2026-11-21T09:00:00Z */

	if (now == srv->date_at || now < 0)
		return slice_str(srv->date);
	text_time(t, now);
	int month = (t[5] - '0') * 10 + t[6] - '0';
	(void)snprintf(srv->date, sizeof(srv->date),
		       "%.3s, %.2s %.3s %.4s %.8s GMT",
		       days + now / 86400 % 7 * 3, t + 8,
		       months + (month - 1) * 3, t, t + 11);
	srv->date_at = now;
	return slice_str(srv->date);
}

/* RFC 9110 section 8.6: no length with 204, nor one that is not known. */
static enum status put_framing(struct buf *out, const struct answer *a,
			       struct err *err)
{
	bool none = a->status == 204 || a->status == 304;

	if (a->framing == HTTP_IN_CHUNKS)
		TRY(http_write_header(out, "Transfer-Encoding", S("chunked"),
				      err));
	else if (!none && a->length != UINT64_MAX)
		TRY(http_write_u64(out, "Content-Length", a->length, err));
	return OK;
}

static enum status put_head(struct http_server *srv, const struct answer *a,
			    struct buf *out, struct err *err)
{
	bool dated;

	if (a->status < 200)
		return err_set(err, E_PARSE,
			       "http answer: status %u, expected 200 to 599",
			       a->status);
	TRY(http_write_response(out, a->status, err));
	if (a->type != NULL)
		TRY(http_write_header(out, "Content-Type", slice_str(a->type),
				      err));
	TRY(put_headers(out, a, &dated, err));
	if (!dated)
		TRY(http_write_header(out, "Date", date_now(srv), err));
	TRY(put_framing(out, a, err));
	if (a->close)
		TRY(http_write_header(out, "Connection", S("close"), err));
	return http_write_end(out, err);
}

bool http_call_over(const struct http_call *c)
{
	return c->told_gone || c->broken || c->refuse != 0 ||
	       c->answer == HTTP_ENDED;
}

/* ---- beginning an answer ------------------------------------------------- */

static enum http_framing framing_of(const struct http_call *c,
				    const struct answer *a)
{
	if (c->is_head || a->status == 204 || a->status == 304)
		return HTTP_BARE;
	if (a->length != UINT64_MAX)
		return HTTP_SIZED;
	return c->old ? HTTP_TO_CLOSE : HTTP_IN_CHUNKS;
}

/* Must the connection end with the answer?  Also when too much of the
 * request is still to come, or nobody knows how much, or whether it will. */
static bool ends_connection(const struct http_call *c, enum http_framing f)
{
	bool unread = !c->all && c->left > 0;

	return !c->keep || c->old || f == HTTP_TO_CLOSE ||
	       c->session->server->draining ||
	       (unread && (c->expect || c->left > HTTP_SKIP_MAX));
}

/* Append the head to out and note that the answer has begun, or do neither. */
static enum status begin(struct http_call *c, struct answer *a, struct buf *out,
			 struct err *err)
{
	if (c->answer == HTTP_NONE_YET && http_call_over(c))
		return err_set(err, E_IO, "http answer: the call is over");
	if (c->answer != HTTP_NONE_YET)
		return err_set(err, E_CONFLICT,
			       "http answer: one was begun already");

	a->framing = framing_of(c, a);
	a->close = ends_connection(c, a->framing);
	TRY(put_head(c->session->server, a, out, err));
	c->answer = HTTP_BEGUN;
	c->framing = a->framing;
	c->out_left = a->length;
	c->close = a->close;
	return OK;
}

enum status http_call_head(struct http_call *c, unsigned status,
			   const struct http_header *h, size_t n,
			   uint64_t length, struct err *err)
{
	struct answer a = {
		.status = status, .h = h, .n = n, .length = length
	};
	auto_buf struct buf out = buf_make(ANSWER_HEAD_MAX);

	TRY(begin(c, &a, &out, err));
	http_session_write(c->session, buf_slice(&out));
	return OK;
}

/* ---- bodies --------------------------------------------------------------- */

static bool may_write(const struct http_call *c)
{
	return c->answer == HTTP_BEGUN && !http_call_over(c);
}

/* Break the connection now; the call goes when its owner has returned. */
static void break_off(struct http_call *c, const char *why)
{
	c->broken = true;
	(void)err_set(&c->why, E_IO, "%s", why);
	conn_abort(c->session->conn);
	http_session_poke(c->session);
}

static void write_chunk(struct http_session *s, struct slice part)
{
	char size[HTTP_WRITE_CHUNK_SIZE];

	http_session_write(s, http_write_chunk(size, part.len));
	http_session_write(s, part);
	http_session_write(s, S("\r\n"));
}

void http_call_body(struct http_call *c, struct slice part)
{
	if (!may_write(c) || part.len == 0 || c->framing == HTTP_BARE)
		return;
	if (c->framing == HTTP_IN_CHUNKS) {
		write_chunk(c->session, part);
		return;
	}
	if (c->framing == HTTP_SIZED) {
		if (part.len > c->out_left) {
			break_off(c, "the answer is longer than announced");
			return;
		}
		c->out_left -= part.len;
	}
	http_session_write(c->session, part);
}

bool http_call_full(const struct http_call *c)
{
	return may_write(c) && conn_full(c->session->conn);
}

void http_call_end(struct http_call *c)
{
	if (c->answer == HTTP_NONE_YET && !http_call_over(c))
		break_off(c, "the answer was ended before it was begun");
	if (!may_write(c))
		return;
	if (c->framing == HTTP_SIZED && c->out_left > 0) {
		break_off(c, "the answer is shorter than announced");
		return;
	}
	if (c->framing == HTTP_IN_CHUNKS)
		http_session_write(c->session, HTTP_WRITE_LAST_CHUNK);
	c->answer = HTTP_ENDED;
	http_session_poke(c->session);
}

void http_call_abort(struct http_call *c)
{
	if (!http_call_over(c))
		break_off(c, "the answer was broken off here");
}

static void refuse(struct http_call *c, unsigned status)
{
	c->refuse = status;
	http_session_poke(c->session);
}

void http_call_reply(struct http_call *c, unsigned status,
		     const char *content_type, struct slice body,
		     const struct http_header *extra, size_t n_extra)
{
	struct answer a = { .status = status,
			    .type = content_type,
			    .h = extra,
			    .n = n_extra,
			    .length = body.len };
	auto_buf struct buf out = buf_make(ANSWER_HEAD_MAX);

	if (http_call_over(c))
		return;
	if (c->answer == HTTP_BEGUN) {
		break_off(c, "another answer was begun already");
		return;
	}
	if (begin(c, &a, &out, &c->why) != OK) {
		refuse(c, 500);
		return;
	}
	http_session_write(c->session, buf_slice(&out));
	http_call_body(c, body);
	http_call_end(c);
}

bool http_call_answered(const struct http_call *c)
{
	return c->answer != HTTP_NONE_YET || c->refuse != 0;
}

/* ---- errors and interim answers ------------------------------------------ */

void http_call_error(struct http_session *s, unsigned status,
		     const struct err *why)
{
	struct http_server *srv = s->server;
	struct answer a = { .status = status, .close = true };
	auto_buf struct buf body = buf_make(ERROR_BODY_MAX);
	auto_buf struct buf out = buf_make(ANSWER_HEAD_MAX);
	struct err err;

	if (srv->ev->on_error != NULL)
		srv->ev->on_error(srv->ctx, status, why->text, &a.type, &body);
	if (a.type == NULL || body.bad) {
		a.type = "text/plain";
		buf_clear(&body);
		buf_putf(&body, "%u %s\n", status, http_write_reason(status));
	}
	a.length = body.len;
	a.framing = HTTP_SIZED;
	if (put_head(srv, &a, &out, &err) != OK)
		return; /* a bad type: closing says enough */
	http_session_write(s, buf_slice(&out));
	if (s->call == NULL || !s->call->is_head)
		http_session_write(s, buf_slice(&body));
}

void http_call_continue(struct http_call *c)
{
	if (!c->expect || !c->taken || c->paused || c->all ||
	    http_call_over(c) || c->answer != HTTP_NONE_YET)
		return;
	c->expect = false;
	http_session_write(c->session, S("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* ---- the owner's side of the request ------------------------------------- */

void http_call_own(struct http_call *c, const struct http_call_events *ev,
		   void *ctx)
{
	c->ev = ev;
	c->ctx = ctx;
	c->taken = true;
}

void http_call_collect(struct http_call *c, size_t max,
		       void (*whole)(void *ctx, struct http_call *call,
				     struct slice body),
		       void *ctx)
{
	c->taken = true;
	c->whole = whole;
	c->whole_ctx = ctx;
	c->body = buf_make(max);
	if (http_parse_limit_body(&c->session->parser, max, &c->why) != OK)
		refuse(c, 413);
}

void http_call_pause(struct http_call *c)
{
	c->paused = true;
}

void http_call_resume(struct http_call *c)
{
	if (c->told_gone || !c->paused)
		return;
	c->paused = false;
	http_call_continue(c);
	http_session_poke(c->session);
}

struct conn *http_call_conn(const struct http_call *c)
{
	return c->session->conn;
}
