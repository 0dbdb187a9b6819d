/* RSA-PSS signatures for forged certificates: what AMD signs with and our
 * library has no use for.  For tests alone: slow, and not constant in time. */
#ifndef CONFD_TEST_ATTEST_TEE_SNP_FORGE_RSA_H
#define CONFD_TEST_ATTEST_TEE_SNP_FORGE_RSA_H

#include "core/slice.h"
#include "test/attest/tee/snp_forge_keys.h"

#define SNP_FORGE_SIGNATURE_LEN 512

/* RSASSA-PSS (RFC 8017 s8.1.1) with SHA-384, MGF1 SHA-384 and salt_len bytes
 * of salt, at most 64, which are always the same. */
void snp_forge_rsa_sign(const struct snp_forge_key *key, struct slice message,
			size_t salt_len,
			uint8_t out[static SNP_FORGE_SIGNATURE_LEN]);

#endif
