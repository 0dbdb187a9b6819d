#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"
#include "test/test.h"

/* What was logged since capture_begin; also how many writes it took. */
static struct {
	int old_stderr, from;
	char text[8192];
} capture;

/* The packets of a pipe with O_DIRECT keep writes apart. */
static void capture_begin(bool json)
{
	int ends[2] = { -1, -1 };

	EXPECT(pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT) == 0);
	capture.from = ends[0];
	capture.old_stderr = dup(STDERR_FILENO);
	EXPECT(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
	(void)close(ends[1]);
	clock_set_wall_for_tests(1795251600);
	log_setup(LOG_INFO, json, "as/net");
}

/* One line, which was one write; "" when there is none left. */
static const char *next_line(void)
{
	ssize_t n = read(capture.from, capture.text, sizeof(capture.text) - 1);

	capture.text[n < 0 ? 0 : n] = '\0';
	return capture.text;
}

static void capture_end(void)
{
	EXPECT(dup2(capture.old_stderr, STDERR_FILENO) == STDERR_FILENO);
	(void)close(capture.old_stderr);
	(void)close(capture.from);
	clock_set_wall_for_tests(-1);
	log_setup(LOG_INFO, false, "");
}

#define HEAD "time=2026-11-21T09:00:00Z level="

TEST(a_line_has_its_typed_fields)
{
	capture_begin(false);
	log_info("worker-registered", LOG_CSTR("group", "llama"),
		 LOG_U64("lease", UINT64_MAX), LOG_I64("delta", INT64_MIN),
		 LOG_BOOL("new", true), LOG_BOOL("old", false));
	const char *line = next_line();
	capture_end();
	CHECK_STR_EQ(line, HEAD "info event=worker-registered role=as/net "
				"group=llama lease=18446744073709551615 "
				"delta=-9223372036854775808 new=true "
				"old=false\n");
}

TEST(a_line_needs_no_fields)
{
	capture_begin(false);
	log_error("stopped");
	const char *line = next_line();
	capture_end();
	CHECK_STR_EQ(line, HEAD "error event=stopped role=as/net\n");
}

TEST(values_cannot_end_the_line_or_add_fields)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ { (const uint8_t *)"", 0 }, "\"\"" },
		{ { (const uint8_t *)"a b", 3 }, "\"a b\"" },
		{ { (const uint8_t *)"a=b", 3 }, "\"a=b\"" },
		{ { (const uint8_t *)"a\nlevel=info", 12 },
		  "\"a\\x0alevel=info\"" },
		{ { (const uint8_t *)"\" x=\"y", 6 }, "\"\\x22 x=\\x22y\"" },
		{ { (const uint8_t *)"\\", 1 }, "\"\\x5c\"" },
		{ { (const uint8_t *)"\0", 1 }, "\"\\x00\"" },
		{ { (const uint8_t *)"\x1b[31m", 5 }, "\"\\x1b[31m\"" },
		{ { (const uint8_t *)"\xc3\xa9", 2 }, "\"\\xc3\\xa9\"" },
		{ { (const uint8_t *)"h@x.y:1/a+b_c-D9", 16 },
		  "h@x.y:1/a+b_c-D9" },
	};

	capture_begin(false);
	for (size_t i = 0; i < countof(rows); i++) {
		char want[200];

		log_info("e", LOG_STR("v", rows[i].value));
		(void)snprintf(want, sizeof(want),
			       HEAD "info event=e role=as/net v=%s\n",
			       rows[i].want);
		EXPECT(strcmp(next_line(), want) == 0);
	}
	capture_end();
}

TEST(levels_below_the_least_are_silent)
{
	capture_begin(false);
	log_debug("quiet");
	EXPECT(strcmp(next_line(), "") == 0);
	log_setup(LOG_ERROR, false, "r");
	EXPECT(log_least() == LOG_ERROR && !log_is_json());
	log_warn("quiet");
	EXPECT(strcmp(next_line(), "") == 0);
	log_error("loud");
	EXPECT(strcmp(next_line(), HEAD "error event=loud role=r\n") == 0);
	log_setup(LOG_DEBUG, true, NULL);
	EXPECT(log_least() == LOG_DEBUG && log_is_json());
	log_debug("loud");
	EXPECT(strstr(next_line(), "\"debug\"") != NULL);
	capture_end();
}

TEST(logging_keeps_errno)
{
	capture_begin(false);
	errno = ENOTTY;
	log_info("e", LOG_U64("n", 1));
	EXPECT(errno == ENOTTY);
	(void)close(STDERR_FILENO); /* the write itself fails */
	errno = EXDEV;
	log_info("e");
	EXPECT(errno == EXDEV);
	capture_end();
}

TEST(an_error_is_logged_by_its_text)
{
	struct err err;

	capture_begin(false);
	(void)err_set(&err, E_IO, "cannot open \"x\"");
	log_warn("e", LOG_ERR(&err));
	const char *line = next_line();
	capture_end();
	CHECK_STR_EQ(line, HEAD "warn event=e role=as/net "
				"error=\"cannot open \\x22x\\x22\"\n");
}

/* The length of the longest line this many bytes of value give. */
static size_t line_len_of(size_t n, uint8_t byte, bool *whole)
{
	static uint8_t value[5000];
	struct slice v = slice_make(value, n);

	memset(value, byte, sizeof(value));
	log_info("e", LOG_STR("a", v), LOG_STR("b", v), LOG_STR("c", v),
		 LOG_STR("d", v), LOG_U64("last", 7));
	const char *line = next_line();
	size_t len = strlen(line);
	*whole = len > 0 && line[len - 1] == '\n' &&
		 strchr(line, '\n') == line + len - 1 &&
		 (strstr(line, log_is_json() ? "\"last\":7" : "last=7") ||
		  strstr(line, "dropped"));
	return len;
}

TEST(a_line_is_at_most_4096_bytes_and_says_what_it_left_out)
{
	static const uint8_t bytes[] = { 'a', ' ', '"', 0, 0xc3 };
	bool whole;

	capture_begin(false);
	for (size_t json = 0; json < 2; json++) {
		log_setup(LOG_INFO, json == 1, "as/net");
		for (size_t i = 0; i < countof(bytes); i++)
			for (size_t n = 0; n < 1200; n += 7) {
				EXPECT(line_len_of(n, bytes[i], &whole) <=
				       4096);
				EXPECT(whole);
			}
	}
	log_setup(LOG_INFO, false, "as/net");
	EXPECT(line_len_of(1024, 'a', &whole) <= 4096);
	EXPECT(strstr(capture.text, " dropped=1\n") != NULL);
	EXPECT(line_len_of(5000, 'a', &whole) <= 4096);
	EXPECT(strstr(capture.text, "aaa...") != NULL);
	capture_end();
}

TEST(json_lines_are_objects_with_the_same_fields)
{
	auto_json struct json *root = NULL;
	struct slice s;
	struct err err;
	uint64_t n;
	bool yes;

	capture_begin(true);
	log_warn("e", LOG_STR("v", S("a\n\"b\"\\ \x01\xc3\xa9")),
		 LOG_U64("n", 9007199254740991), LOG_BOOL("yes", true),
		 LOG_I64("minus", -5));
	struct slice line = slice_str(next_line());
	capture_end();
	CHECK(line.len > 1 && line.p[line.len - 1] == '\n');
	CHECK(slice_find(line, '\n') == line.len - 1);
	CHECK(json_parse(slice_sub(line, 0, line.len - 1), &root, &err) == OK);
	CHECK_EQ_U64(json_count(root), 8);
	CHECK(slice_search(line, S("\"minus\":-5")) < line.len);
	CHECK(json_want_str(root, "time", &s, &err) == OK &&
	      slice_eq_str(s, "2026-11-21T09:00:00Z"));
	CHECK(json_want_str(root, "level", &s, &err) == OK &&
	      slice_eq_str(s, "warn"));
	CHECK(json_want_str(root, "event", &s, &err) == OK &&
	      slice_eq_str(s, "e"));
	CHECK(json_want_str(root, "role", &s, &err) == OK &&
	      slice_eq_str(s, "as/net"));
	CHECK(json_want_str(root, "v", &s, &err) == OK &&
	      slice_eq(s, S("a\n\"b\"\\ \x01\xc3\xa9")));
	CHECK(json_want_u64(root, "n", 0, UINT64_MAX, &n, &err) == OK &&
	      n == 9007199254740991);
	CHECK(json_want_bool(root, "yes", &yes, &err) == OK && yes);
}

TEST(json_lines_with_bytes_that_are_no_text_still_parse)
{
	capture_begin(true);
	for (size_t c = 1; c < 256; c++) {
		auto_json struct json *root = NULL;
		uint8_t bytes[] = { 'a', (uint8_t)c, 'b' };
		struct err err;

		log_info("e", LOG_STR("v", slice_of(bytes)));
		struct slice line = slice_str(next_line());
		EXPECT(json_parse(slice_sub(line, 0, line.len - 1), &root,
				  &err) == OK);
	}
	capture_end();
}

TEST(a_long_role_is_cut)
{
	capture_begin(false);
	log_setup(LOG_INFO, false, "0123456789012345678901234567890123456789");
	log_info("e");
	EXPECT(strstr(next_line(), "role=0123456789012345678901234567890\n"));
	capture_end();
}
