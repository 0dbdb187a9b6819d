/* All of one sealed request on the server's side: open it, see what it asks
 * for, pass it on to the workload, seal the answer.
 *
 * Everything streams in both directions, with back-pressure: an exchange
 * takes a few hundred KiB whatever the sizes, except in the form
 * message/ohttp-req, which is whole by its nature and so has its own, smaller
 * limit.  Nothing of a request reaches the workload before its first chunk
 * was authentic, fresh, and asked for a route that is allowed; and nothing
 * ends cleanly, on either side, that did not end cleanly on the other. */
#ifndef CONFD_PROXY_EXCHANGE_H
#define CONFD_PROXY_EXCHANGE_H

#include "proxy/forward.h"
#include "proxy/keyring.h"
#include "proxy/ohttp.h"
#include "proxy/outcome.h"
#include "proxy/refusal.h"
#include "proxy/replay.h"

#define EXCHANGE_EVENT_MAX (8u << 20)	 /* bytes of one server-sent event */
#define EXCHANGE_DATE_WINDOW 120	 /* seconds that a Date may be off */
#define EXCHANGE_REFUSED "confd-refused" /* header inside: "date" */

/* What the exchanges of one proxy share; outlives them. */
struct exchange_env {
	struct loop *loop;
	const struct adapter_set *adapters;
	struct keyring *keys;
	struct replay *replay;
	struct forward_to workload;
	int64_t started;       /* unix seconds: no request is from before */
	uint64_t max_request;  /* bytes of content */
	uint64_t max_response; /* the same, of answers that are no stream */
	size_t max_whole;      /* bytes, all of a message/ohttp-req */
	size_t max_wholes;     /* bytes, all of them at once, with answers */
	size_t wholes;	       /* and how many there are now */
	void (*done)(void *ctx, const struct outcome *line); /* or NULL */
	void *ctx;
};

/* Take the call and answer it. */
void exchange_begin(struct exchange_env *env, enum ohttp_form form,
		    struct http_call *call);

#endif
