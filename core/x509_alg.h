/* Signature algorithms as certificates, CRLs and OCSP responses name them
 * (AlgorithmIdentifier of RFC 5280 s4.1.1.2): those that we believe. */
#ifndef CONFD_CORE_X509_ALG_H
#define CONFD_CORE_X509_ALG_H

#include "core/crypto.h"
#include "core/der.h"

enum x509_alg_kind { X509_ALG_ECDSA, X509_ALG_RSA, X509_ALG_RSA_PSS };

struct x509_alg {
	enum x509_alg_kind kind;
	enum hash_alg hash;
	enum hash_alg mgf_hash; /* of RSA-PSS: MGF1's digest */
	uint32_t salt_len;	/* of RSA-PSS: bytes */
};

/* Read one AlgorithmIdentifier, whole with its tag.
 *
 * in	untrusted, any length; not referred to after the return.
 * out	written only on OK.
 *
 * ECDSA (no parameters), RSA PKCS #1 v1.5 (NULL) and RSA-PSS (RFC 4055 s3.1,
 * MGF1, the default trailer), each with SHA-256, SHA-384 or SHA-512.
 *
 * E_PARSE	not an AlgorithmIdentifier, or parameters of another form.
 * E_CRYPTO	an algorithm that is not among these. */
enum status x509_alg_parse(struct slice in, struct x509_alg *out,
			   struct err *err);

/* Read the AlgorithmIdentifier of a digest, whose parameters are NULL or absent
 * (RFC 4055 s2.1); false, and *out as it was, when it is none of these. */
bool x509_alg_hash(struct der *d, enum hash_alg *out);

/* "RSA-PSS, SHA-384, salt 48": into a text of X509_ALG_TEXT bytes. */
#define X509_ALG_TEXT 64
void x509_alg_text(const struct x509_alg *a, char out[static X509_ALG_TEXT]);

#endif
