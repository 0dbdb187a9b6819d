/* Reports of NVIDIA devices, as a driver or a peer gives them. */
#include "attest/tee/gpu_report.h"
#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

/* What is accepted is signed but for the zeros behind it, and every text in
 * it ends and is printable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	struct gpu_report r;
	struct err err;
	char id[64];

	if (gpu_report_parse(in, &r, &err) != OK)
		return 0;
	require(r.signed_part.p == data);
	require(r.signed_part.len + r.signature.len + r.padding == size);
	require(all_zero(data + size - r.padding, r.padding));
	require(r.n_blocks > 0 && r.n_blocks <= GPU_BLOCKS_MAX);
	for (unsigned int i = 0; i < 256; i++)
		require(gpu_report_block(&r, i) == NULL ||
			gpu_report_block(&r, i)->index == i + 1);
	for (const char *p = r.driver; *p != '\0'; p++)
		require(*p > ' ' && *p <= '~');
	require(memchr(r.vbios, 0, sizeof(r.vbios)) != NULL);
	gpu_report_vbios_id(&r, id, sizeof(id));
	return 0;
}
