/* The host's certificate table. */
#include "attest/tee/snp_certs_table.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found lies behind the head and within the table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snp_certs_table t;
	struct err err;

	if (snp_certs_table_parse(slice_make(data, size), &t, &err) != OK)
		return 0;
	for (size_t i = 0; i < SNP_ENTRIES; i++) {
		struct slice e = t.entry[i];

		if (e.len == 0)
			continue;
		if (e.p < data + 2 * SNP_CERTS_TABLE_ENTRY_LEN ||
		    e.p + e.len > data + size)
			abort();
	}
	return 0;
}
