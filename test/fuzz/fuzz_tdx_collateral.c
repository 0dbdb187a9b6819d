#include <stdint.h>
#include <stdlib.h>

#include "attest/tee/tdx_collateral.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says which piece the rest is: the readers of chains and CRLs,
 * with their escapes and hex.  Nothing made here is signed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_collateral_input in = { 0 };
	struct slice *const piece[] = {
		&in.tcb_info,	       &in.tcb_info_chain, &in.qe_identity,
		&in.qe_identity_chain, &in.root_ca_crl,	   &in.pck_crl,
		&in.pck_crl_chain,
	};

	if (size == 0)
		return 0;
	*piece[data[0] % 7] = slice_make(data + 1, size - 1);
	auto_tdx_collateral struct tdx_collateral *c = tdx_collateral_new(&in);
	if (c->check[TDX_TCB_INFO_SIGNATURE].found == TDX_HELD ||
	    c->check[TDX_QE_IDENTITY_SIGNATURE].found == TDX_HELD)
		abort();
	return 0;
}
