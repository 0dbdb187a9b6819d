/* An HTTP/1.1 client: one object is one connection, with requests one after
 * the other on it; a pool keeps idle ones.  Strict parsing of answers,
 * streaming in both directions, back-pressure, no redirects, no cookies, no
 * automatic retries. */
#ifndef CONFD_CORE_IO_HTTP_CLIENT_H
#define CONFD_CORE_IO_HTTP_CLIENT_H

#include "core/io/conn.h"
#include "core/io/http_parse.h"

struct http_client; /* one connection */

struct http_client_settings {
	struct addr to;
	struct tls *tls;    /* NULL: plain */
	int64_t connect_ms; /* 0: 10 s */
	int64_t idle_ms;    /* no byte during an exchange, while we do not
			     * pause it ourselves; 0: none */
	int64_t head_ms;    /* from the end of the request to the head of
			     * the answer; 0: none */
	size_t max_head;    /* 0: 64 KiB */
	uint64_t max_body;  /* 0: 128 MiB; UINT64_MAX: none */
};

/* Of one exchange.  All may be NULL except failed and end, one of which comes
 * exactly once unless the client is freed before.  The table must live as
 * long as the exchange. */
struct http_client_events {
	/* More request body may be written after http_client_full(). */
	void (*drained)(void *ctx);

	/* Head of the answer (interim 1xx are skipped), valid in the call.
	 * When it comes before the request is whole and says 300 or more, the
	 * rest of the request is dropped. */
	void (*head)(void *ctx, const struct http_head *head);
	void (*body)(void *ctx, struct slice part);

	/* The answer is whole.  A new exchange may be begun from here, when
	 * http_client_reusable(). */
	void (*end)(void *ctx);

	/* It failed, before or after the head; sent tells whether any byte of
	 * the request may have reached the peer.  An answer that was cut
	 * short fails with E_IO, one that breaks the rules of HTTP with
	 * E_PARSE, and one that is too large with E_LIMIT. */
	void (*failed)(void *ctx, const struct err *why, bool sent);
};

/* Begin to connect; requests may be queued at once. */
enum status http_client_new(struct loop *l,
			    const struct http_client_settings *set,
			    struct http_client **out, struct err *err);

/* On a connection that exists (a socketpair end given away to a shim);
 * set->to only gives the Host. */
enum status http_client_adopt(struct loop *l, int fd,
			      const struct http_client_settings *set,
			      struct http_client **out, struct err *err);

/* Free; breaks the connection when an exchange is under way.  Safe within
 * callbacks; no callback follows. */
void http_client_free(struct http_client *c);

/* Begin an exchange: E_CONFLICT while one is under way.  Host is written
 * here (from the address) unless h has one; Content-Length from length, or
 * chunked for UINT64_MAX; GET and HEAD with length 0 send no body headers.
 * h may hold Connection: close, but nothing else that frames the message.
 * E_PARSE for a header or target that may not be sent; E_IO, or what
 * connecting ended with, when the connection is not to be used any more.  A
 * call that fails has sent nothing.
 *
 * With a length of 0 the request is whole at once.  Otherwise it needs
 * http_client_body_end(); more or fewer bytes than length end the exchange
 * and the connection. */
enum status http_client_begin(struct http_client *c, const char *method,
			      struct slice target, const struct http_header *h,
			      size_t n, uint64_t length,
			      const struct http_client_events *ev, void *ctx,
			      struct err *err);

/* Send a part of the request's body; it is copied.  A caller that sees
 * http_client_full() stops until drained() comes.  Ignored once the exchange
 * is over, or an early answer has made the rest useless. */
void http_client_body(struct http_client *c, struct slice part);
bool http_client_full(const struct http_client *c);
void http_client_body_end(struct http_client *c);

/* Back-pressure on the answer: while paused, neither body nor end comes. */
void http_client_pause(struct http_client *c);
void http_client_resume(struct http_client *c);

/* Connected, idle, and neither side asked to close. */
bool http_client_reusable(const struct http_client *c);

/* Be told once when the idle connection ends, because the peer closed it or
 * sent something; NULL: not any more. */
void http_client_watch(struct http_client *c, void (*gone)(void *ctx),
		       void *ctx);

/* The connection, for exporter and peer identity; NULL before connected. */
struct conn *http_client_conn(struct http_client *c);

/* Whole exchanges with bounded bodies, for JSON services: done() is called
 * once, from the loop; err->code OK: status and body (valid in the call). */
void http_client_call(struct http_client *c, const char *method,
		      struct slice target, const char *content_type,
		      struct slice body, size_t max_body,
		      void (*done)(void *ctx, const struct err *err,
				   unsigned status, struct slice body),
		      void *ctx);

/* A pool of connections to one place. */
struct http_pool;

/* At most max_idle unused connections are kept, each for keep_ms. */
enum status http_pool_new(struct loop *l, const struct http_client_settings *s,
			  size_t max_idle, int64_t keep_ms,
			  struct http_pool **out, struct err *err);

/* Frees the idle ones; those taken are their users'. */
void http_pool_free(struct http_pool *p);

/* An idle connection, or a new one. It is the caller's until given back. */
enum status http_pool_take(struct http_pool *p, struct http_client **out,
			   struct err *err);

/* Give back after end(), or in any other state: kept when it is reusable,
 * freed otherwise. */
void http_pool_give(struct http_pool *p, struct http_client *c);

#endif
