/* From an address to a connected stream socket: resolve it, then try its
 * addresses one after the other. */
#ifndef CONFD_CORE_IO_DIAL_H
#define CONFD_CORE_IO_DIAL_H

#include "core/io/addr.h"
#include "core/io/loop.h"

struct dial;

/* done() comes once, from the loop: with a connected, non-blocking descriptor
 * that is now the receiver's, or with -1 and why (E_UNAVAIL; the text names
 * the address).  timeout_ms bounds all of it, name and every address; 0 or
 * less: 30 s.  *out is good for dial_cancel until then. */
enum status dial_start(struct loop *l, const struct addr *to,
		       int64_t timeout_ms,
		       void (*done)(void *ctx, int fd, const struct err *why),
		       void *ctx, struct dial **out, struct err *err);

/* done() will not come.  NULL is ignored. */
void dial_cancel(struct dial *d);

/* Options that each of our TCP sockets has: no delay of small segments, and
 * keep-alive, so that a vanished peer is noticed.  Others are left alone. */
void dial_tune(int fd);

#endif
