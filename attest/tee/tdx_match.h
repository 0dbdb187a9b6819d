/* Which level of Intel's documents a platform is at, and what that makes of
 * it.
 *
 * Source: Intel SGX/TDX DCAP Quote Verification Library, "TCB level
 * selection" (4.1.2.4.11, .15 and .17 of its description).  Pure, and judges
 * nothing: that a platform is out of date is an answer here. */
#ifndef CONFD_ATTEST_TEE_TDX_MATCH_H
#define CONFD_ATTEST_TEE_TDX_MATCH_H

#include "attest/tee/tdx_pck.h"
#include "attest/tee/tdx_quote.h"
#include "attest/tee/tdx_tcb.h"

/* What was found; pointers are into the documents. */
struct tdx_match {
	const struct tdx_module *module; /* who may sign the TDX module */
	const struct tdx_isv_level *module_level; /* NULL: module 0, the TCB
						   * levels say all */
	enum tdx_status module_status;
	const struct tdx_tcb_level *sgx; /* by the PCK certificate's versions */
	const struct tdx_tcb_level *tdx; /* by the TD report's, too */
	const struct tdx_isv_level *qe_level;
	enum tdx_status platform; /* before the QE is looked at */
	enum tdx_status status;	  /* all in all */
};

/* The module's identity and level for this TD: E_CRYPTO unless there is one,
 * its signer is the one in the TD report, SEAMATTRIBUTES is zero and as the
 * document has it, and its version reaches some level. */
enum status tdx_match_module(const struct tdx_tcb_info *t,
			     const struct tdx_td *td, struct tdx_match *m,
			     struct err *err);

/* The platform's levels: E_CRYPTO when it reaches none. */
enum status tdx_match_levels(const struct tdx_tcb_info *t,
			     const struct tdx_pck *pck, const struct tdx_td *td,
			     struct tdx_match *m, struct err *err);

/* The quoting enclave: E_CRYPTO unless it is the one that the document
 * identifies. */
enum status tdx_match_qe(const struct tdx_qe_identity *id,
			 const struct tdx_qe *qe, struct err *err);

/* Its level: E_CRYPTO when it reaches none. */
enum status tdx_match_qe_level(const struct tdx_qe_identity *id,
			       const struct tdx_qe *qe, struct tdx_match *m,
			       struct err *err);

/* Put them together; the calls above have filled in m.  E_CRYPTO when the
 * module that runs now (of a TD report 1.5) is one that nobody knows. */
enum status tdx_match_status(const struct tdx_tcb_info *t, enum tdx_body body,
			     const struct tdx_td *td, struct tdx_match *m,
			     struct err *err);

/* The status of a platform of which a part has that status. */
enum tdx_status tdx_match_merge(enum tdx_status platform, enum tdx_status part);

#endif
