/* The primitives we use, over Mbed TLS; nothing of Mbed TLS shows here.
 *
 * Keys are wiped when freed.  Randomness comes from getrandom(2) through a
 * buffered DRBG; failing to get any ends the process, since nothing safe can
 * follow.  A child made by fork draws its own: crypto_random() never repeats
 * there what it gives the parent.  (TLS after a fork needs an exec first.) */
#ifndef CONFD_CORE_CRYPTO_H
#define CONFD_CORE_CRYPTO_H

#include "core/buf.h"
#include "core/secret.h"

/* Once at start of each process, before any other use: allocator, clock,
 * DRBG, PSA (for TLS 1.3).  Again does nothing. */
enum status crypto_setup(struct err *err);

/* Name and version of the library, for --version. */
const char *crypto_library(void);

void crypto_random(void *out, size_t n);

enum hash_alg { HASH_SHA256, HASH_SHA384, HASH_SHA512 };
#define HASH_MAX 64
size_t hash_len(enum hash_alg alg); /* 32, 48, 64 */

/* One shot over n parts, one after the other. */
void hash_parts(enum hash_alg alg, const struct slice *parts, size_t n,
		uint8_t *out);
static inline void sha256(struct slice in, uint8_t out[static 32])
{
	hash_parts(HASH_SHA256, &in, 1, out);
}
static inline void sha384(struct slice in, uint8_t out[static 48])
{
	hash_parts(HASH_SHA384, &in, 1, out);
}
static inline void sha512(struct slice in, uint8_t out[static 64])
{
	hash_parts(HASH_SHA512, &in, 1, out);
}

/* Incremental. */
struct hash;
struct hash *hash_new(enum hash_alg alg);
void hash_add(struct hash *h, struct slice in);
void hash_finish(struct hash *h, uint8_t *out); /* h stays valid to free */
void hash_free(struct hash *h);

/* RFC 2104; over n parts, one after the other. */
void hmac_parts(struct slice key, const struct slice *parts, size_t n,
		uint8_t out[static 32]);
static inline void hmac_sha256(struct slice key, struct slice in,
			       uint8_t out[static 32])
{
	hmac_parts(key, &in, 1, out);
}

/* RFC 5869 with SHA-256. out_len <= 255 * 32, or the process ends.  out must
 * not overlap prk or info. */
void hkdf_extract(struct slice salt, struct slice ikm, uint8_t prk[static 32]);
void hkdf_expand_parts(struct slice prk, const struct slice *info, size_t n,
		       uint8_t *out, size_t out_len);
static inline void hkdf_expand(struct slice prk, struct slice info,
			       uint8_t *out, size_t out_len)
{
	hkdf_expand_parts(prk, &info, 1, out, out_len);
}

/* AES-GCM with a key schedule that is kept.  key of 16 or 32 bytes, else
 * E_CRYPTO. */
struct gcm;
#define GCM_IV_LEN 12
#define GCM_TAG_LEN 16
enum status gcm_new(struct slice key, struct gcm **out, struct err *err);
void gcm_free(struct gcm *g);
static inline void gcm_freep(struct gcm **g)
{
	gcm_free(*g);
}
#define auto_gcm __attribute__((cleanup(gcm_freep)))

/* out has in.len + GCM_TAG_LEN bytes and may begin at in.p. */
void gcm_seal(struct gcm *g, const uint8_t iv[static 12], struct slice aad,
	      struct slice in, uint8_t *out);

/* in includes the tag; out has in.len - GCM_TAG_LEN bytes and may begin at
 * in.p.  E_CRYPTO, with out wiped, when the tag is wrong or in too short. */
enum status gcm_open(struct gcm *g, const uint8_t iv[static 12],
		     struct slice aad, struct slice in, uint8_t *out,
		     struct err *err);

/* X25519 (RFC 7748).  E_CRYPTO for a shared secret of all zeros. */
void x25519_public(const uint8_t priv[static 32], uint8_t pub[static 32]);
enum status x25519_shared(const uint8_t priv[static 32],
			  const uint8_t pub[static 32],
			  uint8_t shared[static 32], struct err *err);

/* Key pairs for signatures and TLS: ECDSA on P-256 or P-384. */
struct keypair;
enum key_curve { KEY_P256, KEY_P384 };
enum status keypair_new(enum key_curve curve, struct keypair **out,
			struct err *err);
/* The key pair that follows from a seed of 32 bytes or more, always the same
 * (FIPS 186-5 A.2.1: 64 extra bits, reduced; expanded by HKDF). */
enum status keypair_from_seed(enum key_curve curve, struct slice seed,
			      struct keypair **out, struct err *err);
/* From PEM or DER (PKCS#8 or SEC1), not encrypted.  E_PARSE. */
enum status keypair_parse(struct slice in, struct keypair **out,
			  struct err *err);
void keypair_free(struct keypair *k);
static inline void keypair_freep(struct keypair **k)
{
	keypair_free(*k);
}
#define auto_keypair __attribute__((cleanup(keypair_freep)))

/* PKCS#8 or SEC1 PEM; out is wiped by its owner. */
enum status keypair_pem(const struct keypair *k, struct buf *out,
			struct err *err);

/* DER SubjectPublicKeyInfo. */
enum status keypair_spki(const struct keypair *k, struct buf *out,
			 struct err *err);

/* ECDSA over the hash of msg (SHA-256 for P-256, SHA-384 for P-384); sig is
 * ASN.1 DER. */
enum status keypair_sign(const struct keypair *k, struct slice msg,
			 struct buf *sig, struct err *err);

/* Verify such a signature under a DER SubjectPublicKeyInfo.  E_CRYPTO. */
enum status spki_verify(struct slice spki, struct slice msg, struct slice sig,
			struct err *err);

/* The rest is only for core/x509.c and core/io/tls.c. */

/* The underlying mbedtls_pk_context. */
void *keypair_pk(const struct keypair *k);

/* Parse a DER SubjectPublicKeyInfo with an ECDSA key as above, and nothing
 * behind it, into an mbedtls_pk_context that the caller made and frees.
 * E_CRYPTO. */
enum status spki_load(struct slice spki, void *pk, struct err *err);

/* crypto_random() as Mbed TLS wants it; unused is ignored, the result 0. */
int crypto_rng(void *unused, unsigned char *out, size_t n);

/* Record a failure of Mbed TLS: "what: text of rc".  Returns code, or
 * E_NOMEM where rc says that memory is out. */
enum status crypto_fail(struct err *err, enum status code, int rc,
			const char *what);

#endif
