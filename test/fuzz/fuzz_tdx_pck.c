#include <stdint.h>
#include <stdlib.h>

#include "attest/tee/tdx_pck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is of the documented ranges, and read again the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_pck a, b;
	struct err err;

	if (tdx_pck_parse(slice_make(data, size), &a, &err) != OK)
		return 0;
	if (a.sgx_type > 2 ||
	    tdx_pck_parse(slice_make(data, size), &b, &err) != OK ||
	    memcmp(a.cpu_svn, b.cpu_svn, sizeof(a.cpu_svn)) != 0 ||
	    tdx_pck_parse(slice_make(data, size - 1), &b, &err) == OK)
		abort();
	return 0;
}
