#include <stdint.h>
#include <stdlib.h>

#include "attest/tee/tdx_quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct slice part, struct slice whole)
{
	return part.p >= whole.p && part.len <= whole.len &&
	       (size_t)(part.p - whole.p) <= whole.len - part.len;
}

/* What is accepted lies, part behind part, in the quote. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_quote q;
	struct err err;

	if (tdx_quote_parse(slice_make(data, size), &q, &err) != OK)
		return 0;
	const struct slice parts[] = { q.signed_part, q.signature,    q.key,
				       q.qe_report,   q.qe_signature, q.auth,
				       q.pem };
	const uint8_t *last = data;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!inside(parts[i], q.whole) || parts[i].p < last)
			abort();
		last = parts[i].p + parts[i].len;
	}
	if (q.whole.len > size || q.signed_part.p != data ||
	    !all_zero(data + q.whole.len, size - q.whole.len))
		abort();
	return 0;
}
