#include <stdint.h>

#include "attest/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an attestation service that nobody has verified yet may send. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_answer struct answer a;
	struct err err;

	answer_init(&a);
	(void)answer_parse(slice_make(data, size), &a, &err);
	return 0;
}
