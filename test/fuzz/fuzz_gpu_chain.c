/* The certificates of an NVIDIA device: a chain in PEM, or one certificate in
 * DER in every place of it, so that names and extensions are reached. */
#include "attest/tee/gpu_chain.h"
#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

/* What is read of it stays within its bounds, whoever signed it. */
static void read_all(const struct gpu_chain *c)
{
	struct gpu_identity id;
	uint8_t fwid[GPU_VALUE_LEN];
	struct err err;

	if (gpu_chain_identify(c, &id, &err) == OK) {
		require(memchr(id.chip, 0, sizeof(id.chip)) != NULL);
		require(gpu_arch_name(id.arch) != NULL);
		require(id.product != NULL);
	}
	(void)gpu_chain_fwid(c, fwid, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	auto_gpu_chain struct gpu_chain c = { 0 };
	struct err err;

	if (gpu_chain_parse(in, &c, &err) == OK) {
		require(c.n == GPU_CHAIN_LEN);
		read_all(&c);
		return 0;
	}
	require(c.n == 0);
	auto_x509 struct x509 *one = NULL;
	if (x509_parse(in, &one, &err) != OK)
		return 0;
	struct gpu_chain same = { .n = GPU_CHAIN_LEN };
	for (size_t i = 0; i < GPU_CHAIN_LEN; i++)
		same.cert[i] = one;
	read_all(&same);
	return 0;
}
