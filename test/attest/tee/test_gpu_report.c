#include "attest/tee/gpu_report.h"

#include "core/cleanup.h"
#include "test/attest/tee/gpu_forge.h"
#include "test/test.h"

static void make(struct buf *out)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d;

	*out = buf_make(GPU_FORGE_MAX);
	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_device(&f, 1, &d);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	r.ppcie = 0xaa;
	r.feature = GPU_FEATURE_PPCIE;
	r.n_pdis = 2;
	r.pdi[1][7] = 9;
	gpu_forge_report(&d, &r, out);
}

static enum status parse(struct slice raw, struct gpu_report *r)
{
	struct err err;

	return gpu_report_parse(raw, r, &err);
}

TEST(gpu_report_fields_are_read)
{
	auto_buf struct buf raw;
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));

	make(&raw);
	CHECK(parse(buf_slice(&raw), r) == OK);
	CHECK_STR_EQ(r->driver, "570.86.15");
	CHECK_STR_EQ(r->vbios, "96.00.74.00.1A");
	CHECK(r->n_blocks == 64 && r->has_fwid);
	CHECK(r->nvdec0 == GPU_STATUS_OFF && r->ppcie == GPU_STATUS_ON);
	CHECK(r->feature == GPU_FEATURE_PPCIE);
	CHECK(r->n_pdis == 2 && r->pdi[1][7] == 9 && r->n_peers == 0);
	CHECK(r->nonce[0] == 0x5a && r->nonce[31] == 0x5a);
	CHECK(gpu_report_block(r, 0)->index == 1);
	CHECK(gpu_report_block(r, 63)->index == 64);
	CHECK(gpu_report_block(r, 64) == NULL);
	CHECK(gpu_report_block(r, 255) == NULL);
	CHECK(r->signed_part.len + 96 == raw.len && r->padding == 0);
}

/* The rest of the driver's buffer is zero; anything else was added. */
TEST(gpu_report_has_nothing_but_zeros_behind_it)
{
	auto_buf struct buf raw;
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	size_t len;

	make(&raw);
	len = raw.len;
	buf_put_u8(&raw, 0);
	CHECK(parse(buf_slice(&raw), r) == OK);
	CHECK(r->padding == 1 && r->signed_part.len + 96 == len);
	buf_put_u8(&raw, 1);
	CHECK(parse(buf_slice(&raw), r) == E_PARSE);
	buf_cut(&raw, len);
	while (raw.len < GPU_REPORT_MAX)
		buf_put_u8(&raw, 0);
	CHECK(parse(buf_slice(&raw), r) == OK);
	buf_put_u8(&raw, 0);
	CHECK(parse(buf_slice(&raw), r) == E_LIMIT);
}

TEST(gpu_report_of_every_other_length_is_refused)
{
	auto_buf struct buf raw;
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));

	make(&raw);
	r->n_blocks = 77;
	for (size_t len = 0; len < raw.len; len++)
		CHECK(parse(slice_sub(buf_slice(&raw), 0, len), r) == E_PARSE);
	CHECK(r->n_blocks == 77);
}

/* Bytes whose value is fixed: version, codes, parameters, slot, and the form
 * of the first measurement. */
TEST(gpu_report_headers_have_one_value)
{
	static const size_t fixed[] = { 0,  1,	2,  3,	36, 37, 38, 39, 40,
					41, 42, 43, 44, 46, 47, 48, 50, 51 };
	auto_buf struct buf raw;
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));

	make(&raw);
	uint8_t *p = raw.mem + raw.head;
	for (size_t i = 0; i < countof(fixed); i++) {
		for (int bit = 0; bit < 8; bit++) {
			p[fixed[i]] ^= (uint8_t)(1u << bit);
			CHECK(parse(buf_slice(&raw), r) != OK);
			p[fixed[i]] ^= (uint8_t)(1u << bit);
		}
	}
	p[45] = 2; /* the second has that index */
	CHECK(parse(buf_slice(&raw), r) == E_PARSE);
	p[45] = 0;
	CHECK(parse(buf_slice(&raw), r) == E_PARSE);
	p[45] = 1;
	CHECK(parse(buf_slice(&raw), r) == OK);
}

TEST(gpu_reports_name_their_reference_values)
{
	struct gpu_report r = { .vbios = "96.00.5E.00.01",
				.project = "1010",
				.project_sku = "0200",
				.chip_sku = "882" };
	char id[96];

	gpu_report_vbios_id(&r, id, sizeof(id));
	CHECK_STR_EQ(id, "NV_GPU_VBIOS_1010_0200_882_96005E0001");
}
