/* The keys that one proxy holds: those of its own worker group, as its worker
 * hands them over (core/keybox.h), each until its own end by the clock.
 *
 * Private keys lie in secret pages and are wiped when they end, are replaced,
 * or the lease does. */
#ifndef CONFD_PROXY_KEYRING_H
#define CONFD_PROXY_KEYRING_H

#include "core/keybox.h"

struct keyring;

struct keyring_key {
	uint64_t serial; /* names this key; never used for another one */
	uint8_t id;
	int64_t not_before, not_after; /* unix seconds; the end excluded */
	uint8_t pub[32];
	const uint8_t *priv; /* 32 bytes in secret pages of the ring */
};

/* An empty ring.  gone (may be NULL) is told the serial of each key that has
 * ended, when it has: requests under it are refused from then on. */
enum status keyring_new(void (*gone)(void *ctx, uint64_t serial), void *ctx,
			struct keyring **out, struct err *err);
void keyring_free(struct keyring *k);
static inline void keyring_freep(struct keyring **k)
{
	keyring_free(*k);
}
#define auto_keyring __attribute__((cleanup(keyring_freep)))

/* Replace what is in the ring by a message of the worker (the layout of
 * core/keybox.h).  A key that stays (same id, same private key) keeps its
 * serial.  On failure the ring is as it was.
 *
 * E_PARSE	not of that layout.
 * E_CONFLICT	an older revision than the one that is in. */
enum status keyring_load(struct keyring *k, struct slice message,
			 struct err *err);

/* The key of this id that is valid now; NULL when there is none.  Valid until
 * the ring changes. */
const struct keyring_key *keyring_find(const struct keyring *k, uint8_t id,
				       int64_t now);

/* The static secret of this name; p is NULL when there is none.  Valid until
 * the ring changes. */
struct slice keyring_static(const struct keyring *k, struct slice name);

/* Append the public side (application/ohttp-keys) of the keys valid now, the
 * one that ends last first.  E_NOTFOUND when there is none. */
enum status keyring_configs(const struct keyring *k, int64_t now,
			    struct buf *out, struct err *err);

/* Wipe the keys that have ended; returns how many are left that are valid now
 * or will be. */
size_t keyring_expire(struct keyring *k, int64_t now);

/* Wipe everything: the lease ended, or the process does.  The revision is
 * kept. */
void keyring_wipe(struct keyring *k);

/* The revision of the last keyring_load; 0 before the first. */
uint64_t keyring_revision(const struct keyring *k);

#endif
