#include "core/io/http_write.h"

#include <stdio.h>
#include <string.h>

#include "core/io/http_parse.h"
#include "test/test.h"

TEST(writes_a_request_head_that_reads_back)
{
	auto_buf struct buf b = buf_make(1024);
	auto_http_parser struct http_parser p;
	struct http_event ev;
	struct err err;
	size_t used;

	http_parse_init_request(&p, 0, UINT64_MAX);
	CHECK(http_write_request(&b, S("POST"), S("/a?b"), &err) == OK);
	CHECK(http_write_header(&b, "Host", S(" h:1\t"), &err) == OK);
	CHECK(http_write_field(&b, S("X-Y"), S("z \xff"), &err) == OK);
	CHECK(http_write_header(&b, "Empty", S(""), &err) == OK);
	CHECK(http_write_u64(&b, "Content-Length", UINT64_MAX, &err) == OK);
	CHECK(http_write_end(&b, &err) == OK);
	CHECK(slice_eq(buf_slice(&b),
		       S("POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-Y: z \xff\r\n"
			 "Empty: \r\nContent-Length: 18446744073709551615\r\n"
			 "\r\n")));
	CHECK(http_parse_next(&p, buf_slice(&b), &used, &ev, &err) == OK);
	CHECK(ev.kind == HTTP_HEAD && ev.head->n == 4 && used == b.len);
	CHECK(ev.head->length == UINT64_MAX);
}

TEST(writes_the_phrase_of_a_status)
{
	auto_buf struct buf b = buf_make(1024);
	struct err err;

	CHECK(http_write_response(&b, 200, &err) == OK);
	CHECK(http_write_response(&b, 431, &err) == OK);
	CHECK(http_write_response(&b, 599, &err) == OK);
	CHECK(http_write_response(&b, 100, &err) == OK);
	CHECK(slice_eq(buf_slice(&b),
		       S("HTTP/1.1 200 OK\r\n"
			 "HTTP/1.1 431 Request Header Fields Too Large\r\n"
			 "HTTP/1.1 599 Unknown\r\n"
			 "HTTP/1.1 100 Continue\r\n")));
	CHECK(http_write_response(&b, 99, &err) == E_PARSE);
	CHECK(http_write_response(&b, 600, &err) == E_PARSE);
	CHECK_STR_EQ(http_write_reason(404), "Not Found");
	CHECK_STR_EQ(http_write_reason(0), "Unknown");
}

/* Every status that has a phrase makes a line that can be read. */
TEST(every_status_line_reads_back)
{
	for (unsigned status = 102; status < 600; status++) {
		auto_buf struct buf b = buf_make(1024);
		auto_http_parser struct http_parser p;
		struct http_event ev;
		struct err err;
		size_t used;

		http_parse_init_response(&p, 0, 0);
		CHECK(http_write_response(&b, status, &err) == OK);
		CHECK(http_write_end(&b, &err) == OK);
		CHECK(http_parse_next(&p, buf_slice(&b), &used, &ev, &err) ==
		      OK);
		CHECK_EQ_U64(ev.head->status, status);
		CHECK(slice_eq_str(ev.head->reason, http_write_reason(status)));
	}
}

TEST(no_byte_of_a_value_can_end_its_line)
{
	auto_buf struct buf b = buf_make(1024);
	struct err err;

	buf_put_str(&b, "before");
	for (unsigned c = 0; c < 0x80; c++) {
		uint8_t value[] = { 'a', (uint8_t)c, 'b' };
		bool good = c == '\t' || (c >= 0x20 && c != 0x7f);
		enum status s =
			http_write_header(&b, "A", slice_of(value), &err);

		CHECK(s == (good ? OK : E_PARSE));
		CHECK(good || slice_eq(buf_slice(&b), S("before")));
		buf_clear(&b);
		buf_put_str(&b, "before");
	}
	CHECK(http_write_header(&b, "A", S("b\r\nEvil: x"), &err) == E_PARSE);
	CHECK(http_write_header(&b, "A", S("b\r"), &err) == E_PARSE);
	CHECK(http_write_header(&b, "A", S("\nb"), &err) == E_PARSE);
	CHECK(slice_eq(buf_slice(&b), S("before")));
}

TEST(names_methods_and_targets_are_checked_as_when_reading)
{
	auto_buf struct buf b = buf_make(1024);
	struct err err;

	CHECK(http_write_header(&b, "", S("x"), &err) == E_PARSE);
	CHECK(http_write_header(&b, "A ", S("x"), &err) == E_PARSE);
	CHECK(http_write_header(&b, "A:", S("x"), &err) == E_PARSE);
	CHECK(http_write_field(&b, S("A\0"), S("x"), &err) == E_PARSE);
	CHECK(http_write_field(&b, S("A\r\nB"), S("x"), &err) == E_PARSE);
	CHECK(http_write_request(&b, S("get"), S("/"), &err) == E_PARSE);
	CHECK(http_write_request(&b, S(""), S("/"), &err) == E_PARSE);
	CHECK(http_write_request(&b, S("GET"), S(""), &err) == E_PARSE);
	CHECK(http_write_request(&b, S("GET"), S("http://h/"), &err) ==
	      E_PARSE);
	CHECK(http_write_request(&b, S("GET"), S("/ HTTP/1.1\r\nA: b\r\n\r\n"),
				 &err) == E_PARSE);
	CHECK(http_write_request(&b, S("GET"), S("/a b"), &err) == E_PARSE);
	CHECK(b.len == 0 && !b.bad);
}

TEST(a_line_that_does_not_fit_is_not_written_at_all)
{
	auto_buf struct buf b = buf_make(10);
	struct err err;

	CHECK(http_write_header(&b, "A", S("bcdef"), &err) == OK);
	CHECK(b.len == 10);
	auto_buf struct buf c = buf_make(9);
	CHECK(http_write_header(&c, "A", S("bcdef"), &err) == E_LIMIT);
	CHECK(c.len == 0 && c.bad);
	CHECK(http_write_end(&c, &err) == E_LIMIT);
}

TEST(the_size_of_a_chunk_is_hex_on_a_line)
{
	char line[HTTP_WRITE_CHUNK_SIZE];

	CHECK(slice_eq_str(http_write_chunk(line, 1), "1\r\n"));
	CHECK(slice_eq_str(http_write_chunk(line, 300), "12c\r\n"));
	CHECK(slice_eq_str(http_write_chunk(line, SIZE_MAX),
			   "ffffffffffffffff\r\n"));
}
