#include "attest/tee/tdx_quote.h"

#include "core/cleanup.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/test.h"

#define NOW INT64_C(1771000000)
#define HEADER 48

/* A forged quote, to be changed. */
static void make(struct tdx_forge *f, uint16_t version, enum tdx_body body)
{
	tdx_forge_init(f, NOW);
	f->o.version = version;
	f->o.body = body;
	for (size_t i = 0; i < 64; i++)
		f->o.td.report_data[i] = (uint8_t)i;
	f->o.td.rtmr[3][47] = 77;
	tdx_forge_make(f);
}

static enum status parse(const struct buf *b, struct tdx_quote *q)
{
	struct err err;

	return tdx_quote_parse(buf_slice(b), q, &err);
}

TEST(reads_both_versions_and_bodies)
{
	static const struct {
		uint16_t version;
		enum tdx_body body;
		size_t signed_len;
	} kinds[] = {
		{ 4, TDX_BODY_10, 632 },
		{ 5, TDX_BODY_10, 638 },
		{ 5, TDX_BODY_15, 702 },
	};

	for (size_t i = 0; i < countof(kinds); i++) {
		auto_tdx_forge struct tdx_forge f;
		struct tdx_quote q;

		make(&f, kinds[i].version, kinds[i].body);
		CHECK(parse(&f.quote, &q) == OK);
		CHECK(q.version == kinds[i].version);
		CHECK(q.body == kinds[i].body);
		CHECK(q.signed_part.len == kinds[i].signed_len);
		CHECK(q.whole.len == f.quote.len);
		CHECK(q.td.report_data[63] == 63 && q.td.rtmr[3][47] == 77);
		CHECK(q.td.attributes == TDX_ATTR_SEPT_VE_DISABLE);
		CHECK(q.qe.isv_svn == 6 && q.qe.isv_prod_id == 2);
		CHECK(q.auth.len == 32 && q.qe_report.len == 384);
	}
}

/* Change one byte behind the front and expect that it is refused, and that
 * nothing was written. */
static bool refused(struct tdx_forge *f, size_t at, uint8_t to)
{
	uint8_t *p = buf_room(&f->quote, 0) - f->quote.len;
	struct tdx_quote q = { .version = 99 };
	uint8_t before = p[at];

	p[at] = to;
	enum status status = parse(&f->quote, &q);
	p[at] = before;
	return EXPECT(status == E_PARSE && q.version == 99);
}

TEST(what_the_header_may_say_is_one_thing)
{
	auto_tdx_forge struct tdx_forge f;

	make(&f, 4, TDX_BODY_10);
	for (unsigned v = 0; v < 256; v++) {
		if (v != 4 && v != 5)
			CHECK(refused(&f, 0, (uint8_t)v));
		if (v != 0)
			CHECK(refused(&f, 1, (uint8_t)v));
		if (v != 2)
			CHECK(refused(&f, 2, (uint8_t)v));
		if (v != 0x81)
			CHECK(refused(&f, 4, (uint8_t)v));
	}
	for (size_t at = 5; at < 28; at++) /* TEE type, reserved, vendor */
		CHECK(refused(&f, at, 0xaa));
}

TEST(version_5_says_type_and_size_of_its_body)
{
	auto_tdx_forge struct tdx_forge f;

	make(&f, 5, TDX_BODY_15);
	for (unsigned v = 0; v < 256; v++)
		if (v != 3) /* 2 is there, too, but of another size */
			CHECK(refused(&f, HEADER, (uint8_t)v));
	CHECK(refused(&f, HEADER + 1, 1));
	CHECK(refused(&f, HEADER + 2, 0x87));
	CHECK(refused(&f, HEADER + 4, 1));
}

TEST(every_length_has_to_fill_what_holds_it)
{
	auto_tdx_forge struct tdx_forge f;

	make(&f, 4, TDX_BODY_10);
	size_t data = HEADER + 584 + 4, cert = data + 130, qe = cert + 4;
	size_t auth = qe + 384 + 64, pem = auth + 2 + 32 + 2;
	const size_t lengths[] = { data - 4, cert, auth, pem };

	for (size_t i = 0; i < countof(lengths); i++) {
		uint8_t now = buf_slice(&f.quote).p[lengths[i]];

		CHECK(refused(&f, lengths[i], (uint8_t)(now + 1)));
		CHECK(refused(&f, lengths[i], (uint8_t)(now - 1)));
		CHECK(refused(&f, lengths[i] + 1, 0xff));
	}
	CHECK(refused(&f, data + 128, 5));  /* type: not the QE's report */
	CHECK(refused(&f, pem - 2, 4));	    /* nor another than PEM */
	for (size_t at = 20; at < 32; at++) /* reserved in the QE's report */
		CHECK(refused(&f, qe + at, 1));
	CHECK(refused(&f, qe + 96, 1) && refused(&f, qe + 127, 1));
	CHECK(refused(&f, qe + 160, 1) && refused(&f, qe + 191, 1));
	CHECK(refused(&f, qe + 262, 1) && refused(&f, qe + 303, 1));
}

TEST(cut_anywhere_it_is_refused)
{
	auto_tdx_forge struct tdx_forge f;
	struct tdx_quote q = { .version = 99 };
	struct err err;

	make(&f, 5, TDX_BODY_15);
	struct slice whole = buf_slice(&f.quote);
	for (size_t n = 0; n < whole.len; n++)
		CHECK(tdx_quote_parse(slice_sub(whole, 0, n), &q, &err) ==
		      E_PARSE);
	CHECK(q.version == 99);
}

TEST(only_zeros_may_follow)
{
	auto_tdx_forge struct tdx_forge f;
	struct tdx_quote q;
	uint8_t zeros[3000] = { 0 };
	struct err err;

	make(&f, 4, TDX_BODY_10);
	size_t len = f.quote.len;
	buf_put(&f.quote, slice_of(zeros));
	CHECK(parse(&f.quote, &q) == OK);
	CHECK(q.whole.len == len);
	buf_put_u8(&f.quote, 1);
	CHECK(parse(&f.quote, &q) == E_PARSE);
	static uint8_t large[TDX_QUOTE_MAX + 1];
	CHECK(tdx_quote_parse(slice_of(large), &q, &err) == E_LIMIT);
}
