/* The APIs that a proxy speaks, each a const table of routes.
 *
 * What is not in a table is not forwarded: an unknown path, another method, a
 * query where none is listed, an encoding that two readers could resolve in
 * two ways.  Management routes of inference servers (/metrics, /slots, LoRA
 * loading, repositories) are in no table. */
#ifndef CONFD_PROXY_ADAPTER_ADAPTER_H
#define CONFD_PROXY_ADAPTER_ADAPTER_H

#include "core/buf.h"

enum route_body {
	ROUTE_NONE,	 /* no request body */
	ROUTE_JSON,	 /* application/json, an object */
	ROUTE_MULTIPART, /* multipart/form-data */
};

enum route_flag {
	ROUTE_STREAM = 1,   /* may answer with text/event-stream */
	ROUTE_QUERY = 2,    /* a query is passed on (and never logged) */
	ROUTE_GENERATE = 4, /* runs the model: counts as usage, never retried */
	ROUTE_MEDIA = 8,    /* the body may name media by URL */
	ROUTE_PLAIN = 16,   /* no prompts: v1 leaves both bodies as they are */
	ROUTE_V2_ONLY = 32, /* v1 cannot seal the answer, which is not JSON */
};

struct route {
	const char *method;
	/* Literal segments; {id} is one segment of 1 to 128 letters, digits
	 * and . _ ~ : @ - ; {rest}, only as the last one, is one or more of
	 * those, where %2F counts as the slash that it encodes. */
	const char *path;
	enum route_body body;
	unsigned flags; /* of enum route_flag */
	/* v1 (wire "fields"): top-level members left plain, NULL at the end;
	 * all others are sealed. */
	const char *const *plain_request;
	const char *const *plain_response;
};

struct adapter {
	const char *name; /* as in the manifest */
	const struct route *routes;
	size_t n_routes;
	const char *error_type; /* media type of error bodies */
	/* Append an error body in the API's own shape.  message: a sentence
	 * without content of requests; code: a stable word, or NULL. */
	void (*put_error)(struct buf *out, unsigned status, const char *message,
			  const char *code);
	/* Append an error event for a stream that has begun. */
	void (*put_error_event)(struct buf *out, unsigned status,
				const char *message, const char *code);
};

extern const struct adapter adapter_openai;

#define ADAPTER_MAX 8

/* Those that are enabled, in the order of their names in the manifest. */
struct adapter_set {
	const struct adapter *a[ADAPTER_MAX];
	size_t n;
};

/* Enable the adapter of this name.  E_NOTFOUND names those that exist;
 * E_CONFLICT: it is enabled already. */
enum status adapter_enable(struct adapter_set *set, struct slice name,
			   struct err *err);

struct adapter_match {
	const struct adapter *adapter;
	const struct route *route; /* NULL: not allowed, answer 404 */
};

/* Find the route of a request.  target is path and query as received.  When
 * no route fits, match.route is NULL and match.adapter is whose shape the
 * error should have: the one that knows the path's beginning, else the first
 * enabled (NULL only when none is). */
struct adapter_match adapter_find(const struct adapter_set *set,
				  struct slice method, struct slice target);

/* What to do with a header of a request to the workload, or of its answer. */
enum adapter_header {
	HEADER_PASS,
	HEADER_DROP,   /* not for the other side; written anew where needed */
	HEADER_REFUSE, /* a request with it is not forwarded: 400 */
};

/* Requests: hop-by-hop and forwarding headers are dropped, as are Host,
 * Content-Length and Expect, which the sender writes itself; those that make
 * some servers see another request are refused. */
enum adapter_header adapter_request_header(struct slice name,
					   struct slice value);

/* Answers: only what is listed passes; never HEADER_REFUSE. */
enum adapter_header adapter_response_header(struct slice name);

#endif
