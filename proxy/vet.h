/* What a request inside a seal, and its answer, must be like to pass: rules
 * that look at heads only and touch nothing. */
#ifndef CONFD_PROXY_VET_H
#define CONFD_PROXY_VET_H

#include "proxy/adapter/adapter.h"
#include "proxy/bhttp.h"

/* One kind of error, to be told in the shape of the API. */
struct vet_problem {
	unsigned status;
	const char *code;    /* a stable word */
	const char *message; /* a sentence, without content of requests */
};

/* Why this request may not go to the workload; NULL when it may.  route is
 * what adapter_find() has for it, or NULL. */
const struct vet_problem *vet_request(const struct bhttp_head *head,
				      const struct route *route);

/* Why this answer may not go to the user; NULL when it may.  max: bytes of
 * content, unless it is a stream of events. */
const struct vet_problem *vet_answer(const struct http_head *head,
				     uint64_t max);

/* Is it a stream of events, in clear? */
bool vet_is_events(const struct http_head *head);

/* Those that answers meet later on. */
extern const struct vet_problem vet_answer_bad, vet_answer_large;

#endif
