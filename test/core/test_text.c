#include "core/text.h"

#include "core/cleanup.h"
#include "test/test.h"

static bool holds(const struct buf *b, const char *want)
{
	return !b->bad && slice_eq_str(buf_slice(b), want);
}

/* Every byte value once. */
static struct slice all_bytes(uint8_t out[static 256])
{
	for (size_t i = 0; i < 256; i++)
		out[i] = (uint8_t)i;
	return slice_make(out, 256);
}

TEST(hex_is_lower_case)
{
	auto_buf struct buf b = buf_make(100);

	text_hex(&b, S("\x00\x01\x9a\xbc\xde\xff\x7f"));
	CHECK(holds(&b, "00019abcdeff7f"));
	text_hex(&b, S(""));
	CHECK(b.len == 14);
}

TEST(hex_of_every_byte_reads_back)
{
	auto_buf struct buf b = buf_make(1000);
	uint8_t in[256], out[256];
	struct err err;

	text_hex(&b, all_bytes(in));
	for (size_t i = 0; i < 256; i++) {
		char two[3];

		(void)snprintf(two, sizeof(two), "%02zx", i);
		CHECK(slice_eq_str(slice_sub(buf_slice(&b), 2 * i, 2), two));
	}
	CHECK(text_unhex(buf_slice(&b), out, 256, "x", &err) == OK);
	CHECK(memcmp(in, out, 256) == 0);
}

TEST(hex_of_every_length_reads_back)
{
	uint8_t in[256], out[33];
	struct err err;

	(void)all_bytes(in);
	for (size_t n = 0; n <= 33; n++) {
		auto_buf struct buf b = buf_make(66);

		text_hex(&b, slice_make(in + 100, n));
		CHECK_EQ_U64(b.len, 2 * n);
		CHECK(text_unhex(buf_slice(&b), out, n, "x", &err) == OK);
		CHECK(memcmp(in + 100, out, n) == 0);
	}
}

TEST(hex_that_does_not_fit_is_a_fault)
{
	auto_buf struct buf b = buf_make(3);

	text_hex(&b, S("ab"));
	CHECK(b.bad && b.len == 0);
	buf_cut(&b, 0);
	text_hex(&b, slice_make("", SIZE_MAX)); /* doubled, it would wrap */
	CHECK(b.bad && b.len == 0);
}

TEST(hex_into_an_array_ends_with_nul)
{
	char out[7] = "zzzzzz";

	text_hex_into(out, sizeof(out), S("\xab\xcd\xef"));
	CHECK_STR_EQ(out, "abcdef");
	text_hex_into(out, sizeof(out), S(""));
	CHECK_STR_EQ(out, "");
}

static void hex_too_small(void *arg)
{
	char out[8] = "";

	(void)arg;
	text_hex_into(out, 6, S("abc"));
}

TEST(hex_into_too_small_an_array_ends_the_process)
{
	CHECK(test_signal_of(hex_too_small, NULL) != 0);
}

TEST(unhex_takes_only_lower_case_digits)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	struct err err;

	/* Each byte value at each place of the word. */
	for (size_t c = 0; c < 256; c++)
		for (size_t at = 0; at < 8; at++) {
			uint8_t in[8] = "00000000";
			bool good = (c >= '0' && c <= '9') ||
				    (c >= 'a' && c <= 'f');

			in[at] = (uint8_t)c;
			enum status s =
				text_unhex(slice_of(in), out, 4, "x", &err);
			CHECK(s == (good ? OK : E_PARSE));
		}
}

TEST(unhex_wants_the_exact_length_and_writes_nothing_else)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	struct err err;

	CHECK(text_unhex(S("0011223"), out, 4, "key", &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "key: 7 characters, want 8 of lower-case hex");
	CHECK(text_unhex(S("001122334"), out, 4, "key", &err) == E_PARSE);
	CHECK(text_unhex(S("001122"), out, 4, "key", &err) == E_PARSE);
	CHECK(text_unhex(S(""), out, 4, "key", &err) == E_PARSE);
	CHECK(text_unhex(S("0011223G"), out, 4, "key", &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "key: not lower-case hex");
	CHECK(out[0] == 9 && out[1] == 9 && out[2] == 9 && out[3] == 9);
	CHECK(text_unhex(S(""), out, 0, "key", &err) == OK);
	CHECK(out[0] == 9);
}

/* RFC 4648 section 10. */
static const struct {
	const char *plain, *padded, *url;
} vectors[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	{ "\xff\xff", "//8=", "__8" },
};

TEST(base64_is_that_of_rfc_4648)
{
	struct err err;

	for (size_t i = 0; i < countof(vectors); i++) {
		auto_buf struct buf a = buf_make(20), b = buf_make(20);

		text_base64(&a, slice_str(vectors[i].plain));
		CHECK(holds(&a, vectors[i].padded));
		text_base64url(&b, slice_str(vectors[i].plain));
		CHECK(holds(&b, vectors[i].url));
		buf_clear(&a);
		CHECK(text_unbase64(slice_str(vectors[i].padded), &a, "x",
				    &err) == OK);
		CHECK(holds(&a, vectors[i].plain));
		buf_clear(&b);
		CHECK(text_unbase64url(slice_str(vectors[i].url), &b, "x",
				       &err) == OK);
		CHECK(holds(&b, vectors[i].plain));
	}
}

TEST(base64_of_every_length_and_byte_reads_back)
{
	uint8_t in[256];
	struct err err;

	(void)all_bytes(in);
	for (size_t n = 0; n <= 256; n++) {
		struct slice s = slice_make(in + 256 - n, n);
		auto_buf struct buf a = buf_make(400), b = buf_make(400);
		auto_buf struct buf c = buf_make(256), d = buf_make(256);

		text_base64(&a, s);
		CHECK_EQ_U64(a.len, (n + 2) / 3 * 4);
		CHECK(text_unbase64(buf_slice(&a), &c, "x", &err) == OK);
		CHECK(slice_eq(buf_slice(&c), s));
		text_base64url(&b, s);
		CHECK_EQ_U64(b.len, (n * 4 + 2) / 3);
		CHECK(text_unbase64url(buf_slice(&b), &d, "x", &err) == OK);
		CHECK(slice_eq(buf_slice(&d), s));
	}
}

TEST(unbase64_takes_only_its_alphabet)
{
	static const char plus[] = "+/", dash[] = "-_";
	struct err err;

	for (size_t c = 0; c < 256; c++)
		for (size_t at = 0; at < 8; at++) {
			auto_buf struct buf a = buf_make(8), b = buf_make(8);
			uint8_t in[9] = "AAAAAAAAA";
			bool common = (c >= 'A' && c <= 'Z') ||
				      (c >= 'a' && c <= 'z') ||
				      (c >= '0' && c <= '9');
			bool std = common || (c != 0 && strchr(plus, (int)c));
			bool url = common || (c != 0 && strchr(dash, (int)c));

			in[at] = (uint8_t)c;
			struct slice s = slice_make(in, 8);
			if (c == '=' && at == 7) /* padding, there */
				std = true;
			CHECK(text_unbase64(s, &a, "x", &err) ==
			      (std ? OK : E_PARSE));
			CHECK(text_unbase64url(s, &b, "x", &err) ==
			      (url ? OK : E_PARSE));
		}
}

TEST(unbase64_refuses_every_other_form)
{
	static const char *const bad[] = {
		"Z",	    "Zg",	"Zm8",	    "Zg=",	"Z===",
		"====",	    "=",	"==",	    "===",	"Zg==A",
		"Zg==AAAA", "Zm9v====", "Zm9v=",    "Zm9vYg=A", "Z=g=",
		"Zg==\n",   "Zm9v ",	" Zm9v",    "Zm\n9v",	"Zm9v\n",
		"Zh==",	    "Zv==", /* bits behind the byte */
		"Zm9=",	    "Zm/=",	"AAAAZh==",
	};
	auto_buf struct buf b = buf_make(100);
	struct err err;

	buf_put(&b, S("old"));
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(text_unbase64(slice_str(bad[i]), &b, "x", &err) ==
		      E_PARSE);
		CHECK(strncmp(err.text, "x: ", 3) == 0);
		CHECK(holds(&b, "old"));
	}
	CHECK(text_unbase64(S("AA\0A"), &b, "x", &err) == E_PARSE);
}

TEST(white_space_in_base64_is_passed_over_where_it_may_be)
{
	static const struct {
		const char *in;
		enum status want;
	} rows[] = {
		{ "Zm9v", OK },	      { " Z\tm\r\n9v\n", OK },
		{ "Zm9\n", E_PARSE }, { "Zm9v\v", E_PARSE },
		{ "Zm9v-", E_PARSE },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf out = buf_make(3);
		struct err err;

		CHECK_EQ_U64(text_unbase64_spaced(slice_str(rows[i].in), &out,
						  "x", &err),
			     rows[i].want);
		CHECK_EQ_U64(out.len, rows[i].want == OK ? 3 : 0);
	}
}

TEST(unbase64url_refuses_padding_and_leftovers)
{
	static const char *const bad[] = { "Z",	   "Zg==", "Zm8=", "ZgAAA",
					   "Zh",   "Zv",   "Zm9",  "Zm9vYh",
					   "Zg\n", "Z g" };
	auto_buf struct buf b = buf_make(100);
	struct err err;

	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(text_unbase64url(slice_str(bad[i]), &b, "x", &err) ==
		      E_PARSE);
		CHECK(b.len == 0 && !b.bad);
	}
}

TEST(a_refused_secret_does_not_stay_in_the_buffer)
{
	auto_buf struct buf b = buf_make(100);
	struct err err;

	CHECK(buf_room(&b, 100) != NULL);
	CHECK(text_unbase64(S("c2VjcmV0IHNlY3JldCBzZWNyZXQ!"), &b, "x", &err) ==
	      E_PARSE);
	CHECK(all_zero(b.mem, b.cap));
}

TEST(base64_that_does_not_fit_is_told)
{
	auto_buf struct buf b = buf_make(5);
	struct err err;

	text_base64(&b, S("foob"));
	CHECK(b.bad && b.len == 0);
	buf_cut(&b, 0);
	text_base64(&b, slice_make("", SIZE_MAX));
	CHECK(b.bad && b.len == 0);
	buf_cut(&b, 0);
	CHECK(text_unbase64(S("Zm9vYmFy"), &b, "key", &err) == E_LIMIT);
	CHECK(b.len == 0);
}

TEST(escapes_what_a_terminal_or_a_quote_would_take)
{
	auto_buf struct buf b = buf_make(100);

	text_escape(&b, S("a \"b\\c\x1b[0m\n\x7f\xc3\xa9~"));
	CHECK(holds(&b, "a \\x22b\\x5cc\\x1b[0m\\x0a\\x7f\\xc3\\xa9~"));
}

TEST(escapes_every_byte_but_printable_ascii)
{
	for (int c = 0; c < 256; c++) {
		auto_buf struct buf b = buf_make(4);
		uint8_t byte = (uint8_t)c;
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		text_escape(&b, slice_make(&byte, 1));
		CHECK(!b.bad && b.len == (plain ? 1 : 4));
	}
}

static const struct {
	int64_t t;
	const char *text;
} times[] = {
	{ 0, "1970-01-01T00:00:00Z" },
	{ 59, "1970-01-01T00:00:59Z" },
	{ 86399, "1970-01-01T23:59:59Z" },
	{ 68169599, "1972-02-28T23:59:59Z" },
	{ 68169600, "1972-02-29T00:00:00Z" },
	{ 951782400, "2000-02-29T00:00:00Z" },
	{ 951868800, "2000-03-01T00:00:00Z" },
	{ 1795251600, "2026-11-21T09:00:00Z" },
	{ 2147483648, "2038-01-19T03:14:08Z" },
	{ 4107542400, "2100-03-01T00:00:00Z" },
	{ 4107542399, "2100-02-28T23:59:59Z" },
	{ 253402300799, "9999-12-31T23:59:59Z" },
};

TEST(times_read_and_write)
{
	char text[TEXT_TIME_SIZE];
	struct err err;
	int64_t t;

	for (size_t i = 0; i < countof(times); i++) {
		text_time(text, times[i].t);
		CHECK_STR_EQ(text, times[i].text);
		CHECK(text_untime(slice_str(text), &t, &err) == OK);
		CHECK(t == times[i].t);
	}
}

TEST(times_agree_with_the_c_library_on_every_day)
{
	char ours[TEXT_TIME_SIZE], theirs[TEXT_TIME_SIZE];
	struct tm tm;

	for (int64_t t = 0; t < INT64_C(253402300800); t += 86400 * 7 + 12345) {
		time_t when = (time_t)t;

		text_time(ours, t);
		(void)gmtime_r(&when, &tm);
		CHECK(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ",
			       &tm) == 20);
		CHECK_STR_EQ(ours, theirs);
	}
}

TEST(times_out_of_range_are_clamped)
{
	char text[TEXT_TIME_SIZE];

	text_time(text, -1);
	CHECK_STR_EQ(text, "1970-01-01T00:00:00Z");
	text_time(text, INT64_MIN);
	CHECK_STR_EQ(text, "1970-01-01T00:00:00Z");
	text_time(text, INT64_MAX);
	CHECK_STR_EQ(text, "9999-12-31T23:59:59Z");
}

TEST(other_times_are_refused)
{
	static const char *const bad[] = {
		"",
		"2026-11-21T09:00:00",
		"2026-11-21T09:00:00z",
		"2026-11-21t09:00:00Z",
		"2026-11-21 09:00:00Z",
		"2026-11-21T09:00:00ZZ",
		"2026-11-21T09:00:00.0Z",
		"2026-11-21T09:00:00+00:00",
		"2026-11-21T09:00Z",
		"2026/11/21T09:00:00Z",
		"1969-12-31T23:59:59Z",
		"0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z",
		"2026-00-10T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-99-99T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z",
		"+026-01-01T00:00:00Z",
		"2026-1 -01T00:00:00Z",
		"2026-01-01T-1:00:00Z",
		"9999-12-31T24:00:00Z",
	};
	struct err err;
	int64_t t = 77;

	for (size_t i = 0; i < countof(bad); i++)
		CHECK(text_untime(slice_str(bad[i]), &t, &err) == E_PARSE);
	CHECK(t == 77);
}

TEST(utf8_that_is_well_formed)
{
	static const char *const good[] = {
		"",
		"ascii and more ascii",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"12345678\xc3\xa9zzzzzzzz",
	};

	for (size_t i = 0; i < countof(good); i++)
		CHECK(text_is_utf8(slice_str(good[i])));
	CHECK(text_is_utf8(S("a\0b")));
}

TEST(utf8_that_is_not)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x9f\xbf",
		"\xe0\x80\x80",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xe1\x80",
		"\xe1\x80\xc0",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80",
		"\xff",
		"\xfe",
		"\xf0\x90\x80",
		"12345678\x80",
		"1234567\xc3",
		"\xc3\xa9\xa9",
	};

	for (size_t i = 0; i < countof(bad); i++)
		CHECK(!text_is_utf8(slice_str(bad[i])));
}

/* Against the definition: encode each code point the long way. */
TEST(utf8_is_judged_right_for_every_code_point)
{
	for (uint32_t c = 0x800; c < 0x110000; c += 0x11) {
		uint8_t three[] = { (uint8_t)(0xe0 | c >> 12),
				    (uint8_t)(0x80 | (c >> 6 & 63)),
				    (uint8_t)(0x80 | (c & 63)) };
		uint8_t four[] = { (uint8_t)(0xf0 | c >> 18),
				   (uint8_t)(0x80 | (c >> 12 & 63)),
				   (uint8_t)(0x80 | (c >> 6 & 63)),
				   (uint8_t)(0x80 | (c & 63)) };
		bool surrogate = c >= 0xd800 && c < 0xe000;

		if (c < 0x10000)
			CHECK(text_utf8_len(slice_of(three)) ==
			      (surrogate ? 0 : 3));
		CHECK(text_utf8_len(slice_of(four)) == (c < 0x10000 ? 0 : 4));
	}
}

TEST(distance_counts_slips_of_the_finger)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "store", "store", 0 },
		{ "store", "stroe", 1 }, /* swapped */
		{ "store", "stor", 1 },
		{ "store", "sttore", 1 },
		{ "store", "stone", 1 },
		{ "ab", "ba", 1 },
		{ "ca", "abc", 3 }, /* restricted: no edit of a swapped pair */
		{ "kitten", "sitting", 3 },
		{ "abcdef", "uvwxyz", 6 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct slice a = slice_str(rows[i].a), b = slice_str(rows[i].b);

		CHECK_EQ_U64(text_distance(a, b), rows[i].distance);
		CHECK_EQ_U64(text_distance(b, a), rows[i].distance);
	}
}

TEST(distance_looks_at_32_characters)
{
	char a[100], b[100];

	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	b[31] = 'b';
	b[32] = 'b';
	CHECK(text_distance(slice_of(a), slice_of(b)) == 1);
	CHECK(text_distance(slice_of(a), S("")) == 32);
}

TEST(names_are_of_a_small_alphabet)
{
	static const char *const good[] = { "a",       "0",	 "prod-1",
					    "a.b_c-d", "9lives", "a--" };
	static const char *const bad[] = { "",	  ".",	 "..",	     "-a",
					   "_a",  "A",	 "aB",	     "a b",
					   "a/b", "a\n", "\xc3\xa9", "a:b",
					   "a%" };
	char text[66];

	for (size_t i = 0; i < countof(good); i++)
		CHECK(text_is_name(slice_str(good[i])));
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(!text_is_name(slice_str(bad[i])));
	CHECK(!text_is_name(S("a\0b")));
	memset(text, 'a', sizeof(text));
	CHECK(text_is_name(slice_make(text, 64)));
	CHECK(!text_is_name(slice_make(text, 65)));
}
