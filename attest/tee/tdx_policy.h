/* Whether a genuine TD is one that is wanted: a row a rule.
 *
 * A policy of all zero is the strictest on what is asked of every TD (no
 * debugging, no migration, no bit that is not known, a platform that is up to
 * date without advisories) and asks nothing of what is particular to one.  */
#ifndef CONFD_ATTEST_TEE_TDX_POLICY_H
#define CONFD_ATTEST_TEE_TDX_POLICY_H

#include "attest/manifest.h"
#include "attest/tee/tdx_verify.h"

/* Borrowed.  A list that is NULL is not asked; one that is empty allows
 * nothing. */
struct tdx_policy {
	const struct manifest_digests *mrtd, *rtmr[4]; /* 48 bytes each */
	const struct manifest_digests *mrconfigid, *mrowner, *mrownerconfig;
	const struct manifest_digests *mrservicetd; /* TD report 1.5 only */
	const struct manifest_digests *mrseam, *mrsignerseam;
	const struct manifest_digests *fmspcs;	  /* 6 bytes each */
	const struct manifest_digests *instances; /* 16: platforms */
	const struct manifest_digests *ppids;	  /* 16: processors */

	/* NULL: UpToDate alone.  OutOfDate, OutOfDateConfigurationNeeded and
	 * Revoked are never accepted, even when listed. */
	const struct manifest_strings *tcb_status;
	const struct manifest_strings *advisories; /* tolerated; NULL: none */
	bool told_advisories; /* true: of an UpToDate platform any will do */

	uint32_t
		min_evaluation; /* tcbEvaluationDataNumber, of both documents */
	int64_t min_tcb_date;	/* unix seconds; 0: not asked */
	uint8_t min_tee_tcb_svn[16]; /* each byte of TEE_TCB_SVN */

	bool debug, migratable; /* true: tolerated */
	bool sept_ve;		/* true: SEPT_VE_DISABLE may be clear */
	bool perfmon_refused;	/* true: PERFMON must be clear */

	/* Bits of XFAM that may be on, where has_xfam; else those known. */
	bool has_xfam;
	uint64_t xfam;
};

/* What a manifest's members say.  The lists stay m's. */
void tdx_policy_from_manifest(const struct manifest_tdx *m,
			      struct tdx_policy *p);

/* Judge: a step of trace for each rule that is asked; true when all hold. */
bool tdx_policy_check(const struct tdx_policy *p, const struct tdx_claims *c,
		      struct trace *trace);

#endif
