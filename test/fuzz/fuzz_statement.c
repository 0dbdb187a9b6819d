#include <stdint.h>
#include <stdlib.h>

#include "attest/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is exactly what the writer makes of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	auto_buf struct buf again = buf_make(STATEMENT_MAX);
	struct statement s;
	struct err err;

	if (statement_parse(in, &s, &err) != OK)
		return 0;
	if (statement_write(&s, &again, &err) != OK ||
	    !slice_eq(in, buf_slice(&again)))
		abort();
	return 0;
}
