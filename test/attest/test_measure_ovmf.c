#include "attest/measure_ovmf.h"

#include "core/cleanup.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

static uint8_t image[OVMF_FORGE_LEN];

static enum status parse(const struct ovmf_forge *f, struct measure_ovmf *out)
{
	struct err err;

	ovmf_forge_image(f, image, sizeof(image));
	return measure_ovmf_parse(slice_of(image), out, &err);
}

static enum status parse_tdvf(const struct ovmf_forge *f,
			      struct measure_tdvf *out)
{
	struct err err;

	ovmf_forge_image(f, image, sizeof(image));
	return measure_tdvf_parse(slice_of(image), out, &err);
}

TEST(an_image_says_where_its_parts_are)
{
	struct measure_ovmf o;

	CHECK(parse(&ovmf_forge_usual, &o) == OK);
	CHECK_EQ_U64(o.gpa, 0x100000000 - sizeof(image));
	CHECK(o.has_reset && o.reset_eip == 0x80b004);
	CHECK(o.has_hashes && o.hashes_gpa == 0x810c00);
	CHECK_EQ_U64(o.hashes_size, 0x400);
	CHECK(o.has_sev && o.has_tdvf);
	CHECK_EQ_U64(o.n_sections, 6);
	CHECK_EQ_U64(o.section[5].gpa, 0x810000);
	CHECK_EQ_U64(o.section[5].type, MEASURE_SEV_HASHES);
}

TEST(an_image_need_not_have_all_parts)
{
	struct ovmf_forge f = ovmf_forge_usual;
	struct measure_ovmf o;

	f.no_reset = f.no_sev = f.no_tdvf = true;
	f.hashes_gpa = 0;
	CHECK(parse(&f, &o) == OK);
	CHECK(!o.has_reset && !o.has_sev && !o.has_tdvf && !o.has_hashes);
}

TEST(refuses_sizes_that_no_firmware_has)
{
	struct measure_ovmf o = { .gpa = 7 };
	auto_mem uint8_t *big = mem_must(MEASURE_OVMF_MAX + MEASURE_PAGE);
	struct err err;

	ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
	for (size_t len = 0; len < sizeof(image); len += 511)
		CHECK(measure_ovmf_parse(slice_make(image + sizeof(image) - len,
						    len),
					 &o, &err) == E_PARSE);
	CHECK(measure_ovmf_parse(slice_make(big,
					    MEASURE_OVMF_MAX + MEASURE_PAGE),
				 &o, &err) == E_LIMIT);
	CHECK_EQ_U64(o.gpa, 7); /* untouched */
}

TEST(refuses_a_table_that_is_not_there_or_does_not_end)
{
	struct measure_ovmf o;
	struct err err;
	uint8_t *footer = image + sizeof(image) - 32 - 18;

	for (size_t i = 0; i < 16; i++) {
		ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
		footer[2 + i] ^= 1;
		CHECK(measure_ovmf_parse(slice_of(image), &o, &err) == E_PARSE);
	}
	for (unsigned len = 0; len < 0x10000; len += 5) {
		ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
		ovmf_forge_put(footer, len, 2);
		enum status s = measure_ovmf_parse(slice_of(image), &o, &err);
		/* It may cut off whole entries, not parts of them. */
		CHECK(s == E_PARSE || len == 18 || len == 40 || len == 66 ||
		      len == 88 || len == 110);
	}
}

TEST(refuses_entries_of_no_length_or_a_wrong_one)
{
	struct measure_ovmf o;
	struct err err;
	uint8_t *reset = image + sizeof(image) - 32 - 18 - 18;

	for (unsigned len = 0; len < 200; len++) {
		ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
		ovmf_forge_put(reset, len, 2);
		enum status s = measure_ovmf_parse(slice_of(image), &o, &err);
		CHECK((s == OK) == (len == 22));
	}
	struct ovmf_forge f = ovmf_forge_usual;
	f.twice = true;
	CHECK(parse(&f, &o) == E_PARSE);
}

TEST(refuses_sev_sections_that_cannot_be)
{
	static const struct measure_sev_section bad[] = {
		{ 0x900001, 0x1000, 1 },      /* not on a page */
		{ 0x900000, 0x1001, 1 },      /* not whole pages */
		{ 0x900000, 0x1000, 0 },      /* no type */
		{ 0x900000, 0x1000, 5 },      /* one not known */
		{ 0x900000, 0x1000, 17 },     /* neither */
		{ 0x801000, 0x1000, 1 },      /* in another */
		{ 0x700000, 0x200000, 1 },    /* around others */
		{ 0xffffc000, 0x1000, 1 },    /* in the image */
		{ 0xfffff000, 0xfffff000, 1 } /* past the end */
	};
	struct ovmf_forge f = ovmf_forge_usual;
	struct measure_ovmf o;

	f.n_sev = 7;
	f.sev[6] = (struct measure_sev_section){ 0x900000, 0x1000, 1 };
	CHECK(parse(&f, &o) == OK);
	for (size_t i = 0; i < countof(bad); i++) {
		f.sev[6] = bad[i];
		CHECK(parse(&f, &o) == E_PARSE);
	}
}

TEST(refuses_metadata_that_are_not_what_they_should_be)
{
	struct measure_ovmf o;
	struct err err;

	/* Signature, length, version and number: any other is refused. */
	for (size_t i = 0; i < 16; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			ovmf_forge_image(&ovmf_forge_usual, image,
					 sizeof(image));
			image[sizeof(image) - OVMF_FORGE_SEV + i] ^=
				(uint8_t)(1u << bit);
			CHECK(measure_ovmf_parse(slice_of(image), &o, &err) ==
			      E_PARSE);
		}
}

TEST(reads_the_sections_for_tdx)
{
	struct measure_tdvf t;

	CHECK(parse_tdvf(&ovmf_forge_usual, &t) == OK);
	CHECK_EQ_U64(t.n_sections, 6);
	CHECK(t.section[0].data.p == image + 0x1000);
	CHECK_EQ_U64(t.section[0].data.len, 0x3000);
	CHECK_EQ_U64(t.section[0].gpa, 0xffffd000);
	CHECK_EQ_U64(t.section[0].attributes, MEASURE_TDVF_MR_EXTEND);
	CHECK(measure_tdvf_find(&t, MEASURE_TDVF_HOB) == &t.section[4]);
	CHECK(measure_tdvf_find(&t, MEASURE_TDVF_TEMP_MEM) == NULL); /* 3 */
	CHECK(measure_tdvf_find(&t, MEASURE_TDVF_PAYLOAD) == NULL);
}

TEST(refuses_tdx_sections_that_cannot_be)
{
	static const struct ovmf_forge_tdvf bad[] = {
		{ 0, 0, 0x900001, 0x1000, 3, 0 },      /* not on a page */
		{ 0, 0, 0x900000, 0x1001, 3, 0 },      /* not whole pages */
		{ 0, 0, 0x900000, 0x1000, 8, 0 },      /* not known */
		{ 0, 0, 0x900000, 0x1000, 3, 4 },      /* not known */
		{ 0, 0, 0x900000, 0x1000, 3, 1 },      /* of nothing */
		{ 0, 0x1000, 0x900000, 0x1000, 3, 3 }, /* later, measured */
		{ 0, 0x1001, 0x900000, 0x1000, 1, 0 }, /* no room */
		{ 0x4000, 1, 0x900000, 0x1000, 1, 0 }, /* past the image */
		{ 0xffffffff, 1, 0x900000, 0x1000, 1, 0 },
		{ 0, 0, 0x801000, 0x1000, 3, 0 }, /* in another */
		{ 0, 0, 0, 0x900000, 3, 0 },	  /* around others */
		{ 0, 0, UINT64_MAX - 0xfff, 0x1000, 3, 0 },
		{ 0, 0, 0x900000, UINT64_MAX - 0xfff, 3, 0 },
	};
	struct ovmf_forge f = ovmf_forge_usual;
	struct measure_tdvf t;

	f.n_tdvf = 7;
	f.tdvf[6] = (struct ovmf_forge_tdvf){ 0, 1, 0x900000, 0x1000, 7, 1 };
	CHECK(parse_tdvf(&f, &t) == OK);
	for (size_t i = 0; i < countof(bad); i++) {
		f.tdvf[6] = bad[i];
		CHECK(parse_tdvf(&f, &t) == E_PARSE);
	}
	f.tdvf[6] = (struct ovmf_forge_tdvf){
		0, 0, UINT64_C(8) << 30, UINT64_C(5) << 30, 4, 0
	};
	CHECK(parse_tdvf(&f, &t) == E_LIMIT);
	f.tdvf[6].attributes = MEASURE_TDVF_PAGE_AUG;
	CHECK(parse_tdvf(&f, &t) == OK);
}

TEST(refuses_a_descriptor_that_is_not_what_it_should_be)
{
	struct measure_tdvf t;
	struct err err;

	for (size_t i = 0; i < 16; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			ovmf_forge_image(&ovmf_forge_usual, image,
					 sizeof(image));
			image[sizeof(image) - OVMF_FORGE_TDVF + i] ^=
				(uint8_t)(1u << bit);
			CHECK(measure_tdvf_parse(slice_of(image), &t, &err) ==
			      E_PARSE);
		}
}

TEST(finds_the_descriptor_of_an_old_td_shim)
{
	struct measure_tdvf t;
	struct err err;

	ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
	memset(image + sizeof(image) - 64, 0, 64); /* no table */
	CHECK(measure_tdvf_parse(slice_of(image), &t, &err) == E_PARSE);
	ovmf_forge_put(image + sizeof(image) - 32,
		       sizeof(image) - OVMF_FORGE_TDVF, 4);
	CHECK(measure_tdvf_parse(slice_of(image), &t, &err) == OK);
	CHECK_EQ_U64(t.n_sections, 6);
	ovmf_forge_put(image + sizeof(image) - 32, sizeof(image) - 4, 4);
	CHECK(measure_tdvf_parse(slice_of(image), &t, &err) == E_PARSE);
	CHECK(measure_tdvf_parse(slice_make(image, 100), &t, &err) == E_PARSE);
}
