/* Judging what a genuine SEV-SNP report says: one rule a row (snp_policy.c).
 *
 * A list that is NULL is not asked for; one that is there and empty accepts
 * nothing. */
#ifndef CONFD_ATTEST_TEE_SNP_POLICY_H
#define CONFD_ATTEST_TEE_SNP_POLICY_H

#include "attest/manifest.h"
#include "attest/tee/snp_verify.h"

struct snp_policy {
	const struct manifest_strings *products;     /* "Milan" ... */
	const struct manifest_digests *measurements; /* 48 bytes each */
	const struct manifest_digests *id_keys;	     /* 48: digests */
	const struct manifest_digests *author_keys;  /* 48: digests */
	const struct manifest_digests *host_data;    /* 32 */
	const struct manifest_digests *family_ids;   /* 16 */
	const struct manifest_digests *image_ids;    /* 16 */
	const struct manifest_digests *chips;	     /* 64 or 8: allowed */
	const struct manifest_digests *denied_chips; /* 64 or 8 */
	const struct manifest_strings *csp_ids;	     /* of VLEKs, "CN=..." */
	const uint8_t *report_data;		     /* 64 bytes */

	/* Of reported, committed and launch TCB, every part.  fmc counts on
	 * Turin alone, which alone has it. */
	struct snp_tcb min_tcb;

	/* SNP_POLICY_* and SNP_PLATFORM_*; what is in neither may be either. */
	uint64_t policy_set, policy_clear;
	uint64_t platform_set, platform_clear;

	uint8_t min_abi_major, min_abi_minor; /* of the guest's policy */
	struct snp_firmware min_firmware;     /* of the committed one */
	uint32_t min_version;		      /* of the report */
	uint32_t min_guest_svn;
	uint32_t vmpl;			  /* 0 to 3: exactly this */
	uint64_t launch_mit, current_mit; /* all of these bits */
	bool vlek;	  /* tolerated: signed by a provider's key */
	bool masked_chip; /* tolerated: a VCEK's report without its chip id */
	bool provisional; /* tolerated: firmware that is not committed */
	bool crl;	  /* asked for: AMD's revocation list */
};

/* What holds where nobody asked for anything: no debugging, no migration,
 * VMPL 0, reserved bits clear, no masked chip id; a VLEK and provisional
 * firmware are tolerated.  Accepts any image: who trusts by it says which. */
void snp_policy_defaults(struct snp_policy *p);

/* What a manifest's members say, strictly: no VLEK but of the providers that
 * it names, no provisional firmware, no SMT, no CXL unless it tolerates them.
 * The lists stay m's. */
void snp_policy_from_manifest(const struct manifest_snp *m,
			      struct snp_policy *p);

/* Whether every rule holds; each leaves a step, but for those that nobody
 * asked for. */
bool snp_policy_holds(const struct snp_policy *p, const struct snp_claims *c,
		      struct trace *t);

#endif
