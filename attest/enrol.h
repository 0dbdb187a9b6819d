/* The worker's side of registration: verify the attestation service, give it
 * evidence over the same connection, get a lease and (sealed) secrets; and
 * again at half of the lease, or after half an hour (group keys change
 * hourly), for as long as the process lives.  What fails is tried again,
 * after 0.5 s, 1 s, ... up to 30 s.
 *
 * The evidence is made by somebody else (the keeper, who has the TEE and to
 * whom the secrets are sealed); this module only carries it. */
#ifndef CONFD_ATTEST_ENROL_H
#define CONFD_ATTEST_ENROL_H

#include "attest/peer.h"
#include "attest/statement.h"

struct enrol;

/* What came of a registration; borrowed for the call. */
struct enrol_lease {
	struct slice id;
	int64_t expires; /* unix seconds, by the service's clock */
	uint64_t seconds;
	struct slice certificate;	 /* PEM: mesh leaf, mesh CA */
	struct slice secrets;		 /* sealed to the key set's hpke key */
	const struct manifest *manifest; /* in force */
};

/* leased and failed may free the enrol. */
struct enrol_events {
	/* Make evidence for this statement (its keys member is the caller's
	 * to fill in), then call enrol_evidence(). */
	void (*want_evidence)(void *ctx, const struct statement *s);
	void (*leased)(void *ctx, const struct enrol_lease *lease);
	/* An attempt failed; the next is in retry_ms. */
	void (*failed)(void *ctx, const struct err *why, int64_t retry_ms);
};

struct enrol_settings {
	struct addr as;
	const struct manifest *pin; /* NULL: the one that the service serves */
	const char *group, *name;
	const struct x509 *cert; /* of the TLS key that the evidence binds */
	const struct keypair *key;
	const struct tee_roots *trust; /* roots for tests; NULL: none */
	const struct enrol_events *events;
	void *ctx;
};

/* Begins at once; what settings point to must outlive it. */
enum status enrol_new(struct loop *l, const struct enrol_settings *s,
		      struct enrol **out, struct err *err);
void enrol_free(struct enrol *e);

/* The evidence that was asked for: bundle (JSON) and key set (exact text). */
void enrol_evidence(struct enrol *e, struct slice bundle, struct slice keys);

/* It could not be made: this attempt has failed. */
void enrol_no_evidence(struct enrol *e, const struct err *why);

#endif
