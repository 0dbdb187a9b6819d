/* The user's side: an HTTP server for local programs, each of whose requests
 * is sealed and sent to the endpoint (proxy/trip.h).
 *
 * Only routes of the enabled adapters are taken: everything else is answered
 * with 404 here, before a byte leaves the machine. GET /healthz and /readyz
 * are answered here too. */
#ifndef CONFD_PROXY_TUNNEL_H
#define CONFD_PROXY_TUNNEL_H

#include "proxy/trip.h"

struct tunnel_settings {
	struct loop *loop;
	const struct adapter_set *adapters; /* at least one; copied */
	struct forward_to endpoint;	    /* copied */
	struct http_limits http;

	/* Get the present keys now: tunnel_keys() or tunnel_no_keys(), from
	 * the loop, says what came of it. */
	void (*want_keys)(void *ctx);
	void (*done)(void *ctx, const struct outcome *line); /* or NULL */
	void *ctx;
};

struct tunnel;

enum status tunnel_new(const struct tunnel_settings *s, struct tunnel **out,
		       struct err *err);

/* Breaks what is open. */
void tunnel_free(struct tunnel *t);

/* The accepted() of listener_open, with the tunnel as its ctx. */
void tunnel_accept(void *tunnel, struct conn *c);

/* Seal to the best of these keys (application/ohttp-keys) from now on.
 * E_PARSE, E_LIMIT, E_NOTFOUND: none of them can be used; then nothing has
 * changed. */
enum status tunnel_keys(struct tunnel *t, struct slice configs,
			struct err *err);

/* They could not be had: who waited for them is answered 503. */
void tunnel_no_keys(struct tunnel *t);

/* The keys may not be used any more: 503 until there are new ones. */
void tunnel_forget(struct tunnel *t);

/* Take no more requests; done(ctx), from the loop, when all are answered. */
void tunnel_drain(struct tunnel *t, void (*done)(void *ctx), void *ctx);

#endif
