/* One HTTP/1.1 head: what is in it, and the strict rules for reading it.
 *
 * Source: RFC 9112 and RFC 9110.  core/io/http_parse.h finds heads in a stream
 * and is what most callers want; the rules that it keeps are here, and so
 * are the questions that one asks a head. */
#ifndef CONFD_CORE_IO_HTTP_HEAD_H
#define CONFD_CORE_IO_HTTP_HEAD_H

#include "core/buf.h"

#define HTTP_MAX_HEADERS 100
#define HTTP_MAX_HEAD (64u << 10)  /* bytes; start line to empty line */
#define HTTP_MAX_TARGET (8u << 10) /* bytes */

/* How the end of a body is found. */
enum http_body {
	HTTP_NO_BODY,	 /* none can follow */
	HTTP_LENGTH,	 /* Content-Length, which may be 0 */
	HTTP_CHUNKED,	 /* Transfer-Encoding: chunked */
	HTTP_UNTIL_CLOSE /* responses only: to the end of the stream */
};

struct http_header {
	struct slice name;  /* as sent; compare without case */
	struct slice value; /* without white space at its ends */
};

struct http_head {
	/* Requests. */
	struct slice method;  /* upper-case letters */
	struct slice target;  /* begins with "/"; printable ASCII without "#" */
	bool expect_continue; /* the client waits for 100 before its body */
	/* Responses. */
	unsigned status;     /* 100 to 599 */
	struct slice reason; /* may be empty */
	/* Both. */
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	enum http_body body;
	uint64_t length; /* of HTTP_LENGTH; of HTTP_NO_BODY what was
			    announced (HEAD, 304), else 0 */
	bool keep_alive; /* another message may follow this one */
	size_t n;
	struct http_header h[HTTP_MAX_HEADERS]; /* in order of arrival */
};

/* Value of the first header of this name (compared without case); p is NULL
 * when there is none.  An empty value has p set. */
struct slice http_head_get(const struct http_head *head, const char *name);

/* How many headers have this name. */
size_t http_head_count(const struct http_head *head, const char *name);

/* True when a header of this name holds token as an element of its
 * comma-separated list, compared without case: ("connection", "close"). */
bool http_head_list_has(const struct http_head *head, const char *name,
			const char *token);

/* True for a field name: one or more tchar of RFC 9110 section 5.6.2. */
bool http_is_token(struct slice s);

/* True for a field value or reason phrase: HTAB, SP, VCHAR and obs-text
 * only, so no CR, LF, NUL or other control byte. */
bool http_is_value(struct slice s);

/* True for a method as taken here: 1 to 32 upper-case letters. */
bool http_is_method(struct slice s);

/* True for a target as taken here: "/" and printable ASCII without "#", at
 * most HTTP_MAX_TARGET. */
bool http_is_target(struct slice s);

/* A reading of one head; the functions below write to head and status. */
struct http_head_reader {
	struct http_head *head;
	bool response;
	bool to_head;	 /* the response answers HEAD */
	unsigned status; /* after a failure: what to answer a request with */
};

/* Fail with a reason that does not quote what was read: E_LIMIT for 413, 414
 * and 431, otherwise E_PARSE. */
enum status http_head_bad(struct http_head_reader *r, unsigned status,
			  const char *why, struct err *err);

/* Read a start line, without its CRLF. */
enum status http_head_start(struct http_head_reader *r, struct slice line,
			    struct err *err);

/* Read one header line, without its CRLF; out is part of line. */
enum status http_head_line(struct http_head_reader *r, struct slice line,
			   struct http_header *out, struct err *err);

/* Read a whole head, from its start line to the empty line.  Slices in head
 * are parts of bytes. */
enum status http_head_parse(struct http_head_reader *r, struct slice bytes,
			    struct err *err);

#endif
