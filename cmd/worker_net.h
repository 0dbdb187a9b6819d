/* The worker's process towards the world: it registers at the attestation
 * service, and serves the worker API to operators.  It holds the TLS key, and
 * no other secret; what it hears it reads strictly and hands to the keeper
 * (cmd/worker_messages.h). */
#ifndef CONFD_CMD_WORKER_NET_H
#define CONFD_CMD_WORKER_NET_H

#include "attest/tee/tee.h"

#define WORKER_NET_CHAN 3 /* descriptors that it is started with */
#define WORKER_NET_LISTEN 4
#define WORKER_NET_ROOTS "/dev/fd/5" /* --trust-root, where it is given */

struct worker_net_settings {
	const char *as; /* HOST:PORT */
	const char *group, *name;
	const struct tee_roots *trust; /* roots for tests */
};

/* Run until SIGTERM, or until the keeper is gone (E_IO). */
enum status worker_net_run(const struct worker_net_settings *s,
			   struct err *err);

#endif
