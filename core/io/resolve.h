/* Names to socket addresses.
 *
 * Numbers, unix sockets and localhost (RFC 6761 section 6.3) are known without
 * asking.  Other names are looked up in /etc/hosts and then by DNS, without
 * blocking, by libevent's resolver.  DNS authenticates nothing: who is there
 * is for TLS and attestation to tell. */
#ifndef CONFD_CORE_IO_RESOLVE_H
#define CONFD_CORE_IO_RESOLVE_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/io/addr.h"
#include "core/io/loop.h"

/* One address of the kernel's. */
struct resolve_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len;
};

#define RESOLVE_MAX 8 /* addresses of a name that are tried */
struct resolve_list {
	struct resolve_addr at[RESOLVE_MAX];
	size_t n;
};

/* True when a is known without asking: then out has 1 or 2 addresses, in the
 * order in which to try them. */
bool resolve_known(const struct addr *a, struct resolve_list *out);

/* What the kernel says of a socket, as an addr; sa may be of any family, and
 * of an unknown one gives an empty host. */
void resolve_reverse(const struct resolve_addr *sa, struct addr *out);

/* Read the list of name servers and /etc/hosts now; else the first lookup
 * does that.  For processes that are about to lock themselves away from
 * files.  server NULL: those of /etc/resolv.conf, else this one alone, as
 * ADDRESS:PORT.  Only once a loop. E_IO, E_USAGE. */
enum status resolve_setup(struct loop *l, const char *server, struct err *err);

/* Look up a (also a known one).  done() comes once, from the loop: with list,
 * which has at least one address and lives until it returns, or with NULL and
 * why (E_UNAVAIL).  *out is good for resolve_cancel until then. */
struct resolve;
enum status resolve_start(struct loop *l, const struct addr *a,
			  void (*done)(void *ctx,
				       const struct resolve_list *list,
				       const struct err *why),
			  void *ctx, struct resolve **out, struct err *err);

/* done() will not come.  NULL is ignored. */
void resolve_cancel(struct resolve *r);

#endif
