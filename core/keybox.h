/* The keys that the attestation service releases to a worker group, as they
 * travel (sealed) from its keeper to the worker and on to the proxies.
 *
 * Layout, all integers big-endian: u8 version (1), u64 revision, u16 number of
 * group keys, each: u8 key id, u64 not_before, u64 not_after (unix seconds),
 * 32 bytes private key (X25519); u16 number of static secrets, each: field
 * name, field value (core/buf fields: u32 length, bytes). */
#ifndef CONFD_CORE_KEYBOX_H
#define CONFD_CORE_KEYBOX_H

#include "core/buf.h"
#include "core/secret.h"

#define KEYBOX_KEYS_MAX 8
#define KEYBOX_STATIC_MAX 64
#define KEYBOX_VALUE_MAX 64 /* bytes of a static secret */

struct keybox_key {
	uint8_t id;
	int64_t not_before, not_after;
	uint8_t priv[32];
};

struct keybox_static {
	char name[65];
	uint8_t value[KEYBOX_VALUE_MAX];
	size_t len;
};

struct keybox {
	struct secret *pages; /* private: where this struct lies */
	uint64_t revision;
	struct keybox_key keys[KEYBOX_KEYS_MAX];
	size_t n_keys;
	struct keybox_static statics[KEYBOX_STATIC_MAX];
	size_t n_statics;
};

/* A box on secret pages (locked, wiped on free). */
enum status keybox_new(struct keybox **out, struct err *err);
void keybox_free(struct keybox *box);
static inline void keybox_freep(struct keybox **b)
{
	keybox_free(*b);
}
#define auto_keybox __attribute__((cleanup(keybox_freep)))

/* Append the layout; out is wiped by its owner (buf does). */
void keybox_write(const struct keybox *box, struct buf *out);

/* Strict: known version, counts within bounds, distinct ids and names,
 * not_before < not_after, no trailing bytes.  E_PARSE. */
enum status keybox_read(struct slice in, struct keybox *out, struct err *err);

#endif
