/* Whether a TDX quote is genuine, and what it then says.
 *
 * Pure: opens no file, asks neither network nor clock.  It judges no policy:
 * that a TD may be debugged, or that its platform is out of date, is a claim;
 * see tdx_policy.h. */
#ifndef CONFD_ATTEST_TEE_TDX_VERIFY_H
#define CONFD_ATTEST_TEE_TDX_VERIFY_H

#include "attest/tee/tdx_collateral.h"
#include "attest/tee/tdx_match.h"
#include "attest/trace.h"

/* What is verified. */
struct tdx_case {
	struct slice quote; /* untrusted, any length */

	/* Read before, and good for many quotes; or NULL, and then input is
	 * read for this one. */
	const struct tdx_collateral *collateral;
	struct tdx_collateral_input input;

	/* SHA-256 of the SubjectPublicKeyInfos of roots that are believed
	 * beside Intel's, which is compiled in: for tests with own keys. */
	const uint8_t (*roots)[32];
	size_t n_roots;

	int64_t now; /* unix seconds */
};

struct tdx_advisories {
	size_t n;
	char id[TDX_ADVISORIES_MAX][TDX_ADVISORY_SIZE];
};

/* What a genuine quote says, and Intel of its platform. */
struct tdx_claims {
	uint16_t version; /* of the quote */
	enum tdx_body body;
	struct tdx_td td;
	struct tdx_qe qe;
	struct tdx_pck pck;
	bool processor_ca; /* its PCK certificate is of that CA */

	enum tdx_status status; /* all in all */
	enum tdx_status module_status, qe_status;
	enum tdx_status level_status;	  /* of the TCB level alone */
	int64_t tcb_date;		  /* of the TCB level, unix seconds */
	uint32_t evaluation;		  /* the lower of both documents */
	struct tdx_advisories advisories; /* of level, module and QE */

	uint8_t root[32];    /* SHA-256 of the root's SubjectPublicKeyInfo */
	uint8_t report[32];  /* SHA-256 of the quote, without what is behind */
	int64_t valid_until; /* unix seconds: first end of all that was used */
};

/* Steps that a trace of a genuine quote has. */
extern const char *const tdx_verify_mandatory[];
extern const size_t tdx_verify_n_mandatory;

/* Verify: each rule one step of trace, all those that can be checked, also
 * behind one that failed.
 *
 * claims	written only on OK.
 *
 * E_PARSE	malformed.
 * E_CRYPTO	not genuine, or Intel says nothing of its versions.
 * E_STALE	all that could be checked holds, but collateral is missing or
 *		out of its time. */
enum status tdx_verify(const struct tdx_case *c, struct trace *trace,
		       struct tdx_claims *claims, struct err *err);

#endif
