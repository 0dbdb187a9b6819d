/* The Intel TDX quote: bytes in, fields out.
 *
 * Source: Intel TDX DCAP Quoting Library API, A.3 (quote version 4) and A.4
 * (version 5); the QE's report is REPORTBODY of the Intel SDM 3D, 38.15.
 * Integers are little-endian, but for those of ECDSA.  This module only reads;
 * whether to believe what it read is decided in tdx_verify.h. */
#ifndef CONFD_ATTEST_TEE_TDX_QUOTE_H
#define CONFD_ATTEST_TEE_TDX_QUOTE_H

#include "core/slice.h"

#define TDX_QUOTE_MAX (64u << 10) /* bytes, with what is behind it */

/* What a body is; the numbers are those of version 5. */
enum tdx_body {
	TDX_BODY_10 = 2, /* TD report of TDX 1.0 */
	TDX_BODY_15 = 3, /* of TDX 1.5: with the two members more */
};

/* TDATTRIBUTES (Intel TDX Module ABI, ATTRIBUTES). */
#define TDX_ATTR_DEBUG (UINT64_C(1) << 0) /* the host reads its memory */
#define TDX_ATTR_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TDX_ATTR_MIGRATABLE (UINT64_C(1) << 29)
#define TDX_ATTR_PKS (UINT64_C(1) << 30)
#define TDX_ATTR_KL (UINT64_C(1) << 31)
#define TDX_ATTR_PERFMON (UINT64_C(1) << 63)
#define TDX_ATTR_KNOWN                                                     \
	(TDX_ATTR_DEBUG | TDX_ATTR_SEPT_VE_DISABLE | TDX_ATTR_MIGRATABLE | \
	 TDX_ATTR_PKS | TDX_ATTR_KL | TDX_ATTR_PERFMON)

/* XFAM (Intel TDX Module ABI, XFAM): features of the extended state. */
#define TDX_XFAM_FIXED1 UINT64_C(0x3)	 /* x87 and SSE are always on */
#define TDX_XFAM_KNOWN UINT64_C(0x6dbe7) /* no other bit can be on */

/* What the TD and the platform under it are. */
struct tdx_td {
	uint8_t tee_tcb_svn[16];  /* [0] module's SVN, [1] its version */
	uint8_t mrseam[48];	  /* measurement of the TDX module */
	uint8_t mrsignerseam[48]; /* its signer; zero: Intel */
	uint64_t seam_attributes;
	uint64_t attributes; /* TDX_ATTR_* */
	uint64_t xfam;
	uint8_t mrtd[48]; /* the TD as it was built */
	uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint8_t rtmr[4][48];	  /* what it measured as it ran */
	uint8_t report_data[64];  /* chosen by the TD */
	uint8_t tee_tcb_svn2[16]; /* TDX_BODY_15: of the module now in use */
	uint8_t mrservicetd[48];  /* TDX_BODY_15 */
};

/* The enclave that signed the quote. */
struct tdx_qe {
	uint8_t cpu_svn[16];
	uint8_t miscselect[4]; /* as it lies there: little-endian */
	uint8_t attributes[16];
	uint8_t mrenclave[32], mrsigner[32];
	uint16_t isv_prod_id, isv_svn;
	uint8_t report_data[64]; /* binds the key and auth */
};

/* Slices are of the bytes that were parsed and live as long as those. */
struct tdx_quote {
	uint16_t version; /* 4 or 5 */
	enum tdx_body body;
	uint8_t user_data[20]; /* of the QE's host; says nothing */
	struct tdx_td td;
	struct tdx_qe qe;
	struct slice whole;	  /* the quote, without what is behind it */
	struct slice signed_part; /* under signature */
	struct slice signature;	  /* 64 bytes: r, s, big-endian */
	struct slice key;	  /* 64 bytes: x, y of the attestation key */
	struct slice qe_report;	  /* 384 bytes, under qe_signature */
	struct slice qe_signature;
	struct slice auth; /* what the QE bound beside the key */
	struct slice pem;  /* PCK certificate, its CA, the root */
};

/* Parse one quote.
 *
 * raw	untrusted, any length.  Guests get quotes padded with zeros: those
 *	may follow, nothing else.
 * out	written only on OK.
 *
 * E_PARSE	another version, key type, TEE or QE vendor, a length that does
 *		not fill what holds it, a reserved byte that is not zero, or
 *		certification data other than a PCK certificate chain.
 * E_LIMIT	more than TDX_QUOTE_MAX bytes. */
enum status tdx_quote_parse(struct slice raw, struct tdx_quote *out,
			    struct err *err);

#endif
