/* The secrets of an attestation service, and who may have them.
 *
 * Lives in the keeper process only.  A 32-byte seed is the root; everything
 * else is HKDF-SHA256(seed, info) with info = the length-prefixed fields
 * ("confd", purpose, group, path, epoch in decimal).  The mesh CA's key is
 * random, so that who has the seed cannot forge mesh certificates.  Nothing
 * is released without a verdict of policy.h.
 *
 * Group keys (wire v2): one an hour (epoch = unix time / 3600), each valid
 * from ten minutes before its hour to one hour behind it. */
#ifndef CONFD_ATTEST_VAULT_H
#define CONFD_ATTEST_VAULT_H

#include "attest/keyset.h"
#include "attest/manifest.h"
#include "attest/policy.h"
#include "core/secret.h"

#define VAULT_EPOCH 3600 /* seconds */
#define VAULT_EARLY 600	 /* seconds that a key is there before its hour */
#define VAULT_STATE_MAX (2u << 20)
#define VAULT_SECRETS_INFO "confd-worker-secrets-v1"
#define VAULT_INIT_INFO "confd-init-secrets-v1"

/* How group keys are made and published; wired by cmd from proxy/ohttp. */
struct vault_groups {
	void (*keypair)(const uint8_t ikm[static 32], uint8_t priv[static 32],
			uint8_t pub[static 32]);
	void (*put_config)(struct buf *out, uint8_t id,
			   const uint8_t pub[static 32]);
};

struct vault;

/* Empty: it has only the key pair to which admins seal secrets, made anew by
 * each process. */
enum status vault_new(const struct vault_groups *groups, struct vault **out,
		      struct err *err);
void vault_free(struct vault *v);
static inline void vault_freep(struct vault **v)
{
	vault_free(*v);
}
#define auto_vault __attribute__((cleanup(vault_freep)))

/* Set the first manifest and the static secrets, sealed by the admin to our
 * key (empty: none), as {"NAME":"<base64>",...} with exactly the names of
 * secrets.static.  All or nothing.
 *
 * E_CONFLICT	initialised already.
 * E_CONF	the manifest, or the names of the secrets.
 * E_CRYPTO	the secrets are not sealed to our key and this manifest. */
enum status vault_init(struct vault *v, struct slice manifest,
		       struct slice secrets, int64_t now, struct err *err);

/* Undo vault_init, for when it could not be stored. */
void vault_reset(struct vault *v);

/* The manifest in force; NULL before vault_init. */
const struct manifest *vault_manifest(const struct vault *v);

/* Append the key set as published at this time: canonical text. */
enum status vault_keyset(struct vault *v, int64_t now, struct buf *out,
			 struct err *err);

/* The first second at which vault_keyset changes by itself. */
int64_t vault_keyset_until(int64_t now);

/* Append what the worker group gets: group keys and static secrets, sealed to
 * the worker's key.
 *
 * verdict	of purpose worker, under the manifest in force.
 * group	one whose policies have the one that accepted.  Evidence does
 *		not name a group: who meets a policy may be in any that has it.
 * keys		the worker's key set, whose digest the verdict names.
 * statement	SHA-256 of the statement's bytes: the sealing's aad.
 * E_POLICY	the verdict is for something else; nothing is released. */
enum status vault_release(struct vault *v, const struct verdict *verdict,
			  struct slice group, struct slice keys,
			  const uint8_t statement[static 32], int64_t now,
			  struct buf *out, struct err *err);

/* Append mesh leaf and mesh CA (PEM) for the TLS key in the worker's key set;
 * conditions as vault_release.  name: a name of ours. */
enum status vault_certify(struct vault *v, const struct verdict *verdict,
			  struct slice keys, const char *name, int64_t now,
			  struct buf *out, struct err *err);

/* Everything that must survive a restart, in a form of our own, appended; it
 * is secret, and sealed by the caller.  The vault has to be initialised.
 * vault_unpack fills an empty vault, all or nothing; E_PARSE, or as the
 * parser of a part. */
enum status vault_pack(const struct vault *v, struct buf *out, struct err *err);
enum status vault_unpack(struct vault *v, struct slice in, struct err *err);

#endif
