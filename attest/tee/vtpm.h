/* Is this evidence of Azure's vTPM genuine?  Pure: no files, no clock, no
 * network.
 *
 * The TPM is a program in the guest, so what its quote is worth follows from a
 * chain: the CPU's report has the hash of the runtime data, which name the
 * TPM's attestation key (AK), which signed the quote, which has the digest of
 * the PCRs and the nonce.  The CPU's report itself is judged by snp_verify.h
 * or tdx_verify.h: without that nothing here is proven.
 *
 * Sources: the Host Compatibility Layer's report as Azure documents it (guest
 * attestation, NV index 0x01400001); TPM 2.0 Library, Part 2, TPMS_ATTEST. */
#ifndef CONFD_ATTEST_TEE_VTPM_H
#define CONFD_ATTEST_TEE_VTPM_H

#include "attest/trace.h"

#define VTPM_HCL_MAX 16384 /* bytes, with the zeros behind it */
#define VTPM_PCRS 24
#define VTPM_NONCE_MAX 64 /* bytes */

enum vtpm_cpu { VTPM_SNP = 2, VTPM_TDX = 4 }; /* as the HCL report says it */

/* The HCL report; slices are of the bytes that were parsed. */
struct vtpm_hcl {
	enum vtpm_cpu cpu;
	struct slice report;	  /* SNP: a whole report; TDX: a TDREPORT */
	struct slice report_data; /* 64 bytes, in report */
	struct slice runtime;	  /* JSON */
};

/* Parse one.
 *
 * raw	untrusted, any length; zeros may follow the report.
 * out	written only on OK.
 *
 * E_PARSE	another form, kind of report or of hash, or sizes that do not
 *		fit one another. */
enum status vtpm_parse_hcl(struct slice raw, struct vtpm_hcl *out,
			   struct err *err);

/* A TPM's quote; slices are of the bytes that were parsed. */
struct vtpm_quote {
	struct slice nonce; /* extraData */
	uint64_t clock;	    /* milliseconds that the TPM was on */
	uint32_t resets, restarts;
	uint32_t selected;   /* bit i: PCR i of the SHA-256 bank */
	struct slice digest; /* 32 bytes, over those PCRs */
};

/* Parse one (TPMS_ATTEST of TPM2_Quote).
 *
 * raw	untrusted, any length.
 * out	written only on OK.
 *
 * E_PARSE	not made by a TPM, not a quote, a length that does not fill
 *		what holds it, or other than some PCRs of one SHA-256 bank. */
enum status vtpm_parse_quote(struct slice raw, struct vtpm_quote *out,
			     struct err *err);

/* What is verified: untrusted, but for nonce. */
struct vtpm_case {
	struct slice hcl;
	struct slice quote;	/* TPMS_ATTEST; empty: there is none */
	struct slice signature; /* of the quote, bare; empty: none */

	/* {"bank":"sha256","pcrs":[...]}: up to VTPM_PCRS values in hex, or
	 * null.  Empty: none. */
	struct slice pcrs;
	struct slice td_quote; /* of VTPM_TDX; empty: there is none */
	struct slice nonce;    /* that was asked with; empty: not compared */
};

/* What genuine evidence says. */
struct vtpm_claims {
	enum vtpm_cpu cpu;
	uint8_t runtime[32]; /* SHA-256 of the runtime data */
	uint8_t nonce[VTPM_NONCE_MAX];
	size_t nonce_len;
	uint32_t selected;	    /* bit i: PCR i */
	uint8_t pcr[VTPM_PCRS][32]; /* those that are not selected: zero */
	uint64_t clock;		    /* milliseconds */
	uint32_t resets, restarts;
	struct slice report; /* of the case: what the CPU signed */
};

/* Steps that are in the trace of all genuine evidence. */
extern const char *const vtpm_verify_mandatory[];
extern const size_t vtpm_verify_n_mandatory;

/* Verify, but for the CPU's own report: claims.report is that, and has to be
 * verified as it is.
 *
 * trace	gets all the steps that can be checked, also behind one that
 *		failed.
 * out		written only on OK; its slice is of the case.
 *
 * E_PARSE	malformed.
 * E_CRYPTO	not genuine, or of another nonce.
 * E_STALE	nothing speaks against it, but a part is missing. */
enum status vtpm_verify(const struct vtpm_case *c, struct trace *trace,
			struct vtpm_claims *out, struct err *err);

#endif
