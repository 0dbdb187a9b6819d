/* Refusals of the attestation service and the worker API: problem documents
 * (RFC 9457) with a stable "type". */
#ifndef CONFD_ATTEST_PROBLEM_H
#define CONFD_ATTEST_PROBLEM_H

#include "core/buf.h"
#include "core/io/http_server.h"

#define PROBLEM_TYPE "application/problem+json"

/* The HTTP status of an outcome: E_PARSE 400, E_POLICY 403, ... */
unsigned problem_status(enum status code);

/* Append the document, within 4 KiB: type "urn:confd:error:NAME", title,
 * status, detail. */
void problem_write(struct buf *out, unsigned status, enum status code,
		   const char *detail);

/* Answer with it. */
void problem_reply(struct http_call *call, const struct err *err);
void problem_refuse(struct http_call *call, enum status code, const char *text);

/* The path is there, but not for this method: 405, with the header Allow of
 * those that are, such as "GET, POST"; type urn:confd:error:method. */
void problem_reply_method(struct http_call *call, struct slice allow);

/* Refuse, with 415, a request whose body is not said to be application/json
 * (a page in somebody's browser cannot send that unasked); whether it was. */
bool problem_refuse_type(struct http_call *call, const struct http_head *head);

/* The on_error of http_server_events: what the server itself refuses. */
void problem_on_error(void *ctx, unsigned status, const char *reason,
		      const char **content_type, struct buf *body);

#endif
