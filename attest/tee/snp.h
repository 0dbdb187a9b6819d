/* AMD SEV-SNP in the table of tee.h: a bundle's report and collateral for
 * snp_verify.h, and this machine's device.
 *
 * Texts of the collateral: confd-attest(7), SNP. */
#ifndef CONFD_ATTEST_TEE_SNP_H
#define CONFD_ATTEST_TEE_SNP_H

#include "attest/tee/tee.h"

extern const struct tee tee_snp;

#endif
