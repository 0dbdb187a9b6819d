/* Published key sets: the public keys that a statement binds by SHA-256.
 *
 * Canonical JSON: fixed members in order, no white space, groups sorted by
 * name.  Who got one hashes the bytes that came (keyset_digest), compares
 * with the statement, and only then reads them.  Form: confd-attest(7),
 * KEY SETS. */
#ifndef CONFD_ATTEST_KEYSET_H
#define CONFD_ATTEST_KEYSET_H

#include "core/buf.h"

#define KEYSET_MAX (512u << 10) /* bytes of the JSON text */
#define KEYSET_GROUPS_MAX 64	/* worker groups in one set */
#define KEYSET_CERT_MAX 8192	/* bytes of a certificate or key, DER */
#define KEYSET_OHTTP_MAX 4096	/* bytes of one application/ohttp-keys */

/* One worker group's keys for v2. */
struct keyset_group {
	char name[65];	  /* a name of ours */
	struct buf ohttp; /* application/ohttp-keys, 1 to KEYSET_OHTTP_MAX */
};

/* Of an attestation service. */
struct keyset_as {
	uint8_t hpke[32];   /* X25519 public key */
	struct buf mesh_ca; /* DER certificate; empty before init */
	size_t n_groups;
	struct keyset_group *group; /* sorted by name; none before init */
};

/* Of a worker. */
struct keyset_worker {
	uint8_t hpke[32]; /* X25519 public key: its secrets are sealed to it */
	struct buf tls;	  /* DER SubjectPublicKeyInfo for its certificate */
};

/* An empty set; allocates nothing. */
void keyset_as_init(struct keyset_as *k);
void keyset_as_done(struct keyset_as *k);
#define auto_keyset_as __attribute__((cleanup(keyset_as_done)))
void keyset_worker_init(struct keyset_worker *k);
void keyset_worker_done(struct keyset_worker *k);
#define auto_keyset_worker __attribute__((cleanup(keyset_worker_done)))

/* Add a group, or replace its keys; copies.  E_PARSE for what is no name or
 * for no keys, E_LIMIT for too many groups or too long keys. */
enum status keyset_as_add(struct keyset_as *k, struct slice name,
			  struct slice ohttp, struct err *err);

/* The keys of a group, until k changes; empty when there is none. */
struct slice keyset_as_ohttp(const struct keyset_as *k, struct slice name);

/* Append the canonical text.  E_LIMIT when it does not fit out or
 * KEYSET_MAX, E_PARSE when a member is not what its comment says. */
enum status keyset_as_write(const struct keyset_as *k, struct buf *out,
			    struct err *err);
enum status keyset_worker_write(const struct keyset_worker *k, struct buf *out,
				struct err *err);

/* Read exactly what the writer makes of the same values; any other byte is
 * E_PARSE, more than a cap E_LIMIT.  in is untrusted; *out, which must be
 * done or never used, is written only on OK and then the caller's to done.
 * Certificates and keys inside are bytes here: who uses one parses it. */
enum status keyset_as_parse(struct slice in, struct keyset_as *out,
			    struct err *err);
enum status keyset_worker_parse(struct slice in, struct keyset_worker *out,
				struct err *err);

/* SHA-256 of the text: `keys` of a statement. */
void keyset_digest(struct slice text, uint8_t out[static 32]);

#endif
