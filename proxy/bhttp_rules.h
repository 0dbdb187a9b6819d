/* What may stand in the head of a Binary HTTP message; one set of rules for
 * reading and for writing (proxy/bhttp.h).
 *
 * Source: RFC 9292 section 3.6, RFC 9113 sections 8.2 and 8.3. */
#ifndef CONFD_PROXY_BHTTP_RULES_H
#define CONFD_PROXY_BHTTP_RULES_H

#include "proxy/bhttp.h"

/* One field: the name is a token in any case and none that belongs to a
 * connection, the value has no control bytes and no white space at its ends.
 * E_PARSE. */
enum status bhttp_rules_field(struct slice name, struct slice value,
			      struct err *err);

/* A whole head whose fields are right each: control data, one Host that
 * agrees with the authority, one Content-Length that is a number, one
 * Content-Type.  *length becomes the Content-Length, or BHTTP_NO_LENGTH.
 * E_PARSE. */
enum status bhttp_rules_head(const struct bhttp_head *head, bool response,
			     uint64_t *length, struct err *err);

#endif
