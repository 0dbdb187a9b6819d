/* TDX evidence under keys of our own: a root that is called as Intel's is, the
 * PCK certificate of a platform, a quote, and the collateral for it.  For
 * tests; a verifier has to be told the root. */
#ifndef CONFD_TEST_ATTEST_TEE_TDX_FORGE_H
#define CONFD_TEST_ATTEST_TEE_TDX_FORGE_H

#include "attest/tee/tdx_verify.h"

#define TDX_FORGE_LEVELS 4

/* A level of the platform: components that are not named are 0. */
struct tdx_forge_level {
	uint8_t sgx;	/* sgxtcbcomponents[0] */
	uint8_t module; /* tdxtcbcomponents[0] */
	uint8_t loader; /* tdxtcbcomponents[2] */
	uint16_t pce;	/* pcesvn */
	const char *status;
	const char *advisories; /* a JSON array, or NULL */
};

struct tdx_forge_isv {
	uint16_t svn;
	const char *status;
	const char *advisories;
};

/* What the evidence says; tdx_forge_init sets what makes it good. */
struct tdx_forge_options {
	int64_t now;	  /* unix seconds */
	uint16_t version; /* of the quote */
	enum tdx_body body;
	struct tdx_td td;
	struct tdx_qe qe; /* report_data is filled in */
	uint8_t qe_upper; /* a byte behind the digest in its report data */

	struct tdx_pck pck;
	const char *pck_name, *ca_name, *root_name, *signer_name;
	int64_t pck_until, signer_until; /* unix seconds */
	bool pck_other_key; /* the QE's report is signed by another */
	bool pck_by_root;   /* signed by the root's key in its CA's name */
	bool pck_plain;	    /* without Intel's extension */
	bool other_fmspc, other_pce_id; /* in the TCB info */

	size_t n_levels, n_module, n_qe;
	struct tdx_forge_level level[TDX_FORGE_LEVELS];
	struct tdx_forge_isv module[TDX_FORGE_LEVELS]; /* of TDX_01 */
	struct tdx_forge_isv qe_level[TDX_FORGE_LEVELS];
	const char *module_id;
	uint32_t evaluation;
	int64_t issued, next; /* of documents and CRLs */
	bool revoke_pck, revoke_ca, revoke_signer;
	bool crl_by_root; /* the PCK CRL is the root's */
};

enum tdx_forge_key {
	TDX_FORGE_ROOT,
	TDX_FORGE_CA,
	TDX_FORGE_PCK,
	TDX_FORGE_SIGNER,
	TDX_FORGE_AK,
	TDX_FORGE_KEYS
};

struct tdx_forge {
	struct tdx_forge_options o; /* set it, then tdx_forge_make */
	struct keypair *key[TDX_FORGE_KEYS];
	struct buf spki[TDX_FORGE_KEYS];
	struct buf cert[TDX_FORGE_AK]; /* DER */
	uint8_t root[1][32];	       /* SHA-256 of the root's SPKI */
	struct buf quote, tcb_info, tcb_info_chain, qe_identity;
	struct buf root_crl, pck_crl, pck_crl_chain;
};

/* New keys, and options that make good evidence at `now`. */
void tdx_forge_init(struct tdx_forge *f, int64_t now);
void tdx_forge_done(struct tdx_forge *f);
#define auto_tdx_forge __attribute__((cleanup(tdx_forge_done)))

/* Make all of it as the options say. */
void tdx_forge_make(struct tdx_forge *f);

/* The case of it: borrowed from f. */
struct tdx_case tdx_forge_case(const struct tdx_forge *f);

#endif
