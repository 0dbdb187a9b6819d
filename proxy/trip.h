/* One request of a local program on the user's side: seal it, send it to the
 * endpoint, open the answer.
 *
 * Both directions stream with back-pressure.  An answer counts only when it
 * came sealed: what comes in clear is an error, and is marked as such.  An
 * answer that was cut short or altered never ends cleanly.
 *
 * A request is sent a second time in two cases only, in both of which the
 * proxy has said that it did nothing: it finds the Date too far off (said
 * under seal, with the right time), or it does not know the key.  The latter
 * comes in clear, from whoever is in between, so the present keys are asked
 * for first, and if they are the same ones nothing is sent again: a relay that
 * lies can have a request served twice only when keys change. */
#ifndef CONFD_PROXY_TRIP_H
#define CONFD_PROXY_TRIP_H

#include "proxy/forward.h"
#include "proxy/ohttp.h"
#include "proxy/outcome.h"
#include "proxy/refusal.h"

#define TRIP_KEEP_MAX (1u << 20) /* bytes kept for a second time */

/* What the requests of one process share; outlives them. */
struct trip_env {
	struct loop *loop;
	struct forward_to endpoint;

	/* The key to seal to. */
	bool has_key;
	struct ohttp_config config;
	uint16_t aead;
	uint64_t serial; /* of the key, so that a new one is known */

	int64_t ahead;	      /* seconds that proxies are ahead of our clock */
	bool asked;	      /* for keys */
	struct trip *waiting; /* for them */

	/* The key is not known to the proxy: get the present ones.  Then
	 * trip_keys() or trip_no_keys(), from the loop. */
	void (*want_keys)(void *ctx);
	void (*done)(void *ctx, const struct outcome *line); /* or NULL */
	void *ctx;
};

/* Take the call and answer it; env has a key, and match a route. */
void trip_begin(struct trip_env *env, struct http_call *call,
		const struct http_head *head, struct adapter_match match);

/* The present keys are in env, or could not be had: those who wait go on. */
void trip_keys(struct trip_env *env);
void trip_no_keys(struct trip_env *env);

#endif
