/* X.509 certificates (RFC 5280): making ours, reading and judging others'.
 * Trust in a peer never comes from a certificate's names alone. */
#ifndef CONFD_CORE_X509_H
#define CONFD_CORE_X509_H

#include "core/crypto.h"
#include "core/x509_alg.h"

struct x509; /* a parsed certificate; owns its bytes */

#define X509_DER_MAX 65536 /* bytes of one certificate */
#define X509_NAMES_MAX 64  /* subject alternative names that we write */

/* Parse one certificate, DER with nothing behind it, or PEM with exactly one
 * certificate (text between PEM blocks is ignored; a block of another kind is
 * not).  A critical extension that is not known here is refused.  E_PARSE;
 * E_LIMIT beyond X509_DER_MAX. */
enum status x509_parse(struct slice in, struct x509 **out, struct err *err);
void x509_free(struct x509 *c);
static inline void x509_freep(struct x509 **c)
{
	x509_free(*c);
}
#define auto_x509 __attribute__((cleanup(x509_freep)))

/* Parse a PEM file of 1 to max certificates, in order. out[i] set for
 * i < *n; all are the caller's to free, also when it fails (then *n is 0). */
enum status x509_parse_chain(struct slice pem, struct x509 **out, size_t max,
			     size_t *n, struct err *err);

/* What it says; slices live as long as c.  Nothing of it is verified. */
struct slice x509_der(const struct x509 *c);
struct slice x509_spki(const struct x509 *c); /* DER SubjectPublicKeyInfo */
void x509_spki_sha256(const struct x509 *c, uint8_t out[static 32]);
/* Bytes as they stand there; empty: none, or more than one. */
struct slice x509_common_name(const struct x509 *c);
int64_t x509_not_before(const struct x509 *c);
int64_t x509_not_after(const struct x509 *c);
struct slice x509_subject(const struct x509 *c); /* DER Name */
/* Content of the INTEGER, as it stands there. */
struct slice x509_serial(const struct x509 *c);
/* Whether that is its number, however many zeros are written in front. */
bool x509_is_serial(const struct x509 *c, struct slice serial);

/* How it is signed.  As x509_alg_parse. */
enum status x509_signature_alg(const struct x509 *c, struct x509_alg *out,
			       struct err *err);

/* The kind of its key; bits gets its size. */
enum x509_key { X509_KEY_OTHER, X509_KEY_RSA, X509_KEY_EC };
enum x509_key x509_key(const struct x509 *c, size_t *bits);

/* The value of its extension of that identifier, dotted ("2.5.29.14"): what
 * is in the OCTET STRING, which may be empty.  E_NOTFOUND when it has none;
 * E_PARSE when it has more than one, or the extensions are malformed. */
enum status x509_extension(const struct x509 *c, const char *oid,
			   struct slice *out, struct err *err);

/* E_CRYPTO unless child is signed by the key of issuer, names issuer as its
 * issuer (the same bytes), issuer is a CA allowed to sign certificates (and
 * CA certificates, where child is one), and `at` (unix seconds) lies in the
 * validity of both; E_STALE when only the times fail.
 *
 * Signatures: RSA (PKCS #1 v1.5 or PSS) of 2048 bits or more, ECDSA on P-256
 * or P-384; with SHA-256, SHA-384 or SHA-512. */
enum status x509_verify(const struct x509 *child, const struct x509 *issuer,
			int64_t at, struct err *err);

/* E_CRYPTO unless the key of issuer signed message, by an algorithm as above:
 * what CRLs and OCSP responses are verified with.  Says nothing of names,
 * times, or what the issuer may sign. */
enum status x509_verify_bytes(const struct x509 *issuer,
			      const struct x509_alg *alg, struct slice message,
			      struct slice signature, struct err *err);

/* E_CRYPTO unless the RSA key of modulus n and exponent e (big-endian, both
 * untrusted) signed message: PKCS #1 v1.5 with that digest.  For keys that no
 * certificate is of.  n has 256 to 512 bytes, the first bit of them set; e at
 * most 4 bytes; the signature is as long as n. */
enum status x509_verify_rsa(struct slice n, struct slice e, enum hash_alg hash,
			    struct slice message, struct slice signature,
			    struct err *err);

/* E_STALE unless from <= at <= to (unix seconds), naming what. */
enum status x509_check_period(const char *what, int64_t from, int64_t to,
			      int64_t at, struct err *err);

/* E_CRYPTO unless its key may sign CRLs (RFC 5280 s4.2.1.3). */
enum status x509_check_crl_signer(const struct x509 *c, struct err *err);

/* The same as x509_verify for a root that is its own issuer. */
enum status x509_verify_self(const struct x509 *root, int64_t at,
			     struct err *err);

/* What a new certificate says. */
struct x509_template {
	const char *common_name; /* 1 to 64 of A-Z a-z 0-9 . _ - and space */
	int64_t not_before, not_after;
	bool ca;		/* basicConstraints CA, keyCertSign, cRLSign */
	bool server;		/* EKU serverAuth */
	bool client;		/* EKU clientAuth */
	const char *const *dns; /* subjectAltName dNSName, no "*"; or NULL */
	size_t n_dns;
	const uint8_t (*ip)[4]; /* subjectAltName iPAddress, IPv4; or NULL */
	size_t n_ip;
};

/* Sign a certificate over the DER SubjectPublicKeyInfo of its subject; the
 * serial number is random.  issuer NULL: self-signed (then spki must be that
 * of key).  Otherwise key is the issuer's, and the issuer a CA named by a
 * common name alone, as those made here are.  out: DER, appended.
 *
 * E_PARSE	a name is not of the form that the template wants.
 * E_LIMIT	times before 1970, after 9999 or the wrong way round, or more
 *		than X509_NAMES_MAX alternative names.
 * E_CRYPTO	spki, issuer and key do not fit together. */
enum status x509_sign(const struct x509_template *t, struct slice spki,
		      const struct x509 *issuer, const struct keypair *key,
		      struct buf *out, struct err *err);

/* DER to PEM ("CERTIFICATE"), appended. */
void x509_pem(struct slice der, struct buf *out);

/* The underlying mbedtls_x509_crt; only for core/io/tls.c. */
void *x509_crt(const struct x509 *c);

#endif
