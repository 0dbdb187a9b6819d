/* Reference integrity manifests of NVIDIA's drivers and VBIOSes: the values
 * that a device's measurements must have, as a SWID tag with an XML signature.
 *
 * Source: ISO/IEC 19770-2:2015, TCG PC Client RIM Information Model 1.01, W3C
 * XML Signature 1.1.  Exactly the profile that the vendor writes is read: one
 * enveloped signature as the last element, one reference to the whole
 * document, Canonical XML 1.1, SHA-384, ECDSA P-384, four certificates.  The
 * values are read from the very tree that was canonicalised, outside of the
 * signature element, so there is nothing to wrap. */
#ifndef CONFD_ATTEST_TEE_GPU_RIM_H
#define CONFD_ATTEST_TEE_GPU_RIM_H

#include "attest/tee/gpu_report.h"
#include "core/x509.h"

#define GPU_RIM_CERTS 4	       /* signer, intermediate, chip's CA, root */
#define GPU_RIM_ROWS_MAX 128   /* measurements that one is about */
#define GPU_RIM_VALUES_MAX 512 /* of all of them, alternatives included */
#define GPU_RIM_ALTERNATIVES 16

/* One measurement: what it may be. */
struct gpu_rim_row {
	uint8_t index; /* from 0: one less than the device counts */
	bool active;   /* it has to be one of the values */
	size_t n;
	const uint8_t (*value)[GPU_VALUE_LEN];
};

/* A manifest; owns what it refers to.  Read only. */
struct gpu_rim {
	char version[GPU_TEXT_MAX + 1]; /* of the driver or VBIOS */
	char product[GPU_TEXT_MAX + 1]; /* the chip: "GH100" */
	char edition[GPU_TEXT_MAX + 1]; /* "GPU" or "SWITCH" */
	size_t n_rows, n_active;
	struct gpu_rim_row row[GPU_RIM_ROWS_MAX]; /* index ascending */
	struct x509 *cert[GPU_RIM_CERTS];	  /* signer first, root last */
	uint8_t digest[GPU_VALUE_LEN];		  /* of what stands there */
	uint8_t signed_digest[GPU_VALUE_LEN];	  /* of what was signed */

	/* What gpu_rim_judge() found: code OK or what is wrong. */
	bool judged;
	struct err signature; /* of the signer over the digest */
	struct err chain;     /* signer to root, whatever the time */

	struct buf signed_info;		  /* private: canonical */
	struct buf signed_by;		  /* private: the signature, DER */
	uint8_t (*values)[GPU_VALUE_LEN]; /* private */
};

/* Read one manifest and hash what it signs; believe nothing yet.
 *
 * in	untrusted, any length; not referred to after the return.
 * out	written only on OK.
 *
 * E_PARSE	not of the profile above, an attribute named Id, a measurement
 *		twice or with values of another form, or no active one.
 * E_LIMIT	more of something than the caps.  E_NOMEM. */
enum status gpu_rim_parse(struct slice in, struct gpu_rim **out,
			  struct err *err);
void gpu_rim_free(struct gpu_rim *r);
static inline void gpu_rim_freep(struct gpu_rim **r)
{
	gpu_rim_free(*r);
}
#define auto_gpu_rim __attribute__((cleanup(gpu_rim_freep)))

/* Check signature and chain, once: the outcome stays in r.  Not: whether the
 * digests are the same, the root is to be trusted, and the time. */
void gpu_rim_judge(struct gpu_rim *r);

/* Manifests that were read and judged, by the SHA-256 of their bytes: the
 * same ones come with every report of a fleet.  Not for several threads. */
#define GPU_RIM_CACHE 16
struct gpu_rim_cached {
	uint8_t id[32];
	struct gpu_rim *rim;
};
struct gpu_rim_cache {
	size_t n;
	struct gpu_rim_cached item[GPU_RIM_CACHE]; /* the latest used first */
};

/* Nothing to do beforehand for a cache of zeros. */
void gpu_rim_cache_done(struct gpu_rim_cache *c);
#define auto_gpu_rim_cache __attribute__((cleanup(gpu_rim_cache_done)))

/* The manifest of these bytes, judged; it belongs to the cache and stays
 * until GPU_RIM_CACHE others were asked for.  As gpu_rim_parse. */
enum status gpu_rim_cache_get(struct gpu_rim_cache *c, struct slice in,
			      const struct gpu_rim **out, struct err *err);

#endif
