/* Bytes between two stream sockets, both ways, until both ended or one
 * broke.
 *
 * An end of one direction is handed on as such (shutdown), so half-closed
 * connections work.  An error, or the far side being gone altogether, closes
 * both at once; TCP sees a reset.  At most 64 KiB a direction wait in
 * memory; a side that does not read stops the other. */
#ifndef CONFD_SANDBOX_RELAY_H
#define CONFD_SANDBOX_RELAY_H

#include "core/io/loop.h"

struct relay;

/* Begin; both descriptors become the relay's (on failure they are closed).
 *
 * a	connected, AF_UNIX.
 * b	a TCP socket that is connected or still connecting.
 * ended	called once, from the loop; then free it. */
enum status relay_new(struct loop *l, int a, int b, void (*ended)(void *ctx),
		      void *ctx, struct relay **out, struct err *err);

void relay_free(struct relay *r);

#endif
