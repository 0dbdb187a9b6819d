/* Certificates and OCSP responses of our own making, with whatever a test
 * wants in them: DER written by hand, signed with core/crypto. */
#ifndef CONFD_TEST_CORE_PKI_FORGE_H
#define CONFD_TEST_CORE_PKI_FORGE_H

#include "core/ocsp.h"

#define PKI_2020 1577836800 /* unix seconds */
#define PKI_2030 1893456000
#define PKI_2040 2208988800

/* Append one value of DER with its tag and length. */
void pki_put(struct buf *out, uint8_t tag, struct slice content);
void pki_put_oid(struct buf *out, const char *dotted);
void pki_put_time(struct buf *out, int64_t unix_seconds); /* Generalized */

/* A certificate with its key; der empty: none yet. */
struct pki_cert {
	char name[65]; /* common name, the whole of its Name */
	struct keypair *key;
	struct buf der;
};
void pki_done(struct pki_cert *c);
#define auto_pki __attribute__((cleanup(pki_done)))

/* What it says; zero: left out. */
struct pki_spec {
	const char *name;
	struct slice serial; /* content of the INTEGER; empty: 0x0102 */
	int64_t from, to;    /* 0: PKI_2020, PKI_2040 */
	bool ca;
	uint8_t usage;		/* first byte of keyUsage: 0x80 signs data */
	const char *purpose;	/* of extKeyUsage */
	const char *extension;	/* one more, not critical */
	struct slice ext_value; /* its value */
	bool p256;		/* else P-384 */
};
#define PKI_SIGNS 0x80
#define PKI_CERTIFIES 0x06 /* keyCertSign, cRLSign */

/* Make one; issuer NULL: signed by itself. A failed check of the test when it
 * cannot. */
void pki_make(const struct pki_spec *spec, const struct pki_cert *issuer,
	      struct pki_cert *out);

/* The parsed form, the caller's to free. */
struct x509 *pki_x509(const struct pki_cert *c);

/* What a response says of one certificate. */
struct pki_ocsp {
	enum ocsp_status status;
	int64_t produced, this_update, next_update; /* next 0: left out */
	int64_t revoked_at;
	uint8_t reason; /* OCSP_NO_REASON: left out */
	struct slice nonce;
	enum hash_alg hash;
	bool twice;		       /* the same answer two times */
	bool by_name;		       /* else by key */
	bool critical;		       /* an unknown critical extension */
	const struct pki_cert *signer; /* NULL: the issuer */
	bool carry;		       /* the signer's certificate with it */
};

/* Good, from 2029 to 2031, by the issuer. */
struct pki_ocsp pki_ocsp_good(void);

/* Append the response about cert, of issuer, as DER. */
void pki_ocsp(const struct pki_ocsp *o, const struct pki_cert *cert,
	      const struct pki_cert *issuer, struct buf *out);

#endif
