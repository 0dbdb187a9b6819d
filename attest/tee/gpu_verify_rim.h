/* The part of gpu_verify.h that is about reference values. */
#ifndef CONFD_ATTEST_TEE_GPU_VERIFY_RIM_H
#define CONFD_ATTEST_TEE_GPU_VERIFY_RIM_H

#include "attest/tee/gpu_verify.h"

enum gpu_rim_role { GPU_RIM_DRIVER, GPU_RIM_VBIOS, GPU_RIM_ROLES };

/* Those that were found to be the vendor's and of these versions; NULL:
 * missing, or not. They belong to the cache. */
struct gpu_rims {
	const struct gpu_rim *of[GPU_RIM_ROLES];
};

/* Check what a device of found->id needs, and compare the report with it:
 * leaves steps, fills in rims and what found has of them. */
void gpu_verify_rims(const struct gpu_case *c, const struct gpu_report *r,
		     struct gpu_rim_cache *cache, struct gpu_rims *rims,
		     struct trace *t, struct gpu_claims *found);

/* Leave the step of a rule about the times of n certificates; *valid_until is
 * lowered to the first end. */
void gpu_verify_times(struct x509 *const *cert, size_t n, int64_t now,
		      const struct trace_rule *rule, struct trace *t,
		      int64_t *valid_until);

#endif
