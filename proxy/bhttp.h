/* Binary HTTP: HTTP messages inside sealed ones.
 *
 * Source: RFC 9292.  Both forms are read, with known and with indeterminate
 * lengths, cut anywhere; messages are written in the indeterminate form while
 * they stream and in the known form when they are whole.  Like
 * core/io/http_parse this reader is stricter than its source where leniency
 * would let two readers see two messages: no fields that belong to a
 * connection, one Host and one Content-Length that are true, origin-form
 * paths only, field names in lower case.
 *
 * The module does no input or output.  Control data and fields are buffered
 * in the reader up to a limit; content passes through as slices of the
 * caller's input and takes no memory. */
#ifndef CONFD_PROXY_BHTTP_H
#define CONFD_PROXY_BHTTP_H

#include "core/buf.h"
#include "core/io/http_head.h"

#define BHTTP_TYPE "message/bhttp"

#define BHTTP_MAX_CONTROL (8u << 10) /* bytes; method to path */
#define BHTTP_MAX_FIELDS (64u << 10) /* bytes; names and values of a section */
#define BHTTP_MAX_INTERIM 16	     /* 1xx before a response */
#define BHTTP_NO_LENGTH UINT64_MAX

/* The front of a message, to be written or as read. */
struct bhttp_head {
	/* Requests. */
	struct slice method;	/* upper-case letters; never CONNECT */
	struct slice scheme;	/* "https" or "http" */
	struct slice authority; /* host[:port], or empty */
	struct slice path;	/* origin-form: path and query */
	/* Responses. */
	unsigned status; /* 200 to 599; interim 100 to 199, never 101 */
	/* Both. */
	const struct http_header *h; /* names as read are in lower case */
	size_t n;
	uint64_t length; /* as read: bytes of content that were announced, by
			    the framing or by content-length;
			    BHTTP_NO_LENGTH when neither did */
};

struct bhttp_reader {
	bool response; /* private, like all that follows */
	bool known;    /* sections and content carry their length */
	bool trailer; /* the section being read is the one behind the content */
	bool text;    /* a string is being read, not an integer */
	unsigned char state;
	unsigned char have, need; /* bytes of the integer being read */
	enum status failed;
	unsigned status;
	unsigned interim; /* 1xx heads seen */
	uint64_t number;  /* the integer so far */
	uint64_t want;	  /* bytes to come of the string being read */
	uint64_t section; /* bytes that the section may still take */
	uint64_t left;	  /* bytes to come of the content or its chunk */
	uint64_t length;  /* announced, or BHTTP_NO_LENGTH */
	uint64_t content; /* bytes passed on so far */
	uint64_t content_max;
	size_t trailers;
	size_t strings; /* in buf: control data, then names and values */
	uint32_t at[2 * HTTP_MAX_HEADERS +
		    5];	 /* in buf, where string i begins */
	struct buf buf;	 /* the head's strings, one behind the other */
	struct buf tail; /* one name or value of the trailers */
	struct bhttp_head head;
	struct http_header h[HTTP_MAX_HEADERS];
};

/* Prepare a reader of one request or one response.  Allocates nothing until
 * bytes arrive.  content_max: bytes; UINT64_MAX for no limit. */
void bhttp_init_request(struct bhttp_reader *r, uint64_t content_max);
void bhttp_init_response(struct bhttp_reader *r, uint64_t content_max);

/* Wipe and release. */
void bhttp_done(struct bhttp_reader *r);
#define auto_bhttp_reader __attribute__((cleanup(bhttp_done)))

/* Change the limit, such as after BHTTP_HEAD when the route is known.
 * E_LIMIT when what was announced or has passed is more already; the reader
 * has then failed. */
enum status bhttp_limit(struct bhttp_reader *r, uint64_t content_max,
			struct err *err);

enum bhttp_event_kind {
	BHTTP_MORE,    /* all of in was used; give more */
	BHTTP_HEAD,    /* the head is complete */
	BHTTP_INTERIM, /* responses: a 1xx; the final head still follows */
	BHTTP_DATA,    /* data is the next piece of the content */
	BHTTP_END      /* the message is complete; only when last was said */
};

struct bhttp_event {
	enum bhttp_event_kind kind;
	/* HEAD, INTERIM.  Belongs to the reader: valid until bhttp_done
	 * (after INTERIM: until the next call). */
	const struct bhttp_head *head;
	struct slice data; /* DATA: never empty; part of in */
	size_t trailers;   /* END: fields behind the content, dropped */
};

/* Take the next event off the front of in.
 *
 * last		no bytes follow in.  A message may leave out its empty tail,
 *		or be padded, so only the end of the input is its end: then
 *		BHTTP_MORE does not come, and BHTTP_END or an error does.
 * *used	bytes of in that are done with, for every kind of event; call
 *		again with the rest until BHTTP_MORE or BHTTP_END.
 *
 * E_PARSE or E_LIMIT is final: every later call fails alike. */
enum status bhttp_next(struct bhttp_reader *r, struct slice in, bool last,
		       size_t *used, struct bhttp_event *ev, struct err *err);

/* Value of the first field of this (lower-case) name; p is NULL when there
 * is none. */
struct slice bhttp_get(const struct bhttp_head *head, const char *name);

/* Writing.  A head fails with E_PARSE for anything that a reader would
 * refuse, E_LIMIT beyond the limits of a reader or of out; out is then as it
 * was.  Names are written in lower case, values without white space at their
 * ends. */

/* The front of a message in the indeterminate form, a request or a response
 * by whether a method is set; content chunks and an end follow.  A response
 * may have interim heads before it: those are written by the same call with
 * a 1xx status, with first telling which head begins the message. */
enum status bhttp_put_head(struct buf *out, const struct bhttp_head *head,
			   bool first, struct err *err);

/* One chunk of content; nothing at all for empty data, which would end it.
 * What does not fit sets out->bad. */
void bhttp_put_content(struct buf *out, struct slice data);

/* The size before a chunk of len bytes, for callers that put the bytes behind
 * it themselves; len is not 0. */
void bhttp_put_content_size(struct buf *out, size_t len);

/* The end of the content, no trailers, and pad bytes of padding. */
void bhttp_put_end(struct buf *out, size_t pad);

/* A whole message in the known-length form. */
enum status bhttp_put_whole(struct buf *out, const struct bhttp_head *head,
			    struct slice content, struct err *err);

#endif
