/* Judging claims by the policies of a manifest, and the verdict.
 *
 * One rule a row (policy.c); evidence is accepted when one of the policies
 * that were named accepts it whole.  A verdict is made here and nowhere else,
 * and only for a trace in which everything before was checked and held; who
 * releases secrets asks for one. */
#ifndef CONFD_ATTEST_POLICY_H
#define CONFD_ATTEST_POLICY_H

#include "attest/claims.h"
#include "attest/manifest.h"
#include "attest/statement.h"
#include "attest/trace.h"

/* Evidence was genuine, bound, fresh, and allowed by a policy. */
struct verdict; /* opaque; free with verdict_free */

/* What is judged: verified claims and the statement that they are bound to. */
struct policy_case {
	const struct manifest *manifest;
	const struct manifest_strings *policies; /* names; any may accept */
	const struct statement *statement;
	const struct claims *claims;
	int64_t now; /* unix seconds */
};

/* Judge.  Every policy that is tried leaves its steps in the trace.
 *
 * trace	has the steps of the verification so far; if one of them is
 *		not ok, or a mandatory one is missing, there is no verdict.
 * out		written only on OK; verdict_free.
 *
 * E_POLICY	no policy accepts; otherwise as trace_error. */
enum status policy_match(const struct policy_case *c, struct trace *trace,
			 struct verdict **out, struct err *err);

/* Whether all that comes before policies was checked, and held: the bundle, the
 * TEE's own steps and its GPUs', the statement. */
bool policy_complete(const struct trace *t, const struct claims *c);

/* Says which policies of the list are for this TEE, in the trace: E_POLICY
 * when none is.  Before anything of the evidence is looked at. */
enum status policy_admit(const struct manifest *m,
			 const struct manifest_strings *policies,
			 const char *tee, struct trace *trace, struct err *err);

void verdict_free(struct verdict *v);
static inline void verdict_freep(struct verdict **v)
{
	verdict_free(*v);
}
#define auto_verdict __attribute__((cleanup(verdict_freep)))

/* False for NULL and for anything policy.c did not make. */
bool verdict_valid(const struct verdict *v);

/* What it was given for.  On a verdict that is not valid these abort: to ask
 * is a bug. */
enum purpose verdict_purpose(const struct verdict *v);
const char *verdict_tee(const struct verdict *v);
const char *verdict_policy(const struct verdict *v);
const uint8_t *verdict_manifest(const struct verdict *v); /* 32 bytes: digest */
uint64_t verdict_generation(const struct verdict *v);	  /* of the manifest */
const uint8_t *verdict_spki(const struct verdict *v);	  /* 32 bytes */
const uint8_t *verdict_keys(const struct verdict *v);	  /* 32 bytes */
const uint8_t *verdict_nonce(const struct verdict *v);	  /* 32 bytes */
const uint8_t *verdict_report(const struct verdict *v); /* 32 bytes: SHA-256 */
int64_t verdict_time(const struct verdict *v);		/* when it was judged */

/* SHA-256 over all of the above: names this verdict in the release log. */
void verdict_digest(const struct verdict *v, uint8_t out[static 32]);

/* Carry a verdict from our judge to our keeper: only over a channel between
 * our own processes, never to or from a peer or a disk. */
void verdict_pack(const struct verdict *v, struct buf *out);
enum status verdict_unpack(struct slice in, struct verdict **out,
			   struct err *err);

#endif
