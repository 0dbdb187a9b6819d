#include <stdint.h>
#include <stdlib.h>

#include "attest/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted can be written, and is then read and written the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_evidence struct evidence first, second;
	auto_buf struct buf a = buf_make(2 * EVIDENCE_MAX);
	auto_buf struct buf b = buf_make(2 * EVIDENCE_MAX);
	struct err err;

	evidence_init(&first);
	evidence_init(&second);
	if (evidence_parse(slice_make(data, size), &first, &err) != OK)
		return 0;
	/* An empty statement is read (and refused later), not written. */
	if (first.statement.len == 0 || evidence_write(&first, &a, &err) != OK)
		return 0;
	if (evidence_parse(buf_slice(&a), &second, &err) != OK ||
	    evidence_write(&second, &b, &err) != OK ||
	    !slice_eq(buf_slice(&a), buf_slice(&b)))
		abort();
	return 0;
}
