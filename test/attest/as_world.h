/* An attestation service for tests: its three roles in processes of their
 * own, on the software TEE, and a worker that it would accept.  A test
 * changes one thing and looks what becomes of it. */
#ifndef CONFD_TEST_ATTEST_AS_WORLD_H
#define CONFD_TEST_ATTEST_AS_WORLD_H

#include "attest/keyset.h"
#include "attest/manifest.h"
#include "attest/policy.h"
#include "attest/tee/sim.h"
#include "attest/vault.h"
#include "core/identity.h"
#include "core/io/http_client.h"
#include "core/io/proc.h"
#include "test/test.h"

#define AS_SECRET "0123456789abcdef0123456789abcdef" /* static secret team-a */

struct as_world {
	struct loop *loop;
	struct buf root; /* of the software TEEs, PEM; also in root_path */
	char root_path[4200];
	struct sim_options options; /* of the worker's TEE */
	const uint8_t *trust;	    /* NULL, or a root for tests: 32 bytes */
	struct buf manifest_text;
	struct manifest *manifest; /* groups llama (policy p), other (q) */
	struct identity me;	   /* worker and operator */
	uint8_t spki[32];
	uint8_t priv[32]; /* secrets are sealed to it */
	struct buf keys;  /* the worker's key set */

	struct proc *proc[3];
	struct addr at; /* of the service */

	/* The last answer. */
	bool done;
	struct err err;
	unsigned status;
	char allow[64], type[64]; /* headers */
	struct buf body;
};

/* Everything but the service itself. */
void as_world_init(struct as_world *w);
void as_world_done(struct as_world *w);
#define auto_as_world __attribute__((cleanup(as_world_done)))

/* Have the manifest allow, before the service starts, machines of another
 * policy (its JSON) into the group "hardware". */
void as_world_hardware(struct as_world *w, const char *policy);

/* The AS's functions that cmd wires. */
extern const struct vault_groups as_world_groups;

/* Start one role ("judge", "keeper") on these descriptors, which stay the
 * caller's. */
struct proc *as_world_role(struct as_world *w, const char *role,
			   const char *store, const int *fds, size_t n);

/* Start all of it, with the state in store ("memory"); serves on return. */
bool as_world_start(struct as_world *w, const char *store);

/* A TLS connection that shows w->me, or nobody. */
struct http_client *as_world_connect(struct as_world *w, bool anonymous);

/* Ask and wait; the status, 0 when it failed.  The body is in w. */
unsigned as_world_ask(struct as_world *w, struct http_client *c,
		      const char *method, const char *target,
		      struct slice body);

/* The same with a Content-Type of the caller's; NULL: none. */
unsigned as_world_ask_as(struct as_world *w, struct http_client *c,
			 const char *method, const char *target,
			 const char *type, struct slice body);

/* Ask in the background; the answer is there with w->done. */
void as_world_begin(struct as_world *w, struct http_client *c,
		    const char *method, const char *target, struct slice body);

/* Let the loop run until w->done. */
void as_world_wait(struct as_world *w);

/* Whether the last answer was a problem document of this status and name. */
bool as_world_refused(const struct as_world *w, unsigned status,
		      const char *name);

/* The static secrets as an admin seals them, to a key and for a manifest. */
void as_world_seal(const uint8_t pub[static 32], const uint8_t *digest,
		   const char *json, struct buf *out);

/* Attest on c: the key set's hpke key. */
bool as_world_hpke(struct as_world *w, struct http_client *c,
		   uint8_t out[static 32]);

/* POST /v1/init as it should be; the status. */
unsigned as_world_set(struct as_world *w, struct http_client *c);

/* One registration, as it should be; a test spoils it before it is sent. */
struct attempt {
	struct statement statement;
	struct sim_options options;
	struct slice root;
	const char *group, *name;
	uint8_t nonce[32]; /* as sent */
	struct slice keys; /* the same */
	bool renew;
};

/* Get a nonce and fill in all for connection c. */
bool as_world_attempt(struct as_world *w, struct http_client *c,
		      struct attempt *a);

/* Append the bundle for it. */
void as_world_bundle(const struct attempt *a, struct buf *out);

/* Send it on c; the status. */
unsigned as_world_send(struct as_world *w, struct http_client *c,
		       const struct attempt *a);

/* The same with a bundle of the caller's. */
unsigned as_world_post(struct as_world *w, struct http_client *c,
		       const struct attempt *a, struct slice bundle);

/* A verdict for w->keys under w->manifest, in process. */
struct verdict *as_world_verdict(struct as_world *w, enum purpose purpose,
				 struct slice keys, const char *group);

#endif
