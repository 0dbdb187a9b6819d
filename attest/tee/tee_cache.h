/* What the evidence of many machines has in common, kept by who judges many:
 * AMD's certificates above the chip's, Intel's collateral, NVIDIA's reference
 * values, read once and with their signatures found to hold.
 *
 * Things are known by the SHA-256 of their exact text.  Only what was part of
 * genuine evidence is kept, and nothing of it that depends on the time, on
 * which roots one trusts or on what is revoked: a verification asks all of that
 * again.  Bounded; the least used goes first.  Not for several threads. */
#ifndef CONFD_ATTEST_TEE_TEE_CACHE_H
#define CONFD_ATTEST_TEE_TEE_CACHE_H

#include "attest/tee/gpu_rim.h"
#include "attest/tee/snp_certs.h"
#include "attest/tee/tdx_collateral.h"

#define TEE_CACHE_MAX 8 /* of each kind */

/* Things of one kind. */
struct tee_cache_items {
	size_t n;
	struct {
		uint8_t id[32];
		void *thing;
	} item[TEE_CACHE_MAX]; /* the latest used first */
};

struct tee_cache {
	struct tee_cache_items snp, tdx;
	struct gpu_rim_cache rims;
};

/* Nothing to do beforehand for a cache of zeros. */
void tee_cache_done(struct tee_cache *c);
#define auto_tee_cache __attribute__((cleanup(tee_cache_done)))

/* What stands for chain and crl of this collateral, or NULL; the cache's, until
 * the next tee_cache_keep_*().  c may be NULL. */
struct snp_certs *tee_cache_find_snp(struct tee_cache *c,
				     const struct snp_collateral *in);

/* Keep it, after evidence with it was genuine.  Only where leaf and chain are
 * apart and there is no table; there may be no memory: then nothing is kept. */
void tee_cache_keep_snp(struct tee_cache *c, const struct snp_collateral *in);

/* The same for the whole of Intel's collateral. */
const struct tdx_collateral *tee_cache_find_tdx(
	struct tee_cache *c, const struct tdx_collateral_input *in);
void tee_cache_keep_tdx(struct tee_cache *c,
			const struct tdx_collateral_input *in);

#endif
