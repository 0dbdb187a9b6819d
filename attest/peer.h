/* The side that verifies an attestation service: users, admins, auditors and
 * workers.
 *
 * One TLS connection: first POST /v1/attest with a nonce of ours, whose
 * evidence must be bound to this very connection (exporter and key), then
 * whatever is asked goes over the same connection.  Nothing is asked, and
 * nothing handed over, before the evidence was judged. */
#ifndef CONFD_ATTEST_PEER_H
#define CONFD_ATTEST_PEER_H

#include "attest/claims.h"
#include "attest/keyset.h"
#include "attest/manifest.h"
#include "attest/tee/tee.h"
#include "attest/trace.h"
#include "core/io/addr.h"
#include "core/io/http_client.h"
#include "core/io/loop.h"
#include "core/x509.h"

struct peer;

/* Which manifest judges. */
enum peer_expect {
	PEER_PINNED, /* the service must have exactly `manifest` in force */
	PEER_UNINITIALIZED, /* it must have none yet; `manifest` judges it */
	PEER_SERVED, /* take the one that it serves: it then vouches for itself,
			which proves that the evidence is genuine and bound,
			not that anybody wanted this manifest */
};

struct peer_settings {
	struct addr to;
	enum peer_expect expect;
	const struct manifest *manifest; /* copied; NULL with PEER_SERVED */
	const struct x509 *cert;	 /* what we show; NULL: nothing */
	const struct keypair *key;	 /* of cert */
	const struct tee_roots *trust; /* roots for tests; copied; NULL: none */
	int64_t at;		       /* unix seconds to judge as of; 0: now */
	int64_t timeout_ms; /* 0: 10 s.  From peer_open to verified(); then
			     * without a byte in each exchange */
};

/* Connect and verify.  verified() is called once, from the loop:
 *
 * OK		everything below may be asked; after anything else only
 *		peer_trace, peer_bundle and peer_free.
 * E_UNAVAIL	it does not answer, or not whole and in time; or it has no
 *		manifest (yet).
 * E_IO		the connection broke.
 * E_CRYPTO, E_POLICY, E_STALE, E_PARSE, E_LIMIT	as verifier_judge; or the
 *		manifest in force is not the pinned one (E_POLICY).
 * E_CONFLICT	PEER_UNINITIALIZED, but it is initialised (or sealed). */
enum status peer_open(struct loop *l, const struct peer_settings *s,
		      void (*verified)(void *ctx, const struct err *err),
		      void *ctx, struct peer **out, struct err *err);
void peer_free(struct peer *p); /* safe within callbacks */

/* One request on the verified connection; done() once, as
 * http_client_call.  A refusal comes as its HTTP status. */
void peer_call(struct peer *p, const char *method, const char *target,
	       const char *content_type, struct slice body, size_t max_body,
	       void (*done)(void *ctx, const struct err *err, unsigned status,
			    struct slice body),
	       void *ctx);

/* The connection's exporter and our key, for evidence of ours over it. */
enum status peer_exporter(struct peer *p, const uint8_t nonce[static 32],
			  uint8_t out[static 32], struct err *err);

/* After verified(OK); borrowed until peer_free. */
const struct keyset_as *peer_keys(const struct peer *p);
const struct manifest *peer_manifest(const struct peer *p);
const struct claims *peer_claims(const struct peer *p);
const char *peer_state(const struct peer *p); /* "serving", ... */
uint64_t peer_log_size(const struct peer *p);
const uint8_t *peer_log_root(const struct peer *p);   /* 32 bytes */
const uint8_t *peer_chain_head(const struct peer *p); /* 32; zero: none */

/* The trace, whatever the outcome; and the bundle as it came (empty when
 * none came). */
const struct trace *peer_trace(const struct peer *p);
struct slice peer_bundle(const struct peer *p);

/* Turn a refusal (a problem document of RFC 9457) into an error: E_PERM for
 * 401 and 403, E_NOTFOUND, E_CONFLICT, E_LIMIT, E_UNAVAIL for 5xx; the text
 * is "what: detail".  OK for 2xx. */
enum status peer_refusal(const char *what, unsigned status, struct slice body,
			 struct err *err);

#endif
