/* What was used once, so that it is not used again.
 *
 * Keeps a 128-bit digest (SHA-256 keyed with a secret of the process, cut) of
 * each nonce, such as the enc of an encapsulated request, apart for each key
 * that it came under; forgets all of a key at once when the key ends, and
 * nothing before.  Memory is bounded: when the bound is reached further
 * nonces are refused, never forgotten. */
#ifndef CONFD_PROXY_REPLAY_H
#define CONFD_PROXY_REPLAY_H

#include "core/slice.h"

#define REPLAY_KEYS_MAX 32

struct replay;

/* max: entries over all keys; 0: one million.  An entry takes 21 to 43 bytes;
 * nothing is allocated before it is used. */
enum status replay_new(size_t max, struct replay **out, struct err *err);
void replay_free(struct replay *r);
static inline void replay_freep(struct replay **r)
{
	replay_free(*r);
}
#define auto_replay __attribute__((cleanup(replay_freep)))

/* Remember nonce (any bytes) under key, any number that names a key and is
 * never given to another one (struct keyring_key has it as serial).
 *
 * E_CONFLICT	it was there already.
 * E_LIMIT	it was not, but there is no room for it, or for one more key
 *		than REPLAY_KEYS_MAX: to be refused, and tried again later. */
enum status replay_check_and_add(struct replay *r, uint64_t key,
				 struct slice nonce, struct err *err);

/* The key ended; requests under it must be refused from now on. */
void replay_forget(struct replay *r, uint64_t key);

/* Entries now, over all keys. */
size_t replay_count(const struct replay *r);

#endif
