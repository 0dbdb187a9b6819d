#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There is one form of each time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[DATE_SIZE];
	struct err err;
	int64_t at;

	if (date_parse(slice_make(data, size), &at, &err) != OK)
		return 0;
	date_format(again, at);
	if (size != DATE_LEN || memcmp(data, again, DATE_LEN) != 0)
		abort();
	return 0;
}
