/* A vTPM's evidence: HCL report, quote, PCR values. */
#include "attest/tee/vtpm.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

static bool inside(struct slice part, struct slice whole)
{
	return part.len == 0 ||
	       (part.p >= whole.p && part.len <= whole.len &&
		(size_t)(part.p - whole.p) <= whole.len - part.len);
}

/* What is accepted lies in the input, and no step is ok without the rest. */
static void parse(struct slice in)
{
	struct vtpm_hcl hcl;
	struct vtpm_quote quote;
	struct err err;

	if (vtpm_parse_hcl(in, &hcl, &err) == OK)
		require(inside(hcl.report, in) && inside(hcl.runtime, in) &&
			inside(hcl.report_data, hcl.report) &&
			hcl.report_data.len == 64);
	if (vtpm_parse_quote(in, &quote, &err) == OK)
		require(inside(quote.nonce, in) && inside(quote.digest, in) &&
			quote.selected != 0 && quote.selected >> 24 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice in = slice_make(data, size);
	const struct vtpm_case c = {
		.hcl = in,
		.quote = in,
		.signature = slice_sub(in, 0, 256),
		.pcrs = in,
		.td_quote = in,
		.nonce = S("nonce"),
	};
	struct vtpm_claims claims;
	struct trace t;
	struct err err;

	parse(in);
	trace_init(&t);
	require(vtpm_verify(&c, &t, &claims, &err) != OK);
	require(trace_first_failure(&t) != NULL);
	trace_done(&t);
	return 0;
}
