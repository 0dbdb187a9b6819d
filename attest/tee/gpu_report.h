/* What an NVIDIA GPU or NVSwitch signs: an SPDM 1.1 GET_MEASUREMENTS request
 * and its response, one behind the other.  Bytes in, fields out; whether to
 * believe them is decided in gpu_verify.h.
 *
 * Source: DMTF DSP0274 1.1 s10.11; the opaque data is the vendor's: pairs of
 * type and length, little-endian as all integers here. */
#ifndef CONFD_ATTEST_TEE_GPU_REPORT_H
#define CONFD_ATTEST_TEE_GPU_REPORT_H

#include "core/slice.h"

#define GPU_REPORT_MAX 8192 /* bytes: the driver's buffer */
#define GPU_NONCE_LEN 32
#define GPU_BLOCKS_MAX 128   /* measurements; a GPU has 64, a switch 31 */
#define GPU_VALUE_LEN 48     /* of a measurement: SHA-384 */
#define GPU_SIGNATURE_LEN 96 /* r and s of P-384, big-endian */
#define GPU_TEXT_MAX 32	     /* characters of a version or name */
#define GPU_PDIS_MAX 18	     /* links that a GPU has to switches */
#define GPU_PEERS 8	     /* GPUs that a switch tells of */
#define GPU_PDI_LEN 8	     /* of a device's identifier on its fabric */

/* One measurement: a digest. */
struct gpu_block {
	uint8_t index; /* as the device counts: from 1 */
	uint8_t value[GPU_VALUE_LEN];
};

/* A part of the device may be on or off, or not be told of. */
enum gpu_status { GPU_STATUS_NONE, GPU_STATUS_OFF, GPU_STATUS_ON };

/* FEATURE_FLAG: how the device takes part in confidential computing. */
enum gpu_feature {
	GPU_FEATURE_SINGLE, /* one GPU, passed through */
	GPU_FEATURE_MULTI,  /* several, their links encrypted */
	GPU_FEATURE_PPCIE,  /* several with switches, their links in clear */
	GPU_FEATURE_NONE    /* not told */
};

/* Texts are printable ASCII with a NUL behind; empty: not there. */
struct gpu_report {
	struct slice signed_part;     /* in what was parsed */
	struct slice signature;	      /* likewise */
	size_t padding;		      /* zero bytes behind the end */
	uint8_t nonce[GPU_NONCE_LEN]; /* of the request: the verifier's */
	size_t n_blocks;
	struct gpu_block block[GPU_BLOCKS_MAX]; /* index ascending */
	char driver[GPU_TEXT_MAX + 1];		/* "545.00"; not of a switch */
	char vbios[GPU_TEXT_MAX + 1];		/* "96.00.5E.00.01" */
	char project[GPU_TEXT_MAX + 1];
	char project_sku[GPU_TEXT_MAX + 1];
	char chip_sku[GPU_TEXT_MAX + 1];
	bool has_fwid;
	uint8_t fwid[GPU_VALUE_LEN]; /* of the firmware that holds the key */
	enum gpu_status nvdec0;	     /* video decoder 0 */
	enum gpu_status ppcie;	     /* protected PCIe */
	enum gpu_feature feature;
	/* Of a GPU: the switch behind each link (the bytes the other way
	 * round; all zero: none).  Of a switch: one, its own. */
	size_t n_pdis;
	uint8_t pdi[GPU_PDIS_MAX][GPU_PDI_LEN];
	/* Of a switch: the GPUs at its links, the bytes the other way round;
	 * all zero or all ones: none. */
	size_t n_peers; /* 0 or GPU_PEERS */
	uint8_t peer[GPU_PEERS][GPU_PDI_LEN];
};

/* Parse one report.
 *
 * raw	untrusted, any length; signed_part and signature point into it.
 *	Zero bytes behind the end are the rest of the driver's buffer and are
 *	left out; others are refused.
 * out	written only on OK.
 *
 * E_PARSE	not of the form: another version, code or parameter, lengths
 *		that do not add up, blocks out of order or not SHA-384
 *		digests, a known field twice or of another length.
 * E_LIMIT	more than GPU_REPORT_MAX bytes or GPU_BLOCKS_MAX blocks. */
enum status gpu_report_parse(struct slice raw, struct gpu_report *out,
			     struct err *err);

/* The measurement of that index as reference values count (from 0: one less
 * than the device); NULL: none. */
const struct gpu_block *gpu_report_block(const struct gpu_report *r,
					 unsigned int rim_index);

/* The identifier in the reference values' name of the VBIOS, such as
 * NV_GPU_VBIOS_1010_0200_882_96005E0001; cut to size. */
void gpu_report_vbios_id(const struct gpu_report *r, char *out, size_t size);

#endif
