/* The table of an OVMF image and its SEV metadata, and kernels as PE images.
 * The input is the end of an image of whole pages. */
#include "attest/measure_pe.h"
#include "attest/measure_snp.h"
#include "core/mem.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

/* Only of sections that do not take long. */
static void measure(const struct measure_ovmf *o)
{
	struct measure_snp_case in = { .ovmf = o->image, .vcpus = 2 };
	uint8_t out[MEASURE_SNP_LEN];
	uint64_t total = 0;
	struct err err;

	for (size_t i = 0; i < o->n_sections; i++)
		total += o->section[i].size;
	for (unsigned i = 0; i < 2 && total < 1u << 20; i++) {
		in.has_kernel = i == 1;
		(void)measure_snp_digest(&in, out, &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = (size / MEASURE_PAGE + 1) * MEASURE_PAGE;
	struct slice raw = slice_make(data, size);
	uint8_t head[MEASURE_PE_HEAD], out[48];
	struct measure_ovmf o;
	struct err err;

	if (size > 1u << 20)
		return 0;
	uint8_t *image = mem_must(len);
	if (size > 0)
		memcpy(image + len - size, data, size);
	if (measure_ovmf_parse(slice_make(image, len), &o, &err) == OK) {
		if (o.n_sections > MEASURE_OVMF_SECTIONS ||
		    o.gpa + len != UINT64_C(1) << 32)
			abort();
		measure(&o);
	}
	mem_free(image);
	(void)measure_pe_sha384(raw, (struct slice){ 0 }, out, &err);
	if (measure_pe_linux_head(raw, 4096, 1u << 30, head, &err) == OK)
		(void)measure_pe_sha384(raw, slice_make(head, sizeof(head)),
					out, &err);
	return 0;
}
