/* Is this report of an NVIDIA GPU or NVSwitch genuine, fresh, and of firmware
 * and driver that the vendor published?  Pure: no files, no clock, no network.
 *
 * One device a call: each has a report of its own with the caller's nonce.
 * What a set of them must be (how many, all different, the fabric between
 * them, which versions, revocation) is judged in gpu_policy.h. */
#ifndef CONFD_ATTEST_TEE_GPU_VERIFY_H
#define CONFD_ATTEST_TEE_GPU_VERIFY_H

#include "attest/tee/gpu_chain.h"
#include "attest/tee/gpu_rim.h"
#include "attest/trace.h"

#define GPU_OCSP_MAX 64 /* responses of one case */

/* What is verified. */
struct gpu_case {
	struct slice report;	 /* as received */
	struct slice chain;	 /* PEM, gpu_chain.h */
	struct slice driver_rim; /* empty: missing; a switch has none */
	struct slice vbios_rim;	 /* empty: missing */

	/* OCSP responses, DER or PEM, in any order.  Those about certificates
	 * that are not of this device are left alone. */
	const struct slice *ocsp;
	size_t n_ocsp;

	const uint8_t *nonce; /* GPU_NONCE_LEN bytes; NULL: not known */

	/* Trusted beside NVIDIA's own roots of devices and of reference
	 * values, by SHA-256 of their SubjectPublicKeyInfo: for tests with a
	 * PKI of their own. */
	const uint8_t (*roots)[32];
	size_t n_roots;
	const uint8_t (*rim_roots)[32];
	size_t n_rim_roots;
	int64_t now; /* unix seconds */

	/* NULL, or reference values read before. */
	struct gpu_rim_cache *cache;
};

/* What is known of whether a certificate was revoked. */
enum gpu_revocation {
	GPU_REVOCATION_GOOD,	/* the issuer says that it is not */
	GPU_REVOCATION_MISSING, /* no response about it */
	GPU_REVOCATION_STALE,	/* one that is not valid at that time */
	GPU_REVOCATION_UNKNOWN, /* the issuer does not know it */
	GPU_REVOCATION_REVOKED
};

/* One certificate whose revocation counts: all but the device's leaf, which
 * it makes itself, and the roots. */
struct gpu_certificate {
	const char *what; /* a literal: "device", "driver RIM: signer" */
	enum gpu_revocation revocation;
	int64_t revoked_at; /* unix seconds, of a revoked one */
	uint8_t reason;	    /* of a revoked one; ocsp.h */
	int64_t until;	    /* of a good one: when to ask again */
};
#define GPU_CERTIFICATES_MAX 9

/* What a genuine device says. */
struct gpu_claims {
	struct gpu_identity id;
	char driver[GPU_TEXT_MAX + 1]; /* empty: a switch */
	char vbios[GPU_TEXT_MAX + 1];
	bool has_fwid; /* the report's is that of the certificate */
	uint8_t fwid[GPU_VALUE_LEN];
	enum gpu_status nvdec0, ppcie;
	enum gpu_feature feature;
	size_t n_pdis; /* gpu_report.h */
	uint8_t pdi[GPU_PDIS_MAX][GPU_PDI_LEN];
	size_t n_peers;
	uint8_t peer[GPU_PEERS][GPU_PDI_LEN];
	uint8_t nonce[GPU_NONCE_LEN];
	size_t n_measurements; /* compared with reference values */
	bool nvdec0_skipped;   /* its measurement was not, being off */
	size_t n_certificates;
	struct gpu_certificate certificate[GPU_CERTIFICATES_MAX];
	uint8_t root[32], rim_root[32]; /* SHA-256 of the SPKIs */
	bool root_pinned;    /* both NVIDIA's; false: one that the case named */
	uint8_t report[32];  /* SHA-256 of the signed part */
	int64_t now;	     /* of the case */
	int64_t valid_until; /* unix seconds: first end of what was used */
};

/* Verify.
 *
 * c		untrusted, but for nonce, roots, now and cache.
 * trace	gets the steps, as far as it came.
 * out		written only on OK.
 *
 * E_PARSE	report, chain or something else is malformed.
 * E_CRYPTO	not genuine, not fresh, or not what the vendor published.
 * E_STALE	nothing speaks against it, but reference values or the nonce
 *		are missing, or a certificate is out of its time.
 *
 * Without OCSP responses, or with a certificate revoked, it can be OK: the
 * claims say so, and gpu_policy.h asks. */
enum status gpu_verify(const struct gpu_case *c, struct trace *trace,
		       struct gpu_claims *out, struct err *err);

/* Steps that are in the trace of every genuine GPU, and of every switch. */
extern const char *const gpu_verify_mandatory[];
extern const size_t gpu_verify_n_mandatory;

/* What a GPU must sign for evidence of this CPU: SHA-256("confd-gpu-v1" 0x00
 * report). */
void gpu_verify_nonce(struct slice cpu_report,
		      uint8_t out[static GPU_NONCE_LEN]);

/* "good", "missing", "stale", "unknown", "revoked". */
const char *gpu_revocation_name(enum gpu_revocation r);

#endif
