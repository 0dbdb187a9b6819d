#include "core/io/http_head.h"

#include "test/core/io/http_play.h"

/* ---- the rules, each with its neighbour ---------------------------------- */

/* clang-format off */
static const struct {
	struct slice text;
	unsigned status; /* 0: it is good */
} rules[] = {
	{ N(GET("")), 0 },
	/* methods */
	{ N(R("X / HTTP/1.1", "")), 0 },
	{ N(R("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1", "")), 0 },
	{ N(R("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", "")), 400 },
	{ N(R("get / HTTP/1.1", "")), 400 },
	{ N(R("Get / HTTP/1.1", "")), 400 },
	{ N(R("G-T / HTTP/1.1", "")), 400 },
	{ N(R("G1 / HTTP/1.1", "")), 400 },
	{ N(R(" GET / HTTP/1.1", "")), 400 },
	{ N(R("\tGET / HTTP/1.1", "")), 400 },
	{ N("\r\n" GET("")), 400 },
	{ N("\n" GET("")), 400 },
	{ N("\x16\x03\x01"), 400 },
	{ N("\0"), 400 },
	/* the line's shape */
	{ N(R("GET  / HTTP/1.1", "")), 400 },
	{ N(R("GET /  HTTP/1.1", "")), 400 },
	{ N(R("GET / HTTP/1.1 ", "")), 400 },
	{ N(R("GET\t/ HTTP/1.1", "")), 400 },
	{ N(R("GET /\tHTTP/1.1", "")), 400 },
	{ N(R("GET / a HTTP/1.1", "")), 400 },
	{ N(R("GET HTTP/1.1", "")), 400 },
	{ N("GET\r\n"), 400 },
	{ N("GET /\r\n"), 400 },
	{ N("GET / \r\n"), 400 },
	/* targets */
	{ N(R("GET /a/../b;c=d?e|f\"<>\\^`{}[]~%00 HTTP/1.1", "")), 0 },
	{ N(R("GET //evil HTTP/1.1", "")), 0 },
	{ N(R("GET * HTTP/1.1", "")), 400 },
	{ N(R("OPTIONS * HTTP/1.1", "")), 400 },
	{ N(R("GET http://h/ HTTP/1.1", "")), 400 },
	{ N(R("GET a HTTP/1.1", "")), 400 },
	{ N(R("CONNECT h:443 HTTP/1.1", "")), 400 },
	{ N(R("CONNECT 169.254.169.254:80 HTTP/1.1", "")), 400 },
	{ N(R("GET /a#b HTTP/1.1", "")), 400 },
	{ N(R("GET /\xc3\xa9 HTTP/1.1", "")), 400 },
	{ N(R("GET /\x7f HTTP/1.1", "")), 400 },
	{ N(R("GET /a\0b HTTP/1.1", "")), 400 },
	/* versions */
	{ N(R("GET / HTTP/1.0", "")), 0 },
	{ N(R("GET / HTTP/1.2", "")), 505 },
	{ N(R("GET / HTTP/1.9", "")), 505 },
	{ N(R("GET / HTTP/2.0", "")), 505 },
	{ N(R("GET / HTTP/0.9", "")), 505 },
	{ N("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505 },
	{ N(R("GET / HTTP/1.1x", "")), 400 },
	{ N(R("GET / HTTP/11", "")), 400 },
	{ N(R("GET / HTTP/1.10", "")), 400 },
	{ N(R("GET / HTTP/01.1", "")), 400 },
	{ N(R("GET / http/1.1", "")), 400 },
	{ N(R("GET / HTTP/1,1", "")), 400 },
	{ N(R("GET / HTTP 1.1", "")), 400 },
	{ N(R("GET / HTTPS/1.1", "")), 400 },
	{ N(R("GET / ", "")), 400 },
	/* line ends */
	{ N("GET / HTTP/1.1\nHost: h\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: h\r\n\n"), 400 },
	{ N("GET / HTTP/1.1\rHost: h\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: h\r\n\r\r\nA: b\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nA: b\rHost: h\r\n\r\n"), 400 },
	/* header names */
	{ N(GET("!#$%&'*+-.^_`|~09azAZ: x\r\n")), 0 },
	{ N(GET("A:x\r\n")), 0 },
	{ N(GET("A:\r\n")), 0 },
	{ N(GET(": x\r\n")), 400 },
	{ N(GET("A\r\n")), 400 },
	{ N(GET("A : x\r\n")), 400 },
	{ N(GET("A\t: x\r\n")), 400 },
	{ N(GET("A B: x\r\n")), 400 },
	{ N(GET("A(: x\r\n")), 400 },
	{ N(GET("A\"B: x\r\n")), 400 },
	{ N(GET("A/B: x\r\n")), 400 },
	{ N(GET("A\xc3\xa9: x\r\n")), 400 },
	{ N(GET("A\0: x\r\n")), 400 },
	{ N(GET("A@: x\r\n")), 400 },
	{ N(GET("{}: x\r\n")), 400 },
	/* header values */
	{ N(GET("A: \t b \xff\x80 \"q\" ,;:\t \r\n")), 0 },
	{ N(GET("A: b\0c\r\n")), 400 },
	{ N(GET("A: b\x01\r\n")), 400 },
	{ N(GET("A: b\x7f\r\n")), 400 },
	{ N(GET("A: b\x0b\r\n")), 400 },
	{ N(GET("A: 12345678\x1b" "12345678\r\n")), 400 },
	/* folding */
	{ N(GET("A: b\r\n c\r\n")), 400 },
	{ N(GET("A: b\r\n\tc: d\r\n")), 400 },
	{ N("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400 },
	/* Host */
	{ N("GET / HTTP/1.1\r\nhOST: [::1]:8080\r\n\r\n"), 0 },
	{ N("GET / HTTP/1.0\r\n\r\n"), 0 },
	{ N("GET / HTTP/1.1\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400 },
	{ N(GET("Host: h\r\n")), 400 },
	{ N(R("GET / HTTP/1.0", "host: h\r\n")), 400 },
	{ N("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: h?\r\n\r\n"), 400 },
	{ N("GET / HTTP/1.1\r\nHost: \xff\r\n\r\n"), 400 },
	/* Content-Length */
	{ N(GET("Content-Length: 18446744073709551615\r\n")), 0 },
	{ N(GET("Content-Length: 00\r\n")), 0 },
	{ N(GET("Content-Length: 18446744073709551616\r\n")), 400 },
	{ N(GET("Content-Length: 99999999999999999999999\r\n")), 400 },
	{ N(GET("Content-Length: +0\r\n")), 400 },
	{ N(GET("Content-Length: -0\r\n")), 400 },
	{ N(GET("Content-Length: -1\r\n")), 400 },
	{ N(GET("Content-Length: 0x0\r\n")), 400 },
	{ N(GET("Content-Length: a\r\n")), 400 },
	{ N(GET("Content-Length: 0.0\r\n")), 400 },
	{ N(GET("Content-Length: 0 0\r\n")), 400 },
	{ N(GET("Content-Length: 0,0\r\n")), 400 },
	{ N(GET("Content-Length: 0;\r\n")), 400 },
	{ N(GET("Content-Length:\r\n")), 400 },
	{ N(GET("Content-Length: \"0\"\r\n")), 400 },
	{ N(GET("Content-Length: 0\r\nContent-Length: 0\r\n")), 400 },
	{ N(GET("Content-Length: 0\r\ncontent-length: 1\r\n")), 400 },
	{ N(GET("Content-Length : 0\r\n")), 400 },
	/* Transfer-Encoding */
	{ N(GET("Transfer-Encoding: chunked\r\n")), 0 },
	{ N(GET("transfer-encoding:CHUNKED\t\r\n")), 0 },
	{ N(GET("Transfer-Encoding: xchunked\r\n")), 501 },
	{ N(GET("Transfer-Encoding: chunkedx\r\n")), 501 },
	{ N(GET("Transfer-Encoding: gzip\r\n")), 501 },
	{ N(GET("Transfer-Encoding: gzip, chunked\r\n")), 501 },
	{ N(GET("Transfer-Encoding: chunked, chunked\r\n")), 501 },
	{ N(GET("Transfer-Encoding: chunked,\r\n")), 501 },
	{ N(GET("Transfer-Encoding: identity\r\n")), 501 },
	{ N(GET("Transfer-Encoding: \"chunked\"\r\n")), 501 },
	{ N(GET("Transfer-Encoding: chunked;a=b\r\n")), 501 },
	{ N(GET("Transfer-Encoding:\r\n")), 501 },
	{ N(GET("Transfer-Encoding: \x0b" "chunked\r\n")), 400 },
	{ N(GET("Transfer-Encoding : chunked\r\n")), 400 },
	{ N(GET("Transfer-Encoding: chunked\r\n"
		"Transfer-Encoding: chunked\r\n")), 400 },
	{ N(GET("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")), 400 },
	{ N(GET("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")), 400 },
	{ N(R("GET / HTTP/1.0", "Transfer-Encoding: chunked\r\n")), 400 },
	/* Expect and Upgrade */
	{ N(GET("Expect: 100-Continue\r\n")), 0 },
	{ N(GET("Expect: 200-ok\r\n")), 417 },
	{ N(GET("Expect:\r\n")), 417 },
	{ N(GET("Expect: 100-continue, x\r\n")), 417 },
	{ N(GET("Expect: 100-continue\r\nExpect: 100-continue\r\n")), 417 },
	{ N(GET("Upgrade: h2c\r\nConnection: upgrade\r\n")), 0 },
};
/* clang-format on */

TEST(each_rule_of_a_head_is_kept_however_it_is_cut)
{
	for (size_t i = 0; i < countof(rules); i++) {
		auto_buf struct buf log = buf_make(1 << 20);
		char want[32];

		(void)snprintf(want, sizeof(want), "parse %u\n",
			       rules[i].status);
		for (size_t cut = 0; cut <= rules[i].text.len; cut++) {
			perform(&request, rules[i].text, cut, &log);
			struct slice got = buf_slice(&log);
			bool held = rules[i].status == 0
					    ? slice_search(got, S("parse")) ==
						      got.len
					    : slice_eq_str(got, want);

			if (!EXPECT(held)) {
				printf("row %zu cut %zu: %.*s\n", i, cut,
				       SLICE_FMT(got));
				break;
			}
		}
	}
}

/* Behind a colon of a header line: where a tab may be. */
static bool in_value(const char *head, size_t at)
{
	bool colon = false;

	for (; at > 0 && head[at - 1] != '\n'; at--)
		colon = colon || head[at - 1] == ':';
	return colon && at > 0;
}

TEST(a_control_byte_anywhere_in_a_head_is_refused)
{
	static const char head[] =
		"POST /a?b HTTP/1.1\r\nHost: h:80\r\nX-Long-Name: a value\r\n"
		"Content-Length: 0\r\nAccept: */*\r\n\r\n";
	size_t len = sizeof(head) - 1;

	/* The line ends behind it end the head where a byte in front of the
	 * last made that line one that is not empty. */
	for (unsigned c = 0; c < 0x80; c = c == 0x1f ? 0x7f : c + 1)
		for (size_t at = 0; at < len; at++) {
			uint8_t text[sizeof(head) + 4];

			memcpy(text, head, at);
			text[at] = (uint8_t)c;
			memcpy(text + at + 1, head + at, len - at);
			memcpy(text + len + 1, "\r\n\r\n", 4);
			if ((c == '\t' && in_value(head, at)) ||
			    (c == '\n' && at == len - 1))
				continue; /* this one is right */
			if (!EXPECT(begins(&request, slice_of(text),
					   "parse 4")))
				printf("byte %#x at %zu\n", c, at);
		}
}

TEST(a_control_byte_in_place_of_any_byte_is_refused)
{
	static const char head[] = "HTTP/1.1 200 All right\r\n"
				   "Content-Length: 0\r\nA: b c\r\n\r\n";
	size_t len = sizeof(head) - 1;

	for (unsigned c = 0; c < 0x80; c = c == 0x1f ? 0x7f : c + 1)
		for (size_t at = 0; at < len; at++) {
			uint8_t text[sizeof(head) + 3];

			memcpy(text, head, len);
			memcpy(text + len, "\r\n\r\n", 4);
			text[at] = (uint8_t)c;
			if (c == (unsigned)head[at] || c == '\t')
				continue;
			if (!EXPECT(begins(&response, slice_of(text),
					   "parse 502")))
				printf("byte %#x at %zu\n", c, at);
		}
}

/* ---- responses ----------------------------------------------------------- */

TEST(each_rule_of_a_response_head_is_kept)
{
	/* clang-format off */
	static const struct { struct slice text; bool good; } rows[] = {
		{ N("HTTP/1.1 200 OK\r\n\r\n"), true },
		{ N("HTTP/1.0 200 OK\r\n\r\n"), true },
		{ N("HTTP/1.1 599 \r\n\r\n"), true },
		{ N("HTTP/1.1 100 Continue\r\n"
		    "Content-Length: 0\r\n\r\n"), true },
		{ N("HTTP/1.1 200  \t\xff\r\n\r\n"), true },
		{ N("HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\n\r\n"), true },
		{ N("HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n"), true },
		{ N("HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n"), true },
		{ N("HTTP/1.1 200\r\n\r\n"), false },
		{ N("HTTP/1.1 20 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 2000 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 099 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 600 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 999 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 +20 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 2x0 OK\r\n\r\n"), false },
		{ N("HTTP/1.1  200 OK\r\n\r\n"), false },
		{ N("HTTP/1.1\t200 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 200\tOK\r\n\r\n"), false },
		{ N("HTTP/2.0 200 OK\r\n\r\n"), false },
		{ N("HTTP/2 200 OK\r\n\r\n"), false },
		{ N("HTTP/1.2 200 OK\r\n\r\n"), false },
		{ N("ICY 200 OK\r\n\r\n"), false },
		{ N("http/1.1 200 OK\r\n\r\n"), false },
		{ N("\r\nHTTP/1.1 200 OK\r\n\r\n"), false },
		{ N("HTTP/1.1 200 O\x01K\r\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), false },
		{ N("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), false },
		{ N("HTTP/1.1 100 C\r\nContent-Length: 1\r\n\r\n"), false },
		{ N("HTTP/1.1 100 C\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n"), false },
		{ N("HTTP/1.1 204 \r\nContent-Length: 1\r\n\r\n"), false },
		{ N("HTTP/1.1 204 \r\n"
		    "Transfer-Encoding: chunked\r\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Content-Length: 1\r\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n"), false },
		{ N("HTTP/1.1 200 OK\r\n"
		    "Transfer-Encoding: gzip\r\n\r\n"), false },
		{ N("HTTP/1.0 200 OK\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n"), false },
		{ N("HTTP/1.1 304 x\r\nContent-Length: 1, 2\r\n\r\n"), false },
	};
	/* clang-format on */

	for (size_t i = 0; i < countof(rows); i++) {
		bool bad = begins(&response, rows[i].text, "parse 502");

		if (!EXPECT(bad != rows[i].good))
			printf("row %zu\n", i);
	}
}

TEST(interim_heads_without_end_are_refused)
{
	auto_buf struct buf b = buf_make(1 << 20);
	auto_buf struct buf log = buf_make(1 << 20);

	for (size_t i = 0; i < HTTP_MAX_INTERIM; i++)
		buf_put_str(&b, "HTTP/1.1 102 P\r\n\r\n");
	perform(&response, buf_slice(&b), b.len, &log);
	CHECK(slice_search(buf_slice(&log), S("limit")) == log.len);
	buf_put_str(&b, "HTTP/1.1 102 P\r\n\r\n");
	perform(&response, buf_slice(&b), b.len, &log);
	CHECK(slice_search(buf_slice(&log), S("limit 502")) < log.len);
}

/* ---- asking a head ------------------------------------------------------- */

TEST(headers_are_found_by_name_without_case)
{
	static const struct http_head head = {
		.n = 4,
		.h = { { N("Accept"), N("a, b ,\tC") },
		       { N("X-Empty"), N("") },
		       { N("ACCEPT"), N("d") },
		       { N("Other"), N("x") } },
	};

	CHECK(slice_eq(http_head_get(&head, "accept"), S("a, b ,\tC")));
	CHECK(http_head_get(&head, "x-empty").p != NULL);
	CHECK(http_head_get(&head, "x-empty").len == 0);
	CHECK(http_head_get(&head, "accep").p == NULL);
	CHECK(http_head_count(&head, "Accept") == 2);
	CHECK(http_head_count(&head, "none") == 0);
	CHECK(http_head_list_has(&head, "accept", "B"));
	CHECK(http_head_list_has(&head, "accept", "c"));
	CHECK(http_head_list_has(&head, "accept", "d"));
	CHECK(!http_head_list_has(&head, "accept", "x"));
	CHECK(!http_head_list_has(&head, "accept", "a, b"));
	CHECK(!http_head_list_has(&head, "x-empty", "a"));
}

TEST(tokens_are_the_characters_of_rfc_9110)
{
	static const char tchar[] =
		"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz";

	for (unsigned c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;
		bool in = c != 0 && c < 128 && strchr(tchar, (int)c) != NULL;

		CHECK(http_is_token(slice_make(&byte, 1)) == in);
	}
	CHECK(!http_is_token(S("")));
	CHECK(!http_is_token(S("a b")));
}

TEST(values_are_checked_at_every_place_in_a_word)
{
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			uint8_t value[20];
			bool good = c == '\t' || (c >= 0x20 && c != 0x7f);

			memset(value, 'x', sizeof(value));
			value[at] = (uint8_t)c;
			CHECK(http_is_value(slice_of(value)) == good);
		}
	CHECK(http_is_value(S("")));
}

TEST(a_head_by_itself_needs_each_of_its_lines_whole)
{
	static const struct slice bad[] = {
		N(""),
		N("GET / HTTP/1.1"),
		N("GET / HTTP/1.1\r\n"),
		N("GET / HTTP/1.1\r\nHost: h\r\n"),
		N("GET / HTTP/1.1\r\nHost: h\r\n\n"),
		N("GET / HTTP/1.1\r\nHost: h\n\r\n"),
		N("GET / HTTP/1.1\nHost: h\r\n\r\n"),
	};
	struct http_head head = { 0 };
	struct http_head_reader r = { .head = &head };
	struct err err;

	CHECK(http_head_parse(&r, S(GET("")), &err) == OK && head.n == 1);
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(http_head_parse(&r, bad[i], &err) == E_PARSE);
		CHECK_EQ_U64(r.status, 400);
	}
}
