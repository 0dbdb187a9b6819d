#include "core/hpke.h"

#include "core/cleanup.h"

#define NONCE_LEN GCM_IV_LEN
#define HASH_LEN 32 /* Nh, Nsecret: SHA-256 */

/* The receiver gives plaintext away as a secret, whose length is bounded. */
#define SEALED_MAX (1u << 20)

struct hpke {
	uint16_t aead;
	struct gcm *gcm; /* NULL for export only */
	uint64_t seq;
	uint8_t base_nonce[NONCE_LEN];
	uint8_t exporter[HASH_LEN];
};

/* Length of an AEAD's key; export only has none. */
struct aead {
	uint16_t id;
	uint16_t key_len;
};

static const struct aead aeads[] = {
	{ HPKE_AEAD_AES128, 16 },
	{ HPKE_AEAD_AES256, 32 },
	{ HPKE_AEAD_EXPORT, 0 },
};

/* Names the algorithms in every derivation, RFC 9180 s4.1 and s5.1. */
struct suite {
	uint8_t id[10];
	size_t len;
};

static void put_u16be(uint8_t *to, size_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static struct suite suite_kem(void)
{
	struct suite s = { .id = "KEM", .len = 5 };

	put_u16be(s.id + 3, HPKE_KEM_X25519);
	return s;
}

static struct suite suite_hpke(uint16_t aead)
{
	struct suite s = { .id = "HPKE", .len = 10 };

	put_u16be(s.id + 4, HPKE_KEM_X25519);
	put_u16be(s.id + 6, HPKE_KDF_SHA256);
	put_u16be(s.id + 8, aead);
	return s;
}

static void labeled_extract(const struct suite *s, struct slice salt,
			    struct slice label, struct slice ikm,
			    uint8_t out[static HASH_LEN])
{
	const struct slice parts[] = {
		S("HPKE-v1"),
		slice_make(s->id, s->len),
		label,
		ikm,
	};

	hmac_parts(salt, parts, countof(parts), out); /* HKDF-Extract */
}

static void labeled_expand(const struct suite *s, const uint8_t *prk,
			   struct slice label, struct slice info, uint8_t *out,
			   size_t out_len)
{
	uint8_t len[2];
	const struct slice parts[] = {
		slice_of(len), S("HPKE-v1"), slice_make(s->id, s->len),
		label,	       info,
	};

	put_u16be(len, out_len);
	hkdf_expand_parts(slice_make(prk, HASH_LEN), parts, countof(parts), out,
			  out_len);
}

/* ---- DHKEM(X25519, HKDF-SHA256) ---- */

void hpke_derive_keypair(struct slice ikm, uint8_t priv[static 32],
			 uint8_t pub[static 32])
{
	const struct suite s = suite_kem();
	uint8_t prk[HASH_LEN];

	labeled_extract(&s, S(""), S("dkp_prk"), ikm, prk);
	labeled_expand(&s, prk, S("sk"), S(""), priv, HPKE_PRIV_LEN);
	x25519_public(priv, pub);
	explicit_bzero(prk, sizeof(prk));
}

/* ExtractAndExpand of the shared point dh of enc and pub. */
static void kem_secret(const uint8_t dh[static 32],
		       const uint8_t enc[static 32],
		       const uint8_t pub[static 32],
		       uint8_t secret[static HASH_LEN])
{
	const struct suite s = suite_kem();
	uint8_t context[HPKE_ENC_LEN + HPKE_PUB_LEN];
	uint8_t prk[HASH_LEN];

	memcpy(context, enc, HPKE_ENC_LEN);
	memcpy(context + HPKE_ENC_LEN, pub, HPKE_PUB_LEN);
	labeled_extract(&s, S(""), S("eae_prk"), slice_make(dh, 32), prk);
	labeled_expand(&s, prk, S("shared_secret"), slice_of(context), secret,
		       HASH_LEN);
	explicit_bzero(prk, sizeof(prk));
}

/* ---- Key schedule, RFC 9180 s5.1, base mode ---- */

static const struct aead *aead_find(uint16_t id)
{
	for (size_t i = 0; i < countof(aeads); i++)
		if (aeads[i].id == id)
			return &aeads[i];
	return NULL;
}

static enum status set_keys(struct hpke *h, const struct suite *s,
			    const uint8_t *secret, struct slice context,
			    struct err *err)
{
	const struct aead *aead = aead_find(h->aead);
	uint8_t key[32];

	if (aead == NULL)
		return err_set(err, E_CRYPTO,
			       "HPKE: AEAD %#06x is not known here", h->aead);
	labeled_expand(s, secret, S("exp"), context, h->exporter,
		       sizeof(h->exporter));
	if (aead->key_len == 0)
		return OK;
	labeled_expand(s, secret, S("base_nonce"), context, h->base_nonce,
		       sizeof(h->base_nonce));
	labeled_expand(s, secret, S("key"), context, key, aead->key_len);
	enum status status =
		gcm_new(slice_make(key, aead->key_len), &h->gcm, err);
	explicit_bzero(key, sizeof(key));
	return status;
}

static enum status schedule(const uint8_t shared[static HASH_LEN],
			    uint16_t aead, struct slice info, struct hpke **out,
			    struct err *err)
{
	const struct suite s = suite_hpke(aead);
	uint8_t context[1 + 2 * HASH_LEN] = { 0 }; /* begins with mode_base */
	uint8_t secret[HASH_LEN];

	labeled_extract(&s, S(""), S("psk_id_hash"), S(""), context + 1);
	labeled_extract(&s, S(""), S("info_hash"), info,
			context + 1 + HASH_LEN);
	labeled_extract(&s, slice_make(shared, HASH_LEN), S("secret"), S(""),
			secret);

	auto_hpke struct hpke *h = mem_must(sizeof(*h));
	h->aead = aead;
	enum status status = set_keys(h, &s, secret, slice_of(context), err);
	explicit_bzero(secret, sizeof(secret));
	if (status == OK)
		*out = take(h);
	return status;
}

void hpke_free(struct hpke *h)
{
	if (h == NULL)
		return;
	gcm_free(h->gcm);
	mem_free(h);
}

enum status hpke_sender(const uint8_t pub[static 32], uint16_t aead,
			struct slice info, const struct slice *ephemeral_ikm,
			uint8_t enc[static 32], struct hpke **out,
			struct err *err)
{
	uint8_t ikm[HPKE_PRIV_LEN], priv[HPKE_PRIV_LEN], own[HPKE_PUB_LEN];
	uint8_t dh[32], shared[HASH_LEN];

	crypto_random(ikm, sizeof(ikm));
	hpke_derive_keypair(ephemeral_ikm == NULL ? slice_of(ikm)
						  : *ephemeral_ikm,
			    priv, own);
	enum status status = x25519_shared(priv, pub, dh, err);
	if (status == OK) {
		kem_secret(dh, own, pub, shared);
		status = schedule(shared, aead, info, out, err);
	}
	if (status == OK)
		memcpy(enc, own, sizeof(own));
	explicit_bzero(ikm, sizeof(ikm));
	explicit_bzero(priv, sizeof(priv));
	explicit_bzero(dh, sizeof(dh));
	explicit_bzero(shared, sizeof(shared));
	return status;
}

enum status hpke_receiver_known(const uint8_t priv[static 32],
				const uint8_t pub[static 32], uint16_t aead,
				struct slice info, const uint8_t enc[static 32],
				struct hpke **out, struct err *err)
{
	uint8_t dh[32], shared[HASH_LEN];

	TRY(x25519_shared(priv, enc, dh, err));
	kem_secret(dh, enc, pub, shared);
	enum status status = schedule(shared, aead, info, out, err);
	explicit_bzero(dh, sizeof(dh));
	explicit_bzero(shared, sizeof(shared));
	return status;
}

enum status hpke_receiver(const uint8_t priv[static 32], uint16_t aead,
			  struct slice info, const uint8_t enc[static 32],
			  struct hpke **out, struct err *err)
{
	uint8_t own[HPKE_PUB_LEN];

	x25519_public(priv, own);
	return hpke_receiver_known(priv, own, aead, info, enc, out, err);
}

/* ---- Context ---- */

/* ComputeNonce; E_LIMIT before a sequence number could come again. */
static enum status next_nonce(const struct hpke *h,
			      uint8_t iv[static NONCE_LEN], struct err *err)
{
	if (h->gcm == NULL)
		return err_set(err, E_CRYPTO,
			       "HPKE: this context only exports secrets");
	if (h->seq == UINT64_MAX)
		return err_set(err, E_LIMIT, "HPKE: too many messages");
	memcpy(iv, h->base_nonce, NONCE_LEN);
	for (size_t i = 0; i < sizeof(h->seq); i++)
		iv[NONCE_LEN - 1 - i] ^= (uint8_t)(h->seq >> (8 * i));
	return OK;
}

enum status hpke_seal(struct hpke *h, struct slice aad, struct slice in,
		      uint8_t *out, struct err *err)
{
	uint8_t iv[NONCE_LEN];

	TRY(next_nonce(h, iv, err));
	gcm_seal(h->gcm, iv, aad, in, out);
	h->seq++;
	return OK;
}

enum status hpke_open(struct hpke *h, struct slice aad, struct slice in,
		      uint8_t *out, struct err *err)
{
	uint8_t iv[NONCE_LEN];

	TRY(next_nonce(h, iv, err));
	TRY(gcm_open(h->gcm, iv, aad, in, out, err));
	h->seq++;
	return OK;
}

void hpke_export(const struct hpke *h, struct slice context, uint8_t *out,
		 size_t len)
{
	const struct suite s = suite_hpke(h->aead);

	labeled_expand(&s, h->exporter, S("sec"), context, out, len);
}

/* ---- Single messages ---- */

static enum status check_plain(size_t len, struct err *err)
{
	if (len >= 1 && len <= SEALED_MAX)
		return OK;
	return err_set(err, E_LIMIT,
		       "sealed message: %zu bytes of content, "
		       "want 1 to %u",
		       len, SEALED_MAX);
}

enum status hpke_seal_to(const uint8_t pub[static 32], struct slice info,
			 struct slice aad, struct slice plain, struct buf *out,
			 struct err *err)
{
	uint8_t enc[HPKE_ENC_LEN];
	struct hpke *made;

	TRY(check_plain(plain.len, err));
	TRY(hpke_sender(pub, HPKE_AEAD_AES256, info, NULL, enc, &made, err));
	auto_hpke struct hpke *h = made;

	size_t len = sizeof(enc) + plain.len + GCM_TAG_LEN;
	uint8_t *to = buf_room(out, len);
	if (to == NULL)
		return buf_check(out, "sealed message", err);
	memcpy(to, enc, sizeof(enc));
	TRY(hpke_seal(h, aad, plain, to + sizeof(enc), err));
	buf_grow(out, len);
	return OK;
}

enum status hpke_open_from(const uint8_t priv[static 32], struct slice info,
			   struct slice aad, struct slice sealed,
			   struct secret **out, struct err *err)
{
	struct hpke *made_h;
	struct secret *made_s;

	if (sealed.len < HPKE_ENC_LEN + GCM_TAG_LEN)
		return err_set(err, E_CRYPTO,
			       "sealed message: %zu bytes, too short",
			       sealed.len);
	size_t len = sealed.len - HPKE_ENC_LEN - GCM_TAG_LEN;
	TRY(check_plain(len, err));
	TRY(hpke_receiver(priv, HPKE_AEAD_AES256, info, sealed.p, &made_h,
			  err));
	auto_hpke struct hpke *h = made_h;
	TRY(secret_new(len, &made_s, err));
	auto_secret struct secret *plain = made_s;

	TRY(hpke_open(h, aad, slice_from(sealed, HPKE_ENC_LEN),
		      secret_bytes(plain), err));
	*out = take(plain);
	return OK;
}
