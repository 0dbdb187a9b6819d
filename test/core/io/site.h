/* For tests: a server with a few routes, and clients that send whatever they
 * like, in one loop. */
#ifndef CONFD_TEST_CORE_IO_SITE_H
#define CONFD_TEST_CORE_IO_SITE_H

#include <netinet/in.h>

#include "core/clock.h"
#include "core/io/http_server.h"
#include "test/test.h"

#define SITE_MANY (20u << 20) /* bytes of a large body */
#define SOON 1000	      /* ms within which an end must be noticed */
#define LONG 5000	      /* ms after which a test gives up */

struct site {
	struct loop *l;
	struct http_server *srv;
	struct listener *ls;
	struct sockaddr_in at;

	/* The call that is under way, and what was seen of it. */
	struct http_call *call;
	struct buf got;	  /* its body */
	uint64_t got_len; /* all of it, also when got is full */
	uint64_t left;	  /* bytes that /big still has to send */
	size_t most;	  /* most bytes that waited in the connection */
	unsigned ends, drains;

	/* Of all calls. */
	unsigned calls, gones;
	enum status why; /* of the last gone() */
	char target[64]; /* of the last call */
	bool drained;
	bool free_in_call, free_in_gone;
	enum status head_status;
};

/* limits may be NULL.  Routes: /hi, /early and /empty answer at once; /none
 * does nothing; /count collects up to 1000 bytes; /read answers at the end of
 * the body; /echo streams it back; /big streams SITE_MANY bytes; /wait,
 * /paused and /held leave it to the test; /pause pauses after each part. */
bool site_open(struct site *r, const struct http_limits *limits);
void site_close(struct site *r);
#define auto_site __attribute__((cleanup(site_close)))

void site_reply(struct http_call *c, unsigned status, const char *body);
void site_begin(struct http_call *c, unsigned status, uint64_t length);

struct peer {
	struct site *r;
	int fd;
	struct buf in; /* what came */
	uint64_t n;    /* how much, also when it is not kept */
	bool keep;
	bool ended; /* by the server, cleanly or not */
	bool reset;
};

struct peer far_open(struct site *r);
void peer_shut(struct peer *p);
#define auto_peer __attribute__((cleanup(peer_shut)))

/* Close with a reset, as a process that crashes with unread input does. */
void peer_crash(struct peer *p);

/* Take what is there. */
void peer_read(struct peer *p);

/* Let the server run, and read, until something holds; false when it never
 * did. */
bool peer_run_until(struct peer *p, bool (*holds)(const struct peer *),
		    int64_t ms);
bool peer_ended(const struct peer *p);
bool peer_gone(const struct peer *p); /* the server was told so */
void peer_run(struct peer *p, int64_t ms);

bool peer_send(struct peer *p, struct slice s);
bool peer_say(struct peer *p, const char *text);

/* How many times text came. */
unsigned peer_heard(const struct peer *p, const char *text);

/* Wait until it came once, or n times. */
bool peer_hear(struct peer *p, const char *text);
bool peer_hear_times(struct peer *p, const char *text, unsigned n);

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(target, headers) \
	"POST " target " HTTP/1.1\r\nHost: a\r\n" headers "\r\n"

#endif
