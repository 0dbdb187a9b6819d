/* Calls that wait for another process: a net role asks its keeper over a
 * channel and answers the call when the reply has come.
 *
 * A question is u32be id and a body; its reply the same id, u8 outcome, and
 * then the payload or, of a failure, the field of its text. */
#ifndef CONFD_ATTEST_PENDING_H
#define CONFD_ATTEST_PENDING_H

#include "core/io/chan.h"
#include "core/io/http_server.h"

struct pending_call;

struct pending {
	struct chan *chan;
	void *ctx;	  /* what answers are called with */
	size_t max;	  /* calls at once; beyond, 503 */
	size_t max_bytes; /* of their questions; beyond, 503 */
	bool hide_faults; /* a text that answers 500 is for our log alone */

	struct pending_call *first; /* private, as the rest */
	size_t n, bytes;
	bool turn_taken; /* asked in turn, and not answered yet */
	char last[64];	 /* address of who had the last turn */
	uint32_t next_id;
};

/* Answer the call from the payload of a reply that says OK. */
typedef void pending_answer(void *ctx, struct http_call *call,
			    struct cursor *payload);

/* Take the call, ask, and have it answered.  body is not kept. */
void pending_ask(struct pending *p, struct http_call *call, uint32_t type,
		 struct slice body, pending_answer *answer);

/* The same for what takes the other process long, and anybody may ask: one is
 * asked at a time, so that nothing else waits behind many of them.  The others
 * wait here, at most 64 of one address and half of max of all (beyond, 503);
 * who comes from another address than the last has the next turn. */
void pending_ask_in_turn(struct pending *p, struct http_call *call,
			 uint32_t type, struct slice body,
			 pending_answer *answer);

/* A reply has come; one that nobody waits for is ignored. */
void pending_reply(struct pending *p, struct slice message);

/* Forget all of them.  After the server is freed, and before the channel. */
void pending_done(struct pending *p);

#endif
