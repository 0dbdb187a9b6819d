/* An HTTP/1.1 server on connections: strict parsing (core/io/http_parse),
 * streaming bodies in both directions, keep-alive, one request after the
 * other on a connection.
 *
 * A call is one request and its answer.  It lives until its gone() was
 * called, exactly once, whatever happened. */
#ifndef CONFD_CORE_IO_HTTP_SERVER_H
#define CONFD_CORE_IO_HTTP_SERVER_H

#include "core/io/conn.h"
#include "core/io/http_parse.h"

struct http_server;
struct http_call;

struct http_limits {
	size_t head;	 /* bytes of a head; 0: 64 KiB */
	uint64_t body;	 /* bytes of a request body; 0: 128 MiB */
	int64_t head_ms; /* from the first byte (or accept) to the end of
			  * the head; 0: 60 s */
	int64_t idle_ms; /* without a byte while a request or an answer is
			  * under way; 0: 300 s */
	int64_t keep_ms; /* between requests; 0: 75 s */
};

/* What a call's owner is told.  body parts are borrowed for the call. */
struct http_call_events {
	void (*body)(void *ctx, struct slice part);
	void (*body_end)(void *ctx);

	/* After http_call_full() was true, more may be written. */
	void (*drained)(void *ctx);

	/* Last callback.  why->code is OK when the answer was handed over
	 * whole; E_IO when the peer left (or stalled) before that, E_PARSE or
	 * E_LIMIT when its body was bad (the server has answered 400, 408 or
	 * 413 if nothing was answered yet, and closes). It never comes from
	 * within http_call_*, and the call is freed after it. */
	void (*gone)(void *ctx, const struct err *why);
};

/* How the server's owner sees requests; the table must live as long as the
 * server.  on_call must either answer with http_call_reply at once or take
 * the call with http_call_own or http_call_collect; if it does neither, 500
 * is answered.  on_error (may be NULL) writes the body of answers that the
 * server makes itself (400, 408, 413, 414, 417, 431, 500, 501, 503, 505),
 * after which the connection is closed: fill in type and body. reason has no
 * content of the request. */
struct http_server_events {
	void (*on_call)(void *ctx, struct http_call *call,
			const struct http_head *head);
	void (*on_error)(void *ctx, unsigned status, const char *reason,
			 const char **content_type, struct buf *body);
};

/* A server without connections.  limits (NULL: the defaults) is copied. */
enum status http_server_new(struct loop *l, const struct http_limits *limits,
			    const struct http_server_events *ev, void *ctx,
			    struct http_server **out, struct err *err);

/* The accepted() of listener_open, with the http_server as its ctx. */
void http_server_accept(void *server, struct conn *c);

/* Stop keep-alive: each connection closes after its present answer; idle
 * ones at once.  done(ctx), from the loop, when none is left. */
void http_server_drain(struct http_server *s, void (*done)(void *ctx),
		       void *ctx);

/* Break what is open (gone() is called for each call), and free.  Safe within
 * callbacks other than on_error. */
void http_server_free(struct http_server *s);

/* How many connections there are. */
size_t http_server_conns(const struct http_server *s);

/* Take the call: ev must live as long as the call. head (of on_call) is not
 * valid after on_call returns; copy what is needed.  A client that waits for
 * it (Expect) is told to send its body once the call is taken, unless it is
 * answered or paused by then. */
void http_call_own(struct http_call *c, const struct http_call_events *ev,
		   void *ctx);

/* Back-pressure on the request body: while paused, neither body nor body_end
 * comes. */
void http_call_pause(struct http_call *c);
void http_call_resume(struct http_call *c);

/* From on_call: collect the whole body, up to max (413 beyond, by the server);
 * then whole() comes instead of body and body_end.  gone() comes only with
 * http_call_own besides. */
void http_call_collect(struct http_call *c, size_t max,
		       void (*whole)(void *ctx, struct http_call *call,
				     struct slice body),
		       void *ctx);

/* Begin the answer; status is 200 to 599.  length UINT64_MAX: unknown, then
 * chunked (for HTTP/1.0 peers until close).  Date (unless h has one),
 * Content-Length or Transfer-Encoding, Connection are written here; other
 * headers come from h (checked: a bad name or value, or one of those, is
 * E_PARSE and nothing is sent).  E_CONFLICT when an answer was begun.
 *
 * To HEAD, and with 204 and 304, the body is dropped.  An answer with fewer
 * or more bytes than length breaks the connection, as http_call_abort does.
 * When the request's body is not read yet and more than 64 KiB of it, or
 * nobody knows how much, is to come, the connection ends with the answer. */
enum status http_call_head(struct http_call *c, unsigned status,
			   const struct http_header *h, size_t n,
			   uint64_t length, struct err *err);

/* Send a part of the answer's body; it is copied.  A caller that sees
 * http_call_full() stops until drained() comes: beyond 4 MiB that the peer
 * does not take, the connection breaks.  Once the answer has ended or broken
 * these do nothing, until gone(). */
void http_call_body(struct http_call *c, struct slice part);
bool http_call_full(const struct http_call *c);

/* The answer is whole. */
void http_call_end(struct http_call *c);

/* The answer cannot be completed: break the connection so that the peer
 * sees it (never a clean end of a chunked body). */
void http_call_abort(struct http_call *c);

/* The whole answer at once.  content_type and extra may be NULL.  When they
 * may not be sent, 500 is answered; when another answer was begun already,
 * the connection is broken. */
void http_call_reply(struct http_call *c, unsigned status,
		     const char *content_type, struct slice body,
		     const struct http_header *extra, size_t n_extra);

/* Has an answer been begun? */
bool http_call_answered(const struct http_call *c);

/* The connection it came on: for its TLS identity and peer text only. */
struct conn *http_call_conn(const struct http_call *c);

#endif
