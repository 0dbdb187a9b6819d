/* Manifests of reference values: the XML, its canonical form, and what is
 * read from it. */
#include "attest/tee/gpu_rim.h"
#include "attest/tee/gpu_xml.h"
#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

/* A canonical form is XML that we read, and its own canonical form. */
static void check_canonical(const struct gpu_xml *x)
{
	auto_buf struct buf one = buf_make((size_t)16 * GPU_XML_MAX);
	auto_buf struct buf two = buf_make((size_t)16 * GPU_XML_MAX);
	auto_gpu_xml struct gpu_xml *again = NULL;
	struct err err;

	gpu_xml_canonical(gpu_xml_root(x), NULL, &one);
	if (one.bad || one.len > GPU_XML_MAX)
		return;
	require(gpu_xml_parse(buf_slice(&one), &again, &err) == OK);
	gpu_xml_canonical(gpu_xml_root(again), NULL, &two);
	require(slice_eq(buf_slice(&one), buf_slice(&two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_gpu_xml struct gpu_xml *x = NULL;
	auto_gpu_rim struct gpu_rim *r = NULL;
	struct err err;

	if (gpu_xml_parse(slice_make(data, size), &x, &err) == OK)
		check_canonical(x);
	if (gpu_rim_parse(slice_make(data, size), &r, &err) != OK)
		return 0;
	require(x != NULL && r->n_active > 0);
	require(r->n_active <= r->n_rows && r->n_rows <= GPU_RIM_ROWS_MAX);
	return 0;
}
