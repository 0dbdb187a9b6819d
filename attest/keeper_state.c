#include "attest/keeper_state.h"

#include "core/cleanup.h"
#include "core/crypto.h"

#define STATE_KEY "state"
#define SEALED_VERSION 1

/* Binds a sealed value to its place and age: "confd-store-v1" 0x00 key 0x00
 * revision. */
static void put_aad(struct buf *out, uint64_t revision)
{
	buf_put(out, S("confd-store-v1"));
	buf_put_u8(out, 0);
	buf_put_str(out, STATE_KEY);
	buf_put_u8(out, 0);
	buf_put_u64be(out, revision);
}

/* u8 version, u64 revision, 12 IV, ciphertext and tag. */
static enum status seal(struct keeper_state *s, struct slice plain,
			uint64_t revision, struct buf *out, struct err *err)
{
	auto_gcm struct gcm *gcm = NULL;
	auto_buf struct buf aad = buf_make(128);
	uint8_t iv[GCM_IV_LEN];

	TRY(gcm_new(secret_slice(s->sealing), &gcm, err));
	put_aad(&aad, revision);
	crypto_random(iv, sizeof(iv));
	buf_put_u8(out, SEALED_VERSION);
	buf_put_u64be(out, revision);
	buf_put(out, slice_of(iv));
	uint8_t *room = buf_room(out, plain.len + GCM_TAG_LEN);
	TRY(buf_check(out, "sealed state", err));
	gcm_seal(gcm, iv, buf_slice(&aad), plain, room);
	buf_grow(out, plain.len + GCM_TAG_LEN);
	return OK;
}

static enum status unseal(struct keeper_state *s, struct slice in,
			  struct buf *plain, struct err *err)
{
	auto_gcm struct gcm *gcm = NULL;
	auto_buf struct buf aad = buf_make(128);
	struct cursor c = cursor_make(in);
	uint8_t version = cursor_u8(&c);
	uint64_t revision = cursor_u64be(&c);
	struct slice iv = cursor_bytes(&c, GCM_IV_LEN);

	if (c.bad || version != SEALED_VERSION || c.rest.len < GCM_TAG_LEN)
		return err_set(err, E_PARSE,
			       "stored state: %zu bytes that begin with %u, "
			       "expected version %d and a sealed state",
			       in.len, version, SEALED_VERSION);
	TRY(gcm_new(secret_slice(s->sealing), &gcm, err));
	put_aad(&aad, revision);
	uint8_t *room = buf_room(plain, c.rest.len - GCM_TAG_LEN);
	TRY(buf_check(plain, "stored state", err));
	TRY(gcm_open(gcm, iv.p, buf_slice(&aad), c.rest, room, err));
	buf_grow(plain, c.rest.len - GCM_TAG_LEN);
	s->revision = revision;
	return OK;
}

static enum status unpack(struct keeper_state *s, struct slice in,
			  struct err *err)
{
	struct cursor c = cursor_make(in);

	releaselog_unpack(&s->log, &c);
	s->chain.length = cursor_u64be(&c);
	struct slice head = cursor_bytes(&c, sizeof(s->chain.head));
	if (c.bad)
		return cursor_end(&c, "stored state", err);
	memcpy(s->chain.head, head.p, sizeof(s->chain.head));
	return vault_unpack(s->vault, c.rest, err);
}

/* The TEE's sealing key; none is no failure. */
static enum status take_sealing_key(struct keeper_state *s,
				    struct tee_device *tee, struct err *err)
{
	TRY(secret_new(32, &s->sealing, err));
	enum status st =
		tee_device_seal_key(tee, secret_bytes(s->sealing), err);
	if (st != OK) {
		secret_free(take(s->sealing));
		return st == E_NOTFOUND ? OK : st;
	}
	return OK;
}

enum status keeper_state_open(struct keeper_state *s, const char *url,
			      struct tee_device *tee, struct err *err)
{
	auto_buf struct buf sealed = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf plain = buf_make(STORE_VALUE_MAX);

	if (strcmp(url, "memory") == 0)
		return OK;
	TRY(store_open(url, &s->store, err));
	TRY(take_sealing_key(s, tee, err));
	enum status st = store_get(s->store, STATE_KEY, &sealed, err);
	if (st == E_NOTFOUND)
		return OK;
	TRY(st);
	st = s->sealing == NULL
		     ? err_set(err, E_NOTFOUND, "this TEE has no sealing key")
		     : unseal(s, buf_slice(&sealed), &plain, err);
	if (st == OK)
		return unpack(s, buf_slice(&plain), err);
	s->sealed = true;
	s->why_sealed = *err;
	return OK;
}

enum status keeper_state_save(struct keeper_state *s, struct err *err)
{
	auto_buf struct buf plain = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf sealed = buf_make(STORE_VALUE_MAX);

	if (s->store == NULL || s->sealing == NULL)
		return OK;
	releaselog_pack(&s->log, &plain);
	buf_put_u64be(&plain, s->chain.length);
	buf_put(&plain, slice_of(s->chain.head));
	TRY(vault_pack(s->vault, &plain, err));
	TRY(seal(s, buf_slice(&plain), s->revision + 1, &sealed, err));
	TRY(store_put(s->store, STATE_KEY, buf_slice(&sealed), err));
	s->revision++;
	return OK;
}

void keeper_state_forget(struct keeper_state *s)
{
	struct err ignored; /* most often there is nothing to remove */

	if (s->store != NULL)
		(void)store_delete(s->store, STATE_KEY, &ignored);
}

void keeper_state_done(struct keeper_state *s)
{
	vault_free(s->vault);
	store_free(s->store);
	secret_free(s->sealing);
	*s = (struct keeper_state){ 0 };
}

enum service_state keeper_state_name(const struct keeper_state *s)
{
	if (s->sealed)
		return STATE_SEALED;
	return vault_manifest(s->vault) != NULL ? STATE_SERVING
						: STATE_UNINITIALIZED;
}
