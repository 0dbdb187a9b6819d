#include <stdint.h>
#include <stdlib.h>

#include "cmd/workload_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted crosses our channel unchanged. */
static void check_packed(const struct workload_request *r)
{
	auto_workload_request struct workload_request back = { 0 };
	auto_buf struct buf one = buf_make(1u << 20);
	auto_buf struct buf two = buf_make(1u << 20);
	struct err err;

	workload_request_pack(r, &one);
	if (workload_request_unpack(buf_slice(&one), &back, &err) != OK)
		abort();
	workload_request_pack(&back, &two);
	if (!slice_eq(buf_slice(&one), buf_slice(&two)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_workload_request struct workload_request json = { 0 };
	auto_workload_request struct workload_request packed = { 0 };
	struct slice in = slice_make(data, size);
	struct err err;

	if (workload_request_parse(in, &json, &err) == OK)
		check_packed(&json);
	if (workload_request_unpack(in, &packed, &err) == OK)
		check_packed(&packed);
	return 0;
}
