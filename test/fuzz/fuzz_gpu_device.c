/* What a GPU helper writes. */
#include <stdlib.h>

#include "attest/tee/gpu_device.h"
#include "attest/tee/gpu_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
	if (!held)
		abort();
}

/* What is accepted has reports of the nonce, and fits into evidence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nonce[GPU_DEVICE_NONCE_LEN];
	auto_evidence struct evidence e;
	struct gpu_report r;
	struct err err;

	evidence_init(&e);
	if (gpu_device_parse(slice_make(data, size), nonce, &e, &err) != OK) {
		require(e.n_gpus == 0 && e.gpu == NULL);
		return 0;
	}
	require(e.n_gpus > 0 && e.n_gpus <= EVIDENCE_GPUS_MAX);
	for (size_t i = 0; i < e.n_gpus; i++) {
		require(gpu_report_parse(buf_slice(&e.gpu[i].report), &r,
					 &err) == OK);
		require(r.padding == 0);
		require(memcmp(r.nonce, nonce, sizeof(nonce)) == 0);
		require(e.gpu[i].arch != NULL && e.gpu[i].chain.len > 0);
	}
	return 0;
}
