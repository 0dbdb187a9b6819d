/* What is asked of evidence where nobody gives a manifest: no debugging, no
 * migration, VMPL 0, no bit that is not known, a TDX platform that is up to
 * date.  What --expect says of one of these takes its place. */
#ifndef CONFD_CMD_VERIFY_DEFAULT_H
#define CONFD_CMD_VERIFY_DEFAULT_H

#include "attest/verifier.h"
#include "cmd/verify_claims.h"

/* Judge claims: a step for each rule. */
void verify_snp_default(const struct verify_expects *e,
			const struct snp_claims *c, struct trace *t);
void verify_tdx_default(const struct verify_expects *e,
			const struct tdx_claims *c, struct trace *t);

/* What an ok leaves open, a line each without a full stop.
 *
 * by_policy	a policy of a manifest judged, not these rules. */
void verify_snp_unproven(const struct verify_expects *e, bool by_policy,
			 const struct snp_claims *c, struct buf *out);
void verify_tdx_unproven(const struct verify_expects *e, bool by_policy,
			 const struct tdx_claims *c, struct buf *out);

/* Judge a bundle as verifier_judge does, in the same order, but by these rules
 * and without a verdict that anything else would take: of c, by and policies
 * are not looked at.  The software TEE is refused: a manifest has to name its
 * root.
 *
 * claims	written only on OK, or when policy alone refuses or a member
 *		of the statement was not checked; then *genuine is true.
 *
 * Codes as verifier_judge. */
enum status verify_default_judge(const struct verifier_case *c,
				 const struct verify_expects *e,
				 struct trace *t, struct claims *claims,
				 bool *genuine, struct err *err);

#endif
