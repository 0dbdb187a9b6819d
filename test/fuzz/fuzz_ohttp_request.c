#include "test/fuzz/fuzz_ohttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_recipe r = fuzz_recipe(slice_make(data, size));
	auto_buf struct buf wire = buf_make(1 << 26);
	auto_buf struct buf plain = buf_make(1 << 26);
	auto_buf struct buf out = buf_make(1 << 26);
	struct fuzz_pair p = fuzz_pair(&r);

	if ((r.flags & FUZZ_RAW) != 0)
		buf_put(&wire, r.rest);
	else
		fuzz_seal_parts(&r, &p, false, &wire, &plain);
	bool changed = fuzz_change(&r, &wire, OHTTP_HEADER_LEN);
	enum status got = fuzz_open(&r, &p, false, buf_slice(&wire), &out);

	fuzz_judge(&r, got, changed, &plain, &out);
	fuzz_pair_done(&p);
	return 0;
}
