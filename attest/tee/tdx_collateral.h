/* What Intel's provisioning certification service says beside a quote, read
 * and verified once, for any number of quotes.
 *
 * Nothing of it depends on the time or on whom one trusts: which signatures
 * hold under its own root is found out here; whether that root is to be
 * trusted, and whether all is current, is asked in tdx_verify.h each time. */
#ifndef CONFD_ATTEST_TEE_TDX_COLLATERAL_H
#define CONFD_ATTEST_TEE_TDX_COLLATERAL_H

#include "attest/tee/tdx_tcb.h"
#include "core/x509_crl.h"

/* Borrowed, as the service (API v4) serves them; empty: not there.  Chains are
 * PEM of two certificates, signer and root, also with the %-escapes of the
 * header that carries them.  CRLs are DER, PEM, or DER in hex. */
struct tdx_collateral_input {
	struct slice tcb_info;		/* body of /tdx/certification/v4/tcb */
	struct slice tcb_info_chain;	/* TCB-Info-Issuer-Chain */
	struct slice qe_identity;	/* /tdx/certification/v4/qe/identity */
	struct slice qe_identity_chain; /* its ...-Issuer-Chain */
	struct slice root_ca_crl;	/* IntelSGXRootCA.der, the CRL */
	struct slice pck_crl;		/* /sgx/certification/v4/pckcrl */
	struct slice pck_crl_chain;	/* its ...-Issuer-Chain; may be absent,
					 * the quote has it, too */
};

/* Each thing that was found out, by itself. */
enum tdx_collateral_check {
	TDX_TCB_INFO_FORM,
	TDX_TCB_INFO_CHAIN, /* TCB signing certificate, by the root */
	TDX_TCB_INFO_SIGNATURE,
	TDX_QE_IDENTITY_FORM,
	TDX_QE_IDENTITY_CHAIN,
	TDX_QE_IDENTITY_SIGNATURE,
	TDX_ROOT_CRL_FORM,
	TDX_PCK_CRL_FORM,
	TDX_PCK_CRL_CHAIN,    /* held when there is none */
	TDX_COLLATERAL_CHECKS /* how many there are */
};

enum tdx_found { TDX_MISSING, TDX_HELD, TDX_BROKEN };

/* A certificate that signs collateral and the root that signed it. */
struct tdx_signer {
	struct x509 *cert; /* NULL: none, or malformed */
	struct x509 *root;
};

/* Signatures that were verified: child by issuer, compared as bytes. */
#define TDX_VERIFIED_MAX 16
struct tdx_verified {
	size_t n;
	struct {
		struct slice child, issuer; /* DER */
	} pair[TDX_VERIFIED_MAX];
};

/* Read only. */
struct tdx_collateral {
	struct tdx_tcb_info *tcb; /* NULL: missing or malformed; as the rest */
	struct tdx_qe_identity *qe;
	struct x509_crl *root_crl, *pck_crl;
	struct tdx_signer tcb_signer, qe_signer, pck_ca;
	struct {
		enum tdx_found found;
		struct err err; /* of TDX_BROKEN */
	} check[TDX_COLLATERAL_CHECKS];
	struct tdx_verified verified;
};

/* Read and verify; never NULL: what is wrong with it is in check.  Copies all
 * that it needs.  Untrusted input of any length. */
struct tdx_collateral *tdx_collateral_new(
	const struct tdx_collateral_input *in);
void tdx_collateral_free(struct tdx_collateral *c);
static inline void tdx_collateral_freep(struct tdx_collateral **c)
{
	tdx_collateral_free(*c);
}
#define auto_tdx_collateral __attribute__((cleanup(tdx_collateral_freep)))

/* As x509_verify without the times, but not what `verified` has already; adds
 * to it (while there is room) what it finds to hold, so child and issuer have
 * to live as long.  For a root child and issuer are the same. */
enum status tdx_collateral_verify(struct tdx_verified *verified,
				  const struct x509 *child,
				  const struct x509 *issuer, struct err *err);

/* The same for a CRL. */
enum status tdx_collateral_verify_crl(struct tdx_verified *verified,
				      const struct x509_crl *crl,
				      const struct x509 *issuer,
				      struct err *err);

/* E_CRYPTO unless r, s (64 bytes, big-endian) is a signature of message by
 * this key, ECDSA P-256 with SHA-256: how Intel signs all but certificates.
 * key is x, y (64 bytes). */
enum status tdx_collateral_verify_raw(struct slice key, struct slice message,
				      struct slice signature, struct err *err);

/* x, y of a certificate's key; E_CRYPTO when it is not on P-256. */
enum status tdx_collateral_key(const struct x509 *cert, struct slice *out,
			       struct err *err);

#endif
