/* What the two fuzzers of core/io/http_parse.h share: a stream must read the
 * same at once and in pieces, and a head that was taken must be one that can
 * be written and read again. */
#ifndef CONFD_TEST_FUZZ_FUZZ_HTTP_H
#define CONFD_TEST_FUZZ_FUZZ_HTTP_H

#include <stdlib.h>

#include "core/io/http_parse.h"
#include "core/io/http_write.h"

#define FUZZ_BODY_MAX 100000

static inline void must(bool held)
{
	if (!held)
		abort();
}

static inline void put_slice(struct buf *log, struct slice s)
{
	buf_put(log, s);
	buf_put_u8(log, 0);
}

static inline void put_head(struct buf *log, const struct http_head *h,
			    bool response)
{
	if (!response) {
		put_slice(log, h->method);
		put_slice(log, h->target);
	} else {
		buf_put_u32be(log, h->status);
		put_slice(log, h->reason);
	}
	buf_put_u8(log, (uint8_t)h->minor);
	buf_put_u8(log, (uint8_t)h->body);
	buf_put_u64be(log, h->length);
	buf_put_u8(log, h->keep_alive);
	buf_put_u8(log, !response && h->expect_continue);
	for (size_t i = 0; i < h->n; i++) {
		put_slice(log, h->h[i].name);
		put_slice(log, h->h[i].value);
	}
}

static inline void write_again(const struct http_head *h, bool response)
{
	auto_buf struct buf b = buf_make(1 << 20);
	struct http_head other = { 0 };
	struct http_head_reader r = { .head = &other, .response = response };
	struct err err;

	if (response)
		must(http_write_response(&b, h->status, &err) == OK);
	else
		must(http_write_request(&b, h->method, h->target, &err) == OK);
	for (size_t i = 0; i < h->n; i++)
		must(http_write_field(&b, h->h[i].name, h->h[i].value, &err) ==
		     OK);
	must(http_write_end(&b, &err) == OK);
	if (h->minor == 0)
		return; /* it is written as 1.1, which has more rules */
	must(http_head_parse(&r, buf_slice(&b), &err) == OK);
	must(other.n == h->n && other.length == h->length);
	for (size_t i = 0; i < h->n; i++)
		must(slice_eq(other.h[i].value, h->h[i].value));
}

/* Take all of piece; false when it is refused. */
static inline bool take_piece(struct http_parser *p, struct slice piece,
			      struct buf *log, struct buf *body)
{
	struct http_event ev;
	struct err err;
	size_t used;

	do {
		if (http_parse_next(p, piece, &used, &ev, &err) != OK) {
			must(err.text[0] != '\0' && http_parse_status(p) != 0);
			buf_put_u32be(log, http_parse_status(p));
			return false;
		}
		must(used <= piece.len);
		piece = slice_from(piece, used);
		must(ev.kind != HTTP_MORE || piece.len == 0);
		if (ev.kind == HTTP_DATA) {
			must(ev.data.len > 0 && ev.data.len <= used);
			buf_put(body, ev.data);
			continue;
		}
		if (ev.kind == HTTP_MORE)
			continue;
		buf_put_field(log, buf_slice(body));
		buf_clear(body);
		buf_put_u8(log, (uint8_t)ev.kind);
		if (ev.kind == HTTP_END) {
			buf_put_u8(log, (uint8_t)ev.trailers);
			continue;
		}
		put_head(log, ev.head, p->response);
		write_again(ev.head, p->response);
	} while (ev.kind != HTTP_MORE);
	return true;
}

static inline void take_stream(struct http_parser *p, struct slice text,
			       size_t step, struct buf *log)
{
	auto_buf struct buf body = buf_make(1 << 24);
	struct err err;
	bool fine = true;

	for (size_t at = 0; fine && at < text.len; at += step)
		fine = take_piece(p, slice_sub(text, at, step), log, &body);
	if (!fine)
		/* how much of a body came before its failure depends on the
		 * pieces only where a limit fell in one of them */
		return;
	buf_put_field(log, buf_slice(&body));
	buf_put_u8(log, http_parse_eof(p, &err) == OK);
	buf_put_u8(log, http_parse_idle(p));
}

/* The first byte says how small the pieces are. */
static inline void fuzz_http(const uint8_t *data, size_t size, bool response)
{
	auto_buf struct buf whole = buf_make(1 << 24);
	auto_buf struct buf cut = buf_make(1 << 24);
	void (*init)(struct http_parser *, size_t, uint64_t) =
		response ? http_parse_init_response : http_parse_init_request;

	if (size < 1)
		return;
	struct slice text = slice_make(data + 1, size - 1);
	size_t steps[] = { text.len == 0 ? 1 : text.len, 1 + data[0] % 64 };
	struct buf *logs[] = { &whole, &cut };
	for (size_t i = 0; i < 2; i++) {
		struct http_parser p;

		init(&p, 0, FUZZ_BODY_MAX);
		if (response && data[0] >= 128)
			http_parse_expect(&p, S("HEAD"));
		take_stream(&p, text, steps[i], logs[i]);
		http_parse_done(&p);
	}
	must(slice_eq(buf_slice(&whole), buf_slice(&cut)));
}

#endif
