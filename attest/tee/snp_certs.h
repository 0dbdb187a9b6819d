/* The certificates and the revocation list that come with a report, sorted by
 * what they are.  Read once, they serve for any number of reports: what was
 * found of their signatures is kept with them. */
#ifndef CONFD_ATTEST_TEE_SNP_CERTS_H
#define CONFD_ATTEST_TEE_SNP_CERTS_H

#include "attest/tee/snp_report.h"
#include "core/x509_crl.h"

/* What came along; each may be empty. */
struct snp_collateral {
	struct slice leaf;  /* the VCEK or VLEK: DER or PEM */
	struct slice chain; /* the others, in any order: PEM, or DER one after
			     * another; the leaf may be among them */
	struct slice table; /* of an extended report; see snp_certs_table.h */
	struct slice crl;   /* DER or PEM */
};

#define SNP_CHAIN_MAX 8 /* certificates in a chain */

struct snp_certs {
	struct x509 *leaf[SNP_KEYS];   /* by enum snp_key; NULL: not there */
	struct x509 *signer[SNP_KEYS]; /* ASK, ASVK */
	struct x509 *ark;
	struct x509_crl *crl;
	bool ark_signed, signer_signed[SNP_KEYS]; /* snp_chain.c: found good */
	bool crl_signed;
};

/* Read what there is.  What stands in leaf, chain or crl goes before what the
 * table has of the same kind: of leafs, of certificates above them, of lists.
 * A certificate is sorted by its common name, which proves nothing.
 *
 * c	untrusted; not referred to after the return.
 * out	the caller's (snp_certs_free); written only on OK.
 *
 * E_PARSE	one is malformed, is none of AMD's by its name, or there are
 *		two that differ where one can be. */
enum status snp_certs_new(const struct snp_collateral *c,
			  struct snp_certs **out, struct err *err);
void snp_certs_free(struct snp_certs *c);
static inline void snp_certs_freep(struct snp_certs **c)
{
	snp_certs_free(*c);
}
#define auto_snp_certs __attribute__((cleanup(snp_certs_freep)))

#endif
