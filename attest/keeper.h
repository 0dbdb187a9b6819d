/* The keeper of the attestation service: seed, CA key, secrets, store, TEE,
 * nonces and leases.  It has no network; it speaks with net and judge over
 * channels only, and lets nothing out but to who a verdict names. */
#ifndef CONFD_ATTEST_KEEPER_H
#define CONFD_ATTEST_KEEPER_H

#include "attest/tee/tee.h"
#include "attest/vault.h"

struct keeper_settings {
	struct vault_groups groups;
	struct tee_settings tee;
	const char *tee_name;	       /* NULL: whichever is there */
	const struct tee_roots *trust; /* roots for tests; NULL: none */
	const char *store;	       /* URL of core/io/store, or "memory" */
	int net, judge;		       /* channels; they become the keeper's */
	/* Called when everything is open: give up what is not needed.  s is
	 * these settings; folder: what the TEE writes in; NULL: nothing.  The
	 * folder of collateral, if there is one, is still read later. */
	enum status (*confine)(const struct keeper_settings *s,
			       const char *folder, struct err *err);
};

/* Run until net is gone (OK) or the judge is (E_IO). */
enum status keeper_run(const struct keeper_settings *s, struct err *err);

#endif
