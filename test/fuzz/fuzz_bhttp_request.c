#include "test/fuzz/fuzz_bhttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_bhttp(false, slice_make(data, size));
	return 0;
}
