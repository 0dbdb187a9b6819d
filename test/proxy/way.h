/* The whole way: a local program, the tunnel, the endpoint, the model. */
#ifndef CONFD_TEST_PROXY_WAY_H
#define CONFD_TEST_PROXY_WAY_H

#include "proxy/tunnel.h"
#include "test/proxy/visit.h"
#include "test/proxy/world.h"

struct way {
	struct world far;
	struct loop *loop; /* the same one */
	struct tunnel_settings set;
	struct tunnel *tunnel;
	struct listener *listener;
	struct visit v;
	struct outcome line;
	unsigned lines;
	unsigned wanted; /* calls of want_keys */
};

/* Make the tunnel and its keys in a world that has started; at is where it
 * takes the endpoint to be, NULL where it is. */
bool way_open(struct way *w, const struct addr *at);

/* All of it; or the fake is the endpoint, and answers without a seal. */
bool way_start(struct way *w);
bool way_start_liar(struct way *w);
void way_stop(struct way *w);

/* Hand the tunnel a key. */
enum status way_keys(struct way *w, const struct ohttp_config *c);

/* A chat that ends with this status; headers may be NULL. */
bool way_chat(struct way *w, const char *headers, struct slice body,
	      unsigned status);

/* Begin a chat, and do not wait for it. */
void way_chat_begin(struct way *w, const char *headers, struct slice body);

#endif
