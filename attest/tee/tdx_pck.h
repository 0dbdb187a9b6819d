/* What Intel says of a platform in its PCK certificate: the extension "SGX",
 * 1.2.840.113741.1.13.1.
 *
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5. */
#ifndef CONFD_ATTEST_TEE_TDX_PCK_H
#define CONFD_ATTEST_TEE_TDX_PCK_H

#include "core/slice.h"

#define TDX_PCK_EXTENSION "1.2.840.113741.1.13.1"

struct tdx_pck {
	uint8_t ppid[16];    /* names the processor */
	uint8_t cpu_svn[16]; /* its components' versions, in order */
	uint8_t raw_cpu_svn[16];
	uint16_t pce_svn;
	uint8_t pce_id[2]; /* as it lies there */
	uint8_t fmspc[6];  /* family, model, stepping, platform, SKU */
	bool has_sgx_type;
	uint8_t sgx_type; /* 0 standard, 1 scalable, 2 with integrity */

	/* Of platforms that were registered (multi-package): */
	bool has_instance;
	uint8_t instance[16]; /* the platform's instance id */
	bool has_configuration;
	bool dynamic_platform, cached_keys, smt;
};

/* Parse the extension's value.
 *
 * value	what is in the OCTET STRING; untrusted, any length.
 * out		written only on OK.
 *
 * E_PARSE	not the form, a member twice, one of those that every
 *		certificate has missing, or a number that does not fit. */
enum status tdx_pck_parse(struct slice value, struct tdx_pck *out,
			  struct err *err);

#endif
