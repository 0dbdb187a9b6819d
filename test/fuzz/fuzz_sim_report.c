#include <stdint.h>
#include <stdlib.h>

#include "attest/tee/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is, in its signed part, what the writer makes of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[SIM_SIGNED_LEN];
	struct sim_report r;
	struct err err;

	if (sim_report_parse(slice_make(data, size), &r, &err) != OK)
		return 0;
	sim_report_write(&r, again);
	if (size != SIM_REPORT_LEN || memcmp(again, data, sizeof(again)) != 0 ||
	    r.sig_len > SIM_SIGNATURE_MAX)
		abort();
	return 0;
}
