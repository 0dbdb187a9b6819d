/* Answers in plaintext, which therefore hold nothing of a request: refusals
 * before anything was decrypted, as problem documents (RFC 9457), and in the
 * shape of an API for those who call it without encryption. */
#ifndef CONFD_PROXY_REFUSAL_H
#define CONFD_PROXY_REFUSAL_H

#include "core/io/http_server.h"
#include "proxy/adapter/adapter.h"

#define REFUSAL_TYPE "application/problem+json"

/* RFC 9458 section 5.3: the key configuration is not known here; get it anew.
 * RFC 9458 section 6.5.2: the request's Date is too far off. */
#define REFUSAL_OHTTP_KEY \
	"https://iana.org/assignments/http-problem-types#ohttp-key"
#define REFUSAL_DATE "https://iana.org/assignments/http-problem-types#date"

/* One kind of refusal. */
struct refusal {
	unsigned status;
	const char *type;   /* stable; what programs look at */
	const char *detail; /* a sentence for people */
	const char *retry;  /* Retry-After in seconds, or NULL */
};

/* Append the document. */
void refusal_put(struct buf *out, const struct refusal *r);

/* Answer with it; whoever was answered already sees the connection break. */
void refusal_reply(struct http_call *call, const struct refusal *r);

/* Answer in the shape of this adapter. retry as above; extra may be NULL. */
struct refusal_api {
	unsigned status;
	const char *message; /* without content of requests */
	const char *code;    /* a stable word, or NULL */
	const char *retry;
	bool unauthentic; /* Confd-Authenticated: no */
	bool final;	  /* x-should-retry: false, for client libraries */
};
void refusal_reply_api(struct http_call *call, const struct adapter *a,
		       const struct refusal_api *r);

/* A problem for what the server itself refuses: on_error of
 * http_server_events. */
void refusal_on_error(void *ctx, unsigned status, const char *reason,
		      const char **content_type, struct buf *body);

#endif
