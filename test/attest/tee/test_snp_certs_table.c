#include "attest/tee/snp_certs_table.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/test.h"

struct row {
	int entry; /* -1: a GUID that is not known */
	uint32_t at, len;
};

static void put_u32le(struct buf *b, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		buf_put_u8(b, (uint8_t)(n >> 8 * i));
}

/* A table of n entries and what closes it, then 100 bytes of content. */
static void make(struct buf *b, const struct row *rows, size_t n)
{
	static const uint8_t zeros[24], other[16] = { 0xec, 0xae };

	buf_clear(b);
	for (size_t i = 0; i < n; i++) {
		buf_put(b,
			rows[i].entry < 0
				? slice_of(other)
				: slice_make(
					  snp_certs_table_guid(
						  (enum snp_certs_entry)rows[i]
							  .entry),
					  16));
		put_u32le(b, rows[i].at);
		put_u32le(b, rows[i].len);
	}
	buf_put(b, slice_of(zeros));
	for (uint8_t i = 0; i < 100; i++)
		buf_put_u8(b, i);
}

TEST(a_table_says_where_each_certificate_lies)
{
	static const struct row rows[] = {
		{ SNP_ENTRY_VCEK, 120, 10 },
		{ SNP_ENTRY_ASK, 130, 20 },
		{ SNP_ENTRY_ARK, 150, 30 },
		{ -1, 180, 40 },
	};
	auto_buf struct buf b = buf_make(1000);
	struct snp_certs_table t;
	struct err err;

	make(&b, rows, countof(rows));
	CHECK(snp_certs_table_parse(buf_slice(&b), &t, &err) == OK);
	CHECK(t.entry[SNP_ENTRY_VCEK].len == 10);
	CHECK(t.entry[SNP_ENTRY_VCEK].p == buf_slice(&b).p + 120);
	CHECK(t.entry[SNP_ENTRY_ASK].len == 20);
	CHECK(t.entry[SNP_ENTRY_ARK].p[0] == 30);
	CHECK(t.entry[SNP_ENTRY_VLEK].len == 0);
	CHECK(t.entry[SNP_ENTRY_CRL].len == 0);
	CHECK(t.unknown == 1);
}

TEST(a_table_may_be_empty)
{
	auto_buf struct buf b = buf_make(1000);
	struct snp_certs_table t = { .unknown = 7 };
	struct err err;

	CHECK(snp_certs_table_parse((struct slice){ 0 }, &t, &err) == OK);
	CHECK(t.unknown == 0);
	make(&b, NULL, 0);
	CHECK(snp_certs_table_parse(buf_slice(&b), &t, &err) == OK);
	for (size_t i = 0; i < SNP_ENTRIES; i++)
		CHECK(t.entry[i].len == 0);
}

TEST(entries_that_lie_elsewhere_are_refused)
{
	static const struct {
		struct row row;
		enum status want;
	} rows[] = {
		{ { SNP_ENTRY_ARK, 48, 100 }, OK }, /* all of the content */
		{ { SNP_ENTRY_ARK, 147, 1 }, OK },
		{ { SNP_ENTRY_ARK, 148, 0 }, E_PARSE }, /* empty */
		{ { SNP_ENTRY_ARK, 148, 1 }, E_PARSE },
		{ { SNP_ENTRY_ARK, 48, 101 }, E_PARSE },
		{ { SNP_ENTRY_ARK, 47, 1 }, E_PARSE }, /* on the head */
		{ { SNP_ENTRY_ARK, 0, 48 }, E_PARSE },
		{ { SNP_ENTRY_ARK, 0xfffffff0, 0x20 }, E_PARSE }, /* wraps */
		{ { SNP_ENTRY_ARK, 48, UINT32_MAX }, E_PARSE },
		{ { SNP_ENTRY_ARK, UINT32_MAX, UINT32_MAX }, E_PARSE },
		{ { -1, 148, 0 }, OK },
		{ { -1, 148, 1 }, E_PARSE },
		{ { -1, 0, 0 }, E_PARSE },
	};
	auto_buf struct buf b = buf_make(1000);
	struct err err;

	for (size_t i = 0; i < countof(rows); i++) {
		struct snp_certs_table t = { .unknown = 7 };

		make(&b, &rows[i].row, 1);
		CHECK_EQ_U64(snp_certs_table_parse(buf_slice(&b), &t, &err),
			     rows[i].want);
		CHECK(rows[i].want == OK || t.unknown == 7);
	}
}

TEST(an_entry_that_is_there_twice_is_refused)
{
	static const struct row rows[] = {
		{ SNP_ENTRY_ARK, 80, 10 },
		{ SNP_ENTRY_ARK, 80, 10 },
	};
	auto_buf struct buf b = buf_make(1000);
	struct snp_certs_table t;
	struct err err;

	make(&b, rows, 2);
	CHECK(snp_certs_table_parse(buf_slice(&b), &t, &err) == E_PARSE);
	CHECK(strstr(err.text, "ARK") != NULL && strstr(err.text, "two"));
}

TEST(a_table_that_does_not_end_is_refused)
{
	static const struct row rows[] = { { SNP_ENTRY_ARK, 72, 10 },
					   { -1, 72, 10 } };
	auto_buf struct buf b = buf_make(1000);
	struct snp_certs_table t;
	struct err err;

	make(&b, rows, 2);
	for (size_t len = 1; len < 72; len++)
		CHECK(snp_certs_table_parse(slice_sub(buf_slice(&b), 0, len),
					    &t, &err) == E_PARSE);
}

TEST(a_table_of_too_much_is_refused)
{
	auto_buf struct buf b = buf_make(10000);
	auto_mem uint8_t *big = mem_must(SNP_CERTS_TABLE_MAX + 1);
	struct row rows[SNP_CERTS_TABLE_ENTRIES_MAX + 1];
	struct snp_certs_table t;
	struct err err;

	for (size_t i = 0; i < countof(rows); i++)
		rows[i] = (struct row){ -1, 24 * (countof(rows) + 1), 1 };
	make(&b, rows, countof(rows) - 1);
	CHECK(snp_certs_table_parse(buf_slice(&b), &t, &err) == OK);
	CHECK(t.unknown == SNP_CERTS_TABLE_ENTRIES_MAX);
	make(&b, rows, countof(rows));
	CHECK(snp_certs_table_parse(buf_slice(&b), &t, &err) == E_LIMIT);
	CHECK(snp_certs_table_parse(slice_make(big, SNP_CERTS_TABLE_MAX), &t,
				    &err) == OK); /* closes at once */
	CHECK(snp_certs_table_parse(slice_make(big, SNP_CERTS_TABLE_MAX + 1),
				    &t, &err) == E_LIMIT);
}

/* The GUIDs as the specification prints them. */
TEST(guids_are_in_the_order_of_their_text)
{
	static const char *const texts[SNP_ENTRIES] = {
		[SNP_ENTRY_VCEK] = "63da758de6644564adc5f4b93be8accd",
		[SNP_ENTRY_VLEK] = "a8074bc2a25a483eaae639c045a0b8a1",
		[SNP_ENTRY_ASK] = "4ab7b379bbac4fe4a02f05aef327c782",
		[SNP_ENTRY_ARK] = "c0b406a4a803495297433fb6014cd0ae",
		[SNP_ENTRY_CRL] = "92f81bc358114d3d97ffd19f88dc67ea",
	};

	for (size_t i = 0; i < SNP_ENTRIES; i++) {
		char hex[33];

		text_hex_into(hex, sizeof(hex),
			      slice_make(snp_certs_table_guid(
						 (enum snp_certs_entry)i),
					 16));
		CHECK_STR_EQ(hex, texts[i]);
	}
}
