/* Files of evidence in any form: what comes of them is never more than there
 * was, and what is binary stays as it is. */
#include "cmd/verify_input.h"
#include "test/fuzz/fuzz.h"

static void decode(enum verify_form form, struct slice in)
{
	auto_buf struct buf b = buf_make(VERIFY_FILE_MAX);

	buf_put(&b, in);
	verify_input_decode(form, &b);
	require(!b.bad && b.len <= in.len);
	for (size_t i = 0; i < in.len; i++)
		require(in.p[i] < 0x7f || slice_eq(buf_slice(&b), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode(VERIFY_BYTES, slice_make(data, size));
	decode(VERIFY_CERTS, slice_make(data, size));
	return 0;
}
