/* Judging a set of genuine NVIDIA devices, all that a machine has: one rule a
 * row (gpu_policy.c).
 *
 * A list that is NULL is not asked for; one that is there and empty accepts
 * nothing. */
#ifndef CONFD_ATTEST_TEE_GPU_POLICY_H
#define CONFD_ATTEST_TEE_GPU_POLICY_H

#include "attest/manifest.h"
#include "attest/tee/gpu_verify.h"

/* Borrowed. */
struct gpu_policy {
	const struct manifest_strings *arch;	/* "hopper": of GPUs */
	const struct manifest_strings *drivers; /* "570.86.15": of GPUs */
	const struct manifest_strings *vbios;	/* of GPUs and switches */
	uint32_t count;		     /* of GPUs, exactly; 0: not asked */
	bool ocsp_unknown;	     /* tolerated: nobody says not revoked */
	uint32_t ocsp_revoked_grace; /* hours; tolerated after revocation */
};

/* What holds where nobody asked for anything: every certificate that counts
 * is said not to be revoked, no device twice, and no GPU on protected PCIe
 * without its fabric. */
void gpu_policy_defaults(struct gpu_policy *p);

/* What a manifest's members say.  The lists stay m's. */
void gpu_policy_from_manifest(const struct manifest_gpus *m,
			      struct gpu_policy *p);

/* Judge all devices of one machine together: a step for each rule that is
 * asked; true when all hold.  Where OCSP responses are missing or out of
 * their time, and that is not tolerated, the step is not checked. */
bool gpu_policy_holds(const struct gpu_policy *p,
		      const struct gpu_claims *device, size_t n,
		      struct trace *t);

#endif
