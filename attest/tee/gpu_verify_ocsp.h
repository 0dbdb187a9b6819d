/* The part of gpu_verify.h that is about revocation. */
#ifndef CONFD_ATTEST_TEE_GPU_VERIFY_OCSP_H
#define CONFD_ATTEST_TEE_GPU_VERIFY_OCSP_H

#include "attest/tee/gpu_verify_rim.h"

/* Read the case's responses: leaves the step "gpu.ocsp", which fails when one
 * is malformed, or about a certificate of this device and not by its issuer;
 * fills in the certificates of found.  What a response says, and that one is
 * missing or out of its time, is for a policy. */
void gpu_verify_ocsp(const struct gpu_case *c, const struct gpu_chain *chain,
		     const struct gpu_rims *rims, struct trace *t,
		     struct gpu_claims *found);

#endif
