/* The network role of the attestation service: TLS, HTTP and JSON.  It makes
 * its own TLS key, holds no secrets and no files, and asks the keeper for
 * everything that matters (attest/messages.h).  Routes: confd-as(8). */
#ifndef CONFD_ATTEST_SERVICE_H
#define CONFD_ATTEST_SERVICE_H

#include "core/io/addr.h"

struct service_settings {
	int keeper;   /* channel */
	int listener; /* bound and listening socket */
	int64_t drain_ms;
	/* Called when the keeper's first word is there and before the first
	 * connection is accepted. */
	enum status (*confine)(struct err *err);
	/* Called when it serves. */
	void (*ready)(const struct addr *at);
};

/* Run until SIGTERM (OK, after draining) or the keeper is gone (E_IO). */
enum status service_run(const struct service_settings *s, struct err *err);

#endif
