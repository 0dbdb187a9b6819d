/* PEM: what is read says the same after being written and read again, and
 * what is refused changed nothing. */
#include "core/pem.h"
#include "test/fuzz/fuzz.h"

#define LABEL "X"
#define DER_MAX 64 /* bytes: small, so that the limit is met */

static void read_again(struct slice der)
{
	auto_buf struct buf pem = buf_make((size_t)4 * DER_MAX);
	auto_buf struct buf again = buf_make(DER_MAX);
	struct err err;

	pem_put(&pem, LABEL, der);
	require(!pem.bad && pem_find(buf_slice(&pem), LABEL) == 0);
	require(pem_parse(buf_slice(&pem), LABEL, &again, &err) == OK);
	require(slice_eq(buf_slice(&again), der));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size), rest = in;
	auto_buf struct buf one = buf_make(DER_MAX), all = buf_make(DER_MAX);
	struct err err;
	size_t left = in.len;

	if (pem_parse(in, LABEL, &one, &err) == OK)
		read_again(buf_slice(&one));
	else
		require(one.len == 0);
	require(pem_find(in, LABEL) <= in.len);
	while (pem_next(&rest, LABEL, &all, &err) == OK) {
		require(rest.len < left);
		left = rest.len;
	}
	require(rest.len == left);
	read_again(buf_slice(&all));
	return 0;
}
