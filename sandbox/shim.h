/* The first process in a sandbox: starts the workload, relays passed
 * connections to the port where it listens, and ends with it.
 *
 * It has no privileges and no secrets: it lives behind the same walls as the
 * workload, and under the same user; it only keeps itself from being looked
 * into. */
#ifndef CONFD_SANDBOX_SHIM_H
#define CONFD_SANDBOX_SHIM_H

#include <stdint.h>

#define SHIM_LINK_FD 3

/* Run to the end.  fd 3 is the link (core/io/fdpass.h): each descriptor that
 * comes is relayed to 127.0.0.1:port, or closed at once when nobody listens
 * there.  Ends, killing what is left, when the workload ends or the link is
 * closed.  SIGTERM is handed on.
 *
 * argv, env	of the workload, NULL-terminated.
 *
 * The process exit status: the workload's; 128 + its signal; 126 or 127 when
 * it cannot be executed (the reason is on stderr); 125 when the shim itself
 * cannot work. */
int shim_main(uint16_t port, char *const *argv, char *const *env);

#endif
