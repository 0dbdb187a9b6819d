/* Where to listen or connect: one text form for all options.
 *
 *	HOST:PORT  [V6]:PORT  :PORT  unix:/PATH  unix:@ABSTRACT
 *	http://HOST[:PORT]  https://HOST[:PORT]   (as an endpoint)
 *
 * HOST is a numeric address or a name, which is resolved when connecting. */
#ifndef CONFD_CORE_IO_ADDR_H
#define CONFD_CORE_IO_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"

struct addr {
	char host[256]; /* name or number without brackets; path for unix */
	uint16_t port;
	bool is_unix;
	bool tls; /* https:// */
};

/* Parse HOST:PORT, :PORT (all interfaces) or unix:.  default_port is used
 * when none is given; 0 makes the port mandatory.  E_USAGE. */
enum status addr_parse(const char *text, uint16_t default_port,
		       struct addr *out, struct err *err);

/* Parse http://HOST[:PORT], https://HOST[:PORT], unix:PATH, or HOST:PORT
 * (taken as plain).  No path, query or user information. */
enum status addr_parse_url(const char *text, struct addr *out, struct err *err);

/* "HOST:PORT", "[V6]:PORT" or "unix:PATH"; for messages and Host headers. */
#define ADDR_TEXT_SIZE 300
void addr_text(const struct addr *a, char out[ADDR_TEXT_SIZE]);

#endif
