/* One HTTP exchange with the far side of a proxy: with the workload, on the
 * worker's side, or with the worker's proxy, on the user's side.
 *
 * Adds to core/io/http_client where the connection comes from, what time may
 * pass, and what a failure means.  Nothing is ever tried twice. */
#ifndef CONFD_PROXY_FORWARD_H
#define CONFD_PROXY_FORWARD_H

#include "core/io/http_client.h"

/* Where requests go; outlives the exchanges. */
struct forward_to {
	struct loop *loop;

	/* One of three: a pool; a link to a sandbox's shim, a non-blocking
	 * AF_UNIX socket, over which one end of a fresh socket pair is passed
	 * for each request; or an address, with a connection a request. */
	struct http_pool *pool; /* NULL: none */
	bool by_link;
	int link;
	struct addr at; /* also gives the Host of requests over a link */

	/* Milliseconds; 0: no limit. */
	int64_t connect_ms;
	int64_t head_ms; /* from the end of the request to the answer */
	int64_t idle_ms; /* of silence while it is the far side's turn: in the
			    answer, or in taking the request */
};

/* What a failure was. */
enum forward_why {
	FORWARD_REFUSED, /* there was no connection to be had */
	FORWARD_LATE,	 /* one of the limits above has passed */
	FORWARD_BROKEN,	 /* it closed or reset before its answer was whole */
	FORWARD_GARBAGE, /* its answer is no HTTP that we take */
};

/* As struct http_client_events; any callback may free the exchange. */
struct forward_events {
	void (*drained)(void *ctx);
	void (*head)(void *ctx, const struct http_head *head);
	void (*body)(void *ctx, struct slice part);
	void (*end)(void *ctx);
	void (*failed)(void *ctx, enum forward_why why, const struct err *err);
};

struct forward;

/* Begin; see http_client_begin.  end() or failed() comes once, from the loop,
 * unless it is freed before; free it then.  E_UNAVAIL: there is no connection
 * to be had; others as http_client_begin. */
enum status forward_begin(const struct forward_to *to, const char *method,
			  struct slice target, const struct http_header *h,
			  size_t n, uint64_t length,
			  const struct forward_events *ev, void *ctx,
			  struct forward **out, struct err *err);

/* Breaks off what is not complete, so that the far side sees it; NULL is
 * ignored. */
void forward_free(struct forward *f);

/* As of http_client. */
void forward_body(struct forward *f, struct slice part);
bool forward_full(const struct forward *f);
void forward_body_end(struct forward *f);
void forward_pause(struct forward *f);
void forward_resume(struct forward *f);

#endif
