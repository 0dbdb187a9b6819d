/* Hybrid Public Key Encryption, RFC 9180, base mode:
 * DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, AES-256-GCM or
 * export only. */
#ifndef CONFD_CORE_HPKE_H
#define CONFD_CORE_HPKE_H

#include "core/crypto.h"

#define HPKE_KEM_X25519 0x0020
#define HPKE_KDF_SHA256 0x0001
#define HPKE_AEAD_AES128 0x0001
#define HPKE_AEAD_AES256 0x0002
#define HPKE_AEAD_EXPORT 0xffff

#define HPKE_ENC_LEN 32
#define HPKE_PUB_LEN 32
#define HPKE_PRIV_LEN 32

/* RFC 9180 s7.1.3 DeriveKeyPair for X25519. ikm >= 32 bytes. */
void hpke_derive_keypair(struct slice ikm, uint8_t priv[static 32],
			 uint8_t pub[static 32]);

struct hpke; /* a context: sequence number, keys, exporter */
void hpke_free(struct hpke *h);
static inline void hpke_freep(struct hpke **h)
{
	hpke_free(*h);
}
#define auto_hpke __attribute__((cleanup(hpke_freep)))

/* SetupBaseS: to send to pub.  enc receives what the receiver needs.
 * ephemeral_ikm: NULL (random) outside tests.  E_CRYPTO for a low-order pub
 * or an AEAD that is not listed above. */
enum status hpke_sender(const uint8_t pub[static 32], uint16_t aead,
			struct slice info, const struct slice *ephemeral_ikm,
			uint8_t enc[static 32], struct hpke **out,
			struct err *err);

/* SetupBaseR.  E_CRYPTO for a low-order enc or an AEAD that is not listed
 * above. */
enum status hpke_receiver(const uint8_t priv[static 32], uint16_t aead,
			  struct slice info, const uint8_t enc[static 32],
			  struct hpke **out, struct err *err);

/* The same where pub, the public key of priv, is known: that saves half of
 * the time.  With another pub no message opens. */
enum status hpke_receiver_known(const uint8_t priv[static 32],
				const uint8_t pub[static 32], uint16_t aead,
				struct slice info, const uint8_t enc[static 32],
				struct hpke **out, struct err *err);

/* Context.Seal and Open, in order; sizes and aliasing as gcm_seal and
 * gcm_open.  A failed open leaves the sequence number as it was.  E_CRYPTO
 * for an export-only context. */
enum status hpke_seal(struct hpke *h, struct slice aad, struct slice in,
		      uint8_t *out, struct err *err);
enum status hpke_open(struct hpke *h, struct slice aad, struct slice in,
		      uint8_t *out, struct err *err);

/* Context.Export.  len <= 255 * 32. */
void hpke_export(const struct hpke *h, struct slice context, uint8_t *out,
		 size_t len);

/* One message of 1 byte to 1 MiB (E_LIMIT) to pub: enc || ciphertext,
 * appended to out; and back.  AES-256-GCM. */
enum status hpke_seal_to(const uint8_t pub[static 32], struct slice info,
			 struct slice aad, struct slice plain, struct buf *out,
			 struct err *err);
enum status hpke_open_from(const uint8_t priv[static 32], struct slice info,
			   struct slice aad, struct slice sealed,
			   struct secret **out, struct err *err);

#endif
