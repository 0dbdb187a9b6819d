/* The worker's parent process: TEE, keys, sandboxes and proxies.  It has no
 * network; what it hears of it comes from net (cmd/worker_net.h), which it
 * trusts with no more than availability: secrets are sealed to a key that
 * only this process has, and are taken only together with the manifest that
 * the sealing binds. */
#ifndef CONFD_CMD_WORKER_KEEPER_H
#define CONFD_CMD_WORKER_KEEPER_H

#include "attest/tee/tee.h"

#define WORKER_API_PORT 9444

struct worker_settings {
	const char *as;	 /* HOST:PORT */
	const char *api; /* ADDR:PORT to listen at */
	const char *group;
	const char *name;
	const char *manifest; /* file that must be in force; NULL: none */
	const char *tee;      /* NULL: the one that is there */
	struct tee_settings tee_settings;
	const char *trust_root; /* file of roots for tests; NULL: none */
	const char *ready_file; /* or NULL */
	uint64_t drain;		/* seconds */
};

/* Run until told to stop by SIGTERM or SIGINT, or until net ends. */
enum status worker_keeper_run(const struct worker_settings *s, struct err *err);

#endif
