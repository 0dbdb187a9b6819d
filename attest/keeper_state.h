/* What the keeper keeps across a restart, sealed to this TEE. */
#ifndef CONFD_ATTEST_KEEPER_STATE_H
#define CONFD_ATTEST_KEEPER_STATE_H

#include "attest/messages.h"
#include "attest/releaselog.h"
#include "attest/tee/tee.h"
#include "attest/vault.h"
#include "core/io/store.h"

struct keeper_state {
	struct vault *vault;
	struct releaselog log;
	struct manifest_chain chain;
	struct store *store;	/* NULL: memory only */
	struct secret *sealing; /* NULL: the TEE has no sealing key */
	uint64_t revision;	/* of the stored state */
	bool sealed;		/* there is a state that cannot be opened */
	struct err why_sealed;	/* and why */
};

/* Open the store and what is in it.  A state that this TEE cannot open leaves
 * `sealed` set and everything else empty; that is OK, too. */
enum status keeper_state_open(struct keeper_state *s, const char *url,
			      struct tee_device *tee, struct err *err);

/* Seal and store.  OK at once where nothing is kept. */
enum status keeper_state_save(struct keeper_state *s, struct err *err);

/* Remove what a first save that failed may have left, so that a restart does
 * not find what was said not to have happened. */
void keeper_state_forget(struct keeper_state *s);
void keeper_state_done(struct keeper_state *s);

enum service_state keeper_state_name(const struct keeper_state *s);

#endif
