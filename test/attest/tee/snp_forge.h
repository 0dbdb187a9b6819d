/* Forged SEV-SNP evidence: reports, certificates and lists that are in every
 * way like AMD's, but for the root that they hang on.  For tests: with it a
 * whole verification can be driven without a machine, and every field can be
 * something that no genuine vector shows. */
#ifndef CONFD_TEST_ATTEST_TEE_SNP_FORGE_H
#define CONFD_TEST_ATTEST_TEE_SNP_FORGE_H

#include "attest/tee/snp_verify.h"

#define SNP_FORGE_REVOKED_MAX 4

/* What is made; snp_forge_init gives everything a value that verifies. */
struct snp_forge {
	struct snp_report report; /* as it is written; then signed */
	struct snp_certs_key key; /* as the VCEK or VLEK says it */
	enum snp_product product; /* of the names of the chain */
	enum snp_key signer;	  /* ASK or ASVK above the key */
	const char *leaf_name;	  /* NULL: what belongs to key.kind */
	const char *without; /* NULL, or an extension to leave out: "3.9" */
	const char *beside;  /* NULL, or one to add, an INTEGER 0 */
	size_t salt_len;     /* of the leaf's signature: 48 */
	int64_t not_before, not_after; /* of the leaf */
	bool crl;
	int64_t this_update, next_update;
	size_t n_revoked;
	uint32_t revoked[SNP_FORGE_REVOKED_MAX]; /* serial numbers */
};

/* The serial numbers that the certificates above the leaf have. */
#define SNP_FORGE_ARK_SERIAL 0x10000
#define SNP_FORGE_SIGNER_SERIAL 0x10001

struct snp_forged {
	uint8_t report[SNP_REPORT_LEN];
	struct buf leaf, signer, ark, crl; /* DER; crl may be empty */
	struct buf chain;		   /* signer and ark, PEM */
	struct buf table;		   /* leaf, signer, ark, crl */
	uint8_t root[1][32]; /* SHA-256 of the ark's SubjectPublicKeyInfo */
};

/* A report of this version by this product, valid in the year 2030. */
void snp_forge_init(struct snp_forge *f, enum snp_product product,
		    enum snp_key key, uint32_t version);
#define SNP_FORGE_NOW 1893456000 /* 2030-01-01 */

/* Make all of it; the keys are always the same.  Aborts on nonsense. */
void snp_forge_make(const struct snp_forge *f, struct snp_forged *out);
void snp_forged_done(struct snp_forged *out);
#define auto_forged __attribute__((cleanup(snp_forged_done)))

/* The report alone, written and signed again: for one that changes while its
 * certificates stay. */
void snp_forge_report(const struct snp_forge *f,
		      uint8_t out[static SNP_REPORT_LEN]);

/* Pack parts of a TCB as a report of that product has them. */
void snp_forge_tcb(const struct snp_tcb *t, enum snp_product p,
		   uint8_t out[static 8]);

/* The case of it: with its chain, trusted, in SNP_FORGE_NOW. */
struct snp_case snp_forge_case(const struct snp_forged *f);

#endif
