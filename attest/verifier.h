/* The verifier: evidence in, verdict and trace out.  Pure: no files, no
 * network, no clock; the same for daemons, command line, portal and tests.
 *
 * Order: form of the bundle; a TEE that a policy names; the TEE's own checks
 * (chain, signature); the report's data against the hash of the statement's
 * bytes; the GPUs, each by itself, and that they signed for this report; only
 * then the statement, each member against what was expected; then the
 * policies.  Evidence that is not genuine is not looked at further; past
 * that, every step is taken, so that the trace shows all that is wrong. */
#ifndef CONFD_ATTEST_VERIFIER_H
#define CONFD_ATTEST_VERIFIER_H

#include "attest/claims.h"
#include "attest/evidence.h"
#include "attest/manifest.h"
#include "attest/policy.h"
#include "attest/statement.h"
#include "attest/trace.h"

struct tee_cache;

/* What a member of the statement must be.  A zeroed one leaves the step "not
 * checked": there is a trace then, but never a verdict. */
enum expect_kind { EXPECT_UNCHECKED, EXPECT_NONE, EXPECT_BYTES };
struct expect {
	enum expect_kind kind;
	uint8_t bytes[32];
};

/* These 32 bytes. */
static inline struct expect expect_bytes(const uint8_t bytes[static 32])
{
	struct expect e = { .kind = EXPECT_BYTES };

	memcpy(e.bytes, bytes, sizeof(e.bytes));
	return e;
}

/* The word "none": only for exporter and manifest. */
static inline struct expect expect_none(void)
{
	return (struct expect){ .kind = EXPECT_NONE };
}

struct verifier_case {
	struct slice bundle; /* untrusted, any length */
	enum purpose purpose;
	struct expect nonce;	/* the one that we chose */
	struct expect exporter; /* of this connection, context the nonce */
	struct expect spki;	/* of the key that the peer proved */
	struct expect keys;	/* keyset_digest of the key set that came */
	struct expect manifest; /* of the manifest in force, as they see it */
	const struct manifest *by;		 /* judged by this manifest */
	const struct manifest_strings *policies; /* and these of its policies */

	/* Trusted beside the makers' own roots, by SHA-256 of their
	 * SubjectPublicKeyInfo: for tests with a PKI of their own (tee.h,
	 * struct tee_roots).  A build that may not trust any ignores them. */
	const uint8_t (*trust_roots)[32];
	size_t n_trust_roots;
	int64_t now; /* unix seconds */

	/* NULL, or the caller's (attest/tee/tee_cache.h), for many judgements:
	 * they cost less, and come out the same. */
	struct tee_cache *cache;
};

/* Judge evidence.
 *
 * trace	initialised; emptied first, gets the steps, on failure too.
 * claims	written only on OK.
 * verdict	written only on OK; verdict_free.
 *
 * E_PARSE	the bundle, the report or the statement is malformed
 * E_LIMIT	or larger than we take.
 * E_CRYPTO	not genuine, or not bound to what we expected.
 * E_STALE	not judged: a step could not be checked, or a certificate is
 *		out of its time.
 * E_POLICY	genuine and bound, but not allowed.
 *
 * err names the first step that failed, with expected and found. */
enum status verifier_judge(const struct verifier_case *c, struct trace *trace,
			   struct claims *claims, struct verdict **verdict,
			   struct err *err);

/* The same without policies, for who judges the claims by other rules: by and
 * policies of the case are not looked at, and GPUs are verified where there
 * are some.
 *
 * claims	written only on OK: then the evidence is genuine, and what it is
 *		bound to was compared; the caller has to ask policy_complete().
 *
 * Codes as verifier_judge. */
enum status verifier_establish(const struct verifier_case *c,
			       struct trace *trace, struct claims *claims,
			       struct err *err);

#endif
