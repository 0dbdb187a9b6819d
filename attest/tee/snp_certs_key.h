/* What a VCEK or VLEK certificate says of the key in it: AMD's extensions.
 *
 * Source: AMD 57230, "VCEK Certificate and KDS Interface Specification",
 * X.509 extensions below 1.3.6.1.4.1.3704.1.  Nothing of it is verified here:
 * who signed the certificate is snp_chain.h's matter. */
#ifndef CONFD_ATTEST_TEE_SNP_CERTS_KEY_H
#define CONFD_ATTEST_TEE_SNP_CERTS_KEY_H

#include "attest/tee/snp_report.h"
#include "core/x509.h"

#define SNP_PRODUCT_TEXT 32 /* "Milan-B0", and a NUL */
#define SNP_CSP_TEXT 128    /* "CN=cc-us-east-2.amazonaws.com", and a NUL */

struct snp_certs_key {
	enum snp_key kind;
	uint8_t struct_version; /* 1: with fmc, of Turin */
	char product[SNP_PRODUCT_TEXT];
	struct snp_tcb tcb;	   /* that the key was derived from */
	size_t hwid_len;	   /* VCEK: 64, or 8 of Turin; VLEK: 0 */
	uint8_t hwid[64];	   /* the chip; zeros behind hwid_len */
	char csp_id[SNP_CSP_TEXT]; /* VLEK: the provider; VCEK: empty */
};

/* Which kind a certificate's common name says it is for: "SEV-VCEK" or
 * "SEV-VLEK"; false for others. */
bool snp_certs_key_kind(const struct x509 *c, enum snp_key *out);

/* Read it.
 *
 * out	written only on OK.
 *
 * E_PARSE	neither a VCEK nor a VLEK by its name; a key other than P-384;
 *		an extension that its kind must have is not there, is malformed
 *		or is one that only the other kind has; a reserved version that
 *		is not zero. */
enum status snp_certs_key_parse(const struct x509 *c, struct snp_certs_key *out,
				struct err *err);

/* Whether its product's name is one of that product, with or without a
 * stepping behind it ("Milan-B0"), and its form is that product's. */
bool snp_certs_key_is_of(const struct snp_certs_key *k, enum snp_product p);

#endif
