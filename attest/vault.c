#include "attest/vault.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/hpke.h"
#include "core/json.h"
#include "core/keybox.h"
#include "core/text.h"
#include "core/x509.h"

#define SEED_LEN 32
#define STATE_VERSION 1
#define CA_YEARS 10
#define CLOCK_SLACK 3600 /* seconds that a peer's clock may be behind */
#define SECRET_MIN 16	 /* bytes of a static secret */

struct vault {
	struct vault_groups groups;
	struct secret *hpke_priv; /* of this process */
	uint8_t hpke_pub[HPKE_PUB_LEN];
	struct manifest *manifest; /* NULL: not initialised */
	struct secret *seed;
	struct keypair *ca_key;
	struct x509 *ca;
	struct keybox *statics; /* its static part only */
	uint64_t revision;
};

enum status vault_new(const struct vault_groups *groups, struct vault **out,
		      struct err *err)
{
	auto_vault struct vault *v = mem_must(sizeof(*v));
	auto_secret struct secret *ikm = NULL;

	v->groups = *groups;
	TRY(secret_random(32, &ikm, err));
	TRY(secret_new(HPKE_PRIV_LEN, &v->hpke_priv, err));
	hpke_derive_keypair(secret_slice(ikm), secret_bytes(v->hpke_priv),
			    v->hpke_pub);
	*out = take(v);
	return OK;
}

void vault_reset(struct vault *v)
{
	manifest_free(take(v->manifest));
	secret_free(take(v->seed));
	keypair_free(take(v->ca_key));
	x509_free(take(v->ca));
	keybox_free(take(v->statics));
}

void vault_free(struct vault *v)
{
	if (v == NULL)
		return;
	vault_reset(v);
	secret_free(v->hpke_priv);
	mem_free(v);
}

const struct manifest *vault_manifest(const struct vault *v)
{
	return v->manifest;
}

/* ---- initialising ------------------------------------------------------- */

/* The mesh CA of this generation: a random key and its certificate. */
static enum status make_ca(int64_t now, struct keypair **key,
			   struct x509 **cert, struct err *err)
{
	auto_keypair struct keypair *k = NULL;
	auto_buf struct buf spki = buf_make(1024);
	auto_buf struct buf der = buf_make(KEYSET_CERT_MAX);
	struct x509_template t = {
		.common_name = "confd mesh CA",
		.not_before = now - CLOCK_SLACK,
		.not_after = now + (int64_t)CA_YEARS * 365 * 86400,
		.ca = true,
	};

	/* As strong as the other keys, and checked at every connection. */
	TRY(keypair_new(KEY_P256, &k, err));
	TRY(keypair_spki(k, &spki, err));
	TRY(x509_sign(&t, buf_slice(&spki), NULL, k, &der, err));
	TRY(x509_parse(buf_slice(&der), cert, err));
	*key = take(k);
	return OK;
}

static enum status take_static(const struct manifest *m, const struct json *j,
			       const struct json *root, struct keybox *box,
			       struct err *err)
{
	struct slice name = json_name(j);
	struct keybox_static *s = &box->statics[box->n_statics];
	auto_buf struct buf value = buf_make(KEYBOX_VALUE_MAX);

	if (!manifest_strings_have(&m->static_secrets, name) ||
	    name.len >= sizeof(s->name) || box->n_statics == KEYBOX_STATIC_MAX)
		return err_set(err, E_CONF,
			       "secret '%.*s' is not in the manifest's "
			       "secrets.static",
			       SLICE_FMT(name));
	memcpy(s->name, name.p, name.len);
	TRY(json_want_base64(root, s->name, &value, err));
	if (value.len < SECRET_MIN)
		return err_set(err, E_CONF,
			       "secret '%s': %zu bytes, expected %d to %d",
			       s->name, value.len, SECRET_MIN,
			       KEYBOX_VALUE_MAX);
	memcpy(s->value, buf_slice(&value).p, value.len);
	s->len = value.len;
	box->n_statics++;
	return OK;
}

static enum status open_statics(const struct vault *v, const struct manifest *m,
				struct slice sealed, struct secret **plain,
				struct err *err)
{
	if (hpke_open_from(secret_slice(v->hpke_priv).p, S(VAULT_INIT_INFO),
			   slice_of(m->digest), sealed, plain, err) == OK)
		return OK;
	return err_set(err, E_CRYPTO,
		       "secrets: not sealed to this service's key and for this "
		       "manifest; the key is made anew at each start, so seal "
		       "them again");
}

/* Exactly the secrets that the manifest names. */
static enum status take_statics(const struct vault *v, const struct manifest *m,
				struct slice sealed, struct keybox *box,
				struct err *err)
{
	auto_secret struct secret *plain = NULL;
	auto_json struct json *root = NULL;

	if (sealed.len > 0) {
		TRY(open_statics(v, m, sealed, &plain, err));
		TRY(json_parse(secret_slice(plain), &root, err));
		TRY(json_want(root, JSON_OBJECT, err));
		for (const struct json *j = json_first(root); j != NULL;
		     j = json_next(j))
			TRY(take_static(m, j, root, box, err));
	}
	if (box->n_statics != m->static_secrets.n)
		return err_set(err, E_CONF,
			       "the manifest names %zu static secrets, %zu "
			       "came",
			       m->static_secrets.n, box->n_statics);
	return OK;
}

enum status vault_init(struct vault *v, struct slice manifest,
		       struct slice secrets, int64_t now, struct err *err)
{
	auto_manifest struct manifest *m = NULL;
	auto_keybox struct keybox *statics = NULL;
	auto_keypair struct keypair *ca_key = NULL;
	auto_x509 struct x509 *ca = NULL;

	if (v->manifest != NULL)
		return err_set(err, E_CONFLICT,
			       "this attestation service is initialized "
			       "already");
	TRY(manifest_parse(manifest, "manifest", &m, err));
	TRY(manifest_check(m, err));
	if (m->n_workers > KEYSET_GROUPS_MAX)
		return err_set(err, E_CONF,
			       "workers: %zu groups, expected at most %d: a "
			       "key set has no room for more",
			       m->n_workers, KEYSET_GROUPS_MAX);
	TRY(keybox_new(&statics, err));
	TRY(take_statics(v, m, secrets, statics, err));
	TRY(make_ca(now, &ca_key, &ca, err));
	TRY(secret_random(SEED_LEN, &v->seed, err));

	v->manifest = take(m);
	v->statics = take(statics);
	v->ca_key = take(ca_key);
	v->ca = take(ca);
	return OK;
}

/* ---- deriving ----------------------------------------------------------- */

static void derive(const struct vault *v, const char *purpose,
		   struct slice group, const char *path, uint64_t epoch,
		   uint8_t out[static 32])
{
	auto_buf struct buf info = buf_make(1024);
	uint8_t prk[32];
	char number[24];

	(void)snprintf(number, sizeof(number), "%llu",
		       (unsigned long long)epoch);
	buf_put_field(&info, S("confd"));
	buf_put_field(&info, slice_str(purpose));
	buf_put_field(&info, group);
	buf_put_field(&info, slice_str(path));
	buf_put_field(&info, slice_str(number));
	hkdf_extract(S(""), secret_slice(v->seed), prk);
	hkdf_expand(slice_of(prk), buf_slice(&info), out, 32);
	explicit_bzero(prk, sizeof(prk));
}

static uint64_t epoch_of(int64_t now)
{
	return (uint64_t)now / VAULT_EPOCH;
}

/* The group's key of an epoch. */
static void group_key(const struct vault *v, struct slice group, uint64_t epoch,
		      struct keybox_key *out, uint8_t pub[static 32])
{
	uint8_t ikm[32];

	derive(v, "ohttp", group, "", epoch, ikm);
	out->id = (uint8_t)(epoch & 0xff);
	out->not_before = (int64_t)epoch * VAULT_EPOCH - VAULT_EARLY;
	out->not_after = (int64_t)(epoch + 2) * VAULT_EPOCH;
	v->groups.keypair(ikm, out->priv, pub);
	explicit_bzero(ikm, sizeof(ikm));
}

/* Append the configuration of one epoch's key. */
static void put_config(const struct vault *v, struct slice group,
		       uint64_t epoch, struct buf *out)
{
	struct keybox_key key;
	uint8_t pub[32];

	group_key(v, group, epoch, &key, pub);
	v->groups.put_config(out, key.id, pub);
	explicit_bzero(&key, sizeof(key));
}

/* ---- publishing --------------------------------------------------------- */

static bool next_is_early(int64_t now)
{
	return now % VAULT_EPOCH >= VAULT_EPOCH - VAULT_EARLY;
}

int64_t vault_keyset_until(int64_t now)
{
	int64_t hour = now - now % VAULT_EPOCH;

	return next_is_early(now) ? hour + VAULT_EPOCH
				  : hour + VAULT_EPOCH - VAULT_EARLY;
}

static enum status add_groups(const struct vault *v, int64_t now,
			      struct keyset_as *k, struct err *err)
{
	uint64_t epoch = epoch_of(now);

	for (size_t i = 0; i < v->manifest->n_workers; i++) {
		struct slice group = slice_str(v->manifest->worker[i].name);
		auto_buf struct buf configs = buf_make(KEYSET_OHTTP_MAX);

		put_config(v, group, epoch, &configs);
		if (next_is_early(now))
			put_config(v, group, epoch + 1, &configs);
		TRY(keyset_as_add(k, group, buf_slice(&configs), err));
	}
	return OK;
}

enum status vault_keyset(struct vault *v, int64_t now, struct buf *out,
			 struct err *err)
{
	auto_keyset_as struct keyset_as k;

	keyset_as_init(&k);
	memcpy(k.hpke, v->hpke_pub, sizeof(k.hpke));
	if (v->manifest != NULL) {
		k.mesh_ca = buf_make(KEYSET_CERT_MAX);
		buf_put(&k.mesh_ca, x509_der(v->ca));
		TRY(add_groups(v, now, &k, err));
	}
	return keyset_as_write(&k, out, err);
}

/* ---- releasing ---------------------------------------------------------- */

/* The verdict must be one for a worker, under the manifest in force, that
 * names this key set; which is then read. */
static enum status check_verdict(const struct vault *v,
				 const struct verdict *verdict,
				 struct slice keys, struct keyset_worker *out,
				 struct err *err)
{
	uint8_t digest[32];

	if (!verdict_valid(verdict) || v->manifest == NULL ||
	    verdict_purpose(verdict) != PURPOSE_WORKER ||
	    memcmp(verdict_manifest(verdict), v->manifest->digest, 32) != 0)
		return err_set(err, E_POLICY,
			       "no verdict for a worker under the manifest in "
			       "force");
	keyset_digest(keys, digest);
	if (memcmp(verdict_keys(verdict), digest, 32) != 0)
		return err_set(err, E_POLICY,
			       "the verdict is for another key set");
	return keyset_worker_parse(keys, out, err);
}

/* The policy that accepted must be one of the group. */
static enum status check_group(const struct vault *v,
			       const struct verdict *verdict,
			       struct slice group, struct err *err)
{
	const struct manifest_worker *w =
		manifest_find_worker(v->manifest, group);

	if (w == NULL ||
	    !manifest_strings_have(&w->policies,
				   slice_str(verdict_policy(verdict))))
		return err_set(err, E_POLICY,
			       "the verdict is not for group '%.*s'",
			       SLICE_FMT(group));
	return OK;
}

static void fill_box(struct vault *v, struct slice group, int64_t now,
		     struct keybox *box)
{
	uint64_t epoch = epoch_of(now);
	uint8_t pub[32];

	/* Later releases must be later revisions, also across restarts. */
	uint64_t revision = (uint64_t)now << 16;
	v->revision = revision > v->revision ? revision : v->revision + 1;
	box->revision = v->revision;
	for (uint64_t e = epoch - 1; e <= epoch + 1; e++)
		group_key(v, group, e, &box->keys[box->n_keys++], pub);
	memcpy(box->statics, v->statics->statics, sizeof(box->statics));
	box->n_statics = v->statics->n_statics;
}

enum status vault_release(struct vault *v, const struct verdict *verdict,
			  struct slice group, struct slice keys,
			  const uint8_t statement[static 32], int64_t now,
			  struct buf *out, struct err *err)
{
	auto_keyset_worker struct keyset_worker k;
	auto_keybox struct keybox *box = NULL;
	auto_buf struct buf plain = buf_make(64u << 10);

	keyset_worker_init(&k);
	TRY(check_verdict(v, verdict, keys, &k, err));
	TRY(check_group(v, verdict, group, err));
	TRY(keybox_new(&box, err));
	fill_box(v, group, now, box);
	keybox_write(box, &plain);
	TRY(buf_check(&plain, "key box", err));
	return hpke_seal_to(k.hpke, S(VAULT_SECRETS_INFO),
			    slice_make(statement, 32), buf_slice(&plain), out,
			    err);
}

enum status vault_certify(struct vault *v, const struct verdict *verdict,
			  struct slice keys, const char *name, int64_t now,
			  struct buf *out, struct err *err)
{
	auto_keyset_worker struct keyset_worker k;
	auto_buf struct buf der = buf_make(KEYSET_CERT_MAX);
	struct x509_template t = {
		.common_name = name,
		.not_before = now - CLOCK_SLACK,
		.server = true,
		.client = true,
	};

	keyset_worker_init(&k);
	TRY(check_verdict(v, verdict, keys, &k, err));
	t.not_after = now + v->manifest->lease_certificate;
	TRY(x509_sign(&t, buf_slice(&k.tls), v->ca, v->ca_key, &der, err));
	x509_pem(buf_slice(&der), out);
	x509_pem(x509_der(v->ca), out);
	return buf_check(out, "certificate", err);
}

/* ---- surviving ---------------------------------------------------------- */

/* u8 version, fields: manifest text, seed, CA key PEM, CA DER, key box with
 * the static secrets. */
enum status vault_pack(const struct vault *v, struct buf *out, struct err *err)
{
	auto_buf struct buf key = buf_make(4096);
	auto_buf struct buf box = buf_make(64u << 10);

	TRY(keypair_pem(v->ca_key, &key, err));
	keybox_write(v->statics, &box);
	buf_put_u8(out, STATE_VERSION);
	buf_put_field(out, buf_slice(&v->manifest->text));
	buf_put_field(out, secret_slice(v->seed));
	buf_put_field(out, buf_slice(&key));
	buf_put_field(out, x509_der(v->ca));
	buf_put_field(out, buf_slice(&box));
	return buf_check(out, "sealed state", err);
}

static enum status unpack(struct vault *v, struct slice in, struct err *err)
{
	struct cursor c = cursor_make(in);
	uint8_t version = cursor_u8(&c);
	struct slice manifest = cursor_field(&c);
	struct slice seed = cursor_field(&c);
	struct slice key = cursor_field(&c);
	struct slice ca = cursor_field(&c);
	struct slice box = cursor_field(&c);

	if (version != STATE_VERSION)
		return err_set(err, E_PARSE,
			       "sealed state: version %u, expected %d", version,
			       STATE_VERSION);
	TRY(cursor_end(&c, "sealed state", err));
	if (seed.len != SEED_LEN)
		return err_set(err, E_PARSE,
			       "sealed state: a seed of %zu bytes, expected %d",
			       seed.len, SEED_LEN);
	TRY(keybox_new(&v->statics, err));
	TRY(keybox_read(box, v->statics, err));
	TRY(secret_copy(seed, &v->seed, err));
	TRY(keypair_parse(key, &v->ca_key, err));
	TRY(x509_parse(ca, &v->ca, err));
	return manifest_parse(manifest, "sealed manifest", &v->manifest, err);
}

enum status vault_unpack(struct vault *v, struct slice in, struct err *err)
{
	enum status st = unpack(v, in, err);

	if (st != OK)
		vault_reset(v); /* no half of it stays */
	return st;
}
