#include "core/status.h"

#include <errno.h>
#include <string.h>

#include "test/test.h"

TEST(err_set_records_and_returns_the_code)
{
	struct err err = { 0 };

	CHECK(err_set(&err, E_PARSE, "%s: %d bytes", "x", 7) == E_PARSE);
	CHECK(err.code == E_PARSE);
	CHECK_STR_EQ(err.text, "x: 7 bytes");
}

TEST(control_bytes_cannot_forge_a_line)
{
	struct err err;

	for (int c = 1; c < 256; c++) {
		char peer[] = { 'a', (char)c, 'b', '\0' };
		bool bare = c >= 0x20 && c < 0x7f;

		CHECK(err_set(&err, E_IO, "%s", peer) == E_IO);
		CHECK_EQ_U64(strlen(err.text), 3);
		CHECK(err.text[1] == (bare ? (char)c : '?'));
	}
	CHECK(err_set(&err, E_IO, "a\r\nlevel=info\033[2J") == E_IO);
	CHECK_STR_EQ(err.text, "a??level=info?[2J");
}

TEST(utf8_stays_but_not_its_control_characters)
{
	struct err err;

	CHECK(err_set(&err, E_IO, "für \xe2\x82\xac \xf0\x9f\x98\x80") == E_IO);
	CHECK_STR_EQ(err.text, "für \xe2\x82\xac \xf0\x9f\x98\x80");
	CHECK(err_set(&err, E_IO,
		      "\xc2\x9b"
		      "2J \xc2\xa0") == E_IO); /* CSI, nbsp */
	CHECK_STR_EQ(err.text, "??2J \xc2\xa0");
	CHECK(err_set(&err, E_IO, "\xe2\x82") == E_IO); /* cut */
	CHECK_STR_EQ(err.text, "??");
}

TEST(a_long_text_ends_in_dots)
{
	char exact[ERR_TEXT_MAX], longer[ERR_TEXT_MAX + 1];
	struct err err;

	memset(exact, 'a', sizeof(exact));
	exact[sizeof(exact) - 1] = '\0';
	CHECK(err_set(&err, E_IO, "%s", exact) == E_IO);
	CHECK_STR_EQ(err.text, exact);

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	CHECK(err_set(&err, E_IO, "%s", longer) == E_IO);
	CHECK_EQ_U64(strlen(err.text), ERR_TEXT_MAX - 1);
	CHECK_STR_EQ(err.text + ERR_TEXT_MAX - 5, "a...");
}

TEST(a_cut_does_not_leave_half_a_character)
{
	char text[ERR_TEXT_MAX + 8];
	struct err err;

	for (size_t shift = 0; shift < 2; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xbc", 2);
		text[sizeof(text) - 1] = '\0';
		CHECK(err_set(&err, E_IO, "%s", text) == E_IO);
		const char *end = err.text + ERR_TEXT_MAX - 4;
		CHECK_STR_EQ(end, "...");
		CHECK(end[-1] == '?' || end[-1] == '\xbc');
	}
}

TEST(err_set_may_quote_the_text_it_replaces)
{
	struct err err;

	CHECK(err_set(&err, E_IO, "inner") == E_IO);
	CHECK(err_set(&err, E_CONF, "outer (%s) %s", err.text, err.text) ==
	      E_CONF);
	CHECK_STR_EQ(err.text, "outer (inner) inner");
}

TEST(err_errno_tells_the_reason_and_picks_the_code)
{
	static const struct {
		int number;
		enum status code;
	} rows[] = {
		{ EACCES, E_PERM }, { EPERM, E_PERM }, { ENOENT, E_NOTFOUND },
		{ EIO, E_IO },	    { EBADF, E_IO },   { ENOTDIR, E_IO },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		errno = rows[i].number;
		CHECK(err_errno(&err, "cannot open %s", "/x") == rows[i].code);
		CHECK(err.code == rows[i].code);
		CHECK(strncmp(err.text, "cannot open /x: ", 16) == 0);
		CHECK_STR_EQ(err.text + 16, strerror(rows[i].number));
	}
}

TEST(err_wrap_puts_context_in_front_and_keeps_the_code)
{
	struct err err;

	CHECK(err_set(&err, E_POLICY, "vmpl is 2") == E_POLICY);
	CHECK(err_wrap(&err, "policy %s", "as") == E_POLICY);
	CHECK(err_wrap(&err, "manifest") == E_POLICY);
	CHECK(err.code == E_POLICY);
	CHECK_STR_EQ(err.text, "manifest: policy as: vmpl is 2");
}

TEST(err_wrap_keeps_within_the_text)
{
	struct err err;

	CHECK(err_set(&err, E_IO, "x") == E_IO);
	for (int i = 0; i < 100; i++)
		CHECK(err_wrap(&err, "again and again") == E_IO);
	CHECK_EQ_U64(strlen(err.text), ERR_TEXT_MAX - 1);
	CHECK_STR_EQ(err.text + ERR_TEXT_MAX - 4, "...");
}

TEST(every_status_has_its_own_name_and_an_exit_code)
{
	for (int a = OK; a <= E_UNAVAIL; a++) {
		CHECK(status_name((enum status)a)[0] != '\0');
		CHECK(strcmp(status_name((enum status)a), "unknown") != 0);
		for (int b = OK; b < a; b++)
			CHECK(strcmp(status_name((enum status)a),
				     status_name((enum status)b)) != 0);
		CHECK((status_exit_code((enum status)a) == 0) == (a == OK));
	}
	CHECK(status_exit_code((enum status)99) == 1);
	CHECK_STR_EQ(status_name((enum status)99), "unknown");
}

TEST(exit_codes_are_the_promised_ones)
{
	CHECK(status_exit_code(E_CRYPTO) == 2);
	CHECK(status_exit_code(E_POLICY) == 2);
	CHECK(status_exit_code(E_STALE) == 3);
	CHECK(status_exit_code(E_USAGE) == 64);
	CHECK(status_exit_code(E_UNAVAIL) == 69);
	CHECK(status_exit_code(E_IO) == 74);
	CHECK(status_exit_code(E_PERM) == 77);
	CHECK(status_exit_code(E_CONF) == 78);
	CHECK(status_exit_code(E_NOTFOUND) == 1);
}

static enum status passes_up(enum status s)
{
	TRY(s);
	return E_AGAIN;
}

TEST(try_returns_failures_only)
{
	CHECK(passes_up(E_LIMIT) == E_LIMIT);
	CHECK(passes_up(OK) == E_AGAIN);
}
