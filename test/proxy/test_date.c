#include "proxy/date.h"

#include <string.h>

#include "test/test.h"

TEST(the_example_of_the_rfc_is_read_and_written)
{
	char out[DATE_SIZE];
	struct err err;
	int64_t at;

	CHECK(date_parse(S("Sun, 06 Nov 1994 08:49:37 GMT"), &at, &err) == OK);
	CHECK(at == 784111777);
	date_format(out, at);
	CHECK_STR_EQ(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	date_format(out, 0);
	CHECK_STR_EQ(out, "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(what_is_written_is_read_again)
{
	char out[DATE_SIZE];
	struct err err;
	int64_t at;

	/* Steps that meet every month, weekday and leap day. */
	for (int64_t t = 0; t < 253402300800; t += 86399 * 97) {
		date_format(out, t);
		CHECK(strlen(out) == DATE_LEN);
		CHECK(date_parse(slice_str(out), &at, &err) == OK && at == t);
	}
	CHECK(date_parse(S("Thu, 29 Feb 2024 23:59:59 GMT"), &at, &err) == OK);
}

TEST(every_other_form_is_refused)
{
	static const char *const bad[] = {
		"",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT",
		"Mon, 06 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Wed, 31 Nov 1994 08:49:37 GMT",
		"Wed, 29 Feb 2023 08:49:37 GMT",
		"Sun,  6 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06-Nov-1994 08:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT",
		"Sun; 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"1994-11-06T08:49:37Z",
		"784111777",
		"Sun, 06 Nov 0000 08:49:37 GMT",
	};
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t at = 42;

		CHECK(date_parse(slice_str(bad[i]), &at, &err) == E_PARSE);
		CHECK(at == 42);
	}
}

TEST(bytes_that_are_no_text_are_refused)
{
	char raw[DATE_LEN];
	struct err err;
	int64_t at;

	memset(raw, 0, sizeof(raw));
	CHECK(date_parse(slice_of(raw), &at, &err) == E_PARSE);
	memcpy(raw, "Sun, 06 Nov 1994 08:49:37 GMT", sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++) {
		char old = raw[i];

		raw[i] = '\0';
		CHECK(date_parse(slice_of(raw), &at, &err) == E_PARSE);
		raw[i] = (char)0xff;
		CHECK(date_parse(slice_of(raw), &at, &err) == E_PARSE);
		raw[i] = old;
	}
}
