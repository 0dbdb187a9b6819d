#include "attest/tee/snp_report.h"

#include "core/cleanup.h"
#include "test/test.h"

/* A report with every reserved byte zero and a mark in fields we keep. */
static void make(uint8_t raw[SNP_REPORT_LEN], uint8_t version)
{
	memset(raw, 0, SNP_REPORT_LEN);
	raw[0x000] = version;
	raw[0x00a] = 0x0a; /* policy bits 17 and 19 */
	raw[0x034] = 1;
	raw[0x048] = 0x07; /* author key, chip key masked, VLEK */
	raw[0x090] = 0xaa;
	raw[0x0bf] = 0xbb;
	raw[0x1a0] = 0xcc;
	raw[0x1e8] = 1;
	raw[0x1e9] = 2;
	raw[0x1ea] = 3;
	raw[0x2a0] = 0xdd;
	raw[0x2cf] = 0xee;
}

static enum status parse(const uint8_t *raw, size_t len, struct snp_report *out)
{
	struct err err;

	return snp_report_parse(slice_make(raw, len), out, &err);
}

TEST(a_report_is_read_field_by_field)
{
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	make(raw, 3);
	CHECK(parse(raw, sizeof(raw), &r) == OK);
	CHECK(r.version == 3);
	CHECK(r.policy == (SNP_POLICY_DEBUG | SNP_POLICY_ONE));
	CHECK(r.measurement[0] == 0xaa && r.measurement[47] == 0xbb);
	CHECK(r.chip_id[0] == 0xcc);
	CHECK(r.current.build == 1 && r.current.minor == 2 &&
	      r.current.major == 3);
	CHECK(r.sig_r[0] == 0xdd && r.sig_r[47] == 0xee);
	CHECK(snp_report_author_key_en(&r) && snp_report_mask_chip_key(&r));
	CHECK(snp_report_signing_key(&r) == SNP_KEY_VLEK);
	CHECK(snp_report_has_policy(&r, SNP_POLICY_DEBUG));
	CHECK(!snp_report_has_policy(&r, SNP_POLICY_DEBUG | SNP_POLICY_SMT));
}

TEST(a_report_of_another_length_is_refused)
{
	uint8_t raw[SNP_REPORT_LEN + 1];
	struct snp_report r = { .version = 77 };

	make(raw, 2);
	raw[SNP_REPORT_LEN] = 0;
	for (size_t len = 0; len <= sizeof(raw); len++)
		if (len != SNP_REPORT_LEN)
			CHECK(parse(raw, len, &r) == E_PARSE);
	CHECK(r.version == 77); /* untouched on failure */
}

TEST(reports_of_versions_2_to_5_are_read_and_no_others)
{
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	for (unsigned v = 0; v < 256; v++) {
		make(raw, (uint8_t)v);
		CHECK((parse(raw, sizeof(raw), &r) == OK) ==
		      (v >= 2 && v <= 5));
	}
	for (size_t i = 1; i < 4; i++) {
		make(raw, 3);
		raw[i] = 1;
		CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
	}
}

/* Which versions take a byte other than zero, of each that some refuse. */
TEST(every_reserved_byte_is_refused)
{
	static const struct {
		size_t from, to;
		unsigned first; /* version that takes it; 6: none */
	} rows[] = {
		{ 0x049, 0x050, 6 }, { 0x188, 0x18b, 3 }, { 0x18b, 0x1a0, 6 },
		{ 0x1eb, 0x1ec, 6 }, { 0x1ef, 0x1f0, 6 }, { 0x1f8, 0x208, 5 },
		{ 0x208, 0x2a0, 6 }, { 0x2d0, 0x2e8, 6 }, { 0x318, 0x4a0, 6 },
	};
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	for (unsigned v = 2; v <= 5; v++) {
		for (size_t i = 0; i < countof(rows); i++)
			for (size_t at = rows[i].from; at < rows[i].to; at++) {
				make(raw, (uint8_t)v);
				raw[at] = 0x80;
				CHECK((parse(raw, sizeof(raw), &r) == OK) ==
				      (v >= rows[i].first));
			}
	}
}

/* Every other byte is the guest's or the firmware's to choose. */
TEST(no_other_byte_is_refused)
{
	static const size_t free_to[][2] = {
		{ 0x004, 0x008 }, { 0x010, 0x030 }, { 0x038, 0x048 },
		{ 0x050, 0x188 }, { 0x1a0, 0x1eb }, { 0x1ec, 0x1ef },
		{ 0x1f0, 0x1f8 }, { 0x2a0, 0x2d0 }, { 0x2e8, 0x318 },
	};
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	for (size_t i = 0; i < countof(free_to); i++)
		for (size_t at = free_to[i][0]; at < free_to[i][1]; at++) {
			make(raw, 2);
			raw[at] ^= 0xff;
			CHECK(parse(raw, sizeof(raw), &r) == OK);
		}
}

TEST(reserved_bits_of_the_policy_are_refused)
{
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	for (size_t bit = 0; bit < 64; bit++) {
		make(raw, 2);
		raw[0x008 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK((parse(raw, sizeof(raw), &r) == OK) ==
		      (bit < 26 && bit != 17));
	}
}

TEST(values_that_do_not_exist_are_refused)
{
	static const struct {
		size_t at;
		uint8_t value[4];
		bool good;
	} rows[] = {
		{ 0x030, { 0, 0, 0, 0 }, true },
		{ 0x030, { 3, 0, 0, 0 }, true },
		{ 0x030, { 4, 0, 0, 0 }, false },
		{ 0x030, { 0, 0, 0, 1 }, false },
		{ 0x030, { 0xff, 0xff, 0xff, 0xff }, true },
		{ 0x030, { 0xfe, 0xff, 0xff, 0xff }, false },
		{ 0x034, { 0, 0, 0, 0 }, false },
		{ 0x034, { 2, 0, 0, 0 }, false },
		{ 0x034, { 1, 0, 0, 1 }, false },
		{ 0x048, { 0x1f, 0, 0, 0 }, true },
		{ 0x048, { 0x20, 0, 0, 0 }, false },
		{ 0x048, { 0, 0, 0, 0x80 }, false },
	};
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report r;

	for (size_t i = 0; i < countof(rows); i++) {
		make(raw, 4);
		memcpy(raw + rows[i].at, rows[i].value, 4);
		CHECK((parse(raw, sizeof(raw), &r) == OK) == rows[i].good);
	}
}

TEST(a_processor_is_of_a_product)
{
	static const struct {
		uint8_t family, model;
		bool known;
		enum snp_product product;
	} rows[] = {
		{ 0x19, 0x00, true, SNP_MILAN },
		{ 0x19, 0x01, true, SNP_MILAN },
		{ 0x19, 0x0f, true, SNP_MILAN },
		{ 0x19, 0x10, true, SNP_GENOA },
		{ 0x19, 0x1f, true, SNP_GENOA },
		{ 0x19, 0x20, false, SNP_GENOA },
		{ 0x19, 0x9f, false, SNP_GENOA },
		{ 0x19, 0xa0, true, SNP_GENOA },
		{ 0x19, 0xaf, true, SNP_GENOA },
		{ 0x19, 0xb0, false, SNP_GENOA },
		{ 0x1a, 0x00, true, SNP_TURIN },
		{ 0x1a, 0x11, true, SNP_TURIN },
		{ 0x1a, 0x12, false, SNP_TURIN },
		{ 0x1a, 0x50, false, SNP_TURIN },
		{ 0x18, 0x01, false, SNP_MILAN },
		{ 0x00, 0x00, false, SNP_MILAN },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct snp_report r = { .version = 3 };
		enum snp_product p = SNP_MILAN;

		r.cpuid[0] = rows[i].family;
		r.cpuid[1] = rows[i].model;
		CHECK(snp_report_product(&r, &p) == rows[i].known);
		CHECK(!rows[i].known || p == rows[i].product);
		r.version = 2;
		CHECK(!snp_report_product(&r, &p));
	}
}

TEST(a_tcb_lies_as_its_product_has_it)
{
	static const uint8_t raw[8] = { 1, 2, 0, 0, 0, 0, 3, 4 };
	static const uint8_t turin[8] = { 1, 2, 3, 4, 0, 0, 0, 5 };
	struct snp_tcb t;
	char text[SNP_TCB_TEXT];
	struct err err;

	CHECK(snp_report_tcb(raw, SNP_MILAN, &t, &err) == OK);
	CHECK(t.fmc == 0 && t.bootloader == 1 && t.tee == 2 && t.snp == 3 &&
	      t.microcode == 4);
	CHECK(snp_report_tcb(raw, SNP_TURIN, &t, &err) == E_PARSE);
	CHECK(snp_report_tcb(turin, SNP_TURIN, &t, &err) == OK);
	CHECK(t.fmc == 1 && t.bootloader == 2 && t.tee == 3 && t.snp == 4 &&
	      t.microcode == 5);
	snp_report_tcb_text(&t, SNP_TURIN, text);
	CHECK_STR_EQ(text, "fmc 1, bootloader 2, tee 3, snp 4, microcode 5");
	CHECK(snp_report_tcb(turin, SNP_GENOA, &t, &err) == E_PARSE);
	snp_report_tcb_text(&t, SNP_GENOA, text);
	CHECK_STR_EQ(text, "bootloader 2, tee 3, snp 4, microcode 5");
}

TEST(each_reserved_byte_of_a_tcb_is_refused)
{
	static const bool used[2][8] = { { 1, 1, 0, 0, 0, 0, 1, 1 },
					 { 1, 1, 1, 1, 0, 0, 0, 1 } };
	struct snp_tcb t;
	struct err err;

	for (size_t i = 0; i < 8; i++) {
		uint8_t raw[8] = { 0 };

		raw[i] = 1;
		CHECK((snp_report_tcb(raw, SNP_GENOA, &t, &err) == OK) ==
		      used[0][i]);
		CHECK((snp_report_tcb(raw, SNP_TURIN, &t, &err) == OK) ==
		      used[1][i]);
	}
}

/* As numbers the first would be the smaller. */
TEST(tcbs_are_compared_part_by_part)
{
	const struct snp_tcb a = { 0, 9, 0, 3, 4 }, b = { 0, 1, 0, 3, 5 };
	struct snp_tcb c = b;

	CHECK(!snp_report_tcb_at_most(&a, &b) &&
	      !snp_report_tcb_at_most(&b, &a));
	CHECK(snp_report_tcb_at_most(&b, &b) && snp_report_tcb_eq(&b, &b));
	for (size_t i = 0; i < sizeof(c); i++) {
		c = b;
		((uint8_t *)&c)[i]++;
		CHECK(snp_report_tcb_at_most(&b, &c));
		CHECK(!snp_report_tcb_at_most(&c, &b));
		CHECK(!snp_report_tcb_eq(&c, &b));
	}
}

TEST(products_and_keys_have_names)
{
	CHECK_STR_EQ(snp_report_product_name(SNP_GENOA), "Genoa");
	CHECK_STR_EQ(snp_report_key_name(SNP_KEY_VLEK), "VLEK");
}
