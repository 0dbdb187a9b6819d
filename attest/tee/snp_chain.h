/* The chain of a report's signing key: ARK (AMD's root, pinned), ASK or ASVK,
 * VCEK or VLEK; and AMD's revocation list.
 *
 * Source: AMD 57230, "VCEK Certificate and KDS Interface Specification".
 * Every certificate and list is signed with RSA-PSS (SHA-384, salt 48) by a
 * key of 4096 bits; the roots are told by their keys, the rest follows. */
#ifndef CONFD_ATTEST_TEE_SNP_CHAIN_H
#define CONFD_ATTEST_TEE_SNP_CHAIN_H

#include "attest/tee/snp_certs.h"
#include "attest/trace.h"

/* SHA-256 of the SubjectPublicKeyInfo of AMD's root of that product. */
const uint8_t *snp_chain_pin(enum snp_product p); /* 32 bytes */

struct snp_chain {
	struct snp_certs *certs; /* signer, ark, crl; what is found is kept */
	const struct x509 *leaf; /* of the kind `key` by its name */
	enum snp_key key;
	const uint8_t (*roots)[32]; /* trusted beside the pins, by key */
	size_t n_roots;
	int64_t now; /* unix seconds */
};

/* Whether signer and root are there (steps snp.certs.*). */
bool snp_chain_complete(const struct snp_chain *c, struct trace *t);

/* Whether the root is trusted, everything is of one product, and the
 * signatures hold (steps snp.chain.root to snp.chain.leaf).  Times are not
 * looked at.  After snp_chain_complete.
 *
 * reported	the product that the report names, or NULL.
 * product	written when the root names one: that of the chain. */
bool snp_chain_verify(const struct snp_chain *c,
		      const enum snp_product *reported,
		      enum snp_product *product, struct trace *t);

/* Whether the list, which must be there, is the root's and does not list the
 * signer (steps snp.crl.*, but for its time).  After snp_chain_verify. */
bool snp_chain_check_revoked(const struct snp_chain *c, struct trace *t);

/* Whether all is valid at c->now (steps snp.chain.time, snp.crl.time);
 * valid_until gets the first end, in any case. */
bool snp_chain_check_times(const struct snp_chain *c, struct trace *t,
			   int64_t *valid_until);

#endif
