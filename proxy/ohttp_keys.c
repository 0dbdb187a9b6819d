#include <assert.h>

#include "core/cleanup.h"
#include "proxy/ohttp.h"

/* Key configurations (RFC 9458 section 3); the contract is in proxy/ohttp.h.
 *
 *	u16 length of the entry
 *	u8  key id
 *	u16 KEM
 *	Npk bytes public key
 *	u16 length of the suites, 4 to 65532
 *	    u16 KDF, u16 AEAD, and again */

#define ENTRY_MIN 3 /* bytes: id and KEM; more depends on the KEM */

/* Those that we have, in the order that we want them. */
static const uint16_t aeads[] = { HPKE_AEAD_AES256, HPKE_AEAD_AES128 };

static bool have(uint16_t kdf, uint16_t aead)
{
	if (kdf != HPKE_KDF_SHA256)
		return false;
	for (size_t i = 0; i < countof(aeads); i++)
		if (aeads[i] == aead)
			return true;
	return false;
}

static bool lists(const struct ohttp_config *c, uint16_t aead)
{
	for (size_t i = 0; i < c->n_suites; i++)
		if (c->suites[i].aead == aead)
			return true;
	return false;
}

static enum status read_suites(struct slice in, struct ohttp_config *out,
			       struct err *err)
{
	struct cursor c = cursor_make(in);

	if (in.len == 0 || in.len % 4 != 0)
		return err_set(err, E_PARSE,
			       "ohttp-keys: %zu bytes of algorithms, want a "
			       "multiple of 4",
			       in.len);
	while (c.rest.len > 0) {
		uint16_t kdf = cursor_u16be(&c), aead = cursor_u16be(&c);

		if (have(kdf, aead) && !lists(out, aead))
			out->suites[out->n_suites++] =
				(struct ohttp_suite){ kdf, aead };
	}
	return cursor_end(&c, "ohttp-keys", err);
}

static_assert(countof(aeads) <= OHTTP_SUITES_MAX, "each is listed once");

/* An entry of ours; n_suites of 0 when it is not one. */
static enum status read_entry(struct slice in, struct ohttp_config *out,
			      struct err *err)
{
	struct cursor c = cursor_make(in);
	struct ohttp_config config = { .id = cursor_u8(&c) };
	uint16_t kem = cursor_u16be(&c);

	if (in.len < ENTRY_MIN)
		return err_set(err, E_PARSE,
			       "ohttp-keys: an entry of %zu bytes", in.len);
	if (kem == HPKE_KEM_X25519) {
		struct slice pub = cursor_bytes(&c, HPKE_PUB_LEN);
		uint16_t n = cursor_u16be(&c);
		struct slice suites = cursor_bytes(&c, n);

		TRY(cursor_end(&c, "ohttp-keys: an entry", err));
		memcpy(config.pub, pub.p, HPKE_PUB_LEN);
		TRY(read_suites(suites, &config, err));
	}
	*out = config;
	return OK;
}

static enum status keep(struct ohttp_config *list, size_t max, size_t *n,
			const struct ohttp_config *config, struct err *err)
{
	for (size_t i = 0; i < *n; i++)
		if (list[i].id == config->id)
			return err_set(err, E_PARSE,
				       "ohttp-keys: two entries with id %u",
				       config->id);
	if (*n == max)
		return err_set(err, E_LIMIT,
			       "ohttp-keys: more than %zu entries", max);
	list[(*n)++] = *config;
	return OK;
}

enum status ohttp_keys_parse(struct slice in, struct ohttp_config *out,
			     size_t max, size_t *n, struct err *err)
{
	struct ohttp_config list[OHTTP_CONFIGS_MAX];
	struct cursor c = cursor_make(in);
	size_t found = 0;

	if (in.len > OHTTP_KEYS_MAX)
		return err_set(err, E_LIMIT,
			       "ohttp-keys: %zu bytes, want at most %d", in.len,
			       OHTTP_KEYS_MAX);
	if (in.len == 0)
		return err_set(err, E_PARSE, "ohttp-keys: no entry");
	if (max > countof(list))
		max = countof(list);
	while (c.rest.len > 0 && !c.bad) {
		struct ohttp_config config;
		uint16_t len = cursor_u16be(&c);
		struct slice entry = cursor_bytes(&c, len);

		if (c.bad)
			break;
		TRY(read_entry(entry, &config, err));
		if (config.n_suites > 0)
			TRY(keep(list, max, &found, &config, err));
	}
	TRY(cursor_end(&c, "ohttp-keys", err));
	memcpy(out, list, found * sizeof(list[0]));
	*n = found;
	return OK;
}

void ohttp_keys_put(struct buf *out, uint8_t id,
		    const uint8_t pub[static HPKE_PUB_LEN])
{
	uint16_t suites = 4 * countof(aeads);

	buf_put_u16be(out, (uint16_t)(ENTRY_MIN + HPKE_PUB_LEN + 2 + suites));
	buf_put_u8(out, id);
	buf_put_u16be(out, HPKE_KEM_X25519);
	buf_put(out, slice_make(pub, HPKE_PUB_LEN));
	buf_put_u16be(out, suites);
	for (size_t i = 0; i < countof(aeads); i++) {
		buf_put_u16be(out, HPKE_KDF_SHA256);
		buf_put_u16be(out, aeads[i]);
	}
}

enum status ohttp_keys_choose(const struct ohttp_config *configs, size_t n,
			      const struct ohttp_config **config,
			      uint16_t *aead, struct err *err)
{
	for (size_t a = 0; a < countof(aeads); a++)
		for (size_t i = 0; i < n; i++)
			if (lists(&configs[i], aeads[a])) {
				*config = &configs[i];
				*aead = aeads[a];
				return OK;
			}
	return err_set(err, E_NOTFOUND,
		       "ohttp-keys: no entry with X25519, HKDF-SHA256 and "
		       "AES-GCM");
}

void ohttp_key_from_ikm(const uint8_t ikm[static 32],
			uint8_t priv[static HPKE_PRIV_LEN],
			uint8_t pub[static HPKE_PUB_LEN])
{
	hpke_derive_keypair(slice_make(ikm, 32), priv, pub);
}
