/* A small world on forged hardware for tests: an SEV-SNP or a TDX machine,
 * with NVIDIA devices where they are wanted, under roots of our own, a manifest
 * that allows it, and a whole bundle.  A test changes one thing and looks what
 * becomes of it. */
#ifndef CONFD_TEST_ATTEST_HW_WORLD_H
#define CONFD_TEST_ATTEST_HW_WORLD_H

#include "attest/verifier.h"
#include "test/attest/tee/gpu_forge.h"
#include "test/attest/tee/snp_forge.h"
#include "test/attest/tee/tdx_forge.h"

#define HW_NOW SNP_FORGE_NOW
#define HW_GPUS 2
#define HW_ROOTS 4

struct hw_world {
	bool is_tdx;
	struct snp_forge snp;
	struct snp_forged snp_made;
	struct tdx_forge tdx;
	bool has_vendor;
	struct gpu_forge vendor; /* of the GPUs */
	struct gpu_forge_device device[HW_GPUS];
	size_t n_gpus;
	bool ocsp; /* the GPUs' responses come along */

	struct statement statement; /* that it signs */
	struct evidence evidence;
	struct buf bundle;
	struct buf manifest_text;
	struct manifest *manifest;
	uint8_t roots[HW_ROOTS][32];
	struct verifier_case vc; /* that accepts the bundle */
	/* Of the last hw_judge: */
	struct trace trace;
	struct claims claims;
	struct verdict *verdict;
	struct err err;
};

/* Everything at its best. */
void hw_snp(struct hw_world *w, enum snp_product product, enum snp_key key,
	    uint32_t version);
void hw_tdx(struct hw_world *w);
void hw_tdx_at(struct hw_world *w, int64_t now); /* unix seconds */
void hw_done(struct hw_world *w);
#define auto_hw __attribute__((cleanup(hw_done)))

/* Put n GPUs into the machine and ask for them in the policy. */
void hw_gpus(struct hw_world *w, size_t n);

/* Make everything again, after a change of forges or statement. */
void hw_attest(struct hw_world *w);

/* Fill only the CPU's part of a bundle, for a statement that is there. */
void hw_issue(struct hw_world *w, struct evidence *e);

/* Write the bundle again, after a change of evidence. */
void hw_rewrite(struct hw_world *w);

/* The policy's good members, with the braces open; and a manifest that has
 * these members, and more, as the one policy "p".  more begins with a comma or
 * is empty; a member that it has replaces the good one. */
void hw_members(const struct hw_world *w, struct buf *out);
void hw_policy(struct hw_world *w, const char *more);

/* Judge vc; what came of it is in w. */
enum status hw_judge(struct hw_world *w);

/* Whether the last judgement was refused with this code at this step, and
 * left no verdict; with a step of the policy, whether that is named. */
bool hw_refused(const struct hw_world *w, enum status code, const char *step);

#endif
