/* What http_server.c (connections and requests) and http_call.c (answers)
 * share; for nobody else. */
#ifndef CONFD_CORE_IO_HTTP_CALL_H
#define CONFD_CORE_IO_HTTP_CALL_H

#include "core/io/http_server.h"

/* Body of a request that its owner did not read: up to this much, in bytes,
 * is read and dropped to keep the connection. */
#define HTTP_SKIP_MAX (64u << 10)

/* What a connection is at. */
enum http_phase {
	HTTP_AT_IDLE,  /* no byte of a request seen */
	HTTP_AT_HEAD,  /* in the head of one */
	HTTP_AT_CALL,  /* a call is under way */
	HTTP_AT_SKIP,  /* answered; the rest of its request is dropped */
	HTTP_AT_CLOSE, /* the last answer is given: flush it, then close */
};

struct http_server {
	struct loop *loop;
	struct http_limits limits; /* none is 0 */
	const struct http_server_events *ev;
	void *ctx;
	struct http_session *first;
	size_t n; /* sessions */
	bool draining;
	void (*done)(void *ctx); /* of the draining */
	void *done_ctx;
	struct loop_task tell_done;
	int64_t date_at; /* the second of date, since 1970 */
	char date[32];	 /* "Tue, 15 Nov 1994 08:12:31 GMT" */
};

/* One connection. */
struct http_session {
	struct http_server *server;
	struct http_session *next, *prev;
	struct conn *conn;
	struct http_parser parser;
	struct http_call *call; /* only HTTP_AT_CALL */
	struct loop_timer *timer;
	struct loop_task work; /* what must wait until its owner returned */
	enum http_phase phase;
	unsigned busy; /* callbacks of ours that run right now */
	bool dead;     /* to be freed by the last of them */
	bool fresh;    /* no request yet */
	bool held;     /* the connection keeps input that we did not take */
	bool closing;  /* conn_close() was called */

	/* Milliseconds of clock_mono_ms. */
	int64_t phase_at; /* when the phase began */
	int64_t stamp;	  /* last byte in either direction */
	int64_t armed;	  /* when the timer fires; 0: never */

	uint64_t written; /* bytes given to conn_write */
	uint64_t handed;  /* how many of them the kernel had at the last look */
	bool waiting;	  /* and whether others waited then */
};

enum http_answer { HTTP_NONE_YET, HTTP_BEGUN, HTTP_ENDED };

/* How an answer's end is shown. */
enum http_framing {
	HTTP_BARE,	/* no body whatever the head says */
	HTTP_SIZED,	/* by its length */
	HTTP_IN_CHUNKS, /* by the last chunk */
	HTTP_TO_CLOSE,	/* by the end of the connection */
};

struct http_call {
	struct http_session *session;
	const struct http_call_events *ev; /* may be NULL */
	void *ctx;
	void (*whole)(void *ctx, struct http_call *call, struct slice body);
	void *whole_ctx;
	struct buf body; /* collected, with whole */
	bool taken;	 /* by http_call_own or http_call_collect */
	bool told_gone;	 /* or just being told */

	/* The request. */
	bool is_head;  /* its method is HEAD */
	bool old;      /* HTTP/1.0 */
	bool keep;     /* it allows another one after it */
	bool expect;   /* 100 Continue is due */
	bool paused;   /* by its owner */
	bool all;      /* its end was seen */
	bool told;     /* and body_end() or whole() called */
	uint64_t left; /* bytes of body to come; UINT64_MAX: not known */

	/* The answer. */
	enum http_answer answer;
	enum http_framing framing;
	uint64_t out_left; /* bytes that a sized one still needs */
	bool close;	   /* the connection ends with it */

	/* It cannot go on: break the connection or, with refuse, answer this
	 * status instead of the owner. */
	bool broken;
	unsigned refuse;
	struct err why;
};

/* http_server.c */

/* Write, and remember when. */
void http_session_write(struct http_session *s, struct slice bytes);

/* Look at the state of the call soon, from the loop. */
void http_session_poke(struct http_session *s);

/* http_call.c */

/* Is nothing more to be done for it but to end it? */
bool http_call_over(const struct http_call *c);

/* Answer a failed request in the name of the server; the connection is to be
 * closed after it. */
void http_call_error(struct http_session *s, unsigned status,
		     const struct err *why);

/* Tell a client that waits for it to send its body. */
void http_call_continue(struct http_call *c);

#endif
