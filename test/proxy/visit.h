/* For tests of the proxy: requests in plain HTTP, as local programs, passers-by
 * and attackers make them. */
#ifndef CONFD_TEST_PROXY_VISIT_H
#define CONFD_TEST_PROXY_VISIT_H

#include "core/buf.h"
#include "core/io/http_client.h"
#include "test/test.h"

struct visit {
	struct loop *loop;
	struct addr to;
	struct http_client *client; /* kept from request to request */
	size_t body_max;	    /* pause from here on; 0: never */

	/* Of the latest request. */
	bool done, failed;
	unsigned status; /* 0: none came */
	struct buf head; /* "name: value\n" ..., names in lower case */
	struct buf body;
	unsigned parts; /* of the body */
};

void visit_init(struct visit *v, struct loop *l, const struct addr *to);
void visit_done(struct visit *v);

/* Begin a request; headers as "name: value\n..." or NULL, length as in
 * http_client_begin. */
void visit_begin(struct visit *v, const char *method, const char *path,
		 const char *headers, uint64_t length);

/* Until it is answered, or failed; false when neither comes. */
bool visit_wait(struct visit *v);

/* All of it; true when it was answered with this status. */
bool visit_run(struct visit *v, const char *method, const char *path,
	       const char *headers, struct slice body, unsigned status);

/* Is text in it? */
bool visit_says(const struct visit *v, const char *text);
bool visit_head_says(const struct visit *v, const char *text);

/* Leave at once. */
void visit_leave(struct visit *v);

/* A chat, plain and streaming. */
#define VISIT_CHAT "/v1/chat/completions"
#define VISIT_JSON "content-type: application/json\n"
#define VISIT_PLAIN S("{\"model\":\"m\"}")
#define VISIT_STREAM S("{\"model\":\"m\",\"stream\":true}")

#endif
