/* An attestation service of the test's own process, in which one thing is
 * wrong; and a relay in front of a genuine one. */
#ifndef CONFD_TEST_ATTEST_AS_FAKE_H
#define CONFD_TEST_ATTEST_AS_FAKE_H

#include "core/io/http_server.h"
#include "core/io/tls.h"
#include "test/attest/as_world.h"

/* What a fake shows; spoil() changes it before it is signed or sent. */
struct as_shown {
	struct statement statement;
	struct sim_options options;
	struct slice root;
	struct buf keys;   /* key set, as sent */
	const char *state; /* as sent */
	uint8_t digest[32], head[32];
	bool has_manifest;	/* as sent */
	const char *raw_bundle; /* in place of the evidence; NULL: none */
	const char *raw_answer; /* in place of all; NULL: none */
};

struct as_fake {
	struct as_world *w;
	struct identity id;
	struct tls *tls;
	struct listener *listener;
	struct http_server *server;
	void (*spoil)(struct as_shown *s);
	bool serving;		   /* it claims to have w->manifest in force */
	bool silent;		   /* it accepts, and says nothing */
	struct buf manifest;	   /* what GET /v1/manifest gives */
	unsigned attested, others; /* requests */
	struct relay *relays;
	struct addr at;
};

/* A fake that serves at f->at, in w's loop. */
void as_fake_init(struct as_fake *f, struct as_world *w);
/* A relay to w->at that terminates TLS with its own key. */
void as_fake_relay(struct as_fake *f, struct as_world *w);
void as_fake_done(struct as_fake *f);
#define auto_as_fake __attribute__((cleanup(as_fake_done)))

#endif
