/* The TDVF descriptor of an image; the input is the end of an image of whole
 * pages.  What is accepted can be measured. */
#include "attest/measure_tdx.h"
#include "core/mem.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

static void measure(struct slice image, const struct measure_tdvf *t)
{
	struct measure_tdx_case in = { .firmware = image,
				       .memory = UINT64_C(4) << 30,
				       .has_kernel = true,
				       .cmdline = "quiet" };
	struct measure_tdx out;
	uint64_t total = 0;
	struct err err;

	for (size_t i = 0; i < t->n_sections; i++) {
		const struct measure_tdvf_section *s = &t->section[i];

		if (s->data.len > s->size ||
		    (s->data.len > 0 &&
		     (s->data.p < image.p ||
		      s->data.p + s->data.len > image.p + image.len)))
			abort();
		total += s->size;
		if (total > 1u << 20)
			return; /* it would take long */
	}
	(void)measure_tdx_registers(&in, &out, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = (size / MEASURE_PAGE + 1) * MEASURE_PAGE;
	struct measure_tdvf t;
	struct err err;

	if (size > 1u << 20)
		return 0;
	uint8_t *image = mem_must(len);
	if (size > 0)
		memcpy(image + len - size, data, size);
	if (measure_tdvf_parse(slice_make(image, len), &t, &err) == OK)
		measure(slice_make(image, len), &t);
	mem_free(image);
	return 0;
}
