/* A model server to test against: the shapes of the OpenAI API, and every way
 * in which a server can behave badly.  It lies in a header so that unit tests
 * have it in their own loop, and upstream.c is a program of it.
 *
 * What it does is said by its mode, or by the header x-fake of a request:
 *
 *	chat	   answer a chat completion; a stream when the body has
 *		   "stream":true (the default)
 *	echo	   answer with the request: its head and its body
 *	die	   break off in the middle of a stream (or of a body)
 *	shrink	   announce more bytes than come, then close
 *	garbage	   answer with bytes that are not HTTP
 *	silent	   never answer
 *	huge	   answer with x-fake-size bytes
 *	redirect, switch, interim, trailers, close, cookie, cut-event
 *		   302, 101, a 103 first, trailers, a body until close,
 *		   headers that nobody wants, a stream that breaks in an event
 *	cut-long   the same in an event that is 40 KB long by then
 *	early	   answer 413 with the first byte of the body, read no more
 *	deaf	   read the head, nothing more, and never answer
 *	status	   answer with status x-fake-size
 *	old, old-close
 *		   answer in HTTP/1.0, with a length and without
 *	long-head  answer with a head of x-fake-size bytes
 *	many-interim
 *		   1xx heads without an end
 *	sealed, unknown-key
 *		   as a proxy that lies: garbage of the sealed media type, and
 *		   the problem that says that the key is not known
 *
 * x-fake-events: events of a stream (4); x-fake-delay: milliseconds before
 * each.  GET /stats answers {"requests":N,"aborts":N,"bytes":N}. */
#ifndef CONFD_TEST_FAKE_UPSTREAM_H
#define CONFD_TEST_FAKE_UPSTREAM_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/io/conn.h"
#include "core/io/http_parse.h"

struct fake_conn;

struct fake {
	struct loop *loop;
	struct listener *listener;
	struct addr at;
	const char *mode; /* NULL: chat */
	uint64_t size;
	unsigned events;
	int64_t delay;
	struct fake_conn *first;

	unsigned conns;	   /* accepted so far */
	unsigned heads;	   /* of requests, /stats not counted */
	unsigned requests; /* that came whole */
	unsigned aborts;   /* connections that ended before their answer */
	uint64_t bytes;	   /* of bodies */
	uint64_t sent;	   /* given to connections */
	struct buf last;   /* the latest request's head, as text */
	struct buf body;   /* and the beginning of its body */
};

struct fake_conn {
	struct fake *fake;
	struct fake_conn *next;
	struct conn *conn;
	struct http_parser parser;
	struct loop_timer *timer;
	char mode[16];
	bool stats;
	bool busy; /* a request is under way */
	bool streaming;
	bool stream; /* it asks for one */
	unsigned events;
	uint64_t left; /* bytes of a huge body */
	uint64_t size;
	int64_t delay;
};

static void fake_put(struct fake_conn *c, struct slice s)
{
	c->fake->sent += s.len;
	conn_write(c->conn, s);
}

static void fake_putf(struct fake_conn *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void fake_putf(struct fake_conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fake_put(c, slice_make(text, (size_t)n));
}

static void fake_drop(struct fake_conn *c, bool rude)
{
	struct fake_conn **at = &c->fake->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (rude)
		conn_abort(c->conn);
	loop_timer_free(c->timer);
	http_parse_done(&c->parser);
	conn_free(c->conn);
	mem_free(c);
}

static void fake_body(struct fake_conn *c, const char *type, struct slice body)
{
	fake_putf(c,
		  "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"
		  "Content-Length: %zu\r\nX-Request-Id: fake-1\r\n\r\n",
		  type, body.len);
	fake_put(c, body);
	c->busy = false;
}

static void fake_chunk(struct fake_conn *c, struct slice s)
{
	fake_putf(c, "%zx\r\n", s.len);
	fake_put(c, s);
	fake_put(c, S("\r\n"));
}

/* ---- streams ------------------------------------------------------------------ */

static void fake_event(struct fake_conn *c, unsigned i)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "data: {\"object\":\"chat.completion.chunk\","
			 "\"choices\":[{\"index\":0,\"delta\":{\"content\":"
			 "\"token%u \"}}]}\n\n",
			 i);

	fake_chunk(c, slice_make(text, (size_t)n));
}

/* As a process that dies: the kernel ends the connection. */
static bool fake_perish(struct fake_conn *c)
{
	c->streaming = false;
	c->busy = false;
	conn_close(c->conn);
	return false;
}

/* One more event; false when it was the last, or the connection is gone. */
static bool fake_step(struct fake_conn *c)
{
	bool cut = strncmp(c->mode, "cut-", 4) == 0;
	bool is_long = strcmp(c->mode, "cut-long") == 0;

	if ((cut || strcmp(c->mode, "die") == 0) && c->events <= 2) {
		if (cut)
			fake_chunk(c, S("data: {\"cut\":"));
		for (unsigned i = 0; is_long && i < 4000; i++)
			fake_chunk(c, S("0123456789"));
		return fake_perish(c);
	}
	if (c->events > 0) {
		fake_event(c, c->events--);
		return true;
	}
	fake_chunk(c, S("data: [DONE]\n\n"));
	fake_put(c, S("0\r\n\r\n"));
	c->streaming = false;
	c->busy = false;
	return false;
}

static void fake_go_on(struct fake_conn *c)
{
	static const uint8_t zeros[16384];

	while (c->left > 0 && !conn_full(c->conn)) {
		size_t n = c->left < sizeof(zeros) ? (size_t)c->left
						   : sizeof(zeros);
		fake_put(c, slice_make(zeros, n));
		c->left -= n;
		c->busy = c->left > 0;
	}
	while (c->streaming && c->delay == 0 && !conn_full(c->conn))
		if (!fake_step(c))
			return;
	if (c->streaming && c->delay > 0)
		loop_timer_arm(c->timer, c->delay);
}

static void fake_tick(void *ctx)
{
	struct fake_conn *c = ctx;

	if (fake_step(c))
		loop_timer_arm(c->timer, c->delay);
}

static void fake_stream(struct fake_conn *c)
{
	fake_put(c, S("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; "
		      "charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"));
	c->streaming = true;
	fake_go_on(c);
}

/* ---- modes --------------------------------------------------------------------- */

static void fake_chat(struct fake_conn *c)
{
	if (c->stream) {
		fake_stream(c);
		return;
	}
	fake_body(c, "application/json",
		  S("{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
		    "\"message\":{\"role\":\"assistant\",\"content\":\"hello "
		    "from the fake\"},\"finish_reason\":\"stop\"}]}"));
}

static void fake_echo(struct fake_conn *c)
{
	auto_buf struct buf b = buf_make(1u << 20);

	buf_put(&b, buf_slice(&c->fake->last));
	buf_put_str(&b, "\n");
	buf_put(&b, buf_slice(&c->fake->body));
	fake_body(c, "text/plain", buf_slice(&b));
}

static void fake_die(struct fake_conn *c)
{
	if (c->stream) {
		fake_stream(c);
		return;
	}
	fake_put(c, S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n"));
	(void)fake_perish(c);
}

static void fake_shrink(struct fake_conn *c)
{
	fake_put(c, S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		      "Content-Length: 100\r\n\r\n{\"a\":"));
	(void)fake_perish(c);
}

static void fake_huge(struct fake_conn *c)
{
	fake_putf(c,
		  "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"
		  "\r\nContent-Length: %llu\r\n\r\n",
		  (unsigned long long)c->size);
	c->left = c->size;
	fake_go_on(c);
}

static void fake_status(struct fake_conn *c)
{
	fake_putf(c,
		  "HTTP/1.1 %u Fake\r\nContent-Type: application/json\r\n"
		  "Content-Length: 2\r\n\r\n{}",
		  (unsigned)c->size);
	c->busy = false;
}

static void fake_silent(struct fake_conn *c)
{
	(void)c;
}

static void fake_long_head(struct fake_conn *c)
{
	fake_put(c, S("HTTP/1.1 200 OK\r\nX-Long: "));
	for (uint64_t i = 0; i < c->size; i++)
		fake_put(c, S("x"));
	fake_put(c, S("\r\nContent-Length: 0\r\n\r\n"));
	c->busy = false;
}

static void fake_many_interim(struct fake_conn *c)
{
	for (unsigned i = 0; i < 2 * HTTP_MAX_INTERIM; i++)
		fake_put(c, S("HTTP/1.1 102 Processing\r\n\r\n"));
}

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(struct fake_conn *c);
	const char *raw; /* instead: exactly this, then close */
} fake_modes[] = {
	{ "chat", fake_chat, NULL },
	{ "echo", fake_echo, NULL },
	{ "die", fake_die, NULL },
	{ "cut-event", fake_die, NULL },
	{ "cut-long", fake_die, NULL },
	{ "shrink", fake_shrink, NULL },
	{ "huge", fake_huge, NULL },
	{ "status", fake_status, NULL },
	{ "silent", fake_silent, NULL },
	{ "deaf", fake_silent, NULL },
	{ "long-head", fake_long_head, NULL },
	{ "many-interim", fake_many_interim, NULL },
	{ "old", NULL, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
	  "Content-Length: 2\r\n\r\n{}" },
	{ "old-close", NULL, "HTTP/1.0 200 OK\r\n"
	  "Content-Type: application/json\r\n\r\n{}" },
	{ "sealed", NULL, "HTTP/1.1 200 OK\r\n"
	  "Content-Type: message/ohttp-chunked-res\r\n"
	  "Content-Length: 60\r\n\r\n"
	  "123456789012345678901234567890123456789012345678901234567890" },
	{ "unknown-key", NULL, "HTTP/1.1 422 Unprocessable Content\r\n"
	  "Content-Type: application/problem+json\r\nContent-Length: 71\r\n\r\n"
	  "{\"type\":\"https://iana.org/assignments/http-problem-types#"
	  "ohttp-key\"}   " },
	{ "garbage", NULL, "SSH-2.0-OpenSSH_9.2p1\r\n" },
	{ "redirect", NULL, "HTTP/1.1 302 Found\r\n"
	  "Location: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n" },
	{ "switch", NULL, "HTTP/1.1 101 Switching Protocols\r\n"
	  "Upgrade: x\r\nConnection: Upgrade\r\n\r\n" },
	{ "interim", NULL, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	  "Content-Length: 2\r\n\r\n{}" },
	{ "trailers", NULL, "HTTP/1.1 200 OK\r\n"
	  "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
	  "\r\n2\r\n{}\r\n0\r\nX-Secret: trailer\r\n\r\n" },
	{ "close", NULL, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	  "Connection: close\r\n\r\n{}" },
	{ "cookie", NULL, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	  "Set-Cookie: a=b\r\nServer: fake\r\nLocation: /x\r\n"
	  "X-Request-Id: r-1\r\nContent-Length: 2\r\n\r\n{}" },
	{ "early", NULL, "HTTP/1.1 413 Too Large\r\n"
	  "Content-Type: application/json\r\nContent-Length: 2\r\n"
	  "Connection: close\r\n\r\n{}" },
};
/* clang-format on */

static void fake_answer(struct fake_conn *c)
{
	for (size_t i = 0; i < countof(fake_modes); i++) {
		if (strcmp(c->mode, fake_modes[i].name) != 0)
			continue;
		if (fake_modes[i].raw == NULL) {
			fake_modes[i].run(c);
			return;
		}
		c->busy = false;
		fake_put(c, slice_str(fake_modes[i].raw));
		conn_close(c->conn);
		return;
	}
	fake_put(c, S("HTTP/1.1 501 Mode\r\nContent-Length: 0\r\n\r\n"));
	c->busy = false;
}

static void fake_stats(struct fake_conn *c)
{
	char text[128];
	int n = snprintf(text, sizeof(text),
			 "{\"requests\":%u,\"aborts\":%u,\"bytes\":%llu}\n",
			 c->fake->requests, c->fake->aborts,
			 (unsigned long long)c->fake->bytes);

	fake_body(c, "application/json", slice_make(text, (size_t)n));
}

/* ---- requests -------------------------------------------------------------------- */

static uint64_t fake_number(const struct http_head *h, const char *name,
			    uint64_t otherwise)
{
	uint64_t n;

	return slice_u64(http_head_get(h, name), &n) ? n : otherwise;
}

static void fake_head(struct fake_conn *c, const struct http_head *h)
{
	struct fake *f = c->fake;
	struct slice mode = http_head_get(h, "x-fake");

	if (mode.p == NULL)
		mode = slice_str(f->mode != NULL ? f->mode : "chat");
	(void)snprintf(c->mode, sizeof(c->mode), "%.*s", SLICE_FMT(mode));
	c->stats = slice_eq_str(h->target, "/stats");
	c->busy = true;
	c->stream = false;
	c->events = (unsigned)fake_number(h, "x-fake-events", f->events);
	c->delay = (int64_t)fake_number(h, "x-fake-delay", (uint64_t)f->delay);
	c->size = fake_number(h, "x-fake-size", f->size);
	if (c->stats)
		return;
	f->heads++;
	buf_clear(&f->last);
	buf_clear(&f->body);
	buf_putf(&f->last, "%.*s %.*s\n", SLICE_FMT(h->method),
		 SLICE_FMT(h->target));
	for (size_t i = 0; i < h->n; i++)
		buf_putf(&f->last, "%.*s: %.*s\n", SLICE_FMT(h->h[i].name),
			 SLICE_FMT(h->h[i].value));
	if (strcmp(c->mode, "deaf") == 0)
		conn_pause(c->conn);
}

static void fake_data(struct fake_conn *c, struct slice data)
{
	struct fake *f = c->fake;

	f->bytes += data.len;
	buf_put(&f->body, slice_sub(data, 0, f->body.max - f->body.len));
	if (strcmp(c->mode, "early") == 0 && c->busy)
		fake_answer(c);
}

static void fake_end(struct fake_conn *c)
{
	struct slice body = buf_slice(&c->fake->body);

	if (c->stats) {
		fake_stats(c);
		return;
	}
	c->fake->requests++;
	c->stream = slice_search(body, S("\"stream\":true")) < body.len ||
		    slice_search(body, S("\"stream\": true")) < body.len;
	if (c->busy)
		fake_answer(c);
}

static size_t fake_on_data(void *ctx, struct slice in)
{
	struct fake_conn *c = ctx;
	struct slice rest = in;
	struct http_event ev;
	struct err err;
	size_t used;

	for (;;) {
		if (http_parse_next(&c->parser, rest, &used, &ev, &err) != OK) {
			fake_drop(c, true);
			return in.len;
		}
		rest = slice_from(rest, used);
		if (ev.kind == HTTP_MORE)
			return in.len;
		if (ev.kind == HTTP_HEAD)
			fake_head(c, ev.head);
		else if (ev.kind == HTTP_DATA)
			fake_data(c, ev.data);
		if (ev.kind == HTTP_END) {
			fake_end(c);
			return in.len - rest.len; /* nobody pipelines */
		}
	}
}

static void fake_on_drained(void *ctx)
{
	fake_go_on(ctx);
}

static void fake_left(void *ctx)
{
	struct fake_conn *c = ctx;

	if (c->busy)
		c->fake->aborts++;
	fake_drop(c, false);
}

static void fake_on_closed(void *ctx, const struct err *why)
{
	(void)why;
	fake_left(ctx);
}

static const struct conn_events fake_callbacks = {
	.data = fake_on_data,
	.drained = fake_on_drained,
	.eof = fake_left,
	.closed = fake_on_closed,
};

/* Serve a connection. */
static void fake_accept(void *ctx, struct conn *conn)
{
	struct fake *f = ctx;
	struct fake_conn *c = mem_must(sizeof(*c));

	c->fake = f;
	c->conn = conn;
	c->timer = loop_timer_new(f->loop, fake_tick, c);
	http_parse_init_request(&c->parser, 0, UINT64_MAX);
	c->next = f->first;
	f->first = c;
	f->conns++;
	conn_handlers(conn, &fake_callbacks, c);
}

/* Listen; f->at becomes the address.  f need not be initialised. */
[[maybe_unused]] static enum status fake_start(struct fake *f, struct loop *l,
					       const struct addr *at,
					       struct err *err)
{
	*f = (struct fake){ .loop = l, .events = 4, .size = 1u << 20 };
	f->last = buf_make(64u << 10);
	f->body = buf_make(256u << 10);
	TRY(listener_open(l, at, NULL, NULL, fake_accept, f, &f->listener,
			  err));
	listener_addr(f->listener, &f->at);
	return OK;
}

[[maybe_unused]] static void fake_stop(struct fake *f)
{
	while (f->first != NULL)
		fake_drop(f->first, true);
	if (f->listener != NULL)
		listener_close(take(f->listener));
	buf_done(&f->last);
	buf_done(&f->body);
}

#endif
