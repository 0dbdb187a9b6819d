/* Who holds keys and until when; and the nonces that were given out. */
#ifndef CONFD_ATTEST_LEASES_H
#define CONFD_ATTEST_LEASES_H

#include "core/json.h"

#define LEASES_MAX 6000 /* their list fits a message (attest/messages.h) */
#define LEASES_NAME_SIZE 65
#define NONCES_MAX 4096

struct lease {
	char id[33]; /* hex */
	char name[LEASES_NAME_SIZE];
	char group[LEASES_NAME_SIZE];
	char policy[LEASES_NAME_SIZE];
	char tee[16];
	uint8_t spki[32]; /* of the worker's TLS key */
	int64_t expires;  /* unix seconds */
};

struct leases;
struct leases *leases_new(void);
void leases_free(struct leases *l);

/* The live lease of this key and group, or NULL.  Borrowed until the next
 * change. */
const struct lease *leases_find(struct leases *l, const uint8_t spki[static 32],
				struct slice group, int64_t now);

/* Give a lease, in place of the one of the same key and group, whose id stays;
 * otherwise an id is made.  Live ones are never dropped: E_UNAVAIL when there
 * are LEASES_MAX. */
enum status leases_grant(struct leases *l, const struct lease *grant,
			 int64_t now, const struct lease **out,
			 struct err *err);

/* The live ones, as a JSON array of objects. */
void leases_write(struct leases *l, int64_t now, struct json_out *w);

/* Nonces: single use, for NONCE_SECONDS.  However many are issued, none is
 * forgotten; of those used the last NONCES_MAX are known, which is enough, since
 * evidence is bound to its connection besides. */
struct nonces;
struct nonces *nonces_new(void);
void nonces_free(struct nonces *n);
void nonces_issue(struct nonces *n, int64_t now_ms, uint8_t out[static 32]);

/* True once for a nonce that was issued and is not too old. */
bool nonces_use(struct nonces *n, int64_t now_ms,
		const uint8_t nonce[static 32]);

#endif
