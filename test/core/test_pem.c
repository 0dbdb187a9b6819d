#include "core/pem.h"

#include "core/cleanup.h"
#include "test/test.h"

#define THING "-----BEGIN THING-----\nMAA=\n-----END THING-----\n"
#define OTHER "-----BEGIN OTHER-----\nMAA=\n-----END OTHER-----\n"

static const uint8_t der[] = { 0x30, 0x00 }; /* what THING is of */

TEST(pem_is_written_in_lines_of_64_characters)
{
	static const struct {
		size_t len, lines;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 48, 1 }, { 49, 2 }, { 96, 2 } };
	static const uint8_t zeros[96];

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf pem = buf_make(1000);
		struct slice rest, line;
		size_t n = 0;

		pem_put(&pem, "THING", slice_make(zeros, rows[i].len));
		CHECK(!pem.bad);
		rest = buf_slice(&pem);
		for (; slice_split(&rest, '\n', &line); n++)
			CHECK(line.len <= 64);
		CHECK(n == rows[i].lines + 2);
	}
}

TEST(pem_is_written_with_its_label_in_both_marks)
{
	auto_buf struct buf pem = buf_make(1000),
			    small = buf_make(sizeof(THING) - 2);

	pem_put(&pem, "THING", slice_of(der));
	CHECK(slice_eq_str(buf_slice(&pem), THING));
	pem_put(&small, "THING", slice_of(der));
	CHECK(small.bad);
}

TEST(one_pem_block_or_der_is_read_and_nothing_else)
{
	static const struct {
		const char *in;
		enum status want;
	} rows[] = {
		{ THING, OK },
		{ "\n \t\r" THING "\r\n\t ", OK },
		{ "-----BEGIN THING-----MAA=-----END THING-----", OK },
		{ "-----BEGIN THING-----\r\nM A\tA\n=\n-----END THING-----",
		  OK },
		{ "", E_PARSE },
		{ " ", E_PARSE },
		{ "MAA=", E_PARSE },
		{ "x" THING, E_PARSE },
		{ THING "x", E_PARSE },
		{ THING THING, E_PARSE },
		{ THING OTHER, E_PARSE },
		{ OTHER, E_PARSE },
		{ OTHER THING, E_PARSE },
		{ "-----BEGIN THING-----", E_PARSE },
		{ "-----BEGIN THING-----\nMAA=\n", E_PARSE },
		{ "-----BEGIN THING-----\nMAA=\n-----END OTHER-----", E_PARSE },
		{ "-----BEGIN THING-----\nMAA=\n-----END THING----", E_PARSE },
		{ "-----BEGIN THIN-----\nMAA=\n-----END THIN-----", E_PARSE },
		{ "-----BEGIN THINGS-----\nMAA=\n-----END THINGS-----",
		  E_PARSE },
		{ "-----BEGIN THING-----\nMAA\n-----END THING-----", E_PARSE },
		{ "-----BEGIN THING-----\nMAB=\n-----END THING-----", E_PARSE },
		{ "-----BEGIN THING-----\nMA!=\n-----END THING-----", E_PARSE },
		{ ("-----BEGIN THING-----\nDEK-Info: x\n\nMAA=\n"
		   "-----END THING-----"),
		  E_PARSE },
		{ "-----BEGIN THING-----\n-----BEGIN THING-----\nMAA=\n"
		  "-----END THING-----",
		  E_PARSE },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf out = buf_make(100);
		struct err err;

		CHECK_EQ_U64(pem_parse(slice_str(rows[i].in), "THING", &out,
				       &err),
			     rows[i].want);
		CHECK(slice_eq(buf_slice(&out),
			       rows[i].want == OK ? slice_of(der) : S("")));
	}
}

TEST(der_is_taken_as_it_is)
{
	auto_buf struct buf out = buf_make(4);
	struct err err;

	CHECK(pem_parse(S("0abc"), "THING", &out, &err) == OK);
	CHECK(slice_eq_str(buf_slice(&out), "0abc"));
}

TEST(der_and_pem_are_bounded_by_the_buffer)
{
	static const struct {
		const char *in;
		size_t max;
		enum status want;
	} rows[] = {
		{ "0a", 2, OK },
		{ "0a", 1, E_LIMIT },
		{ THING, 3, OK },
		{ THING, 1, E_LIMIT },
		/* Small when decoded, but many characters. */
		{ "-----BEGIN THING-----    MAA=-----END THING-----", 4, OK },
		{ "-----BEGIN THING-----      MAA=-----END THING-----", 4,
		  E_LIMIT },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf out = buf_make(rows[i].max);
		struct err err;

		CHECK_EQ_U64(pem_parse(slice_str(rows[i].in), "THING", &out,
				       &err),
			     rows[i].want);
		CHECK(out.len == (rows[i].want == OK ? 2 : 0));
	}
}

TEST(a_refusal_names_what_was_wanted)
{
	auto_buf struct buf out = buf_make(100);
	struct slice rest = S(OTHER);
	struct err err;

	CHECK(pem_parse(S("x"), "THING", &out, &err) == E_PARSE);
	CHECK(strstr(err.text, "DER, or PEM") != NULL);
	CHECK(strstr(err.text, "THING") != NULL);
	CHECK(pem_next(&rest, "THING", &out, &err) == E_PARSE);
	CHECK(strstr(err.text, "expected THING only") != NULL);
}

TEST(blocks_are_read_one_after_another_past_the_text_between)
{
	struct slice rest = S("first\n" THING "second\n" THING "last\n");
	auto_buf struct buf out = buf_make(100);
	struct err err;

	CHECK(pem_next(&rest, "THING", &out, &err) == OK);
	CHECK(slice_eq(buf_slice(&out), slice_of(der)));
	CHECK(slice_starts(rest, S("\nsecond\n")));
	CHECK(pem_next(&rest, "THING", &out, &err) == OK);
	CHECK(out.len == 2 * sizeof(der)); /* appended */
	CHECK(slice_eq_str(rest, "\nlast\n"));
	CHECK(pem_next(&rest, "THING", &out, &err) == E_NOTFOUND);
	CHECK(slice_eq_str(rest, "\nlast\n"));
	CHECK(out.len == 2 * sizeof(der));
}

TEST(a_block_that_is_refused_stays_where_it_is)
{
	static const struct {
		struct slice in;
		enum status want;
	} rows[] = {
		{ S_INIT(OTHER THING), E_PARSE },
		{ S_INIT("-----BEGIN THING-----"), E_PARSE },
		{ S_INIT("-----BEGIN THING-----x-----END THING-----"),
		  E_PARSE },
		{ S_INIT("-----BEGIN THING-----MAAAAAAAAAAA-----END THING"
			 "-----"),
		  E_LIMIT },
		{ S_INIT("-----BEGIN"), E_NOTFOUND },
		{ S_INIT(""), E_NOTFOUND },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf out = buf_make(4);
		struct slice rest = rows[i].in;
		struct err err;

		CHECK_EQ_U64(pem_next(&rest, "THING", &out, &err),
			     rows[i].want);
		CHECK(rest.p == rows[i].in.p && rest.len == rows[i].in.len);
		CHECK(out.len == 0);
	}
}

TEST(the_first_block_of_a_label_is_found)
{
	CHECK(pem_find(S(OTHER THING), "THING") == sizeof(OTHER) - 1);
	CHECK(pem_find(S(OTHER), "OTHER") == 0);
	CHECK(pem_find(S(OTHER), "THING") == sizeof(OTHER) - 1); /* none */
	CHECK(pem_find(S(""), "THING") == 0);
}
