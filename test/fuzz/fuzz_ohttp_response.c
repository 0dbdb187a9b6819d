#include "test/fuzz/fuzz_ohttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_recipe r = fuzz_recipe(slice_make(data, size));
	auto_buf struct buf wire = buf_make(1 << 26);
	auto_buf struct buf plain = buf_make(1 << 26);
	auto_buf struct buf out = buf_make(1 << 26);
	struct fuzz_pair p = fuzz_pair(&r);

	/* A request, so that there is something to answer. */
	fuzz_must(fuzz_seal(&p, false, S("x"), true, &wire) == OK);
	fuzz_must(fuzz_open(&r, &p, false, buf_slice(&wire), &out) == OK);
	buf_clear(&wire);
	buf_clear(&out);

	if ((r.flags & FUZZ_RAW) != 0)
		buf_put(&wire, r.rest);
	else
		fuzz_seal_parts(&r, &p, true, &wire, &plain);
	bool changed =
		fuzz_change(&r, &wire, (r.flags & FUZZ_AES128) != 0 ? 16 : 32);
	enum status got = fuzz_open(&r, &p, true, buf_slice(&wire), &out);

	fuzz_judge(&r, got, changed, &plain, &out);
	fuzz_pair_done(&p);
	return 0;
}
