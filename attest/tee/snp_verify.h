/* Is this SEV-SNP report genuine?  Pure: no files, no clock, no network.
 *
 * What is said of it is in struct snp_claims, and every step in the trace;
 * whether it is wanted (debugging, old firmware, another image) is judged in
 * snp_policy.h. */
#ifndef CONFD_ATTEST_TEE_SNP_VERIFY_H
#define CONFD_ATTEST_TEE_SNP_VERIFY_H

#include "attest/tee/snp_certs.h"
#include "attest/tee/snp_certs_key.h"
#include "attest/trace.h"

/* What is verified. */
struct snp_case {
	struct slice report; /* as received */
	struct snp_collateral collateral;

	/* NULL, or what stands for all of the collateral but the leaf: read
	 * once by snp_certs_new and used for many reports.  Then a chain, a
	 * list and what a table has of these are not used. */
	struct snp_certs *issuers;

	/* Trusted beside AMD's own roots, by SHA-256 of their
	 * SubjectPublicKeyInfo: for tests with a PKI of their own. */
	const uint8_t (*roots)[32];
	size_t n_roots;
	int64_t now; /* unix seconds */
};

/* What a genuine report and the certificate of its key say. */
struct snp_claims {
	struct snp_report report;
	enum snp_product product;
	struct snp_tcb current_tcb, reported_tcb, committed_tcb, launch_tcb;
	struct snp_certs_key key; /* VCEK or VLEK, chip or provider */
	bool chip_masked;   /* VCEK: chip_id is zero; key.hwid is the chip */
	bool root_pinned;   /* AMD's; false: one that the case named */
	uint8_t root[32];   /* SHA-256 of the root's SubjectPublicKeyInfo */
	uint8_t digest[32]; /* SHA-256 of the report's signed part */
	bool crl;	    /* there was a list, and the signer is not on it */
	int64_t crl_next_update; /* unix seconds; without a list 0 */
	int64_t valid_until;	 /* unix seconds: first end of what was used */
};

/* Verify.
 *
 * c		untrusted, but for issuers, roots and now.
 * trace	gets the steps, as far as it came: after one that fails, those
 *		that rest on it are left out.
 * out		written only on OK.
 *
 * E_PARSE	the report or a certificate is malformed.
 * E_CRYPTO	not genuine.
 * E_STALE	nothing speaks against it, but a certificate is missing, or it
 *		or the list is out of its time.
 *
 * Without a revocation list it can be OK: claims.crl says so, and a policy
 * may ask for one. */
enum status snp_verify(const struct snp_case *c, struct trace *trace,
		       struct snp_claims *out, struct err *err);

/* Steps that are in the trace of every genuine report. */
extern const char *const snp_verify_mandatory[];
extern const size_t snp_verify_n_mandatory;

/* The chip that signed, as far as it is known: the VCEK's, or what a report
 * signed by a VLEK says.  Empty when that is masked. */
struct slice snp_verify_chip(const struct snp_claims *c);

#endif
