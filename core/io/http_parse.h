/* HTTP/1.1 heads and bodies off a byte stream, strictly and incrementally.
 *
 * Source: RFC 9112 (messages) and RFC 9110 (fields).  Where those let a
 * recipient be lenient this parser is not: lines end in CRLF and nothing
 * else, no obs-fold, no space before a colon, one Content-Length, no
 * Transfer-Encoding but "chunked" and never together with a length, no chunk
 * extensions, targets in origin-form only.  What two parsers could read in
 * two ways is refused, so that nobody behind us sees another message.
 *
 * The module does no input or output.  A head is buffered inside the parser
 * up to a limit; bodies pass through as slices of the caller's input and
 * take no memory.  One parser reads one direction of one connection, message
 * after message. */
#ifndef CONFD_CORE_IO_HTTP_PARSE_H
#define CONFD_CORE_IO_HTTP_PARSE_H

#include "core/io/http_head.h"

#define HTTP_MAX_TRAILER (8u << 10) /* bytes, all trailers of a body */
#define HTTP_MAX_INTERIM 16	    /* 1xx heads before a response */

struct http_parser {
	bool response; /* private, like all that follows */
	bool to_head;  /* the response answers HEAD */
	unsigned char state;
	unsigned char digits; /* of the chunk size so far */
	unsigned status;      /* to suggest after a failure */
	unsigned interim;     /* 1xx heads seen before this response */
	unsigned trailers;    /* of this body */
	size_t head_max;      /* bytes */
	size_t line;	      /* offset in buf of the line being read */
	size_t trailer_len;   /* bytes of trailers so far */
	uint64_t body_max;    /* bytes, after removing the chunk framing */
	uint64_t limit;	      /* the same, of this message */
	uint64_t body_len;    /* bytes passed on so far */
	uint64_t left;	      /* bytes of the body or of the chunk to come */
	struct buf buf;	      /* the head; slices of it are in head */
	struct buf trailer;   /* one line of trailers */
	struct http_head head;
};

/* Prepare a parser of requests (a server's) or responses (a client's).
 * Allocates nothing until bytes arrive.  head_max of 0 means HTTP_MAX_HEAD;
 * body_max counts bytes of content and is UINT64_MAX for no limit. */
void http_parse_init_request(struct http_parser *p, size_t head_max,
			     uint64_t body_max);
void http_parse_init_response(struct http_parser *p, size_t head_max,
			      uint64_t body_max);

/* Wipe and release. */
void http_parse_done(struct http_parser *p);
#define auto_http_parser __attribute__((cleanup(http_parse_done)))

/* Say which method the next response answers, before its first byte: a
 * response to HEAD has no body whatever its head says.  Forgotten after that
 * response; GET is assumed when nothing was said. */
void http_parse_expect(struct http_parser *p, struct slice method);

/* Change the limit of this message's body, such as after HTTP_HEAD when the
 * route is known; the next message has that of init again, which is checked
 * first and so should be the largest.  E_LIMIT (413) when what was announced
 * or has passed is more already; the parser has then failed. */
enum status http_parse_limit_body(struct http_parser *p, uint64_t body_max,
				  struct err *err);

enum http_event_kind {
	HTTP_MORE,    /* all of in was used; give more */
	HTTP_HEAD,    /* head is complete */
	HTTP_INTERIM, /* responses: a 1xx head; the final one still follows */
	HTTP_DATA,    /* data is the next piece of the body */
	HTTP_END      /* the message is complete */
};

struct http_event {
	enum http_event_kind kind;
	/* HEAD, INTERIM.  Belongs to the parser: valid until the first call
	 * of http_parse_next after END (after INTERIM: the next call). */
	const struct http_head *head;
	struct slice data; /* DATA: never empty; part of in */
	unsigned trailers; /* END: fields behind a chunked body, dropped */
};

/* Take the next event off the front of in.
 *
 * in	the bytes not used yet; may be empty.
 * used	how many of them are done with, for every kind of event: the caller
 *	drops them (after using ev->data) and calls again with the rest, until
 *	HTTP_MORE.  HTTP_END may need a call with nothing left of in.
 *
 * After HTTP_END the next call begins the next message: a server that answers
 * one request at a time does not call before it has answered.  After a message
 * without keep_alive every further byte is refused.
 *
 * E_PARSE or E_LIMIT is final: every later call fails alike, and
 * http_parse_status() says what to answer before closing. */
enum status http_parse_next(struct http_parser *p, struct slice in,
			    size_t *used, struct http_event *ev,
			    struct err *err);

/* The stream has ended.  OK when it may end here: between messages, or in a
 * body that lasts until close and so is complete.  E_PARSE when it cut a
 * message short. */
enum status http_parse_eof(const struct http_parser *p, struct err *err);

/* True between messages: no byte of the next one was seen. */
bool http_parse_idle(const struct http_parser *p);

/* The status to answer a failed request with: 400, 413, 414, 417, 431, 501
 * or 505.  For a failed response 502.  0 when nothing has failed. */
unsigned http_parse_status(const struct http_parser *p);

#endif
