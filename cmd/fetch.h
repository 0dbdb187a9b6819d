/* Documents of public servers, each asked for by one HTTP request that is
 * waited for.
 *
 * What is fetched here is signed by who made it and judged by that, whoever
 * handed it over; the server's own certificate is checked all the same, so
 * that nobody on the way learns which machine is asked about. */
#ifndef CONFD_CMD_FETCH_H
#define CONFD_CMD_FETCH_H

#include "core/io/addr.h"
#include "core/io/loop.h"
#include "core/io/tls.h"

#define FETCH_MAX (1u << 20) /* bytes of a body */
#define FETCH_CA "/etc/ssl/certs/ca-certificates.crt"

struct fetch {
	struct loop *loop;
	const char *ca;	 /* certificates of authorities, PEM */
	struct tls *tls; /* made when the first server wants it */
	bool has_mirror; /* asked instead of every server */
	struct addr mirror;
};

/* ca		NULL: FETCH_CA; not copied.
 * mirror	http://HOST[:PORT] or https://HOST[:PORT]; NULL: none.
 *
 * E_USAGE	mirror is something else. */
enum status fetch_open(const char *ca, const char *mirror, struct fetch *out,
		       struct err *err);
void fetch_done(struct fetch *f);
#define auto_fetch __attribute__((cleanup(fetch_done)))

/* What is asked for. */
struct fetch_request {
	const char *url;	  /* https://HOST/PATH */
	const char *content_type; /* of body */
	struct slice body;	  /* empty: GET, else POST */
	const char *header;	  /* of the answer, that is wanted; or NULL */
};

/* Ask, and append the answer's body and the wanted header's value.
 *
 * E_UNAVAIL	it was not reached, or answers another status than 200, or has
 *		no such header, or took longer than a minute.
 * E_IO, E_CRYPTO, E_PARSE, E_LIMIT	the connection broke; the server is not
 *		who it should be; its answer breaks the rules, or is too large.
 * E_CONF	the authorities cannot be read. */
enum status fetch_ask(struct fetch *f, const struct fetch_request *r,
		      struct buf *body, struct buf *header, struct err *err);

#endif
