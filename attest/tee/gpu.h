/* The NVIDIA devices of a bundle, beside its CPU: each with gpu_verify.h.
 *
 * Form: confd-attest(7), GPUS. */
#ifndef CONFD_ATTEST_TEE_GPU_H
#define CONFD_ATTEST_TEE_GPU_H

#include "attest/tee/tee.h"

/* Verify all of them, one after the other, until one fails; each has to have
 * signed gpu_verify_nonce() of the CPU's report, which the caller verified.
 *
 * trace	gets the steps: "gpu" tells where a device's begin.
 * claims	of the CPU; on OK gets gpu and n_gpus, and valid_until is lowered
 *		to the first end.
 *
 * Codes as gpu_verify; OK without devices. */
enum status gpu_verify_all(const struct tee_case *c, struct trace *trace,
			   struct claims *claims, struct err *err);

/* Steps that a trace of a bundle with devices has. */
extern const char *const gpu_mandatory[];
extern const size_t gpu_n_mandatory;

#endif
