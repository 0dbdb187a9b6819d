/* A small world on the software TEE for tests: a root, a device under it, a
 * manifest that names both, and a bundle that the manifest allows.  A test
 * changes one thing and looks what becomes of it. */
#ifndef CONFD_TEST_ATTEST_SIM_WORLD_H
#define CONFD_TEST_ATTEST_SIM_WORLD_H

#include "attest/tee/sim.h"
#include "attest/verifier.h"

#define WORLD_NOW INT64_C(1790000000) /* unix seconds */

struct world {
	struct buf root; /* key and certificate, PEM */
	uint8_t root_digest[32];
	struct sim_options options; /* of the device */
	struct statement statement; /* that it signs */
	struct buf manifest_text;
	struct manifest *manifest;
	struct buf bundle;
	struct evidence evidence; /* the same, parsed */
	struct verifier_case vc;  /* that accepts the bundle */
	/* Of the last world_judge: */
	struct trace trace;
	struct claims claims;
	struct verdict *verdict;
	struct err err;
};

/* Everything at its best.  The root is made once a process. */
void world_init(struct world *w);
void world_done(struct world *w);
#define auto_world __attribute__((cleanup(world_done)))

/* Make the bundle again, after a change of options, statement or root. */
void world_attest(struct world *w);

/* Write the bundle again, after a change of evidence. */
void world_rewrite(struct world *w);

/* Put this text (printf, %s for root and measurement) as the one policy "p";
 * the manifest is made again. */
void world_policy(struct world *w, const char *policy);

/* Policy members that accept the device. */
void world_good_policy(const struct world *w, struct buf *out);

/* Judge vc; what came of it is in w. */
enum status world_judge(struct world *w);

/* Whether the last judgement was refused with this code at this step, and
 * left neither verdict nor claims. */
bool world_refused(const struct world *w, enum status code, const char *step);

#endif
