#include "core/io/sse.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "test/test.h"

#define MAX 1000

/* Give text cut into pieces of `step` bytes, the first of `first`; put into
 * log the fields of each event, and the bytes into copy as they pass. */
static bool play(struct slice text, size_t first, size_t step, struct buf *log,
		 struct buf *copy)
{
	struct sse_scan scan = sse_scan_make(MAX);
	auto_buf struct buf event = buf_make(2 * MAX);
	struct slice name, value;
	struct err err;

	for (size_t at = 0, n = first; at < text.len; at += n, n = step) {
		struct slice piece = slice_sub(text, at, n);

		n = piece.len;
		while (piece.len > 0) {
			size_t used = SIZE_MAX;
			bool end = false;

			if (sse_scan_next(&scan, piece, &used, &end, &err) !=
			    OK)
				return false;
			EXPECT(used <= piece.len && used > 0);
			EXPECT(end || used == piece.len);
			buf_put(&event, slice_sub(piece, 0, used));
			buf_put(copy, slice_sub(piece, 0, used));
			piece = slice_from(piece, used);
			if (!end)
				continue;
			struct slice rest = buf_slice(&event);
			size_t was = log->len;
			while (sse_next_field(&rest, &name, &value)) {
				buf_put_u8(log, '<');
				buf_put(log, name);
				buf_put_u8(log, '|');
				buf_put(log, value);
				buf_put_u8(log, '>');
			}
			buf_put_str(log, log->len > was ? "." : "");
			buf_clear(&event);
		}
	}
	buf_put_str(log, sse_scan_partial(&scan) ? "partial" : "");
	return true;
}

/* The events of text are want, wherever it is cut, and no byte is lost. */
static bool reads(struct slice text, const char *want)
{
	for (size_t first = 1; first <= text.len + 1; first++)
		for (size_t step = 1; step <= text.len; step += text.len - 1) {
			auto_buf struct buf log = buf_make(1 << 16);
			auto_buf struct buf copy = buf_make(1 << 16);

			EXPECT(play(text, first, step, &log, &copy));
			EXPECT(slice_eq(buf_slice(&copy), text));
			if (!EXPECT(slice_eq_str(buf_slice(&log), want))) {
				printf("cut at %zu: %.*s\n", first,
				       SLICE_FMT(buf_slice(&log)));
				return false;
			}
			if (text.len < 2)
				break;
		}
	return true;
}

TEST(events_end_at_an_empty_line_of_each_kind)
{
	static const char want[] = "<data|a><data|b>.<event|x><data|c>.";

	CHECK(reads(S("data: a\ndata: b\n\nevent: x\ndata: c\n\n"), want));
	CHECK(reads(S("data: a\r\ndata: b\r\n\r\nevent: x\r\ndata: c\r\n\r\n"),
		    want));
	CHECK(reads(S("data: a\rdata: b\r\revent: x\rdata: c\r\r"), want));
	CHECK(reads(S("data: a\rdata: b\n\r\nevent: x\r\ndata: c\n\r"), want));
	CHECK(reads(S("data: a\r\ndata: b\r\n\revent: x\ndata: c\r\r\n"),
		    want));
}

TEST(lf_behind_cr_is_not_a_second_line_end)
{
	CHECK(reads(S("data: a\r\ndata: b\r\n\r\n"), "<data|a><data|b>."));
	CHECK(reads(S("data: a\n\rdata: b\n\n"), "<data|a>.<data|b>."));
	CHECK(reads(S("data: a\r\n\ndata: b\n\n"), "<data|a>.<data|b>."));
}

TEST(an_event_is_reported_with_the_byte_that_ends_it)
{
	struct sse_scan scan = sse_scan_make(MAX);
	struct err err;
	size_t used;
	bool end;

	CHECK(sse_scan_next(&scan, S("data: a\r\n\r"), &used, &end, &err) ==
	      OK);
	CHECK(end && used == 10 && !sse_scan_partial(&scan));
	CHECK(sse_scan_next(&scan, S("\n"), &used, &end, &err) == OK);
	CHECK(!end && used == 1 && !sse_scan_partial(&scan));
	CHECK(sse_scan_next(&scan, S("\n"), &used, &end, &err) == OK);
	CHECK(end && used == 1);
	CHECK(sse_scan_next(&scan, S(""), &used, &end, &err) == OK);
	CHECK(!end && used == 0);
	CHECK(sse_scan_next(&scan, S("x\r\n\r\ny"), &used, &end, &err) == OK);
	CHECK(end && used == 5);
}

TEST(the_bytes_of_a_character_may_come_apart)
{
	CHECK(reads(S("data: \xf0\x9f\x98\x80\xe4\xbd\xa0\n\n"),
		    "<data|\xf0\x9f\x98\x80\xe4\xbd\xa0>."));
}

TEST(fields_are_split_at_the_first_colon_with_one_space_removed)
{
	CHECK(reads(S("data:a\ndata: b\ndata:  c\ndata\ndata:\ndata : d\n"
		      "data: e:f\n: a comment\n:\nData: g\n data: h\n\n"),
		    "<data|a><data|b><data| c><data|><data|><data |d>"
		    "<data|e:f><|a comment><|><Data|g>< data|h>."));
}

TEST(bytes_that_are_not_line_ends_are_not_line_ends)
{
	CHECK(reads(S("data: a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8"
		      "b\n\n"),
		    "<data|a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8"
		    "b>."));
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			struct sse_scan scan = sse_scan_make(MAX);
			uint8_t text[22];
			struct err err;
			size_t used;
			bool end;
			bool line = c == '\n' || c == '\r';

			memset(text, 'x', 20);
			text[at] = (uint8_t)c;
			text[20] = text[21] = '\n';
			CHECK(sse_scan_next(&scan, slice_of(text), &used, &end,
					    &err) == OK);
			bool early = line && (at == 0 || at == 19);
			if (c == '\r' && at == 19)
				continue; /* CR LF LF: the same bytes */
			CHECK(end && (used == 22 || early));
			CHECK(!early || used == at + 1 + (at == 19));
		}
}

TEST(a_stream_that_stops_within_an_event_is_partial)
{
	CHECK(reads(S("data: a\n\ndata: b"), "<data|a>.partial"));
	CHECK(reads(S("data: a\n\ndata: b\n"), "<data|a>.partial"));
	CHECK(reads(S("data: a\n\n:"), "<data|a>.partial"));
	CHECK(reads(S("data: a\n\n"), "<data|a>."));
	CHECK(reads(S("data: a\n\n\n\r\n\r"), "<data|a>."));
	CHECK(reads(S("\n"), ""));
}

TEST(an_event_may_be_as_long_as_the_limit_and_not_longer)
{
	for (size_t step = 1; step <= 40; step++) {
		struct sse_scan scan = sse_scan_make(20);
		struct slice good = S("data: 890123456789\n\n");
		struct slice bad = S("data: 8901234567890\n\n");
		struct err err;
		size_t used = 0, at = 0;
		bool end = false;
		enum status s = OK;

		while (!end) {
			struct slice in = slice_sub(good, at, step);
			CHECK(sse_scan_next(&scan, in, &used, &end, &err) ==
			      OK);
			at += used;
		}
		CHECK(at == good.len);
		end = false;
		for (at = 0; s == OK && at < bad.len; at += used) {
			struct slice in = slice_sub(bad, at, step);
			s = sse_scan_next(&scan, in, &used, &end, &err);
		}
		CHECK(s == E_LIMIT && !end);
		CHECK(sse_scan_next(&scan, S("\n\n"), &used, &end, &err) ==
		      E_LIMIT);
	}
}

TEST(fields_of_nothing_are_none)
{
	struct slice none = S(""), blank = S("\r\n\n\r");
	struct slice name, value;

	CHECK(!sse_next_field(&none, &name, &value));
	CHECK(!sse_next_field(&blank, &name, &value));
	struct slice null = { 0 };
	CHECK(!sse_next_field(&null, &name, &value));
	struct slice last = S("\nid: 7");
	CHECK(sse_next_field(&last, &name, &value));
	CHECK(slice_eq(name, S("id")) && slice_eq(value, S("7")));
	CHECK(!sse_next_field(&last, &name, &value));
}
