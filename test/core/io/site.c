#include "test/core/io/site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"

/* ---- a server with a few routes ------------------------------------------ */

static void note_pending(struct site *r)
{
	size_t n = r->call == NULL ? 0 : conn_pending(http_call_conn(r->call));

	r->most = n > r->most ? n : r->most;
}

static void app_body(void *ctx, struct slice part)
{
	struct site *r = ctx;

	buf_put(&r->got, part);
	r->got_len += part.len;
	if (strcmp(r->target, "/pause") == 0)
		http_call_pause(r->call);
	if (strcmp(r->target, "/echo") != 0)
		return;
	http_call_body(r->call, part);
	note_pending(r);
	if (http_call_full(r->call))
		http_call_pause(r->call);
}

static void app_body_end(void *ctx)
{
	struct site *r = ctx;

	r->ends++;
	if (strcmp(r->target, "/echo") == 0)
		http_call_end(r->call);
	if (strcmp(r->target, "/read") == 0 || strcmp(r->target, "/pause") == 0)
		http_call_reply(r->call, 200, "text/plain", S("read"), NULL, 0);
}

static void send_big(struct site *r)
{
	static const uint8_t zeros[50000];

	while (r->left > 0 && !http_call_full(r->call)) {
		size_t n = r->left < sizeof(zeros) ? (size_t)r->left
						   : sizeof(zeros);

		http_call_body(r->call, slice_make(zeros, n));
		r->left -= n;
		note_pending(r);
	}
	if (r->left == 0)
		http_call_end(r->call);
}

static void app_drained(void *ctx)
{
	struct site *r = ctx;

	r->drains++;
	if (strcmp(r->target, "/big") == 0)
		send_big(r);
	else
		http_call_resume(r->call);
}

static void app_gone(void *ctx, const struct err *why)
{
	struct site *r = ctx;

	r->gones++;
	r->why = why->code;
	r->call = NULL;
	if (r->free_in_gone)
		http_server_free(take(r->srv));
}

static const struct http_call_events app_events = {
	.body = app_body,
	.body_end = app_body_end,
	.drained = app_drained,
	.gone = app_gone,
};

static void app_whole(void *ctx, struct http_call *call, struct slice body)
{
	char text[32];

	(void)ctx;
	(void)snprintf(text, sizeof(text), "%zu bytes", body.len);
	http_call_reply(call, 200, "text/plain", slice_str(text), NULL, 0);
}

void site_begin(struct http_call *c, unsigned status, uint64_t length)
{
	struct err err;

	EXPECT(http_call_head(c, status, NULL, 0, length, &err) == OK);
}

static void route_bad(struct site *r, struct http_call *c)
{
	const struct http_header bad[] = {
		{ S("X-A"), S("b\r\nX-C: d") },
		{ S("X-A\r\nX-B"), S("c") },
		{ S("X A"), S("c") },
		{ S(""), S("c") },
		{ S("Content-Length"), S("0") },
		{ S("transfer-encoding"), S("chunked") },
		{ S("Connection"), S("keep-alive") },
	};
	struct err err;

	for (size_t i = 0; i < countof(bad); i++)
		EXPECT(http_call_head(c, 200, &bad[i], 1, 0, &err) == E_PARSE);
	EXPECT(http_call_head(c, 101, NULL, 0, 0, &err) == E_PARSE);
	EXPECT(http_call_head(c, 600, NULL, 0, 0, &err) == E_PARSE);
	EXPECT(!http_call_answered(c));
	site_begin(c, 200, 2);
	EXPECT(http_call_answered(c));
	EXPECT(http_call_head(c, 200, NULL, 0, 2, &err) == E_CONFLICT);
	http_call_body(c, S("ok"));
	http_call_end(c);
	r->head_status = err.code;
}

static void route_reply_bad(struct http_call *c)
{
	const struct http_header bad = { S("X-A"), S("b\nX-C: d") };

	http_call_reply(c, 200, "text/plain", S("hello"), &bad, 1);
}

void site_reply(struct http_call *c, unsigned status, const char *body)
{
	http_call_reply(c, status, "text/plain", slice_str(body), NULL, 0);
}

static void app_call(void *ctx, struct http_call *c,
		     const struct http_head *head)
{
	struct site *r = ctx;
	const char *t = r->target;

	r->calls++;
	(void)snprintf(r->target, sizeof(r->target), "%.*s",
		       SLICE_FMT(slice_sub(head->target, 0, 60)));
	if (r->free_in_call) {
		http_call_own(c, &app_events, r);
		http_server_free(take(r->srv));
		return;
	}
	if (strcmp(t, "/none") == 0)
		return;
	if (strcmp(t, "/count") == 0) {
		http_call_collect(c, 1000, app_whole, NULL);
		return;
	}
	r->call = c;
	r->ends = 0;
	http_call_own(c, &app_events, r);
	if (strcmp(t, "/hi") == 0)
		site_reply(c, 200, "hello");
	if (strcmp(t, "/early") == 0)
		site_reply(c, 403, "no");
	if (strcmp(t, "/empty") == 0)
		site_reply(c, 204, "dropped");
	if (strcmp(t, "/bad") == 0)
		route_bad(r, c);
	if (strcmp(t, "/replybad") == 0)
		route_reply_bad(c);
	if (strcmp(t, "/echo") == 0)
		site_begin(c, 200, UINT64_MAX);
	if (strcmp(t, "/big") == 0) {
		site_begin(c, 200, UINT64_MAX);
		r->left = SITE_MANY;
		send_big(r);
	}
	if (strcmp(t, "/held") == 0 || strcmp(t, "/paused") == 0)
		http_call_pause(c);
}

static void app_error(void *ctx, unsigned status, const char *reason,
		      const char **type, struct buf *body)
{
	(void)ctx;
	EXPECT(reason[0] != '\0');
	*type = "application/x-error";
	buf_putf(body, "error %u", status);
}

static const struct http_server_events app = { .on_call = app_call,
					       .on_error = app_error };

bool site_open(struct site *r, const struct http_limits *limits)
{
	struct listener_settings set = { 0 };
	struct addr at = { .host = "127.0.0.1" };
	struct err err;

	*r = (struct site){ .got = buf_make(1 << 20), .why = E_AGAIN };
	if (!EXPECT(loop_new(&r->l, &err) == OK) ||
	    !EXPECT(http_server_new(r->l, limits, &app, r, &r->srv, &err) ==
		    OK) ||
	    !EXPECT(listener_open(r->l, &at, NULL, &set, http_server_accept,
				  r->srv, &r->ls, &err) == OK))
		return false;
	listener_addr(r->ls, &at);
	r->at.sin_family = AF_INET;
	r->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r->at.sin_port = htons(at.port);
	return true;
}

void site_close(struct site *r)
{
	if (r->ls != NULL)
		listener_close(r->ls);
	http_server_free(r->srv);
	loop_free(r->l);
	buf_done(&r->got);
}

/* ---- a client that sends whatever it likes ------------------------------------ */

struct peer far_open(struct site *r)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct peer p = { .r = r, .in = buf_make(4 << 20), .keep = true };
	int small = 64 << 10;

	/* So that what nobody reads does not all fit into the kernel. */
	EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ==
	       0);
	EXPECT(connect(fd, (struct sockaddr *)&r->at, sizeof(r->at)) == 0);
	p.fd = fd;
	return p;
}

void peer_shut(struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	buf_done(&p->in);
}

void peer_crash(struct peer *p)
{
	struct linger now = { .l_onoff = 1 };

	EXPECT(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) ==
	       0);
	(void)close(p->fd);
	p->fd = -1;
}

void peer_read(struct peer *p)
{
	static uint8_t bytes[65536];
	ssize_t n;

	while (!p->ended &&
	       (n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			p->reset = true;
			break;
		}
		p->n += (uint64_t)n;
		if (p->keep)
			buf_put(&p->in, slice_make(bytes, (size_t)n));
	}
	p->ended = true;
}

static bool always_more(const struct peer *p)
{
	(void)p;
	return false;
}

bool peer_ended(const struct peer *p)
{
	return p->ended;
}

bool peer_gone(const struct peer *p)
{
	return p->r->gones > 0;
}

bool peer_run_until(struct peer *p, bool (*holds)(const struct peer *),
		    int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (!holds(p)) {
		if (clock_mono_ms() > end)
			return false;
		loop_run_once(p->r->l, 2);
		if (p->fd >= 0)
			peer_read(p);
	}
	return true;
}

void peer_run(struct peer *p, int64_t ms)
{
	(void)peer_run_until(p, always_more, ms);
}

bool peer_send(struct peer *p, struct slice s)
{
	int64_t end = clock_mono_ms() + LONG;

	while (s.len > 0 && clock_mono_ms() < end) {
		ssize_t n =
			send(p->fd, s.p, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0)
			s = slice_from(s, (size_t)n);
		else
			loop_run_once(p->r->l, 2);
	}
	return s.len == 0;
}

bool peer_say(struct peer *p, const char *text)
{
	return EXPECT(peer_send(p, slice_str(text)));
}

unsigned peer_heard(const struct peer *p, const char *text)
{
	struct slice s = buf_slice(&p->in);
	struct slice want = slice_str(text);
	unsigned n = 0;

	for (size_t at; (at = slice_search(s, want)) < s.len; n++)
		s = slice_from(s, at + want.len);
	return n;
}

bool peer_hear_times(struct peer *p, const char *text, unsigned n)
{
	int64_t end = clock_mono_ms() + LONG;

	while (peer_heard(p, text) < n && !p->ended && clock_mono_ms() < end) {
		loop_run_once(p->r->l, 2);
		peer_read(p);
	}
	if (peer_heard(p, text) >= n)
		return true;
	printf("heard %.*s\n", SLICE_FMT(slice_sub(buf_slice(&p->in), 0, 400)));
	return false;
}

bool peer_hear(struct peer *p, const char *text)
{
	return peer_hear_times(p, text, 1);
}
