/* For tests: a client, and at the other end a socket that says whatever the
 * test likes, in one loop. */
#ifndef CONFD_TEST_CORE_IO_PROBE_H
#define CONFD_TEST_CORE_IO_PROBE_H

#include "core/clock.h"
#include "core/io/http_client.h"
#include "test/test.h"

#define PROBE_MANY (20u << 20) /* bytes of a large body */
#define SOON 1000	       /* ms within which an end must be noticed */
#define LONG 5000	       /* ms after which a test gives up */

struct probe {
	struct loop *l;
	struct http_client *c;
	struct http_client_settings set;
	int listener;

	int fd;	       /* the server's end of the connection */
	struct buf in; /* what the client sent */
	bool fin, reset;

	/* What the exchange came to. */
	unsigned heads, ends, fails, drains;
	unsigned status;
	struct buf body;
	uint64_t body_len;
	struct err why;
	bool sent;
	bool pause_body, pause_head, free_in_head, free_in_end, again_in_end;
};

extern const struct http_client_events probe_events; /* ctx: the probe */

/* Listen; with connect, make the client too. */
bool probe_open(struct probe *r);
bool probe_connect(struct probe *r);
void probe_close(struct probe *r);
#define auto_probe __attribute__((cleanup(probe_close)))

/* Another connection, with all counts at 0. */
bool probe_again(struct probe *r);

/* Accept and read what there is. */
void probe_serve(struct probe *r);

void probe_run(struct probe *r, int64_t ms);

/* Run until the exchange ended in either way. */
bool probe_end(struct probe *r);

/* Has the client sent this?  Or run until it has. */
bool probe_asked(const struct probe *r, const char *text);
bool probe_hear(struct probe *r, const char *text);

bool probe_say(struct probe *r, const char *text);

/* Begin an exchange; or also wait until it is asked, and answer. */
bool probe_get(struct probe *r);
bool probe_exchange(struct probe *r, const char *answer);

bool probe_body_is(const struct probe *r, const char *text);

void probe_nonblocking(int fd);

#endif
