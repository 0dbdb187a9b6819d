#include "core/slice.h"

#include "core/cleanup.h"
#include "test/test.h"

static const struct slice empty = { NULL, 0 };

TEST(strings_become_slices_without_their_end)
{
	static const uint8_t three[] = { 1, 2, 3 };

	CHECK(slice_str("abc").len == 3);
	CHECK(slice_str("").len == 0);
	CHECK(slice_str(NULL).len == 0);
	CHECK(S("a\0b").len == 3);
	CHECK(slice_of(three).len == 3 && slice_of(three).p == three);
}

TEST(equal_means_same_length_and_bytes)
{
	CHECK(slice_eq(S("abc"), S("abc")));
	CHECK(!slice_eq(S("abc"), S("abd")));
	CHECK(!slice_eq(S("abc"), S("ab")));
	CHECK(!slice_eq(S("ab"), S("abc")));
	CHECK(slice_eq(empty, S("")));
	CHECK(slice_eq_str(S("abc"), "abc"));
	CHECK(!slice_eq_str(S("abc\0"), "abc"));
	CHECK(slice_eq_str(empty, ""));
	CHECK(slice_eq_str(empty, NULL));
}

TEST(case_is_ignored_for_ascii_letters_only)
{
	CHECK(slice_eq_nocase(S("Content-TYPE"), S("content-type")));
	CHECK(!slice_eq_nocase(S("abc"), S("abcd")));
	/* These differ by the same bit as letters do. */
	CHECK(!slice_eq_nocase(S("@"), S("`")));
	CHECK(!slice_eq_nocase(S("["), S("{")));
	CHECK(!slice_eq_nocase(S("0"), S("\x10")));
	CHECK(!slice_eq_nocase(S("\xc4"), S("\xe4")));
	for (int c = 'A'; c <= 'Z'; c++) {
		uint8_t up = (uint8_t)c, low = (uint8_t)(c + 32);

		CHECK(slice_eq_nocase(slice_make(&up, 1), slice_make(&low, 1)));
	}
}

TEST(constant_time_comparison_sees_every_bit)
{
	uint8_t a[33] = { 0 }, b[33] = { 0 };

	CHECK(slice_eq_ct(slice_of(a), slice_of(b)));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] = (uint8_t)(1 << bit % 8);
		CHECK(!slice_eq_ct(slice_of(a), slice_of(b)));
		b[bit / 8] = 0;
	}
	CHECK(!slice_eq_ct(slice_of(a), slice_make(b, 32)));
	CHECK(slice_eq_ct(empty, S("")));
}

TEST(starts_with)
{
	CHECK(slice_starts(S("abc"), S("ab")));
	CHECK(slice_starts(S("abc"), S("abc")));
	CHECK(slice_starts(S("abc"), S("")));
	CHECK(slice_starts(empty, empty));
	CHECK(!slice_starts(S("abc"), S("abcd")));
	CHECK(!slice_starts(S("abc"), S("b")));
	CHECK(!slice_starts(empty, S("a")));
}

TEST(sub_slices_are_clamped)
{
	CHECK(slice_eq_str(slice_sub(S("abcdef"), 1, 3), "bcd"));
	CHECK(slice_eq_str(slice_sub(S("abcdef"), 4, 9), "ef"));
	CHECK(slice_eq_str(slice_sub(S("abcdef"), 4, SIZE_MAX), "ef"));
	CHECK(slice_sub(S("abc"), 3, 1).len == 0);
	CHECK(slice_sub(S("abc"), SIZE_MAX, SIZE_MAX).len == 0);
	CHECK(slice_eq_str(slice_from(S("abc"), 0), "abc"));
	CHECK(slice_eq_str(slice_from(S("abc"), 2), "c"));
	CHECK(slice_from(S("abc"), 3).len == 0);
	CHECK(slice_from(S("abc"), SIZE_MAX).len == 0);
	CHECK(slice_from(empty, 5).len == 0);
	CHECK(slice_sub(empty, 0, 5).len == 0);
}

TEST(finds_the_first_byte)
{
	CHECK(slice_find(S("abca"), 'a') == 0);
	CHECK(slice_find(S("abcc"), 'c') == 2);
	CHECK(slice_find(S("abc"), 'x') == 3);
	CHECK(slice_find(S("a\0b"), 0) == 1);
	CHECK(slice_find(empty, 'a') == 0);
}

TEST(searches_the_first_occurrence)
{
	CHECK(slice_search(S("aabaab"), S("ab")) == 1);
	CHECK(slice_search(S("abc"), S("abc")) == 0);
	CHECK(slice_search(S("abc"), S("abcd")) == 3);
	CHECK(slice_search(S("abc"), S("c\0")) == 3);
	CHECK(slice_search(S("abc"), S("")) == 0);
	CHECK(slice_search(empty, empty) == 0);
	CHECK(slice_search(empty, S("a")) == 0);
}

TEST(trims_spaces_and_tabs_only)
{
	CHECK(slice_eq_str(slice_trim(S(" \t a b\t ")), "a b"));
	CHECK(slice_eq_str(slice_trim(S("\r\na")), "\r\na"));
	CHECK(slice_trim(S(" \t ")).len == 0);
	CHECK(slice_trim(empty).len == 0);
}

TEST(spans_what_is_in_a_set)
{
	CHECK(slice_span(S("aabc"), S("ba")) == 3);
	CHECK(slice_span(S("caa"), S("ab")) == 0);
	CHECK(slice_span(S("aba"), S("ab")) == 3);
	CHECK(slice_span(S("\0a"), S("ab")) == 0); /* no end of a string */
	CHECK(slice_span(S("\0\0a"), S("\0")) == 2);
	CHECK(slice_span(S("a"), empty) == 0);
	CHECK(slice_span(empty, S("a")) == 0);
}

TEST(splits_at_each_separator)
{
	struct slice rest = S("a,,bc"), part = S("untouched");

	CHECK(slice_split(&rest, ',', &part) && slice_eq_str(part, "a"));
	CHECK(slice_split(&rest, ',', &part) && part.len == 0);
	CHECK(slice_split(&rest, ',', &part) && slice_eq_str(part, "bc"));
	part = S("untouched");
	CHECK(!slice_split(&rest, ',', &part));
	CHECK(slice_eq_str(part, "untouched"));
}

TEST(a_separator_at_the_end_begins_no_part)
{
	struct slice rest = S("a\n"), part;

	CHECK(slice_split(&rest, '\n', &part) && slice_eq_str(part, "a"));
	CHECK(!slice_split(&rest, '\n', &part));
	rest = empty;
	CHECK(!slice_split(&rest, '\n', &part));
	rest = S("\n");
	CHECK(slice_split(&rest, '\n', &part) && part.len == 0);
	CHECK(!slice_split(&rest, '\n', &part));
}

TEST(all_zero_sees_every_byte)
{
	uint8_t b[17] = { 0 };

	CHECK(all_zero(b, sizeof(b)));
	CHECK(all_zero(NULL, 0));
	for (size_t i = 0; i < sizeof(b); i++) {
		b[i] = 0x80;
		CHECK(!all_zero(b, sizeof(b)));
		b[i] = 0;
	}
}

TEST(reads_decimal_numbers)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "0", 0 },
		{ "7", 7 },
		{ "00012", 12 },
		{ "18446744073709551615", UINT64_MAX },
		{ "00000000000000000001", 1 },
	};
	static const char *const bad[] = {
		"",
		"+1",
		"-1",
		" 1",
		"1 ",
		"1a",
		"0x10",
		"1.0",
		"1e3",
		"1\n",
		"/",
		":",
		"18446744073709551616",
		"99999999999999999999",
		"000000000000000000001", /* 21 digits */
		"\xd9\xa1",		 /* an Arabic digit */
	};
	uint64_t v;

	for (size_t i = 0; i < countof(good); i++) {
		CHECK(slice_u64(slice_str(good[i].text), &v));
		CHECK_EQ_U64(v, good[i].value);
	}
	v = 77;
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(!slice_u64(slice_str(bad[i]), &v));
	CHECK(v == 77);
	CHECK(!slice_u64(S("1\0"), &v));
}

TEST(a_cursor_reads_both_byte_orders)
{
	static const uint8_t in[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct slice s = slice_of(in);
	struct cursor c;

	c = cursor_make(s);
	CHECK(cursor_u8(&c) == 1 && c.rest.len == 7);
	c = cursor_make(s);
	CHECK(cursor_u16be(&c) == 0x0102 && c.rest.len == 6);
	CHECK(cursor_u16le(&c) == 0x0403);
	CHECK(cursor_u32be(&c) == 0x05060708);
	c = cursor_make(s);
	CHECK(cursor_u32le(&c) == 0x04030201);
	c = cursor_make(s);
	CHECK(cursor_u64be(&c) == 0x0102030405060708);
	c = cursor_make(s);
	CHECK(cursor_u64le(&c) == 0x0807060504030201);
	CHECK(!c.bad && c.rest.len == 0);
}

TEST(reading_past_the_end_sticks)
{
	static const uint8_t in[] = { 9, 9, 9 };
	struct cursor c = cursor_make(slice_of(in));
	struct err err;

	CHECK(cursor_u32be(&c) == 0);
	CHECK(c.bad);
	/* What would have fitted is not read either. */
	CHECK(cursor_u8(&c) == 0 && cursor_u16le(&c) == 0);
	CHECK(cursor_bytes(&c, 1).len == 0 && cursor_varint(&c) == 0);
	CHECK(cursor_bytes(&c, 0).len == 0);
	CHECK(cursor_end(&c, "report", &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "report: ends too early");
}

TEST(a_cursor_wants_to_be_read_to_its_end)
{
	struct cursor c = cursor_make(S("abc"));
	struct err err = { 0 };

	(void)cursor_u8(&c);
	CHECK(cursor_end(&c, "report", &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "report: 2 bytes too many");
	(void)cursor_u16be(&c);
	CHECK(cursor_end(&c, "report", &err) == OK);
	c = cursor_make(empty);
	CHECK(cursor_end(&c, "report", &err) == OK);
}

TEST(borrowed_bytes_point_into_the_source)
{
	static const uint8_t in[] = { 1, 2, 3, 4 };
	struct cursor c = cursor_make(slice_of(in));
	struct slice a = cursor_bytes(&c, 0), b = cursor_bytes(&c, 3);

	CHECK(a.len == 0 && b.p == in && b.len == 3);
	CHECK(cursor_bytes(&c, SIZE_MAX).len == 0 && c.bad);
}

TEST(fields_are_bounded_by_what_is_there)
{
	struct cursor c = cursor_make(S("\0\0\0\2abx"));

	CHECK(slice_eq_str(cursor_field(&c), "ab") && !c.bad);
	c = cursor_make(S("\0\0\0\0"));
	CHECK(cursor_field(&c).len == 0 && !c.bad);
	c = cursor_make(S("\0\0\0\3ab"));
	CHECK(cursor_field(&c).len == 0 && c.bad);
	c = cursor_make(S("\xff\xff\xff\xff"));
	CHECK(cursor_field(&c).len == 0 && c.bad);
	c = cursor_make(S("\0\0\0"));
	CHECK(cursor_field(&c).len == 0 && c.bad);
}

/* RFC 9000 appendix A.1. */
TEST(reads_the_variable_length_integers_of_rfc_9000)
{
	struct cursor c = cursor_make(
		S("\xc2\x19\x7c\x5e\xff\x14\xe8\x8c\x9d\x7f\x3e\x7d\x7b\xbd\x25"
		  "\x40\x25"));

	CHECK(cursor_varint(&c) == 151288809941952652);
	CHECK(cursor_varint(&c) == 494878333);
	CHECK(cursor_varint(&c) == 15293);
	CHECK(cursor_varint(&c) == 37);
	CHECK(cursor_varint(&c) == 37); /* in two bytes */
	CHECK(!c.bad && c.rest.len == 0);
}

TEST(a_cut_varint_is_a_fault)
{
	static const struct slice cut[] = {
		{ (const uint8_t *)"", 0 },
		{ (const uint8_t *)"\x40", 1 },
		{ (const uint8_t *)"\x80\0\0", 3 },
		{ (const uint8_t *)"\xc0\0\0\0\0\0\0", 7 },
	};

	for (size_t i = 0; i < countof(cut); i++) {
		struct cursor c = cursor_make(cut[i]);

		CHECK(cursor_varint(&c) == 0 && c.bad);
	}
}
