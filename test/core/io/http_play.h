/* What the tests of core/io/http_parse.h and http_head.h share: a stream is
 * played to a parser, whole and cut at each byte, and what it made of it is
 * compared as text. */
#ifndef CONFD_TEST_CORE_IO_HTTP_PLAY_H
#define CONFD_TEST_CORE_IO_HTTP_PLAY_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/io/http_parse.h"
#include "test/test.h"

/* S() for tables. */
#define N S_INIT

struct how {
	bool response;
	const char *method; /* of what is answered; NULL: not said */
	size_t head_max;
	uint64_t body_max;
};

static const struct how request = { .body_max = UINT64_MAX };
static const struct how response = { .response = true, .body_max = UINT64_MAX };

static inline void put_head(struct buf *log, const struct http_head *h,
			    bool interim)
{
	static const char *const bodies[] = { "none", "length", "chunked",
					      "close" };

	buf_put_str(log, interim ? "(interim) " : "");
	if (h->status == 0) {
		buf_put(log, h->method);
		buf_put_u8(log, ' ');
		buf_put(log, h->target);
	} else {
		buf_putf(log, "%u ", h->status);
		buf_put(log, h->reason);
	}
	buf_putf(log, " 1.%u %s %" PRIu64 "%s%s", h->minor, bodies[h->body],
		 h->length, h->keep_alive ? "" : " close",
		 h->expect_continue ? " expect" : "");
	for (size_t i = 0; i < h->n; i++) {
		buf_put_str(log, " <");
		buf_put(log, h->h[i].name);
		buf_put_u8(log, '=');
		buf_put(log, h->h[i].value);
		buf_put_u8(log, '>');
	}
	buf_put_u8(log, '\n');
}

struct play {
	struct http_parser p;
	struct buf log;
	bool data; /* the log ends in data */
	bool failed;
	const char *method;
};

static inline void put_event(struct play *play, const struct http_event *ev)
{
	struct buf *log = &play->log;

	if (ev->kind == HTTP_MORE)
		return;
	if (ev->kind == HTTP_DATA && !play->data)
		buf_put_str(log, "data ");
	if (ev->kind != HTTP_DATA && play->data)
		buf_put_u8(log, '\n');
	play->data = ev->kind == HTTP_DATA;

	if (ev->kind == HTTP_DATA)
		buf_put(log, ev->data);
	else if (ev->kind == HTTP_END)
		buf_putf(log, "end %u\n", ev->trailers);
	else
		put_head(log, ev->head, ev->kind == HTTP_INTERIM);
	if (ev->kind == HTTP_END && play->method != NULL)
		http_parse_expect(&play->p, slice_str(play->method));
}

/* Give all of piece, dropping at once what is used, as from memory that ends
 * where it ends and is gone afterwards. */
static inline void give(struct play *play, struct slice piece)
{
	struct http_event ev = { .kind = HTTP_END };
	struct err err;

	while (!play->failed && ev.kind != HTTP_MORE) {
		auto_mem uint8_t *copy = mem_must(piece.len);
		size_t used = SIZE_MAX;

		if (piece.len > 0)
			memcpy(copy, piece.p, piece.len);
		struct slice in = slice_make(copy, piece.len);
		enum status s = http_parse_next(&play->p, in, &used, &ev, &err);
		if (s != OK) {
			buf_putf(&play->log, "%s%s %u\n",
				 play->data ? "\n" : "", status_name(s),
				 http_parse_status(&play->p));
			play->failed = true;
			EXPECT(used == SIZE_MAX && err.code == s);
			return;
		}
		EXPECT(used <= piece.len);
		EXPECT(ev.kind != HTTP_MORE || used == piece.len);
		put_event(play, &ev);
		piece = slice_from(piece, used);
	}
}

/* Give text cut after `cut` bytes, or after every byte for 0, then the end
 * of the stream. */
static inline void perform(const struct how *how, struct slice text, size_t cut,
			   struct buf *log)
{
	struct play play = { .log = buf_make(1 << 20), .method = how->method };
	size_t step = cut == 0 ? 1 : cut;
	struct err err;

	if (how->response)
		http_parse_init_response(&play.p, how->head_max, how->body_max);
	else
		http_parse_init_request(&play.p, how->head_max, how->body_max);
	if (how->method != NULL)
		http_parse_expect(&play.p, slice_str(how->method));

	for (size_t at = 0; at < text.len; at += step) {
		if (cut != 0 && at > 0)
			step = text.len;
		give(&play, slice_sub(text, at, step));
	}
	if (!play.failed) {
		buf_put_str(&play.log, play.data ? "\n" : "");
		bool ok = http_parse_eof(&play.p, &err) == OK;
		buf_put_str(&play.log, ok ? "fine" : "cut off");
	}
	buf_clear(log);
	buf_put(log, buf_slice(&play.log));
	buf_done(&play.log);
	http_parse_done(&play.p);
}

/* The log of text must be want however it is cut. */
static inline bool reads(const struct how *how, struct slice text,
			 const char *want)
{
	auto_buf struct buf log = buf_make(1 << 20);
	size_t most = text.len < 700 ? text.len : 700;

	for (size_t cut = text.len; cut <= text.len; cut--) {
		if (cut < text.len && cut > most)
			continue;
		perform(how, text, cut, &log);
		if (EXPECT(slice_eq_str(buf_slice(&log), want)))
			continue;
		printf("cut at %zu\ntext: %.*s\ngot: %.*s\nwant: %s\n", cut,
		       SLICE_FMT(text), SLICE_FMT(buf_slice(&log)), want);
		return false;
	}
	return true;
}

/* The log of text at once; starts is what it must begin with. */
static inline bool begins(const struct how *how, struct slice text,
			  const char *starts)
{
	auto_buf struct buf log = buf_make(1 << 20);

	perform(how, text, text.len, &log);
	return slice_starts(buf_slice(&log), slice_str(starts));
}

#define R(line, rest) line "\r\nHost: h\r\n" rest "\r\n"
#define GET(rest) R("GET / HTTP/1.1", rest)
#define CHUNKED GET("Transfer-Encoding: chunked\r\n")
#define CHUNKED_HEAD \
	"GET / 1.1 chunked 0 <Host=h> <Transfer-Encoding=chunked>\n"

#endif
