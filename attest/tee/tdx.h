/* Intel TDX in the table of tee.h: a bundle's quote and collateral for
 * tdx_verify.h, and this machine's device.
 *
 * Texts of the collateral: confd-attest(7), TDX. */
#ifndef CONFD_ATTEST_TEE_TDX_H
#define CONFD_ATTEST_TEE_TDX_H

#include "attest/tee/tee.h"

extern const struct tee tee_tdx;

#endif
