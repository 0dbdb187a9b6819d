/* What a proxy listens with: its few routes, its keys and its lease.
 *
 *	POST /confd/v2	a sealed request (proxy/exchange.h)
 *	GET /healthz	200: the process is well
 *	GET /readyz	200 while there are keys and a lease, else 503
 *
 * Nothing else is answered but by a refusal, and nothing is passed on that
 * did not come sealed. */
#ifndef CONFD_PROXY_ENDPOINT_H
#define CONFD_PROXY_ENDPOINT_H

#include "proxy/exchange.h"

#define ENDPOINT_PATH "/confd/v2"

struct endpoint_settings {
	struct loop *loop;
	const struct adapter_set *adapters; /* at least one; copied */
	struct forward_to workload;	    /* copied */
	struct http_limits http;	    /* body is filled in here */
	uint64_t max_request;		    /* see struct exchange_env */
	uint64_t max_response;
	size_t max_whole;
	size_t max_replay; /* requests remembered; 0: the usual number */
	void (*done)(void *ctx, const struct outcome *line); /* or NULL */
	void *ctx;
};

struct endpoint;

enum status endpoint_new(const struct endpoint_settings *s,
			 struct endpoint **out, struct err *err);

/* Wipes the keys, breaks what is open. */
void endpoint_free(struct endpoint *e);

/* The accepted() of listener_open, with the endpoint as its ctx. */
void endpoint_accept(void *endpoint, struct conn *c);

/* Replace the keys: a message in the layout of core/keybox.h; errors as
 * keyring_load, and then nothing has changed. */
enum status endpoint_keys(struct endpoint *e, struct slice message,
			  struct err *err);

/* Until when the keys may be used, in unix seconds; at the latest then they
 * are wiped, and requests are answered with 503.  What was opened before goes
 * on to its end.  0: it has ended. INT64_MAX: no lease limits them. */
void endpoint_lease(struct endpoint *e, int64_t until);

/* Are there keys that may be used now? */
bool endpoint_ready(const struct endpoint *e);

/* Take no more requests; done(ctx), from the loop, when all are answered. */
void endpoint_drain(struct endpoint *e, void (*done)(void *ctx), void *ctx);

/* Connections that are open. */
size_t endpoint_conns(const struct endpoint *e);

#endif
