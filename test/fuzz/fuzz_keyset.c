#include <stdint.h>
#include <stdlib.h>

#include "attest/keyset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_as(struct slice in)
{
	auto_keyset_as struct keyset_as k;
	auto_buf struct buf again = buf_make(KEYSET_MAX);
	struct err err;

	keyset_as_init(&k);
	if (keyset_as_parse(in, &k, &err) != OK)
		return;
	if (keyset_as_write(&k, &again, &err) != OK ||
	    !slice_eq(in, buf_slice(&again)))
		abort();
}

static void check_worker(struct slice in)
{
	auto_keyset_worker struct keyset_worker k;
	auto_buf struct buf again = buf_make(KEYSET_MAX);
	struct err err;

	keyset_worker_init(&k);
	if (keyset_worker_parse(in, &k, &err) != OK)
		return;
	if (keyset_worker_write(&k, &again, &err) != OK ||
	    !slice_eq(in, buf_slice(&again)))
		abort();
}

/* What is accepted is exactly what the writer makes of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_as(slice_make(data, size));
	check_worker(slice_make(data, size));
	return 0;
}
